//! Why a pool does no work, or calls of a service fail or wait.

use serde::Serialize;

use super::Reason;
use crate::model::problem::Topic;
use crate::model::service::HealthStatus;
use crate::report::services;
use crate::report::status::{PoolStatus, Status};

/// A pool with its reasons; serialises to the JSON of `why`.
#[derive(Clone, Debug, Serialize)]
pub struct WhyPool<'a> {
    pub pool: &'a str,
    /// That of the service, else of the pool in `status`.
    pub state: &'a str,
    pub reasons: Vec<Reason>,
    #[serde(skip)]
    pub is_service: bool,
}

impl<'a> WhyPool<'a> {
    /// Of a pool of this status.
    #[must_use]
    pub fn of(pool: &'a PoolStatus, status: &Status) -> Self {
        let state = if pool.is_service() { services::state(pool, pool.calls.as_ref()) } else { &*pool.state };
        let mut reasons: Vec<Reason> = of_master(pool, status).collect();
        if pool.state == "stopped" {
            reasons.push(Reason::Stopped { pool: pool.name.clone() });
        } else if pool.wanted > 0 {
            reasons.extend(of_workers(pool, status));
        }
        reasons.extend(of_calls(pool));
        let paused = status.queues.iter().filter(|queue| queue.paused && pool.queues.contains(&queue.name));
        reasons.extend(paused.map(|queue| Reason::Paused { queue: queue.name.clone() }));
        if reasons.is_empty() {
            reasons.push(Reason::Up { ready: pool.ready, wanted: pool.wanted });
        }
        Self { pool: &pool.name, state, reasons, is_service: pool.is_service() }
    }
}

fn of_master(pool: &PoolStatus, status: &Status) -> impl Iterator<Item = Reason> {
    let ending = status.master.as_ref().filter(|master| master.state != "running");
    let ending = ending.map(|master| Reason::Ending { pid: master.pid, state: master.state.clone() });
    let problems = status.master.iter().flat_map(|master| master.problem_topics.iter().zip(&master.problems));
    let of_gateway = problems.filter(|(topic, _)| **topic == Topic::Gateway && pool.calls.is_some());
    ending.into_iter().chain(of_gateway.map(|(_, problem)| Reason::Gateway { problem: problem.clone() }))
}

fn of_workers(pool: &PoolStatus, status: &Status) -> Option<Reason> {
    let name = || pool.name.clone();
    if let Some(capped) = super::capped(pool, status) {
        return Some(capped);
    }
    match (&pool.problem, pool.ready) {
        _ if pool.state == "waiting" => Some(Reason::WaitsFor { pool: name(), others: pool.waits_for.clone() }),
        (None, 0) if pool.state == "finished" => Some(Reason::Finished { pool: name() }),
        (Some(problem), 0) => Some(Reason::NoWorker { pool: name(), problem: problem.clone() }),
        (None, 0) => Some(super::starting(pool)),
        (_, ready) if pool.busy >= ready && pool.calls.as_ref().is_none_or(|calls| calls.waiting > 0) => {
            let fixed = pool.autoscale.is_none().then(name);
            Some(Reason::Busy { pools: vec![name()], fixed, workers: ready, longest: None })
        }
        _ => None,
    }
}

fn of_calls(pool: &PoolStatus) -> Option<Reason> {
    let calls = pool.calls.as_ref()?;
    let (name, text) = (pool.name.clone(), services::calls_now(calls)?);
    if calls.circuit_open_s.is_some() {
        return Some(Reason::CircuitOpen { pool: name, text });
    }
    let is_ill = calls.health.as_ref().is_some_and(|health| health.status != HealthStatus::Healthy);
    is_ill.then_some(Reason::Unhealthy { pool: name, text })
}
