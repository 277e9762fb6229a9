//! Watches the size of the write-ahead log. It is emptied into the database all the time, except while some other
//! program reads and does not end its transaction; and nobody but people can end that.

use super::Master;
use crate::report::words::bytes;
use crate::store::sqlite::log_path;

/// Past what the log keeps for itself (`journal_size_limit`).
const LARGE: u64 = 96 << 20;

impl Master {
    /// Says that the log grows, and that it does no more.
    pub(super) fn watch_log(&mut self) {
        // Its size only: to open it is for SQLite.
        let size = std::fs::metadata(log_path(&self.fixed.config.database)).map_or(0, |found| found.len());
        // One large transaction makes it large for a moment.
        let was_large = std::mem::replace(&mut self.looks.log_was_large, size > LARGE);
        if size <= LARGE {
            self.problem_over("log");
        } else if was_large {
            let size = bytes(size - size % LARGE);
            self.problem(
                "log",
                format!(
                    "the write-ahead log of the database has grown to {size}: another program seems to read the database \
                     and not to end its transaction; end it"
                ),
            );
        }
    }
}
