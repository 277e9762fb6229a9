//! Syncs the write-ahead log: of a master from a handle of its own, of a guest by its connection.
//!
//! Only the log is opened here: closing a handle on the database file itself would drop SQLite's locks. Invariant: what
//! was committed before a call is on the disk after it, if it succeeds.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::files::{Identity, ask_identity, sync_folder};
use super::{SqliteStore, Syncs, error};
use crate::model::bulk::BulkStep;
use crate::model::change::{Op, Request};
use crate::store::{DiskSync, StoreError};

/// The sync of this log.
pub(super) fn of(log: PathBuf) -> DiskSync {
    let mut open = None;
    Box::new(move || {
        sync(&log, &mut open).map_err(|error| {
            open = None;
            format!("cannot sync `{}`: {error}", log.display())
        })
    })
}

/// The log is another file after the last connection was closed, so the handle is checked each time.
fn sync(log: &Path, open: &mut Option<(File, Identity)>) -> io::Result<()> {
    failpoint!("sync.before", nix::errno::Errno::EIO.into());
    let there = ask_identity(log)?;
    let file = match open {
        Some((file, known)) if *known == there => file,
        stale => {
            let file = OpenOptions::new().read(true).write(true).open(log)?;
            sync_folder(log)?;
            &mut stale.insert((file, there)).0
        }
    };
    file.sync_data()?;
    failpoint!("sync.after");
    Ok(())
}

impl SqliteStore {
    /// A guest has its commits synced, but not what nobody is told to be safe: the steps of a bulk push. The sync of its
    /// commit is one of the whole log, and so covers those before it.
    pub(super) fn pace_syncs(&mut self, ops: &[Op]) -> Result<(), StoreError> {
        let told =
            |op: &Op| !matches!(op, Op::Request(Request::Bulk(step)) if !matches!(step, BulkStep::Commit { .. }));
        let (syncs, mode) = if ops.iter().any(told) {
            (Syncs::Each, "PRAGMA synchronous = FULL")
        } else {
            (Syncs::None, "PRAGMA synchronous = NORMAL")
        };
        if self.guest.is_some_and(|now| now != syncs) {
            self.conn.execute_batch(mode).map_err(|e| error::map(&self.path, &e))?;
            self.guest = Some(syncs);
        }
        Ok(())
    }
}
