//! Forgetting queues that are of no use any more, and the blocks of runs that are gone.
//!
//! A queue is forgotten when it is empty and not paused, nobody serves it, its totals have not changed for as long as runs
//! are kept, and nothing on record belongs to it. The last is known without looking through anything:
//! - No job waits, runs, is dead or cancelled: the totals say so. None is staged or unopened: `bulk_counts` and the totals.
//! - No run: all runs on record have higher ids than any had when the queue changed last (`run_high`).
//! - No failed run is counted: that is looked at, as the records of failures go in small steps as well.
//! - No succeeded job: its run stays on record for as long as the job does.
//!
//! Invariants: a step looks at no more than `limit` queues, in the order of their names, and goes on from there the next
//! time. An id may be given again, so every transaction that finds the number of forgotten queues changed looks up anew
//! what it remembered.

use std::collections::BTreeSet;

use rusqlite::Result;

use super::batch::Batch;
use super::{codes, names, sql};
use crate::model::change::Keep;
use crate::model::{Outcome, QueueName};

/// A queue the walk comes by.
struct Queue {
    id: i64,
    name: String,
    unused: bool,
}

impl Batch<'_> {
    /// Walks on through the queues; how many were forgotten. `runs`: runs were removed, so blocks may have become empty.
    pub(in crate::store) fn prune_queues(
        &mut self,
        keep: &Keep,
        served: &BTreeSet<QueueName>,
        runs: bool,
    ) -> Result<usize> {
        let oldest: Option<i64> = self.conn.prepare_cached(sql::RUN_LOW)?.query_row([], |row| row.get(0))?;
        let from: String = self.conn.prepare_cached(sql::QUEUES_SEEN_GET)?.query_row([], |row| row.get(0))?;
        let queues = self.queues_onward(&from, keep, oldest)?;
        let (mut forgotten, mut emptied) = (0, 0);
        for queue in &queues {
            if queue.unused && self.forget_queue(queue, served)? {
                forgotten += 1;
            } else if let (true, Some(oldest)) = (runs, oldest) {
                emptied += self.prune_blocks(queue.id, oldest)?;
            }
        }
        let whole = queues.len() == keep.limit as usize;
        let seen = queues.last().filter(|_| whole).map_or("", |queue| &queue.name);
        if seen != from {
            self.run(sql::QUEUES_SEEN_SET, [seen])?;
        }
        if forgotten > 0 {
            self.run(sql::FORGOTTEN_ADD, [forgotten as i64])?;
        }
        // A run of one of them may still be under way.
        if emptied > 0 || forgotten > 0 {
            self.blocks.clear();
        }
        Ok(forgotten)
    }

    fn queues_onward(&self, from: &str, keep: &Keep, oldest: Option<i64>) -> Result<Vec<Queue>> {
        let params = (from, keep.limit, keep.runs_since.0, oldest.unwrap_or(i64::MAX));
        self.conn
            .prepare_cached(sql::QUEUES_ONWARD)?
            .query_map(params, |row| Ok(Queue { id: row.get(0)?, name: names::text(row, 1)?, unused: row.get(2)? }))?
            .collect()
    }

    /// False: it is of use.
    fn forget_queue(&mut self, queue: &Queue, served: &BTreeSet<QueueName>) -> Result<bool> {
        let Ok(name) = names::queue_name(&queue.name) else { return Ok(false) };
        if served.contains(&name)
            || self.changes(queue.id)
            || self.has_staged(queue.id)?
            || self.has_failures(queue.id)?
        {
            return Ok(false);
        }
        self.run(sql::QUEUE_DELETE, [queue.id])?;
        self.run(sql::BLOCKS_FORGET, [queue.id])?;
        self.run(sql::LANES_FORGET, [queue.id])?;
        self.drop_keys(queue.id)?;
        self.names.forget_queue(&name, queue.id);
        self.forgotten.push(name);
        Ok(true)
    }

    fn has_staged(&self, queue: i64) -> Result<bool> {
        self.conn.prepare_cached(sql::QUEUE_STAGED)?.exists([queue])
    }

    /// Removes the blocks of a queue that lie before the oldest run.
    fn prune_blocks(&self, queue: i64, oldest: i64) -> Result<usize> {
        let before = super::run_index::block_of(oldest);
        Outcome::ALL
            .into_iter()
            .map(|outcome| self.run(sql::BLOCKS_PRUNE, (queue, codes::outcome(outcome), before)))
            .sum()
    }
}
