//! Command lines that parse, those that do not, and their meaning.

use std::time::Duration;

use clap::error::ErrorKind;

use super::control::Watch;
use super::*;
use crate::config::{Config, Durability};
use crate::model::{Bytes, MemoryLimit, Prefetch};

fn parsed(words: &[&str]) -> Result<Cli, clap::Error> {
    let words: Vec<OsString> = std::iter::once("queue-work").chain(words.iter().copied()).map(Into::into).collect();
    parse(&words).map(|p| p.cli)
}

fn good(words: &[&str]) -> Cli {
    parsed(words).unwrap_or_else(|e| panic!("{words:?}: {e}"))
}

#[test]
fn the_definition_is_sound() {
    Cli::command().debug_assert();
}

#[test]
fn the_options_of_start_stand_with_and_without_the_verb() {
    let bare = good(&["--workers=4", "--queue=a,b", "--queue", "c", "--drain", "--", "python", "-u", "w.py"]);
    let Some(Verb::Start(start)) =
        good(&["start", "--workers", "4", "--queue", "a,b,c", "--drain", "--", "python", "-u", "w.py"]).verb
    else {
        panic!("no start")
    };
    for args in [&bare.start, start.as_ref()] {
        let flags = args.to_flags(&Global::default(), BTreeSet::new());
        assert_eq!((flags.limits, flags.drain), (vec![("workers", "4".to_owned())], true));
        assert_eq!(flags.queue, ["a", "b", "c"]);
        assert_eq!(flags.command, ["python", "-u", "w.py"]);
    }
    assert!(bare.verb.is_none());
    assert!(good(&[]).verb.is_none());
}

#[test]
fn values_have_units_and_ranges() {
    let cli = good(&[
        "--memory",
        "+128M",
        "--memory-max",
        "1G",
        "--cpu",
        "1.5",
        "--max-time",
        "30m",
        "--timeout=90s",
        "--grace",
        "0s",
        "--prefetch",
        "8",
        "--durability",
        "process",
        "--backoff",
        "500ms",
        "--max-attempts",
        "5",
        "--max-jobs",
        "100",
    ]);
    let flags = cli.start.to_flags(&cli.global, BTreeSet::new());
    let home = [("HOME", "/home/me")].into_iter().collect();
    let Config { defaults: limits, durability, .. } = Config::load(&flags, &home, None).expect("it is valid").config;
    assert_eq!((limits.memory, limits.memory_max), (Some(MemoryLimit::Growth(128 << 20)), Some(Bytes(1 << 30))));
    assert_eq!(limits.cpu, Some(1.5));
    assert_eq!((limits.max_time, limits.grace), (Some(Duration::from_mins(30)), Duration::ZERO));
    assert_eq!((limits.timeout, limits.backoff), (Duration::from_secs(90), Duration::from_millis(500)));
    assert_eq!((limits.prefetch, durability), (Prefetch::Fixed(8), Durability::Process));
    assert_eq!((limits.max_attempts, limits.max_jobs), (5, Some(100)));
}

#[test]
fn bad_values_are_usage_errors_that_name_the_option() {
    let table: [(&[&str], &str); 22] = [
        (&["--workers", "0"], "--workers"),
        (&["--workers", "-1"], "--workers"),
        (&["--workers", "100000"], "--workers"),
        (&["--workers=four"], "--workers"),
        (&["--memory", "1K"], "--memory"),
        (&["--memory", "-1M"], "--memory"),
        (&["--memory-max", "12"], "--memory-max"),
        (&["--timeout", "30"], "--timeout"),
        (&["--timeout", "0s"], "--timeout"),
        (&["--grace", "-5s"], "--grace"),
        (&["--prefetch", "0"], "--prefetch"),
        (&["--queue", "a/b"], "--queue"),
        (&["--queue", ""], "--queue"),
        (&["--durability", "none"], "--durability"),
        (&["--log-format", "xml"], "--log-format"),
        (&["push", "--priority", "101", "t"], "--priority"),
        (&["push", "--priority", "-101", "t"], "--priority"),
        (&["push", "--at", "tomorrow", "t"], "--at"),
        (&["scale", "10001"], "`N`"),
        (&["scale", "+-1"], "`N`"),
        (&["jobs", "list", "--state", "odd"], "--state"),
        (&["status", "--watch", "0s"], "--watch"),
    ];
    for (words, option) in table {
        let error = parsed(words).expect_err(&format!("{words:?}"));
        assert_eq!(error.exit_code(), 2, "{words:?}");
        assert!(error.to_string().contains(option), "{words:?}: {error}");
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let table: [&[&str]; 14] = [
        &["nonsense"],
        &["--workers", "4", "push", "t"],
        &["--workers", "4", "start"],
        &["push", "--delay", "1s", "--at", "2030-01-01T00:00:00Z", "t"],
        &["push", "--lines", "--jsonl"],
        &["push", "t", "--", "cmd"],
        &["push", "--lines", "--wait", "t"],
        &["push", "--jsonl", "t"],
        &["scale", "4", "--queue", "a", "--pool", "b"],
        &["scale"],
        &["restart"],
        &["restart", "--all", "--queue", "a"],
        &["jobs", "retry", "9-3"],
        &["jobs", "set", "1", "--delay", "1s", "--at", "2030-01-01T00:00:00Z"],
    ];
    for words in table {
        assert_eq!(parsed(words).expect_err(&format!("{words:?}")).exit_code(), 2);
    }
}

#[test]
fn options_of_every_verb_stand_before_and_after_it() {
    for words in [&["--json", "--database", "x.db", "status"][..], &["status", "--json", "--database", "x.db"]] {
        let global = good(words).global;
        assert!(global.json, "{words:?}");
        assert_eq!(global.database, Some("x.db".into()));
    }
    let global = good(&["-vv", "--log-format", "json"]).global;
    assert_eq!((global.verbose, global.log_format), (2, LogFormat::Json));
}

#[test]
fn verbs_take_their_words() {
    let verb = |words: &[&str]| good(words).verb.expect("a verb");
    assert!(matches!(verb(&["push", "t", "-1"]), Verb::Push(p) if p.args.as_deref() == Some("-1")));
    assert!(matches!(verb(&["push", "t", "-"]), Verb::Push(p) if p.args.as_deref() == Some("-")));
    assert!(matches!(verb(&["push", "--", "a", "--b"]), Verb::Push(p) if p.command == ["a", "--b"]));
    let watched = |words: &[&str]| match verb(&[&["status"], words].concat()) {
        Verb::Status(status) => (status.watch.expect("it watches"), status.name),
        other => panic!("{other:?}"),
    };
    assert_eq!(watched(&["--watch"]), (Watch::Every(Duration::from_secs(2)), None));
    assert_eq!(watched(&["--watch", "500ms", "a"]), (Watch::Every(Duration::from_millis(500)), Some("a".into())));
    assert_eq!(watched(&["--watch", "mail"]), (Watch::Name("mail".into()), None));
    assert!(
        matches!(verb(&["jobs", "cancel", "1", "2-5"]), Verb::Jobs(jobs) if matches!(&jobs.verb, Some(jobs::JobsVerb::Cancel { selection, .. }) if selection.ids.ids.len() == 2))
    );
    assert!(matches!(verb(&["logs", "-f", "-n", "5", "a-1"]), Verb::Logs(l) if l.follow && l.lines == Some(5)));
    assert!(
        matches!(verb(&["spawn", "--queue", "a", "--workers", "2", "--", "x"]), Verb::Spawn(s) if s.command == ["x"])
    );
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(matches!(verb(&["completions", shell]), Verb::Completions(_)));
    }
}

#[test]
fn a_verb_that_does_not_exist_is_called_so() {
    let error = parsed(&["stauts"]).expect_err("no verb").to_string();
    assert!(error.contains("there is no verb `stauts`; did you mean `status`?"), "{error}");
    let error = parsed(&["--json", "frobnicate"]).expect_err("no verb").to_string();
    assert!(error.contains("there is no verb `frobnicate`; see"), "{error}");
    let error = parsed(&["status", "mail", "now"]).expect_err("no such argument").to_string();
    assert!(error.contains("`status` does not take `now`; see `queue-work status -h`"), "{error}");
}

#[test]
fn help_and_version_are_no_failures() {
    for (words, kind) in [(&["--help"], ErrorKind::DisplayHelp), (&["--version"], ErrorKind::DisplayVersion)] {
        let error = parsed(words).expect_err("it is worded by clap");
        assert_eq!((error.kind(), error.exit_code()), (kind, 0));
    }
}

fn with_inner(verb: &clap::Command) -> Vec<clap::Command> {
    let inner = verb.get_subcommands().filter(|inner| inner.get_name() != "help");
    std::iter::once(verb.clone()).chain(inner.flat_map(with_inner)).collect()
}

#[test]
fn every_example_of_the_help_parses() {
    for verb in with_inner(&help::laid_out()) {
        let examples: Vec<String> = help::examples(&verb).collect();
        assert!((2..=4).contains(&examples.len()), "{}: {examples:?}", verb.get_name());
        for example in examples {
            let ours = example.split(['|', '(', '<', '>', ';', ')']).find(|part| part.contains("queue-work "));
            let words = shlex::split(ours.expect("it is ours")).expect("a shell reads it");
            let words: Vec<&str> =
                words.iter().skip_while(|word| *word != "queue-work").skip(1).map(String::as_str).collect();
            good(&words);
        }
    }
}

#[test]
fn the_first_page_names_every_verb_once() {
    let command = Cli::command();
    let verbs = command.get_subcommands().filter(|verb| !verb.is_hide_set()).map(clap::Command::get_name);
    let mut named: Vec<&str> = help::GROUPS
        .iter()
        .flat_map(|(_, names)| names.iter().flat_map(|name| name.split(", ")))
        .chain(["help"])
        .collect();
    let mut verbs: Vec<&str> = verbs.collect();
    named.sort_unstable();
    verbs.sort_unstable();
    assert_eq!(named, verbs);
}
