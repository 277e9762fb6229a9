//! Syncs the write-ahead log, from a handle of its own.
//!
//! Only the log is opened here: closing a handle on the database file itself would drop SQLite's locks. Invariant: what
//! was committed before a call is on the disk after it, if it succeeds.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use super::files::{Identity, ask_identity, sync_folder};
use crate::store::DiskSync;

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
