//! The reading thread: answers questions about records from a connection of its own, so that neither the master nor
//! the writer waits for them.

use crossbeam_channel::TrySendError;

use crate::config::JobLimits;
use crate::model::{JobId, JobRecord};
use crate::process::mailbox::{Sender, bounded};
use crate::store::{JobFilter, Records, RunFilter, StoreError, WorkerFilter};
use crate::wire::rpc::RpcError;

/// Questions that may wait.
const CAPACITY: usize = 256;
/// Rows of a list where no limit is given.
pub(super) const DEFAULT_LIMIT: u32 = 50;
/// Most rows of a list.
const MAX_LIMIT: u32 = 10_000;

/// The question.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Job(JobId),
    Jobs(JobFilter),
    Runs(RunFilter),
    Workers(WorkerFilter),
}

/// The answer: JSON text, and the job where one was asked for.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) json: Result<String, RpcError>,
    pub(super) job: Option<JobRecord>,
}

/// The handle on the thread; `A` says where an answer goes.
#[derive(Debug)]
pub(super) struct Reader<A>(Sender<(A, Question)>);

impl<A: Send + 'static> Reader<A> {
    pub(super) fn start(
        mut records: Box<dyn Records + Send>,
        limits: JobLimits,
        mut notify: impl FnMut(A, Found) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (questions, inbox) = bounded::<(A, Question)>(CAPACITY);
        std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            for (to, question) in inbox {
                let found = answer(&mut *records, &limits, &question);
                notify(to, found);
            }
        })?;
        Ok(Self(questions))
    }

    /// Asks; gives the address back when too many questions wait.
    pub(super) fn ask(&self, to: A, question: Question) -> Result<(), A> {
        self.0.try_send((to, question)).map_err(|e| match e {
            TrySendError::Full((to, _)) | TrySendError::Disconnected((to, _)) => to,
        })
    }
}

fn answer(records: &mut dyn Records, limits: &JobLimits, question: &Question) -> Found {
    let asked =
        faulty!("reader.open", Err(StoreError::Io("told to fail".to_owned())), look_up(records, limits, question));
    asked.unwrap_or_else(|error| Found { json: Err(RpcError::failed(1, error.to_string())), job: None })
}

fn look_up(records: &mut dyn Records, limits: &JobLimits, question: &Question) -> Result<Found, StoreError> {
    let most = |limit: Option<u32>| Some(limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT));
    Ok(match question.clone() {
        Question::Job(id) => {
            let mut job = records.job(id)?;
            limits.complete_all(job.as_mut_slice());
            let json = job.as_ref().map_or_else(|| Err(no_such_job(id)), to_json);
            Found { json, job }
        }
        Question::Jobs(filter) => {
            let mut jobs = records.jobs(&JobFilter { limit: most(filter.limit), ..filter })?;
            limits.complete_all(&mut jobs);
            list(&jobs)
        }
        Question::Runs(filter) => list(&records.runs(&RunFilter { limit: most(filter.limit), ..filter })?),
        Question::Workers(filter) => list(&records.workers(&WorkerFilter { limit: most(filter.limit), ..filter })?),
    })
}

/// The error for a job that is not on record.
pub(super) fn no_such_job(id: JobId) -> RpcError {
    RpcError::failed(4, format!("there is no job {id}"))
}

fn list(rows: &impl serde::Serialize) -> Found {
    Found { json: to_json(rows), job: None }
}

fn to_json(what: &impl serde::Serialize) -> Result<String, RpcError> {
    serde_json::to_string(what).map_err(|e| RpcError::failed(1, format!("cannot write the answer: {e}")))
}
