//! Calls of services that were slow or failed, in the store in memory.
//!
//! Invariant: the same rows go in the same step as in SQLite.

use std::collections::BTreeMap;

use super::state::State;
use crate::model::UnixMicros;
use crate::model::call_log::{CALLS_KEPT_FOR, CallRecord, LoggedCall, MOST_CALLS};
use crate::model::change::{Keep, Reply};
use crate::store::CallFilter;

/// By id.
pub(super) type CallLog = BTreeMap<i64, LoggedCall>;

impl State {
    pub(super) fn log_calls(&mut self, calls: &[LoggedCall]) -> Reply {
        for call in calls {
            let id = self.call_log.last_key_value().map_or(1, |(last, _)| last + 1);
            self.call_log.insert(id, call.clone());
        }
        Reply::Done
    }

    pub(super) fn prune_call_log(&mut self, keep: &Keep, at: UnixMicros) -> usize {
        let Some((&newest, _)) = self.call_log.last_key_value() else { return 0 };
        let (since, last_of_too_many) = (at.minus(CALLS_KEPT_FOR), newest - i64::from(MOST_CALLS));
        let oldest = self.call_log.iter().take(keep.limit as usize);
        let old: Vec<i64> =
            oldest.filter(|(id, call)| call.at < since || **id <= last_of_too_many).map(|(id, _)| *id).collect();
        self.call_log.retain(|id, _| old.binary_search(id).is_err());
        old.len()
    }

    pub(super) fn list_call_log(&self, filter: &CallFilter) -> Vec<CallRecord> {
        let below = self.call_log.range(..filter.before.unwrap_or(i64::MAX)).rev();
        let found = below.filter(|(_, logged)| {
            filter.service.as_deref().is_none_or(|service| service == logged.call.service.as_str())
                && filter.since.is_none_or(|since| logged.at >= since)
                && (!filter.failed || logged.call.error.is_some())
        });
        let records = found.map(|(&id, logged)| CallRecord { id, logged: logged.clone() });
        records.take(filter.limit.map_or(usize::MAX, |limit| limit as usize)).collect()
    }
}
