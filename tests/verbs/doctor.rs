//! `doctor`: what is wrong is set up for real, and found with the command that helps; nothing is changed by looking.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use nix::sys::signal::Signal;
use rusqlite::Connection;
use serde_json::Value;

use super::shape::{Form, expect};
use super::support::{Bench, DEADLINE, Run};

use Form::{List, Object, Text};

const DOCUMENT: Form =
    Object(&[("status", Text), ("checks", List(&Object(&[("name", Text), ("status", Text), ("message", Text)])))]);

fn look(run: &Run) -> Value {
    let found = run.json();
    expect(&found, DOCUMENT);
    let is_failed = found["status"] == "unhealthy";
    assert_eq!(run.code, i32::from(is_failed), "{run:?}");
    found
}

/// What one check says: its verdict and its sentence.
fn said(found: &Value, name: &str) -> (String, String) {
    let mut checks = found["checks"].as_array().expect("an array").iter().filter(|check| check["name"] == name);
    let check = checks.next().unwrap_or_else(|| panic!("no check `{name}` in {found:#}"));
    assert!(checks.next().is_none(), "`{name}` is there twice");
    (check["status"].as_str().expect("a text").to_owned(), check["message"].as_str().expect("a text").to_owned())
}

/// Asserts on one check after a run with these words.
#[track_caller]
fn expect_check(bench: &Bench, words: &[&str], (name, status): (&str, &str), parts: &[&str]) {
    let found = look(&bench.run(&[&["doctor", "--json"], words].concat()));
    let (mark, message) = said(&found, name);
    assert_eq!(mark, status, "{name}: {message}");
    for part in parts {
        assert!(message.contains(part), "{name}: no {part:?} in {message:?}");
    }
}

fn configure(bench: &Bench, text: &str) {
    fs::write(bench.path().join("queue-work.toml"), text).expect("written");
}

fn command(bench: &Bench) -> Connection {
    Connection::open(bench.database()).expect("a database")
}

#[test]
fn where_all_is_well_nothing_fails_and_each_check_says_so() {
    let bench = Bench::new();
    let nothing = look(&bench.run(&["doctor", "--json"]));
    assert_eq!(said(&nothing, "database").0, "pass");
    assert!(!bench.database().exists(), "it makes nothing");
    bench.push(&["--", "true"]);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(1, "succeeded");
    let found = look(&bench.run(&["doctor", "--json"]));
    assert_ne!(found["status"], "unhealthy", "{found:#}");
    assert!(found["checks"].as_array().is_some_and(|checks| checks.len() >= 25), "{found:#}");
    for name in [
        "configuration",
        "master",
        "version",
        "paused",
        "idle",
        "durability",
        "database",
        "schema",
        "integrity",
        "log",
        "file_system",
        "leftovers",
        "files",
        "clock",
        "queues",
        "pools",
        "store",
    ] {
        let (mark, message) = said(&found, name);
        assert!(mark == "pass" && !message.is_empty(), "{name}: {message}");
    }
    let text = bench.ok(&["doctor", "--full"]);
    assert!(text.contains("integrity") && text.contains("all tables are whole"), "{text}");
}

#[test]
fn a_wrong_configuration_is_named_and_the_rest_is_looked_at_all_the_same() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    configure(&bench, "[pools.a]\nworkers = \"many\"\n");
    expect_check(&bench, &[], ("configuration", "fail"), &["workers", "`queue-work config check`"]);
    expect_check(
        &bench,
        &[],
        ("database", "fail"),
        &["while the configuration is not valid", "`queue-work config check`"],
    );
    expect_check(&bench, &[], ("clock", "pass"), &[]);
}

#[test]
fn jobs_that_wait_for_nobody_are_named_without_a_master_and_with_one() {
    let bench = Bench::new();
    bench.push(&["--queue", "mail", "--", "true"]);
    bench.push(&["--queue", "held", "--", "true"]);
    bench.ok(&["pause", "held"]);
    expect_check(&bench, &[], ("master", "warn"), &["no master runs", "2 jobs", "`queue-work --queue"]);
    expect_check(
        &bench,
        &[],
        ("paused", "warn"),
        &["queue `held` is paused and 1 job waits", "`queue-work resume held`"],
    );
    configure(&bench, "[pools.a]\nqueues = [\"default\", \"held\"]\nworkers = 1\n");
    let unserved = ["no pool serves queue `mail`", "`queue-work spawn --queue mail --workers 1`"];
    expect_check(&bench, &[], ("queues", "warn"), &unserved);
    let _master = bench.start(&[]);
    bench.wait_for("the master to see them", DEADLINE, |b| {
        b.status()["unserved"].as_array().is_some_and(|all| !all.is_empty())
    });
    expect_check(&bench, &[], ("queues", "warn"), &unserved);
    expect_check(&bench, &[], ("master", "pass"), &["is running"]);
}

#[test]
fn what_the_configuration_asks_for_is_held_against_the_machine_and_the_past() {
    let bench = Bench::new();
    for _ in 0..5 {
        bench.push(&["--", "sleep", "1.1"]);
    }
    configure(
        &bench,
        "durability = \"process\"\n[pools.a]\nqueues = [\"default\"]\nworkers = 5\nprefetch = 8\nmemory = \"+8M\"\n\
         memory_max = \"100T\"\ngrace = \"2m\"\n",
    );
    bench.ok(&["--drain"]);
    expect_check(&bench, &[], ("durability", "warn"), &["power cut"]);
    expect_check(&bench, &[], ("prefetch", "warn"), &["pool `a` sends 8 jobs ahead", "1.1s", "`queue-work reload`"]);
    expect_check(&bench, &[], ("recycling", "warn"), &["grown by 8M", "`queue-work workers --pool a`"]);
    expect_check(&bench, &[], ("memory", "warn"), &["5 workers may take 500T together"]);

    let units = bench.path().join("config/systemd/user");
    fs::create_dir_all(&units).expect("made");
    fs::write(units.join("jobs.service"), "[Service]\nExecStart=/usr/bin/queue-work\nTimeoutStopSec=60\n")
        .expect("written");
    let asked = bench.verb(&["doctor", "--json"]).env("XDG_CONFIG_HOME", bench.path().join("config")).run();
    let (mark, message) = said(&look(&asked), "stop_timeout");
    assert_eq!(mark, "warn");
    assert!(
        message.contains("`jobs.service`") && message.contains("`systemctl --user edit jobs.service`"),
        "{message}"
    );
    assert!(message.contains("1m after a stop") && message.contains("have 2m 5s"), "{message}");
}

#[test]
fn workers_that_cannot_all_have_their_files_open_are_named_with_the_limit() {
    let bench = Bench::new();
    configure(&bench, "[pools.a]\nqueues = [\"default\"]\nworkers = 400\n");
    let program = bench.command(&["doctor", "--json"]);
    let mut limited = std::process::Command::new("/bin/sh");
    limited.args(["-c", "ulimit -n 200; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    limited.current_dir(bench.path());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    let out = limited.output().expect("run");
    let found: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {out:?}"));
    let (mark, message) = said(&found, "files");
    assert!(mark == "warn" && message.contains("at most 200 files") && message.contains("400 workers"), "{message}");
}

#[test]
fn tables_of_another_version_are_named_and_stay_as_they_are() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    for (version, status, part) in [(5, "warn", "version 5"), (9_999, "fail", "use the newer `queue-work`")] {
        let conn = command(&bench);
        conn.execute_batch(&format!(
            "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA user_version = {version}; PRAGMA wal_checkpoint(TRUNCATE);"
        ))
        .expect("written");
        drop(conn);
        let before = fs::read(bench.database()).expect("read");
        expect_check(&bench, &[], ("schema", status), &[part]);
        assert!(fs::read(bench.database()).expect("read") == before, "it was changed");
    }
}

#[test]
fn a_file_that_is_no_database_and_one_that_is_damaged_fail() {
    let bench = Bench::new();
    fs::write(bench.database(), "text of mine, which is long enough to be looked at by anybody").expect("written");
    expect_check(&bench, &[], ("database", "fail"), &["is not a queue-work database"]);
    fs::remove_file(bench.database()).expect("removed");
    let many: Vec<String> = (0..2_000).map(|n| format!("{{\"type\": \"resize\", \"args\": {n}}}")).collect();
    bench.verb(&["push", "--jsonl"]).stdin(many.join("\n")).run().expect_code(0);
    command(&bench).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("moved");
    let mut bytes = fs::read(bench.database()).expect("read");
    // The last pages are those of jobs; the first name the tables, without which nothing can be read.
    let (page, pages) = (4096, bytes.len() / 4096);
    for n in pages * 3 / 4..pages * 3 / 4 + 4 {
        bytes[n * page..n * page + 2000].fill(0xA5);
    }
    fs::write(bench.database(), &bytes).expect("written");
    expect_check(&bench, &[], ("integrity", "fail"), &["it is damaged (", "VACUUM INTO"]);
    assert_eq!(fs::read(bench.database()).expect("read"), bytes);
}

#[test]
fn a_program_that_reads_and_never_ends_is_named_by_its_pid() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    let reader = command(&bench);
    reader.execute_batch("BEGIN; SELECT count(*) FROM jobs").expect("read");
    bench.push(&["--", "true"]);
    let log = bench.database().with_file_name("q.db-wal");
    // What lies behind the last commit counts for nothing.
    fs::File::options().write(true).open(&log).and_then(|log| log.set_len(100 << 20)).expect("grown");
    let us = std::process::id();
    expect_check(&bench, &[], ("log", "warn"), &["100M", &format!("process {us} (`"), &format!("`kill {us}`")]);
    reader.execute_batch("COMMIT").expect("ended");
    expect_check(&bench, &[], ("log", "warn"), &["nobody reads at this moment"]);
}

#[test]
fn a_database_that_others_may_write_to_fails_unless_that_is_allowed() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    fs::set_permissions(bench.database(), fs::Permissions::from_mode(0o666)).expect("changed");
    expect_check(&bench, &[], ("owner", "fail"), &["written to by everybody", "chmod go-w"]);
    expect_check(&bench, &["--allow-shared-folder"], ("owner", "warn"), &["written to by everybody"]);
}

#[test]
fn what_dead_masters_and_deleted_databases_have_left_is_named() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(1, "succeeded");
    let pid = master.pid();
    master.kill9();
    fs::write(bench.database().with_file_name("q.db-wal.lost"), "a log").expect("written");
    expect_check(&bench, &[], ("leftovers", "warn"), &[&format!("master {pid}, started "), "q.db-wal.lost", "`rm "]);
    command(&bench).execute_batch("UPDATE runs SET ended_at = ended_at + 7200000000").expect("written");
    expect_check(&bench, &[], ("clock", "warn"), &["from now", "`date`"]);
}

#[test]
fn a_master_that_stands_still_fails_and_one_by_an_older_file_is_named() {
    let bench = Bench::new();
    configure(&bench, "[pools.a]\nqueues = [\"default\"]\nworkers = 1\n");
    let master = bench.start(&[]);
    configure(&bench, "[pools.a]\nqueues = [\"default\"]\nworkers = 2\n");
    expect_check(&bench, &[], ("reload", "warn"), &["has changed since the master read it", "`queue-work reload`"]);
    bench.ok(&["reload"]);
    expect_check(&bench, &[], ("reload", "pass"), &[]);
    master.signal(Signal::SIGSTOP);
    let found = bench.run(&["doctor", "--json"]);
    master.signal(Signal::SIGCONT);
    let (mark, message) = said(&look(&found), "master");
    assert!(mark == "fail" && message.contains(&format!("`kill -CONT {}`", master.pid())), "{message}");
}
