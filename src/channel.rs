//! A channel with a limit that takes memory as it fills: one of crossbeam's takes all of it at once.
//!
//! Invariant: there is one sender, so what it sees in the channel is the most there can be.

use crossbeam_channel::{Receiver, TrySendError, unbounded};

/// The sending side.
#[derive(Debug)]
pub(crate) struct Sender<T> {
    to: crossbeam_channel::Sender<T>,
    capacity: usize,
}

/// A channel in which so many may wait.
#[must_use]
pub(crate) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (to, from) = unbounded();
    (Sender { to, capacity }, from)
}

impl<T> Sender<T> {
    /// Sends unless it is full; never waits.
    pub(crate) fn try_send(&self, what: T) -> Result<(), TrySendError<T>> {
        if self.to.len() >= self.capacity {
            return Err(TrySendError::Full(what));
        }
        self.to.send(what).map_err(|e| TrySendError::Disconnected(e.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_room_comes_back_until_something_is_taken() {
        let (to, from) = bounded(2);
        assert!(to.try_send(1).is_ok() && to.try_send(2).is_ok());
        assert_eq!(to.try_send(3), Err(TrySendError::Full(3)));
        assert_eq!(from.recv(), Ok(1));
        assert!(to.try_send(3).is_ok());
        drop(from);
        assert!(to.try_send(4).is_err());
    }

    #[test]
    fn what_waits_is_still_received_when_the_sender_is_gone() {
        let (to, from) = bounded(9);
        to.try_send(1).unwrap();
        drop(to);
        assert_eq!(from.iter().collect::<Vec<_>>(), [1]);
    }
}
