//! `why`: why a job does not run, runs or has ended, when a processor runs next, what is wrong with a pool; without a master
//! from the store alone.

use serde::Serialize;

use super::args::records::WhyArgs;
use super::context::Context;
use super::{backend, output, processors, status, waiting};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::graph::Side;
use crate::model::{JobId, JobRecord, JobState, PoolName, ProcessorName, RunRecord, States};
use crate::report::queue_keys::{Closed, KeyStatus};
use crate::report::why::{Around, Facts, Reason, Why, WhyPool, WhyProcessor};
use crate::report::{hint, refusals};
use crate::store::{JobFilter, KeyFilter, Records, RunFilter, StoreError};

/// Runs that are read: the newest, and the first of all but very many.
pub(crate) const RUNS: u32 = 100;
/// Jobs that are read which it waits for.
const BLOCKERS: u32 = 20;
/// Jobs that are read which run in its place.
const HOLDERS: u32 = 10;

pub(crate) fn run(context: &Context, args: &WhyArgs) -> Result<Code, Error> {
    match args.target.parse() {
        Ok(id) => of_job(context, JobId(id)),
        Err(_) => of_name(context, &args.target),
    }
}

fn of_job(context: &Context, id: JobId) -> Result<Code, Error> {
    let mut records = context.records()?;
    let Some(mut job) = records.as_mut().map_or(Ok(None), |records| records.job(id))? else {
        let newest = JobFilter { newest: true, limit: Some(1), ..JobFilter::default() };
        let newest = records.as_mut().map_or(Ok(Vec::new()), |records| records.jobs(&newest))?;
        let why = Why::gone(id, newest.first().map(|job| job.id));
        if context.global.json {
            output::json(&why)?;
        }
        let said = why.reasons.first().map(|reason| (reason.text(), reason.next().unwrap_or_default()));
        return Err(Error::NotFound(said.map(|(text, next)| format!("{text}; {next}")).unwrap_or_default()));
    };
    let filter = RunFilter { job: Some(id), limit: Some(RUNS), ..RunFilter::default() };
    let runs = records.as_mut().map_or(Ok(Vec::new()), |records| records.runs(&filter))?;
    if let Some(limits) = context.job_limits() {
        limits.complete(&mut job);
    }
    let found = status::fetch(context)?;
    let around =
        records.as_mut().map_or_else(|| Ok(Around::default()), |records| around(records.as_mut(), &job, &found))?;
    let why = of(context, &job, (&runs, &around), &found);
    say(context, &why, &why.text())
}

/// The other records that say why a job waits.
pub(crate) fn around(records: &mut dyn Records, job: &JobRecord, found: &status::Found) -> Result<Around, StoreError> {
    let blockers = blockers(records, job)?;
    let waits = matches!(job.state, JobState::Ready | JobState::Scheduled | JobState::Blocked);
    let queue = found.status.queues.iter().find(|queue| queue.name == job.queue && queue.limits.is_some());
    if queue.is_none() || !waits {
        return Ok(Around { blockers, ..Around::default() });
    }
    let filter = KeyFilter { queue: job.queue.clone(), key: Some(job.key.clone().unwrap_or_default()), limit: None };
    let key = records.keys(&filter)?.pop().map(|key| KeyStatus::new(key, &found.status.queues, clock::wall()));
    let is_full = key.as_ref().is_some_and(|key| key.closed == Some(Closed::Concurrency));
    let running = JobFilter {
        queue: Some(job.queue.clone()),
        key: filter.key.filter(|key| is_full && !key.is_empty()),
        states: States::of(&[JobState::Running]),
        limit: Some(HOLDERS),
        ..JobFilter::default()
    };
    let holders = records.jobs(&running)?.into_iter().map(|job| job.id).collect();
    Ok(Around { blockers, key, holders })
}

/// The first of those that a job waits for.
fn blockers(records: &mut dyn Records, job: &JobRecord) -> Result<Vec<(JobId, Option<JobState>)>, StoreError> {
    if job.after.is_empty() || !matches!(job.state, JobState::Blocked | JobState::Cancelled) {
        return Ok(Vec::new());
    }
    let links = records.links(job.id, Side::Parents, BLOCKERS)?;
    let open = links.into_iter().filter(|link| link.is_open).map(|link| link.after);
    open.map(|id| Ok((id, records.job(id)?.map(|job| job.state)))).collect()
}

/// The reasons of a job on record with these runs and other records, by what was found of the master.
pub(crate) fn of(
    context: &Context,
    job: &JobRecord,
    (runs, around): (&[RunRecord], &Around),
    found: &status::Found,
) -> Why {
    let absent = found.trouble.as_ref().map(|trouble| absent(context, trouble));
    Why::of(Facts { job, runs, around, status: &found.status, absent: absent.as_ref(), now: clock::wall() })
}

fn of_name(context: &Context, name: &str) -> Result<Code, Error> {
    let found = status::fetch(context)?;
    let processors = processors::all(context)?;
    if let Some(processor) = processors.iter().find(|processor| processor.name.as_str() == name) {
        let absent = found.trouble.as_ref().map(|trouble| absent(context, trouble));
        let why = WhyProcessor::of(processor, absent.as_ref(), clock::wall());
        return say(context, &why, &why.text());
    }
    if let Some(pool) = found.status.pools.iter().find(|pool| pool.name == name) {
        let why = WhyPool::of(pool, &found.status);
        return say(context, &why, &why.text());
    }
    // A pool of the file is not found for want of a master.
    let config = backend::load_config(&context.flags).ok().map(|loaded| loaded.config);
    let has_it = config.is_some_and(|config| config.pools.iter().any(|pool| pool.settings.name.as_str() == name));
    if let Some(trouble) = found.trouble.filter(|_| has_it) {
        return Err(trouble);
    }
    if PoolName::new(name).is_err() && ProcessorName::new(name).is_err() {
        return Err(Error::Usage(format!(
            "`{name}` is neither the id of a job nor the name of a processor, a service or another pool"
        )));
    }
    let pools = found.status.pools.iter().map(|pool| pool.name.as_str());
    let known = processors.iter().map(|processor| processor.name.as_str()).chain(pools);
    Err(Error::NotFound(refusals::nothing_named(name, known)))
}

fn say(context: &Context, why: &impl Serialize, text: &str) -> Result<Code, Error> {
    if context.global.json {
        output::json(why)?;
    } else {
        output::print(&hint::complete(text))?;
    }
    Ok(Code::DONE)
}

/// The reason that no master answers.
fn absent(context: &Context, trouble: &Error) -> Reason {
    match trouble {
        Error::NoMaster { database, .. } => {
            let error = Error::NoMaster { database: database.clone(), start: waiting::start(context, None) };
            Reason::NoMaster { error: error.to_string() }
        }
        other => Reason::Unreachable { error: other.to_string() },
    }
}
