//! The machine: its limits, its memory, its clock.

use std::time::Duration;

use super::super::health::{Check, Mark, check};
use super::super::words;
use super::Facts;
use crate::model::problem;

/// Clocks of one machine differ by less.
const CLOCK_STEP: Duration = Duration::from_mins(1);
/// A worker and what it runs; and those of the master and of whoever looks after it.
const PROCESSES_PER_WORKER: u64 = 2;
const OTHER_PROCESSES: u64 = 16;

fn workers(facts: &Facts) -> u64 {
    let pools = facts.configuration.as_ref().map_or(&[][..], |setup| &setup.config.pools);
    pools.iter().map(|pool| u64::from(pool.settings.most_workers())).sum()
}

fn warning(name: &'static str, found: Option<String>, fine: &str) -> Check {
    check(name, found.map(|text| (Mark::Warn, text)).into_iter().collect(), fine.to_owned())
}

pub(super) fn files(facts: &Facts) -> Check {
    let (can, least) = (facts.machine.files, facts.machine.files_needed);
    let found = (can < least).then(|| problem::too_few_files(can, workers(facts), least));
    warning("files", found, "every worker and client can have its files open")
}

pub(super) fn processes(facts: &Facts) -> Check {
    let (workers, least) = (workers(facts), PROCESSES_PER_WORKER * workers(facts) + OTHER_PROCESSES);
    let found = facts.machine.processes.filter(|can| *can < least).map(|can| {
        format!(
            "at most {can} processes may be started, {workers} workers and their commands need {least}; raise the limit \
             (`ulimit -u`, or `LimitNPROC` and `TasksMax` of a service)"
        )
    });
    warning("processes", found, "every worker can be started")
}

pub(super) fn memory(facts: &Facts) -> Check {
    let pools = facts.configuration.as_ref().map_or(&[][..], |setup| &setup.config.pools);
    let all: u64 = pools
        .iter()
        .filter_map(|pool| Some(pool.settings.limits.memory_max?.0.saturating_mul(pool.settings.most_workers().into())))
        .fold(0, u64::saturating_add);
    let found = facts.machine.memory.filter(|memory| *memory < all).map(|memory| {
        format!(
            "{} may take {} together (`memory_max`), this machine has {}: the kernel may end some; lower one of both, see \
             `queue-work config show`",
            words::count(workers(facts), "worker"),
            words::bytes(all),
            words::bytes(memory)
        )
    });
    warning("memory", found, "the limits of all workers together are within the memory")
}

pub(super) fn containment(facts: &Facts) -> Check {
    let found = facts.machine.no_groups.as_ref().map(|why| {
        format!(
            "no control group can be made for each worker ({why}): what a job leaves is found by its parents alone; a \
             service needs `Delegate=yes`"
        )
    });
    warning("containment", found, "each worker can have a control group")
}

pub(super) fn clock(facts: &Facts) -> Check {
    let last = facts.store.as_ref().and_then(|stored| stored.exam.as_ref()?.as_ref().ok()?.last_at);
    let ahead = last.map(|at| at.since(facts.now)).filter(|ahead| *ahead > CLOCK_STEP);
    let found = ahead.map(|ahead| {
        let ahead = words::duration(ahead);
        format!("the latest time on record is {ahead} from now: the clock was set back, or was wrong; see `date`")
    });
    warning("clock", found, "nothing on record is from the future")
}

pub(super) fn proc(facts: &Facts) -> Check {
    let found = facts.machine.hides_processes.then(|| problem::HIDDEN_PROCESSES.to_owned());
    warning("proc", found, "`/proc` shows all processes")
}

pub(super) fn oom(facts: &Facts) -> Check {
    let kills = facts.machine.oom_kills;
    let found = (kills > 0).then(|| {
        let processes = if kills == 1 { "1 process".to_owned() } else { format!("{kills} processes") };
        format!("the kernel has killed {processes} for want of memory since this machine started; see `dmesg`")
    });
    warning("oom", found, "the kernel has killed nothing for want of memory")
}
