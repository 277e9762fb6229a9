//! The one language of filters: which jobs `jobs list`, `retry`, `cancel`, `delete`, `set` and `wait` mean.

use std::io::{Read, Write};
use std::process::Stdio;

use nix::pty::openpty;
use serde_json::json;

use super::drain;
use super::operator::with_and_without_a_master;
use super::support::{Bench, DEADLINE};

/// The ids that a list with these options has.
fn ids(bench: &Bench, options: &[&str]) -> Vec<i64> {
    let listed = bench.run(&[&["jobs", "list", "--json"], options].concat()).expect_code(0).json();
    listed.as_array().expect("an array").iter().map(|job| job["id"].as_i64().expect("an id")).collect()
}

/// Four dead jobs of two errors (1 to 4), one that succeeded (5).
fn dead_jobs(bench: &Bench) {
    for n in 1..=3 {
        bench.push(&["--max-attempts=1", "--", "sh", "-c", &format!("echo cannot open {n}.png >&2; exit 1")]);
    }
    bench.push(&["--max-attempts=1", "--", "sh", "-c", "exit 7"]);
    bench.push(&["--", "true"]);
    drain(bench, &["--workers=1"]);
}

#[test]
fn every_verb_means_the_same_jobs_by_the_same_words() {
    let bench = Bench::new();
    dead_jobs(&bench);
    for _ in 0..3 {
        bench.push(&["--queue=mail", "digest"]);
    }
    bench.push(&["--queue=mail", "--delay=1h", "welcome"]);
    let fingerprint = bench.job(1)["fingerprint"].as_str().expect("a fingerprint").to_owned();
    assert_ne!(bench.job(4)["fingerprint"], fingerprint.as_str());
    let table: [(&[&str], &[i64]); 14] = [
        (&["--queue", "mail"], &[9, 8, 7, 6]),
        (&["--state", "dead"], &[4, 3, 2, 1]),
        (&["--state", "dead,scheduled"], &[9, 4, 3, 2, 1]),
        (&["--state", "ready", "--type", "digest", "--oldest"], &[6, 7, 8]),
        (&["--state", "dead", "--type", "exec", "--queue", "default"], &[4, 3, 2, 1]),
        (&["--state", "dead", "--type", "digest"], &[]),
        (&["--error", "cannot open"], &[3, 2, 1]),
        (&["--error", &fingerprint], &[3, 2, 1]),
        (&["--error", "0000000000000000"], &[]),
        (&["2-3", "5", "99"], &[5, 3, 2]),
        (&["2-8", "--state", "dead"], &[4, 3, 2]),
        (&["--since", "1h", "--state", "succeeded"], &[5]),
        (&["--until", "1h"], &[]),
        (&["--state", "ready", "--before", "8"], &[7, 6]),
    ];
    for (options, expected) in table {
        assert_eq!(ids(&bench, options), expected, "{options:?}");
        if expected.is_empty() || options.contains(&"--oldest") || options.contains(&"--before") {
            continue;
        }
        let plan = bench.run(&[&["jobs", "delete", "--dry-run", "--json"], options].concat()).expect_code(0).json();
        let mut sorted = expected.to_vec();
        sorted.sort_unstable();
        assert_eq!((&plan["count"], &plan["first_ids"]), (&json!(expected.len()), &json!(sorted)), "{options:?}");
    }
    assert_eq!(ids(&bench, &[]).len(), 9, "nothing was changed");
}

#[test]
fn jobs_are_retried_cancelled_and_deleted_by_filter_and_only_those() {
    with_and_without_a_master(|bench| {
        let first = bench.push(&["--queue=a", "x"]);
        let others: Vec<i64> = (0..3).map(|_| bench.push(&["--queue=a", "y"])).collect();
        let apart = bench.push(&["--queue=b", "--delay=1h", "y"]);
        assert_eq!(bench.ok(&["jobs", "cancel", "--queue", "a", "--type", "y"]), "cancelled 3 jobs\n");
        assert_eq!(bench.job(first)["state"], "ready");
        let again = bench.run(&["jobs", "cancel", "--queue", "a", "--type", "y"]).expect_code(0);
        assert_eq!((again.stdout.as_str(), again.stderr.as_str()), ("cancelled 0 jobs\n", ""));
        // A filter for `retry` means the dead.
        assert_eq!(bench.ok(&["jobs", "retry", "--queue", "a"]), "retried 0 jobs\n");
        let range = format!("{}-{}", others[0], others[1]);
        let run = bench.run(&["jobs", "retry", &range]).expect_code(0);
        assert_eq!(run.stdout, "retried 2 jobs\n", "ids mean whatever can be retried");
        assert_eq!(run.stderr, "queue-work: to retry 2 cancelled jobs\n");
        let list = format!("{} 999,{}-{}\n\n", others[2], apart, apart + 100);
        let run = bench.verb(&["jobs", "delete", "--ids-from", "-"]).stdin(list).run().expect_code(0);
        assert_eq!(
            (run.stdout.as_str(), bench.status()["queues"][1]["scheduled"].clone()),
            ("deleted 2 jobs\n", json!(0))
        );
        assert_eq!(
            bench.verb(&["jobs", "delete", "--ids-from", "-"]).stdin("").run().expect_code(0).stdout,
            "deleted 0 jobs\n"
        );
        assert_eq!(bench.ok(&["jobs", "delete", "--queue", "a", "--all"]), "deleted 3 jobs\n");
        assert_eq!(ids(bench, &["--queue", "a"]), [0; 0]);
    });
}

#[test]
fn what_waits_gets_another_priority_queue_and_time() {
    with_and_without_a_master(|bench| {
        let (a, b) = (bench.push(&["--queue=a", "x"]), bench.push(&["--queue=a", "x"]));
        assert_eq!(bench.ok(&["jobs", "set", &b.to_string(), "--priority", "7", "--to-queue", "b"]), "changed 1 job\n");
        let job = bench.job(b);
        assert_eq!((&job["priority"], &job["queue"], &job["state"]), (&json!(7), &json!("b"), &json!("ready")));
        bench.ok(&["jobs", "set", "--queue", "a", "--delay", "1h"]);
        assert_eq!((&bench.job(a)["state"], &bench.job(a)["priority"]), (&json!("scheduled"), &json!(0)));
        bench.ok(&["jobs", "set", "--all", "--delay", "0s"]);
        assert_eq!(bench.job(a)["state"], "ready");
        bench.ok(&["jobs", "cancel", &a.to_string()]);
        let run = bench.run(&["jobs", "set", &a.to_string(), "--priority", "1"]).expect_code(5);
        assert!(run.stderr.contains("is cancelled: only what waits can be changed"), "{}", run.stderr);
    });
}

#[test]
fn a_job_that_is_set_to_another_queue_or_to_now_runs_there_at_once() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=here"]);
    let id = bench.push(&["--queue=there", "--", "true"]);
    bench.ok(&["jobs", "set", &id.to_string(), "--to-queue", "here"]);
    bench.wait_for_job(id, "succeeded");
    let later = bench.push(&["--queue=here", "--delay=1h", "--", "true"]);
    bench.ok(&["jobs", "set", "--state", "scheduled", "--delay", "0s"]);
    bench.wait_for_job(later, "succeeded");
    let soon = bench.push(&["--queue=here", "--delay=1h", "--", "true"]);
    bench.ok(&["jobs", "set", &soon.to_string(), "--delay", "200ms"]);
    bench.wait_for_job(soon, "succeeded");
}

#[test]
fn a_time_that_was_set_stays_and_none_is_set_after_the_job_has_expired() {
    let bench = Bench::new();
    let id = bench.push(&["x"]).to_string();
    bench.ok(&["jobs", "cancel", &id]);
    bench.ok(&["jobs", "retry", &id]);
    bench.ok(&["jobs", "set", &id, "--at", "2036-01-01T00:00:00Z"]);
    let master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    let due = || bench.job(1)["due_at"].as_str().map(str::to_owned);
    assert!(due().is_some_and(|due| due.starts_with("2036-01-01T00:00:00")), "{:?}", due());
    let brief = bench.push(&["--expires=1h", "x"]).to_string();
    let refused = bench.run(&["jobs", "set", &brief, "--delay", "2h"]).expect_code(5);
    assert!(refused.stderr.contains("would expire before that time"), "{}", refused.stderr);
    drop(master);
    bench.run(&["jobs", "set", &brief, "--delay", "2h"]).expect_code(5);
    bench.ok(&["jobs", "set", &brief, "--delay", "10m"]);
}

#[test]
fn a_wait_is_for_the_jobs_that_were_meant_until_they_have_ended() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.ok(&["pause", "default"]);
    let slow = bench.push(&["--", "sh", "-c", "until test -e go; do sleep 0.01; done"]);
    let other = bench.push(&["--queue=other", "t"]);
    let range = format!("{slow}-{other}");
    let none = bench.run(&["jobs", "wait", &range, "--type", "nosuch"]).expect_code(0);
    assert_eq!(none.stdout, "no job is left to wait for\n");
    bench.run(&["jobs", "wait", &slow.to_string(), "999"]).expect_code(4);
    let mut waiting = bench.command(&["jobs", "wait", "--queue", "default", "--state", "ready"]);
    let said = bench.path().join("said");
    let stderr = std::fs::File::create(&said).expect("a file");
    let mut waiting = waiting.stdout(Stdio::piped()).stderr(stderr).spawn().expect("started");
    bench.wait_for("it to have looked", DEADLINE, |_| {
        std::fs::read_to_string(&said).expect("a text").contains("waits for 1 job")
    });
    bench.ok(&["resume", "default"]);
    bench.wait_for_job(slow, "running");
    assert!(waiting.try_wait().expect("it lives").is_none(), "the job that was ready still runs");
    std::fs::write(bench.path().join("go"), "").expect("written");
    let output = waiting.wait_with_output().expect("it ends");
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("1 job ended: 1 succeeded"), "{output:?}");
}

#[test]
fn what_a_dead_master_ran_is_not_said_to_be_of_no_concern() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    let id = bench.push(&["--", "sleep", "60"]);
    bench.wait_for_job(id, "running");
    bench.push(&["t"]);
    master.kill9();
    let run = bench.run(&["jobs", "cancel", "--all"]).expect_code(5);
    assert_eq!(run.stdout, "cancelled 1 job\n");
    assert!(run.stderr.contains("was running when the master ended; start a master"), "{}", run.stderr);
}

#[test]
fn a_list_goes_on_from_no_job_that_is_gone_where_times_are_its_order() {
    let bench = Bench::new();
    for _ in 0..4 {
        bench.push(&["x"]);
    }
    bench.ok(&["jobs", "delete", "2"]);
    let run = bench.run(&["jobs", "list", "--state", "ready", "--before", "2"]).expect_code(4);
    assert!(run.stderr.contains("there is no job 2 to go on from"), "{}", run.stderr);
    assert_eq!(ids(&bench, &["--before", "3"]), [1]);
    assert_eq!(ids(&bench, &["--state", "ready", "--before", "3", "--all"]), [1]);
}

#[test]
fn jobs_are_found_and_changed_by_label() {
    with_and_without_a_master(|bench| {
        let pushed: Vec<i64> =
            ["nightly", "nightly", "other"].map(|label| bench.push(&["--queue=a", "--label", label, "x"])).to_vec();
        bench.push(&["--queue=a", "x"]);
        assert_eq!(ids(bench, &["--label", "nightly", "--state", "ready"]), [pushed[1], pushed[0]]);
        assert_eq!(ids(bench, &["--label", "nosuch"]), [0; 0]);
        assert_eq!(bench.ok(&["jobs", "cancel", "--label", "nightly"]), "cancelled 2 jobs\n");
        assert_eq!(bench.job(pushed[2])["state"], "ready");
        assert_eq!(bench.ok(&["jobs", "delete", "--all", "--queue", "a"]), "deleted 4 jobs\n");
    });
}

#[test]
fn filters_that_mean_nothing_or_everything_are_refused_and_change_nothing() {
    let bench = Bench::new();
    bench.push(&["x"]);
    for (words, said) in [
        (&["jobs", "delete"][..], "say which jobs to delete: by their ids, by a filter"),
        (&["jobs", "cancel", "--all", "1"], "`--all` and ids exclude one another"),
        (&["jobs", "cancel", "9-3"], "backwards; write `3-9`"),
        (&["jobs", "cancel", "1..3"], "nor a range of ids such as `3-502`"),
        (&["jobs", "retry", "--state", "ready"], "there is nothing to retry in the state `ready`"),
        (&["jobs", "delete", "--state", "running"], "there is nothing to delete in the state `running`"),
        (&["jobs", "cancel", "--error", ""], "--error"),
        (&["jobs", "cancel", "--since", "soon"], "`7d`"),
        (&["jobs", "set", "1"], "say what to set"),
        (&["jobs", "set", "--priority", "1"], "say which jobs to set"),
        (&["jobs", "cancel", "--ids-from", "nosuch.txt"], "cannot read ids from `nosuch.txt`"),
    ] {
        let run = bench.run(words);
        assert!(run.code == 2 || said.starts_with("cannot read"), "{words:?}: {}", run.code);
        assert!(run.stderr.contains(said), "{words:?}: {}", run.stderr);
    }
    let run = bench.verb(&["jobs", "delete", "--ids-from", "-"]).stdin("1\n2 x\n").run().expect_code(2);
    assert!(run.stderr.contains("stdin, line 2: `x` is no id"), "{}", run.stderr);
    assert_eq!(bench.run(&["jobs", "delete", "--queue", "nosuch"]).expect_code(4).stdout, "");
    assert_eq!(ids(&bench, &["--state", "ready"]), [1]);
}

#[test]
fn on_a_terminal_many_jobs_are_changed_only_when_that_is_agreed() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.push(&["x"]);
    }
    let ask = |answer: &str, options: &[&str]| {
        let pty = openpty(None, None).expect("a terminal");
        let mut verb = {
            let mut verb = bench.command(&[&["jobs", "cancel", "--all"], options].concat());
            let end = || Stdio::from(pty.slave.try_clone().expect("another end"));
            verb.stdin(end()).stdout(end()).stderr(end()).spawn().expect("started")
        };
        drop(pty.slave);
        let mut terminal = std::fs::File::from(pty.master);
        terminal.write_all(answer.as_bytes()).expect("typed");
        let code = verb.wait().expect("it ends").code();
        let mut shown = Vec::new();
        let _ = terminal.read_to_end(&mut shown);
        (code, String::from_utf8_lossy(&shown).into_owned())
    };
    let (code, shown) = ask("n\n", &[]);
    assert!(shown.contains("cancel 3 ready jobs? [y/N]") && shown.contains("nothing was changed"), "{shown}");
    assert_eq!((code, ids(&bench, &["--state", "ready"]).len()), (Some(1), 3));
    let (code, shown) = ask("y\n", &[]);
    assert!(code == Some(0) && shown.contains("cancelled 3 jobs"), "{shown}");
    bench.ok(&["jobs", "retry", "--state", "cancelled"]);
    let (code, shown) = ask("", &["--yes"]);
    assert!(code == Some(0) && !shown.contains("[y/N]"), "{shown}");
}

#[test]
fn a_hundred_thousand_jobs_are_cancelled_and_deleted_while_others_run() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    let lines = "{\"type\":\"x\",\"queue\":\"bulk\"}\n".repeat(100_000);
    bench.verb(&["push", "--jsonl"]).stdin(lines).run().expect_code(0);
    let mut cancel =
        bench.command(&["jobs", "cancel", "--queue", "bulk"]).stderr(Stdio::null()).spawn().expect("started");
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    assert!(cancel.wait().expect("it ends").success());
    assert_eq!(bench.run(&["jobs", "cancel", "--queue", "bulk"]).expect_code(0).stdout, "cancelled 0 jobs\n");
    assert_eq!(bench.ok(&["jobs", "delete", "--queue", "bulk", "--all"]), "deleted 100000 jobs\n");
    assert_eq!(ids(&bench, &["--queue", "bulk"]), [0; 0]);
}

#[test]
fn waiting_for_several_jobs_ends_when_all_have_ended_and_says_how() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=2", "--queue=default"]);
    let (first, dead) = (bench.push(&["--", "true"]), bench.push(&["--max-attempts=1", "--", "false"]));
    let range = format!("{first}-{dead}");
    let run = bench.run(&["jobs", "wait", &range]).expect_code(1);
    assert_eq!(run.stdout, "2 jobs ended: 1 succeeded, 1 dead, 0 cancelled\n");
    let script = "until test -e go; do sleep 0.01; done";
    let slow: Vec<i64> = (0..2).map(|_| bench.push(&["--", "sh", "-c", script])).collect();
    let late = bench.run(&["jobs", "wait", "--queue", "default", "--timeout", "300ms"]).expect_code(1);
    assert!(late.stderr.contains("had not ended"), "{}", late.stderr);
    let mut waiting = bench.command(&["jobs", "wait", "--queue", "default", "--json"]);
    let waiting = waiting.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("started");
    std::fs::write(bench.path().join("go"), "").expect("written");
    let output = waiting.wait_with_output().expect("it ends");
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(output.status.success() && said["dead"] == 0 && said["count"].as_i64() >= Some(0), "{said}");
    bench.wait_for("both", DEADLINE, |b| slow.iter().all(|id| b.job(*id)["state"] == "succeeded"));
    assert_eq!(
        bench.run(&["jobs", "wait", "--queue", "default"]).expect_code(0).stdout,
        "no job is left to wait for\n"
    );
}
