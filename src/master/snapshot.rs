//! The status document of a running master: from memory, so that it answers also when the store is busy.

use std::collections::BTreeSet;

use super::{Master, sampler};
use crate::core::{Flight, Gate, Handle, Phase, Pool, PoolId, SlotHistory, SlotState, SlotView, State};
use crate::model::death::Over;
use crate::model::worker::signal_name;
use crate::model::{Now, QueueTotals, ReadyWhen, Takes, WorkerId, WorkerState};
use crate::report::status::{
    LastExit, MOST_UNSERVED, MasterStatus, PoolStatus, QueueStatus, UnservedStatus, WorkerJob, WorkerStatus,
};
use crate::report::{AutoscaleStatus, Status, words};

impl Master {
    pub(super) fn status(&self) -> Status {
        let now = self.time.now();
        let mut pools: Vec<PoolStatus> = self.core.pools().map(|(id, pool)| self.pool_status(id, pool, now)).collect();
        pools.sort_by(|a, b| a.name.cmp(&b.name));
        let mut workers: Vec<WorkerStatus> = Vec::new();
        for (_, pool) in self.core.pools() {
            workers.extend(pool.slots().flat_map(|slot| self.slot_status(pool, &slot, now)));
            // When the master stops they leave without leaving their slots.
            let in_slots: BTreeSet<WorkerId> = pool.slots().flat_map(|s| s.state.workers()).collect();
            let leaving = pool.leaving().filter(|id| !in_slots.contains(id)).filter_map(|id| self.core.worker(id));
            workers.extend(leaving.filter(|w| w.is_alive()).map(|w| self.worker_status(pool, w, None, now)));
        }
        workers.sort_by(|a, b| (&a.pool, a.slot, a.state as u8).cmp(&(&b.pool, b.slot, b.state as u8)));
        let totals = self.core.totals();
        Status {
            master: Some(self.master_status(now)),
            queues: totals.all().map(|of| self.queue_status(of, now)).collect(),
            pools,
            workers,
            unserved: self.core.unserved().take(MOST_UNSERVED).map(UnservedStatus::from).collect(),
            elsewhere: self.checks.elsewhere.clone(),
            jobs_per_s: self.meters.jobs_per_s(now.mono),
        }
    }

    fn queue_status(&self, of: &QueueTotals, now: Now) -> QueueStatus {
        let mut status = QueueStatus::new(of, self.core.totals().rate_of(of, now.mono), now.wall);
        if let Some(limits) = &mut status.limits {
            limits.next_start_at = self.core.opens_at(&of.name);
        }
        status
    }

    fn master_status(&self, now: Now) -> MasterStatus {
        let state = match self.core.phase() {
            Phase::Running => "running",
            Phase::Stopping => "draining",
            Phase::Forced => "stopping",
        };
        MasterStatus {
            pid: self.fixed.pid,
            generation: self.fixed.generation,
            state: state.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.fixed.started_at,
            uptime_s: now.mono.0 as f64 / 1e6,
            database: self.in_force.config.database.name().to_string_lossy().into_owned(),
            store: self.fixed.store_id.clone(),
            // A name that is no text cannot be told in JSON.
            config: self.in_force.config.file.clone().filter(|read| read.file.to_str().is_some()),
            durability: self.in_force.config.durability.as_str().to_owned(),
            traces: self.traces.status(),
            web: self.web.status(&self.in_force.config.web),
            single: self.in_force.config.single.is_some(),
            containment: self.containment.in_a_word().to_owned(),
            memory_bytes: sampler::memory_of(self.fixed.pid).unwrap_or(0),
            debug_until: self.debug.until(),
            problems: self.core.problems().map(|(_, text)| text.to_owned()).collect(),
            problem_topics: self.core.problems().map(|(topic, _)| topic).collect(),
        }
    }

    fn pool_status(&self, id: PoolId, pool: &Pool, now: Now) -> PoolStatus {
        let current: Vec<&Handle> =
            pool.slots().filter_map(|s| s.state.current()).filter_map(|w| self.core.worker(w)).collect();
        let count = |state: WorkerState| current.iter().filter(|w| w.word() == state).count() as u32;
        // One that is opaque is idle for us, however hard it works.
        let (idle, busy) = (count(WorkerState::Idle), count(WorkerState::Busy));
        let in_backoff = pool.slots().filter(|s| word_of_empty(s) == Some(WorkerState::Backoff)).count() as u32;
        let finished = pool.slots().filter(|s| s.state.is_finished()).count() as u32;
        let settings = &pool.settings;
        let problem = pool.slots().find_map(|slot| {
            let problem = slot.problem?;
            let wait = slot.not_before.map(|at| at.since(now.mono).as_secs_f64());
            Some(match (wait, slot.state.over()) {
                (Some(wait), _) => format!("{problem}; next try in {wait:.1} s"),
                (None, Some(Over::GivenUp(_))) => {
                    format!("{problem}; start it again with `queue-work restart --pool {}`", settings.name)
                }
                (None, _) => problem.to_string(),
            })
        });
        let waits_for: Vec<String> = self.core.waits_for(pool).into_iter().map(ToString::to_string).collect();
        let waits = (pool.gate == Gate::Needs).then(|| format!("waits for {}", words::list(&waits_for)));
        let state = match pool.wanted {
            _ if pool.gate != Gate::Open => "waiting",
            0 if !pool.waits_for_jobs() => "stopped",
            wanted if wanted > 0 && wanted == finished => "finished",
            _ => "running",
        };
        let mut limits = settings.in_force();
        if pool.memory_limit_is_void()
            && let Some(memory) = limits.get_mut("memory")
        {
            memory.push_str(" (not applied: a worker needs more)");
        }
        PoolStatus {
            name: settings.name.to_string(),
            queues: settings.queues.names().cloned().collect(),
            listen: self.addresses(id),
            takes: takes(pool),
            kind: settings.kind.as_str().to_owned(),
            listen_mode: settings.kind.listen_mode().map(str::to_owned),
            state: state.to_owned(),
            wanted: pool.wanted,
            ready: idle + busy,
            busy: if settings.is_service() { pool.calls.busy } else { busy },
            starting: count(WorkerState::Starting) + in_backoff,
            draining: pool.leaving().count() as u32,
            finished,
            limits,
            calls: settings.is_service().then(|| pool.calls.clone()),
            autoscale: self.core.autoscaled_of(id, pool, now).map(AutoscaleStatus::from),
            problem: problem.or(waits),
            waits_for,
            ready_by: self.ready_by(id, pool).map(str::to_owned),
        }
    }

    fn ready_by(&self, id: PoolId, pool: &Pool) -> Option<&'static str> {
        let service = self.spawner.pool(id).and_then(|pool| pool.service.as_ref());
        let has_init = service.is_some_and(|service| service.settings.init.is_some());
        (pool.settings.ready == ReadyWhen::Message).then_some(if has_init { "init" } else { "ready" })
    }

    fn addresses(&self, id: PoolId) -> Vec<String> {
        let service = self.spawner.pool(id).and_then(|pool| pool.service.as_ref());
        service.into_iter().flat_map(|service| &service.listen).map(ToString::to_string).collect()
    }

    fn slot_status(&self, pool: &Pool, slot: &SlotView<'_>, now: Now) -> Vec<WorkerStatus> {
        let here = slot.state.workers().filter_map(|id| self.core.worker(id));
        let mut all: Vec<WorkerStatus> = here.map(|w| self.worker_status(pool, w, Some(slot), now)).collect();
        if all.is_empty() {
            all.push(WorkerStatus {
                id: format!("{}-{}", pool.settings.name, slot.slot),
                pool: pool.settings.name.to_string(),
                slot: slot.slot,
                pid: None,
                state: word_of_empty(slot).unwrap_or(WorkerState::Backoff),
                note: slot.state.over().map(|over| over.to_string()),
                generation: self.fixed.generation,
                jobs_done: 0,
                memory_bytes: None,
                peak_memory_bytes: None,
                cpu_percent: None,
                uptime_s: 0.0,
                restarts: slot.history.restarts,
                crashes: slot.history.crashes,
                last_exit: last_exit(slot.history),
                deadline_s: slot.not_before.map(|at| at.since(now.mono).as_secs_f64()),
                job: None,
            });
        }
        all
    }

    fn worker_status(&self, pool: &Pool, worker: &Handle, slot: Option<&SlotView<'_>>, now: Now) -> WorkerStatus {
        let history = slot.map_or(worker.history, |slot| slot.history);
        let job = worker.flights.front().filter(|f| f.started().is_some());
        WorkerStatus {
            id: worker.name.to_string(),
            pool: pool.settings.name.to_string(),
            slot: worker.slot,
            pid: worker.state.pid(),
            state: state_of(pool, worker),
            note: None,
            generation: self.fixed.generation,
            jobs_done: worker.jobs_done,
            memory_bytes: worker.memory,
            peak_memory_bytes: worker.peak,
            cpu_percent: worker.cpu,
            uptime_s: now.mono.since(worker.since).as_secs_f64(),
            restarts: history.restarts,
            crashes: history.crashes,
            last_exit: last_exit(history),
            deadline_s: deadline(worker, now),
            job: job.map(|f| worker_job(f, now)),
        }
    }
}

/// The word for a slot without a worker.
pub(super) fn word_of_empty(slot: &SlotView<'_>) -> Option<WorkerState> {
    match slot.state {
        SlotState::Empty => Some(WorkerState::Backoff),
        SlotState::Over(Over::Finished(_)) => Some(WorkerState::Finished),
        SlotState::Over(Over::GivenUp(_)) => Some(WorkerState::GivenUp),
        SlotState::Held(_) | SlotState::Replacing { .. } => None,
    }
}

/// A worker that serves no queue has work of its own.
pub(super) fn state_of(pool: &Pool, worker: &Handle) -> WorkerState {
    match worker.word() {
        WorkerState::Idle if !pool.settings.kind.serves_queues() => WorkerState::Running,
        word => word,
    }
}

/// The words for the jobs that it takes.
fn takes(pool: &Pool) -> Vec<String> {
    let all: BTreeSet<&str> =
        pool.takes().filter(|_| pool.settings.kind.serves_queues()).flat_map(Takes::words).collect();
    all.into_iter().map(str::to_owned).collect()
}

fn deadline(worker: &Handle, now: Now) -> Option<f64> {
    match worker.state {
        State::Draining { .. } | State::Ending { .. } => {
            worker.grace_until().map(|at| at.since(now.mono).as_secs_f64())
        }
        State::Ready { .. } => worker.paused_until().map(|at| at.since(now.mono).as_secs_f64()),
        State::Spawning { .. } | State::Starting { .. } | State::Killed { .. } | State::Gone { .. } => None,
    }
}

fn last_exit(history: SlotHistory) -> Option<LastExit> {
    history.last_exit.map(|(reason, exit)| LastExit::new(reason.as_str(), exit, signal_name))
}

fn worker_job(flight: &Flight, now: Now) -> WorkerJob {
    WorkerJob {
        id: flight.job.id,
        kind: flight.job.kind.to_string(),
        attempt: flight.job.attempt(),
        running_s: flight.started().map_or(0.0, |at| now.mono.since(at).as_secs_f64()),
        progress: flight.progress.clone(),
    }
}
