//! Output at another host of the store: it stays where it was printed, and here it is said where that is.

use crate::model::host::HostRecord;
use crate::model::{Generation, JobId};
use crate::store::{Records, RunFilter, StoreError, WorkerFilter};

/// Where the output of a job or a worker is, if that is at another host than this one, whose master is of this generation.
pub(crate) fn place(
    records: &mut dyn Records,
    ours: Option<Generation>,
    worker: Option<&str>,
    job: Option<JobId>,
) -> Result<Option<String>, StoreError> {
    let others: Vec<HostRecord> = records.hosts()?.into_iter().filter(|host| Some(host.generation) != ours).collect();
    if others.is_empty() {
        return Ok(None);
    }
    let (what, generations) = match (job, worker) {
        (Some(job), _) => {
            let filter = RunFilter { job: Some(job), limit: Some(1), ..RunFilter::default() };
            let runs = records.runs(&filter)?;
            (format!("job {job}"), runs.into_iter().map(|run| run.generation).collect::<Vec<_>>())
        }
        (None, Some(worker)) => {
            let filter = WorkerFilter { worker: Some(worker.to_owned()), limit: Some(10), ..WorkerFilter::default() };
            let workers = records.workers(&filter)?.into_iter().filter(|worker| worker.ended_at.is_none());
            (format!("worker `{worker}`"), workers.map(|worker| worker.generation).collect())
        }
        (None, None) => return Ok(None),
    };
    let of = |generation: &Generation| others.iter().find(|host| host.generation == *generation);
    let host = generations.iter().find_map(of).map(|host| host.name.clone());
    Ok(host.map(|host| {
        format!(
            "the output of {what} is on `{host}`, where it was printed: `queue-work logs` there, or its page, shows it"
        )
    }))
}
