//! A disk that gets full, or fails, in the middle of a bulk push: all of its jobs are there, or none.

use std::fmt::Write as _;

use crate::rig::Rig;
use crate::shim::Kind;
use crate::support::{DEADLINE, Run};

/// Lines, more than fit one transaction.
const LINES: usize = 12_000;
/// The first write that fails, in turn.
const FROM: [u64; 12] = [1, 2, 5, 10, 30, 100, 200, 400, 600, 800, 1200, 2000];

fn write_lines(rig: &Rig) {
    let text = (0..LINES).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "{n}");
        text
    });
    std::fs::write(rig.bench.path().join("lines"), text).expect("written");
}

fn seen(rig: &Rig) -> usize {
    rig.bench.ok(&["jobs", "list", "--oldest", "--jsonl", "--limit", "1000000"]).lines().count()
}

/// What is said is true, and it is all or nothing.
#[track_caller]
fn check(rig: &Rig, before: usize, case: &str, run: &Run) -> usize {
    let added = seen(rig) - before;
    if run.code == 0 {
        assert_eq!(added, LINES, "{case}: {run:?}");
        return LINES;
    }
    let unknown = run.stderr.contains("it is unknown");
    assert!(added == 0 || unknown && added == LINES, "{case}: {added} jobs, {run:?}");
    assert!(unknown || run.stderr.contains("nothing was added"), "{case}: {run:?}");
    added
}

#[track_caller]
fn expect_nothing_left(rig: &Rig, jobs: usize) {
    let bench = &rig.bench;
    let count = |table: &str| -> i64 {
        let read = || {
            let database = rusqlite::Connection::open(bench.database())?;
            database.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
        };
        read().unwrap_or(-1)
    };
    bench.wait_for("what was staged to be removed", DEADLINE, |_| count("jobs") == jobs as i64 && count("bulks") == 0);
}

#[test]
fn a_disk_that_gets_full_at_any_write_of_a_bulk_push_leaves_all_or_nothing() {
    let rig = Rig::new();
    write_lines(&rig);
    let mut all = rig.bench.push(&["--queue=other", "echo"]) as usize;
    for (errno, from) in FROM.iter().flat_map(|from| [("ENOSPC", *from), ("EIO", *from)]) {
        rig.shim.fail(Kind::Write, errno, (from, 0), "*");
        let run = rig.run(&["push", "--lines", "--file=lines", "--queue=other", "echo"]);
        rig.shim.heal();
        all += check(&rig, all, &format!("{errno} from write {from}"), &run);
        rig.bench.push(&["--queue=other", "echo"]);
        all += 1;
        expect_nothing_left(&rig, all);
    }
}

#[test]
fn through_a_master_a_disk_that_gets_full_leaves_all_or_nothing_of_a_bulk_push() {
    let rig = Rig::new();
    write_lines(&rig);
    let _master = rig.start();
    let mut all = 0;
    for from in FROM {
        rig.shim.fail(Kind::Write, "ENOSPC", (from, 0), "*");
        let run = rig.bench.run(&["push", "--lines", "--file=lines", "--queue=other", "echo"]);
        rig.shim.heal();
        rig.wait_for_problem(None);
        all += check(&rig, all, &format!("from write {from}"), &run);
        expect_nothing_left(&rig, all);
    }
}
