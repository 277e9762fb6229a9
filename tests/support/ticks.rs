//! Ticks of a processor that is due each second, as they are on record: each from the first to the last has one run.

#![expect(dead_code, reason = "no test file reads all of it")]

use std::collections::BTreeSet;
use std::path::Path;

use rusqlite::{Connection, OpenFlags};

/// The processor, with a job of this queue and type at each tick. Nothing about it allows a tick without a run.
pub(crate) fn each_second(queue: &str, kind: &str) -> String {
    format!(
        "[processors.tick]\ncron = \"* * * * * *\"\nmissed = \"all\"\nmissed_max = 10000\noverlap = \"allow\"\n\
         queue = \"{queue}\"\ntype = \"{kind}\"\nargs = {{}}\n"
    )
}

/// What is on record of it.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    /// From the first to the last.
    pub(crate) all: i64,
    pub(crate) missing: i64,
    /// Runs or jobs beyond one for a tick.
    pub(crate) double: i64,
    /// Ticks that were passed over.
    pub(crate) skipped: i64,
    /// Runs that are not over.
    pub(crate) open: i64,
    /// The last tick, in seconds since 1970.
    pub(crate) last: i64,
    /// Jobs of processors.
    pub(crate) jobs: BTreeSet<i64>,
}

impl Ticks {
    pub(crate) fn read(database: &Path) -> Self {
        let open = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database");
        // One snapshot for all of it.
        let open = open.unchecked_transaction().expect("a transaction");
        let number = |sql: &str| open.query_row(sql, [], |row| row.get::<_, i64>(0)).expect(sql);
        let mut jobs = open.prepare("SELECT id FROM jobs WHERE processor_run IS NOT NULL").expect("a query");
        let jobs: BTreeSet<i64> =
            jobs.query_map([], |row| row.get(0)).expect("jobs").map(|id| id.expect("an id")).collect();
        let (runs, ticks) = (
            number("SELECT count(tick) FROM processor_runs"),
            number("SELECT count(DISTINCT tick) FROM processor_runs"),
        );
        let last = number("SELECT coalesce(max(tick), 0) FROM processor_runs") / 1_000_000;
        let first = number("SELECT coalesce(min(tick), 0) FROM processor_runs") / 1_000_000;
        let all = if ticks == 0 { 0 } else { last - first + 1 };
        Self {
            all,
            missing: all - ticks,
            double: runs.max(jobs.len() as i64) - ticks,
            skipped: number("SELECT coalesce(sum(skipped), 0) FROM processors"),
            open: number("SELECT count(*) FROM processor_runs WHERE ended_at IS NULL"),
            last,
            jobs,
        }
    }

    /// What is wrong with them, of runs that should all be over.
    pub(crate) fn wrong(&self) -> Option<String> {
        let Self { missing, double, skipped, .. } = self;
        (*missing != 0 || *double != 0 || *skipped != 0).then(|| format!("{}, passed over {skipped}", self.text()))
    }

    /// `ticks: 7, missing 0, double 0`
    pub(crate) fn text(&self) -> String {
        format!("ticks: {}, missing {}, double {}", self.all, self.missing, self.double)
    }
}
