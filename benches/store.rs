//! Transactions of the SQLite store: some jobs pushed, claimed, or ended at once, each in one transaction.
//!
//! As in the writer of the master: commits are not synced one by one. Claims and ends need jobs that wait; they are made
//! outside of what is timed. The database is in the folder for temporary files.

use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use queue_work::testing::model::change::{Change, Claim, Finish, Next, Op, Reply, Request};
use queue_work::testing::model::{
    Claimed, Counters, Detail, NewJob, Outcome, QueueName, StoreUrl, Takes, UnixMicros, WorkerId,
};
use queue_work::testing::store::{self, Master, Store};
use tempfile::TempDir;

const SIZES: [u32; 4] = [1, 16, 256, 1024];
const AT: UnixMicros = UnixMicros(1_790_000_000_000_000);

/// An empty store whose generation has begun.
struct Bench {
    store: Box<dyn Store>,
    batch: u64,
    worker: WorkerId,
    queue: QueueName,
    _folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = store::open(&StoreUrl::File(folder.path().join("q.db"))).unasked().expect("a store");
        let word = String::from("bench");
        let us = Master {
            host: String::new(),
            pid: 1,
            pid_start: 1,
            boot_id: word.clone(),
            cookie: word.clone(),
            version: word,
        };
        let worker = store.join(&us, AT).expect("a generation").first_worker;
        Self { store, batch: 0, worker, queue: QueueName::new("default").expect("a name"), _folder: folder }
    }

    fn apply(&mut self, ops: &[Op]) -> Vec<Reply> {
        self.batch += 1;
        let replies = self.store.apply(self.batch, ops, AT).expect("a transaction").replies;
        self.store.tend(false).expect("a checkpoint");
        replies
    }

    fn jobs(&self, count: u32) -> Op {
        let job = NewJob { queue: self.queue.clone(), ..NewJob::new("noop", "null") };
        Request::Push(vec![job; count as usize].into()).into()
    }

    fn claim(&self, count: u32) -> Op {
        let takes = vec![(self.queue.clone(), count)];
        Change::Claim(Claim {
            takes,
            lanes: Takes::Others,
            workers: Vec::new(),
            total: count,
            at_once: u32::MAX,
            max_bytes: usize::MAX,
        })
        .into()
    }

    fn ends(&self, jobs: Vec<Claimed>) -> Vec<Op> {
        let end = |job| Finish {
            job: Arc::new(job),
            worker: self.worker,
            outcome: Outcome::Succeeded,
            cause: None,
            detail: Detail::default(),
            started_at: AT,
            ended_at: AT,
            next: Next::Succeeded,
            counters: Counters::default(),
            max_attempts: 3,
        };
        jobs.into_iter().map(|job| Change::Finish(Box::new(end(job))).into()).collect()
    }

    /// The life of some jobs in three transactions, and how long the one that is asked for took.
    fn life(&mut self, count: u32, timed: Step) -> Duration {
        let (push, claim) = (self.jobs(count), self.claim(count));
        let start = now();
        self.apply(&[push]);
        let pushed = now();
        let replies = self.apply(&[claim]);
        let claimed = now();
        let Some(Reply::Claimed { jobs, .. }) = replies.into_iter().next() else { panic!("nothing was claimed") };
        let ends = self.ends(jobs);
        let begun = now();
        self.apply(&ends);
        match timed {
            Step::Push => pushed - start,
            Step::Claim => claimed - pushed,
            Step::Finish => now() - begun,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Push,
    Claim,
    Finish,
}

#[expect(clippy::disallowed_methods, reason = "a part of what is done is timed")]
fn now() -> Instant {
    Instant::now()
}

fn transactions(c: &mut Criterion) {
    for step in [Step::Push, Step::Claim, Step::Finish] {
        let mut group = c.benchmark_group(format!("store: {step:?} in one transaction").to_lowercase());
        for count in SIZES {
            let mut bench = Bench::new();
            group.throughput(Throughput::Elements(u64::from(count)));
            group.bench_function(format!("{count} jobs"), |b| {
                b.iter_custom(|iterations| (0..iterations).map(|_| bench.life(count, step)).sum());
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1));
    targets = transactions
}
criterion_main!(benches);
