//! Begins anew where others have taken over from this master because it had said nothing for its lease: it stood still, or was
//! cut off from the store.
//!
//! The program is executed once more in this process, which a service manager knows, with its arguments and its environment.
//! Invariants: nothing that this life has started lives when the next one begins; a master that was taken over in its lease has
//! a twin, which has the same file of its place, and ends: two that begin anew would take over from each other for ever.

use std::time::Duration;

use super::Master;
use super::startup::Failure;
use crate::clock;
use crate::process::image;
use crate::process::sweep;
use crate::store::StoreError;

/// Says in the environment why the life before this one is over.
const REASON: &str = "QUEUE_WORK_BEGUN_ANEW";
/// How long the processes of this life may take to die.
const PROOF: Duration = Duration::from_secs(10);
/// Between two looks at whether they are dead.
const LOOK: Duration = Duration::from_millis(10);
/// Before a store is tried again that does not answer.
const AGAIN: Duration = Duration::from_secs(1);

/// The reason why the life before this one is over, if it was one of this process.
pub(super) fn reason() -> Option<String> {
    std::env::var(REASON).ok()
}

/// Whether a life that could not begin is to be begun once more: the one before it knew the store.
pub(super) fn is_worth_a_try(failure: &Failure) -> bool {
    let may_pass = matches!(failure, Failure::Store(StoreError::Io(_) | StoreError::Cannot { .. }));
    may_pass && reason().is_some()
}

/// Begins once more, a moment later.
pub(super) fn try_again(failure: &Failure) -> Failure {
    log::warn!("this master cannot begin anew yet: {failure}");
    clock::pause(AGAIN);
    begin(&reason().unwrap_or_default())
}

/// Executes the program in this process; returns if that fails.
pub(super) fn begin(reason: &str) -> Failure {
    Failure::System { doing: "begin anew", source: image::again(&[(REASON, reason)]) }
}

impl Master {
    /// Why this master is to begin anew, if it is.
    pub(super) fn begins_anew(&self) -> Option<String> {
        self.hold.begins_anew().filter(|_| self.in_force.config.single.is_none())
    }

    /// Ends all that this life has started; false: something lives.
    pub(super) fn end_all(&mut self) -> bool {
        let swept = sweep::kill_all(&self.containment.selector(), PROOF);
        let mut waited = Duration::ZERO;
        while !self.children.is_empty() && waited < PROOF {
            self.reap();
            clock::pause(LOOK);
            waited += LOOK;
        }
        swept.left.is_empty() && self.children.is_empty()
    }
}
