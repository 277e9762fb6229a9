//! Health of a master as a list of checks, each with a verdict and a sentence; the worst verdict is that of the whole.
//!
//! Pure: decided from the status document, the processors and the limit of the configuration. Invariants: each check is always
//! in the list, under the same name, so that a program can watch one of them; what an operator asked for (a pause, a pool scaled
//! to zero, a processor that is disabled) is not wrong.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::colours::{GREEN, RED, YELLOW};
use super::processors::ProcessorStatus;
use super::services::calls_now;
use super::status::{MasterStatus, PoolStatus, Status, UNREACHABLE};
use super::words;
use crate::model::UnixMicros;
use crate::model::problem::Topic;
use crate::model::service::HealthStatus;

/// A run of a processor that is so late is overdue.
const OVERDUE: Duration = Duration::from_mins(1);
/// Causes that one check names.
const MOST_NAMED: usize = 3;

/// All checks, and what they come to; serialises to the JSON of `health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    pub status: Verdict,
    pub checks: Vec<Check>,
}

/// The worst of all checks, in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    Healthy,
    /// Jobs run, not all of them as they should.
    Degraded,
    /// No jobs run, or not those of a whole pool.
    Unhealthy,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    pub name: &'static str,
    pub status: Mark,
    pub message: String,
}

/// The finding of a check, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    Pass,
    Warn,
    Fail,
}

/// Facts that are looked at.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub status: &'a Status,
    pub processors: &'a [ProcessorStatus],
    /// `[health] max_wait`
    pub max_wait: Option<Duration>,
    pub now: UnixMicros,
}

impl Health {
    /// Looks at everything.
    #[must_use]
    pub fn of(facts: Facts<'_>) -> Self {
        let checks = vec![
            master(facts.status),
            store(facts.status),
            problems(facts.status),
            pools(facts.status),
            services(&facts.status.pools, facts.status),
            queues(facts.status),
            wait(facts),
            processors(facts),
        ];
        Self::with(checks)
    }

    /// Looks at one service.
    #[must_use]
    pub fn of_service(service: &PoolStatus, status: &Status) -> Self {
        let one = std::slice::from_ref(service);
        Self::with(vec![master(status), pools_among(one), services(one, status)])
    }

    /// The worst of all is that of the whole.
    #[must_use]
    pub(super) fn with(checks: Vec<Check>) -> Self {
        let worst = checks.iter().map(|check| check.status).max();
        let status = match worst {
            None | Some(Mark::Pass) => Verdict::Healthy,
            Some(Mark::Warn) => Verdict::Degraded,
            Some(Mark::Fail) => Verdict::Unhealthy,
        };
        Self { status, checks }
    }

    /// For people: the verdict, then a line for each check, the worst first.
    #[must_use]
    pub fn text(&self) -> String {
        let (word, colour) = match self.status {
            Verdict::Healthy => ("healthy", GREEN),
            Verdict::Degraded => ("degraded", YELLOW),
            Verdict::Unhealthy => ("unhealthy", RED),
        };
        let mut text = format!("{colour}{word}{colour:#}\n");
        let mut checks: Vec<&Check> = self.checks.iter().collect();
        checks.sort_by_key(|check| std::cmp::Reverse(check.status));
        let width = checks.iter().map(|check| check.name.len()).max().unwrap_or(0);
        for Check { name, status, message } in checks {
            let (word, colour) = match status {
                Mark::Pass => ("pass", GREEN),
                Mark::Warn => ("warn", YELLOW),
                Mark::Fail => ("fail", RED),
            };
            let _ = writeln!(text, "{colour}{word}{colour:#}  {name:<width$}  {}", words::one_line(message, 2_000));
        }
        text
    }
}

/// The worst of what was found, in words; `fine`: what is said where nothing was.
pub(super) fn check(name: &'static str, mut found: Vec<(Mark, String)>, fine: String) -> Check {
    found.sort_by_key(|(mark, _)| std::cmp::Reverse(*mark));
    let Some((status, _)) = found.first() else { return Check { name, status: Mark::Pass, message: fine } };
    let (status, others) = (*status, found.len().saturating_sub(MOST_NAMED));
    let named: Vec<String> = found.into_iter().take(MOST_NAMED).map(|(_, text)| text).collect();
    let more = if others > 0 { format!("; and {others} more") } else { String::new() };
    Check { name, status, message: named.join("; ") + &more }
}

fn master(status: &Status) -> Check {
    let Some(master) = &status.master else {
        return check("master", vec![(Mark::Fail, "no master runs".to_owned())], String::new());
    };
    let MasterStatus { pid, state, .. } = master;
    let fine = format!("master {pid} runs for {}, version {}", words::seconds(master.uptime_s), master.version);
    let wrong = match state.as_str() {
        "running" => None,
        UNREACHABLE => {
            Some(master.problems.first().cloned().unwrap_or_else(|| format!("master {pid} does not answer")))
        }
        "draining" => Some(format!("master {pid} is draining: it ends when its jobs are done, and begins no other")),
        state => Some(format!("master {pid} is {state}: it ends its jobs, and begins no other")),
    };
    check("master", wrong.map(|text| (Mark::Fail, text)).into_iter().collect(), fine)
}

/// Problems of the master, each with how bad it is.
fn problems_of(status: &Status, bad: impl Fn(Topic) -> Option<Mark>) -> Vec<(Mark, String)> {
    let problems = status.master.iter().flat_map(|master| master.problem_topics.iter().zip(&master.problems));
    problems.filter_map(|(topic, text)| Some((bad(*topic)?, text.clone()))).collect()
}

fn store(status: &Status) -> Check {
    let bad = |topic| match topic {
        Topic::Store | Topic::Sync => Some(Mark::Fail),
        Topic::Log | Topic::Lost => Some(Mark::Warn),
        _ => None,
    };
    check("store", problems_of(status, bad), "the store takes every change".to_owned())
}

/// Topics of the machine. That `/proc` hides processes is a fact of it for as long as it runs; jobs do not need a collector.
fn problems(status: &Status) -> Check {
    let bad = |topic| match topic {
        Topic::Store | Topic::Sync | Topic::Log | Topic::Lost | Topic::Proc | Topic::Traces | Topic::Gateway => None,
        _ => Some(Mark::Warn),
    };
    check("machine", problems_of(status, bad), "nothing that the master needs is missing".to_owned())
}

fn pools(status: &Status) -> Check {
    pools_among(&status.pools)
}

fn pools_among(pools: &[PoolStatus]) -> Check {
    let wrong = |pool: &PoolStatus| {
        let (problem, name) = (pool.problem.as_ref().filter(|_| pool.wanted > 0)?, &pool.name);
        Some(match pool.ready {
            _ if pool.state == "finished" || pool.state == "waiting" => {
                (Mark::Warn, format!("pool `{name}`: {problem}"))
            }
            0 => (Mark::Fail, format!("no worker of pool `{name}` is ready: {problem}")),
            ready => (Mark::Warn, format!("{ready} of {} workers of pool `{name}` are ready: {problem}", pool.wanted)),
        })
    };
    let sum = |count: fn(&PoolStatus) -> u32| pools.iter().map(count).sum::<u32>();
    let stopped = pools.iter().filter(|pool| pool.state == "stopped").count();
    let stopped = if stopped > 0 { format!(", {stopped} stopped") } else { String::new() };
    let finished = sum(|pool| pool.finished);
    let finished = if finished > 0 { format!(", {finished} finished") } else { String::new() };
    let (ready, wanted) = (sum(|pool| pool.ready), sum(|pool| pool.wanted));
    let fine = format!(
        "{}{stopped}, {ready} of {} ready{finished}",
        words::count(pools.len() as u64, "pool"),
        words::count(wanted.into(), "worker")
    );
    check("pools", pools.iter().filter_map(wrong).collect(), fine)
}

/// Services among these pools, as their workers and the gateway say; why no worker is ready is a matter of pools.
fn services(pools: &[PoolStatus], status: &Status) -> Check {
    let wrong = |pool: &PoolStatus| {
        // A sidecar waits without a problem.
        let has_turn = pool.state != "waiting" || pool.problem.is_some();
        if pool.is_service() && pool.wanted > 0 && pool.ready == 0 && has_turn {
            let workers = words::count(pool.wanted.into(), "worker");
            return Some((Mark::Fail, format!("service `{}`: 0 of {workers} ready", pool.name)));
        }
        let calls = pool.calls.as_ref()?;
        let mark = match (calls.circuit_open_s, calls.health.as_ref().map(|health| health.status)) {
            (Some(_), _) | (None, Some(HealthStatus::Unhealthy)) => Mark::Fail,
            (None, Some(HealthStatus::Degraded)) => Mark::Warn,
            (None, Some(HealthStatus::Healthy) | None) => return None,
        };
        Some((mark, format!("service `{}`: {}", pool.name, calls_now(calls)?)))
    };
    let mut found: Vec<_> = pools.iter().filter_map(wrong).collect();
    let services = pools.iter().filter(|pool| pool.is_service()).count();
    if pools.iter().any(|pool| pool.calls.is_some()) {
        found.extend(problems_of(status, |topic| (topic == Topic::Gateway).then_some(Mark::Fail)));
    }
    let fine = match services {
        0 => "there is no service".to_owned(),
        count => format!("{} can be called", words::count(count as u64, "service")),
    };
    check("services", found, fine)
}

fn queues(status: &Status) -> Check {
    let wrong = status.unserved.iter().map(|found| (Mark::Warn, found.problem.clone())).collect();
    let paused: Vec<_> =
        status.queues.iter().filter(|queue| queue.paused).take(MOST_NAMED).map(|queue| &queue.name).collect();
    let paused = if paused.is_empty() { String::new() } else { format!("; paused: {}", words::list(&paused)) };
    check("queues", wrong, format!("a pool takes every job that is ready{paused}"))
}

fn wait(Facts { status, max_wait, .. }: Facts<'_>) -> Check {
    let Some(most) = max_wait else {
        return check(
            "wait",
            Vec::new(),
            "jobs may wait as long as they do: `max_wait` in `[health]` is off".to_owned(),
        );
    };
    let late = status.queues.iter().filter(|queue| !queue.paused).filter_map(|queue| {
        let waited = queue.oldest_ready_s.filter(|waited| *waited > most.as_secs_f64())?;
        let (waited, most) = (words::seconds(waited), words::duration(most));
        Some((
            Mark::Warn,
            format!("the first ready job of queue `{}` has waited for {waited}, longer than {most}", queue.name),
        ))
    });
    check("wait", late.collect(), format!("no ready job has waited for longer than {}", words::duration(most)))
}

/// A master of a single worker runs no processors, and one that is not there is said to be so.
fn processors(Facts { status, processors, now, .. }: Facts<'_>) -> Check {
    let has_some = status.master.as_ref().is_some_and(|master| !master.single);
    let armed = processors.iter().filter(|one| has_some && one.enabled && one.configured_enabled.is_some());
    let overdue = armed.clone().filter(|one| one.open_run().is_none()).filter_map(|one| {
        let late = now.since(one.next_at.filter(|at| *at < now)?);
        let text = || format!("processor `{}` is overdue by {}", one.name, words::duration(late));
        (late > OVERDUE).then(|| (Mark::Warn, text()))
    });
    let fine = match armed.clone().count() {
        0 => "no processor is to run".to_owned(),
        count => format!("{} in time", words::count(count as u64, "processor")),
    };
    check("processors", overdue.collect(), fine)
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
