//! Looks at a database without changing it: whether it is whole, which version it has, what dead masters have left.
//!
//! Invariants: the connection is read-only, and no migration is run; the look through the pages ends when its time is over.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Result};

use super::files::{beside, log_path, store_files};
use super::{database_lock, error, file_checks, generations, migrate, open, remote_fs};
use crate::model::UnixMicros;
use crate::store::StoreError;
use crate::store::exam::{Dangers, Exam, MOST_FINDINGS, StoreSize};
use crate::trust::folder_of;

/// Between two interruptions: one that comes between two statements stops nothing.
const AGAIN: Duration = Duration::from_millis(10);
/// The tables that grow without bound come last.
const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name IN ('runs', 'jobs'), name";
/// The last rows by `runs.id` and `generations.generation`.
const LAST_AT: &str = "SELECT max(at) FROM (SELECT max(ended_at) AS at FROM \
     (SELECT ended_at FROM runs ORDER BY id DESC LIMIT 100) \
     UNION ALL SELECT max(started_at) FROM (SELECT started_at FROM generations ORDER BY generation DESC LIMIT 1))";
/// Bytes of the index of the log on which connections that read have a lock.
const READ_LOCKS: std::ops::RangeInclusive<u64> = 123..=127;

/// What would keep this database from being used.
pub(in crate::store) fn dangers(path: &Path) -> Dangers {
    let text = |refused: Result<(), StoreError>| refused.err().map(|error| error.to_string());
    Dangers { remote: text(remote_fs::refuse_remote(path)), shared: text(file_checks::refuse_shared(path)) }
}

/// The sizes of a database and its log.
pub(in crate::store) fn size(path: &Path) -> StoreSize {
    let length = |file: &Path| std::fs::metadata(file).map_or(0, |found| found.len());
    StoreSize { bytes: length(path), log_bytes: length(&log_path(path)) }
}

/// Looks at a database that exists; at all of its pages, or for so long at most.
pub(in crate::store) fn examine(path: &Path, most: Option<Duration>) -> Result<Exam, StoreError> {
    let (conn, _handle) = open::looker(path)?;
    let worded = |e| error::map(path, &e);
    let [_, _, index] = store_files(path);
    let mut exam = Exam {
        schema: migrate::version(&conn).map_err(worded)?,
        known_schema: migrate::KNOWN,
        size: size(path),
        readers: database_lock::readers(&index, &READ_LOCKS),
        lost_logs: lost_logs(path),
        ..Exam::default()
    };
    // Where these cannot be read, the look through the pages says why.
    if exam.schema == migrate::KNOWN {
        exam.unended = generations::unended((&conn).into()).unwrap_or_default();
        exam.last_at = conn.query_row(LAST_AT, [], |row| row.get::<_, Option<i64>>(0)).ok().flatten().map(UnixMicros);
    }
    within(most, &conn, |conn| look_through(conn, &mut exam)).map_err(worded)?;
    Ok(exam)
}

/// Interrupts what is done with the connection once the time is over.
fn within<T>(most: Option<Duration>, conn: &Connection, look: impl FnOnce(&Connection) -> T) -> T {
    let (done, is_done) = channel::<()>();
    let handle = conn.get_interrupt_handle();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut wait = most.unwrap_or(Duration::MAX);
            while is_done.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                handle.interrupt();
                wait = AGAIN;
            }
        });
        let looked = look(conn);
        drop(done);
        looked
    })
}

/// Table by table, so that what was looked at before the time was over counts.
fn look_through(conn: &Connection, exam: &mut Exam) -> Result<()> {
    let tables: Vec<String> = conn.prepare(TABLES)?.query_map([], |row| row.get(0))?.collect::<Result<_>>()?;
    let mut left = tables.into_iter();
    while let Some(table) = left.next() {
        let mut check = conn.prepare(&format!("PRAGMA quick_check('{}')", table.replace('\'', "''")))?;
        let mut found = check.query([])?;
        loop {
            match found.next() {
                Ok(Some(row)) => exam.damage.extend(Some(row.get::<_, String>(0)?).filter(|text| text != "ok")),
                Ok(None) => break,
                Err(e) if e.sqlite_error_code() == Some(ErrorCode::OperationInterrupted) => {
                    exam.unchecked.push(table);
                    exam.unchecked.extend(left);
                    return Ok(());
                }
                Err(e) if e.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                    exam.damage.push(format!("table `{table}`: {e}"));
                    break;
                }
                Err(e) => return Err(e),
            }
        }
        if exam.damage.len() >= MOST_FINDINGS {
            break;
        }
    }
    exam.damage.truncate(MOST_FINDINGS);
    Ok(())
}

fn lost_logs(path: &Path) -> Vec<String> {
    let lost = beside(&log_path(path), ".lost");
    let name = lost.file_name().unwrap_or_default().as_encoded_bytes().to_owned();
    let entries = std::fs::read_dir(folder_of(path)).into_iter().flatten().flatten();
    let found = entries.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(&name));
    let mut found: Vec<String> = found.map(|entry| entry.path().display().to_string()).collect();
    found.sort();
    found
}
