//! The guardian of this master, and its place while it is missing.
//!
//! Invariant: nothing here fails. What a guardian that is gone was to know, the next one is told: its exit is seen, and
//! another is started.

use super::Containment;
use crate::process::guardian::{Guardian, Words};

impl Containment {
    /// Starts one in the place of the one that is missing, with word of everybody; false if that fails.
    pub(in crate::master) fn restart_guardian(&mut self, workers: impl Iterator<Item = u32>) -> bool {
        let mut words = Words::new(&self.cookie, self.group.as_ref());
        workers.for_each(|pid| words.add(pid));
        for family in self.families.values().filter(|family| !family.members.is_empty()) {
            words.family(family.leader, &family.members);
        }
        if let Some(until) = self.lease {
            words.lease(until);
        }
        self.guardian = start(words);
        self.guardian.is_some()
    }

    /// The process of the guardian, where there is one.
    pub(in crate::master) fn guardian_pid(&self) -> Option<u32> {
        self.guardian.as_ref().map(Guardian::pid)
    }

    /// Reaps the guardian, which has exited.
    pub(in crate::master) fn bury_guardian(&mut self) {
        if let Some(mut guardian) = self.guardian.take() {
            let _ = guardian.try_wait();
        }
    }

    /// The process of a worker was started.
    pub(in crate::master) fn add_process(&mut self, pid: u32) {
        tell(&mut self.guardian, |words| words.add(pid));
    }

    /// There may be workers until then.
    pub(in crate::master) fn lease(&mut self, until: u64) {
        if self.lease.replace(until) != Some(until) {
            tell(&mut self.guardian, |words| words.lease(until));
        }
    }

    /// The process of a worker is reaped.
    pub(in crate::master) fn remove_process(&mut self, pid: u32) {
        tell(&mut self.guardian, |words| words.remove(pid));
    }

    /// Writes what the guardian could not take before.
    pub(in crate::master) fn flush(&mut self) {
        if let Some(guardian) = self.guardian.as_mut().filter(|guardian| guardian.has_backlog()) {
            let _ = guardian.flush();
        }
    }

    /// Nothing is left to hold together. Without a guardian the group stays, for whoever sweeps after us.
    pub(in crate::master) fn end(&mut self) {
        let Some(guardian) = self.guardian.take() else { return };
        let (mut child, _) = guardian.bye();
        let _ = child.wait();
        failpoint!("stop.guardian_gone");
        if let Some(group) = &self.group {
            group.remove();
        }
    }
}

pub(super) fn start(words: Words) -> Option<Guardian> {
    Guardian::start(words).inspect_err(|e| log::warn!("cannot start the guardian: {e}")).ok()
}

pub(super) fn tell(guardian: &mut Option<Guardian>, say: impl FnOnce(&mut Words)) {
    if let Some(guardian) = guardian {
        let _ = guardian.tell(say);
    }
}
