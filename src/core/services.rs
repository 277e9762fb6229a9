//! Workers of services: the gateway gives them calls, and says what becomes of them.
//!
//! A worker is starting until the gateway says that it is ready. When it is to leave, the gateway is told, and says when
//! the worker has no call any more: its stdin is open until then. Invariant: no deadline of a worker waits for a gateway
//! that is gone, as the shell answers in its place.

use super::escalation::patience;
use super::pool::Pool;
use super::{Action, Core};
use crate::model::service::CallLoad;
use crate::model::worker::EndReason;
use crate::model::{Now, PoolName, WorkerId};

impl Core {
    /// The worker is not what it is to be, and is ended as one that does not come up.
    pub(super) fn refused(&mut self, id: WorkerId, why: String, now: Now, out: &mut Vec<Action>) {
        self.change(id, |worker, _| worker.refused = Some(why.into()));
        self.end(id, EndReason::Protocol, now, out);
    }

    /// The worker has answered so many calls more.
    pub(super) fn called(&mut self, id: WorkerId, calls: u64, now: Now) {
        let first = self.change(id, |worker, pool| {
            let first = worker.jobs_done == 0 && calls > 0;
            worker.jobs_done += calls;
            pool.was_of_use |= calls > 0;
            first
        });
        if first == Some(true)
            && let Some(entry) = self.slot_of(id).filter(|e| e.state.current() == Some(id))
        {
            entry.backoff.deaths = 0;
            self.change(id, |_, pool| pool.said = None);
        }
        if self.workers.get(id).is_some_and(|w| w.max_jobs.is_some_and(|max| w.jobs_done >= max)) {
            self.recycle(id, EndReason::MaxJobs, now);
        }
    }

    /// The load of a service is this by now. The one before may be that of a gateway that is gone.
    pub(super) fn take_load(&mut self, name: &PoolName, load: CallLoad) {
        let named = |pool: &&mut Pool| pool.settings.is_service() && !pool.removed && pool.settings.name == *name;
        let Some(pool) = self.pools.values_mut().find(named) else { return };
        let is_anew = load.calls < pool.calls.calls || load.ended < pool.calls.ended;
        let before = std::mem::replace(&mut pool.calls, load);
        let before = if is_anew { CallLoad::default() } else { before };
        let has_none = pool.wanted == 0;
        if let Some(scaler) = &mut pool.scaler {
            scaler.count_calls(&before, &pool.calls);
            if pool.calls.arrived > before.arrived || pool.calls.waiting > 0 {
                self.heed_calls(has_none);
            }
        }
    }

    /// A worker that leaves has no call any more.
    pub(super) fn drained(&mut self, id: WorkerId, now: Now, out: &mut Vec<Action>) {
        let phase = self.phase;
        self.change(id, |worker, pool| {
            let limits = &pool.settings.limits;
            let was_held = std::mem::take(&mut worker.has_calls);
            worker.close_if_idle(id, now.mono, limits, out);
            // A worker at a call that was given up does not read its stdin.
            if was_held && worker.given_up.is_some() {
                worker.end_grace(id, now.mono, patience(phase, limits.kill_after), false, out);
            }
        });
    }

    /// The gateway has no use for the worker any more: it does not answer, or is unhealthy.
    pub(super) fn give_up_worker(
        &mut self,
        id: WorkerId,
        reason: EndReason,
        why: String,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        self.change(id, |worker, _| worker.given_up = Some(why.into()));
        self.retire(id, reason, now, out);
    }
}
