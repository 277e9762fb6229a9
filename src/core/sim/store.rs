//! The store of the simulation: the one in memory, which now and then gives less than it was asked for.
//!
//! Complains about everything that a healthy master must not ask of a store. Invariant: `running` is what the store has
//! told the master; the totals of the store agree with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::after::AfterFailed;
use crate::model::change::{Change, Finish, Next, Op, Reply, Request, Settled};
use crate::model::queue_limits::SaidLimits;
use crate::model::rollup::{Range, Resolution, RunCounts};
use crate::model::shift::Shift;
use crate::model::{JobId, JobState, Mono, Outcome, QueueName, QueueTotals, RunId, UnixMicros, WorkerId};
use crate::store::memory::MemoryStore;
use crate::store::{Applied, HistoryFilter, KeyFilter, Master, Records as _, RunFilter, Store as _, StoreError};

#[derive(Debug, Default)]
pub(super) struct Store {
    inner: MemoryStore,
    /// Number of the last batch of this generation.
    batch: u64,
    running: BTreeMap<JobId, RunId>,
    totals: Vec<QueueTotals>,
    pushed: i64,
}

fn sound<T>(result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("the store in memory fails: {error}"))
}

impl Store {
    /// A new generation gives back what the last one left running; the first worker id that it may use.
    pub(super) fn begin(&mut self, at: UnixMicros) -> WorkerId {
        let (cookie, boot_id, version) = (String::from("cookie"), String::from("boot"), String::from("1"));
        let start =
            sound(self.inner.join(&Master { host: String::new(), pid: 1, pid_start: 1, boot_id, cookie, version }, at));
        let dead = sound(self.inner.dead(Mono(0)));
        let released: u64 = dead.iter().map(|m| sound(self.inner.recover(m.generation, at)).released).sum();
        assert_eq!(released, self.running.len() as u64, "jobs given back by a new generation");
        self.check_counts();
        self.batch = 0;
        self.running.clear();
        self.totals = sound(self.inner.totals());
        start.first_worker
    }

    /// From now on queues have these limits, which are never lowered.
    pub(super) fn limit(&mut self, limits: BTreeMap<QueueName, SaidLimits>, at: UnixMicros) {
        let op = Request::ConfigureQueues(Arc::new(limits)).into();
        sound(self.inner.apply(0, &[op], at));
    }

    /// Each run on record is counted once, although masters died before they had counted.
    fn check_counts(&mut self) {
        let (resolution, since) = (Resolution::Day, UnixMicros(0));
        let range = Range { resolution, first: resolution.period_of(since), last: 1_000_000, per_point: 1 };
        let history = sound(self.inner.history(&HistoryFilter { queue: None, kind: None, range }));
        let counted: u64 = history.runs.values().map(RunCounts::runs).sum();
        let runs = sound(self.inner.runs(&RunFilter::default())).len();
        assert_eq!(counted, runs as u64, "runs that are counted, and runs on record");
    }

    /// Commits a batch. `short` says whether the next claim finds fewer jobs than there are.
    pub(super) fn apply<'a>(
        &mut self,
        ops: impl Iterator<Item = &'a Op>,
        at: UnixMicros,
        mut short: impl FnMut() -> bool,
    ) -> (Vec<Reply>, Settled) {
        let mut ops: Vec<Op> = ops.cloned().collect();
        for op in &mut ops {
            match op {
                // As if the first job were so large that no other fits beside it.
                Op::Change(Change::Claim(claim)) if short() => claim.max_bytes = 0,
                // One job at a time, so that it takes several steps.
                Op::Change(Change::Shift(shift)) => *shift = Shift { limit: 1, ..*shift },
                Op::Change(Change::Finish(finish)) => check_end(finish),
                Op::Change(_) | Op::Request(_) => {}
            }
        }
        self.batch += 1;
        let Applied { replies, settled, .. } = sound(self.inner.apply(self.batch, &ops, at));
        for (op, reply) in ops.iter().zip(&replies) {
            self.take_note(op, reply);
        }
        self.totals = sound(self.inner.totals());
        if self.batch.is_multiple_of(16) {
            self.check_keys();
        }
        (replies, settled)
    }

    fn take_note(&mut self, op: &Op, reply: &Reply) {
        assert!(!matches!(reply, Reply::Stale), "a write about a run that is over: {op:?}");
        match (op, reply) {
            (_, Reply::Pushed(jobs)) => self.pushed += jobs.len() as i64,
            (_, Reply::Claimed { jobs, .. }) => {
                for job in jobs {
                    let other = self.running.insert(job.id, job.run);
                    assert_eq!(other, None, "job {} is handed out twice", job.id);
                    self.check_parents(job.id);
                }
            }
            (Op::Change(Change::Finish(finish)), _) => drop(self.running.remove(&finish.job.id)),
            (Op::Change(Change::Unclaim { job, .. }), _) => drop(self.running.remove(job)),
            _ => {}
        }
    }

    /// A job is handed out after its parents.
    fn check_parents(&mut self, id: JobId) {
        let Some(job) = sound(self.inner.job(id)) else { return };
        for parent in job.after {
            let state = sound(self.inner.job(parent)).map(|parent| parent.state);
            let is_over = state.is_none_or(JobState::is_final) && job.after_failed == Some(AfterFailed::Continue);
            assert!(
                state == Some(JobState::Succeeded) || is_over,
                "job {id} is handed out before job {parent}: {state:?}"
            );
        }
    }

    /// No key has more running than it may, and all that is ready waits in a lane of a key.
    fn check_keys(&mut self) {
        for of in self.totals.clone() {
            let Some(limits) = of.limits.filter(|record| record.in_force.is_keyed()) else { continue };
            let most = limits.in_force.concurrency_per_key.map_or(u64::MAX, u64::from);
            let keys = sound(self.inner.keys(&KeyFilter { queue: of.name, ..KeyFilter::default() }));
            assert!(keys.iter().all(|key| key.running <= most), "more jobs of a key run than may: {keys:?}");
            assert_eq!(keys.iter().map(|key| key.waiting).sum::<u64>(), of.ready, "{keys:?}");
            assert_eq!(keys.iter().map(|key| key.running).sum::<u64>(), of.running, "{keys:?}");
        }
    }

    pub(super) fn next_due(&mut self) -> Option<UnixMicros> {
        sound(self.inner.next_due())
    }

    pub(super) fn totals(&self) -> Vec<QueueTotals> {
        self.totals.clone()
    }

    pub(super) fn run_of(&self, id: JobId) -> Option<RunId> {
        self.running.get(&id).copied()
    }

    pub(super) fn running(&self) -> usize {
        self.running.len()
    }

    pub(super) fn pushed(&self) -> i64 {
        self.pushed
    }

    pub(super) fn unfinished(&self) -> u64 {
        self.totals.iter().map(|t| t.blocked + t.ready + t.scheduled + t.running).sum()
    }

    pub(super) fn check(&self) {
        let running: u64 = self.totals.iter().map(|t| t.running).sum();
        assert_eq!(running, self.running.len() as u64, "jobs that run, as the totals say and as the replies said");
        for (of, limits) in self.totals.iter().filter_map(|of| Some((of, of.limits.as_ref()?))) {
            let most = limits.in_force.concurrency.map_or(u64::MAX, u64::from);
            assert!(of.running <= most, "more jobs of a queue run than may: {of:?}");
        }
    }
}

/// The counters follow from those the job was claimed with, and its limits are kept.
fn check_end(finish: &Finish) {
    let (job, mut counters) = (&finish.job, finish.job.counters);
    match finish.outcome {
        Outcome::Failed | Outcome::TimedOut => counters.attempts += 1,
        Outcome::Crashed => counters.crashes += 1,
        Outcome::Released => counters = counters.released(),
        Outcome::Succeeded | Outcome::Cancelled => {}
    }
    if finish.outcome != Outcome::Released {
        counters.releases_in_a_row = 0;
    }
    assert_eq!(finish.counters, counters, "the counters of job {} do not add up", job.id);
    assert!(finish.started_at <= finish.ended_at, "job {} ended before it began", job.id);
    if let Next::RetryAt(_) = finish.next {
        assert!(job.max_attempts.is_none_or(|most| counters.attempts < most), "job {} tried too often", job.id);
    }
}
