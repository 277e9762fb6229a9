//! Waits for the end of a job.

use std::time::Duration;

use super::begin::{Begun, busy};
use super::{Answer, Refused};
use crate::core::Ticket;
use crate::master::reader::{Found, Origin, Question};
use crate::master::{Master, wall};
use crate::model::{JobId, Notice, Now};
use crate::report::events;
use crate::wire::control::OneJob;

impl Master {
    pub(super) fn wait_for_job(&mut self, ticket: Ticket, params: OneJob) -> Begun {
        let wait = params.timeout_s.map(Duration::try_from_secs_f64).transpose();
        let wait = wait.map_err(|e| Refused::Params(format!("`timeout_s`: {e}")))?;
        let until = wait.map(|wait| self.time.mono() + wait);
        let caller = self.caller(ticket);
        self.refuse_own_wait(caller, params.id)?;
        self.requests.table.wait_for_job(ticket, params.id, until, caller);
        self.look_up(ticket, params.id);
        Ok(None)
    }

    /// The reader has found something.
    pub(in crate::master) fn found(&mut self, ticket: Ticket, mut found: Found) {
        if self.selected(ticket, &mut found) {
            return;
        }
        let Some((wait, outdated)) = self.requests.table.job_end(ticket) else {
            return self.answer(ticket, found.text.map(Answer::Records));
        };
        let over = wait.until.is_some_and(|at| at <= self.time.mono());
        match found.job.filter(|job| !job.state.is_final()) {
            Some(_) if outdated => self.look_up(ticket, wait.job),
            Some(job) if !over => match self.refuse_vain_wait(wait.caller, &job) {
                Ok(()) => {
                    if let Some(peer) = self.requests.table.peer(ticket).filter(|_| !wait.told)
                        && let Some(text) = events::waits_for_retry(&job, wall())
                    {
                        self.send_note(peer, &text);
                        self.requests.table.told(ticket);
                    }
                    self.requests.table.rests(ticket);
                }
                Err(refused) => self.answer(ticket, Err(refused)),
            },
            _ => self.answer(ticket, found.text.map(Answer::Records)),
        }
    }

    /// A job may have ended, or failed for now: who waits for it asks the records again. Who began to wait after the failure
    /// was decided and before it was on record hears of it only so.
    pub(in crate::master) fn job_may_have_ended(&mut self, job: JobId) {
        self.core.forget_releases(job);
        for ticket in self.requests.table.job_may_have_ended(job) {
            self.look_up(ticket, job);
        }
    }

    /// Tells who waits for a job of each attempt that failed: it may be long until the next.
    pub(in crate::master) fn tell_who_waits(&mut self, notice: &Notice) {
        let Notice::JobFailed { job, .. } = notice else { return };
        for peer in self.requests.table.tell(*job) {
            self.send_note(peer, &events::line(&notice.clone().into()));
        }
    }

    /// Asks the reader for a job that somebody waits for.
    fn look_up(&mut self, ticket: Ticket, job: JobId) {
        self.requests.table.asks(ticket);
        if !self.requests.reader.ask(Origin::Request(ticket), Question::Job(job)) {
            self.answer(ticket, Err(busy()));
        }
    }

    /// Waits whose time is over get the job as it is.
    pub(in crate::master) fn expire_waiters(&mut self, now: Now) {
        for ticket in self.requests.table.expired(now.mono) {
            if let Some((wait, _)) = self.requests.table.job_end(ticket) {
                self.look_up(ticket, wait.job);
            }
        }
    }
}
