//! Who asks: a request may come from a job of ours, which must not be kept waiting for its own end.
//!
//! Found by the kernel's word about the other end of the connection: the worker it descends from, or whose mark it has.
//! Variables of the environment are not looked at: they outlive the job.

use super::Master;
use super::replies::Origin;
use crate::core::Flight;
use crate::model::job::JobRecord;
use crate::model::{JobId, JobState, WorkerId};
use crate::process::identity;
use crate::process::mark::Mark;
use crate::wire::control::NOTE;
use crate::wire::rpc::{self, RpcError};

/// Further up nobody looks: the tree may change meanwhile.
const MOST_GENERATIONS: usize = 1000;

impl Master {
    /// The worker from whose job a request came.
    pub(super) fn caller(&self, origin: &Origin) -> Option<WorkerId> {
        let Origin::Client(client, _) = origin else { return None };
        let pid = self.clients.pid_of(*client);
        let mut ancestors = std::iter::successors(Some(pid), |&pid| identity::parent_of(pid));
        let by_descent = ancestors.by_ref().take_while(|&pid| pid > 1).take(MOST_GENERATIONS);
        by_descent.into_iter().find_map(|pid| self.pids.get(&pid).copied()).or_else(|| {
            let worker = Mark::of_process(pid)?.worker_of(&self.fixed.cookie)?;
            self.workers.keys().copied().find(|id| id.0.unsigned_abs() == worker)
        })
    }

    /// Tells a client why it is not kept waiting.
    pub(super) fn note_at_once(&mut self, origin: &Origin, caller: Option<WorkerId>) {
        let (Origin::Client(client, _), Some(who)) = (origin, caller.map(|id| self.described(id))) else { return };
        let text = format!("answered at once: this was called from {who}, which it would wait for");
        if let Ok(line) = rpc::notification(NOTE, &text) {
            self.clients.tell(*client, &line);
        }
    }

    /// `job 7`, or the worker where it has several jobs or none.
    fn described(&self, id: WorkerId) -> String {
        let Some(worker) = self.core.worker(id) else { return format!("worker {id}") };
        let mut running = worker.flights.iter().filter(|flight| flight.started.is_some());
        match (running.next(), running.next()) {
            (Some(flight), None) => format!("job {}", flight.job.id),
            _ => format!("worker `{}`", worker.name),
        }
    }

    /// Whether this worker runs the job.
    pub(super) fn runs(&self, worker: WorkerId, job: JobId) -> bool {
        let runs = |flight: &Flight| flight.job.id == job && flight.started.is_some();
        self.core.worker(worker).is_some_and(|w| w.flights.iter().any(runs))
    }

    /// Refuses a wait for a job from inside itself.
    pub(super) fn refuse_own_wait(&self, caller: Option<WorkerId>, job: JobId) -> Result<(), RpcError> {
        match caller {
            Some(worker) if self.runs(worker, job) => {
                Err(RpcError::failed(5, format!("job {job} is not waited for: this was called from it")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a wait that could not end: the job needs a worker, and every worker that serves its queue runs a job that
    /// waits for another.
    pub(super) fn refuse_vain_wait(&self, caller: Option<WorkerId>, job: &JobRecord) -> Result<(), RpcError> {
        let Some(caller) = caller.filter(|_| matches!(job.state, JobState::Ready | JobState::Scheduled)) else {
            return Ok(());
        };
        let waits = |id: WorkerId| {
            let mut waiters = self.job_waiters.values().flat_map(|wait| &wait.waiters);
            id == caller || waiters.any(|waiter| waiter.caller == Some(id))
        };
        let serving = self.core.pools().filter(|(_, pool)| !pool.removed && pool.serves(&job.queue));
        let slots: Vec<_> = serving.flat_map(|(_, pool)| pool.slots()).collect();
        if slots.is_empty() || !slots.iter().all(|slot| slot.current.is_some_and(waits)) {
            return Ok(());
        }
        let (id, queue, who) = (job.id, &job.queue, self.described(caller));
        Err(RpcError::failed(
            5,
            format!(
                "job {id} is not waited for: every worker that serves the queue `{queue}` runs a job that waits for \
                 another, as {who} does, from which this was called; add a worker with `queue-work scale`"
            ),
        ))
    }
}
