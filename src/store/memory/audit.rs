//! Deeds on record, in the store in memory.
//!
//! Invariant: the same rows go in the same step as in SQLite.

use std::collections::BTreeMap;

use super::state::State;
use crate::model::audit::{Deed, DeedRecord, MOST_DEEDS};
use crate::model::change::{Keep, Reply};
use crate::store::AuditFilter;

/// By id.
pub(super) type Audit = BTreeMap<i64, Deed>;

impl State {
    pub(super) fn log_deed(&mut self, deed: &Deed) -> Reply {
        let id = self.audit.last_key_value().map_or(1, |(last, _)| last + 1);
        self.audit.insert(id, deed.clone());
        Reply::Done
    }

    pub(super) fn end_deed(&mut self, deed: &Deed) -> Reply {
        let is_same = |begun: &&mut Deed| (begun.at, &begun.verb, &begun.target) == (deed.at, &deed.verb, &deed.target);
        if let Some(begun) = self.audit.values_mut().rev().find(is_same) {
            (begun.affected, begun.operation) = (deed.affected, deed.operation);
            begun.outcome.clone_from(&deed.outcome);
        }
        Reply::Done
    }

    pub(super) fn prune_audit(&mut self, keep: &Keep) -> usize {
        let Some((&newest, _)) = self.audit.last_key_value() else { return 0 };
        let last_of_too_many = newest - i64::from(MOST_DEEDS);
        let oldest = self.audit.iter().take(keep.limit as usize);
        let is_old = |(id, deed): &(&i64, &Deed)| deed.at < keep.audit_since || **id <= last_of_too_many;
        let old: Vec<i64> = oldest.filter(is_old).map(|(id, _)| *id).collect();
        self.audit.retain(|id, _| old.binary_search(id).is_err());
        old.len()
    }

    pub(super) fn list_audit(&self, filter: &AuditFilter) -> Vec<DeedRecord> {
        let below = self.audit.range(..filter.before.unwrap_or(i64::MAX)).rev();
        let found = below.filter(|(_, deed)| filter.who.is_none() || filter.who == deed.who).filter(|(_, deed)| {
            filter.verb.as_ref().is_none_or(|verb| *verb == deed.verb)
                && filter.since.is_none_or(|since| deed.at >= since)
        });
        let records = found.map(|(&id, deed)| DeedRecord { id, deed: deed.clone() });
        records.take(filter.limit.map_or(usize::MAX, |limit| limit as usize)).collect()
    }
}
