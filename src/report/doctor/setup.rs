//! The configuration and the master.

use super::super::health::{Check, Mark, check};
use super::super::status::{QueueStatus, UNREACHABLE};
use super::super::words;
use super::{Facts, PoolHistory, Setup, Unit};
use crate::config::PoolConfig;
use crate::model::{Durability, MemoryLimit, Prefetch};

/// A ready job waits no longer than this beside an idle worker.
const LEGAL_WAIT_S: f64 = 5.0;
/// Runs that are longer should not wait behind one another.
const LONG_S: f64 = 1.0;
/// Fewer runs, or fewer workers, say nothing.
const ENOUGH: u64 = 5;
/// A worker that has less room to grow is replaced by what any program takes at first.
const LEAST_GROWTH: u64 = 16 << 20;

fn setup(facts: &Facts) -> Option<&Setup> {
    facts.configuration.as_ref().ok()
}

fn pools(facts: &Facts) -> impl Iterator<Item = &PoolConfig> {
    setup(facts).into_iter().flat_map(|setup| &setup.config.pools)
}

pub(super) fn configuration(facts: &Facts) -> Check {
    let name = "configuration";
    match &facts.configuration {
        Err(problems) => {
            let text = format!("{problems}; check it again with `queue-work config check`");
            check(name, vec![(Mark::Fail, text)], String::new())
        }
        Ok(setup) => {
            let valid = setup.config.file.as_ref().map(|read| format!("`{}` is valid", read.file.display()));
            let fine = valid.unwrap_or_else(|| "there is no file, the defaults are in force".to_owned());
            check(name, setup.warnings.iter().map(|text| (Mark::Warn, text.clone())).collect(), fine)
        }
    }
}

pub(super) fn master(facts: &Facts) -> Check {
    let ready: u64 = facts.status.queues.iter().map(|queue| queue.ready).sum();
    let (found, fine) = match &facts.status.master {
        None if ready > 0 => {
            let jobs = words::count(ready, "job");
            let text = format!("no master runs, and {jobs} would be run; start one with `{}`", facts.start);
            (vec![(Mark::Warn, text)], String::new())
        }
        None => (Vec::new(), "none runs, and no job is ready".to_owned()),
        Some(master) if master.state == UNREACHABLE => {
            (master.problems.iter().map(|text| (Mark::Fail, text.clone())).collect(), String::new())
        }
        Some(master) => (Vec::new(), format!("master {} is {}", master.pid, master.state)),
    };
    check("master", found, fine)
}

pub(super) fn version(facts: &Facts) -> Check {
    let ours = facts.version;
    let other = facts.status.master.as_ref().filter(|master| !master.version.is_empty() && master.version != ours);
    let found = other.map(|master| {
        let text = format!(
            "master {} is of version {}, this program of {ours}: end it with `queue-work stop`, then start it anew",
            master.pid, master.version
        );
        (Mark::Warn, text)
    });
    check("version", found.into_iter().collect(), format!("{ours}, and no master is of another"))
}

pub(super) fn reload(facts: &Facts) -> Check {
    let changed = setup(facts).and_then(|setup| setup.changed.as_ref()).map(|file| {
        let text = format!("`{file}` has changed since the master read it; `queue-work reload` has it read again");
        (Mark::Warn, text)
    });
    check("reload", changed.into_iter().collect(), "no master runs by an older file".to_owned())
}

pub(super) fn paused(facts: &Facts) -> Check {
    let held = facts.status.queues.iter().filter(|queue| queue.paused && queue.ready > 0).map(|queue| {
        let jobs = if queue.ready == 1 { "1 job waits".to_owned() } else { format!("{} jobs wait", queue.ready) };
        (Mark::Warn, format!("queue `{0}` is paused and {jobs}; go on with `queue-work resume {0}`", queue.name))
    });
    check("paused", held.collect(), "no job waits in a paused queue".to_owned())
}

/// Only where every pool of the queue has a worker without a job, as one may not take what the other takes.
pub(super) fn idle(facts: &Facts) -> Check {
    let status = &facts.status;
    let is_late = |queue: &&QueueStatus| {
        let waits = !queue.paused && queue.ready > 0 && queue.oldest_ready_s.is_some_and(|s| s > LEGAL_WAIT_S);
        waits && !status.unserved.iter().any(|found| found.queue == queue.name)
    };
    let found = status.queues.iter().filter(is_late).filter_map(|queue| {
        let mut serving = status.pools.iter().filter(|pool| pool.queues.contains(&queue.name)).peekable();
        serving.peek()?;
        let idle: Vec<u32> = serving.map(|pool| pool.ready.saturating_sub(pool.busy)).collect();
        if idle.contains(&0) {
            return None;
        }
        let (waits, idle) = (words::seconds(queue.oldest_ready_s?), idle.iter().sum::<u32>().into());
        let text = format!(
            "queue `{0}` has had a ready job for {waits} although {1} that serve it have none; look at it with \
             `queue-work status {0}`",
            queue.name,
            words::count(idle, "worker")
        );
        Some((Mark::Fail, text))
    });
    check("idle", found.collect(), "no ready job waits beside an idle worker".to_owned())
}

pub(super) fn durability(facts: &Facts) -> Check {
    let is_weak = setup(facts).is_some_and(|setup| setup.config.durability == Durability::Process);
    let text = "a power cut may lose jobs that were acknowledged (`durability = \"process\"`); `full` has each on the disk \
                first, see `queue-work config show`";
    let found = is_weak.then(|| (Mark::Warn, text.to_owned()));
    check("durability", found.into_iter().collect(), "a job that was acknowledged is on the disk".to_owned())
}

pub(super) fn stop_timeout(facts: &Facts) -> Check {
    let Some((longest, pool)) = setup(facts).and_then(|setup| setup.config.longest_stop()) else {
        return check("stop_timeout", Vec::new(), "no pool is configured".to_owned());
    };
    let short = |unit: &&Unit| unit.stop_timeout.is_some_and(|timeout| timeout <= longest);
    let found = facts.units.iter().filter(short).map(|unit| {
        let user = if unit.is_users { " --user" } else { "" };
        let text = format!(
            "systemd kills what `{0}` runs {1} after a stop (TimeoutStopSec), but jobs of pool `{2}` have {3} \
             (`grace` and `kill_after`); give it more with `systemctl{user} edit {0}`",
            unit.name,
            words::duration(unit.stop_timeout.unwrap_or_default()),
            pool.settings.name,
            words::duration(longest),
        );
        (Mark::Warn, text)
    });
    let fine = match facts.units.len() {
        0 => "no unit of systemd starts a master".to_owned(),
        count => format!("{} of systemd: jobs have the time to end", words::count(count as u64, "unit")),
    };
    check("stop_timeout", found.collect(), fine)
}

pub(super) fn prefetch(facts: &Facts) -> Check {
    let found = pools(facts).filter_map(|pool| {
        let Prefetch::Fixed(ahead @ 2..) = pool.settings.limits.prefetch else { return None };
        let name = pool.settings.name.as_str();
        let history = facts.pools.iter().find(|history| history.name == name)?;
        (history.runs >= ENOUGH && history.mean_s > LONG_S).then(|| {
            let takes = words::seconds(history.mean_s);
            let text = format!(
                "pool `{name}` sends {ahead} jobs ahead to a worker (`prefetch`), and one takes {takes}: the others wait \
                 behind it; set `prefetch = \"auto\"`, then `queue-work reload`"
            );
            (Mark::Warn, text)
        })
    });
    check("prefetch", found.collect(), "no long jobs are sent ahead".to_owned())
}

pub(super) fn recycling(facts: &Facts) -> Check {
    let mut found: Vec<(Mark, String)> = Vec::new();
    for pool in pools(facts) {
        let name = pool.settings.name.as_str();
        let history = facts.pools.iter().find(|history| history.name == name);
        let soon = history.filter(|history| history.replaced_soon >= ENOUGH);
        let small = match pool.settings.limits.memory {
            Some(MemoryLimit::Growth(bytes)) if bytes < LEAST_GROWTH => Some(bytes),
            _ => None,
        };
        let why = match (soon, small) {
            (Some(PoolHistory { replaced_soon, workers, .. }), _) => {
                format!(
                    "{replaced_soon} of the last {workers} workers of pool `{name}` were replaced for their memory after \
                         two jobs at most"
                )
            }
            (None, Some(bytes)) => {
                let (bytes, least) = (words::bytes(bytes), words::bytes(LEAST_GROWTH));
                format!(
                    "a worker of pool `{name}` is replaced when it has grown by {bytes}, and any program takes {least}"
                )
            }
            (None, None) => continue,
        };
        found.push((Mark::Warn, format!("{why}; raise `memory`, see `queue-work workers --pool {name}`")));
    }
    check("recycling", found, "workers live long enough to pay for their start".to_owned())
}
