//! Brings a database to the schema this program knows.
//!
//! Does not open files. Invariant: each migration is applied once, also when several processes start together;
//! the list below is the folder `migrations/`, in order, and is only ever appended to.
//!
//! `rusqlite_migration` reads the version before its transaction begins. So every migration ends with a check,
//! inside the exclusive transaction, that nobody else applied it in between; who comes second is rolled back,
//! sees the new version and goes on from there.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use rusqlite_migration::{HookError, M, Migrations};

use super::error::map;
use crate::store::StoreError;

/// The files of `migrations/`, by name.
pub(super) const FILES: &[(&str, &str)] = &[
    ("0001_core.sql", include_str!("../../../migrations/0001_core.sql")),
    ("0002_stdout_tail.sql", include_str!("../../../migrations/0002_stdout_tail.sql")),
    ("0003_store.sql", include_str!("../../../migrations/0003_store.sql")),
    ("0004_releases_in_a_row.sql", include_str!("../../../migrations/0004_releases_in_a_row.sql")),
    ("0005_seal.sql", include_str!("../../../migrations/0005_seal.sql")),
    ("0006_bulk.sql", include_str!("../../../migrations/0006_bulk.sql")),
];

/// The newest schema this program knows.
pub(super) const KNOWN: i64 = FILES.len() as i64;

fn migrations() -> Migrations<'static> {
    let steps = FILES
        .iter()
        .zip(1_i64..)
        .map(|((_, sql), number)| M::up_with_hook(sql, move |tx: &Transaction<'_>| not_yet(tx, number)));
    Migrations::new(steps.collect())
}

fn not_yet(tx: &Transaction<'_>, number: i64) -> Result<(), HookError> {
    if version(tx)? < number { Ok(()) } else { Err(HookError::Hook("another process was first".to_owned())) }
}

/// The schema a database has.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Refuses a schema newer than we know.
pub(super) fn refuse_newer(path: &Path, found: i64) -> Result<(), StoreError> {
    if found > KNOWN {
        return Err(StoreError::Newer { path: path.display().to_string(), found, known: KNOWN });
    }
    Ok(())
}

/// Applies what is missing, in one exclusive transaction.
pub(super) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    loop {
        let found = version(conn).map_err(|e| map(path, &e))?;
        refuse_newer(path, found)?;
        if found == KNOWN {
            return Ok(());
        }
        failpoint!("migrate.before", StoreError::Io("told to fail".to_owned()));
        conn.set_transaction_behavior(TransactionBehavior::Exclusive);
        let result = migrations().to_latest(conn);
        conn.set_transaction_behavior(TransactionBehavior::Deferred);
        failpoint!("migrate.after");
        let Err(error) = result else { return Ok(()) };
        let now = version(conn).map_err(|e| map(path, &e))?;
        if now == found {
            return Err(worded(path, &error));
        }
    }
}

fn worded(path: &Path, error: &rusqlite_migration::Error) -> StoreError {
    match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => map(path, err),
        other => StoreError::Other(format!("the migration of `{}` failed: {other}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_in_the_code_is_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut names: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, listed);
    }

    #[test]
    fn all_migrations_run_on_an_empty_database() {
        migrations().validate().unwrap();
    }

    #[test]
    fn a_migration_applied_by_another_process_is_not_applied_again() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, Path::new("q.db")).unwrap();
        let tx = conn.transaction().unwrap();
        assert!(matches!(not_yet(&tx, KNOWN), Err(HookError::Hook(_))));
        assert!(not_yet(&tx, KNOWN + 1).is_ok());
    }

    #[test]
    fn many_openers_at_once_all_find_one_schema() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        std::thread::scope(|scope| {
            let openers: Vec<_> = (0..8).map(|_| scope.spawn(|| super::super::SqliteStore::open(&path))).collect();
            for opener in openers {
                opener.join().unwrap().unwrap();
            }
        });
        assert_eq!(version(&Connection::open(&path).unwrap()).unwrap(), KNOWN);
    }
}
