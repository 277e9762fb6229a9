//! `errors`: failed runs counted by what they failed of, and what can be done about one error.

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::shape::{Form, expect};
use super::support::{Bench, DEADLINE};

use Form::{Int, List, Maybe, Object, Text, Time};

const ERROR: Form = Object(&[
    ("fingerprint", Text),
    ("type", Text),
    ("error_type", Maybe(&Text)),
    ("message", Text),
    ("queues", List(&Text)),
    ("runs", Int),
    ("runs_1h", Int),
    ("runs_24h", Int),
    ("dead_now", Int),
    ("first_at", Time),
    ("last_at", Time),
    ("sample_run", Maybe(&Int)),
    ("trend", List(&Int)),
    ("note", Maybe(&Text)),
    ("muted_until", Maybe(&Time)),
]);

fn fails(bench: &Bench, options: &[&str], message: &str) -> i64 {
    bench.push(&[options, &["--", "sh", "-c", &format!("echo {message} >&2; exit 1")]].concat())
}

fn errors(bench: &Bench, words: &[&str]) -> Vec<Value> {
    let found = bench.run(&[&["errors", "--json"], words].concat()).expect_code(0).json();
    found.as_array().expect("an array").clone()
}

/// Two jobs that are dead of one error after two attempts each, and one of another.
fn failed() -> Bench {
    let bench = Bench::new();
    for file in ["30.png", "31.png"] {
        fails(&bench, &["--max-attempts", "2"], &format!("cannot open image {file}"));
    }
    fails(&bench, &["--max-attempts", "1", "--queue", "mail"], "no route to host");
    bench.run(&["--workers=1", "--queue=default,mail", "--drain", "--backoff=10ms"]).expect_code(1);
    bench
}

#[test]
fn failed_runs_are_one_error_whatever_differs_in_their_messages() {
    let bench = failed();
    let all = errors(&bench, &[]);
    expect(&json!(all), List(&ERROR));
    let seen: Vec<_> =
        all.iter().map(|e| (e["message"].as_str().unwrap(), e["runs"].clone(), e["dead_now"].clone())).collect();
    let image = "exit status 1: cannot open image ….png";
    assert_eq!(seen, [(image, json!(4), json!(2)), ("exit status 1: no route to host", json!(1), json!(1))]);
    assert_eq!((&all[0]["runs_1h"], &all[0]["runs_24h"], &all[0]["trend"][23]), (&json!(4), &json!(4), &json!(4)));
    assert_eq!(all[0]["fingerprint"], bench.job(1)["fingerprint"]);
    for (filter, found) in [
        (&["--queue", "mail"][..], 1),
        (&["--type", "exec"], 2),
        (&["--type", "resize"], 0),
        (&["--since", "1h"], 2),
        (&["--since", "0s"], 0),
        (&["--limit", "1"], 1),
    ] {
        assert_eq!(errors(&bench, filter).len(), found, "{filter:?}");
    }
    bench.run(&["errors", "--queue", "nosuch"]).expect_code(4);
    let table = bench.ok(&["errors"]);
    assert!(table.lines().next().is_some_and(|line| line.starts_with("error ")) && table.contains(image), "{table}");
}

#[test]
fn one_error_is_shown_with_its_last_run_and_what_to_do_which_works_as_it_is_written() {
    let bench = failed();
    let all = errors(&bench, &[]);
    let fingerprint = all[0]["fingerprint"].as_str().expect("a text");
    expect(&bench.run(&["errors", fingerprint, "--json"]).expect_code(0).json(), ERROR);
    let text = bench.ok(&["errors", fingerprint]);
    let run = all[0]["sample_run"].as_i64().expect("an id");
    for part in [
        "4 in the last hour, 4 in a day, 4 in all",
        "dead now      2",
        "·█ 24 hours, 4 an hour at most",
        &format!("last run      {run} of job "),
        &format!("error of run {run}:\nexit status 1: cannot open image 3"),
        &format!("look at the 2 dead jobs: `queue-work jobs list --error {fingerprint}`"),
    ] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert_eq!(bench.run(&["jobs", "list", "--json", "--error", fingerprint]).json().as_array().map(Vec::len), Some(2));
    assert!(text.contains(&format!("`queue-work jobs retry --error {fingerprint}`")), "{text}");
    assert_eq!(bench.ok(&["jobs", "retry", "--error", fingerprint]), "retried 2 jobs\n");
    let after = bench.run(&["errors", fingerprint, "--json"]).json();
    assert_eq!((&after["runs"], &after["dead_now"]), (&json!(4), &json!(0)), "what has failed stays on record");
    assert!(bench.ok(&["errors", fingerprint]).contains("no job is dead of it; the last: `queue-work jobs show "));
    bench.run(&["errors", "0123456789abcdef"]).expect_code(4);
    bench.run(&["errors", "nosuch"]).expect_code(2);
    bench.run(&["errors", fingerprint, "--queue", "mail"]).expect_code(2);
}

#[test]
fn a_note_is_kept_and_a_muted_error_is_left_out_for_a_while_with_and_without_a_master() {
    let bench = failed();
    let fingerprint = errors(&bench, &[])[0]["fingerprint"].as_str().expect("a text").to_owned();
    let one = |words: &[&str]| bench.run(&[&["errors", &fingerprint, "--json"], words].concat()).expect_code(0).json();
    for master in [None, Some(bench.start(&["--workers=1", "--queue=other"]))] {
        let said = one(&["--note", "disk of web3", "--mute", "3d"]);
        expect(&said, ERROR);
        assert_eq!(said["note"], "disk of web3");
        assert!(bench.ok(&["errors", &fingerprint]).contains("note          disk of web3\nmuted until   "));
        assert_eq!(errors(&bench, &[]).len(), 1, "the other one");
        assert_eq!(errors(&bench, &["--muted"])[0]["fingerprint"], *fingerprint);
        let listed = bench.run(&["errors"]).expect_code(0);
        assert!(listed.stderr.contains("1 muted; see `queue-work errors --muted`"), "{listed:?}");
        let said = one(&["--unmute"]);
        assert_eq!((&said["note"], &said["muted_until"]), (&json!("disk of web3"), &Value::Null));
        assert_eq!(one(&["--note", ""])["note"], Value::Null);
        assert_eq!((errors(&bench, &[]).len(), errors(&bench, &["--muted"]).len()), (2, 0));
        bench.run(&["errors", "0123456789abcdef", "--note", "x"]).expect_code(4);
        let verbs: Vec<Value> = bench.run(&["audit", "--json"]).json().as_array().expect("an array").clone();
        let verbs: Vec<_> = verbs.iter().map(|deed| deed["verb"].as_str().unwrap().to_owned()).collect();
        assert_eq!(verbs[..4], ["note", "note", "unmute", "mute"]);
        if let Some(master) = master {
            master.signal(Signal::SIGTERM);
        }
    }
    let unnamed = bench.run(&["errors", "--note", "x"]).expect_code(2).stderr;
    assert!(unnamed.contains("needs `FINGERPRINT`, as in `queue-work errors 36241ac71e3b7c4c --note"), "{unnamed}");
    bench.run(&["errors", &fingerprint, "--mute", "soon"]).expect_code(2);
}

#[test]
fn without_a_failed_run_there_is_nothing_and_no_database_is_made() {
    let bench = Bench::new();
    assert!(errors(&bench, &[]).is_empty());
    assert!(!bench.database().exists());
    assert!(bench.run(&["errors"]).expect_code(0).stderr.contains("no run has failed"));
}

#[test]
fn counts_are_exact_after_the_master_was_killed() {
    let bench = Bench::new();
    for n in 0..60 {
        fails(&bench, &["--max-attempts", "1"], &format!("lost {n}"));
    }
    let mut master = bench.start(&["--workers=2", "--queue=default"]);
    bench.wait_for("some of them to fail", DEADLINE, |b| {
        errors(b, &[]).first().is_some_and(|e| e["runs"].as_i64() > Some(5))
    });
    master.kill9();
    let master = bench.start(&["--workers=2", "--queue=default"]);
    bench.wait_for("all to be dead", DEADLINE, |b| errors(b, &[]).first().is_some_and(|e| e["dead_now"] == 60));
    let runs = bench.run(&["runs", "--json", "--outcome", "failed", "--limit", "1000"]).json();
    let counted = errors(&bench, &[]).remove(0);
    assert_eq!(
        (counted["runs"].as_u64(), &counted["dead_now"]),
        (runs.as_array().map(|runs| runs.len() as u64), &json!(60))
    );
    master.signal(Signal::SIGTERM);
}
