//! A configuration that is wrong: everything at once, with file, line and column, and nothing is started.

use std::fs;

use super::support::Bench;

const FIVE: &str = "\
databse = \"x.db\"
durability = \"maybe\"

[defaults]
timeout = \"30\"
wrokers = 4

[pools.mail]
queues = [\"a/b\"]
";

#[test]
fn five_errors_are_said_at_once_with_their_places_and_what_was_meant() {
    let bench = Bench::new();
    fs::write(bench.path().join("queue-work.toml"), FIVE).expect("written");
    for words in [&["config", "check"][..], &["config", "show"], &["--workers=1"], &["start"]] {
        let run = bench.run(words).expect_code(2);
        assert_eq!(run.stdout, "");
        let lines: Vec<&str> = run.stderr.lines().collect();
        let expected = [
            ("1:1", "unknown key `databse`; did you mean `database`?"),
            ("2:14", "`durability` is \"maybe\""),
            ("5:11", "has no unit"),
            ("6:1", "unknown key `wrokers`; did you mean `workers`?"),
            ("9:11", "contains '/'"),
        ];
        assert_eq!(lines.len(), 5, "{}", run.stderr);
        for (line, (place, part)) in lines.iter().zip(expected) {
            assert!(line.starts_with("queue-work: ") && line.contains(part), "{line}");
            assert!(line.contains(&format!("queue-work.toml:{place}: ")), "{line}");
        }
    }
    assert!(!bench.database().exists(), "a master was started");
}

#[test]
fn a_file_that_is_not_toml_is_named_with_line_and_column() {
    let bench = Bench::new();
    for (text, place) in [("a = \n", ":1:"), ("[defaults\n", ":1:"), ("[defaults]\ntimeout = \"1m\n", ":2:")] {
        fs::write(bench.path().join("queue-work.toml"), text).expect("written");
        let run = bench.run(&["config", "check"]).expect_code(2);
        assert!(run.stderr.contains(&format!("queue-work.toml{place}")), "{text}: {}", run.stderr);
    }
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let bench = Bench::new();
    let run = bench.run(&["--config", "nope.toml", "config", "check"]).expect_code(2);
    assert!(run.stderr.contains("there is no file `nope.toml`"), "{}", run.stderr);
    let run = bench.verb(&["config", "check"]).env("QUEUE_WORK_CONFIG", "nope.toml").run().expect_code(2);
    assert!(run.stderr.contains("QUEUE_WORK_CONFIG") && run.stderr.contains("nope.toml"), "{}", run.stderr);
}

#[test]
fn values_out_of_range_and_contradictions_are_refused() {
    let bench = Bench::new();
    let table = [
        ("[defaults]\nworkers = 100000\n", "10000"),
        ("[defaults]\nworkers = -1\n", "workers"),
        ("[defaults]\nmemory = \"1K\"\n", "1M"),
        ("[defaults]\nmax_attempts = 0\n", "max_attempts"),
        ("[defaults]\nprefetch = 0\n", "prefetch"),
        ("[defaults]\nmemory = \"512M\"\nmemory_max = \"256M\"\n", "must be lower"),
        ("[pools.a]\nkind = \"protocol\"\n", "no `command`"),
        ("[pools.a]\nkind = \"exec\"\ncommand = [\"{}\"]\n", "placeholder"),
        ("[pools.a]\nqueues = { a = 0 }\n", "the least is 1"),
        ("[pools.a]\nqueues = []\n", "queues"),
        ("[pools.\"a/b\"]\n", "'/'"),
        ("keep = 5\n", "keep"),
    ];
    for (text, part) in table {
        fs::write(bench.path().join("queue-work.toml"), text).expect("written");
        let run = bench.run(&["config", "check"]).expect_code(2);
        assert!(run.stderr.contains(part) && run.stderr.contains("queue-work.toml:"), "{text}: {}", run.stderr);
    }
}

#[test]
fn a_variable_that_is_wrong_is_named() {
    let bench = Bench::new();
    for (name, value) in [
        ("QUEUE_WORK_WORKERS", "0"),
        ("QUEUE_WORK_TIMEOUT", "30"),
        ("QUEUE_WORK_MEMORY", "1K"),
        ("QUEUE_WORK_QUEUE", "a/b"),
        ("QUEUE_WORK_DURABILITY", "maybe"),
    ] {
        let run = bench.verb(&["config", "check"]).env(name, value).run().expect_code(2);
        assert!(run.stderr.contains(value), "{name}: {}", run.stderr);
    }
}
