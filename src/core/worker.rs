//! The master's view of one worker process: its state, its flights, its deadlines.
//!
//! Data lives in the state where it is true. Invariant: the first `concurrency` flights are the started ones.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::escalation::sooner;
use super::flight::Flight;
use super::leaks::Mark;
use super::slot::SlotHistory;
use super::{PoolId, ShareId};
use crate::model::worker::{EndReason, Exit};
use crate::model::{Claimed, LastLines, Mono, Slot, WorkerState};

/// State of a worker.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Asked for; there is no process yet.
    Spawning {
        /// The process is to leave: why, and when its grace is over.
        leaves: Option<(EndReason, Option<Mono>)>,
    },
    /// Spawned, not yet ready.
    Starting {
        /// Its process id.
        pid: u32,
        /// When it must be ready.
        ready_by: Mono,
    },
    Ready {
        /// Its process id.
        pid: u32,
        /// The limit it has reached.
        recycle: Option<Recycle>,
        /// Until then it is given no job, as it cannot start commands.
        paused_until: Option<Mono>,
    },
    /// Takes no more jobs; finishes what it holds, then its stdin is closed and it leaves.
    Draining {
        /// Its process id.
        pid: u32,
        why: EndReason,
        /// When it is ended. `None` while its jobs are waited for, each of which has a deadline of its own.
        deadline: Option<Mono>,
        /// Whether its stdin is closed.
        closed: bool,
    },
    Ending {
        /// Its process id.
        pid: u32,
        why: EndReason,
        kill_at: Mono,
    },
    Killed {
        /// Its process id.
        pid: u32,
        why: EndReason,
        since: Mono,
        /// Whether people were told that it does not die.
        told: bool,
    },
    /// The process has exited; its leftovers are being swept, then its flights end.
    Gone {
        why: EndReason,
        /// Whether we ended it while it ran: nothing is blamed on its jobs.
        ours: bool,
        exit: Option<Exit>,
        at: Mono,
        /// Its last lines of output.
        last: Box<LastLines>,
        /// The last request it had read anything of.
        read: u64,
    },
}

/// A limit that a worker has reached; it waits for its turn to be replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recycle {
    /// Which limit.
    pub why: EndReason,
    pub hold: Hold,
}

/// How long a worker at a limit is given no further job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Until the job that it does is done, however long that takes.
    Busy,
    /// For a moment, as its turn should come.
    Until(Mono),
    /// Its turn was long in coming.
    Over,
}

impl State {
    /// A worker that has just become ready.
    pub(super) const fn ready(pid: u32) -> Self {
        Self::Ready { pid, recycle: None, paused_until: None }
    }

    /// Its process id, as long as there is a process.
    #[must_use]
    pub const fn pid(&self) -> Option<u32> {
        match *self {
            Self::Spawning { .. } | Self::Gone { .. } => None,
            Self::Starting { pid, .. }
            | Self::Ready { pid, .. }
            | Self::Draining { pid, .. }
            | Self::Ending { pid, .. }
            | Self::Killed { pid, .. } => Some(pid),
        }
    }

    /// Not even KILL ends it, as people were told.
    pub(super) const fn is_unkillable(&self) -> bool {
        matches!(self, Self::Killed { told: true, .. })
    }

    /// Why it is on its way out.
    #[must_use]
    pub const fn leaves(&self) -> Option<EndReason> {
        match *self {
            Self::Spawning { leaves: None } | Self::Starting { .. } | Self::Ready { .. } => None,
            Self::Spawning { leaves: Some((why, _)) }
            | Self::Draining { why, .. }
            | Self::Ending { why, .. }
            | Self::Killed { why, .. }
            | Self::Gone { why, .. } => Some(why),
        }
    }
}

/// One worker process.
#[derive(Clone, Debug)]
pub struct Handle {
    /// `<pool>-<slot>`
    pub name: Arc<str>,
    pub pool: PoolId,
    pub slot: Slot,
    pub state: State,
    /// The jobs it holds, in the order sent.
    pub flights: VecDeque<Flight>,
    /// When it was asked for.
    pub since: Mono,
    /// The past of the slot that it was told to leave, which it has again if it is taken back.
    pub history: SlotHistory,
    /// Jobs, or calls, that it has answered.
    pub jobs_done: u64,
    /// The gateway may still have calls for it, though it leaves.
    pub(super) has_calls: bool,
    /// Why the gateway has no use for it, be it a call that does not end.
    pub(super) given_up: Option<Box<str>>,
    /// Whether it has been ready.
    pub(super) was_ready: bool,
    /// Why it is not what it is to be.
    pub(super) refused: Option<Box<str>>,
    /// Jobs it can do at a time.
    pub concurrency: u32,
    /// Which jobs it takes.
    pub(super) share: ShareId,
    /// Last measured, in bytes.
    pub memory: Option<u64>,
    /// Most measured, in bytes.
    pub peak: Option<u64>,
    /// Last measured, of one CPU.
    pub cpu: Option<f64>,
    /// When that was.
    pub(super) sampled: Option<Mono>,
    /// Since when every sample of its CPU was over the limit.
    pub(super) cpu_over: Option<Mono>,
    /// With descendants, after its first finished job, in bytes.
    pub baseline: Option<u64>,
    /// Without descendants: after its first finished job, and at its last answer, in bytes.
    pub alone: Option<(u64, u64)>,
    /// Its own number of jobs before it is recycled.
    pub max_jobs: Option<u64>,
    /// When it is recycled for its age.
    pub expires: Option<Mono>,
    /// Pauses in a row, as it could not start commands.
    pub(super) pauses: u32,
    pub(super) next_request: u64,
    pub(super) armed: Option<Mono>,
    pub(super) load: Option<u32>,
    pub(super) mark: Mark,
}

impl Handle {
    /// So much was measured: for the worker, and for the jobs that run in it.
    pub(super) fn note_peak(&mut self, memory: u64) {
        self.peak = self.peak.max(Some(memory));
        for flight in self.flights.iter_mut().filter(|flight| flight.started().is_some()) {
            flight.peak = flight.peak.max(Some(memory));
        }
    }

    /// Whether the worker is ready, and not on its way out.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Whether the worker is given jobs: ready, and able to start commands.
    pub(super) fn takes_jobs(&self) -> bool {
        matches!(self.state, State::Ready { paused_until: None, .. })
    }

    /// Until when it is given no job, as it cannot start commands.
    #[must_use]
    pub fn paused_until(&self) -> Option<Mono> {
        let State::Ready { paused_until, .. } = self.state else { return None };
        paused_until
    }

    /// Whether the worker is at a limit, and given no job for a moment.
    pub(super) fn is_held(&self) -> bool {
        matches!(self.state, State::Ready { recycle: Some(Recycle { hold: Hold::Busy | Hold::Until(_), .. }), .. })
    }

    /// Whether its turn to be replaced comes when its job is done. One that does several at a time would be idle for long
    /// meanwhile.
    pub(super) fn finishes_first(&self) -> bool {
        self.concurrency == 1 && !self.flights.is_empty()
    }

    /// Whether the worker does a last job.
    pub(super) fn leaves_after_job(&self) -> bool {
        matches!(self.state, State::Draining { .. }) && !self.flights.is_empty()
    }

    /// The jobs that it does now.
    pub(super) fn running(&self) -> u64 {
        self.flights.iter().filter(|flight| flight.started().is_some()).count() as u64
    }

    /// Whether its process runs or is about to.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        !matches!(self.state, State::Gone { .. })
    }

    /// Whether the worker has finished nothing yet and has not lived for long.
    pub(super) fn is_young(&self, now: Mono) -> bool {
        self.jobs_done == 0 && now.since(self.since) < super::exits::HEALTHY_AFTER
    }

    /// The word for its state.
    #[must_use]
    pub fn word(&self) -> WorkerState {
        match self.state {
            State::Spawning { .. } | State::Starting { .. } => WorkerState::Starting,
            State::Ready { .. } if !self.flights.is_empty() => WorkerState::Busy,
            State::Ready { paused_until: Some(_), .. } => WorkerState::Backoff,
            State::Ready { .. } => WorkerState::Idle,
            State::Draining { .. } => WorkerState::Draining,
            State::Ending { .. } | State::Killed { .. } | State::Gone { .. } => WorkerState::Stopping,
        }
    }

    /// When the grace of its present state is over.
    #[must_use]
    pub fn grace_until(&self) -> Option<Mono> {
        match self.state {
            State::Draining { deadline, .. } => deadline,
            State::Ending { kill_at, .. } => Some(kill_at),
            State::Spawning { .. }
            | State::Starting { .. }
            | State::Ready { .. }
            | State::Killed { .. }
            | State::Gone { .. } => None,
        }
    }

    /// The earliest moment at which something must be done about it.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let state = match self.state {
            State::Starting { ready_by, .. } => Some(ready_by),
            State::Ready { recycle: None, .. } => self.expires,
            State::Ready { recycle: Some(Recycle { hold: Hold::Until(at), .. }), .. } => Some(at),
            State::Draining { deadline, .. } => deadline,
            State::Ending { kill_at, .. } => Some(kill_at),
            State::Killed { since, told: false, .. } => Some(since + super::escalation::UNKILLABLE_AFTER),
            State::Spawning { .. } | State::Ready { .. } | State::Killed { .. } | State::Gone { .. } => None,
        };
        let mut next = sooner(state, self.paused_until());
        if self.watches_jobs() {
            // Begun jobs stand in front.
            for deadline in self.flights.iter().map_while(Flight::next_deadline) {
                next = sooner(next, Some(deadline));
            }
        }
        next
    }

    /// Whether deadlines of its jobs are kept; later it is ended anyway.
    pub(super) fn watches_jobs(&self) -> bool {
        matches!(self.state, State::Ready { .. } | State::Draining { .. })
    }

    /// Marks as begun what the worker can be working on now, and tells of each.
    pub(super) fn begin_flights(&mut self, now: Mono, patience: Duration, mut begun: impl FnMut(&Claimed)) {
        for flight in self.flights.iter_mut().take(self.concurrency as usize) {
            if flight.started().is_none() {
                flight.begin(now, patience);
                begun(&flight.job);
            }
        }
    }

    pub(super) fn flight(&mut self, request: u64) -> Option<&mut Flight> {
        self.flights.iter_mut().find(|f| f.request == request)
    }
}
