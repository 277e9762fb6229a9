//! Tells when to look whether others have written to the database, and how its log grows.
//!
//! The kernel tells of the files, as a rule; then nothing is done with them in between, and a master that has nothing to do
//! does nothing with its store. Where the kernel does not tell, they are looked at every time.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::files::{log_path, store_files};
use super::watch::Watch;

/// A log larger than this is more than it keeps for itself (`journal_size_limit`).
const LARGE: u64 = 96 << 20;

/// Facts that are known without looking into the database.
#[derive(Debug)]
pub struct Changes {
    /// `None`: the kernel does not tell.
    watch: Option<Watch>,
    log: PathBuf,
    /// Whether there was news the last time.
    once_more: bool,
    /// The log was too large when it was looked at last.
    log_was_large: bool,
}

impl Changes {
    /// On a file system of several machines nobody tells what the others do.
    pub(super) fn of(database: &Path, is_remote: bool) -> Self {
        let failed = |e: &std::io::Error| log::debug!("the database has to be looked at every second: {e}");
        let watch = || Watch::new(store_files(database).to_vec()).inspect_err(failed).ok();
        let watch = if is_remote { None } else { watch() };
        Self { watch, log: log_path(database), once_more: false, log_was_large: false }
    }

    /// Readable when the kernel tells something; `None`: it never does, and every look has to be made.
    #[must_use]
    pub fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        self.watch.as_ref().map(AsFd::as_fd)
    }

    /// Goes on without the kernel: its descriptor cannot be waited for.
    pub fn give_up(&mut self) {
        self.watch = None;
    }

    /// Takes in what the kernel tells.
    pub fn hear(&mut self) {
        self.watch.iter_mut().for_each(Watch::drain);
    }

    /// Whether to look at the database. Once more after the last news: that a commit is complete SQLite says through shared
    /// memory, of which nobody tells, after it was written. And as long as the log is too large.
    pub fn has_news(&mut self) -> bool {
        let news = self.watch.as_mut().is_none_or(Watch::has_news);
        std::mem::replace(&mut self.once_more, news) || news || self.log_was_large
    }

    /// The size of the log in whole units of too much, if it was too large the last time as well: one large transaction makes
    /// it large for a moment. It is emptied into the database all the time, except while another program reads and does not
    /// end its transaction.
    pub fn oversized_log(&mut self) -> Option<u64> {
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
