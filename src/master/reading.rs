//! The pipes of workers that are to be read, each in its turn.
//!
//! Invariant: first those that have just begun to speak, then those that had more to say than is read at once. These have
//! half of the time at most, so that a flood keeps nobody waiting but the one it comes from.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::pipes::Pipe;
use crate::model::{Mono, WorkerId};

/// How long workers are read before everything else has its turn.
const READ_FOR: Duration = Duration::from_millis(1);

/// Pipes that are to be read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// An edge told of them.
    fresh: Turns<(WorkerId, Pipe)>,
    /// Pipes that may have more to read, although no edge will tell.
    backlog: Turns<(WorkerId, Pipe)>,
    /// When these have their turn.
    backlog_at: Mono,
    /// Pipes that are not read while their worker is behind with reading its answers.
    unheard: BTreeSet<(WorkerId, Pipe)>,
}

/// Reading in one turn of the master.
#[derive(Debug)]
pub(super) struct Session {
    begun: Mono,
    backlog_begun: Option<Mono>,
}

impl Reading {
    /// An edge told of a pipe.
    pub(super) fn edge(&mut self, who: (WorkerId, Pipe)) {
        if !self.backlog.has(who) {
            self.fresh.join(who);
        }
    }

    /// The pipe may have more than was read.
    pub(super) fn has_more(&mut self, who: (WorkerId, Pipe)) {
        self.backlog.join(who);
    }

    /// The pipe is not to be read before its worker has read its answers.
    pub(super) fn hold(&mut self, who: (WorkerId, Pipe)) {
        self.unheard.insert(who);
    }

    /// Reads those again that are no longer behind.
    pub(super) fn read_on(&mut self, is_behind: impl Fn(WorkerId) -> bool) {
        for heard in self.unheard.extract_if(.., |(id, _)| !is_behind(*id)) {
            self.fresh.join(heard);
        }
    }

    /// Whether there is something to read now.
    pub(super) fn is_urgent(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// When the backlog has its turn, where there is one.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        (!self.backlog.is_empty()).then_some(self.backlog_at)
    }

    pub(super) const fn session(now: Mono) -> Session {
        Session { begun: now, backlog_begun: None }
    }

    /// The next pipe to read in this turn, `now` that the one before was read.
    pub(super) fn next(&mut self, session: &mut Session, now: Mono) -> Option<(WorkerId, Pipe)> {
        if session.backlog_begun.is_none() {
            if now.since(session.begun) > READ_FOR {
                return None;
            }
            if let Some(fresh) = self.fresh.next() {
                return Some(fresh);
            }
        }
        let begun = *session.backlog_begun.get_or_insert(now);
        if now.since(begun) > READ_FOR {
            self.backlog_at = now + now.since(begun);
        }
        if begun < self.backlog_at { None } else { self.backlog.next() }
    }
}

/// A queue in which everybody stands at most once.
#[derive(Debug)]
struct Turns<T> {
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
    fn join(&mut self, who: T) {
        if self.waiting.insert(who) {
            self.order.push_back(who);
        }
    }

    /// The next, who leaves the queue.
    fn next(&mut self) -> Option<T> {
        let next = self.order.pop_front()?;
        self.waiting.remove(&next);
        Some(next)
    }

    /// Whether this one waits.
    fn has(&self, who: T) -> bool {
        self.waiting.contains(&who)
    }

    /// Whether nobody waits.
    fn is_empty(&self) -> bool {
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
