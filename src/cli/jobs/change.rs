//! `jobs retry`, `cancel`, `delete`: through the master when one runs, else in the store.

use crate::cli::context::{Context, Way};
use crate::cli::{known, output};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::change::{Change, Op, Reply, Request};
use crate::model::{JobId, JobState, QueueName};
use crate::report::refusals::{self, JobAction};
use crate::report::words;
use crate::store::Store;
use crate::wire::control::{ChangedJobs, Jobs, RefusedJob};

/// Dead jobs retried in one transaction without a master.
const STEP: u32 = 1_000;

pub(super) fn run(context: &Context, change: JobAction, ids: &[i64], no_wait: bool) -> Result<Code, Error> {
    let ids: Vec<JobId> = ids.iter().copied().map(JobId).collect();
    let changed = match context.master_or_existing_store()? {
        Some(Way::Master(mut client)) => {
            let changed = client.call(method(change), &Jobs { ids, no_wait, ..Jobs::default() })?;
            output::note(&mut client);
            changed
        }
        Some(Way::Store(mut store)) => in_store(store.as_mut(), change, &ids)?,
        None => {
            let refused = ids.iter().copied().map(refusals::missing).collect();
            ChangedJobs { refused, ..ChangedJobs::default() }
        }
    };
    conclude(context, change, &changed)
}

pub(super) fn retry_all(context: &Context, queue: Option<&str>) -> Result<Code, Error> {
    let changed = match context.master_or_existing_store()? {
        Some(Way::Master(mut client)) => {
            client.call("jobs.retry", &Jobs { all: true, queue: queue.map(Into::into), ..Jobs::default() })?
        }
        Some(Way::Store(mut store)) => {
            let queue = queue.map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?;
            retry_dead(store.as_mut(), queue.as_ref())?
        }
        None => ChangedJobs::default(),
    };
    if changed == ChangedJobs::default() {
        known::queue(context, queue)?;
    }
    conclude(context, JobAction::Retry, &changed)
}

const fn method(change: JobAction) -> &'static str {
    match change {
        JobAction::Retry => "jobs.retry",
        JobAction::Cancel => "jobs.cancel",
        JobAction::Delete => "jobs.delete",
    }
}

fn in_store(store: &mut dyn Store, change: JobAction, ids: &[JobId]) -> Result<ChangedJobs, Error> {
    let op = |id: &JobId| match change {
        JobAction::Retry => Op::from(Request::Retry(*id)),
        JobAction::Cancel => Change::Cancel(*id).into(),
        JobAction::Delete => Request::Delete(*id).into(),
    };
    let ops: Vec<Op> = ids.iter().map(op).collect();
    let replies = store.apply(0, &ops, clock::wall())?.replies;
    let refused: Vec<RefusedJob> =
        ids.iter().zip(&replies).filter_map(|(id, reply)| refusal(change, *id, reply)).collect();
    Ok(ChangedJobs { count: (ids.len() - refused.len()) as u64, refused, ..ChangedJobs::default() })
}

fn refusal(change: JobAction, id: JobId, reply: &Reply) -> Option<RefusedJob> {
    match reply {
        Reply::Changed { was: JobState::Running, .. } => Some(RefusedJob {
            id,
            reason: format!("job {id} was running when the master ended; start a master, which gives it back"),
            exit_code: 5,
        }),
        Reply::Changed { was, .. } => refusals::refused(change, id, *was),
        Reply::Held { by } => Some(refusals::held(id, *by)),
        Reply::Elsewhere(host) => Some(refusals::elsewhere(id, host)),
        Reply::Missing => Some(refusals::missing(id)),
        Reply::Done
        | Reply::Stale
        | Reply::Pushed(_)
        | Reply::Begun(_)
        | Reply::Staged { .. }
        | Reply::Opened(_)
        | Reply::Claimed { .. }
        | Reply::Promoted { .. }
        | Reply::Sorted { .. }
        | Reply::FirstOther { .. }
        | Reply::Retried { .. }
        | Reply::Shifted { .. }
        | Reply::Count(_) => None,
    }
}

fn retry_dead(store: &mut dyn Store, queue: Option<&QueueName>) -> Result<ChangedJobs, Error> {
    let (mut changed, mut after) = (ChangedJobs::default(), None);
    loop {
        let retry = Request::RetryDead { queue: queue.cloned(), after, limit: STEP };
        let replies = store.apply(0, &[retry.into()], clock::wall())?.replies;
        let Some(Reply::Retried { count, held, next }) = replies.first() else { return Ok(changed) };
        changed.count += count;
        changed.passed_over += held;
        if next.is_none() {
            return Ok(changed);
        }
        after = *next;
    }
}

/// Says what was done and what was not; a missing job weighs more than a refused one.
fn conclude(context: &Context, change: JobAction, changed: &ChangedJobs) -> Result<Code, Error> {
    if context.global.json {
        output::json(changed)?;
    } else if changed.count > 0 || changed.refused.is_empty() {
        context.done(&format!("{} {}", change.done(), words::count(changed.count, "job")))?;
    }
    if changed.passed_over > 0 {
        let jobs = words::count(changed.passed_over, "dead job");
        output::say(&format!("passed over {jobs}: another unfinished job has the unique key"));
    }
    for refused in &changed.refused {
        output::say(&refused.reason);
    }
    let codes = || changed.refused.iter().map(|r| r.exit_code);
    let code = if codes().any(|c| c == 4) { Some(4) } else { codes().next() };
    Ok(code.map_or(Code::DONE, Code))
}
