//! Jobs that another process changes in the database while a master runs, without asking it.

use std::process::{Child, Stdio};
use std::sync::Arc;

use queue_work::testing::model::change::{Change, Finish, Next, Op, Reply};
use queue_work::testing::model::{
    Claimed, Counters, Detail, Holds, JobId, Outcome, QueueName, RunId, StoreUrl, UnixMicros, WorkerId,
};
use queue_work::testing::store;

use crate::lost::waits;
use crate::support::{Bench, DEADLINE, eventually};

fn at() -> UnixMicros {
    UnixMicros(jiff::Timestamp::now().as_microsecond())
}

/// Writes to the database as a program that knows nothing of the master.
#[track_caller]
fn change(bench: &Bench, change: Change) -> Reply {
    let mut store = store::open(&StoreUrl::File(bench.database().to_owned())).unasked().expect("the store");
    store.apply(0, &[Op::from(change)], at()).expect("written").replies.remove(0)
}

/// Begins `jobs wait`.
fn wait(bench: &Bench, id: i64) -> Child {
    let mut command = bench.command(&["jobs", "wait", &id.to_string()]);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the binary");
    bench.wait_for("the wait to begin", DEADLINE, |_| waits(&child));
    // The master answers this after it has looked for the job of the wait.
    bench.status();
    child
}

#[track_caller]
fn expect_code(mut waiting: Child, code: i32) {
    let ended = eventually(DEADLINE, || waiting.try_wait().expect("our child").is_some());
    let _ = waiting.kill();
    let out = waiting.wait_with_output().expect("our child");
    assert!(ended, "the wait goes on");
    assert_eq!(out.status.code(), Some(code), "{}", String::from_utf8_lossy(&out.stderr));
}

#[test]
fn a_wait_ends_when_another_process_cancels_the_job() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let id = bench.push(&["--delay", "1h", "--", "true"]);
    let waiting = wait(&bench, id);
    assert!(matches!(change(&bench, Change::cancel(JobId(id))), Reply::Changed { .. }));
    expect_code(waiting, 1);
}

#[test]
fn the_end_of_a_run_that_another_process_has_ended_counts_for_nothing() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let id = bench.push(&["--", "sh", "-c", "until [ -e go ]; do sleep 0.02; done; exit 3"]);
    bench.wait_for_job(id, "running");
    let waiting = wait(&bench, id);
    let job = Claimed {
        id: JobId(id),
        run: RunId(1),
        queue: QueueName::default(),
        kind: "exec".into(),
        args: "{}".into(),
        counters: Counters::default(),
        pushed_at: at(),
        due_at: at(),
        timeout: None,
        max_attempts: None,
        holds: Holds::default(),
        is_new: true,
        state: None,
        parents: None,
        pushed_in: None,
        trace: None,
    };
    let finish = Finish {
        job: Arc::new(job),
        worker: WorkerId(1),
        outcome: Outcome::Succeeded,
        cause: None,
        detail: Detail::default(),
        started_at: at(),
        ended_at: at(),
        next: Next::Succeeded,
        counters: Counters::default(),
        max_attempts: 3,
    };
    assert!(matches!(change(&bench, Change::Finish(Box::new(finish))), Reply::Done));
    expect_code(waiting, 0);

    // Its worker goes on, and takes the next job when it is done.
    let next = bench.push(&["--", "true"]);
    assert_eq!(bench.job(next)["state"], "ready");
    std::fs::write(bench.path().join("go"), "").expect("written");
    bench.wait_for_job(next, "succeeded");
    assert_eq!((&bench.job(id)["state"], bench.runs(id).len()), (&"succeeded".into(), 1));
    let queue = &bench.status()["queues"][0];
    assert_eq!((&queue["running"], &queue["ready"], &queue["dead"]), (&0.into(), &0.into(), &0.into()), "{queue}");
}
