//! The guardian of this master, and its place while it is missing.
//!
//! Invariant: nothing here fails. What a guardian that is gone was to know, the next one is told: its exit is seen, and
//! another is started.

use crate::process::guardian::{Guardian, Words};

/// Keeps a guardian.
#[derive(Debug)]
pub(super) struct Guard {
    guardian: Option<Guardian>,
}

impl Guard {
    /// Starts the first one. Before any thread and any worker.
    pub(super) fn start(words: Words) -> Self {
        let mut guard = Self { guardian: None };
        guard.restart(words);
        guard
    }

    /// Starts one in the place of the one that is missing, with word of everybody; false if that fails.
    pub(super) fn restart(&mut self, words: Words) -> bool {
        let started = Guardian::start(words);
        self.guardian = started.inspect_err(|e| log::warn!("cannot start the guardian: {e}")).ok();
        self.guardian.is_some()
    }

    /// Its process, where there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.guardian.as_ref().map(Guardian::pid)
    }

    /// Reaps the guardian, which has exited.
    pub(super) fn bury(&mut self) {
        if let Some(mut guardian) = self.guardian.take() {
            let _ = guardian.try_wait();
        }
    }

    /// A worker was started.
    pub(super) fn add(&mut self, pid: u32) {
        self.tell(|words| words.add(pid));
    }

    /// A worker was reaped.
    pub(super) fn remove(&mut self, pid: u32) {
        self.tell(|words| words.remove(pid));
    }

    /// All that is known below a worker, or left of it.
    pub(super) fn family(&mut self, leader: u32, members: &[(u32, u64)]) {
        self.tell(|words| words.family(leader, members));
    }

    /// Writes what it could not take before.
    pub(super) fn flush(&mut self) {
        if let Some(guardian) = self.guardian.as_mut().filter(|guardian| guardian.has_backlog()) {
            let _ = guardian.flush();
        }
    }

    fn tell(&mut self, say: impl FnOnce(&mut Words)) {
        if let Some(guardian) = &mut self.guardian {
            let _ = guardian.tell(say);
        }
    }

    /// Nothing is left to guard; false if there was no guardian.
    pub(super) fn dismiss(&mut self) -> bool {
        let Some(guardian) = self.guardian.take() else { return false };
        let (mut child, _) = guardian.bye();
        let _ = child.wait();
        true
    }
}
