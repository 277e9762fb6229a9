//! A master that has nothing to do: it does nothing with its database, and still hears of what others do with it.

use std::fs;
use std::time::Duration;

use queue_work::testing::model::change::{Reply, Request};
use queue_work::testing::model::{NewJob, StoreUrl, UnixMicros};

use crate::support::{Bench, DEADLINE, Master, now};

/// Longer than the second at which the database was looked at if nobody told of changes.
const REST: Duration = Duration::from_secs(3);

/// How often the thread that writes to the store has waited for something.
fn waits(master: &Master<'_>) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{}/task", master.pid())).expect("it lives");
    let named = |task: &fs::DirEntry| fs::read_to_string(task.path().join("comm")).is_ok_and(|name| name == "store\n");
    let task = tasks.flatten().find(named).expect("the thread `store`").path();
    let status = fs::read_to_string(task.join("status")).expect("its status");
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")).expect("the figure");
    line.trim().parse().expect("a number")
}

/// Waits until the store has not been touched for a while.
#[track_caller]
fn rests(bench: &Bench, master: &Master<'_>) {
    let (mut before, mut since) = (0, now());
    bench.wait_for("the store to rest", DEADLINE, |_| {
        let waits = waits(master);
        if waits != before {
            (before, since) = (waits, now());
        }
        since.elapsed() >= REST
    });
}

/// Writes a job to the database as a program that knows nothing of the master, and so cannot tell it.
fn push_unseen(bench: &Bench) -> i64 {
    let job = NewJob::new("exec", r#"{"argv": ["true"]}"#);
    let mut store =
        queue_work::testing::store::open(&StoreUrl::File(bench.database().to_owned())).unasked().expect("the store");
    let at = UnixMicros(jiff::Timestamp::now().as_microsecond());
    let replies = store.apply(0, &[Request::Push([job].into()).into()], at).expect("written").replies;
    let [Reply::Pushed(pushed)] = &replies[..] else { panic!("{replies:?}") };
    pushed[0].id.0
}

#[test]
fn a_master_with_nothing_to_do_leaves_its_database_alone_and_hears_of_others() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "2"]);
    let told = bench.push(&["--", "true"]);
    bench.wait_for_job(told, "succeeded");
    rests(&bench, &master);
    let untold = push_unseen(&bench);
    bench.wait_for_job(untold, "succeeded");
    rests(&bench, &master);
    fs::rename(bench.database(), bench.path().join("elsewhere.db")).expect("moved away");
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1));
}

#[test]
fn a_database_that_is_reached_through_a_link_is_looked_at_all_the_time() {
    let bench = Bench::with_database("real/q.db");
    let link = bench.path().join("link");
    std::os::unix::fs::symlink("real", &link).expect("a link");
    let mut master = bench.start(&["--workers", "1", "--database", "link/q.db"]);
    let untold = push_unseen(&bench);
    bench.wait_for_job(untold, "succeeded");
    // The link was followed once: nothing depends on it any more.
    fs::remove_file(link).expect("it is there");
    let again = push_unseen(&bench);
    bench.wait_for_job(again, "succeeded");
    fs::rename(bench.database(), bench.path().join("elsewhere.db")).expect("moved away");
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1));
}
