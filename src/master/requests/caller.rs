//! Callers: a request may come from a job of ours, which must not be kept waiting for its own end.
//!
//! Found by the kernel's word about the other end of the connection: the worker it descends from, or whose mark it has.
//! Variables of the environment are not looked at: they outlive the job.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Peer, Refused};
use crate::clock::TICK;
use crate::core::{Handle, Ticket};
use crate::master::Master;
use crate::model::done::Awaited;
use crate::model::job::JobRecord;
use crate::model::{JobId, PoolKind, WAITING, WorkerId};
use crate::process::identity;

/// Further up nobody looks: the tree may change meanwhile.
const MOST_GENERATIONS: usize = 1000;
/// How late the news of an end may be.
const LATE_NEWS: Duration = Duration::from_secs(1);

impl Master {
    /// The worker from whose job a request came.
    pub(super) fn caller(&self, ticket: Ticket) -> Option<WorkerId> {
        let Peer::Client(client) = self.requests.table.peer(ticket)? else { return None };
        let pid = self.clients.pid_of(client);
        let ancestors = std::iter::successors(Some(pid), |&pid| identity::parent_of(pid));
        let ancestors: Vec<u32> = ancestors.take_while(|&pid| pid > 1).take(MOST_GENERATIONS).collect();
        let by_descent = ancestors.iter().enumerate().find_map(|(at, pid)| Some((at, self.children.of_process(*pid)?)));
        let (below, worker) = by_descent.or_else(|| self.by_mark(&ancestors))?;
        let is_left = below.checked_sub(1).is_some_and(|at| self.is_of_an_earlier_job(ancestors[at], worker));
        // A hook is no job.
        (!is_left && !self.hooks.knows(worker)).then_some(worker)
    }

    /// The worker whose mark the first of these has, and how many of them have it.
    fn by_mark(&self, ancestors: &[u32]) -> Option<(usize, WorkerId)> {
        let marked = |pid: &u32| self.containment.marked(*pid);
        let worker = marked(ancestors.first()?)?;
        let id = self.children.iter().map(|(id, _)| id).find(|id| id.0.unsigned_abs() == worker)?;
        Some((ancestors.iter().take_while(|pid| marked(pid) == Some(worker)).count(), id))
    }

    /// Whether a process directly below a worker was there before the job that runs there now: an earlier one has left it.
    /// Of the built-in worker only, which starts a process for each job.
    fn is_of_an_earlier_job(&self, pid: u32, worker: WorkerId) -> bool {
        let Some(worker) = self.core.worker(worker) else { return true };
        if !self.core.pool(worker.pool).is_some_and(|pool| pool.settings.kind == PoolKind::Exec) {
            return false;
        }
        let begun = worker.flights.iter().find_map(|flight| Some((flight.started()?, flight.ahead)));
        let (Some((begun, ahead)), Some(start)) = (begun, identity::start_time(pid)) else { return true };
        // A job that was sent ahead begins before the master hears that the one before it has ended.
        let before = if ahead { LATE_NEWS } else { TICK };
        self.time.age(start) > self.time.mono().since(begun) + before
    }

    /// Tells a client which jobs its answer waits for.
    pub(in crate::master) fn tell_awaited(&mut self, ticket: Ticket, awaited: Awaited) {
        if let Some(peer) = self.requests.table.peer(ticket) {
            self.send_awaited(peer, awaited);
        }
    }

    /// Tells a client why it is not kept waiting.
    pub(super) fn note_at_once(&mut self, ticket: Ticket) {
        let Some((peer, caller)) = self.requests.table.peer(ticket).zip(self.caller(ticket)) else { return };
        let caller = self.described(caller);
        self.send_note(peer, &format!("answered at once: this was called from {caller}, which it would wait for"));
    }

    /// `job 7`, or the worker where it has several jobs or none.
    fn described(&self, id: WorkerId) -> String {
        let Some(worker) = self.core.worker(id) else { return format!("worker {id}") };
        let mut running = worker.flights.iter().filter(|flight| flight.started().is_some());
        match (running.next(), running.next()) {
            (Some(flight), None) => format!("job {}", flight.job.id),
            _ => format!("worker `{}`", worker.name),
        }
    }

    /// Whether this worker runs the job and no other: of several, the one that asks is not known.
    fn runs_alone(&self, worker: WorkerId, job: JobId) -> bool {
        let begun =
            |w: &Handle| w.flights.iter().filter(|flight| flight.started().is_some()).map(|f| f.job.id).collect();
        self.core.worker(worker).map(begun).is_some_and(|begun: Vec<JobId>| begun == [job])
    }

    /// Refuses a wait for a job from inside itself.
    pub(super) fn refuse_own_wait(&self, caller: Option<WorkerId>, job: JobId) -> Result<(), Refused> {
        match caller {
            Some(worker) if self.runs_alone(worker, job) => {
                Err(Refused::Failed(5, format!("job {job} is not waited for: this was called from it")))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a wait that could not end: the job needs a worker, and every worker that serves its queue runs
    /// nothing but jobs that wait for another.
    pub(super) fn refuse_vain_wait(&self, caller: Option<WorkerId>, job: &JobRecord) -> Result<(), Refused> {
        let Some(caller) = caller.filter(|_| WAITING.has(job.state)) else {
            return Ok(());
        };
        let mut waiting: BTreeMap<WorkerId, usize> = BTreeMap::new();
        for worker in self.requests.table.resting_callers().chain([caller]) {
            *waiting.entry(worker).or_default() += 1;
        }
        let waits = |id: WorkerId| {
            let jobs = self.core.worker(id).map_or(1, |worker| worker.concurrency as usize);
            waiting.get(&id).is_some_and(|&waiting| waiting >= jobs)
        };
        let serving = self.core.pools().filter(|(_, pool)| !pool.removed && pool.serves(&job.queue));
        let slots: Vec<_> = serving.flat_map(|(_, pool)| pool.slots()).collect();
        if slots.is_empty() || !slots.iter().all(|slot| slot.state.current().is_some_and(waits)) {
            return Ok(());
        }
        let (id, queue, who) = (job.id, &job.queue, self.described(caller));
        Err(Refused::Failed(
            5,
            format!(
                "job {id} is not waited for: every worker that serves the queue `{queue}` runs a job that waits for \
                 another, as {who} does, from which this was called; add a worker with `queue-work scale`"
            ),
        ))
    }
}
