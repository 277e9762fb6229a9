//! A job at a worker, from the moment it is sent.

use std::sync::Arc;
use std::time::Duration;

use super::Ticket;
use crate::model::job::Progress;
use crate::model::{CancelReason, Claimed, Mono};

/// A job at a worker.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Request id on this worker.
    pub request: u64,
    pub job: Arc<Claimed>,
    /// How far it is.
    pub stage: Stage,
    /// Sent while the worker had all it can do at a time: begun when another ended, or never.
    pub ahead: bool,
    /// Most memory of the worker seen while it ran.
    pub peak: Option<u64>,
    /// Its last report of progress.
    pub progress: Option<Progress>,
    /// The last note on the run of its processor.
    pub note: Option<Box<str>>,
}

/// How far a job at a worker is.
#[derive(Clone, Debug)]
pub enum Stage {
    /// Behind others, as far as we know.
    Sent {
        /// How long it may run.
        timeout: Duration,
        /// Already asked to end.
        told: Option<Told>,
    },
    Running {
        /// When it began, as far as we know: when it was sent, or when the one before it was answered.
        since: Mono,
        /// When it must be done.
        deadline: Mono,
    },
    /// Begun, and asked to end.
    Ending {
        since: Mono,
        /// Why it is to end.
        told: Told,
        /// When its worker is ended, if the job does not end.
        term_at: Mono,
    },
}

/// Why a job is to end, and who waits for that.
#[derive(Clone, Debug)]
pub struct Told {
    pub why: CancelReason,
    /// The job was given no time to end by itself.
    pub at_once: bool,
    /// Tickets that wait for the end.
    pub tickets: Vec<Ticket>,
}

impl Flight {
    /// When it began, as far as we know.
    #[must_use]
    pub const fn started(&self) -> Option<Mono> {
        match self.stage {
            Stage::Sent { .. } => None,
            Stage::Running { since, .. } | Stage::Ending { since, .. } => Some(since),
        }
    }

    /// How long it took until then.
    pub(super) fn took(&self, ended: Mono) -> Duration {
        self.started().map_or(Duration::ZERO, |since| ended.since(since))
    }

    /// Why it was asked to end, if it was.
    #[must_use]
    pub const fn told(&self) -> Option<CancelReason> {
        match &self.stage {
            Stage::Sent { told: Some(told), .. } | Stage::Ending { told, .. } => Some(told.why),
            Stage::Sent { told: None, .. } | Stage::Running { .. } => None,
        }
    }

    /// Whether the job was asked to end and given no time for it.
    pub(super) const fn told_in_haste(&self) -> bool {
        match &self.stage {
            Stage::Sent { told: Some(told), .. } | Stage::Ending { told, .. } => told.at_once,
            Stage::Sent { told: None, .. } | Stage::Running { .. } => false,
        }
    }

    /// Whether the job is to run again if this run comes to nothing: not cancelled, and its time is not over.
    pub(super) fn goes_on(&self) -> bool {
        matches!(self.told(), None | Some(CancelReason::Shutdown))
    }

    /// When something must be done about it.
    pub(super) const fn next_deadline(&self) -> Option<Mono> {
        match self.stage {
            Stage::Sent { .. } => None,
            Stage::Running { deadline, .. } => Some(deadline),
            Stage::Ending { term_at, .. } => Some(term_at),
        }
    }

    /// The worker can be working on it now. One that was cancelled while it waited has `patience` from now on.
    pub(super) fn begin(&mut self, now: Mono, patience: Duration) {
        if let Stage::Sent { timeout, told } = &mut self.stage {
            self.stage = match told.take() {
                None => Stage::Running { since: now, deadline: now + *timeout },
                Some(told) => Stage::Ending { since: now, told, term_at: now + patience },
            };
        }
    }

    /// Asks the job to end; false if it was asked already.
    pub(super) fn tell(&mut self, why: CancelReason, term_at: Mono) -> bool {
        let told = Told { why, at_once: false, tickets: Vec::new() };
        match &mut self.stage {
            Stage::Sent { told: before @ None, .. } => *before = Some(told),
            Stage::Running { since, .. } => self.stage = Stage::Ending { since: *since, told, term_at },
            Stage::Sent { told: Some(_), .. } | Stage::Ending { .. } => return false,
        }
        true
    }

    /// Why the job is to end, if it is.
    pub(super) const fn told_mut(&mut self) -> Option<&mut Told> {
        match &mut self.stage {
            Stage::Sent { told, .. } => told.as_mut(),
            Stage::Running { .. } => None,
            Stage::Ending { told, .. } => Some(told),
        }
    }

    /// Its worker asks for so much time from now on.
    pub(super) fn extend(&mut self, now: Mono, by: Duration) {
        match &mut self.stage {
            Stage::Sent { timeout, .. } => *timeout = by.max(*timeout),
            Stage::Running { deadline, .. } => *deadline = now + by,
            Stage::Ending { .. } => {}
        }
    }
}
