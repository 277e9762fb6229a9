//! The reading side: what can be asked of the records.

use serde::{Deserialize, Serialize};

use super::{Master, StoreError};
use crate::model::{
    Generation, JobId, JobRecord, JobState, Outcome, QueueName, QueueTotals, RunId, RunRecord, UnixMicros, WorkerRecord,
};

/// Which jobs to list, by id: ascending, or descending with `newest`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFilter {
    /// Only this queue.
    pub queue: Option<QueueName>,
    /// Only this state.
    pub state: Option<JobState>,
    /// Only this type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Only ids above this.
    pub after: Option<JobId>,
    /// Only ids below this.
    pub before: Option<JobId>,
    /// Highest id first.
    #[serde(default)]
    pub newest: bool,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Which runs to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFilter {
    /// Only this job.
    pub job: Option<JobId>,
    /// Only this queue.
    pub queue: Option<QueueName>,
    /// Only this outcome.
    pub outcome: Option<Outcome>,
    /// Only runs that ended since.
    pub since: Option<UnixMicros>,
    /// Only ids below this.
    pub before: Option<RunId>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Which workers to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerFilter {
    /// Only this pool.
    pub pool: Option<String>,
    /// Only `<pool>-<slot>`.
    pub worker: Option<String>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// The last generation on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastMaster {
    pub master: Master,
    pub generation: Generation,
    pub started_at: UnixMicros,
    /// When it ended in order, if it did.
    pub ended_at: Option<UnixMicros>,
}

/// The reading side.
pub trait Records {
    /// One job.
    fn job(&mut self, id: JobId) -> Result<Option<JobRecord>, StoreError>;
    /// Jobs, in the order of the filter.
    fn jobs(&mut self, filter: &JobFilter) -> Result<Vec<JobRecord>, StoreError>;
    /// Runs, newest first.
    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError>;
    /// Workers, newest first.
    fn workers(&mut self, filter: &WorkerFilter) -> Result<Vec<WorkerRecord>, StoreError>;
    /// Totals of all queues, by name.
    fn queue_totals(&mut self) -> Result<Vec<QueueTotals>, StoreError>;
    /// The type of the first ready job of a queue that is no command, and whose type has no lane of its own.
    fn first_other(&mut self, queue: &QueueName) -> Result<Option<String>, StoreError>;
    /// The random id of the store.
    fn store_id(&mut self) -> Result<String, StoreError>;
    /// The last generation.
    fn last_master(&mut self) -> Result<Option<LastMaster>, StoreError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_with_a_member_it_does_not_know_is_refused() {
        let text = r#"{"limit":1,"stat":"dead"}"#;
        assert!(serde_json::from_str::<JobFilter>(text).is_err());
        assert!(serde_json::from_str::<RunFilter>(text).is_err());
        assert!(serde_json::from_str::<WorkerFilter>(text).is_err());
        assert_eq!(serde_json::from_str::<JobFilter>(r#"{"limit":1}"#).unwrap().limit, Some(1));
    }
}
