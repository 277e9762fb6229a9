//! Wrong usage: exit code 2, a message that names what is wrong, nothing on stdout and nothing done.

use super::support::Bench;

#[test]
fn values_that_cannot_be_are_refused_and_named() {
    let bench = Bench::new();
    let long = "x".repeat(300);
    let table: [(&[&str], &str); 38] = [
        (&["--workers", "0"], "`--workers`: it is 0; the least is 1"),
        (&["--workers=-1"], "`--workers`: it is -1; the least is 1"),
        (&["--workers", "100000"], "`--workers`: it is 100000; the most is 10000"),
        (&["--workers", "four"], "`--workers`: it is \"four\"; it must be a whole number, or \"cpus\""),
        (&["--workers", ""], "--workers"),
        (&["--memory", "1K"], "`--memory`: it is 1K; the least is 1M"),
        (&["--memory", "128"], "`--memory`: it is 128B; the least is 1M"),
        (&["--memory", "lots"], "--memory"),
        (&["--memory-max", "1K"], "the least is 1M"),
        (&["--max-jobs", "0"], "--max-jobs"),
        (&["--max-attempts", "0"], "--max-attempts"),
        (&["--timeout", "30"], "`--timeout`: `30` has no unit; write `10s`, `5m` or `2h`"),
        (&["--timeout="], "`--timeout`: a duration must not be empty"),
        (&["--timeout"], "`--timeout` of `start` needs a value, as in `--timeout DURATION`; see `queue-work start -h`"),
        (&["--grace", "-1s"], "--grace"),
        (&["--prefetch", "0"], "`--prefetch`: it is 0; the least is 1"),
        (&["--durability", "maybe"], "`--durability`: `maybe` is none of `full` and `process`"),
        (&["--drain", "--drain"], "`--drain` is given twice to `start`; give it once"),
        (&["--queue", "a/b"], "'/'"),
        (&["--queue", "a\nb"], "'\\n'"),
        (&["--queue", &long], "300 bytes is too long; the limit is 100"),
        (&["--queue", ""], "must not be empty"),
        (&["push", "--queue", "a/b", "t"], "'/'"),
        (&["push", "--queue", "a\nb", "t"], "'\\n'"),
        (&["push", "--queue", &long, "t"], "300 bytes"),
        (&["push", "--queue", "", "t"], "`--queue`: a queue name must not be empty"),
        (&["push", "--queue", "a", "--queue", "b", "t"], "`--queue` is given twice to `push`; give it once"),
        (&["push", "--priority", "x", "t"], "`--priority`: it is \"x\"; it must be a whole number"),
        (&["push", "--env", "A", "t"], "the variable `A` is not set here; set and export it, or write `A=value`"),
        (&["jobs", "show", "x"], "`ID`: it is \"x\"; it must be a whole number"),
        (&["runs", "--job", "99999999999999999999"], "the most is 9223372036854775807"),
        (&["jobs", "list", "--limit=-1"], "`--limit`: it is -1; the least is 1"),
        (&["logs", "-n", "x"], "`--lines`: it is \"x\"; it must be a whole number"),
        (&["status", "--json=1"], "`--json` takes no value, and `1` is one; see `queue-work status -h`"),
        (&["jobs", "list", "--state", "deda"], "; did you mean `dead`?"),
        (&["scale", "10001"], "0 to 10000"),
        (&["scale", "+-1"], "0 to 10000"),
        (&["status", "--watch", "0s"], "--watch"),
    ];
    for (words, part) in table {
        let run = bench.run(words).expect_code(2);
        assert!(run.stderr.starts_with("queue-work: ") && run.stderr.contains(part), "{words:?}: {}", run.stderr);
        assert!(!run.stderr.contains("For more") && !run.stderr.contains("found in string"), "{}", run.stderr);
        assert_eq!((run.stdout.as_str(), run.stderr.lines().count()), ("", 1), "{words:?}: {}", run.stderr);
    }
    assert!(!bench.database().exists());
}

#[test]
fn a_verb_that_there_is_not_is_named_and_a_near_one_proposed() {
    let bench = Bench::new();
    for (words, part) in [
        (&["frobnicate"][..], "there is no verb `frobnicate`"),
        (&["stauts"], "did you mean `status`?"),
        (&["stat"], "did you mean `status`?"),
        (&["jobs", "lst"], "`jobs` has no verb `lst`; did you mean `list`?"),
        (&["jobs", "1"], "`jobs` has no verb `1`; look at that job with `queue-work jobs show 1`"),
        (&["config", "shwo"], "`config` has no verb `shwo`; did you mean `show`?"),
        (&["--wrokers", "4"], "did you mean `--workers`?"),
        (&["--worker", "2"], "`start` has no option `--worker`; did you mean `--workers`?"),
        (&["push", "--prority", "4", "t"], "did you mean `--priority`?"),
        (&["push", "t", "--prority", "4"], "did you mean `--priority`?"),
        (&["push", "ls", "--", "-l"], "a command goes after `--`: `queue-work push -- ls -l`"),
        (&["push", "t", "--lines", "--", "x"], "`TYPE` and `CMD` of `push` exclude each other; leave one out"),
        (&["push", "ls", "-l", "a b"], "a command goes after `--`: `queue-work push -- ls -l 'a b'`"),
        (&["push", "ls", "--all"], "`queue-work push -- ls --all`"),
        (&["stpo"], "there is no verb `stpo`"),
        (&["status", "--queue", "x"], "`status` has no option `--queue`; see `queue-work status -h`"),
        (&["jobs", "show", "--queue=x"], "`jobs show` has no option `--queue`"),
    ] {
        let run = bench.run(words).expect_code(2);
        assert!(run.stderr.contains(part), "{words:?}: {}", run.stderr);
        assert!(!run.stderr.contains("--allow-network-fs") && !run.stderr.contains("stop"), "{}", run.stderr);
    }
}

#[test]
fn a_command_in_quotes_is_taken_for_a_type_and_said_to_be() {
    let bench = Bench::new();
    let run = bench.run(&["push", "echo hello"]).expect_code(0);
    assert_eq!(run.stdout, "1\n");
    let next =
        "queue-work: `echo hello` is taken for a job type; a command is pushed by `queue-work push -- echo hello`\n";
    assert_eq!(run.stderr, next);
    assert_eq!(bench.run(&["push", "two words", "[1]"]).expect_code(0).stderr, "");
}

#[test]
fn a_time_is_that_of_a_clock_here() {
    let bench = Bench::new();
    for (at, due) in
        [("2099-12-31 23:59", "2099-12-31T22:59:00.000000Z"), ("2099-12-31T23:59:00Z", "2099-12-31T23:59:00.000000Z")]
    {
        let pushed = bench.verb(&["push", "--at", at, "t"]).env("TZ", "Europe/Berlin").run().expect_code(0);
        let job = bench.job(pushed.stdout.trim().parse().expect("an id"));
        assert_eq!((job["due_at"].as_str(), &job["state"]), (Some(due), &"scheduled".into()), "{at}");
    }
    let refused = bench.run(&["push", "--at", "soon", "t"]).expect_code(2).stderr;
    assert!(refused.contains("`tomorrow 9:00`"), "{refused}");
}

#[test]
fn short_words_are_taken_for_the_verbs_they_stand_for() {
    let bench = Bench::new();
    let id = bench.push(&["--", "true"]).to_string();
    let list = bench.ok(&["jobs", "list"]);
    for words in [&["jobs"][..], &["jobs", "ls"], &["ls"], &["jobs", "--state", "ready"], &["ls", "--queue", "default"]]
    {
        assert_eq!(bench.ok(words), list, "{words:?}");
    }
    bench.run(&["ps"]).expect_code(3);
    bench.ok(&["log"]);
    bench.ok(&["jobs", "rm", &id]);
    let id = bench.push(&["--", "true"]).to_string();
    bench.ok(&["rm", &id]);
    assert_eq!(bench.run(&["ls"]).expect_code(0).stdout, "");
}

#[test]
fn words_that_are_missing_or_too_many_are_refused() {
    let bench = Bench::new();
    let table: [(&[&str], &str); 19] = [
        (&["scale"], "`scale` needs `N`, as in `queue-work scale 6`; see `queue-work scale -h`"),
        (&["scale", "1", "2"], "`scale` does not take `2`; see `queue-work scale -h`"),
        (
            &["scale", "1", "--queue=a", "--pool=b"],
            "`--queue` and `--pool` of `scale` exclude each other; leave one out",
        ),
        (&["spawn"], "as in `queue-work spawn --queue other --workers 2`"),
        (
            &["restart"],
            "`restart` needs `--all`, `--queue NAME`, `--pool NAME` or `WORKER`, as in `queue-work restart --all`",
        ),
        (&["restart", "--all", "default-1"], "exclude each other"),
        (&["pause"], "`pause` needs `QUEUE`, as in `queue-work pause mail images`"),
        (&["resume"], "`resume` needs `QUEUE`"),
        (&["pause", "--all", "a"], "`--all` and `QUEUE` of `pause` exclude each other; leave one out"),
        (&["queues", "pause", "b"], "`queues` has no verb `pause`; did you mean `queue-work pause`?"),
        (&["queues", "--keys", "resume", "b"], "`queues` has no verb `resume`; did you mean `queue-work resume`?"),
        (&["queues", "sett", "b"], "`queues` has no verb `sett`; did you mean `queue-work queues set`?"),
        (&["queues", "mail", "b"], "`queues` does not take `b`; see `queue-work queues -h`"),
        (&["queues", "mail", "set"], "`set` goes right after `queues`; see `queue-work queues set -h`"),
        (&["jobs", "show"], "`jobs show` needs `ID`, as in `queue-work jobs show 31`; see `queue-work jobs show -h`"),
        (&["jobs", "wait"], "say which jobs to wait for"),
        (&["config"], "`config` needs a verb: `check`, `show` or `init`; see `queue-work config -h`"),
        (&["push", "t", "1", "2"], "a command goes after `--`: `queue-work push -- t 1 2`"),
        (&["--workers", "4", "push", "t"], "`--workers` before the verb"),
    ];
    for (words, part) in table {
        let run = bench.run(words).expect_code(2);
        let said = run.stderr.starts_with("queue-work: ") && run.stderr.contains(part);
        assert!(said && run.stdout.is_empty(), "{words:?}: {run:?}");
    }
    assert!(!bench.database().exists());
}

#[test]
fn an_argument_that_is_no_text_is_refused_where_it_is_no_commands() {
    use std::os::unix::ffi::OsStrExt;
    let bench = Bench::new();
    let odd = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    for words in [&["push", "t"][..], &["scale"]] {
        let out = bench.command(words).arg(odd).output().expect("it runs");
        assert_eq!(out.status.code(), Some(2), "{words:?}");
        let said = format!("`\\xff\\xfe` is not UTF-8, which `{}` takes only in a command after `--`", words[0]);
        assert!(String::from_utf8_lossy(&out.stderr).contains(&said), "{words:?}");
    }
}
