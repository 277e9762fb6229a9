//! A store in memory, as plain as can be, that complains about everything a healthy master must not do.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::change::{Change, Claim, Finish, Next, Op, Reply, Request, Shift, Waits};
use crate::model::{Claimed, Counters, JobId, JobState, NewJob, Outcome, QueueName, RunId, UnixMicros};

/// What of a job never changes, and what was charged to it.
#[derive(Debug)]
struct Row {
    job: NewJob,
    due: UnixMicros,
    /// As its runs say.
    runs: Counters,
}

#[derive(Debug, Default)]
pub(super) struct Store {
    rows: BTreeMap<JobId, Row>,
    ready: BTreeSet<(QueueName, i16, UnixMicros, JobId)>,
    /// With how long they were to wait, where that is a length.
    scheduled: BTreeMap<JobId, UnixMicros>,
    waits: BTreeMap<JobId, i64>,
    running: BTreeMap<JobId, RunId>,
    ended: BTreeMap<JobId, JobState>,
    paused: BTreeSet<QueueName>,
    pushed: i64,
    runs: i64,
    pub(super) succeeded: u64,
}

impl Store {
    pub(super) fn apply(&mut self, op: &Op, now: UnixMicros, short: bool) -> Reply {
        match op {
            Op::Request(Request::Push(jobs)) => self.push(jobs, now),
            Op::Change(Change::Claim(claim)) => self.claim(claim, now, short),
            Op::Change(Change::Finish(finish)) => self.finish(finish),
            Op::Change(Change::Unclaim { job, run }) => self.unclaim(*job, *run),
            Op::Change(Change::Assign { job, run, .. } | Change::Progress { job, run, .. }) => {
                assert_eq!(self.running.get(job), Some(run), "stale write about job {job}");
                Reply::Done
            }
            Op::Change(Change::Promote { limit }) => self.promote(*limit, now),
            Op::Change(Change::Shift(shift)) => self.shift(shift, now),
            Op::Change(Change::Cancel(job)) => self.cancel(*job),
            Op::Request(Request::Pause { queue, paused }) => {
                if *paused {
                    self.paused.insert(queue.clone());
                } else {
                    self.paused.remove(queue);
                }
                Reply::Done
            }
            Op::Change(Change::WorkerStarted(_) | Change::WorkerEnded(_)) => Reply::Done,
            Op::Request(_) | Op::Change(Change::Prune { .. }) => {
                panic!("not simulated: {op:?}")
            }
        }
    }

    fn push(&mut self, jobs: &[NewJob], now: UnixMicros) -> Reply {
        for job in jobs {
            self.pushed += 1;
            let id = JobId(self.pushed);
            let due = job.due_at.unwrap_or(now);
            self.rows.insert(id, Row { job: job.clone(), due, runs: Counters::default() });
            if due > now {
                self.scheduled.insert(id, due);
            } else {
                self.make_ready(id);
            }
        }
        Reply::Pushed(Vec::new())
    }

    fn make_ready(&mut self, id: JobId) {
        let row = &self.rows[&id];
        let key = (row.job.queue.clone(), -i16::from(row.job.priority), row.due, id);
        assert!(self.ready.insert(key), "job {id} is ready twice");
    }

    fn claim(&mut self, claim: &Claim, now: UnixMicros, short: bool) -> Reply {
        let mut jobs = Vec::new();
        let total = if short { 1 } else { claim.total as usize };
        for (queue, most) in &claim.takes {
            if self.paused.contains(queue) {
                continue;
            }
            let from = (queue.clone(), i16::MIN, UnixMicros(i64::MIN), JobId(0));
            let take = (*most as usize).min(total - jobs.len());
            let keys: Vec<_> = self.ready.range(from..).take_while(|k| k.0 == *queue).take(take).cloned().collect();
            for key in keys {
                self.ready.remove(&key);
                jobs.push(self.hand_out(key.3, now));
            }
        }
        let more = short && claim.total > 1;
        Reply::Claimed { jobs, expired: Vec::new(), more }
    }

    fn hand_out(&mut self, id: JobId, now: UnixMicros) -> Claimed {
        self.runs += 1;
        assert!(self.running.insert(id, RunId(self.runs)).is_none(), "job {id} is handed out twice");
        let row = &self.rows[&id];
        Claimed {
            id,
            run: RunId(self.runs),
            queue: row.job.queue.clone(),
            kind: row.job.kind.clone(),
            args: "null".into(),
            counters: row.runs,
            pushed_at: now,
            due_at: row.due,
            timeout: row.job.timeout,
            max_attempts: row.job.max_attempts,
            unique: false,
        }
    }

    fn finish(&mut self, finish: &Finish) -> Reply {
        let id = finish.job.id;
        assert_eq!(self.running.remove(&id), Some(finish.job.run), "stale end of job {id}");
        let Some(row) = self.rows.get_mut(&id) else { panic!("job {id} was never pushed") };
        match finish.outcome {
            Outcome::Failed | Outcome::TimedOut => row.runs.attempts += 1,
            Outcome::Crashed => row.runs.crashes += 1,
            Outcome::Released => row.runs = row.runs.released(),
            Outcome::Succeeded | Outcome::Cancelled => {}
        }
        if finish.outcome != Outcome::Released {
            row.runs.releases_in_a_row = 0;
        }
        assert_eq!(finish.counters, row.runs, "the counters of job {id} do not add up");
        assert!(finish.started_at <= finish.ended_at, "job {id} ended before it began");
        match finish.next {
            Next::Succeeded => self.end(id, JobState::Succeeded),
            Next::Dead(_) => self.end(id, JobState::Dead),
            Next::Cancelled(_) => self.end(id, JobState::Cancelled),
            Next::Ready => self.make_ready(id),
            Next::Behind => {
                row.due = finish.ended_at;
                self.make_ready(id);
            }
            Next::RetryAt(at) => {
                assert!(row.job.max_attempts.is_none_or(|most| row.runs.attempts < most), "job {id} tried too often");
                self.scheduled.insert(id, at);
                self.waits.insert(id, at.0 - finish.ended_at.0);
            }
        }
        Reply::Done
    }

    fn end(&mut self, id: JobId, state: JobState) {
        self.succeeded += u64::from(state == JobState::Succeeded);
        assert!(self.ended.insert(id, state).is_none(), "job {id} ended twice");
    }

    fn unclaim(&mut self, id: JobId, run: RunId) -> Reply {
        assert_eq!(self.running.remove(&id), Some(run), "stale unclaim of job {id}");
        self.make_ready(id);
        Reply::Done
    }

    fn promote(&mut self, limit: u32, now: UnixMicros) -> Reply {
        let due: Vec<JobId> = self.scheduled.iter().filter(|&(_, &at)| at <= now).map(|(&id, _)| id).collect();
        let more = due.len() > limit as usize;
        let mut queues = BTreeSet::new();
        for id in due.into_iter().take(limit as usize) {
            self.scheduled.remove(&id);
            self.waits.remove(&id);
            self.make_ready(id);
            queues.insert(self.rows[&id].job.queue.clone());
        }
        Reply::Promoted { queues: queues.into_iter().collect(), expired: Vec::new(), more }
    }

    /// One job at a time.
    fn shift(&mut self, shift: &Shift, now: UnixMicros) -> Reply {
        let mut keys: Vec<_> = self.scheduled.iter().map(|(&id, &at)| (at, id)).collect();
        keys.sort_unstable();
        let cursor = shift.cursor();
        let next = if shift.by > 0 {
            keys.into_iter().rev().find(|key| *key < cursor)
        } else {
            keys.into_iter().find(|key| *key > cursor)
        };
        if let (Some((at, id)), Waits::Due) = (next, shift.waits)
            && let Some(&wait) = self.waits.get(&id)
        {
            self.scheduled.insert(id, shift.moved(at, wait, now));
        }
        Reply::Shifted { next: next.filter(|_| shift.waits == Waits::Due) }
    }

    fn cancel(&mut self, id: JobId) -> Reply {
        let Some(row) = self.rows.get(&id) else { return Reply::Missing };
        let queue = row.job.queue.clone();
        let was = self.state(id);
        if let JobState::Ready | JobState::Scheduled = was {
            self.ready.retain(|key| key.3 != id);
            self.scheduled.remove(&id);
            self.waits.remove(&id);
            self.end(id, JobState::Cancelled);
        }
        Reply::Changed { was, queue }
    }

    fn state(&self, id: JobId) -> JobState {
        if self.scheduled.contains_key(&id) {
            JobState::Scheduled
        } else if self.running.contains_key(&id) {
            JobState::Running
        } else {
            self.ended.get(&id).copied().unwrap_or(JobState::Ready)
        }
    }

    /// A new generation gives back what the last one left running.
    pub(super) fn recover(&mut self, now: UnixMicros) {
        for id in std::mem::take(&mut self.running).into_keys() {
            if let Some(row) = self.rows.get_mut(&id) {
                row.runs = row.runs.released();
                if row.runs.goes_behind() {
                    row.due = now;
                }
            }
            self.make_ready(id);
        }
    }

    pub(super) fn next_due(&self) -> Option<UnixMicros> {
        self.scheduled.values().min().copied()
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

    pub(super) fn unfinished(&self) -> usize {
        self.rows.len() - self.ended.len()
    }

    /// Every job that was pushed is in exactly one place.
    pub(super) fn check(&self, every_job: bool) {
        let places = self.ready.len() + self.scheduled.len() + self.running.len() + self.ended.len();
        assert_eq!(places, self.rows.len(), "the places do not add up to the jobs");
        if every_job {
            let ready: BTreeSet<JobId> = self.ready.iter().map(|key| key.3).collect();
            for id in self.rows.keys() {
                let places = [
                    ready.contains(id),
                    self.scheduled.contains_key(id),
                    self.running.contains_key(id),
                    self.ended.contains_key(id),
                ];
                assert_eq!(places.iter().filter(|p| **p).count(), 1, "job {id} is in these places: {places:?}");
            }
        }
    }
}
