//! The machine as a master would find it: limits of processes, memory, control groups.

use crate::config::Loaded;
use crate::master;
use crate::process::{cgroup, identity, oom};
use crate::report::doctor::Machine;
use crate::report::status::MasterStatus;

/// What the master says holds its workers together where control groups do.
const BY_GROUPS: &str = "cgroup";

pub(super) fn look(master: Option<&MasterStatus>, loaded: Option<&Loaded>) -> Machine {
    let pools = loaded.map_or(&[][..], |loaded| &loaded.config.pools);
    let workers = pools.iter().map(|pool| u64::from(pool.settings.most_workers())).sum();
    // Limits of the master are the ones that count.
    let pid = master.map_or_else(std::process::id, |master| master.pid);
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let of_user = limit(&limits, "Max processes", 0).filter(|_| !nix::unistd::Uid::effective().is_root());
    let of_group = cgroup::limit("pids.max");
    let has_groups = master.is_some_and(|master| master.containment == BY_GROUPS);
    Machine {
        files: limit(&limits, "Max open files", 1).unwrap_or(u64::MAX),
        files_needed: master::files_needed(workers),
        processes: of_user.into_iter().chain(of_group).min(),
        memory: memory().into_iter().chain(cgroup::limit("memory.max")).min(),
        no_groups: if has_groups { None } else { cgroup::why_none() },
        hides_processes: identity::others_are_hidden(),
        oom_kills: oom::kills().unwrap_or_default(),
    }
}

/// The soft limit (0) or the hard one (1) of a process; `None`: unlimited.
fn limit(limits: &str, name: &str, which: usize) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().nth(which)?.parse().ok()
}

/// All of this machine, in bytes.
fn memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_ascii_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_a_process_are_read_by_name() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             127434               unlimited            processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(limit(text, "Max open files", 1), Some(524_288));
        assert_eq!((limit(text, "Max processes", 0), limit(text, "Max processes", 1)), (Some(127_434), None));
        assert_eq!(limit(text, "Max locked memory", 0), None);
    }
}
