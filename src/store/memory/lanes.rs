//! Lanes in memory: in which part of a queue a job waits.
//!
//! Invariant: a ready job is where its lane says, which is that of its type or of the others, as in SQLite.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::state::{Job, Place, State};
use crate::model::change::Reply;
use crate::model::{EXEC, Lane, QueueName, Takes};

impl State {
    /// The lane where the jobs of a type go now.
    pub(super) fn lane_of(&self, kind: &Arc<str>) -> Lane {
        match &**kind {
            EXEC => Lane::Commands,
            _ if self.named.contains(kind) => Lane::Type(kind.clone()),
            _ => Lane::Others,
        }
    }

    /// The first ready job of a queue in the lanes that are taken.
    pub(super) fn front(&self, queue: &QueueName, takes: &Takes) -> Option<i64> {
        let types = self.named.iter().cloned().map(Lane::Type);
        let lanes = [Lane::Commands, Lane::Others].into_iter().chain(types).filter(|lane| takes.serves(lane));
        lanes.filter_map(|lane| self.front_of(queue, &lane)).min().map(|(.., id)| id)
    }

    pub(super) fn first_other(&self, queue: &QueueName) -> Option<Arc<str>> {
        let (.., id) = self.front_of(queue, &Lane::Others).or_else(|| self.first_by_key(queue, &Lane::Others))?;
        self.jobs.get(&id).map(|job| job.new.kind.clone())
    }

    pub(super) fn name_types(&mut self, types: &BTreeSet<Arc<str>>) -> Reply {
        let before = self.named.len();
        self.named.extend(types.iter().filter(|kind| &***kind != EXEC).cloned());
        self.sorting |= self.named.len() > before && !self.queues.is_empty();
        Reply::Sorted { queues: Vec::new(), more: self.sorting }
    }

    /// Ready jobs that are not in the lane of their type yet.
    fn misplaced(&self) -> impl Iterator<Item = i64> {
        let ready = self.jobs.iter().filter(|(_, job)| matches!(job.place, Place::Ready));
        let is_elsewhere = |job: &Job| {
            (job.lane == Lane::Others && self.named.contains(&job.new.kind))
                || (job.by_key && !self.waits_by_key(&job.new))
                || (!job.by_key && self.is_keyed(&job.new.queue))
        };
        ready.filter(move |(_, job)| is_elsewhere(job)).map(|(id, _)| *id)
    }

    pub(super) fn sort(&mut self, limit: u32) -> Reply {
        let found: Vec<i64> = self.misplaced().take(limit as usize).collect();
        let mut queues = BTreeSet::new();
        for id in found {
            if let Some(mut job) = self.take(id) {
                job.lane = self.lane_of(&job.new.kind);
                job.by_key = self.waits_by_key(&job.new);
                queues.insert(job.new.queue.clone());
                self.put(id, job);
            }
        }
        let more = self.misplaced().next().is_some();
        if !more {
            self.drop_unused_keys();
        }
        self.sorting = more;
        Reply::Sorted { queues: queues.into_iter().collect(), more }
    }
}
