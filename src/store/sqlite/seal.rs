//! Tells whether the database file is still the one that this master writes, or was written over in place.
//!
//! A mark is committed before each checkpoint: what makes it this master's, and a number that grows. Once the checkpoint
//! has moved it, the file itself holds it, or a later one; a file that was restored, cut or made anew under its name does
//! not. Knows nothing of jobs. Invariant: the mark is read from the file, not through SQLite, which would find it in its
//! cache or in the log.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rusqlite::{Connection, Result};

use super::sql;

/// Digits of the number behind the part that is this master's.
const DIGITS: usize = 16;

/// State of the marks.
#[derive(Debug)]
pub(super) struct Seal {
    /// The part that all marks of this master begin with.
    ours: String,
    /// The number of the last one that was committed.
    last: u64,
    /// Number of the last mark that is in the file for certain; 0: none.
    in_file: u64,
    /// Where it is in the file, in bytes.
    page: Page,
}

/// A page of the file: where it begins, and its length.
type Page = (u64, usize);

impl Seal {
    pub(super) fn new(conn: &Connection) -> Result<Self> {
        let ours = conn.query_row(sql::SEAL_BEGIN, [], |row| row.get(0))?;
        Ok(Self { ours, last: 0, in_file: 0, page: page(conn)? })
    }

    /// Writes the next mark, within a transaction.
    pub(super) fn write(&mut self, conn: &Connection) -> Result<()> {
        let mark = format!("{}{:0DIGITS$}", self.ours, self.last + 1);
        conn.prepare_cached(sql::SEAL_WRITE)?.execute([mark])?;
        // A number that was not committed is left out, which does no harm.
        self.last += 1;
        Ok(())
    }

    /// A checkpoint has moved everything that was committed.
    pub(super) fn all_moved(&mut self) {
        self.in_file = self.last;
    }

    /// Whether a mark is in the file for certain.
    pub(super) const fn is_known(&self) -> bool {
        self.in_file > 0
    }

    /// Whether the file is the one that was written; true also while that cannot be told.
    pub(super) fn is_in(&mut self, file: &File, conn: &Connection) -> io::Result<bool> {
        if self.in_file == 0 || self.is_on_page(file)? {
            return Ok(true);
        }
        // A `VACUUM` by another program moves the page. An unreadable page counts as missing.
        let Ok(page) = page(conn) else { return Ok(false) };
        self.page = page;
        self.is_on_page(file)
    }

    fn is_on_page(&self, file: &File) -> io::Result<bool> {
        let (at, length) = self.page;
        let mut bytes = vec![0; length];
        match file.read_exact_at(&mut bytes, at) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        let Some(found) = memchr::memmem::find(&bytes, self.ours.as_bytes()) else { return Ok(false) };
        let number = bytes.get(found + self.ours.len()..).and_then(|rest| rest.get(..DIGITS));
        let number = number.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        Ok(number.is_some_and(|number: u64| (self.in_file..=self.last).contains(&number)))
    }
}

fn page(conn: &Connection) -> Result<Page> {
    let length: i64 = conn.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let number: i64 = conn.query_row(sql::SEAL_PAGE, [], |row| row.get(0))?;
    Ok(((number as u64 - 1) * length as u64, length as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_the_file_once_it_was_moved_there_and_not_in_an_older_or_another_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        let conn = super::super::SqliteStore::open(&path).unwrap().conn;
        let file = File::open(&path).unwrap();
        let moved = || conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let mut seal = Seal::new(&conn).unwrap();
        let holds = |seal: &mut Seal, file: &File| seal.is_in(file, &conn).unwrap();
        assert!(holds(&mut seal, &file), "nothing can be told yet");
        seal.write(&conn).unwrap();
        moved();
        seal.all_moved();
        assert!(holds(&mut seal, &file));
        let older = dir.path().join("older.db");
        std::fs::copy(&path, &older).unwrap();
        seal.write(&conn).unwrap();
        assert!(holds(&mut seal, &file), "one that is on its way does not count yet");
        moved();
        assert!(holds(&mut seal, &file), "somebody else may have moved it");
        seal.all_moved();
        assert!(holds(&mut seal, &file));
        assert!(!holds(&mut seal, &File::open(&older).unwrap()));
        let mut next = Seal::new(&conn).unwrap();
        next.write(&conn).unwrap();
        next.all_moved();
        assert!(!holds(&mut next, &file), "it is still in the log");
        assert!(!holds(&mut next, &File::open("/dev/null").unwrap()));
    }
}
