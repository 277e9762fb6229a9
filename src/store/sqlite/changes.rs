//! Tells when to look whether others have written to the database, and how its log grows.
//!
//! As a rule inotify watches the files, and an idle master leaves its store alone. Where it cannot, the database is
//! read at every check.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::files::{log_path, store_files};
use crate::process::watch::Watch;

/// A log larger than this is more than it keeps for itself (`journal_size_limit`).
const LARGE: u64 = 96 << 20;

/// Signs of changes that need no read of the database.
#[derive(Debug)]
pub(in crate::store) struct Changes {
    /// `None`: the kernel cannot watch the files.
    watch: Option<Watch>,
    log: PathBuf,
    /// Whether there was news the last time.
    once_more: bool,
    /// The log was too large at the last check.
    log_was_large: bool,
}

impl Changes {
    /// Inotify does not report what other machines do on a shared file system.
    pub(super) fn of(database: &Path, is_remote: bool) -> Self {
        let failed = |e: &std::io::Error| log::debug!("the database has to be looked at every second: {e}");
        let watch = || Watch::new(store_files(database).to_vec()).inspect_err(failed).ok();
        let watch = if is_remote { None } else { watch() };
        Self { watch, log: log_path(database), once_more: false, log_was_large: false }
    }

    /// Readable when the kernel tells something; `None`: it never does, and every look has to be made.
    #[must_use]
    pub(in crate::store) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// Goes on without the kernel: its descriptor cannot be waited for.
    pub(in crate::store) fn give_up(&mut self) {
        self.watch = None;
    }

    /// Takes in what the kernel tells.
    pub(in crate::store) fn hear(&mut self) {
        self.watch.iter_mut().for_each(Watch::drain);
    }

    /// Whether to read the database. Once more after the last event, as SQLite completes a commit in shared memory,
    /// unseen by inotify, after the file was written; and as long as the log is too large.
    pub(in crate::store) fn has_news(&mut self) -> bool {
        let news = self.watch.as_mut().is_none_or(Watch::has_news);
        std::mem::replace(&mut self.once_more, news) || news || self.log_was_large
    }

    /// The size of the log in whole units of too much, if it was too large the last time as well: one large transaction makes
    /// it large for a moment. Checkpoints keep it small, except while another program reads and does not end its
    /// transaction.
    pub(in crate::store) fn oversized_log(&mut self) -> Option<u64> {
        // Its size only: to open it is for SQLite.
        let size = std::fs::metadata(&self.log).map_or(0, |found| found.len());
        let was_large = std::mem::replace(&mut self.log_was_large, size > LARGE);
        (was_large && size > LARGE).then_some(size - size % LARGE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_looked_at_once_more_after_the_last_news() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().canonicalize().unwrap().join("q.db");
        for file in store_files(&file) {
            std::fs::write(file, "1").unwrap();
        }
        let mut changes = Changes::of(&file, false);
        let mut look = || {
            changes.hear();
            changes.has_news()
        };
        assert_eq!([look(), look(), look(), look()], [true, true, false, false]);
        std::fs::write(&file, "2").unwrap();
        assert_eq!([look(), look(), look()], [true, true, false]);
    }

    #[test]
    fn a_log_is_too_large_when_it_is_so_twice() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("q.db");
        let log = std::fs::File::create(log_path(&database)).unwrap();
        let mut changes = Changes::of(&database, false);
        log.set_len(2 * LARGE + 1).unwrap();
        assert_eq!([changes.oversized_log(), changes.oversized_log()], [None, Some(2 * LARGE)]);
        assert!(changes.has_news(), "it is looked at until it is small again");
        log.set_len(LARGE).unwrap();
        assert_eq!(changes.oversized_log(), None);
    }
}
