//! Limits of queues: what is on record of them, and how they bound claims and pushes.
//!
//! Invariants: jobs that run are never more than a claim under the limit in force has allowed; a token is taken in the
//! transaction of the claim; a push that a queue has no room for adds nothing. A queue without limits costs a look into an
//! empty map.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::{OptionalExtension, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::batch::Batch;
use super::claim::Taken;
use super::conn::{Conn, Row};
use super::{names, sql};
use crate::model::change::{Claim, Reply};
use crate::model::limit_record::{LimitRecord, Override};
use crate::model::queue_limits::{Bucket, Full, SaidLimits};
use crate::model::{NewJob, QueueName, UnixMicros};

/// All of the few rows.
const LIMITS: &str = "SELECT queue, configured, set_limits, paused_keys FROM queue_limits";
/// `queue_limits.queue`.
const CONFIGURED_PUT: &str = "INSERT INTO queue_limits (queue, configured) VALUES (?1, ?2) \
     ON CONFLICT (queue) DO UPDATE SET configured = excluded.configured";
/// `queue_limits.queue`.
const SET_PUT: &str = "INSERT INTO queue_limits (queue, configured, set_limits, set_until) VALUES (?1, '{}', ?2, ?3) \
     ON CONFLICT (queue) DO UPDATE SET set_limits = excluded.set_limits, set_until = excluded.set_until";
/// `queue_limits.queue`.
const LIMITS_FORGET: &str = "DELETE FROM queue_limits WHERE queue = ?1 AND configured = '{}' AND set_limits IS NULL \
     AND paused_keys IS NULL";
/// `queue_limits_until`.
const SET_ENDED: &str = "SELECT queue FROM queue_limits WHERE set_until <= ?1";
/// `queue_limits.queue`.
const BUCKET_GET: &str = "SELECT tokens, filled_at FROM queue_limits WHERE queue = ?1";
/// `queue_limits.queue`.
const BUCKET_PUT: &str = "UPDATE queue_limits SET tokens = ?2, filled_at = ?3 WHERE queue = ?1";
/// `queues.id`.
const QUEUE_READY: &str = "SELECT ready FROM queues WHERE id = ?1";

/// The limits of all queues that have some.
pub(in crate::store) type All = HashMap<QueueName, Arc<LimitRecord>>;

/// Reads all; what is damaged counts for nothing.
pub(in crate::store) fn all(conn: Conn<'_>) -> Result<All> {
    let mut statement = conn.prepare_cached(LIMITS)?;
    let mut rows = statement.query([])?;
    let mut all = All::new();
    while let Some(row) = &rows.next()? {
        let Ok(queue) = names::queue_name(&names::text(row, 0)?) else { continue };
        let (configured, paused) = (json(row, 1)?.unwrap_or_default(), json(row, 3)?.unwrap_or_default());
        let record = LimitRecord::new(configured, json(row, 2)?, paused);
        all.extend(record.map(|record| (queue, Arc::new(record))));
    }
    Ok(all)
}

fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<Option<T>> {
    Ok(names::maybe_text(row, column)?.and_then(|text| serde_json::from_str(&text).ok()))
}

pub(in crate::store) fn text(said: &impl Serialize) -> String {
    serde_json::to_string(said).expect("BUG: texts by key are JSON")
}

impl Batch<'_> {
    /// The limits of the configuration, of all queues.
    pub(in crate::store) fn configure_queues(&mut self, configured: &BTreeMap<QueueName, SaidLimits>) -> Result<Reply> {
        let before = self.names.all_limits(self.conn)?.clone();
        let names: BTreeSet<&QueueName> = before.keys().chain(configured.keys()).collect();
        for name in names {
            let said = configured.get(name).cloned().unwrap_or_default();
            if before.get(name).map_or(&SaidLimits::new(), |record| &record.configured) != &said {
                self.run(CONFIGURED_PUT, (name.as_str(), text(&said)))?;
                self.limits_changed(name, before.get(name).map(|record| &**record))?;
            }
        }
        self.sorted_so_far()
    }

    /// The limits of an operator in the place of those that were set before; `None`: takes these back.
    pub(in crate::store) fn set_limits(&mut self, queue: &QueueName, set: Option<&Override>) -> Result<Reply> {
        self.names.queue_or_new(self.conn, queue, self.at)?;
        let until = set.and_then(|set| set.until).map(|until| until.0);
        let before = self.names.limits(self.conn, queue)?;
        self.run(SET_PUT, (queue.as_str(), set.map(text), until))?;
        self.limits_changed(queue, before.as_deref())?;
        self.sorted_so_far()
    }

    fn limits_changed(&mut self, queue: &QueueName, before: Option<&LimitRecord>) -> Result<()> {
        self.limits_put(queue)?;
        if let Some(id) = self.names.queue(self.conn, queue)? {
            self.tell(|news| _ = news.queues.insert(queue.clone()));
            // Told with the batch, and no use of the queue.
            self.change(id);
            self.keys_changed(id, before)?;
        }
        Ok(())
    }

    /// Something else is on record of the limits of a queue, or nothing any more.
    pub(in crate::store) fn limits_put(&mut self, queue: &QueueName) -> Result<()> {
        self.run(LIMITS_FORGET, [queue.as_str()])?;
        self.names.outdate_limits(self.conn)
    }

    /// What was set until now holds no more; the queues of that.
    pub(in crate::store) fn end_limits(&mut self) -> Result<Vec<QueueName>> {
        if self.names.all_limits(self.conn)?.is_empty() {
            return Ok(Vec::new());
        }
        let read = |row: &Row<'_>| names::text(row, 0);
        let ended: Vec<String> =
            self.conn.prepare_cached(SET_ENDED)?.query_map([self.at.0], read)?.collect::<Result<_>>()?;
        let ended: Vec<QueueName> = ended.iter().filter_map(|name| names::queue_name(name).ok()).collect();
        for queue in &ended {
            self.set_limits(queue, None)?;
        }
        Ok(ended)
    }

    fn bucket(&self, queue: &QueueName, record: &LimitRecord) -> Result<Bucket> {
        let read = |row: &Row<'_>| {
            let (tokens, at): (Option<f64>, Option<i64>) = (row.get(0)?, row.get(1)?);
            Ok(tokens.zip(at).map(|(tokens, at)| Bucket { tokens, at: UnixMicros(at) }))
        };
        let before = match record.in_force.rate {
            Some(_) => self.conn.prepare_cached(BUCKET_GET)?.query_row([queue.as_str()], read).optional()?.flatten(),
            None => None,
        };
        Ok(Bucket::filled(before, &record.in_force, self.at))
    }

    fn put_bucket(&self, queue: &QueueName, record: &LimitRecord, bucket: Bucket) -> Result<()> {
        if record.in_force.rate.is_some() {
            self.run(BUCKET_PUT, (queue.as_str(), bucket.tokens, bucket.at.0))?;
        }
        Ok(())
    }

    /// Takes as many jobs of a queue with limits as may start, none ahead.
    pub(in crate::store) fn take_limited(
        &mut self,
        (queue, name): (i64, &QueueName),
        (ready, running): (i64, i64),
        most: usize,
        claim: &Claim,
        taken: &mut Taken,
    ) -> Result<()> {
        let Some(record) = self.names.limits(self.conn, name)? else {
            return self.take((queue, name), most, claim, taken);
        };
        let is_keyed = record.in_force.is_keyed();
        let take = |batch: &mut Self, most, taken: &mut Taken| {
            if is_keyed {
                batch.take_keyed((queue, name), &record, most, claim, taken)
            } else {
                batch.take((queue, name), most, claim, taken)
            }
        };
        if !record.in_force.holds_back() {
            return take(self, most, taken);
        }
        let before = taken.jobs.len();
        let free = (claim.at_once as usize).saturating_sub(before);
        let bucket = self.bucket(name, &record)?;
        let running_now = |batch: &mut Self| (running + batch.change(queue).running).max(0).unsigned_abs();
        let room = record.in_force.room(running_now(self), &bucket) as usize;
        let goal = most.min(room).min(free);
        if goal > 0 {
            take(self, goal, taken)?;
        }
        let starts = taken.jobs.len() - before;
        let bucket = bucket.less(starts as u32);
        // Also where there is no token: after the clock was set back the bucket fills from there.
        if starts > 0 || room == 0 {
            self.put_bucket(name, &record, bucket)?;
        }
        if ready + self.change(queue).ready > 0 {
            if starts == room {
                let until = record.in_force.opens_at(running_now(self), &bucket);
                taken.held.closed.push((name.clone(), until));
            } else if starts == free {
                taken.held.for_workers = true;
            } else if is_keyed && starts < goal && !taken.more {
                taken.held.closed.push((name.clone(), self.first_opening(queue)?));
            }
        }
        Ok(())
    }

    /// A job that was claimed has not started: its token is there again.
    pub(in crate::store) fn give_token_back(&mut self, queue: i64) -> Result<()> {
        if self.names.all_limits(self.conn)?.is_empty() {
            return Ok(());
        }
        let name = self.queue_name(queue)?;
        if let Some(record) = self.names.limits(self.conn, &name)?.filter(|record| record.in_force.rate.is_some()) {
            let bucket = self.bucket(&name, &record)?;
            self.put_bucket(&name, &record, bucket.more(&record.in_force))?;
        }
        Ok(())
    }

    /// The first queue that has no room for these jobs.
    pub(in crate::store) fn full_of(&mut self, jobs: &[NewJob]) -> Result<Option<Reply>> {
        if self.names.all_limits(self.conn)?.is_empty() {
            return Ok(None);
        }
        let mut counts: BTreeMap<&QueueName, u64> = BTreeMap::new();
        let mut keys = BTreeSet::new();
        let is_ready = |job: &&NewJob| !job.has_parents() && job.due_at.is_none_or(|due_at| due_at <= self.at);
        for job in jobs.iter().filter(is_ready) {
            let is_there = match job.unique.as_deref() {
                Some(key) => !keys.insert(key) || self.conn.prepare_cached(sql::UNIQUE_GET)?.exists([key])?,
                None => false,
            };
            *counts.entry(&job.queue).or_default() += u64::from(!is_there);
        }
        for (queue, pushed) in counts {
            let full = self.full(queue, pushed)?;
            if full.is_some() {
                return Ok(full);
            }
        }
        Ok(None)
    }

    /// Whether a queue has no room for so many more.
    pub(in crate::store) fn full(&mut self, queue: &QueueName, pushed: u64) -> Result<Option<Reply>> {
        let limits = self.names.limits(self.conn, queue)?;
        let Some(most) = limits.and_then(|record| record.in_force.max_ready) else { return Ok(None) };
        let ready = match self.names.queue(self.conn, queue)? {
            Some(id) => {
                let ready: i64 = self.conn.prepare_cached(QUEUE_READY)?.query_row([id], |row| row.get(0))?;
                (ready + self.change(id).ready).max(0).unsigned_abs()
            }
            None => 0,
        };
        let full = || Reply::Full(Full { queue: queue.clone(), ready, most, pushed });
        Ok((pushed > 0 && ready + pushed > most).then(full))
    }
}
