//! Contents of the master's files: whether the database or its log was written over or cut in place.
//!
//! One look costs the state of two files and a few bytes of one; the seal is read where the state is not as it was left.
//! Knows nothing of what the pages mean. Invariant: a file that another program has only touched, or written to through
//! SQLite, is not taken for overwritten.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rusqlite::Connection;

use super::seal::Seal;
use super::{files, sql};

/// The header of the log, in bytes, and that of each page in it.
const LOG_HEADER: u64 = 32;
const FRAME_HEADER: u64 = 24;

/// Facts so far.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) seal: Seal,
    /// The database as it was left: its length, and when it was written to.
    noted: (u64, i64, i64),
    log: File,
    page_bytes: u64,
    /// Pages in the log.
    pub(super) frames: u64,
}

/// The file that was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Overwritten {
    Database,
    Log,
}

fn state(found: &Metadata) -> (u64, i64, i64) {
    (found.len(), found.mtime(), found.mtime_nsec())
}

fn failed(error: &rusqlite::Error) -> io::Error {
    io::Error::other(error.to_string())
}

impl Content {
    /// Of files that were just opened, and are taken for what they should be.
    pub(super) fn of(seal: Seal, conn: &Connection, database: &File, path: &Path) -> io::Result<Self> {
        let page_bytes: i64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0)).map_err(|e| failed(&e))?;
        let log = File::open(files::log_path(path))?;
        let noted = state(&database.metadata()?);
        let mut content = Self { seal, noted, log, page_bytes: page_bytes as u64, frames: 0 };
        content.frames = frames(conn)?;
        Ok(content)
    }

    /// After what this process itself has written to the database; false if it was cut meanwhile.
    pub(super) fn note(&mut self, conn: &Connection, database: &File) -> io::Result<bool> {
        let found = database.metadata()?;
        let is_whole = !self.is_cut(&found, conn);
        self.noted = state(&found);
        Ok(is_whole)
    }

    /// Reads how long the log is.
    pub(super) fn count_frames(&mut self, conn: &Connection) -> io::Result<()> {
        self.frames = frames(conn)?;
        Ok(())
    }

    /// Whether something was written over.
    pub(super) fn look(&mut self, conn: &Connection, database: &File) -> io::Result<Option<Overwritten>> {
        let found = database.metadata()?;
        if state(&found) != self.noted {
            if !self.seal.is_in(database, conn)? || self.is_cut(&found, conn) {
                return Ok(Some(Overwritten::Database));
            }
            self.noted = state(&found);
        }
        if !self.log_is_whole()? {
            // Another program may have begun it anew.
            self.frames = frames(conn)?;
            if !self.log_is_whole()? {
                return Ok(Some(Overwritten::Log));
            }
        }
        Ok(None)
    }

    /// A `VACUUM` by another program makes it shorter, too, but not shorter than what it holds.
    fn is_cut(&self, found: &Metadata, conn: &Connection) -> bool {
        let pages = || conn.query_row("PRAGMA page_count", [], |row| row.get::<_, i64>(0));
        found.len() < self.noted.0 && pages().map_or(true, |pages| found.len() < pages as u64 * self.page_bytes)
    }

    /// Whether the log has its header and its last page. A log that was cut and then went on has zeros there.
    fn log_is_whole(&self) -> io::Result<bool> {
        if self.frames == 0 {
            return Ok(true);
        }
        let frame = FRAME_HEADER + self.page_bytes;
        let last = LOG_HEADER + (self.frames - 1) * frame;
        let (mut header, mut page) = ([0; LOG_HEADER as usize], [0; FRAME_HEADER as usize]);
        if files::ask_length(&self.log)? < last + frame {
            return Ok(false);
        }
        self.log.read_exact_at(&mut header, 0)?;
        self.log.read_exact_at(&mut page, last)?;
        // The two numbers that are new whenever the log begins anew.
        Ok(header[16..24] == page[8..16] && header[..3] == [0x37, 0x7f, 0x06])
    }
}

fn frames(conn: &Connection) -> io::Result<u64> {
    let length = |conn: &Connection| conn.prepare_cached(sql::LOG_LENGTH)?.query_row([], |row| row.get::<_, i64>(1));
    length(conn).map(|frames| frames.max(0) as u64).map_err(|e| failed(&e))
}
