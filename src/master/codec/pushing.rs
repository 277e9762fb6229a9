//! The codec of pushes: jobs, and the batch that they are in.

use super::control::parse;
use crate::master::requests::{Pushing, Question};
use crate::model::{NewJob, Pushed, QueueName, UnixMicros};
use crate::wire::batch::OneBatch;
use crate::wire::bulk::{AddToBulk, CommitBulk};
use crate::wire::control::{PushBatch, PushJob, PushMany};
use crate::wire::push::to_new_job;
use crate::wire::rpc::RpcError;

/// The params of a push, checked.
pub(super) fn one(params: &str, now: UnixMicros) -> Result<Pushing, RpcError> {
    let job: PushJob = parse(params)?;
    Ok(Pushing { jobs: vec![to_job(&job, now)?], batch: batch(job.batch.as_ref(), now)? })
}

pub(super) fn many(params: &str, now: UnixMicros) -> Result<Question, RpcError> {
    let PushMany { mut jobs, ids, batch: of_all } = parse(params)?;
    let mut of_jobs = OneBatch::default();
    for (at, job) in jobs.iter_mut().enumerate() {
        of_jobs.take(job).map_err(|why| RpcError::params(format!("job {}: {why}", at + 1)))?;
    }
    let batch = batch(of_all.or(of_jobs.found()).as_ref(), now)?;
    Ok(Question::PushMany { push: Pushing { jobs: to_jobs(&jobs, now)?, batch }, ids })
}

pub(super) fn added(params: &str, now: UnixMicros) -> Result<Question, RpcError> {
    let AddToBulk { bulk, jobs } = parse(params)?;
    if let Some(at) = jobs.iter().position(|job| job.batch.is_some()) {
        return Err(RpcError::params(format!("job {}: the `batch` of a bulk push is said in `bulk.commit`", at + 1)));
    }
    Ok(Question::AddToBulk { bulk, jobs: to_jobs(&jobs, now)? })
}

pub(super) fn commit(params: &str, now: UnixMicros) -> Result<Question, RpcError> {
    let CommitBulk { bulk, ids, batch } = parse(params)?;
    let batch = batch.to_model(now).map_err(RpcError::params)?;
    Ok(Question::CommitBulk { bulk, ids, batch })
}

fn batch(batch: Option<&PushBatch>, now: UnixMicros) -> Result<Option<crate::model::batch::IntoBatch>, RpcError> {
    batch.map(|batch| batch.to_model(now)).transpose().map_err(RpcError::params)
}

/// Jobs that somebody pushes, checked; one that is not good is named.
fn to_jobs(jobs: &[PushJob], now: UnixMicros) -> Result<Vec<NewJob>, RpcError> {
    let jobs = jobs.iter().enumerate().map(|(at, job)| {
        to_job(job, now).map_err(|e| RpcError { message: format!("job {}: {}", at + 1, e.message), ..e })
    });
    jobs.collect()
}

fn to_job(job: &PushJob, now: UnixMicros) -> Result<NewJob, RpcError> {
    to_new_job(job, &QueueName::default(), now).map_err(RpcError::params)
}

/// Under both names: as `push --json` prints it, and as a worker is told of its job.
pub(super) fn write(Pushed { id, deduplicated, batch }: Pushed, to: &mut Vec<u8>) {
    let batch = batch.map_or_else(String::new, |batch| format!(",\"batch\":{batch}"));
    let json = format!("{{\"id\":{id},\"job_id\":{id},\"deduplicated\":{deduplicated}{batch}}}");
    to.extend_from_slice(json.as_bytes());
}
