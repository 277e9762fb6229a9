//! The small numbers that stand for words in the tables.
//!
//! Knows nothing of SQL. Invariant: a number never changes its meaning; a new word is added at the end of its enum.

use rusqlite::types::{FromSqlError, FromSqlResult};

use crate::model::processor::{ProcessorRunState, RunSource, SkipCause};
use crate::model::worker::EndReason;
use crate::model::{Cause, JobState, Outcome};

/// The number of an outcome.
pub(in crate::store) const fn outcome(outcome: Outcome) -> i64 {
    outcome as i64
}

/// The number of a cause.
pub(in crate::store) const fn cause(cause: Cause) -> i64 {
    cause as i64
}

/// The states in the order of their numbers.
pub(in crate::store) const STATES: [JobState; 7] = [
    JobState::Scheduled,
    JobState::Ready,
    JobState::Running,
    JobState::Succeeded,
    JobState::Dead,
    JobState::Cancelled,
    JobState::Blocked,
];

/// The number of a state.
pub(in crate::store) const fn state(state: JobState) -> i64 {
    state as i64
}

/// The number of the reason a worker ended.
pub(in crate::store) const fn reason(reason: EndReason) -> i64 {
    reason as i64
}

/// The number of the state of a run of a processor.
pub(in crate::store) const fn processor_run_state(state: ProcessorRunState) -> i64 {
    state as i64
}

/// The number of the reason why there is a run of a processor.
pub(in crate::store) const fn source(source: RunSource) -> i64 {
    source as i64
}

/// The number of the reason why a tick has no run.
pub(in crate::store) const fn skip(cause: SkipCause) -> i64 {
    cause as i64
}

/// The word for a number, from the list of all of them in the order of their numbers.
pub(in crate::store) fn word<T: Copy>(all: &[T], number: i64) -> FromSqlResult<T> {
    usize::try_from(number).ok().and_then(|i| all.get(i)).copied().ok_or(FromSqlError::OutOfRange(number))
}

/// The word for a number that may be missing.
pub(in crate::store) fn maybe_word<T: Copy>(all: &[T], number: Option<i64>) -> FromSqlResult<Option<T>> {
    number.map(|number| word(all, number)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_never_changes_its_meaning() {
        let words: Vec<_> = Outcome::ALL.iter().map(|o| o.as_str()).collect();
        assert_eq!(words.join(" "), "succeeded failed timed_out crashed cancelled released");
        let words: Vec<_> = Cause::ALL.iter().map(|c| c.as_str()).collect();
        assert_eq!(
            words.join(" "),
            "max_attempts no_retry poison not_found not_executable cancelled expired error signal timeout memory \
             worker_exited protocol stop restart scale recycle master_lost not_begun parent"
        );
        let words: Vec<_> = STATES.iter().map(|s| s.as_str()).collect();
        assert_eq!(words.join(" "), "scheduled ready running succeeded dead cancelled blocked");
        let words: Vec<_> = EndReason::ALL.iter().map(|r| r.as_str()).collect();
        assert_eq!(
            words.join(" "),
            "exited retired scaled restarted stopped max_jobs max_time memory memory_max job_timeout job_cancelled \
             ready_timeout protocol spawn_failed master_lost cpu unhealthy"
        );
    }

    #[test]
    fn every_word_comes_back_from_its_number() {
        for o in Outcome::ALL {
            assert_eq!(word(&Outcome::ALL, outcome(o)), Ok(o));
        }
        for c in Cause::ALL {
            assert_eq!(word(&Cause::ALL, cause(c)), Ok(c));
        }
        for s in JobState::ALL {
            assert_eq!(word(&STATES, state(s)), Ok(s));
        }
        for r in EndReason::ALL {
            assert_eq!(word(&EndReason::ALL, reason(r)), Ok(r));
        }
        assert!(word(&Outcome::ALL, -1).is_err());
        assert!(word(&Outcome::ALL, 6).is_err());
    }
}
