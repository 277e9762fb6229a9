//! Why a job cannot be retried, cancelled or deleted in the state it is in; for the master and for the command line.

use crate::model::{JobId, JobState};
use crate::wire::control::RefusedJob;

/// Action on a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobAction {
    /// Make it ready again.
    Retry,
    Cancel,
    Delete,
}

impl JobAction {
    /// `retried`, `cancelled`, `deleted`.
    #[must_use]
    pub const fn done(self) -> &'static str {
        match self {
            Self::Retry => "retried",
            Self::Cancel => "cancelled",
            Self::Delete => "deleted",
        }
    }
}

/// For an unknown queue.
#[must_use]
pub fn no_queue<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    format!("there is no queue `{name}`: no pool serves it, and nothing of it is on record{}", nearest(name, known))
}

/// The name that was probably meant, or where to look it up.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let far = name.chars().count() / 3 + 1;
    let distances = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    match distances.filter(|(distance, _)| *distance <= far).min() {
        Some((_, known)) => format!("; did you mean `{known}`?"),
        None => String::from("; see `queue-work status`"),
    }
}

/// For a job that does not exist.
#[must_use]
pub fn missing(id: JobId) -> RefusedJob {
    RefusedJob { id, reason: format!("there is no job {id}"), exit_code: 4 }
}

/// For a job that another master runs, which is told to cancel it: whether it does is not known yet.
#[must_use]
pub fn elsewhere(id: JobId, host: &str) -> RefusedJob {
    let reason = format!("job {id} runs on `{host}`, which is told to cancel it; see `queue-work jobs show {id}`");
    RefusedJob { id, reason, exit_code: 1 }
}

/// For a job that cannot be retried, as an unfinished job has its unique key.
#[must_use]
pub fn held(id: JobId, by: JobId) -> RefusedJob {
    let reason = format!(
        "job {id} cannot be retried: job {by} has its unique key and is unfinished; try again when that has ended \
         (`queue-work jobs wait {by}`), or end it with `queue-work jobs cancel {by}`"
    );
    RefusedJob { id, reason, exit_code: 5 }
}

/// Why nothing was changed in a job that was in the state `was`; `None` if it was changed.
#[must_use]
pub fn refused(change: JobAction, id: JobId, was: JobState) -> Option<RefusedJob> {
    use JobState::{Cancelled, Dead, Ready, Running, Scheduled, Succeeded};
    let reason = match (change, was) {
        (JobAction::Retry, Scheduled | Dead | Cancelled)
        | (JobAction::Cancel, Scheduled | Ready)
        | (JobAction::Delete, Scheduled | Ready | Succeeded | Dead | Cancelled) => return None,
        (JobAction::Retry, Ready) => format!("job {id} is ready already"),
        (JobAction::Retry | JobAction::Delete, Running) => format!("job {id} is running; cancel it first"),
        (JobAction::Retry | JobAction::Cancel, Succeeded) => format!("job {id} has succeeded"),
        (JobAction::Cancel, Running) => format!("job {id} is running and could not be ended"),
        (JobAction::Cancel, Dead) => format!("job {id} is dead already"),
        (JobAction::Cancel, Cancelled) => format!("job {id} is cancelled already"),
    };
    Some(RefusedJob { id, reason, exit_code: 5 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_nobody_knows_is_refused_with_the_nearest_that_is_near() {
        let tip = |name| nearest(name, ["default", "mail", "mails", "images"].into_iter());
        assert_eq!(tip("defualt"), "; did you mean `default`?");
        assert_eq!(tip("mial"), "; did you mean `mail`?");
        assert_eq!(tip("reports"), "; see `queue-work status`");
    }

    #[test]
    fn a_job_is_refused_only_in_states_that_do_not_allow_the_change() {
        let changed =
            |change| JobState::ALL.into_iter().filter(|s| refused(change, JobId(7), *s).is_none()).collect::<Vec<_>>();
        assert_eq!(changed(JobAction::Retry), [JobState::Scheduled, JobState::Dead, JobState::Cancelled]);
        assert_eq!(changed(JobAction::Cancel), [JobState::Scheduled, JobState::Ready]);
        assert_eq!(changed(JobAction::Delete).len(), 5);
        assert_eq!(
            refused(JobAction::Retry, JobId(7), JobState::Succeeded).map(|r| r.reason),
            Some("job 7 has succeeded".into())
        );
    }
}
