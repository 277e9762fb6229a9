//! Opens a store by its URL: the one place that knows which kinds of store there are.
//!
//! Invariant: before a write the file was checked to be safe, and the right to write is held.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use super::changes::Changes;
use super::exam::{Dangers, Exam, StoreSize};
use super::moving::{self, Move, Moved};
pub use super::postgres::OrderDesk;
pub use super::sqlite::Lock;
use super::{Master, Records, Store, StoreError, postgres, sqlite};
use crate::model::{StoreUrl, UnixMicros};

/// A store that was named, and is not open yet.
#[derive(Debug)]
pub struct Location<'a>(&'a StoreUrl);

/// Dangers that the user takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// The database may be on a file system of the network.
    pub network_fs: bool,
    /// Others may write to it, or to its folder.
    pub shared_folder: bool,
}

/// The master that runs on a store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    pub started_at: UnixMicros,
    /// Where it listens, if that can be written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
}

/// The parts of a store that a master has opened, each for a thread of its own.
#[expect(missing_debug_implementations, reason = "its parts are of any kind")]
pub struct Opened {
    /// The writing side; no generation has begun.
    pub store: Box<dyn Store>,
    pub records: Box<dyn Records + Send>,
    /// Tells when others may have changed something.
    pub changes: Changes,
    /// Keeps other masters out as long as it lives: from a file, or from this path on this host.
    pub lock: Lock,
}

/// The store with this name. Touches nothing yet.
#[must_use]
pub const fn open(url: &StoreUrl) -> Location<'_> {
    Location(url)
}

impl Location<'_> {
    /// The file, for what only a file can do.
    fn database(&self) -> Result<&Path, StoreError> {
        self.0.file().ok_or_else(|| {
            let why = "is on a server: copy it with the tools of that, such as `pg_dump` and `pg_restore`";
            StoreError::Unusable { path: self.0.to_string(), why: why.to_owned() }
        })
    }

    /// Whether there is one.
    pub fn exists(&self) -> io::Result<bool> {
        match self.0 {
            StoreUrl::File(path) => path.try_exists(),
            StoreUrl::Postgres(server) => Ok(postgres::exists(server)),
        }
    }

    /// To read the records, beside a master or without one.
    pub fn records(&self) -> Result<Box<dyn Records + Send>, StoreError> {
        match self.0 {
            StoreUrl::File(path) => sqlite::records(path),
            StoreUrl::Postgres(server) => postgres::records(server, None),
        }
    }

    /// The same; an answer that takes longer than this fails with [`StoreError::TooLong`].
    pub fn records_within(&self, limit: Duration) -> Result<Box<dyn Records + Send>, StoreError> {
        match self.0 {
            StoreUrl::File(path) => sqlite::records_within(path, limit),
            StoreUrl::Postgres(server) => postgres::records(server, Some(limit)),
        }
    }

    /// The master that runs on it, if one does; pid 0: not yet written down.
    pub fn holder(&self) -> io::Result<Option<Holder>> {
        sqlite::holder(self.0.local())
    }

    /// What keeps it from being used, or would, if it were not allowed.
    #[must_use]
    pub fn dangers(&self) -> Dangers {
        self.0.file().map(sqlite::dangers).unwrap_or_default()
    }

    /// The room that it takes on its disk.
    #[must_use]
    pub fn size(&self) -> StoreSize {
        self.0.file().map(sqlite::size).unwrap_or_default()
    }

    /// Looks at it, and changes nothing; at its pages for so long at most. It must exist.
    pub fn examine(&self, most: Option<Duration>) -> Result<Exam, StoreError> {
        sqlite::examine(self.database()?, most)
    }

    /// Copies all that is committed into a new file, while others go on; what is known of the copy. `said` hears the bytes
    /// that are written.
    pub fn backup(&self, to: &Path, said: sqlite::Progress<'_>) -> Result<Exam, StoreError> {
        sqlite::backup(self.database()?, to, said)
    }

    /// Puts a copy of another database in the place of this one, on which no master may run; what is known of it, and where
    /// the old one is kept.
    pub fn restore(
        &self,
        from: &Path,
        holder: &Holder,
        said: sqlite::Progress<'_>,
    ) -> Result<(Exam, Option<PathBuf>), StoreError> {
        sqlite::restore(self.database()?, from, holder, said)
    }

    /// Moves it to another place, while no master runs on it; goes on with a move that was stopped.
    pub fn move_to(&self, plan: &Move<'_>, said: moving::Progress<'_>) -> Result<Moved, StoreError> {
        moving::run(self.0, plan, said)
    }

    /// To change it while no master runs: see [`StoreError::Held`]. Makes it if it is missing.
    pub fn as_guest(&self, allow: Allow) -> Result<Box<dyn Store>, StoreError> {
        match self.0 {
            StoreUrl::File(path) => sqlite::as_guest(path, allow),
            StoreUrl::Postgres(server) => postgres::as_guest(server),
        }
    }

    /// To ask the masters of other hosts; `None`: a file has no others.
    pub fn order_desk(&self) -> Result<Option<OrderDesk>, StoreError> {
        match self.0 {
            StoreUrl::File(_) => Ok(None),
            StoreUrl::Postgres(server) => postgres::order_desk(server).map(Some),
        }
    }

    /// For a master, `holder`, who alone may write from now on. Makes it if it is missing. `lives` tells whether a master on
    /// record that has not ended is still there, on this machine.
    pub fn as_master(
        &self,
        allow: Allow,
        holder: &Holder,
        lives: &dyn Fn(&Master) -> bool,
    ) -> Result<Opened, StoreError> {
        match self.0 {
            StoreUrl::File(path) => sqlite::as_master(path, allow, holder, lives),
            StoreUrl::Postgres(server) => postgres::as_master(server, self.0.local(), holder),
        }
    }

    /// To write beside everybody, as a program that knows nothing of masters and guests would. For tests and benchmarks.
    #[doc(hidden)]
    pub fn unasked(&self) -> Result<Box<dyn Store>, StoreError> {
        match self.0 {
            StoreUrl::File(path) => Ok(Box::new(sqlite::SqliteStore::open(path)?)),
            StoreUrl::Postgres(server) => postgres::as_guest(server),
        }
    }
}
