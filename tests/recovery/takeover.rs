//! A master that sleeps, and what becomes of its store meanwhile: its lock file may be deleted, but a second master starts
//! only over the dead body of the first; and should one have begun all the same, the first ends without another word.

use std::fmt::Write;
use std::fs;

use nix::sys::signal::Signal::{SIGCONT, SIGSTOP};
use serde_json::json;

use crate::death::a_generation_that_does_nothing;
use crate::support::{Bench, DEADLINE};

#[test]
fn a_master_that_sleeps_keeps_its_store_although_its_lock_file_was_deleted() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1"]);
    let since = bench.status()["master"]["started_at"].as_str().expect("a time")[..16].to_owned();
    master.signal(SIGSTOP);
    fs::remove_file(bench.path().join("q.db.lock")).expect("deleted");
    for _ in 0..2 {
        let refused = bench.run(&["--workers", "1"]).expect_code(5);
        let text = refused.stderr.replace(' ', "T");
        assert!(text.contains(&master.pid().to_string()) && text.contains(&since), "{}", refused.stderr);
    }
    master.signal(SIGCONT);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    assert_eq!(bench.status()["master"]["generation"], 1);
}

#[test]
fn a_dead_master_keeps_nobody_from_starting_although_its_lock_file_was_deleted() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    master.kill9();
    fs::remove_file(bench.path().join("q.db.lock")).expect("deleted");
    let _next = bench.start(&["--workers", "1"]);
    assert_eq!(bench.status()["master"]["generation"], 2);
}

#[test]
fn a_master_that_is_just_dying_is_waited_for() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    master.signal(SIGSTOP);
    fs::remove_file(bench.path().join("q.db.lock")).expect("deleted");
    let mut next = bench.launch(&["--workers", "1"]);
    let handles = format!("/proc/{}/fd", next.pid());
    bench.wait_for("the next one to open the database", DEADLINE, |_| {
        let links = fs::read_dir(&handles).into_iter().flatten().flatten();
        links.filter_map(|link| fs::read_link(link.path()).ok()).any(|path| path.ends_with("q.db"))
    });
    master.kill9();
    next.wait_until_it_runs();
    assert_eq!(bench.status()["master"]["generation"], 2);
}

/// Everything the store knows, as text.
fn dump(bench: &Bench) -> String {
    let open = rusqlite::Connection::open(bench.database()).expect("the database");
    let tables =
        ["queues", "jobs", "ready", "scheduled", "running", "ended", "tries", "runs", "workers", "generations"];
    let mut text = String::new();
    for table in tables {
        let mut rows = open.prepare(&format!("SELECT * FROM {table}")).expect("a table");
        let columns = rows.column_count();
        let mut rows = rows.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            let cells: Vec<_> = (0..columns).map(|at| row.get_ref(at).expect("a cell")).collect();
            writeln!(text, "{table} {cells:?}").expect("memory");
        }
    }
    text
}

#[test]
fn a_master_that_was_replaced_while_it_slept_ends_at_its_next_write_and_changes_nothing() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "2"]);
    let running = bench.push(&["--", "sleep", "1000"]);
    bench.wait_for_job(running, "running");
    bench.wait_for("all to be written", DEADLINE, |b| {
        let before = dump(b);
        before.matches("workers [").count() == 2 && before == dump(b)
    });
    master.signal(SIGSTOP);
    // As of a master that cannot see this one, in a container of its own; and somebody has pushed.
    a_generation_that_does_nothing(&bench);
    let open = rusqlite::Connection::open(bench.database()).expect("the database");
    let ready =
        "INSERT INTO ready (queue, lane, nprio, due_at, id, tried) SELECT queue, 0, nprio, due_at, 99, 0 FROM jobs";
    let job = "INSERT INTO jobs (id, queue, type, args, nprio, due_at, pushed_at) \
               SELECT 99, queue, type, args, nprio, due_at, pushed_at FROM jobs";
    let count = "UPDATE queues SET ready = ready + 1";
    for sql in [ready, job, count] {
        assert_eq!(open.execute(sql, []).expect("it takes a row"), 1);
    }
    drop(open);
    let before = dump(&bench);
    master.signal(SIGCONT);
    let status = master.wait_exit(DEADLINE);
    assert_eq!(status.code(), Some(5), "{}", master.stderr());
    let said = master.stderr();
    assert!(said.contains("another master has taken over this store (generation 2)"), "{said}");
    bench.expect_no_leftovers();
    assert_eq!(dump(&bench), before, "it wrote to a store that is no longer its own");

    let _next = bench.start(&["--workers", "2"]);
    let job = bench.wait_for_job(running, "running");
    assert_eq!((&job["attempts"], &job["releases"]), (&json!(0), &json!(1)), "{job}");
    assert_eq!(bench.status()["master"]["generation"], 3);
}
