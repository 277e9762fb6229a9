//! The reading side: what can be asked of the records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    AuditFilter, AutoscaleFilter, BatchFilter, CallFilter, History, HistoryFilter, KeyFilter, Master, StoreError,
};
use crate::model::audit::DeedRecord;
use crate::model::autoscale::AutoscaleRecord;
use crate::model::batch::BatchRecord;
use crate::model::call_log::CallRecord;
use crate::model::graph::{Graph, Link, Side};
use crate::model::host::HostRecord;
use crate::model::key_record::KeyRecord;
use crate::model::operation::Operation;
use crate::model::processor::{ProcessorRecord, ProcessorRun, ProcessorRunState};
use crate::model::table::TableRow;
use crate::model::{
    ArgsFilter, FailureRecord, Fingerprint, Generation, IdRanges, JobId, JobRecord, JobState, Outcome, ProcessorName,
    ProcessorRunId, QueueName, QueueTotals, RunId, RunRecord, States, UnixMicros, WorkerRecord,
};

/// Which jobs to list, by id: ascending, or descending with `newest`. Jobs that are ready, or scheduled, where no other
/// state, no ids, no label and no key are asked for: by the time when they are due, as no key has their ids in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobFilter {
    /// Only this queue.
    pub queue: Option<QueueName>,
    /// Only these states.
    #[serde(rename = "state", default)]
    pub states: States,
    /// Only this type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Only with this label.
    pub label: Option<String>,
    /// Only with this key.
    pub key: Option<String>,
    /// Only with this error.
    pub error: Option<ErrorFilter>,
    /// Only with this unique key.
    pub unique: Option<String>,
    /// Only with this in the args.
    pub args: Option<ArgsFilter>,
    /// Only what ended since, or was pushed since if it has not ended.
    pub since: Option<UnixMicros>,
    /// Only what ended before, or was pushed before if it has not ended.
    pub until: Option<UnixMicros>,
    /// Only these ids.
    pub ids: Option<IdRanges>,
    /// Only what comes after this job in ascending order.
    pub after: Option<JobId>,
    /// Only what comes before this job in ascending order.
    pub before: Option<JobId>,
    /// The last of that order first.
    #[serde(default)]
    pub newest: bool,
    /// At most this many.
    pub limit: Option<u32>,
}

/// An error to look for. In JSON a text; one that could be a fingerprint is taken for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ErrorFilter {
    /// Errors that have this text in them.
    Text(String),
    /// Dead jobs with this fingerprint.
    Fingerprint(Fingerprint),
}

impl From<String> for ErrorFilter {
    fn from(text: String) -> Self {
        text.parse().map_or(Self::Text(text), Self::Fingerprint)
    }
}

impl From<ErrorFilter> for String {
    fn from(filter: ErrorFilter) -> Self {
        match filter {
            ErrorFilter::Text(text) => text,
            ErrorFilter::Fingerprint(fingerprint) => fingerprint.to_string(),
        }
    }
}

impl JobFilter {
    /// Whether no key serves a part of it.
    #[must_use]
    pub fn is_looked_for(&self) -> bool {
        let is_text = matches!(self.error, Some(ErrorFilter::Text(_)));
        is_text || self.unique.is_some() || self.args.is_some() || self.since.is_some() || self.until.is_some()
    }

    /// The one state, ready or scheduled, whose jobs come by the time when they are due.
    #[must_use]
    pub fn by_due(&self) -> Option<JobState> {
        let waits = self.states.single().filter(|state| matches!(state, JobState::Ready | JobState::Scheduled));
        let is_fingerprint = matches!(self.error, Some(ErrorFilter::Fingerprint(_)));
        waits.filter(|_| self.ids.is_none() && self.label.is_none() && self.key.is_none() && !is_fingerprint)
    }
}

/// A part of the answer to a question that took too long to be answered at once.
#[derive(Clone, Debug)]
pub struct Slice<T, I> {
    pub found: Vec<T>,
    /// Rows that were looked at.
    pub searched: u64,
    /// The cursor with which the rest is found.
    pub next: Option<I>,
}

impl<T, I> Default for Slice<T, I> {
    fn default() -> Self {
        Self { found: Vec::new(), searched: 0, next: None }
    }
}

impl<T, I> Slice<T, I> {
    /// The answer to a question that took no time.
    pub(super) fn whole(found: Vec<T>, limit: Option<u32>, id: fn(&T) -> I) -> Self {
        let is_full = limit.is_some_and(|limit| found.len() >= limit as usize);
        let next = found.last().filter(|_| is_full).map(id);
        Self { searched: found.len() as u64, next, found }
    }
}

/// Dead jobs that died of the same error.
#[derive(Clone, Debug)]
pub struct DeadGroup {
    pub jobs: u64,
    /// The one of them with the highest id.
    pub newest: JobRecord,
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
    /// Only with each of these in the error, the last lines that were printed, or the result.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// Patterns of names of members of the result that are not looked into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<String>,
    /// Only ids below this.
    pub before: Option<RunId>,
    /// At most this many.
    pub limit: Option<u32>,
}

impl RunFilter {
    /// The part about what was said in a run.
    pub(super) fn says(&self) -> Option<ArgsFilter> {
        let (text, hidden) = (self.text.clone(), self.hidden.clone());
        (!text.is_empty()).then(|| ArgsFilter { text, hidden, ..ArgsFilter::default() })
    }
}

/// Which runs of processors to list. Newest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProcessorRunFilter {
    /// Only of this processor.
    pub processor: Option<ProcessorName>,
    /// Only in this state.
    pub state: Option<ProcessorRunState>,
    /// Only those put on record since.
    pub since: Option<UnixMicros>,
    /// Only ids below this.
    pub before: Option<ProcessorRunId>,
    /// At most this many.
    pub limit: Option<u32>,
}

/// Which errors of failed runs to list. The most dead first, then the last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailureFilter {
    /// Only this one.
    pub fingerprint: Option<Fingerprint>,
    /// Only runs of this queue.
    pub queue: Option<QueueName>,
    /// Only of this type.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Only those that were seen since.
    pub since: Option<UnixMicros>,
    /// Only those that are muted; absent: only those that are not. One that is named is found either way.
    #[serde(default)]
    pub muted: bool,
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
    /// As many of them as are found in this time, or as are wanted.
    fn search(&mut self, filter: &JobFilter, within: Duration) -> Result<Slice<JobRecord, JobId>, StoreError> {
        let _ = within;
        Ok(Slice::whole(self.jobs(filter)?, filter.limit, |job| job.id))
    }
    /// Ids and states of jobs like that, in no order: all of them, or as many as the limit of the filter, whichever these are. Its
    /// cursors do not count.
    fn job_ids(&mut self, filter: &JobFilter) -> Result<Vec<(JobId, JobState)>, StoreError>;
    /// Links of a job to others, at most so many, by the id of the other; of its parents, the open ones first.
    fn links(&mut self, id: JobId, side: Side, limit: u32) -> Result<Vec<Link>, StoreError>;
    /// The jobs that hang together with one, at most so many, the nearest first.
    fn graph(&mut self, id: JobId, limit: u32) -> Result<Graph, StoreError> {
        let (mut ids, mut known) = (vec![id], BTreeSet::from([id]));
        let mut links: BTreeMap<(JobId, JobId), Link> = BTreeMap::new();
        let mut more = false;
        let mut at = 0;
        while let Some(&next) = ids.get(at) {
            at += 1;
            for side in [Side::Parents, Side::Children] {
                for link in self.links(next, side, limit.saturating_add(1))? {
                    let other = if side == Side::Parents { link.after } else { link.job };
                    if !known.contains(&other) {
                        if ids.len() >= limit as usize {
                            more = true;
                            continue;
                        }
                        ids.push(other);
                        known.insert(other);
                    }
                    links.insert((link.job, link.after), link);
                }
            }
        }
        let ids: Vec<(JobId, JobId)> = ids.into_iter().map(|id| (id, id)).collect();
        let jobs = self.jobs(&JobFilter { ids: Some(ids.into()), ..JobFilter::default() })?;
        Ok(Graph { jobs, links: links.into_values().collect(), more })
    }
    /// How many jobs are like that, as far as they are counted in this time and up to the limit of the filter, and whether these
    /// are all.
    fn count(&mut self, filter: &JobFilter, within: Duration) -> Result<(u64, bool), StoreError> {
        let _ = within;
        let counted = self.job_ids(filter)?.len();
        Ok((counted as u64, filter.limit.is_none_or(|limit| counted < limit as usize)))
    }
    /// Keys of a queue.
    fn keys(&mut self, filter: &KeyFilter) -> Result<Vec<KeyRecord>, StoreError>;
    /// Errors of the dead, in all queues or in one, the commonest first: at most so many groups, and the number of all.
    fn dead_groups(&mut self, queue: Option<&QueueName>, limit: usize) -> Result<(Vec<DeadGroup>, usize), StoreError>;
    /// What runs have failed of, with counts up to now.
    fn failures(&mut self, filter: &FailureFilter, now: UnixMicros) -> Result<Vec<FailureRecord>, StoreError>;
    /// Runs, newest first.
    fn runs(&mut self, filter: &RunFilter) -> Result<Vec<RunRecord>, StoreError>;
    /// As many of them as are found in this time, or as are wanted.
    fn search_runs(&mut self, filter: &RunFilter, within: Duration) -> Result<Slice<RunRecord, RunId>, StoreError> {
        let _ = within;
        Ok(Slice::whole(self.runs(filter)?, filter.limit, |run| run.id))
    }
    /// Workers, newest first.
    fn workers(&mut self, filter: &WorkerFilter) -> Result<Vec<WorkerRecord>, StoreError>;
    /// All processors on record, by name.
    fn processors(&mut self) -> Result<Vec<ProcessorRecord>, StoreError>;
    /// One processor.
    fn processor(&mut self, name: &ProcessorName) -> Result<Option<ProcessorRecord>, StoreError>;
    /// Runs of processors, newest first.
    fn processor_runs(&mut self, filter: &ProcessorRunFilter) -> Result<Vec<ProcessorRun>, StoreError>;
    /// One run of a processor.
    fn processor_run(&mut self, id: ProcessorRunId) -> Result<Option<ProcessorRun>, StoreError>;
    /// Changes of pools that scale themselves, newest first.
    fn autoscale_log(&mut self, filter: &AutoscaleFilter) -> Result<Vec<AutoscaleRecord>, StoreError>;
    /// Calls of services that were slow or failed, newest first.
    fn call_log(&mut self, filter: &CallFilter) -> Result<Vec<CallRecord>, StoreError>;
    /// Changes of many jobs that go on by themselves, or did, by id.
    fn operations(&mut self) -> Result<Vec<Operation>, StoreError>;
    /// Batches, newest first, with how many of their jobs are in which state.
    fn batches(&mut self, filter: &BatchFilter) -> Result<Vec<BatchRecord>, StoreError>;
    /// Who has changed what, newest first.
    fn audit(&mut self, filter: &AuditFilter) -> Result<Vec<DeedRecord>, StoreError>;
    /// The hosts of a store that several share, in the order in which they joined; none where it is of one.
    fn hosts(&mut self) -> Result<Vec<HostRecord>, StoreError> {
        Ok(Vec::new())
    }
    /// All rows of shared tables, by table and key.
    fn table_rows(&mut self) -> Result<Vec<TableRow>, StoreError>;
    /// Numbers of periods.
    fn history(&mut self, filter: &HistoryFilter) -> Result<History, StoreError>;
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
