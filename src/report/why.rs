//! Why a job does not run, or runs, or will never run again: the true reason first, then whatever else would hold it.
//!
//! Pure: decided from the record of the job, its runs and the status document; worded in `text`. Invariants: there is always a
//! reason; the first one is sufficient, and an operator who takes its next step sees another first reason or none.

mod pool;
mod reason;
mod text;

pub use pool::WhyPool;
pub use reason::Reason;

use serde::Serialize;

use super::processors::ProcessorStatus;
use super::queue_keys::{self, Closed, KeyStatus};
use super::queue_limits;
use super::status::{PoolStatus, Status, UnservedStatus, WorkerStatus};
use crate::model::problem::Topic;
use crate::model::unserved::Unserved;
use crate::model::{
    Cause, EXEC, JobId, JobRecord, JobState, Lane, Outcome, QueueName, RunRecord, Takes, UnixMicros, WorkerState,
};

/// The state of a job that is not on record.
const GONE: &str = "gone";

/// A job with its reasons; serialises to the JSON of `why`.
#[derive(Clone, Debug, Serialize)]
pub struct Why {
    pub job: JobId,
    pub state: &'static str,
    pub reasons: Vec<Reason>,
}

/// A processor with its reasons, likewise.
#[derive(Clone, Debug, Serialize)]
pub struct WhyProcessor<'a> {
    pub processor: &'a str,
    pub state: &'static str,
    pub reasons: Vec<Reason>,
}

/// Facts about a job.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub job: &'a JobRecord,
    /// Newest first.
    pub runs: &'a [RunRecord],
    /// Of the master, else of the store.
    pub status: &'a Status,
    pub around: &'a Around,
    /// [`Reason::NoMaster`] or [`Reason::Unreachable`], where the status is not the master's.
    pub absent: Option<&'a Reason>,
    pub now: UnixMicros,
}

/// Other records that say why a job waits.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// Of one that is blocked: jobs that it waits for, with their states; without one, it was deleted.
    pub blockers: Vec<(JobId, Option<JobState>)>,
    /// Of one in a queue with limits: its key.
    pub key: Option<KeyStatus>,
    /// Likewise: the jobs that run in its place, of its key where that is at its limit, else of its queue.
    pub holders: Vec<JobId>,
}

impl Why {
    /// Of a job on record.
    #[must_use]
    pub fn of(facts: Facts<'_>) -> Self {
        let reasons = match facts.job.state {
            JobState::Blocked => blocked(facts),
            JobState::Ready => ready(facts),
            // One that is due is scheduled until the store has taken that up.
            JobState::Scheduled if facts.job.due_at <= facts.now => ready(facts),
            JobState::Scheduled => scheduled(facts),
            JobState::Running => std::iter::once(running(facts)).chain(lost_worker(facts)).collect(),
            JobState::Succeeded | JobState::Dead | JobState::Cancelled => vec![ended(facts)],
        };
        Self { job: facts.job.id, state: facts.job.state.as_str(), reasons }
    }

    /// Of one that is not there; `newest`: the highest id on record.
    #[must_use]
    pub fn gone(job: JobId, newest: Option<JobId>) -> Self {
        let is_new = newest.is_none_or(|newest| job > newest);
        Self { job, state: GONE, reasons: vec![Reason::Gone { job, is_new }] }
    }
}

impl<'a> WhyProcessor<'a> {
    /// Whether, when and why not it runs next.
    #[must_use]
    pub fn of(processor: &'a ProcessorStatus, absent: Option<&Reason>, now: UnixMicros) -> Self {
        let mut reasons = Vec::new();
        if processor.configured_enabled.is_none() {
            reasons.push(Reason::Unconfigured);
        } else if !processor.enabled {
            let switched = super::processor_lists::switched(processor, now);
            reasons.push(Reason::Disabled { processor: processor.name.to_string(), switched });
        }
        reasons.extend(absent.cloned());
        reasons.extend(processor.open_run().map(|run| Reason::RunOpen { job: run.job_id }));
        if reasons.is_empty() {
            let in_s = processor.next_at.map(|at| at.since(now).as_secs_f64());
            reasons.push(Reason::NextTick { in_s });
        }
        let state = if processor.enabled { "enabled" } else { "disabled" };
        Self { processor: processor.name.as_str(), state, reasons }
    }
}

/// The job may run, and does not: what holds it, else who will take it.
fn ready(facts: Facts<'_>) -> Vec<Reason> {
    let mut reasons = held(facts);
    if reasons.is_empty() {
        reasons.extend(workers(facts));
    }
    reasons.extend(lost_worker(facts));
    let times = facts.job.counters.releases_in_a_row;
    if facts.job.counters.goes_behind() {
        reasons.push(Reason::GivenBack { times });
    }
    reasons.extend(own(facts));
    reasons
}

/// The job waits for others, and may be held by more when these are done.
fn blocked(facts: Facts<'_>) -> Vec<Reason> {
    let mut reasons = vec![match facts.job.after_batch {
        Some(batch) => Reason::AwaitsBatch { batch },
        None => Reason::Blocked { by: facts.around.blockers.clone() },
    }];
    reasons.extend(held(facts));
    reasons.extend(own(facts));
    reasons
}

/// The job waits for a time, after which others may hold it.
fn scheduled(facts: Facts<'_>) -> Vec<Reason> {
    let Facts { job, runs, now, .. } = facts;
    let due_in_s = job.due_at.since(now).as_secs_f64();
    let last = runs.first().filter(|run| run.outcome != Outcome::Released);
    let retry = last.filter(|_| job.counters.attempts + job.counters.crashes > 0).map(|run| Reason::Retry {
        attempt: run.attempt,
        of: job.max_attempts,
        outcome: run.outcome,
        cause: run.cause,
        error: run.detail.error.clone(),
        due_in_s,
    });
    let mut reasons = vec![retry.unwrap_or(Reason::Scheduled { due_in_s })];
    reasons.extend(held(facts));
    reasons.extend(own(facts));
    reasons
}

/// Things about the job itself that matter while it waits.
fn own(Facts { job, now, .. }: Facts<'_>) -> impl Iterator<Item = Reason> {
    let expires = job.expires_at.map(|at| Reason::Expires { in_s: at.since(now).as_secs_f64() });
    let unique = job.unique.clone().map(|key| Reason::Unique { key });
    expires.into_iter().chain(unique)
}

/// Everything that keeps ready jobs of this kind from running, the first first.
fn held(facts: Facts<'_>) -> Vec<Reason> {
    let Facts { job, status, absent, .. } = facts;
    let mut reasons: Vec<Reason> = absent.into_iter().cloned().collect();
    if let (Some(master), None) = (&status.master, absent) {
        let problems = || master.problem_topics.iter().zip(&master.problems);
        if master.state != "running" {
            reasons.push(Reason::Ending { pid: master.pid, state: master.state.clone() });
        }
        for (topic, problem) in problems() {
            match topic {
                Topic::Store | Topic::Sync => reasons.push(Reason::Store { problem: problem.clone() }),
                Topic::Commands if job.kind == EXEC => reasons.push(Reason::Machine { problem: problem.clone() }),
                _ => {}
            }
        }
    }
    reasons.extend(by_key(facts));
    reasons.extend(by_limits(facts));
    reasons.extend(by_queue(status, &job.queue, &job.kind));
    reasons.extend(by_pools(status, &job.queue, &job.kind));
    reasons
}

/// A limit of its queue.
fn by_limits(facts: Facts<'_>) -> Option<Reason> {
    let Facts { job, status, now, .. } = facts;
    let queue = status.queues.iter().find(|queue| queue.name == job.queue && !queue.paused)?;
    let limits = queue.limits.as_ref()?;
    let next = limits.next_start_at.filter(|at| *at > now && !limits.is_full);
    (limits.is_full || next.is_some()).then(|| Reason::Limited {
        queue: queue.name.clone(),
        key: None,
        limits: queue_limits::worded(&limits.in_force),
        running: queue.running,
        next_in_s: next.map(|at| at.since(now).as_secs_f64()),
        holders: holders(facts),
    })
}

/// A limit of its key, or that this is paused.
fn by_key(facts: Facts<'_>) -> Option<Reason> {
    let Facts { around, now, .. } = facts;
    let found = around.key.as_ref()?;
    let (queue, key) = (found.queue.clone(), found.key.clone());
    Some(match found.closed? {
        Closed::Paused => {
            let by = found.paused.as_ref().map(|paused| queue_keys::by(paused, now)).unwrap_or_default();
            Reason::KeyPaused { queue, key, by }
        }
        Closed::Concurrency | Closed::Rate => Reason::Limited {
            queue,
            key: Some(key),
            limits: found.limits(),
            running: found.running,
            next_in_s: found.closed_until.map(|at| at.since(now).as_secs_f64()),
            holders: holders(facts),
        },
    })
}

/// The jobs that run in the place of this one, each with its worker.
fn holders(Facts { around, status, .. }: Facts<'_>) -> Vec<reason::Holder> {
    let at = |job: &JobId| {
        let is_its = |worker: &&WorkerStatus| worker.job.as_ref().is_some_and(|of| of.id == *job);
        status.workers.iter().find(is_its).map(|worker| worker.id.clone())
    };
    around.holders.iter().map(|job| (*job, at(job))).collect()
}

/// A pause, or that no pool serves the queue or takes the type; also said after a push.
#[must_use]
pub fn by_queue(status: &Status, queue: &QueueName, kind: &str) -> Option<Reason> {
    if status.queues.iter().any(|totals| totals.name == *queue && totals.paused) {
        return Some(Reason::Paused { queue: queue.clone() });
    }
    if status.elsewhere.takes(queue, kind) {
        return None;
    }
    let pools: Vec<_> = status.pools.iter().filter(|pool| pool.queues.contains(queue)).collect();
    let taking: Vec<_> = pools.iter().filter(|pool| Takes::is_among(&pool.takes, kind)).collect();
    if let Some(first) = taking.first() {
        return taking.iter().all(|pool| is_stopped(pool)).then(|| Reason::PoolStopped { pool: first.name.clone() });
    }
    let is_command = |found: &UnservedStatus| found.kind.as_deref() == Some(EXEC);
    let of_queue =
        |found: &&UnservedStatus| found.queue == *queue && (pools.is_empty() || is_command(found) == (kind == EXEC));
    // Without a master, the pools of the configuration are known by what they leave.
    let exactly = |found: &&UnservedStatus| of_queue(found) && found.kind.as_deref() == Some(kind);
    let found = status.unserved.iter().find(exactly).or_else(|| status.unserved.iter().find(of_queue));
    let found = found.map(|found| found.problem.clone());
    let problem = found.or_else(|| {
        // A job that is due later is not among those that wait.
        let lane = if kind == EXEC { Lane::Commands } else { Lane::Others };
        let found = Unserved { queue: queue.clone(), lane, jobs: 0, first: None, is_queue_served: !pools.is_empty() };
        status.master.as_ref().map(|_| found.with_first(Some(kind.into())).to_string())
    });
    problem.map(|problem| Reason::Unserved { problem })
}

fn is_stopped(pool: &PoolStatus) -> bool {
    pool.state == "stopped"
}

/// The pools that take such a job and are to have workers.
fn taking<'a>(status: &'a Status, queue: &QueueName, kind: &str) -> Vec<&'a PoolStatus> {
    let takes = |pool: &&PoolStatus| pool.queues.contains(queue) && Takes::is_among(&pool.takes, kind);
    status.pools.iter().filter(takes).filter(|pool| !is_stopped(pool)).collect()
}

/// The reason that no worker of theirs comes up.
fn by_pools(status: &Status, queue: &QueueName, kind: &str) -> Option<Reason> {
    let pools = taking(status, queue, kind);
    if pools.iter().any(|pool| pool.ready > 0) {
        return None;
    }
    if let Some(pool) = pools.iter().find(|pool| !pool.waits_for.is_empty()) {
        return Some(Reason::WaitsFor { pool: pool.name.clone(), others: pool.waits_for.clone() });
    }
    let (pool, problem) = pools.iter().find_map(|pool| Some((pool, pool.problem.clone()?)))?;
    Some(Reason::NoWorker { pool: pool.name.clone(), problem })
}

/// Nothing holds the job: its turn comes when a worker is free.
fn workers(Facts { job, status, .. }: Facts<'_>) -> Option<Reason> {
    let pools = taking(status, &job.queue, &job.kind);
    if let Some(free) = pools.iter().find(|pool| pool.busy < pool.ready) {
        return Some(Reason::Begins { pool: free.name.clone() });
    }
    let ready: u32 = pools.iter().map(|pool| pool.ready).sum();
    if ready == 0 {
        let pool = pools.first()?;
        return capped(pool, status).or_else(|| Some(starting(pool)));
    }
    let here = |worker: &&WorkerStatus| pools.iter().any(|pool| pool.name == worker.pool);
    let jobs = status.workers.iter().filter(here).filter_map(|worker| worker.job.as_ref());
    let longest = jobs.max_by(|one, other| one.running_s.total_cmp(&other.running_s));
    Some(Reason::Busy {
        pools: pools.iter().map(|pool| pool.name.clone()).collect(),
        fixed: pools.iter().find(|pool| pool.autoscale.is_none()).map(|pool| pool.name.clone()),
        workers: ready,
        longest: longest.map(|job| (job.id, job.running_s)),
    })
}

fn starting(pool: &PoolStatus) -> Reason {
    let timeout = pool.limits.get("ready_timeout").cloned();
    Reason::Starting { pool: pool.name.clone(), workers: pool.wanted, ready_by: pool.ready_by.clone(), timeout }
}

/// A worker of this pool has to wait, as there are as many processes as there may be.
fn capped(pool: &PoolStatus, status: &Status) -> Option<Reason> {
    let waits = |worker: &WorkerStatus| worker.pool == pool.name && worker.state == WorkerState::Backoff;
    let master = status.master.as_ref()?;
    let mut problems = master.problem_topics.iter().zip(&master.problems);
    let (_, problem) = problems.find(|(topic, _)| **topic == Topic::Processes)?;
    (pool.problem.is_none() && status.workers.iter().any(waits)).then(|| Reason::Machine { problem: problem.clone() })
}

/// The newest run was cut short by the death of its worker or master, and the job is ready again for that.
fn lost_worker(Facts { runs, now, .. }: Facts<'_>) -> Option<Reason> {
    let run = runs.first()?;
    let is_lost = run.outcome == Outcome::Crashed || run.cause == Some(Cause::MasterLost);
    let (worker, outcome, cause) = (run.worker.clone(), run.outcome, run.cause);
    is_lost.then(|| Reason::LostWorker { worker, outcome, cause, ago_s: now.since(run.ended_at).as_secs_f64() })
}

fn running(Facts { job, status, absent, .. }: Facts<'_>) -> Reason {
    let at = status.workers.iter().find_map(|worker| Some((worker, worker.job.as_ref().filter(|of| of.id == job.id)?)));
    match (at, absent) {
        (Some((worker, of)), _) => {
            Reason::Running { worker: worker.id.clone(), pid: worker.pid, attempt: of.attempt, for_s: of.running_s }
        }
        (None, Some(Reason::NoMaster { error })) => Reason::LostMaster { error: error.clone() },
        (None, Some(absent)) => absent.clone(),
        (None, None) => Reason::AtWorker,
    }
}

fn ended(Facts { job, runs, around, now, .. }: Facts<'_>) -> Reason {
    let ago_s = now.since(job.finished_at.unwrap_or(now)).as_secs_f64();
    match job.state {
        JobState::Cancelled if job.cause == Some(Cause::Expired) => Reason::Expired { ago_s },
        JobState::Cancelled if let (Some(Cause::Parent), Some(batch)) = (job.cause, job.after_batch) => {
            Reason::NoneDied { ago_s, batch }
        }
        JobState::Cancelled if job.cause == Some(Cause::Parent) => Reason::ParentFailed {
            ago_s,
            by: around.blockers.iter().find(|(_, state)| *state != Some(JobState::Succeeded)).copied(),
        },
        JobState::Cancelled => Reason::Cancelled { ago_s },
        JobState::Dead => {
            let mut errors = runs.iter().rev().filter_map(|run| run.detail.error.clone());
            let (first, last) = (errors.next(), job.error.clone());
            let runs = job.counters.attempts + job.counters.crashes;
            Reason::Dead { job: job.id, cause: job.cause, runs, first, last }
        }
        _ => Reason::Succeeded { ago_s, worker: runs.first().and_then(|run| run.worker.clone()) },
    }
}

#[cfg(test)]
mod tests;
