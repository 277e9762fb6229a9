//! A turn of the core: jobs that were claimed go out, are answered, and their ends are written.
//!
//! The store is played by the benchmark: it answers each claim at once. What is timed is one drain of a thousand jobs by
//! some workers, with a prefetch of 16; per-job figures are in the throughput.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use queue_work::testing::config::default_limits;
use queue_work::testing::core::{Action, Core, Event, PoolId, Tag};
use queue_work::testing::model::change::Change;
use queue_work::testing::model::{
    Answer, Claimed, Counters, Detail, Holds, Hooks, JobId, Mono, Now, PoolKind, PoolLimits, PoolName, PoolSettings,
    Prefetch, QueueName, QueueOrder, ReadyWhen, RunId, Takes, UnixMicros, WorkerId,
};

const JOBS: i64 = 1_000;
const NOW: Now = Now { mono: Mono(1_000_000), wall: UnixMicros(1_000_000_000_000) };

/// A core with one pool, and how many jobs there are for it.
struct Bench {
    core: Core,
    pool: PoolId,
    queue: QueueName,
    out: Vec<Action>,
    left: i64,
    answered: i64,
}

impl Bench {
    fn new(workers: u32) -> Self {
        let queue = QueueName::new("default").expect("a name");
        let mut core = Core::new(WorkerId(1), 7);
        let pool = core.add_pool(settings(&queue, workers)).expect("a pool");
        let mut out = Vec::new();
        core.settle(NOW, &mut out);
        for action in std::mem::take(&mut out) {
            if let Action::Spawn { worker, .. } = action {
                core.handle(Event::Spawned { worker, pid: 1000 + worker.0 as u32 }, NOW, &mut out);
                core.handle(Event::Ready { worker, concurrency: 1, types: None }, NOW, &mut out);
            }
        }
        core.settle(NOW, &mut out);
        out.clear();
        Self { core, pool, queue, out, left: JOBS, answered: 0 }
    }

    /// Until every job has ended: a claim, its answer, sends, answers, a claim …
    fn drain(mut self) -> Core {
        self.core.handle(Event::News { queues: Vec::new() }, NOW, &mut self.out);
        while self.answered < JOBS {
            self.core.claim(&mut self.out);
            let mut idle = true;
            for action in std::mem::take(&mut self.out) {
                idle &= !self.carry_out(action);
            }
            assert!(!idle, "the core asks for nothing");
            self.core.settle(NOW, &mut self.out);
        }
        self.core
    }

    /// False: nothing came of it.
    fn carry_out(&mut self, action: Action) -> bool {
        match action {
            Action::Write(Change::Claim(claim), Tag::Claim { share, asked, news, .. }) => {
                let count = i64::from(claim.total).min(self.left);
                let jobs = (0..count).map(|i| job(JOBS - self.left + i + 1, &self.queue)).collect();
                self.left -= count;
                let event = Event::Claimed { pool: self.pool, share, asked, news, jobs, more: false };
                self.core.handle(event, NOW, &mut self.out);
                true
            }
            Action::Send { worker, request, .. } => {
                let answer = Answer { verdict: Ok(None), detail: Detail::default() };
                self.core.handle(Event::Answered { worker, request, answer }, NOW, &mut self.out);
                self.answered += 1;
                true
            }
            other => {
                black_box(&other);
                false
            }
        }
    }
}

fn settings(queue: &QueueName, workers: u32) -> PoolSettings {
    let prefetch = Prefetch::Fixed(16);
    PoolSettings {
        takes: Takes::Others,
        name: PoolName::new("default").expect("a name"),
        queues: QueueOrder::Strict(vec![queue.clone()]),
        kind: PoolKind::Protocol,
        ready: ReadyWhen::Spawned,
        limits: PoolLimits { workers, memory: None, max_time: None, prefetch, ..default_limits() },
        autoscale: None,
        hooks: Hooks::default(),
    }
}

fn job(id: i64, queue: &QueueName) -> Claimed {
    Claimed {
        id: JobId(id),
        run: RunId(id),
        queue: queue.clone(),
        kind: "noop".into(),
        args: "null".into(),
        counters: Counters::default(),
        pushed_at: UnixMicros(0),
        due_at: UnixMicros(0),
        timeout: None,
        max_attempts: None,
        holds: Holds::default(),
        is_new: true,
        pushed_in: None,
        trace: None,
    }
}

fn turns(c: &mut Criterion) {
    let mut group = c.benchmark_group("core: 1,000 jobs claimed, sent, answered");
    group.throughput(Throughput::Elements(JOBS as u64));
    for workers in [4, 1_000] {
        group.bench_function(format!("{workers} workers"), |b| {
            b.iter_batched(|| Bench::new(workers), Bench::drain, BatchSize::LargeInput);
        });
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    targets = turns
}
criterion_main!(benches);
