//! From the end of a run to the next state of its job. Pure tables, no state.

use std::time::Duration;

use super::backoff;
use super::random::Random;
use crate::model::answer::{NO_SUCH_TYPE, PROTOCOL};
use crate::model::change::Next;
use crate::model::worker::{EndReason, Exit};
use crate::model::{Answer, CancelReason, Cause, Claimed, Counters, Outcome, PoolLimits, Retry, RunError, UnixMicros};

/// Consequences of the end of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) outcome: Outcome,
    pub(super) cause: Option<Cause>,
    pub(super) next: Next,
    pub(super) counters: Counters,
}

/// Everything the verdict on a failure depends on.
pub(super) struct Case<'a> {
    pub(super) job: &'a Claimed,
    pub(super) limits: &'a PoolLimits,
    pub(super) now: UnixMicros,
}

impl Case<'_> {
    /// The worker answered, and nobody had asked it to end the job.
    pub(super) fn answered(&self, answer: &Answer, random: &mut Random) -> Verdict {
        match &answer.verdict {
            Ok(_) => self.succeeded(),
            Err(error) => self.failed(error, answer.detail.signal.is_some(), random),
        }
    }

    /// The worker answered after it was asked to end the job. A result still counts.
    pub(super) fn answered_late(&self, answer: &Answer, why: CancelReason, how: Cause, random: &mut Random) -> Verdict {
        if answer.verdict.is_ok() { self.succeeded() } else { self.ended(why, how, random) }
    }

    /// The job was ended on request: by the worker itself, or with it.
    pub(super) fn ended(&self, why: CancelReason, how: Cause, random: &mut Random) -> Verdict {
        match why {
            CancelReason::Timeout => self.charged(Outcome::TimedOut, Cause::Timeout, None, random),
            CancelReason::Cancelled => Verdict {
                outcome: Outcome::Cancelled,
                cause: Some(Cause::Cancelled),
                next: Next::Cancelled(Cause::Cancelled),
                counters: self.judged(),
            },
            CancelReason::Shutdown => self.released(how),
        }
    }

    /// Given back: nothing is blamed on the job.
    pub(super) fn released(&self, cause: Cause) -> Verdict {
        let counters = self.job.counters.released();
        let next = if counters.goes_behind() { Next::Behind } else { Next::Ready };
        Verdict { outcome: Outcome::Released, cause: Some(cause), next, counters }
    }

    /// Its worker died under it.
    pub(super) fn crashed(&self, why: EndReason, exit: Option<Exit>) -> Verdict {
        let mut counters = self.judged();
        counters.crashes += 1;
        let cause = match (why, exit) {
            (EndReason::MemoryMax, _) => Cause::Memory,
            (_, Some(Exit::Signal(_))) => Cause::Signal,
            (_, Some(Exit::Code(_)) | None) => Cause::WorkerExited,
        };
        let next = if counters.crashes >= self.limits.max_crashes { Next::Dead(Cause::Poison) } else { Next::Ready };
        Verdict { outcome: Outcome::Crashed, cause: Some(cause), next, counters }
    }

    /// Counters before a run that had a result.
    fn judged(&self) -> Counters {
        Counters { releases_in_a_row: 0, ..self.job.counters }
    }

    fn succeeded(&self) -> Verdict {
        Verdict { outcome: Outcome::Succeeded, cause: None, next: Next::Succeeded, counters: self.judged() }
    }

    fn failed(&self, error: &RunError, by_signal: bool, random: &mut Random) -> Verdict {
        let cause = match error.kind.as_deref() {
            Some("not_found") => Cause::NotFound,
            Some("not_executable") => Cause::NotExecutable,
            Some(PROTOCOL) => Cause::Protocol,
            _ if error.code == Some(NO_SUCH_TYPE) => Cause::NotFound,
            _ if by_signal => Cause::Signal,
            _ => Cause::Error,
        };
        // Another worker may know the type, or a newer release of this one.
        let of_worker = error.code == Some(NO_SUCH_TYPE);
        match (cause, error.retry) {
            (Cause::NotFound | Cause::NotExecutable, _) if !of_worker => self.dead(cause, cause),
            (_, Retry::Never) => self.dead(cause, Cause::NoRetry),
            (_, Retry::After(wait)) => self.charged(Outcome::Failed, cause, Some(wait), random),
            (_, Retry::Policy) => self.charged(Outcome::Failed, cause, None, random),
        }
    }

    fn dead(&self, cause: Cause, job_cause: Cause) -> Verdict {
        let mut counters = self.judged();
        counters.attempts += 1;
        Verdict { outcome: Outcome::Failed, cause: Some(cause), next: Next::Dead(job_cause), counters }
    }

    fn charged(&self, outcome: Outcome, cause: Cause, wait: Option<Duration>, random: &mut Random) -> Verdict {
        let mut counters = self.judged();
        counters.attempts += 1;
        let next = if counters.attempts >= self.job.max_attempts.unwrap_or(self.limits.max_attempts) {
            Next::Dead(Cause::MaxAttempts)
        } else {
            let wait = wait.unwrap_or_else(|| backoff::retry(self.limits.backoff, counters.attempts, random));
            Next::RetryAt(self.now.plus(wait))
        };
        Verdict { outcome, cause: Some(cause), next, counters }
    }
}
