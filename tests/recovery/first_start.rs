//! The first start on a database that does not exist yet, killed at each of its writes, and repaired by the next.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use crate::support::Bench;

/// Pushes a job on a fresh database; killed at the call of this number. True if it came so far.
fn push_killed_at(bench: &Bench, call: &str, number: usize) -> Option<bool> {
    let own = bench.command(&[]);
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
    command.arg(own.get_program()).args(["push", "first"]).current_dir(bench.path());
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    // Strace ends as what it traced has ended.
    let killed = status.signal() == Some(9);
    (killed || status.success()).then_some(killed)
}

#[test]
fn a_first_start_that_is_killed_at_any_write_is_repaired_by_the_next() {
    let schema = |bench: &Bench| {
        let open = rusqlite::Connection::open(bench.database()).expect("the database");
        let mut rows = open.prepare("SELECT type || name || sql FROM sqlite_schema ORDER BY 1").expect("a schema");
        let rows = rows.query_map([], |row| row.get::<_, Option<String>>(0)).expect("rows");
        let found: Vec<_> = rows.map(|row| row.expect("text")).collect();
        let sound: String = open.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        assert_eq!(sound, "ok");
        let version: i64 = open.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a number");
        (found, version)
    };
    let whole = Bench::new();
    whole.push(&["first"]);
    let wanted = schema(&whole);
    let mut kills = 0;
    for call in ["pwrite64", "fdatasync", "ftruncate"] {
        for number in 1.. {
            let bench = Bench::new();
            let Some(killed) = push_killed_at(&bench, call, number) else {
                println!("skipped: there is no strace, or it may not trace");
                return;
            };
            if !killed {
                break;
            }
            kills += 1;
            let second = bench.push(&["second"]);
            assert_eq!(schema(&bench), wanted, "killed at {call} {number}");
            // The first was not acknowledged; it may be there, but nothing else.
            let jobs = bench.run(&["jobs", "list", "--oldest", "--json"]).expect_code(0).json();
            let kinds: Vec<_> = jobs.as_array().expect("an array").iter().map(|j| j["type"].clone()).collect();
            assert!(kinds == ["second"] || kinds == ["first", "second"], "killed at {call} {number}: {kinds:?}");
            assert_eq!(second, i64::try_from(kinds.len()).expect("a few"), "killed at {call} {number}");
        }
    }
    println!("{kills} kills");
    assert!(kills > 5, "{kills}");
}
