//! The list of processes, as `sysinfo` reads it. Those that have ended are not in it, reaped or not.

use std::sync::{Mutex, PoisonError};

use sysinfo::{Pid, Process, ProcessRefreshKind, ProcessesToUpdate, System};

/// Kept, as each one takes a port of the kernel.
static SYSTEM: Mutex<Option<System>> = Mutex::new(None);

/// Reads this of one process, and hands it over if it is there.
pub(super) fn one<T>(pid: u32, what: ProcessRefreshKind, of: impl FnOnce(&Process) -> Option<T>) -> Option<T> {
    let pid = Pid::from_u32(pid);
    read(ProcessesToUpdate::Some(&[pid]), what, |system| {
        system.process(pid).filter(|found| has_start(found)).and_then(of)
    })?
}

/// Reads this of all.
pub(super) fn all<T>(what: ProcessRefreshKind, of: impl FnOnce(&mut dyn Iterator<Item = &Process>) -> T) -> Option<T> {
    let known = |system: &System| of(&mut system.processes().values().filter(|found| has_start(found)));
    read(ProcessesToUpdate::All, what, known)
}

/// One that ended while it was read has none.
fn has_start(process: &Process) -> bool {
    process.start_time() > 0
}

fn read<T>(which: ProcessesToUpdate<'_>, what: ProcessRefreshKind, of: impl FnOnce(&System) -> T) -> Option<T> {
    let mut kept = SYSTEM.lock().unwrap_or_else(PoisonError::into_inner);
    let system = match &mut *kept {
        Some(system) => system,
        none => none.insert(System::new().ok()?),
    };
    system.refresh_processes_specifics(which, true, what);
    Some(of(system))
}
