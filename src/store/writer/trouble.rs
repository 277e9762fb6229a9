//! The writer while the store fails: tries again, and keeps no client waiting for a push.
//!
//! Invariant: a push is said not to be committed only when the truth was read back, or when it was never tried.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

use super::{Batch, CAPACITY, Command, Turn, Written};
use crate::clock;
use crate::model::bulk::BulkStep;
use crate::model::change::{Op, Request};
use crate::store::StoreError;

/// The first wait before a batch that failed twice is tried again; it doubles up to [`SLOWEST_RETRY`].
const FIRST_RETRY: Duration = Duration::from_millis(50);
/// The longest wait before a batch that failed is tried again.
const SLOWEST_RETRY: Duration = Duration::from_millis(250);
/// Attempts, in 2 s, after which a client is told that the fate of its push is unknown.
const PATIENCE: u32 = 10;

impl<N: Fn(Written)> Turn<N> {
    pub(super) fn apply(&mut self, mut batch: Batch) {
        let mut wait = FIRST_RETRY;
        let mut stopping = false;
        let mut shut: Option<StoreError> = None;
        for attempt in 1.. {
            let begun = clock::instant();
            let error = match shut.take().map_or_else(|| self.attempt(&batch), Err) {
                Ok(applied) => return self.committed(batch, applied, begun.elapsed()),
                Err(error) => error,
            };
            let hopeless = error.is_loss() || matches!(error, StoreError::Superseded(_) | StoreError::AlreadyApplied);
            if hopeless || stopping {
                return (self.notify)(Written::Rejected { batch: batch.number, error });
            }
            let reason = error.to_string();
            let trusted = error.is_full() || matches!(error, StoreError::Busy { .. });
            (self.notify)(Written::Failing { batch: batch.number, error });
            // The second attempt follows at once: what passes as quickly need not be known to who pushes.
            if attempt > 1 {
                self.take_early(&reason);
                stopping = self.stopped.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected);
                wait = (wait * 2).min(SLOWEST_RETRY);
            }
            let mut applied = self.store.is_applied(batch.number).ok().filter(|_| trusted);
            if applied.is_none() {
                shut = self.store.reopen().err();
                applied = self.store.is_applied(batch.number).ok().filter(|_| shut.is_none());
            }
            if applied == Some(false) && attempt > 1 {
                self.withdraw(&mut batch, &reason);
            } else if attempt == PATIENCE {
                self.give_up_waiting(&batch, reason);
            }
        }
    }

    /// The fate of the batch is unknown: its clients wait no longer.
    fn give_up_waiting(&mut self, batch: &Batch, reason: String) {
        if batch.ops.iter().any(is_push) {
            (self.notify)(Written::Withdrawn { batch: batch.number, error: reason, certain: false });
        }
        if let Ok(error) = self.failed.try_recv() {
            (self.notify)(Written::SyncFailed { batch: self.last, error: error.clone() });
            self.unmended = Some(error);
        }
    }

    /// Takes what is in the inbox while the store fails, for the pushes in it.
    fn take_early(&mut self, reason: &str) {
        while self.early.len() < CAPACITY
            && let Ok(mut command) = self.inbox.try_recv()
        {
            if let Command::Apply(batch) = &mut command {
                self.withdraw(batch, reason);
            }
            self.early.push_back(command);
        }
    }

    /// Takes the pushes out of a batch of which nothing is committed.
    fn withdraw(&self, batch: &mut Batch, reason: &str) {
        let mut any = false;
        for op in batch.ops.iter_mut().filter(|op| is_push(op)) {
            any = true;
            // Its place stays, for the replies.
            *op = Request::Push(Arc::new([])).into();
        }
        if any {
            (self.notify)(Written::Withdrawn { batch: batch.number, error: reason.to_owned(), certain: true });
        }
    }

    /// After a sync that failed, or a checkpoint: nothing else is done before all that is committed is on the disk. False:
    /// that was not to be had before the stop, or the store is gone.
    pub(super) fn mend(&mut self, error: &str) -> bool {
        let mut wait = FIRST_RETRY;
        let (mut stopping, mut first) = (false, true);
        loop {
            self.pulse.fetch_add(1, Ordering::Relaxed);
            let again = match self.store.harden() {
                Ok(()) => {
                    (self.notify)(Written::Mended { batch: self.last, error: error.to_owned() });
                    return true;
                }
                Err(lost) if lost.is_loss() => {
                    (self.notify)(Written::Lost(lost));
                    return false;
                }
                Err(again) => again.to_string(),
            };
            // The first attempt may only report the same failure once more.
            if !first || stopping {
                let error = format!("{error}; {again}");
                self.take_early(&error);
                (self.notify)(Written::SyncFailed { batch: self.last, error });
            }
            if stopping {
                return false;
            }
            stopping = self.stopped.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected);
            wait = (wait * 2).min(SLOWEST_RETRY);
            first = false;
        }
    }
}

/// Whether somebody who pushes waits for it.
fn is_push(op: &Op) -> bool {
    match op {
        Op::Request(Request::Push(jobs) | Request::PushInto { jobs, .. }) => !jobs.is_empty(),
        Op::Request(Request::Bulk(step)) => {
            matches!(step, BulkStep::Begin(_) | BulkStep::Stage { .. } | BulkStep::Commit { .. })
        }
        _ => false,
    }
}
