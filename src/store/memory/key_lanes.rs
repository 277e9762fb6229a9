//! Lanes of keys in memory: everything is counted anew where SQLite keeps it.
//!
//! Invariant: a claim deals out the same jobs in the same order as in SQLite.

use std::collections::BTreeMap;

use super::state::{Job, Order, Place, State};
use crate::model::change::Claim;
use crate::model::fair::{self, Fair, Turn, UNIT};
use crate::model::key_record::KeyRecord;
use crate::model::queue_limits::{Bucket, QueueLimits};
use crate::model::{Generation, Lane, NewJob, QueueName, Takes, UnixMicros};
use crate::store::KeyFilter;

use super::claim::Taken;

/// Lanes of a queue that are of one type and priority.
type Class = (QueueName, Lane, i64);

/// A lane: its class and its key.
type Name = (Class, Box<str>);

/// What is remembered of keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    vtimes: BTreeMap<Name, i64>,
    turns: BTreeMap<Class, i64>,
    buckets: BTreeMap<(QueueName, Box<str>), Bucket>,
}

/// A lane whose turn may come.
struct Found {
    class: Class,
    key: Box<str>,
    /// In their order.
    jobs: Vec<i64>,
    turn: Turn,
}

impl State {
    pub(super) fn is_keyed(&self, queue: &QueueName) -> bool {
        self.limits_of(queue).is_some_and(|record| record.in_force.is_keyed())
    }

    pub(super) fn is_paused(&self, job: &NewJob) -> bool {
        let key = job.key.as_deref().unwrap_or_default();
        self.limits_of(&job.queue).is_some_and(|record| record.paused.contains_key(key))
    }

    /// Ready jobs of a queue whose keys are paused, where that is known.
    pub(super) fn parked(&self, queue: &QueueName) -> u64 {
        if self.limits_of(queue).is_none_or(|record| record.paused.is_empty()) {
            return 0;
        }
        let is_parked = |job: &&Job| job.new.queue == *queue && job.is_by_key() && self.is_paused(&job.new);
        self.jobs.values().filter(is_parked).count() as u64
    }

    pub(super) fn waits_by_key(&self, job: &NewJob) -> bool {
        self.is_keyed(&job.queue) || self.is_paused(job)
    }

    /// A job is ready, and waits by its key: a lane in which nothing waited begins at the time of its class.
    pub(super) fn enter_key_lane(&mut self, id: i64) {
        let Some(job) = self.jobs.get(&id) else { return };
        let class = (job.new.queue.clone(), job.lane.clone(), -i64::from(job.new.priority));
        let key: Box<str> = job.new.key.clone().unwrap_or_default();
        let first = (class.0.clone(), class.1.clone(), Some(key.clone()), class.2, i64::MIN, i64::MIN);
        let is_its = |of: &&Order| (&of.0, &of.1, &of.2, of.3) == (&first.0, &first.1, &first.2, first.3);
        if self.ready.range(&first..).take_while(is_its).any(|of| of.5 != id) {
            return;
        }
        let turn = self.keys.turns.get(&class).copied().unwrap_or(0);
        let vtime = self.keys.vtimes.entry((class, key)).or_insert(turn);
        *vtime = (*vtime).max(turn);
    }

    /// All lanes of a queue in which something waits.
    fn key_lanes(&self, queue: &QueueName) -> Vec<Found> {
        let mut lanes: BTreeMap<Name, Vec<(UnixMicros, i64)>> = BTreeMap::new();
        for (id, job) in self.jobs.iter().filter(|(_, job)| job.new.queue == *queue && job.is_by_key()) {
            let class = (queue.clone(), job.lane.clone(), -i64::from(job.new.priority));
            lanes.entry((class, job.new.key.clone().unwrap_or_default())).or_default().push((job.due_at, *id));
        }
        let limits = self.limits_of(queue).map(|record| record.in_force.clone()).unwrap_or_default();
        let found = lanes.into_iter().map(|((class, key), mut jobs)| {
            jobs.sort_unstable();
            let vtime = self.keys.vtimes.get(&(class.clone(), key.clone())).copied().unwrap_or(0);
            let turn = Turn { vtime, cost: limits.cost_of(&key), waiting: jobs.len() as u32, room: 0 };
            Found { class, key, jobs: jobs.into_iter().map(|(_, id)| id).collect(), turn }
        });
        found.collect()
    }

    fn running_of(&self, queue: &QueueName, key: &str) -> u64 {
        let is_it = |job: &&Job| {
            job.new.queue == *queue
                && job.new.key.as_deref().unwrap_or_default() == key
                && matches!(job.place, Place::Running(_))
        };
        self.jobs.values().filter(is_it).count() as u64
    }

    fn key_bucket(&self, queue: &QueueName, key: &str, limits: &QueueLimits, at: UnixMicros) -> Bucket {
        Bucket::filled(self.keys.buckets.get(&(queue.clone(), key.into())).copied(), limits, at)
    }

    /// Lanes of the highest priority that are open, by whose turn it is, and how many of each key may start.
    fn turns(&self, queue: &QueueName, takes: &Takes, most: usize, at: UnixMicros) -> (Vec<Found>, Vec<u32>) {
        let record = self.limits_of(queue).unwrap_or_default();
        let limits = record.in_force.of_key();
        let room = |key: &str| {
            if record.paused.contains_key(key) {
                return 0;
            }
            if !limits.holds_back() {
                return u32::MAX;
            }
            limits.room(self.running_of(queue, key), &self.key_bucket(queue, key, &limits, at))
        };
        let mut found = self.key_lanes(queue);
        found.retain(|lane| takes.serves(&lane.class.1) && room(&lane.key) > 0);
        let first = found.iter().map(|lane| lane.class.2).min();
        found.retain(|lane| Some(lane.class.2) == first);
        found.sort_by(|a, b| (a.turn.vtime, &a.key, &a.class.1).cmp(&(b.turn.vtime, &b.key, &b.class.1)));
        found.truncate(most);
        let mut keys: Vec<Box<str>> = Vec::new();
        for lane in &mut found {
            lane.turn.room = keys.iter().position(|key| *key == lane.key).unwrap_or(keys.len());
            if lane.turn.room == keys.len() {
                keys.push(lane.key.clone());
            }
        }
        let rooms = keys.iter().map(|key| room(key)).collect();
        (found, rooms)
    }

    /// Takes up to so many jobs in all of the keys whose turn it is.
    pub(super) fn claim_keyed(
        &mut self,
        queue: &QueueName,
        goal: usize,
        claim: &Claim,
        (generation, at): (Generation, UnixMicros),
        taken: &mut Taken,
    ) {
        while taken.jobs.len() < goal && !taken.more {
            let left = goal - taken.jobs.len();
            let (found, mut rooms) = self.turns(queue, &claim.lanes, left, at);
            let turns: Vec<Turn> = found.iter().map(|lane| lane.turn).collect();
            let ahead = left.saturating_sub((claim.at_once as usize).saturating_sub(taken.jobs.len()));
            let dealt = fair::deal(&turns, &mut rooms, (left as u32, ahead as u32));
            let before = (taken.jobs.len(), taken.expired.len());
            self.take_dealt(&found, &dealt, claim, (generation, at), taken);
            if (taken.jobs.len(), taken.expired.len()) == before {
                break;
            }
        }
    }

    fn take_dealt(
        &mut self,
        found: &[Found],
        dealt: &[u32],
        claim: &Claim,
        (generation, at): (Generation, UnixMicros),
        taken: &mut Taken,
    ) {
        let mut rows: Vec<(i64, usize, i64)> = Vec::new();
        let mut now: BTreeMap<Class, i64> = BTreeMap::new();
        for (place, (lane, &jobs)) in found.iter().zip(dealt).enumerate() {
            let jobs = &lane.jobs[..jobs as usize];
            let fitting: Vec<i64> = jobs
                .iter()
                .copied()
                .take_while(|id| !taken.more && self.has_room(*id, claim.max_bytes, at, taken))
                .collect();
            let Some(last) = fitting.len().checked_sub(1) else { continue };
            let tag = |nth: usize| lane.turn.vtime + lane.turn.cost * nth as i64;
            self.keys.vtimes.insert((lane.class.clone(), lane.key.clone()), tag(last + 1));
            let turn = now.entry(lane.class.clone()).or_insert(i64::MIN);
            *turn = (*turn).max(tag(last));
            rows.extend(fitting.into_iter().enumerate().map(|(nth, id)| (tag(nth), place, id)));
        }
        rows.sort_by_key(|(tag, place, _)| (*tag, *place));
        for (_, place, id) in rows {
            if !self.begin(id, claim, (generation, at), taken) {
                continue;
            }
            let (queue, key) = (&found[place].class.0, &found[place].key);
            let limits = self.limits_of(queue).map(|record| record.in_force.of_key()).unwrap_or_default();
            if limits.rate.is_some() {
                let bucket = self.key_bucket(queue, key, &limits, at).less(1);
                self.keys.buckets.insert((queue.clone(), key.clone()), bucket);
            }
        }
        self.pass(now);
    }

    /// The time of these classes, up to which lanes in which nothing waits have nothing to remember.
    fn pass(&mut self, now: BTreeMap<Class, i64>) {
        for (class, turn) in now {
            let waiting: Vec<Box<str>> =
                self.key_lanes(&class.0).into_iter().filter(|lane| lane.class == class).map(|lane| lane.key).collect();
            self.keys.vtimes.retain(|(of, key), vtime| *of != class || *vtime > turn || waiting.contains(key));
            let before = self.keys.turns.entry(class).or_insert(i64::MIN);
            *before = (*before).max(turn);
        }
    }

    /// A job runs no more; `took`: for how long it ran, if it did.
    pub(super) fn key_ends(&mut self, id: i64, took: Option<i64>, at: UnixMicros) {
        let Some(job) = self.jobs.get(&id) else { return };
        let (queue, key) = (job.new.queue.clone(), job.new.key.clone().unwrap_or_default());
        let Some(record) = self.limits_of(&queue).filter(|record| record.in_force.is_keyed()) else { return };
        let limits = record.in_force.of_key();
        if limits.rate.is_some() && took.is_none() {
            let bucket = self.key_bucket(&queue, &key, &limits, at).more(&limits);
            self.keys.buckets.insert((queue.clone(), key.clone()), bucket);
        }
        if record.in_force.fair == Fair::Time {
            let cost = record.in_force.cost_of(&key);
            let charge = took.unwrap_or(0).max(0) * cost / UNIT - cost;
            let is_it = |(class, of): &Name| class.0 == queue && *of == key;
            for (_, vtime) in self.keys.vtimes.iter_mut().filter(|(lane, _)| is_it(lane)) {
                *vtime = (*vtime + charge).max(0);
            }
        }
    }

    /// The clock was set: buckets fill from now on, also those that were looked at later than that.
    pub(super) fn doubt_openings(&mut self, now: UnixMicros) {
        self.keys.buckets.values_mut().for_each(|bucket| bucket.at = bucket.at.min(now));
    }

    pub(super) fn forget_buckets(&mut self, queue: &QueueName) {
        self.keys.buckets.retain(|(of, _), _| of != queue);
    }

    /// Nothing is remembered of queues whose jobs wait by key no more.
    pub(super) fn drop_unused_keys(&mut self) {
        let Keys { vtimes, turns, buckets } = std::mem::take(&mut self.keys);
        self.keys.vtimes = vtimes.into_iter().filter(|((class, _), _)| self.is_keyed(&class.0)).collect();
        self.keys.turns = turns.into_iter().filter(|(class, _)| self.is_keyed(&class.0)).collect();
        self.keys.buckets = buckets.into_iter().filter(|((queue, _), _)| self.is_keyed(queue)).collect();
    }

    /// The first job of a lane of a type, in whichever lane of a key.
    pub(super) fn first_by_key(&self, queue: &QueueName, lane: &Lane) -> Option<(i64, i64, i64)> {
        let of_lane =
            self.jobs.iter().filter(|(_, job)| job.new.queue == *queue && job.is_by_key() && job.lane == *lane);
        of_lane.map(|(id, job)| (-i64::from(job.new.priority), job.due_at.0, *id)).min()
    }

    pub(super) fn keys(&self, filter: &KeyFilter) -> Vec<KeyRecord> {
        let KeyFilter { queue, key: only, limit } = filter;
        if !self.queues.contains_key(queue) {
            return Vec::new();
        }
        let record = self.limits_of(queue).unwrap_or_default();
        let of_queue = self.jobs.values().filter(|job| job.new.queue == *queue);
        let mut waiting: BTreeMap<String, u64> = record.paused.keys().map(|key| (key.clone(), 0)).collect();
        let counted = of_queue.filter(|job| job.is_by_key() || matches!(job.place, Place::Running(_)));
        for job in counted.filter(|job| job.is_by_key() || job.new.key.is_some() || record.in_force.is_keyed()) {
            *waiting.entry(job.new.key.as_deref().unwrap_or_default().to_owned()).or_default() +=
                u64::from(job.is_by_key());
        }
        if let Some(key) = only {
            waiting = BTreeMap::from([(key.clone(), waiting.get(key).copied().unwrap_or(0))]);
        }
        let found = waiting.into_iter().map(|(key, waiting)| {
            let (running, bucket) =
                (self.running_of(queue, &key), self.keys.buckets.get(&(queue.clone(), key.as_str().into())));
            KeyRecord { queue: queue.clone(), waiting, running, bucket: bucket.copied(), key }
        });
        let mut found: Vec<KeyRecord> = found.collect();
        KeyRecord::sort(&mut found);
        found.truncate(limit.unwrap_or(u32::MAX) as usize);
        found
    }

    /// When the first key that is closed by its rate opens.
    pub(super) fn first_opening(&self, queue: &QueueName, at: UnixMicros) -> Option<UnixMicros> {
        let limits = self.limits_of(queue)?.in_force.of_key();
        let keys = self.keys.buckets.keys().filter(|(of, _)| of == queue).map(|(_, key)| key);
        let opens = |key: &str| {
            let (running, bucket) = (self.running_of(queue, key), self.key_bucket(queue, key, &limits, at));
            if limits.room(running, &bucket) > 0 { None } else { limits.opens_at(running, &bucket) }
        };
        keys.filter_map(|key| opens(key)).min()
    }
}
