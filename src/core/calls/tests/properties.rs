//! Random events in random order: what the module promises holds after each of them.
//!
//! A model beside the calls knows what each worker was sent and which callers wait; it knows nothing of how that is decided.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::model::service::{Circuit, StickyKey, Strategy as Choice};

#[derive(Clone, Copy, Debug)]
enum Step {
    Call {
        method: u8,
        args: u8,
        deadline: Option<u8>,
    },
    /// One of the callers that wait.
    Leave(u8),
    /// One of the requests that workers have.
    Answer(u8, bool),
    /// An answer that was given before, or never asked for.
    AnswerAgain(u8),
    Start(u8),
    Ready(u8),
    Drain(u8),
    Gone(u8),
    Pass(u16),
    Change(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..4_u8, 0..3_u8, proptest::option::of(1..40_u8))
            .prop_map(|(method, args, deadline)| Step::Call { method, args, deadline }),
        2 => any::<u8>().prop_map(Step::Leave),
        6 => (any::<u8>(), any::<bool>()).prop_map(|(at, is_good)| Step::Answer(at, is_good)),
        1 => any::<u8>().prop_map(Step::AnswerAgain),
        2 => any::<u8>().prop_map(Step::Start),
        2 => any::<u8>().prop_map(Step::Ready),
        1 => any::<u8>().prop_map(Step::Drain),
        1 => any::<u8>().prop_map(Step::Gone),
        3 => any::<u16>().prop_map(Step::Pass),
        1 => (0..6_u8, 1..4_u8).prop_map(|(strategy, concurrency)| Step::Change(strategy, concurrency)),
    ]
}

#[derive(Debug, Default)]
struct Seen {
    is_ready: bool,
    drains: bool,
    drained: u32,
    was_replaced: bool,
    /// Requests that it has, with their calls.
    requests: BTreeMap<u64, u64>,
}

struct World {
    bench: Bench,
    waiting: BTreeSet<u64>,
    over: BTreeSet<u64>,
    workers: BTreeMap<i64, Seen>,
    /// How often each call was sent.
    sent: BTreeMap<u64, u32>,
    answered: Vec<(i64, u64)>,
    next: u64,
    concurrency: usize,
}

const METHODS: [&str; 4] = ["plain", "kept", "again", "none"];

impl World {
    fn new() -> Self {
        let methods = json!({
            "plain": { "rate_limit": { "limit": 50 } },
            "kept": { "cache": { "ttl_s": 5, "max": 2 }, "params": { "type": "integer" } },
            "again": { "idempotent": true, "timeout_s": 1 },
        });
        Self {
            bench: Bench::new(settings(0, 1), &methods),
            waiting: BTreeSet::new(),
            over: BTreeSet::new(),
            workers: BTreeMap::new(),
            sent: BTreeMap::new(),
            answered: Vec::new(),
            next: 0,
            concurrency: 1,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Call { method, args, deadline } => self.call(METHODS[usize::from(method)], args, deadline),
            Step::Leave(at) => {
                if let Some(id) = pick(&self.waiting.iter().copied().collect::<Vec<_>>(), at) {
                    self.waiting.remove(&id);
                    self.bench.event(CallEvent::Left(CallId(id)));
                }
            }
            Step::Answer(at, is_good) => self.answer(at, is_good),
            Step::AnswerAgain(at) => {
                let (worker, request) = pick(&self.answered, at).unwrap_or((1, 999_999));
                self.bench.answer(worker, request, &json!("again"));
            }
            Step::Start(slot) => {
                self.next += 1;
                let worker = self.next as i64;
                self.workers.insert(worker, Seen::default());
                let slot = Slot(u32::from(slot % 3) + 1);
                self.bench.event(CallEvent::Started { worker: WorkerId(worker), pool: pool(), slot });
            }
            Step::Ready(at) => {
                if let Some(worker) = self.worker(at) {
                    self.workers.entry(worker).or_default().is_ready = true;
                    self.bench.ready(worker);
                }
            }
            Step::Drain(at) => {
                if let Some(worker) = self.worker(at) {
                    self.workers.entry(worker).or_default().drains = true;
                    self.bench.drain(worker);
                }
            }
            Step::Gone(at) => {
                if let Some(worker) = self.worker(at) {
                    self.workers.remove(&worker);
                    self.bench.gone(worker);
                }
            }
            Step::Pass(millis) => self.bench.pass(Duration::from_millis(u64::from(millis) / 16)),
            Step::Change(strategy, concurrency) => {
                self.concurrency = usize::from(concurrency);
                let settings = settings(strategy, u32::from(concurrency));
                self.bench.event(CallEvent::Settings(pool(), Box::new(settings)));
            }
        }
        self.follow();
    }

    fn call(&mut self, method: &str, args: u8, deadline: Option<u8>) {
        self.next += 1;
        let id = self.next;
        self.waiting.insert(id);
        let now = self.bench.now;
        self.bench.call_as(id, method, &json!(args), |call| {
            call.key = Some(args.to_string().into());
            call.deadline = deadline.map(|tenths| now + Duration::from_millis(u64::from(tenths) * 100));
        });
    }

    fn answer(&mut self, at: u8, is_good: bool) {
        let all = self.workers.iter().flat_map(|(&id, worker)| worker.requests.keys().map(move |&number| (id, number)));
        let Some((worker, request)) = pick(&all.collect::<Vec<_>>(), at) else { return };
        self.workers.entry(worker).or_default().requests.remove(&request);
        self.answered.push((worker, request));
        if is_good {
            self.bench.answer(worker, request, &json!("good"));
        } else {
            self.bench.fail(worker, request);
        }
    }

    fn worker(&self, at: u8) -> Option<i64> {
        pick(&self.workers.keys().copied().collect::<Vec<_>>(), at)
    }

    /// Carries out what is to be done, and compares it with what is promised.
    fn follow(&mut self) {
        for action in std::mem::take(&mut self.bench.out) {
            match action {
                CallAction::Send { worker, request, call, deadline } => {
                    assert!(deadline > self.bench.now && call.deadline.is_none_or(|own| deadline <= own));
                    assert!(METHODS[..3].contains(&call.method.as_deref().unwrap_or_default()), "no such method");
                    let sent = self.sent.entry(call.id.0).or_default();
                    *sent += 1;
                    assert!(*sent == 1 || *sent == 2 && call.method.as_deref() == Some("again"), "sent {sent} times");
                    let seen = self.workers.get_mut(&worker.0).expect("the worker is there");
                    assert!(seen.is_ready && !seen.drains && !seen.was_replaced, "{worker}: {seen:?}");
                    seen.requests.insert(request, call.id.0);
                    assert!(seen.requests.len() <= self.concurrency, "{worker}: {seen:?}");
                }
                CallAction::Cancel { worker, request } => {
                    assert!(self.workers[&worker.0].requests.contains_key(&request));
                }
                CallAction::Reply { call, answer } => {
                    assert!(self.waiting.remove(&call.0), "{call:?} is told {answer:?}, and waits no longer");
                    assert!(self.over.insert(call.0));
                }
                CallAction::Log(_) => unreachable!("BUG: the bench has taken them out"),
                CallAction::NoWorker(_) => {
                    assert!(self.workers.values().all(|seen| seen.drains) && !self.waiting.is_empty());
                }
                CallAction::Drained(worker) => {
                    let seen = self.workers.get_mut(&worker.0).expect("the worker is there");
                    seen.drained += 1;
                    assert!(seen.drains && seen.drained == 1);
                }
                CallAction::Replace { worker, .. } => {
                    let seen = self.workers.get_mut(&worker.0).expect("the worker is there");
                    assert!(!seen.requests.is_empty());
                    seen.was_replaced = true;
                }
                CallAction::Warn { texts, .. } => panic!("{texts:?}"),
            }
        }
        self.check();
    }

    fn check(&self) {
        let service = &self.bench.calls.services[&pool()];
        assert!(service.calls.keys().map(|id| id.0).eq(self.waiting.iter().copied()), "each that waits is held");
        assert!(service.queue.len() <= service.settings.max_queue as usize + self.workers.len() * self.concurrency + 9);
        for (lane, call) in service.queue.lanes().into_iter().map(|lane| (lane, service.queue.first(lane))) {
            assert!(!service.workers.has_room(lane), "{call:?} waits, and there is room");
        }
        for (&id, seen) in &self.workers {
            let worker = service.workers.get(WorkerId(id)).expect("the worker is there");
            assert!(worker.requests.keys().eq(seen.requests.keys()), "{id}");
            assert!(!seen.drains || !seen.requests.is_empty() || seen.drained == 1, "{id} has no call: {seen:?}");
        }
        let next = self.bench.calls.next_deadline();
        assert!(next.is_none_or(|at| at > self.bench.now), "{next:?} is past");
    }

    /// All that waits comes to an end, whatever has happened.
    fn end(mut self) {
        self.bench.pass(Duration::from_mins(5));
        self.follow();
        assert!(self.waiting.is_empty(), "{:?}", self.waiting);
        let service = &self.bench.calls.services[&pool()];
        assert_eq!((service.queue.len(), service.following, service.timers.len()), (0, 0, 0));
        assert!(service.rules.values().filter_map(|rules| rules.cache.as_ref()).all(|cache| cache.leaders.is_empty()));
    }
}

fn settings(strategy: u8, concurrency: u32) -> ServiceSettings {
    let strategies =
        [Choice::LeastLoaded, Choice::RoundRobin, Choice::Random, Choice::TwoChoices, Choice::Fastest, Choice::Sticky];
    ServiceSettings {
        strategy: strategies[usize::from(strategy)],
        sticky: StickyKey::Peer,
        max_queue: 8,
        max_queue_time: 2 * SECOND,
        timeout: 3 * SECOND,
        concurrency,
        circuit: Some(Circuit { failures: 3, open: SECOND, probes: 2 }),
        slots: if concurrency == 2 { [Slot(1), Slot(2)].into() } else { BTreeSet::new() },
        ..ServiceSettings::default()
    }
}

fn pick<T: Copy>(from: &[T], at: u8) -> Option<T> {
    from.get(usize::from(at).checked_rem(from.len())?).copied()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_happens_each_call_ends_once_and_no_worker_has_more_than_it_takes(
        steps in proptest::collection::vec(step(), 1..200)
    ) {
        let mut world = World::new();
        for step in steps {
            world.take(step);
        }
        world.end();
    }
}
