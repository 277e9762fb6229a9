//! One suite for every store: each case is a test of its own over SQLite and over memory.
//!
//! Knows the interface only. Invariant checked after every batch: the totals are what counting the jobs gives, and
//! the writing and the reading side agree on them.

mod after;
mod audit;
mod autoscale_log;
mod batches;
mod bulk;
mod call_log;
mod checks;
mod claim;
mod failures;
mod fairness;
mod finish;
mod kits;
mod lanes;
mod leases;
mod life;
mod limits;
mod operations;
mod operator;
mod processor_runs;
mod processors;
mod prune;
mod push;
mod random;
mod random_found;
mod random_lists;
mod random_processors;
mod rollups;
mod runs;
mod suites;
mod table_rows;
mod traces;
mod two_masters;
mod waits;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::memory::MemoryStore;
use super::postgres::{self, PostgresRecords, PostgresStore};
use super::{Applied, Master, Member, Membership, Records, Store, Tenure};
use crate::model::after::{After, Parent};
use crate::model::change::{Change, Claim, Finish, Keep, Next, Op, Reply, Request, Settled};
use crate::model::shift::{Shift, Waits};
use crate::model::{
    Cause, Claimed, Counters, Detail, EXEC, JobId, JobRecord, JobState, Mono, NewJob, Outcome, ProcessorName, Pushed,
    QueueName, QueueTotals, RunId, RunRecord, States, Takes, UnixMicros, WAITING, WorkerId,
};
use crate::store::{JobFilter, RunFilter};

const SECOND: i64 = 1_000_000;
/// Of members where there are several.
const LEASE: Duration = Duration::from_secs(30);

/// A store under test, with a clock of its own.
struct Kit {
    store: Box<dyn Store>,
    records: Box<dyn Records>,
    connect: Box<dyn Fn() -> Box<dyn Store>>,
    batch: u64,
    now: i64,
    mono: Mono,
    /// Of the last batch.
    settled: Settled,
    tenure: Tenure,
    /// Removed with the kit.
    _dir: Option<tempfile::TempDir>,
}

fn master(pid: u32) -> Master {
    Master {
        host: String::new(),
        pid,
        pid_start: 7,
        boot_id: "boot".into(),
        cookie: format!("cookie-{pid}"),
        version: "0.1.0".into(),
    }
}

fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

fn job() -> NewJob {
    NewJob::new("resize", "{}")
}

fn served(names: &[&str]) -> Arc<BTreeSet<QueueName>> {
    Arc::new(names.iter().map(|name| queue(name)).collect())
}

fn unique(key: &str) -> NewJob {
    NewJob { unique: Some(key.into()), ..job() }
}

fn counters(attempts: u32, crashes: u32, releases: u32) -> Counters {
    Counters { attempts, crashes, releases, ..Counters::default() }
}

impl Kit {
    fn new(
        store: Box<dyn Store>,
        records: Box<dyn Records>,
        connect: Box<dyn Fn() -> Box<dyn Store>>,
        dir: Option<tempfile::TempDir>,
    ) -> Self {
        Self {
            store,
            records,
            connect,
            batch: 0,
            now: 1_700_000_000 * SECOND,
            mono: Mono(1),
            settled: Settled::default(),
            tenure: Tenure::Exclusive,
            _dir: dir,
        }
    }

    fn joined(mut self) -> Self {
        self.tenure = self.join(1).tenure;
        self
    }

    fn at(&self) -> UnixMicros {
        UnixMicros(self.now)
    }

    fn later(&self, seconds: i64) -> UnixMicros {
        UnixMicros(self.now + seconds * SECOND)
    }

    fn pass(&mut self, seconds: i64) {
        self.now += seconds * SECOND;
    }

    fn join(&mut self, pid: u32) -> Membership {
        self.batch = 0;
        let at = self.at();
        self.store.join(&master(pid), at).unwrap()
    }

    /// The members that are dead, after a time in which this one alone has said that it lives.
    fn gone(&mut self) -> Vec<Member> {
        let step = LEASE / 3;
        for _ in 0..=4 {
            self.mono = Mono(self.mono.0 + step.as_micros() as u64);
            self.store.renew(self.mono).unwrap();
            self.store.dead(self.mono).unwrap();
        }
        self.store.dead(self.mono).unwrap()
    }

    fn dead(&mut self) -> Vec<Master> {
        self.gone().into_iter().map(|member| member.master).collect()
    }

    /// Takes over from all that are dead; how many jobs were released.
    fn recover(&mut self) -> u64 {
        let (at, dead) = (self.at(), self.gone());
        dead.into_iter().map(|member| self.store.recover(member.generation, at).unwrap().released).sum()
    }

    fn apply(&mut self, ops: &[Op]) -> Vec<Reply> {
        self.batch += 1;
        let at = self.at();
        let before: BTreeMap<_, _> = self.store.totals().unwrap().into_iter().map(|t| (t.name.clone(), t)).collect();
        let open = self.open_runs();
        let Applied { replies, forgotten, changed, ended_runs, settled } =
            self.store.apply(self.batch, ops, at).unwrap();
        assert_eq!(replies.len(), ops.len());
        self.settled = settled;
        self.check_runs(&open, &ended_runs);
        self.check_changes(before, &forgotten, changed);
        self.check_totals();
        self.check_keys();
        self.check_failures();
        replies
    }

    fn one(&mut self, op: impl Into<Op>) -> Reply {
        self.apply(&[op.into()]).pop().unwrap()
    }

    fn push(&mut self, jobs: impl Into<Arc<[NewJob]>>) -> Vec<Pushed> {
        match self.one(Request::Push(jobs.into())) {
            Reply::Pushed(pushed) => pushed,
            other => panic!("{other:?}"),
        }
    }

    fn push_one(&mut self, job: NewJob) -> JobId {
        self.push([job])[0].id
    }

    fn claim_as(&mut self, claim: Claim) -> (Vec<Claimed>, bool) {
        match self.one(Change::Claim(claim)) {
            Reply::Claimed { jobs, more, .. } => (jobs, more),
            other => panic!("{other:?}"),
        }
    }

    fn claim(&mut self, total: u32) -> Vec<Claimed> {
        let takes = vec![(QueueName::default(), total)];
        self.claim_as(Claim {
            takes,
            lanes: Takes::Others,
            workers: vec![],
            total,
            at_once: u32::MAX,
            max_bytes: usize::MAX,
        })
        .0
    }

    fn claim_one(&mut self) -> Arc<Claimed> {
        let mut jobs = self.claim(1);
        assert_eq!(jobs.len(), 1);
        Arc::new(jobs.remove(0))
    }

    fn finish_op(&self, job: &Arc<Claimed>, outcome: Outcome, next: Next, counters: Counters) -> Change {
        let error = (outcome != Outcome::Succeeded).then(|| format!("run {} ended", job.run));
        Change::Finish(Box::new(Finish {
            job: job.clone(),
            worker: WorkerId(1),
            outcome,
            cause: (outcome != Outcome::Succeeded).then_some(Cause::Error),
            detail: Detail { error, result: Some("[1]".into()), ..Detail::default() },
            started_at: self.at(),
            ended_at: self.later(2),
            next,
            counters,
            max_attempts: 3,
        }))
    }

    fn finish(&mut self, job: &Arc<Claimed>, outcome: Outcome, next: Next, counters: Counters) -> Reply {
        let op = self.finish_op(job, outcome, next, counters);
        self.one(op)
    }

    fn succeed(&mut self, job: &Arc<Claimed>) -> Reply {
        self.finish(job, Outcome::Succeeded, Next::Succeeded, job.counters)
    }

    /// One job, pushed and brought to a state.
    fn job_in(&mut self, state: JobState, new: NewJob) -> JobId {
        let due_at = if state == JobState::Scheduled { Some(self.later(60)) } else { new.due_at };
        let after = (state == JobState::Blocked).then(|| {
            let parent = Parent::Job(self.push_one(NewJob { queue: queue("parents"), ..job() }));
            Box::new(After { parents: [parent].into(), ..After::default() })
        });
        let id = self.push_one(NewJob { due_at, after, ..new });
        if WAITING.has(state) {
            return id;
        }
        let job = self.claim_one();
        assert_eq!(job.id, id);
        match state {
            JobState::Succeeded => drop(self.succeed(&job)),
            JobState::Dead => {
                self.finish(&job, Outcome::Failed, Next::Dead(Cause::MaxAttempts), counters(1, 0, 0));
            }
            JobState::Cancelled => {
                self.finish(&job, Outcome::Cancelled, Next::Cancelled(Cause::Cancelled), counters(0, 0, 0));
            }
            JobState::Running | JobState::Blocked | JobState::Scheduled | JobState::Ready => {}
        }
        assert_eq!(self.state(id), Some(state));
        id
    }

    fn job(&mut self, id: JobId) -> JobRecord {
        self.records.job(id).unwrap().unwrap()
    }

    fn state(&mut self, id: JobId) -> Option<JobState> {
        self.records.job(id).unwrap().map(|job| job.state)
    }

    fn runs(&mut self, filter: &RunFilter) -> Vec<RunRecord> {
        self.records.runs(filter).unwrap()
    }

    fn totals(&mut self) -> QueueTotals {
        let mut all = self.store.totals().unwrap();
        let at = all.iter().position(|t| t.name == QueueName::default()).unwrap();
        all.remove(at)
    }
}
