//! Failed runs by fingerprint, in memory.
//!
//! Invariant: the same records with the same ids as in SQLite; how many jobs are dead is counted when that is asked.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::state::{Place, State};
use crate::model::change::{Keep, Reply};
use crate::model::failure::{Failure, FailureNote, FailureRow, MOST_PER_TYPE, first_slot, slot};
use crate::model::{FailureRecord, Fingerprint, QueueName, UnixMicros};
use crate::store::FailureFilter;

impl State {
    /// Counts a failure; gives the fingerprint of the record that it is counted in.
    pub(super) fn count_failure(&mut self, queue: &QueueName, failure: &Failure<'_>, at: UnixMicros) -> Fingerprint {
        let id = self.failure_for(queue, failure);
        let Some(row) = self.failures.get_mut(&id) else { return failure.fingerprint() };
        if let Some(run) = failure.run {
            row.runs += 1;
            row.last_at = row.last_at.max(failure.at);
            row.sample_run = row.sample_run.max(Some(run));
            let of_slot = slot(failure.at);
            match row.slots.iter_mut().find(|(slot, _)| *slot == of_slot) {
                Some((_, runs)) => *runs += 1,
                None => row.slots.push((of_slot, 1)),
            }
            row.slots.retain(|(slot, _)| *slot >= first_slot(at));
        }
        row.fingerprint
    }

    /// The record of its own, or that of the others.
    fn failure_for(&mut self, queue: &QueueName, failure: &Failure<'_>) -> i64 {
        let find = |state: &Self, fingerprint| {
            let mut rows = state.failures.iter();
            rows.find(|(_, row)| row.queue == *queue && row.fingerprint == fingerprint).map(|(id, _)| *id)
        };
        let own = failure.fingerprint();
        if let Some(id) = find(self, own) {
            return id;
        }
        let of_type = |row: &&FailureRow| row.queue == *queue && row.kind == failure.kind && row.template.is_some();
        let is_told_apart = self.failures.values().filter(of_type).count() < MOST_PER_TYPE;
        let fingerprint = if is_told_apart { own } else { Fingerprint::of_others(failure.kind) };
        if let Some(id) = find(self, fingerprint) {
            return id;
        }
        let id = self.failures.last_key_value().map_or(1, |(id, _)| id + 1);
        let row = FailureRow {
            queue: queue.clone(),
            fingerprint,
            kind: failure.kind.to_owned(),
            error_type: failure.error_type.filter(|_| is_told_apart).map(str::to_owned),
            template: is_told_apart.then(|| failure.template()),
            runs: 0,
            dead: 0,
            first_at: failure.at,
            last_at: failure.at,
            sample_run: None,
            slots: Vec::new(),
        };
        self.failures.insert(id, row);
        id
    }

    /// How many jobs are dead, by queue and fingerprint.
    fn dead_of(&self) -> BTreeMap<(&QueueName, Fingerprint), u64> {
        let mut dead = BTreeMap::new();
        for job in self.jobs.values() {
            if let Place::Ended { fingerprint: Some(fingerprint), .. } = job.place {
                *dead.entry((&job.new.queue, fingerprint)).or_default() += 1;
            }
        }
        dead
    }

    /// Removes the oldest records of which no job is dead; whether there may be more.
    pub(super) fn prune_failures(&mut self, keep: &Keep) -> bool {
        let dead = self.dead_of();
        let may_go =
            |row: &FailureRow| row.last_at < keep.runs_since && !dead.contains_key(&(&row.queue, row.fingerprint));
        let mut old: Vec<(UnixMicros, i64)> =
            self.failures.iter().filter(|(_, row)| may_go(row)).map(|(id, row)| (row.last_at, *id)).collect();
        old.sort_unstable();
        old.truncate(keep.limit as usize);
        for (_, id) in &old {
            self.failures.remove(id);
        }
        let failures = &self.failures;
        self.failure_notes.retain(|fingerprint, _| failures.values().any(|row| row.fingerprint == *fingerprint));
        old.len() == keep.limit as usize
    }

    /// Keeps what is said of an error.
    pub(super) fn note_failure(&mut self, fingerprint: Fingerprint, said: &FailureNote) -> Reply {
        if !self.failures.values().any(|row| row.fingerprint == fingerprint) {
            return Reply::Missing;
        }
        let note = self.failure_notes.entry(fingerprint).or_default();
        *note = std::mem::take(note).changed(said);
        Reply::Done
    }

    pub(super) fn list_failures(&self, filter: &FailureFilter, now: UnixMicros) -> Vec<FailureRecord> {
        let (dead, mut found) = (self.dead_of(), BTreeMap::<Fingerprint, Vec<FailureRow>>::new());
        for row in self.failures.values() {
            let is_meant = filter.queue.as_ref().is_none_or(|queue| *queue == row.queue)
                && filter.kind.as_ref().is_none_or(|kind| *kind == row.kind)
                && filter.fingerprint.is_none_or(|fingerprint| fingerprint == row.fingerprint);
            if is_meant {
                let dead = dead.get(&(&row.queue, row.fingerprint)).copied().unwrap_or_default();
                found.entry(row.fingerprint).or_default().push(FailureRow { dead, ..row.clone() });
            }
        }
        let said_of = |fingerprint| self.failure_notes.get(&fingerprint).cloned().unwrap_or_default();
        let mut found: Vec<FailureRecord> =
            found.into_iter().filter_map(|(of, rows)| FailureRecord::of(rows, said_of(of), now)).collect();
        if filter.fingerprint.is_none() {
            found.retain(|record| record.said.is_muted(now) == filter.muted);
        }
        found.retain(|record| filter.since.is_none_or(|since| record.last_at >= since));
        found.sort_by_key(|record| (Reverse((record.dead_now, record.last_at)), record.fingerprint));
        found.truncate(filter.limit.map_or(usize::MAX, |limit| limit as usize));
        found
    }
}
