//! The statements that only a database file has, each with the key that serves it.

/// Pages in the log, in the second column; does nothing.
pub(super) const LOG_LENGTH: &str = "PRAGMA wal_checkpoint(NOOP)";
/// Moves what it can to the database without waiting for readers.
pub(super) const CHECKPOINT: &str = "PRAGMA wal_checkpoint(PASSIVE)";
/// Moves everything, as soon as no reader is in the way any more.
pub(super) const CHECKPOINT_WAITING: &str = "PRAGMA wal_checkpoint(FULL)";
/// Moves everything; the first column says whether a reader or writer was in the way.
pub(super) const CHECKPOINT_ALL: &str = "PRAGMA wal_checkpoint(TRUNCATE)";
/// Reads all waiting jobs with point look-ups in the keys of `queues`, `types` and `jobs`; only at the start of a master,
/// and only of a small database.
pub(super) const DANGLING: &str = "SELECT EXISTS (SELECT 1 FROM jobs WHERE queue NOT IN (SELECT id FROM queues) \
     OR type NOT IN (SELECT id FROM types)) \
     OR EXISTS (SELECT 1 FROM ready r LEFT JOIN jobs j ON j.id = r.id WHERE j.queue IS DISTINCT FROM r.queue) \
     OR EXISTS (SELECT 1 FROM scheduled s LEFT JOIN jobs j ON j.id = s.id WHERE j.id IS NULL) \
     OR EXISTS (SELECT 1 FROM blocked b LEFT JOIN jobs j ON j.id = b.job_id WHERE j.id IS NULL) \
     OR EXISTS (SELECT 1 FROM running r LEFT JOIN jobs j ON j.id = r.job_id WHERE j.id IS NULL)";
/// One row.
pub(super) const STORE_FILE: &str = "SELECT device, inode FROM store WHERE one = 1";
/// One row.
pub(super) const STORE_BELONGS: &str = "UPDATE store SET device = ?1, inode = ?2 WHERE one = 1";
/// One row.
pub(super) const STORE_RENEW: &str = "UPDATE store SET id = lower(hex(randomblob(16))) WHERE one = 1";
/// All of the few rows; once per start of a master on a copy.
pub(super) const GENERATION_DISOWN: &str =
    "UPDATE generations SET cookie = '', pid = 0, pid_start = 0 WHERE cookie = ?1";
/// No table.
pub(super) const SEAL_BEGIN: &str = "SELECT lower(hex(randomblob(8)))";
/// One row; once per checkpoint.
pub(super) const SEAL_WRITE: &str = "UPDATE seal SET mark = ?1 WHERE one = 1";
/// The few rows that name the tables; after another program has rewritten the database.
pub(super) const SEAL_PAGE: &str = "SELECT rootpage FROM sqlite_schema WHERE name = 'seal' LIMIT 1";
/// The last row by key.
pub(super) const GENERATION_NOW: &str = "SELECT generation, batch FROM generations ORDER BY generation DESC LIMIT 1";
/// Appends.
pub(super) const GENERATION_ADD: &str = "INSERT INTO generations (generation, pid, pid_start, boot_id, cookie, \
     version, started_at, run_high, worker_high) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
