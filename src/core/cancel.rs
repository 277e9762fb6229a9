//! Ending a job for an operator, wherever it is.
//!
//! Invariant: who asks is answered once, also where the job is given back, claimed and ends while the store is asked.

use super::commands::Asker;
use super::event::JobChange;
use super::{Action, Core, Done, Refusal, Tag, Ticket};
use crate::model::change::Change;
use crate::model::{CancelReason, JobId, JobState, Now, States};

/// How often the store is asked again to cancel a job that it says runs, of which the core knows no run. In between the
/// job was given back or has ended, and may have been claimed and given back once more: more than a few times is a mistake.
const MOST_LOOKS: u32 = 8;

impl Core {
    /// Ends a job wherever it is: at a worker, claimed ahead, or in the store.
    pub(super) fn cancel(
        &mut self,
        ticket: Ticket,
        (job, only): (JobId, States),
        asker: Asker,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let Some(&holder) = self.holders.get(&job) else {
            // A job that is claimed ahead is shown as running, and is ready when the store comes to it.
            let only = if self.knows(job) && only.has(JobState::Running) { only.with(JobState::Ready) } else { only };
            for id in self.pools.keys().copied().collect::<Vec<_>>() {
                self.hold_back(id, |claimed| claimed.id == job, out);
            }
            let tag = Tag::Cancel { job, only, ticket, wait: asker.waits };
            out.push(Action::Write(Change::Cancel { job, only }, tag));
            return;
        };
        let waits = asker.waits && asker.caller != Some(holder);
        self.change(holder, |worker, pool| {
            let alive = worker.is_alive();
            let Some(flight) = worker.flights.iter_mut().find(|f| f.job.id == job) else { return };
            let reason = CancelReason::Cancelled;
            if flight.tell(reason, now.mono + pool.settings.limits.kill_after) && alive {
                out.push(Action::CancelRequest { worker: holder, request: flight.request, reason });
            }
            if let Some(told) = flight.told_mut() {
                told.why = reason;
                told.tickets.extend(waits.then_some(ticket));
            }
        });
        if !asker.waits {
            out.push(Action::Reply(ticket, Ok(Done::Cancelled)));
        } else if !waits {
            out.push(Action::Reply(ticket, Ok(Done::AtOnce(Box::new(Done::Cancelled)))));
        }
    }

    pub(super) fn job_changed(
        &mut self,
        ticket: Ticket,
        (job, only): (JobId, States),
        change: JobChange,
        now: Now,
        out: &mut Vec<Action>,
    ) {
        let reply = match change {
            // Its claim was on the way when we asked: now it is at a worker, or claimed ahead.
            JobChange::Was(JobState::Running) if self.knows(job) => {
                self.asked_again.remove(&(ticket, job));
                self.cancel(ticket, (job, only), Asker { waits: true, caller: None, grace: None }, now, out);
                return;
            }
            // The job was running when the store looked, and has been given back or has ended since: look again.
            JobChange::Was(JobState::Running) if self.asks_again(ticket, job) => {
                let tag = Tag::Cancel { job, only, ticket, wait: true };
                out.push(Action::Write(Change::Cancel { job, only }, tag));
                return;
            }
            JobChange::Was(state) if !only.has(state) => Err(Refusal::JobLeft(job, state)),
            JobChange::Was(JobState::Running) => Err(Refusal::JobEnded(job, JobState::Running)),
            JobChange::Was(JobState::Ready | JobState::Scheduled | JobState::Blocked)
            | JobChange::Elsewhere(Ok(())) => Ok(Done::Cancelled),
            JobChange::Was(state @ (JobState::Succeeded | JobState::Dead | JobState::Cancelled)) => {
                Err(Refusal::JobEnded(job, state))
            }
            JobChange::Elsewhere(Err((why, code))) => Err(Refusal::Elsewhere(job, why, code)),
            JobChange::Missing => Err(Refusal::NoSuchJob(job)),
        };
        self.asked_again.remove(&(ticket, job));
        out.push(Action::Reply(ticket, reply));
    }

    fn asks_again(&mut self, ticket: Ticket, job: JobId) -> bool {
        let asked = self.asked_again.entry((ticket, job)).or_default();
        *asked += 1;
        *asked <= MOST_LOOKS
    }

    fn knows(&self, job: JobId) -> bool {
        self.holders.contains_key(&job) || self.pools.values().any(|p| p.ahead().any(|j| j.id == job))
    }
}
