//! Calls that wait for a worker, in order of arrival; sticky calls wait in the lane of their slot.
//!
//! Invariant: no lane is empty, and `len` is the number of calls in all of them.

use std::collections::BTreeMap;

use super::CallId;
use crate::model::Slot;

/// `None`: the lane of calls that any worker may take.
pub(super) type Lane = Option<Slot>;

#[derive(Debug, Default)]
pub(super) struct Queue {
    lanes: BTreeMap<Lane, BTreeMap<u64, CallId>>,
    len: usize,
}

impl Queue {
    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Puts a call where its number of arrival says, or another in its place.
    pub(super) fn put(&mut self, lane: Lane, number: u64, call: CallId) {
        if self.lanes.entry(lane).or_default().insert(number, call).is_none() {
            self.len += 1;
        }
    }

    pub(super) fn remove(&mut self, lane: Lane, number: u64) {
        let Some(calls) = self.lanes.get_mut(&lane) else { return };
        if calls.remove(&number).is_some() {
            self.len -= 1;
        }
        if calls.is_empty() {
            self.lanes.remove(&lane);
        }
    }

    pub(super) fn first(&self, lane: Lane) -> Option<CallId> {
        self.lanes.get(&lane)?.first_key_value().map(|(_, &call)| call)
    }

    pub(super) fn lanes(&self) -> Vec<Lane> {
        self.lanes.keys().copied().collect()
    }

    /// All calls, in order of arrival.
    pub(super) fn all(&self) -> Vec<CallId> {
        let mut calls: Vec<(u64, CallId)> =
            self.lanes.values().flatten().map(|(&number, &call)| (number, call)).collect();
        calls.sort_unstable();
        calls.into_iter().map(|(_, call)| call).collect()
    }
}
