//! Read by `sysinfo` (`proc_pidinfo`): start times in whole seconds, memory with what is shared. What has ended is not listed.

use sysinfo::{ProcessRefreshKind, ProcessStatus, System};

use super::processes::{all, one};
use crate::process::identity::Stat;

/// Nothing is needed to tell boots apart: start times are those of the calendar.
#[must_use]
pub const fn boot_id() -> &'static str {
    ""
}

/// Name of this machine; empty where the kernel does not say.
#[must_use]
pub fn host() -> String {
    System::host_name().unwrap_or_default()
}

/// Process ids count everywhere.
#[must_use]
pub const fn pid_namespace() -> String {
    String::new()
}

/// The parent of a process; `None` if it is gone.
#[must_use]
pub fn parent_of(pid: u32) -> Option<u32> {
    one(pid, ProcessRefreshKind::nothing(), sysinfo::Process::parent).map(sysinfo::Pid::as_u32)
}

/// The living children of a process.
#[must_use]
pub fn children_of(pid: u32) -> Vec<u32> {
    let parent = Some(sysinfo::Pid::from_u32(pid));
    let pids = all(ProcessRefreshKind::nothing(), |all| {
        all.filter(|process| process.parent() == parent).map(|process| process.pid().as_u32()).collect()
    });
    pids.unwrap_or_default()
}

/// Numbers that change when a process does anything worth measuring: start, CPU time, resident memory; `None` for a zombie
/// or no process.
#[must_use]
pub fn activity_of(pid: u32) -> Option<[u64; 4]> {
    one(pid, ProcessRefreshKind::nothing().with_cpu().with_memory(), |process| {
        Some([process.start_time(), 0, process.accumulated_cpu_time(), process.memory()])
    })
}

/// Memory of one process, without its descendants, in bytes: what is resident, shared pages included.
#[must_use]
pub fn memory_of(pid: u32) -> Option<u64> {
    one(pid, ProcessRefreshKind::nothing().with_memory(), |process| Some(process.memory()))
}

pub(in crate::process) fn read_stat(pid: u32) -> Option<Stat> {
    one(pid, ProcessRefreshKind::nothing(), |process| {
        let state = match process.status() {
            ProcessStatus::Zombie => b'Z',
            ProcessStatus::Stop => b'T',
            ProcessStatus::Sleep => b'S',
            _ => b'R',
        };
        Some(Stat { state, start: process.start_time() })
    })
}
