//! A disk on which something cannot be read: nothing is lost, whatever was being done.

use rusqlite::Connection;

use crate::oracle::{self, Found};
use crate::pusher::{Pusher, Said};
use crate::rig::Rig;
use crate::shim::Kind;
use crate::support::{DEADLINE, eventually};

/// Where the pages are.
const FILES: [&str; 2] = [".db", "-wal"];

#[test]
fn pages_that_cannot_be_read_while_jobs_are_pushed_and_run_lose_nothing() {
    let rig = Rig::new();
    let mut master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    let other = Connection::open(rig.bench.database()).expect("the database");
    other.busy_timeout(DEADLINE).expect("a wait");
    other.execute_batch("CREATE TABLE notes (n)").expect("a table");
    let (mut hits, mut n) = (0, 0);
    // How many of the reads are of files, and not from the cache, depends on how the pushes and the runs meet.
    let enough = eventually(DEADLINE, || {
        // What another program has written empties the master's cache.
        other.execute_batch("INSERT INTO notes VALUES (1)").expect("written");
        rig.shim.fail(Kind::Read, "EIO", (1 + n / 2 % 10, 1 + n % 3), FILES[n as usize % 2]);
        for _ in 0..3 {
            assert!(pusher.push().is_some(), "the master lives\n{}", rig.bench.dump());
        }
        hits += rig.shim.hits().0;
        n += 1;
        hits >= 20 && n >= 40
    });
    rig.shim.heal();
    drop(other);
    assert!(enough, "only {hits} reads have failed in {n} rounds");
    assert!(eventually(DEADLINE, || matches!(pusher.push(), Some(Said::Yes(_)))), "{}", rig.bench.dump());
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", master.stderr());
    assert_eq!(oracle::settle(&rig.bench, &[pusher.journal]), Found::default());
}

#[test]
fn a_start_that_cannot_read_a_page_says_so_and_the_next_finds_everything() {
    let rig = Rig::new();
    let mut master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    for _ in 0..50 {
        assert!(matches!(pusher.push(), Some(Said::Yes(_))));
    }
    master.kill9();
    for from in 1..200 {
        let file = FILES[from as usize % 2];
        rig.shim.fail(Kind::Read, "EIO", (from, 1), file);
        let run = rig.run(&["--workers", "1", "--queue", "none", "--drain"]);
        assert!(run.code == 0 || run.code == 1 && !run.stderr.is_empty(), "read {from} of {file}: {run:?}");
        let hits = rig.shim.hits().0;
        rig.shim.heal();
        if hits == 0 {
            break;
        }
    }
    assert_eq!(oracle::settle(&rig.bench, &[pusher.journal]), Found::default());
}
