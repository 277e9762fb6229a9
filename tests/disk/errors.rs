//! Input and output that fail: each of the first hundred syncs and writes, all of them for a while, and read-only.

use crate::oracle::{self, Found};
use crate::pusher::{Pusher, Said};
use crate::rig::Rig;
use crate::shim::Kind;
use crate::support::{DEADLINE, eventually};

/// Faults of a sweep.
const FAULTS: u64 = 100;

/// Has calls of a kind fail, one place after the other, while jobs are pushed and done.
fn sweep(kind: Kind, error: &str) {
    let rig = Rig::new();
    let mut master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    for fault in 0..FAULTS {
        // The next one, or one of those that follow; one, or several in a row.
        rig.shim.fail(kind, error, (1 + fault % 7, 1 + fault % 3), "*");
        let met = eventually(DEADLINE, || {
            pusher.push().unwrap_or_else(|| panic!("the master is gone\n{}", rig.bench.dump()));
            rig.shim.hits().0 > 0
        });
        assert!(met, "fault {fault} was never met\n{}", rig.bench.dump());
        // Every other one meets what is done about the one before.
        let taken = fault % 2 == 0 || eventually(DEADLINE, || matches!(pusher.push(), Some(Said::Yes(_))));
        assert!(taken, "pushes are refused after fault {fault}\n{}", rig.bench.dump());
    }
    rig.shim.heal();
    // Work goes on, and the problem is over with the next thing that is written.
    let again = eventually(DEADLINE, || matches!(pusher.push(), Some(Said::Yes(_))));
    assert!(again, "{}", rig.bench.dump());
    rig.wait_for_problem(None);
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", rig.bench.dump());
    let lines = master.stderr().lines().count();
    assert!(lines < 60, "{lines} lines:\n{}", master.stderr());
    let journal = pusher.journal;
    let (yes, unknown) =
        (journal.count(|s| matches!(s, Said::Yes(_))), journal.count(|s| matches!(s, Said::Unknown(_))));
    let found = oracle::settle(&rig.bench, std::slice::from_ref(&journal));
    println!(
        "{error} at {FAULTS} places ({kind:?}): {found:?}, of {} pushes {yes} acknowledged, {unknown} unknown",
        journal.said.len()
    );
    assert_eq!(found, Found::default());
    assert!(yes as u64 >= FAULTS / 2, "hardly anything was taken: {yes}");
}

#[test]
fn a_sync_that_fails_at_any_place_loses_nothing_and_nothing_refused_is_found() {
    sweep(Kind::Sync, "EIO");
}

#[test]
fn a_write_that_fails_at_any_place_loses_nothing_and_nothing_refused_is_found() {
    sweep(Kind::Write, "EIO");
}

/// Everything of a kind fails until it is healed: pushes are answered meanwhile, and go on afterwards.
fn outage(kind: Kind, error: &str, words: &str) {
    let rig = Rig::new();
    let mut master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    assert!(matches!(pusher.push(), Some(Said::Yes(_))));
    rig.shim.fail(kind, error, (1, 0), "*");
    // `Unknown` is an honest answer to the first; then there is a clear no.
    let refused = eventually(DEADLINE, || matches!(pusher.push(), Some(Said::No(_))));
    assert!(refused, "{}", rig.bench.dump());
    rig.wait_for_problem(Some(words));
    rig.shim.heal();
    let again = eventually(DEADLINE, || matches!(pusher.push(), Some(Said::Yes(_))));
    assert!(again, "{}", rig.bench.dump());
    rig.wait_for_problem(None);
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", rig.bench.dump());
    assert_eq!(oracle::settle(&rig.bench, &[pusher.journal]), Found::default());
}

#[test]
fn while_nothing_can_be_synced_pushes_are_refused_and_afterwards_taken() {
    outage(Kind::Sync, "EIO", "cannot sync");
}

#[test]
fn while_nothing_can_be_written_or_synced_pushes_are_refused_and_afterwards_taken() {
    outage(Kind::Any, "EIO", "failed");
}

/// A file system with open files cannot be made read-only by hand; the system does it to one that is damaged.
#[test]
fn a_file_system_that_became_read_only_refuses_pushes_until_it_is_writable_again() {
    outage(Kind::Change, "EROFS", "Read-only file system");
}

#[test]
fn a_guest_whose_sync_fails_does_not_say_that_nothing_was_stored() {
    let rig = Rig::new();
    rig.run(&["push", "echo", "{\"n\": 0}"]).expect_code(0);
    rig.shim.fail(Kind::Sync, "EIO", (1, 0), "-wal");
    let run = rig.run(&["push", "echo", "{\"n\": 1}"]).expect_code(1);
    assert_eq!(run.stdout, "");
    assert!(run.stderr.contains("it is unknown whether anything was added"), "{}", run.stderr);
    rig.shim.heal();
    rig.run(&["push", "echo", "{\"n\": 2}"]).expect_code(0);
    assert_eq!(oracle::settle(&rig.bench, &[]), Found::default());
}
