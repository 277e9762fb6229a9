//! A master that died with very many jobs claimed.

use std::sync::Arc;

use queue_work::testing::model::change::{Change, Claim, Reply, Request};
use queue_work::testing::model::{NewJob, QueueName, StoreUrl, Takes, UnixMicros};
use queue_work::testing::store::{self, Master};

use crate::support::{Bench, DEADLINE, now};

const JOBS: u32 = 25_000;

/// What a master leaves that died with all of these claimed.
fn leave(bench: &Bench, queue: &str) {
    let mut store = store::open(&StoreUrl::File(bench.database().to_owned())).unasked().expect("a store");
    let dead = Master {
        host: String::new(),
        pid: i32::MAX.unsigned_abs(),
        pid_start: 1,
        boot_id: "another".into(),
        cookie: "of the dead".into(),
        version: "0".into(),
    };
    store.join(&dead, UnixMicros(1)).expect("a generation");
    let queue = QueueName::new(queue).expect("a name");
    let job = NewJob { queue: queue.clone(), ..NewJob::new("t", "null") };
    let jobs: Arc<[NewJob]> = vec![job; JOBS as usize].into();
    store.apply(1, &[Request::Push(jobs).into()], UnixMicros(2)).expect("pushed");
    let claim = Claim {
        takes: vec![(queue, JOBS)],
        lanes: Takes::Others,
        workers: vec![],
        total: JOBS,
        at_once: u32::MAX,
        max_bytes: usize::MAX,
    };
    let replies = store.apply(2, &[Change::Claim(claim).into()], UnixMicros(3)).expect("claimed").replies;
    assert!(matches!(&replies[0], Reply::Claimed { jobs, .. } if jobs.len() == JOBS as usize));
}

#[test]
fn twenty_five_thousand_jobs_that_a_dead_master_held_are_all_ready_again_after_one_start() {
    let bench = Bench::new();
    leave(&bench, "nobody-serves-this");
    let begun = now();
    let master = bench.start(&["--workers", "1"]);
    let took = begun.elapsed();
    println!("{JOBS} running jobs recovered, from the start of the master to its first status: {took:?}");
    assert!(took < DEADLINE, "{took:?}");
    // Its lines are printed by a thread of their own.
    bench.wait_for("the line", DEADLINE, |_| master.stderr().contains("25000 jobs it left running: ready again"));
    let status = bench.status();
    let queues = status["queues"].as_array().expect("queues");
    let queue = queues.iter().find(|q| q["name"] == "nobody-serves-this").expect("the queue");
    assert_eq!((&queue["running"], &queue["ready"]), (&0.into(), &JOBS.into()), "{queue}");
    let open = rusqlite::Connection::open(bench.database()).expect("the database");
    let count = |sql: &str| open.query_row(sql, [], |row| row.get::<_, u32>(0)).expect("a number");
    assert_eq!(count("SELECT count(*) FROM running"), 0);
    assert_eq!(count("SELECT count(*) FROM ready"), JOBS);
    assert_eq!(count("SELECT count(*) FROM runs"), JOBS);
    assert_eq!(count("SELECT count(*) FROM tries WHERE releases = 1 AND attempts = 0 AND crashes = 0"), JOBS);
}
