//! A pool of a single worker, as `work` has it: each of its runs is told, and it ends by itself, between jobs.
//!
//! Such a pool is all that its master has, or is lent to a client, who hears of its runs and gets an answer at its end.
//! Invariants: no more runs are begun than were asked for; a lent pool is gone when its client is answered.

use std::sync::Arc;
use std::time::Duration;

use super::drain::Undrained;
use super::flight::Flight;
use super::pool::{Pool, PoolId};
use super::{Action, Core, Done, Phase, Refusal, Target, Ticket, commands::Asker};
use crate::model::death::SlotProblem;
use crate::model::notice::RunFacts;
use crate::model::{Mono, Notice, Now, Outcome, PoolName, PoolSettings, Until, WorkerId};

/// The state of a pool of a single worker.
#[derive(Clone, Debug)]
pub(super) struct Single {
    /// The client who is told of each run, and of the end; `None`: the pool is all that the master has.
    client: Option<Ticket>,
    until: Until,
    ends_at: Option<Mono>,
    /// As many runs as were asked for, or as long.
    is_done: bool,
    runs: u64,
    dead: u64,
    /// Why the drain was given up.
    vain: Option<(PoolName, SlotProblem)>,
}

/// Jobs that a lent pool was to drain and has not done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worked {
    /// Jobs that died.
    pub dead: u64,
    pub undrained: Undrained,
}

impl Core {
    /// Adds a pool of a single worker, which is lent to a client or all that there is.
    pub fn add_single(
        &mut self,
        settings: PoolSettings,
        until: Until,
        client: Option<Ticket>,
        now: Mono,
    ) -> Result<PoolId, Refusal> {
        let id = self.add_pool(settings)?;
        if let Some(pool) = self.pools.get_mut(&id) {
            pool.spawned = client.is_some();
            let ends_at = until.max_time.map(|time| now + time);
            pool.single = Some(Single { client, until, ends_at, is_done: false, runs: 0, dead: 0, vain: None });
        }
        Ok(id)
    }

    /// The pools that are lent, each with its client.
    pub fn lent(&self) -> impl Iterator<Item = (&Pool, Ticket)> {
        self.pools.values().filter(|pool| !pool.removed).filter_map(|pool| Some((pool, pool.single.as_ref()?.client?)))
    }

    /// How long jobs of a lent pool may go on when it is stopped and nothing else is said.
    #[must_use]
    pub fn grace_of_lent(&self, target: &Target) -> Option<Duration> {
        let Target::Pool(name) = target else { return None };
        self.lent().find(|(pool, _)| pool.settings.name == *name).map(|(pool, _)| pool.settings.limits.grace)
    }

    /// Whether there is one pool, of a single worker, and will be no other.
    pub(super) fn is_single(&self) -> bool {
        self.own_single().is_some()
    }

    fn own_single(&self) -> Option<&Single> {
        self.pools.values().filter(|pool| !pool.spawned).find_map(|pool| pool.single.as_ref())
    }

    /// Whether the only pool has done what was asked for, whatever is left in its queues.
    pub(super) fn is_done(&self) -> bool {
        self.own_single().is_some_and(|single| single.is_done)
    }

    /// When a pool has worked as long as was asked for.
    pub(super) fn next_end(&self) -> Option<Mono> {
        let singles = self.pools.values().filter(|pool| !pool.removed).filter_map(|pool| pool.single.as_ref());
        singles.filter(|single| !single.is_done).filter_map(|single| single.ends_at).min()
    }

    /// Ends the pools of a single worker that have come to their end.
    pub(super) fn end_singles(&mut self, now: Now, out: &mut Vec<Action>) {
        let ids: Vec<PoolId> =
            self.pools.iter().filter(|(_, p)| p.single.is_some() && !p.removed).map(|(&id, _)| id).collect();
        for id in ids {
            if self.phase == Phase::Running && self.is_at_end(id, now, out) {
                self.end_single(id, now, out);
            }
        }
    }

    fn is_at_end(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) -> bool {
        let Some(single) = self.pools.get_mut(&id).and_then(|pool| pool.single.as_mut()) else { return false };
        let is_late = single.ends_at.is_some_and(|at| at <= now.mono);
        single.is_done |= is_late || single.until.max_jobs.is_some_and(|most| single.runs >= most);
        let (is_done, drains) = (single.is_done, single.until.drained);
        if is_done {
            self.hold_back(id, |_| true, out);
        }
        let pool = &self.pools[&id];
        if pool.wanted == 0 {
            return !self.has_workers(id);
        }
        let is_drained = drains && self.left_for(pool) == 0 && !self.promotion.asked;
        if (is_done || is_drained) && pool.is_quiet() && self.jobs_of(id) == 0 {
            return true;
        }
        let vain = if drains && !is_drained { self.in_vain([pool]) } else { None };
        let is_vain = vain.is_some();
        if let Some(single) = self.pools.get_mut(&id).and_then(|pool| pool.single.as_mut()) {
            single.vain = vain;
        }
        is_vain
    }

    fn end_single(&mut self, id: PoolId, now: Now, out: &mut Vec<Action>) {
        let pool = &self.pools[&id];
        if pool.spawned {
            let target = Target::Pool(pool.settings.name.clone());
            let asker = Asker { waits: false, caller: None, grace: None };
            // No client waits for it.
            let _ = self.stop_some(&target, asker, now, out);
        } else {
            self.stop_all(None, None, now, out);
        }
    }

    /// Answers the clients whose pools are gone.
    pub(super) fn answer_lent(&mut self, out: &mut Vec<Action>) {
        let is_over = |(id, pool): &(&PoolId, &Pool)| {
            let leaves = pool.removed || self.phase != Phase::Running;
            pool.single.is_some() && leaves && pool.is_quiet() && !self.has_workers(**id)
        };
        let over: Vec<PoolId> = self.pools.iter().filter(is_over).map(|(&id, _)| id).collect();
        for id in over {
            let worked = self.pools[&id].single.as_ref().map(|single| self.worked(&self.pools[&id], single));
            let client = self.pools.get_mut(&id).and_then(|pool| pool.single.as_mut()?.client.take());
            if let Some((client, worked)) = client.zip(worked) {
                out.push(Action::Reply(client, Ok(Done::Worked(Box::new(worked)))));
            }
        }
    }

    fn worked(&self, pool: &Pool, single: &Single) -> Worked {
        if !single.until.drained {
            return Worked::default();
        }
        if single.is_done {
            return Worked { dead: single.dead, undrained: Undrained::default() };
        }
        let left = self.left_for(pool);
        let undrained = self.undrained_of(&|queue| pool.serves(queue));
        // Where the pool was stopped before its end, nobody else may take what is left.
        let unserved = if left > 0 { 0 } else { undrained.unserved };
        Worked { dead: single.dead, undrained: Undrained { vain: single.vain.clone(), left, unserved, ..undrained } }
    }

    fn has_workers(&self, id: PoolId) -> bool {
        self.workers.iter().any(|(_, worker)| worker.pool == id)
    }

    fn jobs_of(&self, id: PoolId) -> u64 {
        self.workers.iter().filter(|(_, worker)| worker.pool == id).map(|(_, worker)| worker.flights.len() as u64).sum()
    }

    /// How many more jobs the workers of a pool may be sent.
    pub(super) fn allowance(&self, id: PoolId) -> u32 {
        let Some(single) = self.pools.get(&id).and_then(|pool| pool.single.as_ref()) else { return u32::MAX };
        match single.until.max_jobs {
            _ if single.is_done => 0,
            Some(most) => u32::try_from(most.saturating_sub(single.runs + self.jobs_of(id))).unwrap_or(u32::MAX),
            None => u32::MAX,
        }
    }

    /// A run at a worker has ended; `bad`: the notice of one that ended badly, which people get anyway.
    pub(super) fn tell_end(
        &mut self,
        id: WorkerId,
        flight: &Flight,
        outcome: Outcome,
        bad: Option<&Notice>,
        ended: Mono,
        out: &mut Vec<Action>,
    ) {
        let Some(worker) = self.workers.get(id) else { return };
        let well = |worker: Option<&Arc<str>>| Notice::JobEnded {
            job: flight.job.id,
            kind: flight.job.kind.to_string(),
            worker: worker.map(ToString::to_string),
            outcome,
            took_s: flight.took(ended).as_secs_f64(),
            of: RunFacts::from(&*flight.job),
        };
        let single = self.pools.get_mut(&worker.pool).and_then(|pool| pool.single.as_mut());
        if bad.is_none() && self.tells_runs && single.as_ref().is_none_or(|single| single.is_lent()) {
            out.push(Action::TellFollowers(well(Some(&worker.name))));
        }
        let Some(single) = single else { return };
        single.runs += u64::from(outcome != Outcome::Released);
        single.dead += u64::from(matches!(bad, Some(Notice::JobDead { .. })));
        match bad {
            None => out.push(single.tell(well(None))),
            Some(bad) if single.is_lent() => out.push(single.tell(bad.clone())),
            Some(_) => {}
        }
    }
}

impl Single {
    /// Whether a client has the pool, who hears of its runs; people do not.
    pub(super) const fn is_lent(&self) -> bool {
        self.client.is_some()
    }

    /// Tells of a run: the client, or people where there is none.
    pub(super) fn tell(&self, notice: Notice) -> Action {
        match self.client {
            Some(client) => Action::TellClient(client, notice),
            None => Action::Tell(notice),
        }
    }
}
