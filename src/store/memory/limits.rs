//! Limits of queues in memory.
//!
//! Invariant: they bound claims and pushes as in SQLite, by the same arithmetic.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::{Place, State};
use crate::model::change::{HeldBack, Reply};
use crate::model::limit_record::{LimitRecord, Override, PausedKey, PausedKeys};
use crate::model::queue_limits::{Bucket, Full, SaidLimits};
use crate::model::{BulkId, JobId, NewJob, QueueName, RunId, UnixMicros};

/// The limits of a queue, and the bucket of its rate.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    record: Arc<LimitRecord>,
    bucket: Option<Bucket>,
}

/// How many jobs of a queue may start in a claim.
pub(super) enum Opening {
    Unlimited,
    Limited { room: u32, free: u32, bucket: Bucket },
}

impl Opening {
    pub(super) fn starts(&self) -> u32 {
        match self {
            Self::Unlimited => u32::MAX,
            Self::Limited { room, free, .. } => *room.min(free),
        }
    }
}

impl State {
    pub(super) fn limits_of(&self, queue: &QueueName) -> Option<Arc<LimitRecord>> {
        self.limits.get(queue).map(|limits| limits.record.clone())
    }

    /// When something that was set ends.
    pub(super) fn limits_end(&self) -> Option<UnixMicros> {
        self.limits.values().filter_map(|limits| limits.record.set.as_ref()?.until).min()
    }

    pub(super) fn configure_queues(&mut self, configured: &BTreeMap<QueueName, SaidLimits>) -> Reply {
        let names: BTreeSet<QueueName> = self.limits.keys().chain(configured.keys()).cloned().collect();
        for name in names {
            let before = self.limits_of(&name);
            let said = configured.get(&name).cloned().unwrap_or_default();
            if before.as_ref().map_or(&SaidLimits::new(), |record| &record.configured) != &said {
                let (set, paused) =
                    before.map(|record| (record.set.clone(), record.paused.clone())).unwrap_or_default();
                self.put_limits(&name, said, set, paused);
            }
        }
        Reply::Sorted { queues: Vec::new(), more: self.sorting }
    }

    pub(super) fn set_limits(&mut self, queue: &QueueName, set: Option<&Override>) -> Reply {
        self.queue(queue);
        let LimitRecord { configured, paused, .. } = self.limits_of(queue).as_deref().cloned().unwrap_or_default();
        self.put_limits(queue, configured, set.cloned(), paused);
        Reply::Sorted { queues: Vec::new(), more: self.sorting }
    }

    pub(super) fn pause_key(&mut self, queue: &QueueName, key: &str, pause: Option<&PausedKey>) -> Reply {
        self.queue(queue);
        let LimitRecord { configured, set, mut paused, .. } =
            self.limits_of(queue).as_deref().cloned().unwrap_or_default();
        if paused.contains_key(key) != pause.is_some() {
            match pause {
                Some(pause) => drop(paused.insert(key.to_owned(), pause.clone())),
                None => drop(paused.remove(key)),
            }
            self.put_limits(queue, configured, set, paused);
            self.sorting |= pause.is_none() && !self.is_keyed(queue);
        }
        Reply::Sorted { queues: Vec::new(), more: self.sorting }
    }

    fn put_limits(&mut self, queue: &QueueName, configured: SaidLimits, set: Option<Override>, paused: PausedKeys) {
        let before = self.limits_of(queue).map(|record| record.in_force.clone()).unwrap_or_default();
        let bucket = self.limits.remove(queue).and_then(|limits| limits.bucket);
        let record = LimitRecord::new(configured, set, paused).map(Arc::new);
        self.limits.extend(record.map(|record| (queue.clone(), Limits { record, bucket })));
        if self.queues.contains_key(queue) {
            let after = self.limits_of(queue).map(|record| record.in_force.clone()).unwrap_or_default();
            if before.of_key() != after.of_key() {
                self.forget_buckets(queue);
            }
            self.sorting |= before.is_keyed() != after.is_keyed();
            self.queue(queue);
            self.news.queues.insert(queue.clone());
        }
    }

    /// What was set until now holds no more; the queues of that.
    pub(super) fn end_limits(&mut self, at: UnixMicros) -> Vec<QueueName> {
        let is_over =
            |limits: &Limits| limits.record.set.as_ref().and_then(|set| set.until).is_some_and(|until| until <= at);
        let over = self.limits.iter().filter(|(_, limits)| is_over(limits)).map(|(name, _)| name.clone());
        let over: Vec<QueueName> = over.collect();
        for queue in &over {
            self.set_limits(queue, None);
        }
        over
    }

    fn running(&self, queue: &QueueName) -> u64 {
        self.queues.get(queue).map_or(0, |queue| queue.totals.running)
    }

    pub(super) fn opening(&self, queue: &QueueName, free: u32, at: UnixMicros) -> Opening {
        match self.limits.get(queue) {
            Some(limits) if limits.record.in_force.holds_back() => {
                let in_force = &limits.record.in_force;
                let bucket = Bucket::filled(limits.bucket, in_force, at);
                Opening::Limited { room: in_force.room(self.running(queue), &bucket), free, bucket }
            }
            _ => Opening::Unlimited,
        }
    }

    /// So many have started.
    pub(super) fn close(
        &mut self,
        queue: &QueueName,
        opening: &Opening,
        (starts, is_short): (u32, bool),
        at: UnixMicros,
        held: &mut HeldBack,
    ) {
        let Opening::Limited { room, free, bucket } = *opening else { return };
        let (running, bucket) = (self.running(queue), bucket.less(starts));
        let (is_keyed, first_opening) = (self.is_keyed(queue), self.first_opening(queue, at));
        let ready = self.queues.get(queue).map_or(0, |queue| queue.totals.ready);
        let Some(limits) = self.limits.get_mut(queue) else { return };
        if (starts > 0 || room == 0) && limits.record.in_force.rate.is_some() {
            limits.bucket = Some(bucket);
        }
        if ready > 0 && starts == room {
            held.closed.push((queue.clone(), limits.record.in_force.opens_at(running, &bucket)));
        } else if ready > 0 && starts == free {
            held.for_workers = true;
        } else if ready > 0 && is_keyed && is_short {
            held.closed.push((queue.clone(), first_opening));
        }
    }

    pub(super) fn unclaim(&mut self, job: JobId, run: RunId, at: UnixMicros) -> Reply {
        if self.current(job, run).is_some() {
            self.key_ends(job.0, None, at);
        }
        let reply = self.change_running(job, run, |job, _| job.place = Place::Ready);
        let queue = self.jobs.get(&job.0).map(|job| job.new.queue.clone());
        if matches!(reply, Reply::Done)
            && let Some(limits) = queue.and_then(|queue| self.limits.get_mut(&queue))
            && limits.record.in_force.rate.is_some()
        {
            let in_force = &limits.record.in_force;
            limits.bucket = Some(Bucket::filled(limits.bucket, in_force, at).more(in_force));
        }
        reply
    }

    /// The first queue that has no room for these jobs.
    pub(super) fn full_of(&self, jobs: &[NewJob], at: UnixMicros) -> Option<Reply> {
        let mut keys = BTreeSet::new();
        let mut is_there = |job: &NewJob| {
            job.unique.as_deref().is_some_and(|key| !keys.insert(key.to_owned()) || self.uniques.contains_key(key))
        };
        let ready = jobs.iter().filter(|job| !job.has_parents() && job.due_at.is_none_or(|due_at| due_at <= at));
        self.full(ready.filter(|job| !is_there(job)).map(|job| &job.queue))
    }

    pub(super) fn full_of_bulk(&self, bulk: BulkId) -> Option<Reply> {
        let jobs = self.bulks.get(&bulk.0)?.jobs.values();
        self.full(jobs.filter(|job| !job.new.has_parents() && job.due_at <= job.pushed_at).map(|job| &job.new.queue))
    }

    fn full<'q>(&self, jobs: impl Iterator<Item = &'q QueueName>) -> Option<Reply> {
        let mut counts: BTreeMap<&QueueName, u64> = BTreeMap::new();
        jobs.for_each(|queue| *counts.entry(queue).or_default() += 1);
        counts.into_iter().find_map(|(queue, pushed)| {
            let most = self.limits.get(queue)?.record.in_force.max_ready?;
            let ready = self.queues.get(queue).map_or(0, |queue| queue.totals.ready);
            let full = Full { queue: queue.clone(), ready, most, pushed };
            (ready + pushed > most).then_some(Reply::Full(full))
        })
    }
}
