//! Pages of help: `-h` is one screen of the commonest options, `--help` has everything with variables and examples, and
//! `help options` has the options of every verb.
//!
//! Invariant: a page is laid out only when somebody asks for it; no other command pays for it.

use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Args as _, Command, CommandFactory as _};

use super::{Cli, Global};
use crate::error::Error;

/// The verbs by what they are for, in the order of the first page. Those of a line are parted by commas.
pub(super) const GROUPS: [(&str, &[&str]); 5] = [
    ("Run", &["start, work"]),
    ("Jobs", &["push, call, try", "jobs, batches, why", "queues, pause, resume", "processors"]),
    (
        "Look",
        &[
            "status, top, running",
            "services, calls, tables",
            "health, doctor, debug",
            "metrics, leaks",
            "runs, errors, audit",
            "workers, logs, events",
        ],
    ),
    ("Change", &["scale, autoscale", "spawn, stop, restart, reload"]),
    ("Set up", &["config, import, export", "backup, restore, migrate", "web, completions, man"]),
];

/// Verbs that have a line together, as the page has to fit the screen.
const TOGETHER: [(&str, &str); 15] = [
    ("start, work", "Run the master, or a single worker here"),
    ("push, call, try", "Add jobs, call a method of a service, or try a worker"),
    ("jobs, batches, why", "List and change jobs, and say why one does not run"),
    ("queues, pause, resume", "Show and limit queues, stop handing out jobs"),
    ("status, top, running", "Show queues, pools and workers, or whether one runs"),
    ("services, calls, tables", "Show services, their failed calls, shared tables"),
    ("health, doctor, debug", "Say whether all is well, or look closer"),
    ("metrics, leaks", "Print metrics, or show which jobs leak memory"),
    ("runs, errors, audit", "Show past runs, what failed, who has changed what"),
    ("workers, logs, events", "Show past workers, what they print, what happens"),
    ("scale, autoscale", "Set the number of workers, or show why a pool has it"),
    ("spawn, stop, restart, reload", "Add, end or renew pools; reread the file"),
    ("config, import, export", "Check or make a configuration; make a unit"),
    ("backup, restore, migrate", "Copy, restore or move the store"),
    ("web, completions, man", "Open the page; print completions, the manual"),
];

const USAGE: &str = "queue-work [OPTIONS] [-- CMD…]   the master: `queue-work start -h`
       queue-work VERB …                a verb: `queue-work VERB -h`";

const SHORT_END: &str = "More, with examples: `--help`; options of every verb: `queue-work help options`";
const LONG_END: &str = "Options of every verb: `queue-work help options`";

const OPTIONS: &str = "Options of every verb. They stand before or behind it.";

const RULES: &str = "\
What wins, where a value is given in several places:
  1. the option           --workers 4
  2. the environment      QUEUE_WORK_WORKERS=4; of a verb QUEUE_WORK_PUSH_QUEUE=mail
  3. the configuration    workers = 4; see `queue-work config init -`
  4. the default
`queue-work config show` tells which values are in force and where they come from.

Values:
  DURATION  a number with its unit: 500ms, 90s, 5m, 1h 30m, 2d, 1w
  SIZE      512K, 128M, 2G, where K is 1024 bytes; a bare number is bytes
  NAMES     with commas or by repeating: `--queue a,b` is `--queue a --queue b`
  a flag    in a variable, `0`, `false`, `no`, `off` and nothing leave it out
  --        ends the options: what follows is a command with its arguments";

/// The command line with its pages of help.
pub(super) fn laid_out() -> Command {
    let command = verb(Cli::command());
    let verbs = verbs(&command);
    command
        .disable_version_flag(true)
        .arg(Arg::new("version").short('V').long("version").action(ArgAction::Version))
        .override_usage(USAGE)
        .help_template(format!("{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{verbs}{{after-help}}"))
}

/// A verb, with its own verbs below.
fn verb(command: Command) -> Command {
    // Where there are verbs, the page shows these.
    let has_verbs = command.has_subcommands();
    let command = command.mut_args(|arg| {
        let arg = if arg.is_global_set() { arg.hide(true) } else { arg };
        let arg = if has_verbs { arg.hide_short_help(true) } else { arg };
        with_details(arg)
    });
    let examples = command.get_after_long_help().map(|text| format!("{}\n\n", text.ansi())).unwrap_or_default();
    let help = Arg::new("help").short('h').long("help").action(ArgAction::Help).hide(true);
    command
        .disable_help_flag(true)
        .arg(help)
        .after_help(SHORT_END)
        .after_long_help(format!("{examples}{LONG_END}"))
        .subcommand_help_heading("Verbs")
        .subcommand_value_name("VERB")
        .mut_subcommands(verb)
}

/// The argument with its variable and its possible values in the long help alone: in the short one they take a line each.
fn with_details(arg: Arg) -> Arg {
    let mut details = String::new();
    if let Some(name) = arg.get_env() {
        // A String takes everything.
        let _ = write!(details, "\n[env: {}]", name.to_string_lossy());
    }
    let words: Vec<String> = arg.get_possible_values().iter().map(|word| word.get_name().to_owned()).collect();
    let has_words = arg.get_action().takes_values() && !words.is_empty();
    if has_words {
        let _ = write!(details, "\n[possible values: {}]", words.join(", "));
    }
    if details.is_empty() {
        return arg;
    }
    let text = arg.get_long_help().or(arg.get_help()).map(|text| text.ansi().to_string()).unwrap_or_default();
    let arg = if has_words { arg.hide_possible_values(true) } else { arg };
    arg.hide_env(true).long_help(text + &details)
}

/// The verbs in their groups.
fn verbs(command: &Command) -> String {
    let header = command.get_styles().get_header();
    let mut lines = Vec::new();
    for (group, names) in GROUPS {
        for (row, name) in names.iter().enumerate() {
            let group = if row == 0 { group } else { "" };
            let together = TOGETHER.iter().find(|(names, _)| names == name).map(|(_, about)| (*about).to_owned());
            let about = || command.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            let about = together.or_else(about).unwrap_or_default();
            let gap = 8 - group.len();
            lines.push(format!("{header}{group}{header:#}{:gap$}{name:<16} {about}", ""));
        }
    }
    lines.join("\n")
}

/// The verb of these words, such as `jobs list`.
pub(crate) fn find<'a>(command: &'a Command, words: &[String]) -> Result<&'a Command, Error> {
    words.iter().try_fold(command, |at, word| {
        let found = at.find_subcommand(word).filter(|verb| !verb.get_name().starts_with("__"));
        found.ok_or_else(|| Error::Usage(format!("there is no verb `{}`; see `queue-work -h`", words.join(" "))))
    })
}

/// The long page of a verb, or of the program.
pub(crate) fn page(words: &[String]) -> Result<StyledStr, Error> {
    let mut command = laid_out();
    command.build();
    find(&command, words).map(|verb| verb.clone().render_long_help())
}

/// The commands that the page of a verb gives as examples.
pub(super) fn examples(verb: &Command) -> impl Iterator<Item = String> {
    let page = verb.get_after_long_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("  ").filter(|line| line.contains("queue-work")).map(str::to_owned))
        .collect();
    // What an example does stands behind it.
    lines.into_iter().filter_map(|line| Some(line.split("  ").next()?.trim_end().to_owned()))
}

/// The page of the options that every verb has.
pub(crate) fn options() -> StyledStr {
    let command = Global::augment_args(Command::new("queue-work")).disable_help_flag(true);
    let command = command.about(OPTIONS).after_long_help(RULES).max_term_width(100);
    let command = command.mut_args(|arg| arg.help_heading("Options").hide_env_values(true));
    command.help_template("{about-with-newline}\n{all-args}{after-help}").render_long_help()
}
