//! Why a job cannot be retried, cancelled, deleted or changed in the state it is in; for the master and for the command
//! line.

use crate::model::change::Reply;
use crate::model::processor::ProcessorRunState;
use crate::model::{BatchId, Fingerprint, JobAction, JobId, JobState, PoolName, ProcessorRunId, States};
use crate::wire::control::RefusedJob;

/// `retried`, `cancelled`, `deleted`, `changed`.
#[must_use]
pub const fn done(action: &JobAction) -> &'static str {
    match action {
        JobAction::Retry | JobAction::RetryAt(_) => "retried",
        JobAction::Cancel => "cancelled",
        JobAction::Delete => "deleted",
        JobAction::Set(_) => "changed",
    }
}

/// For an unknown queue.
#[must_use]
pub fn no_queue<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    format!("there is no queue `{name}`: no pool serves it, and nothing of it is on record{}", nearest(name, known))
}

/// For an error of which no run is on record.
#[must_use]
pub fn no_error(fingerprint: Fingerprint) -> String {
    format!("there is no error `{fingerprint}`; see `queue-work errors`")
}

/// For an unknown processor.
#[must_use]
pub fn no_processor<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let tip = near(name, known).unwrap_or_else(|| {
        format!(
            "write `[processors.{name}]` into the configuration, and let a running master read it: `queue-work reload`"
        )
    });
    format!("there is no processor `{name}`; {tip}")
}

/// For a name that neither a processor nor a pool has.
#[must_use]
pub fn nothing_named<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    let tip = near(name, known).unwrap_or_else(|| "see `queue-work status` and `queue-work processors`".to_owned());
    format!("there is no processor, service or other pool `{name}`; {tip}")
}

/// For a process that is said to run a processor.
#[must_use]
pub fn no_process(pid: u32) -> String {
    format!("there is no process {pid} on this machine, as far as can be seen; nothing was recorded")
}

/// For an unknown run of a processor.
#[must_use]
pub fn no_run(id: ProcessorRunId) -> String {
    format!("there is no run {id}; see `queue-work processors runs`")
}

/// For a run of a processor that cannot be ended from outside.
#[must_use]
pub fn run_is(id: ProcessorRunId, state: ProcessorRunState) -> String {
    if state.is_open() {
        return format!("run {id} ends with its job; see `queue-work processors runs`");
    }
    format!("run {id} is over: {}", state.as_str())
}

/// For a pool whose number of workers was to be set, and that sets it itself.
#[must_use]
pub fn scales_itself(pool: &PoolName, min: u32, max: u32) -> String {
    format!(
        "pool `{pool}` scales itself, from {min} to {max} workers; say for how long it is to be otherwise (`--hold 30m`), \
         or change `min` and `max` in the configuration and `queue-work reload`"
    )
}

/// For a pool that was to scale itself, or to stop for a while.
#[must_use]
pub fn scaled_by_hand(pool: &PoolName) -> String {
    format!(
        "pool `{pool}` does not scale itself; leave out `--hold`, or write `autoscale = true` into its table of the \
         configuration and `queue-work reload`"
    )
}

/// The name that was probably meant, or where to look it up.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> String {
    near(name, known).map_or_else(|| String::from("; see `queue-work status`"), |tip| format!("; {tip}"))
}

/// The name that was probably meant, as a question.
#[must_use]
pub fn near<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<String> {
    let far = name.chars().count() / 3 + 1;
    let distances = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let (_, known) = distances.filter(|(distance, _)| *distance <= far).min()?;
    Some(format!("did you mean `{known}`?"))
}

/// For a job that does not exist.
#[must_use]
pub fn missing(id: JobId) -> RefusedJob {
    RefusedJob { id, reason: format!("there is no job {id}"), exit_code: 4 }
}

/// For a job that has come to another state than those that were meant.
#[must_use]
pub fn left(id: JobId, was: JobState) -> RefusedJob {
    RefusedJob { id, reason: format!("job {id} is {} by now, and was left as it is", was.as_str()), exit_code: 5 }
}

/// For a job that would expire before the time that was to be set.
#[must_use]
pub fn lapses(id: JobId) -> RefusedJob {
    let reason = format!("job {id} would expire before that time; choose an earlier one, or push it anew");
    RefusedJob { id, reason, exit_code: 5 }
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

/// For a job that cannot be retried, as one that it comes after has failed.
#[must_use]
pub fn parent_failed(id: JobId, parent: JobId, is_gone: bool) -> RefusedJob {
    let reason = if let Some(batch) = BatchId::of_parent(parent) {
        format!("job {id} is for a failure, and no job of batch {batch} has died")
    } else if is_gone {
        format!("job {id} cannot be retried: it comes after job {parent}, which was deleted; push it anew without that")
    } else {
        format!(
            "job {id} cannot be retried: it comes after job {parent}, which has failed; it comes back with that one: \
             `queue-work jobs retry {parent}`"
        )
    };
    RefusedJob { id, reason, exit_code: 5 }
}

/// The outcome of an action on one of several jobs.
#[derive(Clone, Debug)]
pub enum Became {
    Changed,
    /// Of no concern where the job was not named: gone, in another state, or not to be retried beside another.
    Left(RefusedJob),
    /// The action was not possible.
    Refused(RefusedJob),
}

impl Became {
    /// Of a job that was to be changed if it is in one of these states.
    #[must_use]
    pub fn of(action: &JobAction, id: JobId, only: States, reply: &Reply) -> Self {
        match reply {
            Reply::Changed { was, .. } if !only.has(*was) => Self::Left(left(id, *was)),
            Reply::Changed { was, .. } => match refused(action, id, *was) {
                None => Self::Changed,
                Some(refused) if *was == JobState::Running => Self::Refused(refused),
                Some(refused) => Self::Left(refused),
            },
            Reply::Held { by } => Self::Left(held(id, *by)),
            Reply::ParentFailed { parent, is_gone } => Self::Left(parent_failed(id, *parent, *is_gone)),
            Reply::Lapses => Self::Refused(lapses(id)),
            Reply::Elsewhere(host, _) => Self::Refused(elsewhere(id, host)),
            _ => Self::Left(missing(id)),
        }
    }
}

/// Why nothing was changed in a job that was in the state `was`; `None` if it was changed.
#[must_use]
pub fn refused(action: &JobAction, id: JobId, was: JobState) -> Option<RefusedJob> {
    if action.is_for().has(was) {
        return None;
    }
    let reason = match (action, was) {
        (JobAction::Cancel, JobState::Running) => format!("job {id} is running and could not be ended"),
        (JobAction::Set(_), JobState::Running) => format!("job {id} is running: only what waits can be changed"),
        (_, JobState::Running) => format!("job {id} is running; cancel it first"),
        (_, JobState::Succeeded) => format!("job {id} has succeeded"),
        (JobAction::Set(_), state) => {
            let state = state.as_str();
            format!(
                "job {id} is {state}: only what waits can be changed; make it ready with `queue-work jobs retry {id}`"
            )
        }
        (_, state) => format!("job {id} is {} already", state.as_str()),
    };
    Some(RefusedJob { id, reason, exit_code: 5 })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_name_that_nobody_knows_is_refused_with_the_nearest_that_is_near() {
        let tip = |name| nearest(name, ["default", "mail", "mails", "images"].into_iter());
        assert_eq!(tip("defualt"), "; did you mean `default`?");
        assert_eq!(tip("mial"), "; did you mean `mail`?");
        assert_eq!(tip("reports"), "; see `queue-work status`");
    }

    #[test]
    fn a_job_is_refused_in_states_that_do_not_allow_the_change_and_each_refusal_says_why() {
        let reason = |action: &JobAction, was| refused(action, JobId(7), was).map(|refused| refused.reason);
        let set = JobAction::Set(Arc::default());
        for (action, was, expected) in [
            (&JobAction::Retry, JobState::Dead, None),
            (&JobAction::Retry, JobState::Ready, Some("job 7 is ready already")),
            (&JobAction::Retry, JobState::Succeeded, Some("job 7 has succeeded")),
            (&JobAction::Delete, JobState::Running, Some("job 7 is running; cancel it first")),
            (&JobAction::Cancel, JobState::Dead, Some("job 7 is dead already")),
            (&JobAction::Cancel, JobState::Running, Some("job 7 is running and could not be ended")),
            (&set, JobState::Scheduled, None),
            (&set, JobState::Running, Some("job 7 is running: only what waits can be changed")),
        ] {
            assert_eq!(reason(action, was).as_deref(), expected, "{action:?} {was:?}");
        }
        assert!(reason(&set, JobState::Dead).is_some_and(|text| text.ends_with("`queue-work jobs retry 7`")));
    }
}
