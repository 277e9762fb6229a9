//! Changes of many jobs that go on by themselves, in the store in memory.
//!
//! Invariant: the same rows go in the same step as in SQLite.

use super::state::State;
use crate::model::OperationId;
use crate::model::change::{Keep, Reply};
use crate::model::operation::{MOST_OPERATIONS, Operation};

impl State {
    pub(super) fn put_operation(&mut self, operation: &Operation) -> Reply {
        self.operations.insert(operation.id, operation.clone());
        Reply::Done
    }

    pub(super) fn prune_operations(&mut self, keep: &Keep) -> usize {
        let Some((newest, _)) = self.operations.last_key_value() else { return 0 };
        let last_of_too_many = OperationId(newest.0 - i64::from(MOST_OPERATIONS));
        let oldest = self.operations.keys().take(keep.limit as usize);
        let old: Vec<OperationId> = oldest.filter(|id| **id <= last_of_too_many).copied().collect();
        self.operations.retain(|id, _| old.binary_search(id).is_err());
        old.len()
    }
}
