//! Reads the records of the product, without a master and beside one.

use std::path::Path;

use queue_work::testing::model::StoreUrl;
use queue_work::testing::model::{JobId, JobRecord, QueueTotals, RunId, RunRecord, WorkerRecord};
use queue_work::testing::store::{self, JobFilter, RunFilter, WorkerFilter};
use rusqlite::{Connection, OpenFlags};

/// Rows read at once.
const PAGE: u32 = 5000;

/// The records of a store.
pub(crate) struct Records(Box<dyn store::Records + Send>);

impl Records {
    /// Opens them.
    #[track_caller]
    pub(crate) fn open(database: &Path) -> Self {
        Self(store::open(&StoreUrl::File(database.to_owned())).records().expect("the records"))
    }

    pub(crate) fn job(&mut self, id: i64) -> Option<JobRecord> {
        self.0.job(JobId(id)).expect("the records")
    }

    /// Jobs above this id, ascending.
    pub(crate) fn jobs_after(&mut self, id: i64) -> Vec<JobRecord> {
        let mut jobs: Vec<JobRecord> = Vec::new();
        loop {
            let after = Some(jobs.last().map_or(JobId(id), |job| job.id));
            let page = self.0.jobs(&JobFilter { after, limit: Some(PAGE), ..JobFilter::default() });
            let page = page.expect("the records");
            let is_last = page.len() < PAGE as usize;
            jobs.extend(page);
            if is_last {
                return jobs;
            }
        }
    }

    /// Runs above this id, ascending.
    pub(crate) fn runs_after(&mut self, id: i64) -> Vec<RunRecord> {
        let mut runs: Vec<RunRecord> = Vec::new();
        loop {
            let before = runs.last().map(|run| RunId(run.id.0));
            let page = self.0.runs(&RunFilter { before, limit: Some(PAGE), ..RunFilter::default() });
            let page = page.expect("the records");
            let is_last = page.len() < PAGE as usize || page.last().is_some_and(|run| run.id.0 <= id);
            runs.extend(page.into_iter().filter(|run| run.id.0 > id));
            if is_last {
                runs.reverse();
                return runs;
            }
        }
    }

    /// The last workers.
    pub(crate) fn workers(&mut self, limit: u32) -> Vec<WorkerRecord> {
        self.0.workers(&WorkerFilter { limit: Some(limit), ..WorkerFilter::default() }).expect("the records")
    }

    pub(crate) fn totals(&mut self) -> Vec<QueueTotals> {
        self.0.queue_totals().expect("the records")
    }
}

/// What `PRAGMA integrity_check` says.
#[track_caller]
pub(crate) fn integrity(database: &Path) -> String {
    let open = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database");
    open.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked")
}
