//! Tells when to look whether others have changed something, in a file or on a server.

use std::os::fd::BorrowedFd;

use super::{postgres, sqlite};

/// Signs of changes that need no read of the store.
#[derive(Debug)]
pub enum Changes {
    File(sqlite::Changes),
    Server(postgres::Pulse),
}

impl Changes {
    /// Readable when there is a sign; `None`: there never is, and every look has to be made.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::File(changes) => changes.descriptor(),
            Self::Server(pulse) => Some(pulse.descriptor()),
        }
    }

    /// Goes on without signs: the descriptor cannot be waited for.
    pub fn give_up(&mut self) {
        match self {
            Self::File(changes) => changes.give_up(),
            Self::Server(pulse) => pulse.give_up(),
        }
    }

    /// Takes in the signs.
    pub fn hear(&mut self) {
        match self {
            Self::File(changes) => changes.hear(),
            Self::Server(pulse) => pulse.hear(),
        }
    }

    /// Whether to read the store.
    pub fn has_news(&mut self) -> bool {
        match self {
            Self::File(changes) => changes.has_news(),
            Self::Server(pulse) => pulse.has_news(),
        }
    }

    /// The size of the log of a file in whole units of too much, if it is too large.
    pub fn oversized_log(&mut self) -> Option<u64> {
        match self {
            Self::File(changes) => changes.oversized_log(),
            Self::Server(_) => None,
        }
    }
}
