//! Pools that scale themselves: when it is decided how many workers each is to have, and what is done about it.
//!
//! `want` decides for one pool, `share` where there are not enough for all. Decisions are made every second while
//! there is something to do or to forget, and at once for a pool without workers. Invariants: no time is kept while no
//! pool scales itself, or all that do are at rest; a worker with a job is never ended to have fewer; a job costs two
//! additions, and those in such pools only.

pub mod loads;
mod measure;
mod share;
pub mod simulate;
#[cfg(test)]
mod tests;
pub mod want;

use std::collections::BTreeSet;
use std::time::Duration;

use super::commands::{NOBODY, Wait};
use super::pool::{Pool, PoolId};
use super::{Action, Core, Phase, Refusal, Tag};
use crate::model::autoscale::{
    Autoscale, AutoscaleChange, Autoscaled, Basis, Bounds, Cap, Machine, Measured, Together, Why,
};
use crate::model::change::Change;
use crate::model::gauge::MarkKind;
use crate::model::service::CallLoad;
use crate::model::{Mono, Notice, Now, QueueName};
use measure::Found;
use share::Share;
use want::Past;

/// Between two decisions.
const TICK: Duration = Duration::from_secs(1);
/// It is not decided sooner because a job has waited for long.
const LEAST_TICK: Duration = Duration::from_millis(10);
/// Workers that could not be started keep pools from growing for so long.
const AFTER_SCARCITY: Duration = Duration::from_secs(30);

/// The part that concerns all pools that scale themselves.
#[derive(Debug, Default)]
pub(super) struct Autoscaling {
    pub(super) together: Together,
    machine: Machine,
    /// When it is decided next; `None`: all are at rest.
    next: Option<Mono>,
    /// It is to be decided now.
    woken: bool,
    /// When a worker could not be started.
    scarce_at: Option<Mono>,
}

/// The scaling of one pool.
#[derive(Debug, Default)]
pub(super) struct Scaler {
    past: Past,
    /// Calls that came since the decision before.
    arrived: u64,
    /// Jobs or calls that ended since the decision before, and how long they took.
    ended: u64,
    took: Duration,
    /// Jobs that were there at the decision before.
    present: Option<u64>,
    /// From the spawn of a worker until it was ready, of late.
    start: Option<Duration>,
    pin: Option<Pin>,
    last: Option<Decision>,
}

/// An operator's word against the scaling.
#[derive(Clone, Copy, Debug)]
pub(super) enum Pin {
    Until(Mono),
    /// The pool is stopped.
    Stopped,
}

#[derive(Clone, Debug)]
struct Decision {
    why: Why,
    bounds: Bounds,
    measured: Measured,
}

impl Scaler {
    pub(super) const fn is_stopped(&self) -> bool {
        matches!(self.pin, Some(Pin::Stopped))
    }

    /// A run has ended.
    pub(super) fn count(&mut self, took: Duration) {
        self.ended += 1;
        self.took += took;
    }

    /// Calls of a service were made: how many until before, and until now.
    pub(super) fn count_calls(&mut self, before: &CallLoad, now: &CallLoad) {
        self.arrived += now.arrived.saturating_sub(before.arrived);
        self.ended += now.ended.saturating_sub(before.ended);
        self.took += Duration::from_secs_f64((now.took_s - before.took_s).max(0.0));
    }

    /// A worker was ready after so long.
    pub(super) fn learn_start(&mut self, took: Duration) {
        self.start = Some(self.start.map_or(took, |before| (before * 4 + took) / 5));
    }
}

impl Core {
    /// From now on this holds for all pools together.
    pub fn scale_together(&mut self, together: Together) {
        self.autoscaling.together = together;
        self.wake_scaling();
        self.make_way();
    }

    /// Whether a pool scales itself.
    #[must_use]
    pub fn scales_itself(&self) -> bool {
        self.pools.values().any(|pool| pool.scaler.is_some())
    }

    /// The pools that scale themselves, as they are now.
    #[must_use]
    pub fn autoscaled(&self, now: Now) -> Vec<Autoscaled> {
        let pools = self.pools.iter().filter(|(_, pool)| !pool.removed);
        pools.filter_map(|(&id, pool)| self.autoscaled_of(id, pool, now)).collect()
    }

    /// One of them.
    #[must_use]
    pub fn autoscaled_of(&self, id: PoolId, pool: &Pool, now: Now) -> Option<Autoscaled> {
        let (scaler, settings) = (pool.scaler.as_ref()?, pool.settings.autoscale.as_ref()?);
        let Decision { why, bounds, measured } = scaler.last.clone()?;
        let alive = self.workers.iter().filter(|(_, worker)| worker.pool == id && worker.is_alive()).count() as u32;
        let down = scaler.past.outlook(bounds, settings.hold, now.mono).filter(|(to, _)| *to < pool.wanted);
        Some(Autoscaled {
            pool: pool.settings.name.clone(),
            workers: alive,
            wanted: pool.wanted,
            min: bounds.least,
            max: bounds.most,
            why,
            down: down.filter(|_| scaler.pin.is_none()),
            measured: Measured { cpu: self.autoscaling.machine.cpu, ..measured },
        })
    }

    /// The machine was measured.
    pub(super) fn measured_machine(&mut self, machine: Machine) {
        self.autoscaling.machine = machine;
    }

    /// A worker could not be started, as the machine had nothing left for it.
    pub(super) fn note_scarcity(&mut self, now: Mono) {
        self.autoscaling.scarce_at = Some(now);
    }

    /// It is to be decided in this turn.
    pub(super) fn wake_scaling(&mut self) {
        self.autoscaling.woken = true;
    }

    /// A queue has other totals: a pool at rest, or one without workers, does not wait for the next decision.
    pub(super) fn heed_work(&mut self, queue: &QueueName) {
        let rests = self.autoscaling.next.is_none();
        let waits = |pool: &Pool| pool.scaler.is_some() && (rests || pool.wanted == 0) && pool.serves(queue);
        if !self.autoscaling.woken
            && self.totals.of(queue).is_some_and(|totals| totals.ready > 0)
            && self.pools.values().any(waits)
        {
            self.autoscaling.woken = true;
        }
    }

    /// A service has calls: a pool at rest, or one without workers, does not wait for the next decision.
    pub(super) fn heed_calls(&mut self, has_none: bool) {
        self.autoscaling.woken |= has_none || self.autoscaling.next.is_none();
    }

    /// When it is to be decided next.
    pub(super) const fn next_scaling(&self) -> Option<Mono> {
        self.autoscaling.next
    }

    /// Decides how many workers each pool is to have, if it is time to.
    pub(super) fn autoscale(&mut self, now: Now, out: &mut Vec<Action>) {
        let woken = std::mem::take(&mut self.autoscaling.woken);
        let is_due = woken || self.autoscaling.next.is_some_and(|at| at <= now.mono);
        if !is_due || self.phase != Phase::Running {
            return;
        }
        self.autoscaling.next = None;
        if !self.scales_itself() {
            return;
        }
        self.end_pins(now, out);
        let mut found = self.measure_pools(now);
        let pools: Vec<PoolId> =
            self.pools.iter().filter(|(_, pool)| pool.scaler.is_some() && !pool.removed).map(|(&id, _)| id).collect();
        let mut shares: Vec<Share> = pools.iter().filter_map(|&id| self.decide(id, &mut found, now)).collect();
        let Together { cap, max_processes, .. } = self.autoscaling.together;
        if let Some(most) = cap.into_iter().chain(max_processes).min() {
            let others = self.taken_by_others(&shares, &found);
            share::share(&mut shares, most.saturating_sub(others), self.autoscaling.together.share);
        }
        for share in &shares {
            self.follow(share, now, out);
        }
        let next = pools.iter().filter_map(|&id| self.next_decision(id, &found, now)).min();
        self.autoscaling.next = next;
    }

    /// The workers that one pool is to have, as far as it alone is concerned.
    fn decide(&mut self, id: PoolId, found: &mut Found, now: Now) -> Option<Share> {
        let inputs = self.inputs(id, found, now)?;
        let pool = self.pools.get_mut(&id)?;
        let (scaler, settings) = (pool.scaler.as_mut()?, pool.settings.autoscale.as_ref()?);
        let (mut wanted, mut why) = want::want(&inputs, settings, &mut scaler.past, now.mono);
        match scaler.pin {
            None => {}
            Some(Pin::Until(_)) => (wanted, why) = (pool.wanted, Why { basis: Basis::Pinned, cap: None }),
            Some(Pin::Stopped) => (wanted, why) = (pool.wanted, Why { basis: Basis::Stopped, cap: None }),
        }
        let measured = scaler.past.measured(&inputs);
        scaler.last = Some(Decision { why: why.clone(), bounds: inputs.bounds, measured });
        let is_pinned = scaler.pin.is_some();
        let least = if is_pinned { wanted } else { inputs.bounds.least };
        let (need, idle) = (scaler.past.needed().clamp(least, wanted.max(least)), inputs.idle);
        Some(Share { pool: id, least, need, was: pool.wanted, wanted, idle, is_shared: false })
    }

    /// Processes that `max_processes` counts and no decision moves: of pools that do not scale themselves, and those that
    /// are on their way out.
    fn taken_by_others(&self, shares: &[Share], found: &Found) -> u32 {
        let fixed = |(id, _): &(&PoolId, &Pool)| !shares.iter().any(|share| share.pool == **id);
        let fixed: u32 = self.pools.iter().filter(fixed).map(|(_, pool)| pool.wanted).sum();
        fixed + found.leaving
    }

    /// Has a pool become what was decided.
    fn follow(&mut self, share: &Share, now: Now, out: &mut Vec<Action>) {
        let Some(pool) = self.pools.get_mut(&share.pool) else { return };
        let Some(last) = pool.scaler.as_mut().and_then(|scaler| scaler.last.as_mut()) else { return };
        if share.is_shared {
            last.why.cap = Some(Cap::MaxProcesses);
        }
        if share.wanted == share.was {
            return;
        }
        let (why, measured) = (last.why.clone(), last.measured);
        let pool = pool.settings.name.clone();
        let change = AutoscaleChange { at: now.wall, pool, was: share.was, wanted: share.wanted, why, measured };
        out.push(Action::Tell(Notice::Autoscaled(Box::new(change.clone()))));
        self.put_on_record(change, out);
        self.resize(share.pool, share.wanted, NOBODY, now, out);
    }

    /// Puts on record the act of an operator on a pool that scales itself.
    pub(super) fn log_operator(&self, id: PoolId, was: u32, basis: Basis, now: Now, out: &mut Vec<Action>) {
        let Some(pool) = self.pools.get(&id) else { return };
        let Some(scaler) = &pool.scaler else { return };
        let measured = scaler.last.as_ref().map_or_else(Measured::default, |last| last.measured);
        let (name, why) = (pool.settings.name.clone(), Why { basis, cap: None });
        let change = AutoscaleChange { at: now.wall, pool: name, was, wanted: pool.wanted, why, measured };
        self.put_on_record(change, out);
    }

    fn put_on_record(&self, change: AutoscaleChange, out: &mut Vec<Action>) {
        if self.keeps_records() {
            out.push(Action::Write(Change::LogAutoscale(Box::new(change)), Tag::None));
        }
    }

    /// Pools that were held for long enough, or are no longer to be held, scale themselves again.
    fn end_pins(&mut self, now: Now, out: &mut Vec<Action>) {
        let is_over = |pool: &Pool| {
            let pin = pool.scaler.as_ref().and_then(|scaler| scaler.pin);
            matches!(pin, Some(Pin::Until(at)) if at <= now.mono)
        };
        let over: Vec<PoolId> = self.pools.iter().filter(|(_, pool)| is_over(pool)).map(|(&id, _)| id).collect();
        for id in over {
            let Some(pool) = self.pools.get_mut(&id) else { continue };
            pool.scaler.iter_mut().for_each(|scaler| scaler.pin = None);
            let wanted = pool.wanted;
            self.log_operator(id, wanted, Basis::Unpinned, now, out);
        }
    }

    /// When it is to be decided again for this pool; `None`: when something comes.
    fn next_decision(&self, id: PoolId, found: &Found, now: Now) -> Option<Mono> {
        let pool = self.pools.get(&id)?;
        let (scaler, settings) = (pool.scaler.as_ref()?, pool.settings.autoscale.as_ref()?);
        let scheduled = settings.next_change(now.wall).map(|at| now.mono + at.since(now.wall));
        let unpinned = match scaler.pin {
            Some(Pin::Until(at)) => Some(at),
            Some(Pin::Stopped) | None => None,
        };
        let Decision { bounds: Bounds { least, .. }, measured, .. } = scaler.last.as_ref()?;
        let least = *least;
        let is_idle = found.is_idle(id) && !pool.calls.has_calls();
        let rests = scaler.past.is_at_rest(least) && pool.wanted == least && is_idle && measured.ready == 0;
        let by_load = if rests || matches!(scaler.pin, Some(Pin::Stopped)) {
            None
        } else {
            // At once when a job has waited for half of what it may.
            let oldest = measured.oldest_ready_s.map(Duration::from_secs_f64);
            let half =
                oldest.and_then(|age| (settings.target_wait / 2).checked_sub(age)).filter(|left| *left >= LEAST_TICK);
            Some(now.mono + half.unwrap_or(TICK).min(TICK))
        };
        [scheduled, unpinned, by_load].into_iter().flatten().min()
    }

    /// An operator pins the number of workers of these pools for a while.
    pub(super) fn pin(&mut self, pools: &[PoolId], hold: Duration, now: Mono) -> Result<(), Refusal> {
        self.each_scaler(pools, |scaler| scaler.pin = Some(Pin::Until(now + hold)))
    }

    /// The pools scale themselves again.
    pub(super) fn scale_auto(&mut self, pools: Vec<PoolId>, now: Now) -> Result<Wait, Refusal> {
        self.each_scaler(&pools, |scaler| scaler.pin = scaler.pin.map(|_| Pin::Until(now.mono)))?;
        for id in &pools {
            self.mark(MarkKind::Scale, format!("pool `{}` scales itself", self.pools[id].settings.name), now);
        }
        self.serve_anew();
        let before = pools.into_iter().map(|id| (id, self.pools[&id].wanted)).collect();
        Ok(Wait::Scaled { pools: before, workers: BTreeSet::new(), released: 0 })
    }

    /// Every one of these pools, or none.
    fn each_scaler(&mut self, pools: &[PoolId], change: impl Fn(&mut Scaler)) -> Result<(), Refusal> {
        let fixed = pools.iter().map(|id| &self.pools[id]).find(|pool| pool.scaler.is_none());
        if let Some(pool) = fixed {
            return Err(Refusal::ScaledByHand(pool.settings.name.clone()));
        }
        for id in pools {
            self.pools.get_mut(id).and_then(|pool| pool.scaler.as_deref_mut()).into_iter().for_each(&change);
        }
        self.wake_scaling();
        Ok(())
    }

    /// The first of these pools that scales itself.
    pub(super) fn refuse_if_autoscaled(&self, pools: &[PoolId]) -> Result<(), Refusal> {
        let found = pools.iter().map(|id| &self.pools[id].settings).find_map(|of| Some((of, of.autoscale.as_deref()?)));
        let Some((settings, &Autoscale { min, max, .. })) = found else { return Ok(()) };
        Err(Refusal::ScalesItself { pool: settings.name.clone(), min, max })
    }

    /// A pool has other settings: it begins, goes on or ceases to scale itself.
    pub(super) fn heed_autoscale(&mut self, id: PoolId) {
        let Some(pool) = self.pools.get_mut(&id) else { return };
        match (&pool.settings.autoscale, &pool.scaler) {
            (Some(_), None) => {
                let past = if pool.settings.is_service() { Past::of_calls() } else { Past::default() };
                pool.scaler = Some(Box::new(Scaler { past, ..Scaler::default() }));
            }
            (None, Some(_)) => pool.scaler = None,
            (Some(_), Some(_)) | (None, None) => {}
        }
        self.serve_anew();
        self.wake_scaling();
    }

    /// An operator has stopped a pool: it does not scale itself until told to.
    pub(super) fn stop_scaling(&mut self, id: PoolId, was: u32, now: Now, out: &mut Vec<Action>) {
        self.wake_scaling();
        let Some(scaler) = self.pools.get_mut(&id).and_then(|pool| pool.scaler.as_mut()) else { return };
        if !scaler.is_stopped() {
            scaler.pin = Some(Pin::Stopped);
            self.log_operator(id, was, Basis::Stopped, now, out);
        }
    }
}
