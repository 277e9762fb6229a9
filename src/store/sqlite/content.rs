//! Contents of the master's files: whether the database or its log was written over or cut in place.
//!
//! A check costs the state of two files and a few bytes of one; the seal is read only if the state has changed.
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
/// Checks after which a log that looks cut is taken for cut.
const LOG_LOOKS: u32 = 3;

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
    /// For files that were just opened, which are taken as intact.
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
        for _ in 0..LOG_LOOKS {
            if self.log_is_whole()? {
                return Ok(None);
            }
            // A checkpoint by another program may have cut or restarted the log between these reads.
            self.frames = frames(conn)?;
        }
        Ok((!self.log_is_whole()?).then_some(Overwritten::Log))
    }

    /// A `VACUUM` by another program shortens the file too, but never below its page count.
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
        for (bytes, at) in [(&mut header[..], 0), (&mut page[..], last)] {
            match self.log.read_exact_at(bytes, at) {
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
                done => done?,
            }
        }
        // The two numbers that are new whenever the log begins anew.
        Ok(header[16..24] == page[8..16] && header[..3] == [0x37, 0x7f, 0x06])
    }
}

fn frames(conn: &Connection) -> io::Result<u64> {
    let length = |conn: &Connection| conn.prepare_cached(sql::LOG_LENGTH)?.query_row([], |row| row.get::<_, i64>(1));
    length(conn).map(|frames| frames.max(0) as u64).map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn a_log_that_another_program_writes_and_cuts_meanwhile_is_no_loss_at_any_moment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        let conn = super::super::SqliteStore::open(&path).unwrap().conn;
        let other = Connection::open(&path).unwrap();
        other.execute_batch("PRAGMA synchronous = OFF; CREATE TABLE notes (text)").unwrap();
        let database = File::open(&path).unwrap();
        let mut content = Content::of(Seal::new(&conn).unwrap(), &conn, &database, &path).unwrap();
        let over = &AtomicBool::new(false);
        std::thread::scope(|threads| {
            threads.spawn(move || {
                let sql = "INSERT INTO notes VALUES (zeroblob(20000)); PRAGMA wal_checkpoint(TRUNCATE)";
                (0..3000).for_each(|_| other.execute_batch(sql).unwrap());
                over.store(true, Ordering::Relaxed);
            });
            while !over.load(Ordering::Relaxed) {
                content.count_frames(&conn).unwrap();
                assert_eq!(content.look(&conn, &database).unwrap(), None);
            }
        });
    }
}
