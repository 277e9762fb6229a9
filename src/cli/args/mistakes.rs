//! Words for a wrong command line: what is wrong with which option of which verb, and what to write instead.
//!
//! Invariant: no tip ends a master, and none is an option of every verb that merely looks like what was typed.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, Error};

use super::{Cli, help};
use crate::report::words;

/// Words of other tools, which do not look like ours.
const KNOWN_ELSEWHERE: [(&str, &str); 8] = [
    ("add", "push"),
    ("enqueue", "push"),
    ("follow", "logs -f"),
    ("list", "jobs list"),
    ("run", "start"),
    ("show", "jobs show"),
    ("tail", "logs -f"),
    ("wait", "jobs wait"),
];

/// Words a mistake of the parser's finding, and lays out the help that was asked for.
pub(super) fn explain(command: &Command, error: Error, args: &[OsString]) -> Error {
    if error.kind() == ErrorKind::DisplayHelp {
        return help::laid_out().try_get_matches_from(args).err().unwrap_or(error);
    }
    if !error.use_stderr() {
        return error;
    }
    let (verb, path) = verb_of(command, args);
    let mistake = Mistake { error: &error, verb, path: &path, args, in_variable: is_in_variable(&error, args) };
    Error::raw(error.kind(), mistake.worded(command))
}

/// Whether the command line is right where no variable is set.
fn is_in_variable(error: &Error, args: &[OsString]) -> bool {
    let again = without_environment(Cli::command()).try_get_matches_from(args);
    again.map_or_else(|again| again.kind() != error.kind(), |_| true)
}

pub(super) fn without_environment(command: Command) -> Command {
    command.mut_args(|arg| arg.env(None::<&'static str>)).mut_subcommands(without_environment)
}

/// A mistake, and where it was made.
struct Mistake<'a> {
    error: &'a Error,
    verb: &'a Command,
    /// As it is typed: `jobs retry`; empty for the program itself.
    path: &'a str,
    args: &'a [OsString],
    in_variable: bool,
}

impl Mistake<'_> {
    fn worded(&self, command: &Command) -> String {
        match self.error.kind() {
            ErrorKind::UnknownArgument => self.unknown(command),
            ErrorKind::InvalidSubcommand => self.no_such_verb(),
            ErrorKind::InvalidValue => self.not_among(),
            ErrorKind::ValueValidation => self.refused(),
            ErrorKind::TooManyValues => {
                format!("`{}` takes no value, and `{}` is one; {}", self.name(), self.value(), self.see())
            }
            ErrorKind::ArgumentConflict => match self.text(ContextKind::InvalidSubcommand) {
                Some(word) => self.after_own_words(command, word),
                None => self.conflict(),
            },
            ErrorKind::MissingRequiredArgument => self.missing(),
            ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                format!("`{}` needs a verb: {}; {}", self.place(), one_of(&own_verbs(self.verb)), self.see())
            }
            ErrorKind::InvalidUtf8 => self.no_text(),
            _ => format!("`{}` cannot be understood; {}", self.place(), self.see()),
        }
    }

    fn text(&self, kind: ContextKind) -> Option<&str> {
        match self.error.get(kind)? {
            ContextValue::String(text) => Some(text),
            ContextValue::Strings(texts) => texts.first().map(String::as_str),
            _ => None,
        }
    }

    /// The option or argument that is wrong: `--queue`, `ID`, or the variable that says it.
    fn name(&self) -> String {
        let shown = self.text(ContextKind::InvalidArg).unwrap_or_default();
        let arg = self.verb.get_arguments().find(|arg| arg.to_string() == shown);
        match arg.and_then(Arg::get_env).filter(|_| self.in_variable) {
            Some(variable) => variable.to_string_lossy().into_owned(),
            None => bare(shown),
        }
    }

    fn value(&self) -> &str {
        self.text(ContextKind::InvalidValue).unwrap_or_default()
    }

    /// The verb that was given the words; without one they are those of the master.
    fn place(&self) -> &str {
        if self.path.is_empty() { "start" } else { self.path }
    }

    /// The help that tells more.
    fn see(&self) -> String {
        format!("see `queue-work {} -h`", self.place())
    }

    fn unknown(&self, command: &Command) -> String {
        let word = self.text(ContextKind::InvalidArg).unwrap_or_default();
        let is_option = word.starts_with('-');
        if self.path.is_empty() && !is_option {
            return unknown_verb(command, word);
        }
        let tip = self.text(ContextKind::SuggestedArg).map(|tip| tip.trim_start_matches("--"));
        let is_own =
            |tip: &&str| self.verb.get_arguments().any(|arg| !arg.is_global_set() && arg.get_long() == Some(tip));
        let tip = tip.filter(is_own);
        if self.path == "push"
            && tip.is_none()
            && let Some(better) = a_command_goes_last(self.args)
        {
            return better;
        }
        let word = if is_option { word.split('=').next().unwrap_or(word) } else { word };
        let has_not = if is_option { "has no option" } else { "does not take" };
        let next = tip.map_or_else(|| self.see(), |tip| format!("did you mean `--{tip}`?"));
        format!("`{}` {has_not} `{word}`; {next}", self.place())
    }

    fn no_such_verb(&self) -> String {
        let word = self.text(ContextKind::InvalidSubcommand).unwrap_or_default();
        let next = if word.bytes().all(|byte| byte.is_ascii_digit()) && self.path == "jobs" {
            format!("look at that job with `queue-work jobs show {word}`")
        } else {
            nearest(word, &own_verbs(self.verb)).map_or_else(|| self.see(), |name| format!("did you mean `{name}`?"))
        };
        format!("`{}` has no verb `{word}`; {next}", self.place())
    }

    /// A value that is missing, or none of a few words.
    fn not_among(&self) -> String {
        let shown = self.text(ContextKind::InvalidArg).unwrap_or_default();
        let Some(ContextValue::Strings(words)) =
            self.error.get(ContextKind::ValidValue).filter(|_| !self.value().is_empty())
        else {
            let typed = shown.replace(['<', '>'], "");
            return format!("`{}` of `{}` needs a value, as in `{typed}`; {}", self.name(), self.place(), self.see());
        };
        let tip =
            self.text(ContextKind::SuggestedValue).map(|tip| format!("; did you mean `{tip}`?")).unwrap_or_default();
        format!("`{}`: `{}` is none of {}{tip}", self.name(), self.value(), words::list(words))
    }

    fn refused(&self) -> String {
        let why = std::error::Error::source(self.error).map(ToString::to_string).unwrap_or_default();
        // Whoever explains names the value, or what to write instead of it.
        let value = if why.starts_with("write ") { format!("not `{}`; ", self.value()) } else { String::new() };
        format!("`{}`: {value}{why}", self.name())
    }

    fn conflict(&self) -> String {
        let (name, other) = (self.name(), self.text(ContextKind::PriorArg).map(bare).unwrap_or_default());
        let words = || self.args.iter().skip_while(|arg| *arg != "push").skip(1);
        let is_word = |word: &OsString| !word.as_encoded_bytes().starts_with(b"-");
        if self.path == "push" && other == "CMD" && words().take_while(|word| *word != "--").all(is_word) {
            return a_command_is(words().filter(|word| *word != "--"));
        }
        if name == other || other.is_empty() {
            return format!("`{name}` is given twice to `{}`; give it once", self.place());
        }
        format!("`{name}` and `{other}` of `{}` exclude each other; leave one out", self.place())
    }

    /// A word where the verb has what it takes: a verb that goes before that, or one word too many.
    fn after_own_words(&self, command: &Command, word: &str) -> String {
        let before = self.path.strip_suffix(word).map(str::trim_end).filter(|path| !path.is_empty());
        if let Some(path) = before {
            return format!("`{word}` goes right after `{path}`; see `queue-work {path} {word} -h`");
        }
        let place = self.path.rsplit(' ').next().unwrap_or_default();
        let mut words = self.args.iter().skip_while(|arg| *arg != place).skip(1).filter_map(|arg| arg.to_str());
        let first = words.find(|word| !word.starts_with('-')).unwrap_or_default();
        let elsewhere = command.find_subcommand(first).filter(|verb| !verb.is_hide_set()).map(Command::get_name);
        let own = || nearest(first, &own_verbs(self.verb)).map(|name| format!("{} {name}", self.place()));
        match elsewhere.map(str::to_owned).or_else(own) {
            Some(verb) => format!("`{}` has no verb `{first}`; did you mean `queue-work {verb}`?", self.place()),
            None => format!("`{}` does not take `{word}`; {}", self.place(), self.see()),
        }
    }

    fn missing(&self) -> String {
        let shown = match self.error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(all)) => all.as_slice(),
            _ => &[],
        };
        let plain = shown.iter().map(|arg| arg.replace(['<', '>'], "").replace("...", ""));
        let needed: Vec<String> = plain.map(|arg| one_of(&arg.split('|').collect::<Vec<_>>())).collect();
        let is_typed = |word: &str| word.starts_with("--") && self.args.iter().any(|arg| *arg == *word);
        let mut examples: Vec<String> = help::examples(self.verb).collect();
        // An example that has the option which needs it comes first.
        examples.sort_by_key(|example| !example.split(' ').any(is_typed));
        let example = examples.first().map(|example| format!(", as in `{example}`")).unwrap_or_default();
        format!("`{}` needs {}{example}; {}", self.place(), needed.join(", "), self.see())
    }

    fn no_text(&self) -> String {
        let found = self.args.iter().find(|arg| arg.to_str().is_none());
        let found = found.map(|arg| arg.as_encoded_bytes().escape_ascii().to_string()).unwrap_or_default();
        format!("`{found}` is not UTF-8, which `{}` takes only in a command after `--`", self.place())
    }
}

/// `--queue <NAME>` and `[QUEUE]...` as they are called: `--queue`, `QUEUE`.
fn bare(shown: &str) -> String {
    let first = shown.split([' ', '=']).next().unwrap_or_default();
    first.trim_end_matches('.').trim_matches(['<', '>', '[', ']']).to_owned()
}

/// `` `a`, `b` or `c` ``.
fn one_of(names: &[&str]) -> String {
    let all = words::list(names);
    all.rsplit_once(" and ").map_or_else(|| all.clone(), |(others, last)| format!("{others} or {last}"))
}

fn own_verbs(command: &Command) -> Vec<&str> {
    command.get_subcommands().map(Command::get_name).filter(|name| *name != "help").collect()
}

/// The verb that was typed, and its words; of the program itself, if there is none.
fn verb_of<'a>(command: &'a Command, args: &[OsString]) -> (&'a Command, String) {
    let mut found = (command, String::new());
    for word in args.iter().skip(1).take_while(|arg| *arg != "--").filter_map(|arg| arg.to_str()) {
        if let Some(verb) = found.0.find_subcommand(word) {
            let space = if found.1.is_empty() { "" } else { " " };
            found = (verb, format!("{}{space}{word}", found.1));
        }
    }
    found
}

/// `queue-work stauts` is a verb that does not exist, not an argument too many.
fn unknown_verb(command: &Command, word: &str) -> String {
    let ends_something = ["stop", "restart"];
    let verbs = command.get_subcommands().map(Command::get_name);
    let names: Vec<&str> = verbs.filter(|name| !name.starts_with("__") && !ends_something.contains(name)).collect();
    let elsewhere = KNOWN_ELSEWHERE.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours);
    let tip = elsewhere.or_else(|| nearest(word, &names));
    let tip = tip.map_or_else(|| "see `queue-work -h`".to_owned(), |name| format!("did you mean `{name}`?"));
    format!("there is no verb `{word}`; {tip}")
}

/// The name that begins with the word, or looks like it.
fn nearest<'a>(word: &str, names: &[&'a str]) -> Option<&'a str> {
    let begun = names.iter().copied().find(|name| word.len() > 1 && name.starts_with(word));
    let far = |name: &&str| strsim::damerau_levenshtein(name, word);
    begun.or_else(|| names.iter().copied().filter(|name| far(name) <= 2.min(word.chars().count() / 2)).min_by_key(far))
}

/// `push ls -l`, as one types it for `nohup` and `time`.
fn a_command_goes_last(args: &[OsString]) -> Option<String> {
    if args.iter().any(|arg| arg == "--") {
        return None;
    }
    let after = args.iter().position(|arg| arg == "push")? + 1;
    args.get(after).filter(|word| !word.as_encoded_bytes().starts_with(b"-"))?;
    Some(a_command_is(args[after..].iter()))
}

fn a_command_is<'a>(words: impl Iterator<Item = &'a OsString>) -> String {
    let command: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let command = words::command(command.iter().map(|word| &**word));
    format!("a command goes after `--`: `queue-work push -- {command}`")
}

/// `queue-work --workers 4 push` would quietly drop `--workers`; `config` is the one verb that looks at it.
pub(super) fn refuse_misplaced(command: &Command, matches: &ArgMatches) -> Result<(), Error> {
    let Some(verb) = matches.subcommand_name().filter(|v| *v != "config") else { return Ok(()) };
    let typed = |arg: &&Arg| matches.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let of_start = command.get_arguments().filter(|arg| !arg.is_global_set());
    let Some(id) = of_start.filter(typed).map(Arg::get_id).next() else { return Ok(()) };
    let option = id.as_str().replace('_', "-");
    let message = match verb {
        "start" => format!("write `--{option}` after `start`, as in `queue-work start --{option} …`"),
        _ => format!(
            "`--{option}` before the verb is an option of the master, not of `{verb}`; see `queue-work {verb} -h`"
        ),
    };
    Err(Error::raw(ErrorKind::ArgumentConflict, message))
}
