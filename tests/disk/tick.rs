//! A tick while the disk is full.

use std::fs;

use nix::sys::signal::Signal;
use nix::time::{ClockId, clock_gettime};

use crate::rig::Rig;
use crate::shim::Kind;
use crate::support::DEADLINE;
use crate::ticks::{Ticks, each_second};

/// Ticks at which the disk is full.
const FULL_S: i64 = 3;

/// Seconds since 1970.
fn wall() -> i64 {
    clock_gettime(ClockId::CLOCK_REALTIME).expect("a clock").tv_sec()
}

#[test]
fn ticks_while_the_disk_is_full_are_late_and_not_lost() {
    let rig = Rig::new();
    let database = rig.bench.database();
    fs::write(rig.bench.path().join("queue-work.toml"), each_second("default", "echo")).expect("written");
    let mut master = rig.start();
    rig.bench.wait_for("a tick", DEADLINE, |_| Ticks::read(database).all > 0);
    rig.shim.fail(Kind::Write, "ENOSPC", (1, 0), "*");
    rig.wait_for_problem(Some("is full"));
    let (begun, before) = (wall(), Ticks::read(database));
    rig.bench.wait_for("some ticks to pass", DEADLINE, |_| wall() > begun + FULL_S);
    assert_eq!(Ticks::read(database).last, before.last, "written on a full disk");
    rig.shim.heal();
    rig.wait_for_problem(None);
    rig.bench.wait_for("the next ticks", DEADLINE, |_| Ticks::read(database).last > begun + FULL_S);
    master.signal(Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", rig.bench.dump());
    let ticks = Ticks::read(database);
    assert_eq!(ticks.wrong(), None, "{ticks:?}\n{}", rig.bench.dump());
}
