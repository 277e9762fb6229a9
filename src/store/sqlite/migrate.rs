//! Brings a database to the schema this program knows.
//!
//! Does not open files. Invariant: each migration is applied once, also when several processes start together;
//! the list below is the folder `migrations/`, in order, and is only ever appended to.
//!
//! `rusqlite_migration` reads the version before its transaction begins. So every migration ends with a check,
//! inside the exclusive transaction, that nobody else applied it in between; who comes second is rolled back,
//! sees the new version and goes on from there.

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use rusqlite_migration::{HookError, M, Migrations};

use super::error::map;
use super::{ended, failures, open};
use crate::model::digest;
use crate::store::StoreError;

/// The files of `migrations/`, by name.
pub(super) const FILES: &[(&str, &str)] = &[
    ("0001_core.sql", include_str!("../../../migrations/0001_core.sql")),
    ("0002_stdout_tail.sql", include_str!("../../../migrations/0002_stdout_tail.sql")),
    ("0003_store.sql", include_str!("../../../migrations/0003_store.sql")),
    ("0004_releases_in_a_row.sql", include_str!("../../../migrations/0004_releases_in_a_row.sql")),
    ("0005_seal.sql", include_str!("../../../migrations/0005_seal.sql")),
    ("0006_bulk.sql", include_str!("../../../migrations/0006_bulk.sql")),
    ("0007_waits.sql", include_str!("../../../migrations/0007_waits.sql")),
    ("0008_forgotten_queues.sql", include_str!("../../../migrations/0008_forgotten_queues.sql")),
    ("0009_errors.sql", include_str!("../../../migrations/0009_errors.sql")),
    ("0010_lanes.sql", include_str!("../../../migrations/0010_lanes.sql")),
    ("0011_lists.sql", include_str!("../../../migrations/0011_lists.sql")),
    ("0012_labels.sql", include_str!("../../../migrations/0012_labels.sql")),
    ("0013_processors.sql", include_str!("../../../migrations/0013_processors.sql")),
    ("0014_failures.sql", include_str!("../../../migrations/0014_failures.sql")),
    ("0015_rollups.sql", include_str!("../../../migrations/0015_rollups.sql")),
    ("0016_autoscale_log.sql", include_str!("../../../migrations/0016_autoscale_log.sql")),
    ("0017_traces.sql", include_str!("../../../migrations/0017_traces.sql")),
    ("0018_table_rows.sql", include_str!("../../../migrations/0018_table_rows.sql")),
    ("0019_call_log.sql", include_str!("../../../migrations/0019_call_log.sql")),
    ("0020_operations.sql", include_str!("../../../migrations/0020_operations.sql")),
    ("0021_audit.sql", include_str!("../../../migrations/0021_audit.sql")),
    ("0022_failure_notes.sql", include_str!("../../../migrations/0022_failure_notes.sql")),
    ("0023_checkpoints.sql", include_str!("../../../migrations/0023_checkpoints.sql")),
    ("0024_limits.sql", include_str!("../../../migrations/0024_limits.sql")),
    ("0025_dependencies.sql", include_str!("../../../migrations/0025_dependencies.sql")),
    ("0026_key_lanes.sql", include_str!("../../../migrations/0026_key_lanes.sql")),
    ("0027_paused_keys.sql", include_str!("../../../migrations/0027_paused_keys.sql")),
    ("0028_batches.sql", include_str!("../../../migrations/0028_batches.sql")),
];

/// The newest schema this program knows.
pub(super) const KNOWN: i64 = FILES.len() as i64;
/// The digest of its tables: to make them in memory and compare takes 3 ms, which every start would pay.
const TABLES: u64 = 0x9f20_6a89_3d38_cd84;

fn migrations() -> Migrations<'static> {
    let steps = FILES
        .iter()
        .zip(1_i64..)
        .map(|((name, sql), number)| M::up_with_hook(sql, move |tx: &Transaction<'_>| finish(tx, name, number)));
    Migrations::new(steps.collect())
}

/// What of a migration is not SQL.
fn finish(tx: &Transaction<'_>, name: &str, number: i64) -> Result<(), HookError> {
    not_yet(tx, number)?;
    match name {
        "0011_lists.sql" => Ok(ended::write_fingerprints((&**tx).into())?),
        "0014_failures.sql" => Ok(failures::write_those_of_dead((&**tx).into())?),
        _ => Ok(()),
    }
}

fn not_yet(tx: &Transaction<'_>, number: i64) -> Result<(), HookError> {
    if version(tx)? < number { Ok(()) } else { Err(HookError::Hook("another process was first".to_owned())) }
}

/// The schema a database has.
pub(super) fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Refuses a schema newer than we know.
fn refuse_newer(path: &Path, found: i64) -> Result<(), StoreError> {
    if found > KNOWN {
        return Err(StoreError::Newer { path: path.display().to_string(), found, known: KNOWN });
    }
    Ok(())
}

/// Whether a database of the newest schema has all its tables, as they were made.
pub(super) fn has_all_tables(conn: &Connection, path: &Path) -> Result<bool, StoreError> {
    let found = open::tables(conn).map_err(|e| map(path, &e))?;
    if digest_of(&found) == TABLES {
        return Ok(true);
    }
    // There may be more of them: an index that somebody has added.
    let model = model().map_err(|e| map(path, &e))?;
    Ok(open::tables(&model).map_err(|e| map(path, &e))?.is_subset(&found))
}

/// A database in memory with all tables, and nothing in them.
pub(in crate::store) fn model() -> rusqlite::Result<Connection> {
    let mut model = Connection::open_in_memory()?;
    migrations().to_latest(&mut model).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => err,
        other => rusqlite::Error::ToSqlConversionFailure(Box::new(other)),
    })?;
    Ok(model)
}

fn digest_of(tables: &BTreeSet<(String, String)>) -> u64 {
    digest(tables.iter().flat_map(|(name, sql)| [name, sql]).flat_map(|text| text.bytes().chain([0])))
}

/// Refuses a schema that no release has made: a development version had the number of one, and other tables.
fn refuse_unreleased(conn: &Connection, path: &Path, found: i64) -> Result<(), StoreError> {
    let failed = |e: &rusqlite::Error| map(path, e);
    let mut model = Connection::open_in_memory().map_err(|e| failed(&e))?;
    migrations().to_version(&mut model, found as usize).map_err(|e| worded(path, &e))?;
    let released = open::tables(&model).map_err(|e| failed(&e))?;
    if released.is_subset(&open::tables(conn).map_err(|e| failed(&e))?) {
        return Ok(());
    }
    let path = path.display().to_string();
    let why = format!(
        "was made by an older development version of queue-work, from before 0.1.0, whose tables are others; choose another \
         with --database; what this one holds can be looked at with `sqlite3`, best in a copy (`sqlite3 {path} \"VACUUM INTO \
         'copy.db'\"`)"
    );
    Err(StoreError::Unusable { path, why })
}

/// Refuses what cannot be brought to the schema this program knows; whether that is to be done.
pub(super) fn is_older(conn: &Connection, path: &Path) -> Result<bool, StoreError> {
    let found = version(conn).map_err(|e| map(path, &e))?;
    refuse_newer(path, found)?;
    if found < KNOWN {
        refuse_unreleased(conn, path, found)?;
    }
    Ok(found < KNOWN)
}

/// Applies what is missing, in one exclusive transaction.
pub(in crate::store) fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
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
        names.retain(|name| name != "postgres");
        names.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, listed);
    }

    /// A database that was made with a migration has it for ever: what is to be changed goes into a new file.
    #[test]
    fn no_migration_is_ever_changed() {
        let frozen = [
            ("0001_core.sql", 0x908b_a588_540d_b47a),
            ("0002_stdout_tail.sql", 0x5b09_f4b6_5e77_020d),
            ("0003_store.sql", 0x04d9_615f_6da3_ae90),
            ("0004_releases_in_a_row.sql", 0xfd18_4a1b_7de8_6d64),
            ("0005_seal.sql", 0x7c72_5745_d400_75d4),
            ("0006_bulk.sql", 0x02a2_225f_4f3f_5bfa),
            ("0007_waits.sql", 0xc7a9_42cd_a34d_b095),
            ("0008_forgotten_queues.sql", 0xec92_176e_25c3_925b),
            ("0009_errors.sql", 0xef4d_6c15_faad_a49c),
            ("0010_lanes.sql", 0xc0a5_f357_e857_c8e8),
            ("0011_lists.sql", 0x563d_ea9d_426a_1db5),
            ("0012_labels.sql", 0xbdef_1da8_955b_ad53),
            ("0013_processors.sql", 0x6173_077d_2929_7e81),
            ("0014_failures.sql", 0x9247_2bb4_97c3_f449),
            ("0015_rollups.sql", 0x2213_d4f0_74b7_1c8d),
            ("0016_autoscale_log.sql", 0xe8ea_59fb_1155_aa1a),
            ("0017_traces.sql", 0x1182_aaa3_4bda_db45),
            ("0018_table_rows.sql", 0xfdc5_24f1_e6a0_ea53),
            ("0019_call_log.sql", 0xab64_6afe_9002_8f72),
            ("0020_operations.sql", 0xd29d_7167_e589_af4d),
            ("0021_audit.sql", 0x915d_676c_6dba_a15a),
            ("0022_failure_notes.sql", 0x03ef_712d_fd00_62f4),
            ("0023_checkpoints.sql", 0x2855_c3ff_b3c1_6c32),
            ("0024_limits.sql", 0x9de8_633d_496a_b7c5),
            ("0025_dependencies.sql", 0x02f0_f4ca_93ac_08df),
            ("0026_key_lanes.sql", 0x246a_310d_4b93_5157),
            ("0027_paused_keys.sql", 0x64df_ec83_701f_aadc),
            ("0028_batches.sql", 0x8e20_4605_6803_29d5),
        ];
        let found: Vec<(&str, u64)> = FILES.iter().map(|(name, text)| (*name, digest(text.bytes()))).collect();
        assert_eq!(found, frozen);
    }

    #[test]
    fn the_digest_is_that_of_the_newest_tables() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrate(&mut conn, Path::new("q.db")).unwrap();
        assert_eq!(format!("{:#x}", digest_of(&open::tables(&conn).unwrap())), format!("{TABLES:#x}"));
    }

    #[test]
    fn tables_may_be_more_but_not_fewer() {
        let mut conn = Connection::open_in_memory().unwrap();
        let path = Path::new("q.db");
        migrate(&mut conn, path).unwrap();
        assert!(has_all_tables(&conn, path).unwrap());
        conn.execute_batch("CREATE INDEX added ON jobs (pushed_at)").unwrap();
        assert!(has_all_tables(&conn, path).unwrap());
        conn.execute_batch("DROP TABLE labels").unwrap();
        assert!(!has_all_tables(&conn, path).unwrap());
    }

    #[test]
    fn all_migrations_run_on_an_empty_database() {
        migrations().validate().unwrap();
    }

    #[test]
    fn a_queue_of_an_older_database_is_not_taken_for_one_of_no_use() {
        let mut conn = Connection::open_in_memory().unwrap();
        migrations().to_version(&mut conn, 7).unwrap();
        conn.execute_batch(
            "INSERT INTO queues (id, name) VALUES (1, 'a'), (2, 'b');
             INSERT INTO ended (job_id, queue, state, cause, ended_at) VALUES (1, 1, 5, 0, 9), (2, 1, 5, 0, 9), (3, 2, 4, 0, 9);
             INSERT INTO runs (id, job_id, queue, type, generation, attempt, outcome, stderr_tail, started_at, ended_at, waited_us)
             VALUES (6, 3, 2, 1, 1, 1, 1, '', 1, 2, 0);
             INSERT INTO running VALUES (4, 7, 0, 1, 1, 1, 1, 0);",
        )
        .unwrap();
        migrations().to_latest(&mut conn).unwrap();
        let mut read = conn.prepare("SELECT cancelled, run_high, changed_at > 1700000000000000 FROM queues").unwrap();
        let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        let rows: Vec<(i64, i64, bool)> = rows.map(Result::unwrap).collect();
        assert_eq!(rows, [(2, 7, true), (0, 7, true)]);
    }

    #[test]
    fn jobs_of_an_older_database_are_in_the_lanes_of_their_types_and_counted() {
        for mixed in [false, true] {
            let mut conn = Connection::open_in_memory().unwrap();
            migrations().to_version(&mut conn, 8).unwrap();
            conn.execute_batch(
                "INSERT INTO queues (id, name, ready, retrying) VALUES (1, 'a', 5, 1), (2, 'b', 0, 0);
                 INSERT INTO types (id, name) VALUES (3, 'exec');
                 INSERT INTO jobs (id, queue, type, args, nprio, due_at, pushed_at) VALUES
                 (1, 1, 3, '', 0, 5, 5), (2, 1, 3, '', -1, 5, 5), (3, 1, 3, '', 0, 9, 5), (4, 1, 3, '', 0, 5, 5),
                 (5, 1, 3, '', 0, 5, 5), (6, 2, 3, '', 0, 5, 5);
                 INSERT INTO ready (queue, nprio, due_at, id, tried) VALUES (1, 0, 5, 1, 0), (1, -1, 5, 2, 1);
                 INSERT INTO scheduled (due_at, id, tried) VALUES (9, 3, 1);
                 INSERT INTO bulks (id, pid, pid_start, boot_id, committed) VALUES (1, 1, 1, '', 1), (2, 1, 1, '', 0);
                 INSERT INTO bulk_ranges (first_id, last_id, bulk) VALUES (4, 5, 1), (6, 6, 2);
                 INSERT INTO bulk_counts (bulk, queue, ready, scheduled) VALUES (2, 2, 1, 0);",
            )
            .unwrap();
            if mixed {
                conn.execute_batch(
                    "INSERT INTO types (id, name) VALUES (4, 'mail');
                     INSERT INTO jobs (id, queue, type, args, nprio, due_at, pushed_at) VALUES (7, 1, 4, '', 0, 1, 1);
                     INSERT INTO ready (queue, nprio, due_at, id, tried) VALUES (1, 0, 1, 7, 0);",
                )
                .unwrap();
            }
            migrations().to_latest(&mut conn).unwrap();
            let mut read =
                conn.prepare("SELECT lane, id, tried FROM ready ORDER BY queue, lane, nprio, due_at, id").unwrap();
            let rows = read.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
            let rows: Vec<(i64, i64, i64)> = rows.map(Result::unwrap).collect();
            let all = [(0, 2, 1), (0, 1, 0), (1, 7, 0)];
            assert_eq!(rows, all[..if mixed { 3 } else { 2 }]);
            let count = |text: &str| conn.query_row(text, [], |row| row.get::<_, i64>(0)).unwrap();
            assert_eq!(
                count("SELECT commands FROM queues WHERE id = 1"),
                4,
                "those of a bulk push that is committed, too"
            );
            assert_eq!(count("SELECT retrying_commands FROM queues WHERE id = 1"), 1);
            assert_eq!(count("SELECT commands FROM queues WHERE id = 2"), 0);
            assert_eq!(count("SELECT commands FROM bulk_counts"), 1);
        }
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
