//! Memory that unfinished requests and answers nobody has read yet may take, all connections together.
//!
//! Invariant: what a share has taken is given back when it is dropped.

use std::cell::Cell;
use std::rc::Rc;

use crate::model::payload::{MAX_LINE_BYTES, MAX_UNFINISHED_BYTES};

/// Bytes that a connection may hold whatever the others do.
const FREE: usize = 64 * 1024;
/// The most that one connection may hold: a request and an answer.
const MOST_EACH: usize = 2 * MAX_LINE_BYTES + FREE;

/// The memory of all.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget(Rc<Cell<usize>>);

/// The part of one connection.
#[derive(Debug)]
pub(super) struct Share {
    all: Budget,
    held: usize,
}

impl Budget {
    pub(super) fn share(&self) -> Share {
        Share { all: self.clone(), held: 0 }
    }
}

impl Share {
    /// Takes note of what is held now; whether there is room for it.
    pub(super) fn holds(&mut self, bytes: usize) -> bool {
        let bytes = bytes.saturating_sub(FREE);
        self.all.0.set(self.all.0.get() - self.held + bytes);
        self.held = bytes;
        bytes == 0 || (bytes <= MOST_EACH && self.all.0.get() <= MAX_UNFINISHED_BYTES)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.all.0.set(self.all.0.get() - self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_ones_share_a_limit_and_small_ones_have_room_beside_them() {
        let all = Budget::default();
        let mut large: Vec<Share> = (0..15).map(|_| all.share()).collect();
        assert!(large.iter_mut().all(|share| share.holds(MAX_LINE_BYTES)));
        let (mut more, mut small) = (all.share(), all.share());
        assert!(!more.holds(MAX_LINE_BYTES * 2) && small.holds(FREE));
        large.clear();
        assert!(more.holds(MAX_LINE_BYTES * 2) && !more.holds(MAX_LINE_BYTES * 3));
    }
}
