//! The master's view of one worker process: its state, its flights, its deadlines.
//!
//! Data lives in the state where it is true. Invariant: the first `concurrency` flights are the started ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::{PoolId, Ticket};
use crate::model::job::Progress;
use crate::model::worker::{EndReason, Exit};
use crate::model::{CancelReason, Claimed, LastLines, Mono, Slot, WorkerState};

/// State of a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Spawned or about to be, not yet ready.
    Starting {
        /// When it must be ready.
        ready_by: Mono,
    },
    /// Takes jobs.
    Ready,
    /// Takes no more jobs; finishes what it holds, then its stdin is closed and it leaves.
    Draining {
        /// Why it leaves.
        why: EndReason,
        /// When the grace is over.
        deadline: Mono,
        /// Whether its stdin is closed.
        closed: bool,
    },
    /// TERM was sent.
    Ending {
        /// Why it leaves.
        why: EndReason,
        /// When KILL follows.
        kill_at: Mono,
    },
    /// KILL was sent.
    Killed {
        /// Why it leaves.
        why: EndReason,
        /// When.
        since: Mono,
        /// Whether people were told that it does not die.
        told: bool,
    },
    /// The process has exited; its leftovers are being swept, then its flights end.
    Gone {
        /// Why.
        why: EndReason,
        /// Whether we ended it while it ran: nothing is blamed on its jobs.
        ours: bool,
        /// How.
        exit: Exit,
        /// When.
        at: Mono,
        /// Its last lines of output.
        last: Box<LastLines>,
        /// The last request it had read anything of.
        read: u64,
    },
}

/// A job at a worker.
#[derive(Clone, Debug)]
pub struct Flight {
    /// Request id on this worker.
    pub request: u64,
    /// The job.
    pub job: Arc<Claimed>,
    /// How long it may run.
    pub timeout: Duration,
    /// When it began, as far as we know: when it was sent, or when the one before it was answered.
    pub started: Option<Mono>,
    /// Sent while the worker had all it can do at a time: begun when another ended, or never.
    pub ahead: bool,
    /// When it must be done; set when it begins.
    pub deadline: Option<Mono>,
    /// Whether it was asked to end.
    pub ending: Option<Ending>,
    /// Most memory of the worker seen while it ran.
    pub peak: Option<u64>,
    /// Its last report of progress.
    pub progress: Option<Progress>,
}

/// A job that was asked to end.
#[derive(Clone, Debug)]
pub struct Ending {
    /// Why.
    pub why: CancelReason,
    /// When its worker is ended, if it does not honour that.
    pub term_at: Mono,
    /// Tickets that wait for the end.
    pub tickets: Vec<Ticket>,
}

/// One worker process.
#[derive(Clone, Debug)]
pub struct Handle {
    /// `<pool>-<slot>`
    pub name: Arc<str>,
    /// Its pool.
    pub pool: PoolId,
    /// Its slot.
    pub slot: Slot,
    /// Its process id, once spawned.
    pub pid: Option<u32>,
    /// Its state.
    pub state: State,
    /// The jobs it holds, in the order sent.
    pub flights: VecDeque<Flight>,
    /// When it was asked for.
    pub since: Mono,
    /// Jobs it has answered.
    pub jobs_done: u64,
    /// Jobs it can do at a time.
    pub concurrency: u32,
    /// Last measured, in bytes.
    pub memory: Option<u64>,
    /// Most measured, in bytes.
    pub peak: Option<u64>,
    /// Last measured, of one CPU.
    pub cpu: Option<f64>,
    /// With descendants, after its first finished job, in bytes.
    pub baseline: Option<u64>,
    /// Without descendants: after its first finished job, and at its last answer, in bytes.
    pub alone: Option<(u64, u64)>,
    /// Its own number of jobs before it is recycled.
    pub max_jobs: Option<u64>,
    /// When it is recycled for its age.
    pub expires: Option<Mono>,
    /// The limit it has reached; it waits for its turn to be replaced.
    pub recycle: Option<EndReason>,
    /// Until then it is given no job: it is at a limit, and its turn to be replaced should come in a moment.
    pub held_until: Option<Mono>,
    /// Until then it is given no job, as it cannot start commands.
    pub paused_until: Option<Mono>,
    /// Such pauses in a row.
    pub(super) pauses: u32,
    pub(super) next_request: u64,
    pub(super) armed: Option<Mono>,
    pub(super) load: Option<u32>,
}

impl Handle {
    /// So much was measured: for the worker, and for the jobs that run in it.
    pub(super) fn note_peak(&mut self, memory: u64) {
        self.peak = self.peak.max(Some(memory));
        for flight in self.flights.iter_mut().filter(|flight| flight.started.is_some()) {
            flight.peak = flight.peak.max(Some(memory));
        }
    }

    /// Whether it takes jobs.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready)
    }

    /// Whether its process runs or is about to.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, State::Gone { .. })
    }

    /// Whether it has finished nothing yet and has not lived for long.
    pub(super) fn is_young(&self, now: Mono) -> bool {
        self.jobs_done == 0 && now.since(self.since) < super::exits::HEALTHY_AFTER
    }

    /// The word for its state.
    #[must_use]
    pub fn word(&self) -> WorkerState {
        match self.state {
            State::Starting { .. } => WorkerState::Starting,
            State::Ready if self.paused_until.is_some() && self.flights.is_empty() => WorkerState::Backoff,
            State::Ready if self.flights.is_empty() => WorkerState::Idle,
            State::Ready => WorkerState::Busy,
            State::Draining { .. } => WorkerState::Draining,
            State::Ending { .. } | State::Killed { .. } | State::Gone { .. } => WorkerState::Stopping,
        }
    }

    /// When the grace of its present state is over.
    #[must_use]
    pub fn grace_until(&self) -> Option<Mono> {
        match self.state {
            State::Draining { deadline, .. } => Some(deadline),
            State::Ending { kill_at, .. } => Some(kill_at),
            State::Starting { .. } | State::Ready | State::Killed { .. } | State::Gone { .. } => None,
        }
    }

    /// The earliest moment at which something must be done about it.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let state = match self.state {
            State::Starting { ready_by } => Some(ready_by),
            State::Ready if self.recycle.is_none() => self.expires,
            State::Ready => self.held_until,
            State::Draining { deadline, .. } => Some(deadline),
            State::Ending { kill_at, .. } => Some(kill_at),
            State::Killed { since, told: false, .. } => Some(since + super::shutdown::UNKILLABLE_AFTER),
            State::Killed { .. } | State::Gone { .. } => None,
        };
        let watches_jobs = matches!(self.state, State::Ready | State::Draining { .. } | State::Starting { .. });
        // Begun jobs stand in front.
        let begun = self.flights.iter().take_while(|flight| watches_jobs && flight.started.is_some());
        let jobs = begun.filter_map(Flight::next_deadline).min();
        let pause = self.paused_until.filter(|_| self.is_ready());
        [state, jobs, pause].into_iter().flatten().min()
    }

    /// Marks as started what the worker can be working on now, and tells of each. What was cancelled while it waited
    /// gets `patience` from now on.
    pub(super) fn start_flights(&mut self, now: Mono, patience: Duration, mut begun: impl FnMut(&Claimed)) {
        for flight in self.flights.iter_mut().take(self.concurrency as usize) {
            if flight.started.is_none() {
                flight.started = Some(now);
                flight.deadline = Some(now + flight.timeout);
                if let Some(ending) = &mut flight.ending {
                    ending.term_at = now + patience;
                }
                begun(&flight.job);
            }
        }
    }

    pub(super) fn flight(&mut self, request: u64) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|f| f.request == request)
    }
}

impl Flight {
    fn next_deadline(&self) -> Option<Mono> {
        self.started?;
        match &self.ending {
            Some(ending) => Some(ending.term_at),
            None => self.deadline,
        }
    }
}
