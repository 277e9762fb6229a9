//! The core, with what it has decided and nobody has carried out yet.
//!
//! Invariant: whatever makes the core decide goes through here, so that no action is lost.

use std::ops::{Deref, DerefMut};

use crate::core::{Action, Core, Event};
use crate::model::Now;

/// Derefs to the core for everything that leads to no action.
#[derive(Debug)]
pub(super) struct Decisions {
    core: Core,
    actions: Vec<Action>,
}

impl Decisions {
    pub(super) const fn new(core: Core) -> Self {
        Self { core, actions: Vec::new() }
    }

    /// Tells the core what happened.
    pub(super) fn feed(&mut self, event: Event, now: Now) {
        self.core.handle(event, now, &mut self.actions);
    }

    /// Lets the core settle, once per turn.
    pub(super) fn settle(&mut self, now: Now) {
        self.core.settle(now, &mut self.actions);
    }

    /// Asks the core for claims, when a batch is about to be written.
    pub(super) fn claim(&mut self) {
        self.core.claim(&mut self.actions);
    }

    /// Stops if nothing is left of what was to be drained.
    pub(super) fn end_drain(&mut self, all_written: bool, now: Now) {
        self.core.end_drain(all_written, now, &mut self.actions);
    }

    /// Moves what was decided into an empty list, and keeps the room of that for the next time; false if there is nothing.
    pub(super) fn take_actions(&mut self, into: &mut Vec<Action>) -> bool {
        if !self.actions.is_empty() || self.actions.capacity() < into.capacity() {
            std::mem::swap(&mut self.actions, into);
        }
        !into.is_empty()
    }
}

impl Deref for Decisions {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl DerefMut for Decisions {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}
