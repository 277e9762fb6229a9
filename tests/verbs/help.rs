//! `--help` of every verb: on stdout, with exit code 0, and every option in it.

use super::support::Bench;

const VERBS: [&[&str]; 25] = [
    &[],
    &["start"],
    &["push"],
    &["status"],
    &["scale"],
    &["spawn"],
    &["restart"],
    &["stop"],
    &["pause"],
    &["resume"],
    &["jobs"],
    &["jobs", "list"],
    &["jobs", "show"],
    &["jobs", "retry"],
    &["jobs", "cancel"],
    &["jobs", "delete"],
    &["jobs", "wait"],
    &["runs"],
    &["workers"],
    &["logs"],
    &["config"],
    &["config", "check"],
    &["config", "show"],
    &["config", "init"],
    &["completions"],
];

#[test]
fn every_verb_explains_itself() {
    let bench = Bench::new();
    for verb in VERBS {
        for option in ["--help", "-h"] {
            let run = bench.run(&[verb, &[option]].concat()).expect_code(0);
            assert!(run.stdout.contains("Usage:") && run.stderr.is_empty(), "{verb:?}: {run:?}");
            assert!(run.stdout.contains("--database") && run.stdout.contains("--json"), "{verb:?}: {}", run.stdout);
            assert!(!run.stdout.contains('\u{1b}'), "{verb:?}: colours in a pipe");
        }
    }
    assert!(!bench.database().exists());
}

#[test]
fn the_options_of_the_manual_are_there() {
    let bench = Bench::new();
    let table: [(&[&str], &[&str]); 8] = [
        (
            &[],
            &[
                "--workers",
                "--queue",
                "--drain",
                "--max-jobs",
                "--memory",
                "--memory-max",
                "--max-time",
                "--timeout",
                "--grace",
                "--prefetch",
                "--max-attempts",
                "--backoff",
                "--durability",
                "--exec",
                "--opaque",
                "--config",
                "--socket",
                "--verbose",
                "--quiet",
                "--log-format",
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
                "--env",
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
        (&["stop"], &["--timeout", "--queue", "--no-wait"]),
        (&["runs"], &["--job", "--queue", "--outcome", "--since", "--limit", "--jsonl"]),
        (&["logs"], &["--follow", "--queue", "--job"]),
    ];
    for (verb, options) in table {
        let help = bench.ok(&[verb, &["--help"]].concat());
        for option in options {
            assert!(help.contains(option), "{verb:?} has no {option}");
        }
    }
    let help = bench.ok(&["--help"]);
    for name in ["WORKERS", "QUEUE", "MEMORY", "MAX_TIME", "TIMEOUT", "GRACE", "DATABASE", "CONFIG", "SOCKET"] {
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
