//! A turn of the core: jobs that were claimed go out, are answered, and their ends are written.
//!
//! The store is played by the benchmark: it answers each claim at once. What is timed is one drain of a thousand jobs by
//! some workers, with a prefetch of 16; per-job figures are in the throughput.
//!
//! A call of a service: an answer, whose worker takes the next of a thousand calls that wait, and one more call that waits.

use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use queue_work::testing::config::default_limits;
use queue_work::testing::core::calls::{Call, CallAction, CallEvent, CallId, Calls};
use queue_work::testing::core::{Action, Core, Event, PoolId, Tag};
use queue_work::testing::model::change::{Change, HeldBack};
use queue_work::testing::model::service::{Body, Declared, ServiceSettings, Strategy};
use queue_work::testing::model::{
    Answer, Claimed, Counters, Detail, Holds, Hooks, JobId, Mono, Now, PoolKind, PoolLimits, PoolName, PoolSettings,
    Prefetch, QueueName, QueueOrder, ReadyWhen, RunId, Slot, Supervision, Takes, UnixMicros, WorkerId,
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
                let event = Event::Claimed {
                    pool: self.pool,
                    share,
                    asked,
                    news,
                    jobs,
                    more: false,
                    held: HeldBack::default(),
                };
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
        supervision: Supervision::default(),
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
        state: None,
        parents: None,
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

/// A service of which all workers are busy and as many calls wait.
struct Service {
    calls: Calls,
    sent: VecDeque<(WorkerId, u64)>,
    out: Vec<CallAction>,
    id: u64,
}

impl Service {
    fn new(workers: u32, strategy: Strategy) -> Self {
        let mut service = Self { calls: Calls::new(7, 1), sent: VecDeque::new(), out: Vec::new(), id: 0 };
        let slots = (1..=workers).map(Slot).collect();
        let settings = ServiceSettings { strategy, slots, max_queue: 1_000_000, ..ServiceSettings::default() };
        service.event(CallEvent::Settings(pool(), Box::new(settings)));
        let methods = serde_json::json!({ "add": { "params": {
            "type": "array", "items": { "type": "number" }, "minItems": 2, "maxItems": 2,
        } } });
        let declared: Declared =
            serde_json::from_value(serde_json::json!({ "methods": methods })).expect("a declaration");
        for number in 1..=workers {
            let worker = WorkerId(i64::from(number));
            service.event(CallEvent::Started { worker, pool: pool(), slot: Slot(number) });
            service.event(CallEvent::Ready { worker, declared: Box::new(declared.clone()) });
        }
        (0..workers * 2).for_each(|_| service.call());
        service
    }

    fn event(&mut self, event: CallEvent) {
        self.calls.handle(event, NOW.mono, &mut self.out);
        for action in self.out.drain(..) {
            if let CallAction::Send { worker, request, .. } = action {
                self.sent.push_back((worker, request));
            }
        }
    }

    fn call(&mut self) {
        self.id += 1;
        let args = serde_json::value::RawValue::from_string("[5, 3]".into()).expect("JSON");
        let call = Call {
            id: CallId(self.id),
            pool: pool(),
            method: Some("add".into()),
            body: Some(Body::Json(args.into())),
            peer: "127.0.0.1".into(),
            is_outside: true,
            deadline: None,
            key: Some(self.id.to_string().into()),
            traceparent: None,
        };
        self.event(CallEvent::Called(Box::new(call)));
    }

    fn answer(&mut self) {
        let Some((worker, request)) = self.sent.pop_front() else { return };
        let answer = serde_json::value::RawValue::from_string("8".into()).expect("JSON");
        self.event(CallEvent::Answered { worker, request, answer: Ok(Body::Json(answer.into())) });
    }
}

fn pool() -> PoolName {
    PoolName::new("calc").expect("a name")
}

fn calls(c: &mut Criterion) {
    let mut group = c.benchmark_group("calls: one answered, sent and queued");
    for (name, strategy) in
        [("least-loaded", Strategy::LeastLoaded), ("two-choices", Strategy::TwoChoices), ("sticky", Strategy::Sticky)]
    {
        for workers in [4, 1_000] {
            group.bench_function(format!("{name}, {workers} workers and as many calls that wait"), |b| {
                let mut service = Service::new(workers, strategy);
                b.iter(|| {
                    service.call();
                    service.answer();
                });
            });
        }
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    targets = turns, calls
}
criterion_main!(benches);
