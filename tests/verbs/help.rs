//! Help of every verb: `-h` is one screen, `--help` has every option and examples, `help options` those of every verb.

use super::support::Bench;

/// Every verb that the manual page has, the program itself, and the short names of verbs.
fn verbs(bench: &Bench) -> Vec<Vec<String>> {
    let page = bench.ok(&["man"]);
    let headings = page.lines().filter_map(|line| line.strip_prefix(".SH \"QUEUE-WORK ")?.strip_suffix('"'));
    let all = headings.map(str::to_lowercase).chain(["", "ls", "rm", "help", "jobs ls", "ps"].map(str::to_owned));
    let all: Vec<Vec<String>> = all.map(|verb| verb.split_whitespace().map(str::to_owned).collect()).collect();
    assert!(all.len() > 25, "{all:?}");
    all
}

fn help(bench: &Bench, verb: &[String], option: &str) -> String {
    let words: Vec<&str> = verb.iter().map(String::as_str).chain([option]).collect();
    let run = bench.verb(&words).env("COLUMNS", "80").run().expect_code(0);
    assert!(run.stderr.is_empty() && !run.stdout.contains('\u{1b}'), "{verb:?}: {run:?}");
    run.stdout
}

#[test]
fn the_short_help_of_every_verb_is_one_screen_without_the_options_of_every_verb() {
    let bench = Bench::new();
    for verb in verbs(&bench) {
        let page = help(&bench, &verb, "-h");
        let lines: Vec<&str> = page.lines().collect();
        assert!(lines.len() < 24, "{verb:?}: {} lines and a prompt\n{page}", lines.len());
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{verb:?}: too wide\n{page}");
        assert!(lines.last().is_some_and(|last| last.contains("`queue-work help options`")), "{verb:?}:\n{page}");
        assert!(page.contains("Usage:") && !page.contains("\n\n\n"), "{verb:?}:\n{page}");
        for word in ["--database", "--json\n", "QUEUE_WORK_", "Examples"] {
            assert!(!page.contains(word), "{verb:?} has {word}:\n{page}");
        }
    }
    assert!(!bench.database().exists());
}

#[test]
fn the_long_help_of_every_verb_has_examples_and_stands_under_help_too() {
    let bench = Bench::new();
    for verb in verbs(&bench) {
        let page = help(&bench, &verb, "--help");
        assert!(page.contains("\nExamples:\n") && page.contains("Usage:"), "{verb:?}:\n{page}");
        assert!(page.ends_with("Options of every verb: `queue-work help options`\n"), "{verb:?}:\n{page}");
        assert!(!page.contains("--database"), "{verb:?}:\n{page}");
        let words: Vec<&str> = std::iter::once("help").chain(verb.iter().map(String::as_str)).collect();
        let same = bench.verb(&words).env("COLUMNS", "80").run().expect_code(0).stdout;
        assert_eq!(same, page, "{words:?}");
        let examples = page.lines().skip_while(|line| *line != "Examples:").take_while(|line| !line.is_empty());
        for example in examples {
            assert!(example.chars().count() <= 80, "{verb:?}: {example}");
        }
    }
    let run = bench.run(&["help", "nonsense"]).expect_code(2);
    assert_eq!(run.stderr, "queue-work: there is no verb `nonsense`; see `queue-work -h`\n");
}

#[test]
fn the_options_of_every_verb_stand_once_with_their_variables_and_the_rules() {
    let bench = Bench::new();
    let page = bench.verb(&["help", "options"]).env("COLUMNS", "80").run().expect_code(0).stdout;
    for name in ["config", "database", "socket", "verbose", "quiet", "log-format", "json", "allow-network-fs"] {
        let variable = format!("QUEUE_WORK_{}", name.to_uppercase().replace('-', "_"));
        assert!(page.contains(&format!("--{name}")) && page.contains(&variable), "{name}:\n{page}");
    }
    for part in ["1. the option", "2. the environment", "3. the configuration", "4. the default", "90s", "128M"] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    assert!(page.lines().all(|line| line.chars().count() <= 80), "{page}");
}

#[test]
fn the_options_of_the_manual_are_there() {
    let bench = Bench::new();
    let table: [(&[&str], &[&str]); 11] = [
        (
            &["start"],
            &[
                "--workers",
                "--queue",
                "--drain",
                "--max-jobs",
                "--memory",
                "--memory-max",
                "--cpu",
                "--max-time",
                "--timeout",
                "--grace",
                "--prefetch",
                "--max-attempts",
                "--backoff",
                "--durability",
                "--exec",
                "--opaque",
            ],
        ),
        (
            &["push"],
            &[
                "--queue",
                "--priority",
                "--delay",
                "--at",
                "--expires",
                "--timeout",
                "--max-attempts",
                "--unique",
                "--label",
                "--env",
                "--cwd",
                "--wait",
                "--lines",
                "--jsonl",
                "--file",
                "--skip-bad",
                "--ids",
            ],
        ),
        (&["scale"], &["--queue", "--pool", "--no-wait"]),
        (&["spawn"], &["--queue", "--workers", "--no-wait"]),
        (&["restart"], &["--all", "--queue", "--pool", "--now", "--no-wait"]),
        (&["reload"], &["--dry-run", "--no-wait"]),
        (&["stop"], &["--timeout", "--queue", "--no-wait"]),
        (&["doctor"], &["--full"]),
        (&["errors"], &["--queue", "--type", "--since", "--limit", "--jsonl"]),
        (&["runs"], &["--job", "--queue", "--outcome", "--since", "--limit", "--jsonl"]),
        (&["logs"], &["--follow", "--queue", "--job"]),
    ];
    for (verb, options) in table {
        let help = bench.ok(&[verb, &["--help"]].concat());
        for option in options {
            assert!(help.contains(option), "{verb:?} has no {option}");
        }
    }
    let help = bench.ok(&["start", "--help"]);
    for name in ["WORKERS", "QUEUE", "MEMORY", "MAX_TIME", "TIMEOUT", "GRACE"] {
        assert!(help.contains(&format!("QUEUE_WORK_{name}")), "{name}");
    }
}

#[test]
fn the_hidden_verbs_stay_hidden() {
    let bench = Bench::new();
    for words in [&["--help"][..], &["completions", "bash"], &["man"]] {
        let said = bench.ok(words);
        assert!(!said.contains(" __worker") && !said.contains("__guardian"), "{words:?}");
    }
}

#[test]
fn the_version_is_that_of_the_program() {
    let bench = Bench::new();
    for option in ["--version", "-V"] {
        assert_eq!(bench.ok(&[option]), format!("queue-work {}\n", env!("CARGO_PKG_VERSION")));
    }
}
