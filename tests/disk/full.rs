//! A disk that is full, again and again: nothing acknowledged is lost, nothing refused is found, work resumes by itself.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::oracle::{self, Found};
use crate::pusher::{Journal, Pusher, Said};
use crate::rig::Rig;
use crate::shim::Kind;
use crate::support::{DEADLINE, eventually, now};
use crate::tmpfs::Tmpfs;

/// Cycles of the check; `DISK_CYCLES` asks for more.
const CYCLES: usize = 20;
/// How long the disk is full in some of them.
const LONG: Duration = Duration::from_millis(1200);
/// Another client numbers its jobs from here on.
const OTHER: u64 = 1_000_000;
/// Bytes of a job that fills a small disk soon.
const LARGE: usize = 40_000;

/// What came of a disk that was full and had room again, many times.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) found: Found,
    pub(crate) cycles: usize,
    pub(crate) acknowledged: usize,
    pub(crate) refused: usize,
    pub(crate) unknown: usize,
    /// From room on the disk to the end of the first job pushed after it.
    pub(crate) resumed: Vec<Duration>,
    /// Lines of the master about it.
    pub(crate) lines: usize,
}

/// The ways a disk gets full and has room again.
struct Disk<'a> {
    fill: &'a dyn Fn(),
    free: &'a dyn Fn(),
    ballast: usize,
}

/// Runs so many cycles under load, by failing writes.
pub(crate) fn cycles(count: usize) -> Outcome {
    let rig = Rig::new();
    let fill = || rig.shim.fail(Kind::Write, "ENOSPC", (1, 0), "*");
    let free = || rig.shim.heal();
    cycles_on(&rig, &Disk { fill: &fill, free: &free, ballast: 0 }, count)
}

fn cycles_on(rig: &Rig, disk: &Disk<'_>, count: usize) -> Outcome {
    let mut master = rig.start();
    let over = AtomicBool::new(false);
    let connect = |first| Pusher::connect(rig.bench.database(), first).with_ballast(disk.ballast);
    let (mut pusher, mut other) = (connect(0), connect(OTHER));
    let resumed = std::thread::scope(|scope| {
        // Load beside the client that looks at the times.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                other.push().expect("a master");
                eventually(Duration::from_millis(5), || over.load(Ordering::Relaxed));
            }
        });
        let cycles = || (0..count).map(|n| cycle(rig, disk, &mut pusher, n)).collect::<Vec<Duration>>();
        let resumed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(cycles));
        over.store(true, Ordering::Relaxed);
        resumed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", rig.bench.dump());
    let lines = master.stderr().lines().filter(|line| line.contains("is full")).count();
    let journals = [pusher.journal, other.journal];
    let sum = |which: fn(&Said) -> bool| journals.iter().map(|journal: &Journal| journal.count(which)).sum();
    Outcome {
        found: oracle::settle(&rig.bench, &journals),
        cycles: count,
        acknowledged: sum(|said| matches!(said, Said::Yes(_))),
        refused: sum(|said| matches!(said, Said::No(_))),
        unknown: sum(|said| matches!(said, Said::Unknown(_))),
        resumed,
        lines,
    }
}

/// Fills the disk until a push is refused, or for long enough that it is tried again less often; makes room, and
/// measures until a job has run again.
fn cycle(rig: &Rig, disk: &Disk<'_>, pusher: &mut Pusher, number: usize) -> Duration {
    (disk.fill)();
    let refused = eventually(DEADLINE, || match pusher.push().expect("a master") {
        Said::No(text) => {
            assert!(text.contains("is full; free some space"), "{text}");
            true
        }
        Said::Yes(_) | Said::Unknown(_) => false,
    });
    assert!(refused, "pushes are taken on a full disk\n{}", rig.bench.dump());
    if number % 4 == 3 {
        // At any time between two tries.
        eventually(LONG + Duration::from_millis(53 * number as u64 % 500), || false);
    }
    (disk.free)();
    let freed = now();
    let mut id = None;
    let taken = eventually(DEADLINE, || {
        id = pusher.push().map(|said| if let Said::Yes(id) = said { Some(id) } else { None }).expect("a master");
        id.is_some()
    });
    assert!(taken, "pushes are refused though there is room\n{}", rig.bench.dump());
    pusher.wait_for(id.expect("BUG: it was taken"));
    freed.elapsed()
}

/// For the table of `scripts/chaos`; the times are in order.
fn figures(outcome: &Outcome) -> serde_json::Value {
    serde_json::json!({
        "lost": outcome.found.lost,
        "duplicated": outcome.found.duplicated,
        "refused_and_found": outcome.found.invented,
        "acknowledged": outcome.acknowledged,
        "median_us": outcome.resumed[outcome.resumed.len() / 2].as_micros() as u64,
        "longest_us": outcome.resumed.last().map(|d| d.as_micros() as u64),
    })
}

/// What came of it, in a line.
fn print(what: &str, outcome: &mut Outcome) {
    outcome.resumed.sort_unstable();
    let longest = outcome.resumed.last().copied().unwrap_or_default();
    let median = outcome.resumed[outcome.resumed.len() / 2];
    println!(
        "disk full {} times ({what}): {} lost, {} twice, {} refused and found, of {} acknowledged, {} refused, \
         {} unknown; resumed in {median:?} (median), {longest:?} (longest); {} lines",
        outcome.cycles,
        outcome.found.lost,
        outcome.found.duplicated,
        outcome.found.invented,
        outcome.acknowledged,
        outcome.refused,
        outcome.unknown,
        outcome.lines,
    );
}

#[test]
fn a_disk_that_is_full_many_times_loses_nothing_and_work_resumes_by_itself() {
    let count = std::env::var("DISK_CYCLES").map_or(CYCLES, |n| n.parse().expect("DISK_CYCLES is a number"));
    let mut outcome = cycles(count);
    print("failing writes", &mut outcome);
    if let Some(file) = std::env::var_os("DISK_FIGURES") {
        std::fs::write(file, figures(&outcome).to_string()).expect("the file can be written");
    }
    assert_eq!(outcome.found, Found::default(), "{outcome:?}");
    assert!(outcome.acknowledged >= count && outcome.refused >= count, "{outcome:?}");
    // The longest wait between two tries is a quarter of a second; on a busy machine half of the cycles may be late.
    let median = outcome.resumed[count / 2];
    assert!(median < Duration::from_secs(1), "{outcome:?}");
    // One line when it begins, and one a minute while it comes and goes.
    assert!((1..=1 + count / 20).contains(&outcome.lines), "{outcome:?}");
}

#[test]
fn a_small_file_system_that_is_really_full_loses_nothing() {
    let rig = Rig::new();
    let tmpfs = match Tmpfs::mount(&rig.bench.path().join("disk"), 24 << 20) {
        Ok(tmpfs) => tmpfs,
        Err(error) => {
            println!("skipped: a_small_file_system_that_is_really_full_loses_nothing: cannot mount a tmpfs ({error})");
            return;
        }
    };
    let (fill, free) = (|| tmpfs.fill(), || tmpfs.free());
    let mut outcome = cycles_on(&rig, &Disk { fill: &fill, free: &free, ballast: LARGE }, 4);
    print("tmpfs", &mut outcome);
    assert_eq!(outcome.found, Found::default(), "{outcome:?}");
}

#[test]
fn on_a_full_disk_status_says_so_the_command_fails_clearly_and_running_work_is_recorded_later() {
    let rig = Rig::new();
    let mut master = rig.start();
    let ids: Vec<i64> = (0..3).map(|_| rig.bench.push(&["echo", "{\"n\": 0}"])).collect();
    rig.shim.fail(Kind::Write, "ENOSPC", (1, 0), "*");
    let refused = rig.bench.run(&["push", "echo", "1"]).expect_code(1);
    let said = format!("the disk of the database `{}` is full; free some space", rig.bench.database().display());
    assert_eq!(refused.stderr, format!("queue-work: nothing was changed: {said}\n"));
    assert_eq!(refused.stdout, "");
    rig.wait_for_problem(Some(&said));
    let many = rig.bench.verb(&["push", "--lines", "echo"]).stdin("1\n2\n").run().expect_code(1);
    assert!(many.stderr.contains("is full"), "{}", many.stderr);
    let status = rig.bench.ok(&["status"]);
    assert!(status.contains("is full"), "{status}");
    rig.shim.heal();
    rig.wait_for_problem(None);
    for id in ids {
        assert_eq!(rig.bench.wait_for_job(id, "succeeded")["id"], id);
    }
    assert_eq!(master.stderr().matches("is full").count(), 1, "{}", master.stderr());
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn without_a_master_a_push_to_a_full_disk_fails_and_stores_nothing() {
    let rig = Rig::new();
    rig.shim.fail(Kind::Write, "ENOSPC", (1, 0), "*");
    // A fresh folder: not even the database can be made.
    let refused = rig.run(&["push", "echo", "{\"n\": 1}"]).expect_code(1);
    assert!(refused.stderr.contains("is full; free some space"), "{}", refused.stderr);
    rig.shim.heal();
    assert_eq!(rig.run(&["push", "echo", "{\"n\": 2}"]).expect_code(0).stdout, "1\n");
    // One that exists: from each write on that a push makes.
    for from in 1.. {
        rig.shim.fail(Kind::Write, "ENOSPC", (from, 0), "*");
        let run = rig.run(&["push", "echo", &format!("{{\"n\": {}}}", 100 + from)]);
        if rig.shim.hits().0 == 0 {
            break;
        }
        assert!(run.code == 0 || run.stderr.contains("full"), "from write {from}: {run:?}");
        assert_eq!(run.code == 0, !run.stdout.is_empty(), "{run:?}");
        rig.shim.heal();
        let jobs = rig.bench.run(&["jobs", "list", "--oldest", "--jsonl"]).expect_code(0).stdout;
        let stored = jobs.contains(&format!("\"n\": {}}}", 100 + from));
        assert_eq!(stored, run.code == 0, "from write {from}: {run:?}\n{jobs}");
        assert!(from < 200, "the writes do not end");
    }
}

#[test]
fn a_master_does_not_start_on_a_full_disk_and_says_why() {
    let rig = Rig::new();
    rig.shim.fail(Kind::Write, "ENOSPC", (1, 0), "*");
    let mut master = rig.launch();
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1), "{}", rig.bench.dump());
    assert!(master.stderr().contains("No space left on device"), "{}", master.stderr());
    // The lock can be written, the database cannot.
    rig.shim.fail(Kind::Write, "ENOSPC", (1, 0), ".new");
    let mut master = rig.launch();
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1), "{}", rig.bench.dump());
    assert!(master.stderr().contains("is full; free some space"), "{}", master.stderr());
    rig.bench.expect_no_leftovers();
    rig.shim.heal();
    rig.start();
}
