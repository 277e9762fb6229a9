//! The verbs that need a master: their exit codes without one, and what they print with one.

use serde_json::json;

use super::support::{Bench, DEADLINE};

/// Each of them, with arguments that are right.
const VERBS: [&[&str]; 11] = [
    &["scale", "2"],
    &["spawn", "--queue", "x", "--workers", "1"],
    &["restart", "--all"],
    &["reload"],
    &["leaks"],
    &["events"],
    &["stop"],
    &["pause", "default"],
    &["resume", "default"],
    &["logs", "-f"],
    &["push", "--wait", "--", "true"],
];

#[test]
fn without_a_master_they_end_with_three_and_say_how_to_start_one() {
    let bench = Bench::new();
    for words in VERBS {
        let run = bench.run(words).expect_code(3);
        let expected = format!(
            "queue-work: no master runs on `{}`; start one with `queue-work --queue default`\n",
            bench.database().display()
        );
        assert_eq!((run.stderr, run.stdout.as_str()), (expected, ""), "{words:?}");
    }
}

#[test]
fn each_says_what_it_did_when_it_is_done() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    assert_eq!(bench.ok(&["scale", "2"]), "scaled `default` from 1 to 2 workers: 2 ready\n");
    assert_eq!(bench.status()["pools"][0]["ready"], 2);
    assert_eq!(bench.ok(&["restart", "--all"]), "restarted 2 workers\n");
    let spawned = bench.ok(&["spawn", "--queue", "x", "--workers", "1"]);
    assert!(spawned.contains("`x`") && spawned.contains("1 worker"), "{spawned}");
    assert_eq!(bench.ok(&["pause", "x", "default"]), "paused `x` and `default`\n");
    assert_eq!(bench.ok(&["resume", "x", "default"]), "resumed `x` and `default`\n");
    let stopped = bench.ok(&["stop"]);
    assert_eq!(stopped, "stopped: 3 workers ended, 0 jobs released\n");
    assert!(master.wait_exit(DEADLINE).success());
    bench.expect_no_leftovers();
}

#[test]
fn each_prints_one_document_if_asked_for() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    let json = |words: &[&str]| bench.run(&[words, &["--json"]].concat()).expect_code(0).json();
    let scaled = json!({"pools": [{"pool": "default", "was": 1, "wanted": 2, "ready": 2}], "released": 0});
    assert_eq!(json(&["scale", "2"]), scaled);
    let restarted = json(&["restart", "default-1"]);
    assert_eq!(restarted, json!({"workers": ["default-1"], "tried": 0, "released": 0}));
    assert_eq!(json(&["spawn", "--queue=x", "--workers=1"])["pools"][0]["pool"], "x");
    assert_eq!(json(&["pause", "x"]), json!({"queues": [{"name": "x", "paused": true}]}));
    let id = bench.push(&["--delay=1h", "t"]).to_string();
    assert_eq!(json(&["jobs", "cancel", &id]), json!({"count": 1, "refused": []}));
    assert_eq!(json(&["jobs", "retry", &id])["count"], 1);
    assert_eq!(json(&["stop"]), json!({"workers": 3, "released": 0}));
    assert!(master.wait_exit(DEADLINE).success());
}

#[test]
fn none_of_them_need_be_waited_for() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    let table: [(&[&str], &str); 4] = [
        (&["scale", "2", "--no-wait"], "scal"),
        (&["restart", "--all", "--no-wait"], "restarting"),
        (&["spawn", "--queue=x", "--workers=1", "--no-wait"], "x"),
        (&["stop", "--no-wait"], "stopping"),
    ];
    for (words, part) in table {
        let said = bench.ok(words);
        assert!(said.contains(part), "{words:?}: {said}");
    }
    assert!(master.wait_exit(DEADLINE).success());
    bench.expect_no_leftovers();
}

#[test]
fn what_does_not_exist_ends_with_four_and_names_it() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let table: [(&[&str], &str); 10] = [
        (&["scale", "2", "--queue", "nope"], "nope"),
        (&["scale", "2", "--pool", "nope"], "nope"),
        (&["restart", "--queue", "nope"], "nope"),
        (&["restart", "--pool", "nope"], "nope"),
        (&["restart", "nope-1"], "nope-1"),
        (&["restart", "default-7"], "default-7"),
        (&["stop", "nope-1"], "nope-1"),
        (&["stop", "--queue", "nope"], "nope"),
        (&["jobs", "show", "77"], "77"),
        (&["jobs", "cancel", "77"], "77"),
    ];
    for (words, part) in table {
        let run = bench.run(words).expect_code(4);
        assert!(run.stderr.contains(part) && run.stderr.starts_with("queue-work: "), "{words:?}: {}", run.stderr);
        assert_eq!(run.stdout, "", "{words:?}");
    }
    assert_eq!(bench.status()["pools"][0]["wanted"], 1);
}

#[test]
fn a_second_master_is_refused_with_the_pid_of_the_first_and_since_when() {
    let bench = Bench::new();
    let master = bench.start(&["--workers=1", "--queue=default"]);
    let second = bench.run(&["--workers=1", "--queue=other"]).expect_code(5);
    assert!(second.stderr.contains(&format!("pid {}", master.pid())), "{}", second.stderr);
    assert!(second.stderr.contains("since 20"), "{}", second.stderr);
    assert_eq!(bench.status()["master"]["pid"], master.pid());
    // The way out that it names works as it is typed.
    let (_, step) = second.stderr.split_once("or add a pool to it: `").expect("a way out");
    let words: Vec<&str> = step.split('`').next().expect("its end").split(' ').skip(1).collect();
    assert!(words.ends_with(&["spawn", "--queue", "other", "--workers", "1"]), "{words:?}");
    assert_eq!(bench.ok(&words), "added pool `other` of 1 worker: 1 ready\n");
    let plain = bench.run(&["--workers=1"]).expect_code(5);
    assert!(!plain.stderr.contains("spawn"), "{}", plain.stderr);
}

#[test]
fn their_help_says_how_long_they_wait_and_hold() {
    let bench = Bench::new();
    for (verb, parts) in [
        ("scale", ["Until the master ends", "scale +2", "--grace"]),
        ("restart", ["finishes its job beside it", "restart --all", "--grace"]),
        ("reload", ["has another one than when it was last read", "reload --dry-run", "--no-wait"]),
        ("stop", ["starts it again", "stop --pool mail", "--grace"]),
    ] {
        let help = bench.ok(&[verb, "--help"]).split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(parts.iter().all(|part| help.contains(part)), "{verb}: {help}");
    }
}

#[test]
fn a_pool_of_a_name_that_is_taken_is_refused() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let run = bench.run(&["spawn", "--queue=x", "--pool=default", "--workers=1"]).expect_code(5);
    assert!(run.stderr.contains("`default`"), "{}", run.stderr);
    let run = bench.run(&["spawn", "--queue=x", "--workers=1", "--exec", "--", "{}"]).expect_code(2);
    assert!(run.stderr.contains("placeholder"), "{}", run.stderr);
}

#[test]
fn scale_without_a_target_needs_a_single_pool() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=a,b"]);
    let run = bench.run(&["scale", "2"]);
    assert!(run.code == 2 || run.code == 5, "{run:?}");
    assert!(run.stderr.contains("--queue") || run.stderr.contains("--pool"), "{}", run.stderr);
    bench.ok(&["scale", "2", "--queue", "b"]);
    let status = bench.status();
    assert_eq!((&status["pools"][0]["wanted"], &status["pools"][1]["wanted"]), (&json!(1), &json!(2)));
    bench.ok(&["scale", "0", "--pool", "a"]);
    assert_eq!(bench.status()["pools"][0]["ready"], 0);
}

#[test]
fn more_workers_than_a_pool_may_have_are_refused_with_the_next_step() {
    let bench = Bench::new();
    std::fs::write(bench.path().join("queue-work.toml"), "[defaults]\nmax_workers = 2\nworkers = 1\n")
        .expect("written");
    let _master = bench.start(&[]);
    let run = bench.run(&["scale", "3"]).expect_code(5);
    let said = "pool `default` would have 3 workers, and its `max_workers` is 2; raise it in the configuration and \
                `queue-work reload`";
    assert!(run.stderr.contains(said), "{}", run.stderr);
    bench.ok(&["scale", "2"]);
    bench.run(&["spawn", "--queue", "mail", "--workers", "3"]).expect_code(5);
    bench.ok(&["spawn", "--queue", "mail", "--workers", "2"]);
}
