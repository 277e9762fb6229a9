//! `jobs retry`, `cancel`, `delete`: through the master when one runs, else in the store.

use crate::cli::context::{self, Context};
use crate::cli::{known, output};
use crate::error::{Code, Error};
use crate::model::{JobId, JobState, QueueName};
use crate::report::refusals::{self, Change};
use crate::report::words;
use crate::store::{Op, Reply, Store};
use crate::wire::control::{ChangedJobs, Jobs, RefusedJob};

/// Dead jobs retried in one transaction without a master.
const STEP: u32 = 1_000;

pub(super) fn run(context: &Context, change: Change, ids: &[i64], no_wait: bool) -> Result<Code, Error> {
    let ids: Vec<JobId> = ids.iter().copied().map(JobId).collect();
    let changed = match context.try_connect()? {
        Some(mut client) => {
            let changed = client.call(method(change), &Jobs { ids, no_wait, ..Jobs::default() })?;
            output::note(&mut client);
            changed
        }
        None => in_store(existing_store(context)?.as_deref_mut(), change, &ids)?,
    };
    conclude(context, change, &changed)
}

pub(super) fn retry_all(context: &Context, queue: Option<&str>) -> Result<Code, Error> {
    let changed = if let Some(mut client) = context.try_connect()? {
        client.call("jobs.retry", &Jobs { all: true, queue: queue.map(Into::into), ..Jobs::default() })?
    } else {
        let queue = queue.map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?;
        match existing_store(context)?.as_deref_mut() {
            Some(store) => retry_dead(store, queue.as_ref())?,
            None => ChangedJobs::default(),
        }
    };
    if changed == ChangedJobs::default() {
        known::queue(context, queue)?;
    }
    conclude(context, Change::Retry, &changed)
}

const fn method(change: Change) -> &'static str {
    match change {
        Change::Retry => "jobs.retry",
        Change::Cancel => "jobs.cancel",
        Change::Delete => "jobs.delete",
    }
}

/// A database is not made only to find nothing in it.
pub(crate) fn existing_store(context: &Context) -> Result<Option<Box<dyn Store>>, Error> {
    if context.records()?.is_none() {
        return Ok(None);
    }
    context.store().map(Some)
}

fn in_store(store: Option<&mut (dyn Store + 'static)>, change: Change, ids: &[JobId]) -> Result<ChangedJobs, Error> {
    let Some(store) = store else {
        let refused = ids.iter().copied().map(refusals::missing).collect();
        return Ok(ChangedJobs { refused, ..ChangedJobs::default() });
    };
    let op = |id: &JobId| match change {
        Change::Retry => Op::Retry(*id),
        Change::Cancel => Op::Cancel(*id),
        Change::Delete => Op::Delete(*id),
    };
    let ops: Vec<Op> = ids.iter().map(op).collect();
    let replies = store.apply(0, &ops, context::now())?;
    let refused: Vec<RefusedJob> =
        ids.iter().zip(&replies).filter_map(|(id, reply)| refusal(change, *id, reply)).collect();
    Ok(ChangedJobs { count: (ids.len() - refused.len()) as u64, refused, ..ChangedJobs::default() })
}

fn refusal(change: Change, id: JobId, reply: &Reply) -> Option<RefusedJob> {
    match reply {
        Reply::Changed { was: JobState::Running, .. } => Some(RefusedJob {
            id,
            reason: format!("job {id} was running when the master ended; start a master, which gives it back"),
            exit_code: 5,
        }),
        Reply::Changed { was, .. } => refusals::refused(change, id, *was),
        Reply::Held { by } => Some(refusals::held(id, *by)),
        Reply::Missing => Some(refusals::missing(id)),
        Reply::Done
        | Reply::Stale
        | Reply::Pushed(_)
        | Reply::Begun(_)
        | Reply::Staged { .. }
        | Reply::Opened(_)
        | Reply::Claimed { .. }
        | Reply::Promoted { .. }
        | Reply::Retried { .. }
        | Reply::Shifted { .. }
        | Reply::Count(_) => None,
    }
}

fn retry_dead(store: &mut dyn Store, queue: Option<&QueueName>) -> Result<ChangedJobs, Error> {
    let (mut changed, mut after) = (ChangedJobs::default(), None);
    loop {
        let op = Op::RetryDead { queue: queue.cloned(), after, limit: STEP };
        let replies = store.apply(0, &[op], context::now())?;
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
fn conclude(context: &Context, change: Change, changed: &ChangedJobs) -> Result<Code, Error> {
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
