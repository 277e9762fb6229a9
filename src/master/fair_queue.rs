//! A fair queue: each is served once, first come, first served. And the pipes that are to be read.

use std::collections::{BTreeSet, VecDeque};

use super::pipes::Pipe;
use crate::model::{Mono, WorkerId};

/// Pipes that are to be read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// An edge told of them.
    pub(super) fresh: Turns<(WorkerId, Pipe)>,
    /// Pipes that may have more to read, although no edge will tell.
    pub(super) backlog: Turns<(WorkerId, Pipe)>,
    /// When these have their turn.
    pub(super) backlog_at: Mono,
}

/// A queue in which everybody stands at most once.
#[derive(Debug)]
pub(super) struct Turns<T> {
    order: VecDeque<T>,
    waiting: BTreeSet<T>,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Self { order: VecDeque::new(), waiting: BTreeSet::new() }
    }
}

impl<T: Copy + Ord> Turns<T> {
    /// Joins at the end; who stands there already keeps its place.
    pub(super) fn join(&mut self, who: T) {
        if self.waiting.insert(who) {
            self.order.push_back(who);
        }
    }

    /// The next, who leaves the queue.
    pub(super) fn next(&mut self) -> Option<T> {
        let next = self.order.pop_front()?;
        self.waiting.remove(&next);
        Some(next)
    }

    /// Whether this one waits.
    pub(super) fn has(&self, who: T) -> bool {
        self.waiting.contains(&who)
    }

    /// Whether nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_stands_in_the_queue_once_and_is_served_in_order() {
        let mut turns = Turns::default();
        for who in [3, 1, 3, 2, 1] {
            turns.join(who);
        }
        assert_eq!((turns.next(), turns.next()), (Some(3), Some(1)));
        assert!(turns.has(2) && !turns.has(3));
        turns.join(3);
        assert_eq!((turns.next(), turns.next(), turns.next()), (Some(2), Some(3), None));
        assert!(turns.is_empty());
    }
}
