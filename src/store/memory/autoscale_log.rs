//! Changes of pools that scale themselves in the store in memory.
//!
//! Invariant: the same rows go in the same step as in SQLite.

use std::collections::BTreeMap;

use super::state::State;
use crate::model::UnixMicros;
use crate::model::autoscale::{AutoscaleChange, AutoscaleRecord, CHANGES_KEPT_FOR, MOST_CHANGES};
use crate::model::change::{Keep, Reply};
use crate::store::AutoscaleFilter;

/// By id.
pub(super) type AutoscaleLog = BTreeMap<i64, AutoscaleChange>;

impl State {
    pub(super) fn log_autoscale(&mut self, change: &AutoscaleChange) -> Reply {
        let id = self.autoscale_log.last_key_value().map_or(1, |(last, _)| last + 1);
        self.autoscale_log.insert(id, change.clone());
        Reply::Done
    }

    pub(super) fn prune_autoscale_log(&mut self, keep: &Keep, at: UnixMicros) -> usize {
        let Some((&newest, _)) = self.autoscale_log.last_key_value() else { return 0 };
        let (since, last_of_too_many) = (at.minus(CHANGES_KEPT_FOR), newest - i64::from(MOST_CHANGES));
        let oldest = self.autoscale_log.iter().take(keep.limit as usize);
        let old: Vec<i64> =
            oldest.filter(|(id, change)| change.at < since || **id <= last_of_too_many).map(|(id, _)| *id).collect();
        self.autoscale_log.retain(|id, _| old.binary_search(id).is_err());
        old.len()
    }

    pub(super) fn list_autoscale_log(&self, filter: &AutoscaleFilter) -> Vec<AutoscaleRecord> {
        let below = self.autoscale_log.range(..filter.before.unwrap_or(i64::MAX)).rev();
        let found = below.filter(|(_, change)| {
            filter.pool.as_deref().is_none_or(|pool| pool == change.pool.as_str())
                && filter.since.is_none_or(|since| change.at >= since)
        });
        let records = found.map(|(&id, change)| AutoscaleRecord { id, change: change.clone() });
        records.take(filter.limit.map_or(usize::MAX, |limit| limit as usize)).collect()
    }
}
