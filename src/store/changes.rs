//! Tells when to look whether others have changed something, in a file or on a server.

use std::os::fd::BorrowedFd;

use super::{postgres, sqlite};

/// Signs of changes that need no read of the store.
#[derive(Debug)]
pub struct Changes(Of);

#[derive(Debug)]
enum Of {
    File(sqlite::Changes),
    Server(postgres::Pulse),
}

impl From<sqlite::Changes> for Changes {
    fn from(changes: sqlite::Changes) -> Self {
        Self(Of::File(changes))
    }
}

impl From<postgres::Pulse> for Changes {
    fn from(pulse: postgres::Pulse) -> Self {
        Self(Of::Server(pulse))
    }
}

impl Changes {
    /// Readable when there is a sign; `None`: there never is, and every look has to be made.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match &self.0 {
            Of::File(changes) => changes.descriptor(),
            Of::Server(pulse) => Some(pulse.descriptor()),
        }
    }

    /// Goes on without signs: the descriptor cannot be waited for.
    pub fn give_up(&mut self) {
        match &mut self.0 {
            Of::File(changes) => changes.give_up(),
            Of::Server(pulse) => pulse.give_up(),
        }
    }

    /// Takes in the signs.
    pub fn hear(&mut self) {
        match &mut self.0 {
            Of::File(changes) => changes.hear(),
            Of::Server(pulse) => pulse.hear(),
        }
    }

    /// Whether to read the store.
    pub fn has_news(&mut self) -> bool {
        match &mut self.0 {
            Of::File(changes) => changes.has_news(),
            Of::Server(pulse) => pulse.has_news(),
        }
    }

    /// Until when this master may have workers, in microseconds since the machine started: where there are several, others take
    /// over from one that has said nothing for some time.
    #[must_use]
    pub fn lease_until(&self) -> Option<u64> {
        match &self.0 {
            Of::File(_) => None,
            Of::Server(pulse) => pulse.lease_until(),
        }
    }

    /// Whether the store has not heard from this master for so long that it is to begin no job: others may take over soon.
    #[must_use]
    pub fn is_cut_off(&self) -> bool {
        match &self.0 {
            Of::File(_) => false,
            Of::Server(pulse) => pulse.is_cut_off(),
        }
    }

    /// The size of the log of a file in whole units of too much, if it is too large.
    pub fn oversized_log(&mut self) -> Option<u64> {
        match &mut self.0 {
            Of::File(changes) => changes.oversized_log(),
            Of::Server(_) => None,
        }
    }
}
