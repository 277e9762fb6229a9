//! The questions of `doctor` to a store. Nothing is changed, not even a database of an older version.

use super::LastMaster;
use crate::model::UnixMicros;

/// Findings that are named.
pub const MOST_FINDINGS: usize = 10;

/// Facts about a store.
#[derive(Clone, Debug, Default)]
pub struct Exam {
    /// The version of its tables, and the newest that this program knows.
    pub schema: i64,
    pub known_schema: i64,
    /// What is damaged; not all where there is much of it.
    pub damage: Vec<String>,
    /// Tables that were not looked through in the time there was.
    pub unchecked: Vec<String>,
    pub size: StoreSize,
    /// The processes that read the store at this moment, which keeps its log from being reset.
    pub readers: Vec<u32>,
    /// Logs that were kept although their database was gone.
    pub lost_logs: Vec<String>,
    /// Masters that neither ended in order nor were recovered, as far as the tables are of this version.
    pub unended: Vec<LastMaster>,
    /// The latest time on record.
    pub last_at: Option<UnixMicros>,
}

/// The room that a store takes on its disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSize {
    pub bytes: u64,
    /// Beside these, of the log.
    pub log_bytes: u64,
}

/// What keeps a store from being used, or would, if it were not allowed.
#[derive(Clone, Debug, Default)]
pub struct Dangers {
    /// On another machine.
    pub remote: Option<String>,
    /// Others may write to it.
    pub shared: Option<String>,
}
