//! The writer thread: the only one that writes to the store while a master runs.
//!
//! Batches come in by a bounded channel, what became of them goes out by a callback. Knows nothing of what a batch
//! means. Invariants:
//! - Batches are applied in the order sent, each exactly once: a commit whose outcome is unknown is tried again under
//!   its own number, and if it had taken place after all, the answers that were computed for it are given.
//! - `Committed` for a batch is always said before `Durable` for it.
//! - Nothing is dropped while the store fails: the batch is tried again until it is in, or the writer is stopped. Pushes
//!   are the exception: a client is better off with a clear no than with waiting, and gets it only when it is certain that
//!   they were not committed.
//!
//! Commits are not synced (`synchronous = NORMAL`); with [`Durability::Full`] a second thread syncs the write-ahead
//! log for the batches that ask for it, several at once where they come close together. A commit lost in a power cut
//! before that was not yet reported as durable. After a sync or a checkpoint that failed nothing is written or synced
//! before the log was rewritten ([`Store::harden`]).

mod sync;
#[cfg(test)]
mod tests;
mod trouble;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, after, bounded, never, select};

use self::sync::Syncer;
use super::{Applied, News, Store, StoreError};
use crate::clock;
use crate::model::change::{Op, Reply, Settled};
use crate::model::order::Orders;
use crate::model::processor::EndedRun;
use crate::model::{Durability, QueueName, QueueTotals, UnixMicros};

/// Batches on their way at most.
pub const CAPACITY: usize = 4;
/// Pause before a failed check for changes by others is tried again.
const CHECK_AGAIN: Duration = Duration::from_secs(1);

/// Changes to be made in one transaction.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its number: 1, 2, 3 … in each generation.
    pub number: u64,
    /// Its items, in order.
    pub ops: Vec<Op>,
    /// The time it is done at; stays the same however often it is tried.
    pub at: UnixMicros,
    /// Whether a client waits for [`Written::Durable`].
    pub sync: bool,
}

/// Messages of the writer.
#[derive(Debug)]
pub enum Written {
    /// A batch is committed.
    Committed {
        batch: u64,
        /// Answers to its operations.
        replies: Vec<Reply>,
        /// Queues that are on record no more.
        forgotten: Vec<QueueName>,
        /// Totals after it of queues that it touched; these win where a queue is in both.
        changed: Vec<QueueTotals>,
        /// Runs of processors that are over.
        ended_runs: Vec<EndedRun>,
        /// What became of jobs that waited for others.
        settled: Settled,
        /// When [`Change::Promote`](crate::model::change::Change::Promote) has something to do.
        next_due: Option<UnixMicros>,
        /// Safe already: no [`Written::Durable`] is needed for it.
        durable: bool,
        /// How long the transaction took.
        took: Duration,
        /// Its items, to be dropped in the thread that made them: that is cheaper than in the one that wrote them.
        spent: Vec<Op>,
    },
    /// Every batch up to this one is on the disk.
    Durable {
        /// The last one.
        batch: u64,
        /// How long the sync took.
        took: Duration,
    },
    /// A sync or a checkpoint failed, and the log was written anew: every batch up to this one is on the disk.
    Mended {
        /// The last one.
        batch: u64,
        error: String,
    },
    /// A sync or a checkpoint failed, and the log cannot be written anew, which is tried again: whether these batches
    /// survive a power cut is unknown. Said at each attempt.
    SyncFailed {
        /// The last of them.
        batch: u64,
        /// Error of the system.
        error: String,
    },
    /// A batch could not be committed yet; it is being tried again. Said at each attempt.
    Failing { batch: u64, error: StoreError },
    /// Clients that pushed in a batch that fails need not wait any more.
    Withdrawn {
        batch: u64,
        error: String,
        /// The pushes are taken out of the batch; if not, it is unknown whether they were or will be committed.
        certain: bool,
    },
    /// The store was deleted, replaced or moved away: nothing will be committed any more.
    Lost(StoreError),
    /// A batch will never be committed: another generation has begun, or the writer was stopped while the store
    /// failed.
    Rejected { batch: u64, error: StoreError },
    /// Others have written to the store.
    Changed {
        /// Their changes, as far as they say.
        news: News,
        /// Totals of all queues.
        totals: Vec<QueueTotals>,
        /// When [`Change::Promote`](crate::model::change::Change::Promote) has something to do.
        next_due: Option<UnixMicros>,
    },
    /// Others ask for something, or something that they were asked is over.
    Ordered(Orders),
}

/// A batch that was not taken.
#[derive(Debug)]
pub enum Unsent {
    /// The writer has [`CAPACITY`] batches already.
    Full(Batch),
    /// The writer is gone: it panicked.
    Gone(Batch),
}

/// Messages to the thread.
enum Command {
    Apply(Batch),
    End(UnixMicros),
}

/// A sync that failed, for this reason.
type FailedSync = String;

/// The handle on the writer thread.
#[derive(Debug)]
pub struct Writer {
    commands: Sender<Command>,
    /// Holds one request at most: checks take no place of a batch.
    checks: Sender<()>,
    /// Dropped to end the waits between attempts.
    go_on: Sender<()>,
    /// Grows with each thing that the thread has done or tried.
    pulse: Arc<AtomicU64>,
    thread: JoinHandle<Result<(), StoreError>>,
}

impl Writer {
    /// Starts the thread, and with [`Durability::Full`] one that syncs, where the store is not safe at each commit.
    pub fn start(
        store: Box<dyn Store>,
        durability: Durability,
        notify: impl Fn(Written) + Send + Clone + 'static,
    ) -> std::io::Result<Self> {
        let (commands, inbox) = bounded(CAPACITY);
        let (checks, asked) = bounded(1);
        let (go_on, stopped) = bounded(0);
        let (syncer, failed) = match store.syncer().filter(|_| durability == Durability::Full) {
            Some(sync) => {
                let (failed, heard) = bounded(1);
                (Some(Syncer::start(sync, failed, notify.clone())?), heard)
            }
            None => (None, never()),
        };
        let pulse = Arc::new(AtomicU64::new(0));
        let turn = Turn {
            store,
            pulse: Arc::clone(&pulse),
            notify,
            inbox,
            early: VecDeque::new(),
            stopped,
            syncer,
            last: 0,
            news: News::default(),
            unknown: false,
            failed,
            unmended: None,
            due: None,
        };
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || turn.run(&asked))?;
        Ok(Self { commands, checks, go_on, pulse, thread })
    }

    /// Hands over a batch; never waits.
    pub fn send(&self, batch: Batch) -> Result<(), Unsent> {
        match self.commands.try_send(Command::Apply(batch)) {
            Err(TrySendError::Full(Command::Apply(batch))) => Err(Unsent::Full(batch)),
            Err(TrySendError::Disconnected(Command::Apply(batch))) => Err(Unsent::Gone(batch)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Asks whether somebody else has written; [`Written::Changed`] follows if so. Never waits: while one is
    /// asked for already, this is the same one.
    pub fn check(&self) {
        let _ = self.checks.try_send(());
    }

    /// A number that grows while the thread does something; after a [`Writer::check`], too. It stands still in a call of the
    /// system that does not return.
    #[must_use]
    pub fn pulse(&self) -> u64 {
        self.pulse.load(Ordering::Relaxed)
    }

    /// Applies what was sent, ends the generation if `end` says when, and waits for the thread. While the store
    /// fails, each batch is tried once more and then rejected. The error is that of the end of the generation.
    pub fn stop(self, end: Option<UnixMicros>) -> Result<(), StoreError> {
        drop(self.go_on);
        if let Some(at) = end {
            // Fails only if the thread is gone, and then the join below says why.
            drop(self.commands.send(Command::End(at)));
        }
        drop(self.commands);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// The state of the thread.
struct Turn<N> {
    store: Box<dyn Store>,
    pulse: Arc<AtomicU64>,
    notify: N,
    inbox: Receiver<Command>,
    /// Taken from the inbox while a batch before them failed.
    early: VecDeque<Command>,
    /// Disconnected once the writer is being stopped.
    stopped: Receiver<()>,
    syncer: Option<Syncer>,
    /// The last batch committed.
    last: u64,
    /// Changes by others, while the totals could not be read.
    news: News,
    /// The last check for changes by others failed.
    unknown: bool,
    /// Syncs that failed.
    failed: Receiver<FailedSync>,
    /// A failed sync that was reported while a batch failed.
    unmended: Option<FailedSync>,
    /// When something is due next, as it was read last.
    due: Option<UnixMicros>,
}

impl<N: Fn(Written)> Turn<N> {
    fn run(mut self, asked: &Receiver<()>) -> Result<(), StoreError> {
        let mut ended = Ok(());
        self.read_due(UnixMicros::default());
        let (inbox, failed) = (self.inbox.clone(), self.failed.clone());
        loop {
            // Before anything else: what was committed since must not be taken for synced.
            if let Some(error) = self.unmended.take().or_else(|| failed.try_recv().ok())
                && self.mend(&error)
                && let Some(syncer) = &self.syncer
            {
                syncer.mended(self.last);
            }
            if let Some(command) = self.early.pop_front() {
                self.carry_out(command, &mut ended);
                continue;
            }
            let again = if !self.news.is_none() || self.unknown { after(CHECK_AGAIN) } else { never() };
            select! {
                recv(inbox) -> command => match command {
                    Ok(command) => self.carry_out(command, &mut ended),
                    Err(_) => break,
                },
                recv(asked) -> check => if check.is_ok() { self.check(); },
                recv(again) -> _ => self.check(),
                recv(failed) -> failed => self.unmended = failed.ok(),
            }
        }
        if let Some(syncer) = self.syncer.take() {
            syncer.stop(self.last);
        }
        ended
    }

    fn carry_out(&mut self, command: Command, ended: &mut Result<(), StoreError>) {
        match command {
            Command::Apply(batch) => self.apply(batch),
            Command::End(at) => *ended = self.store.leave(at),
        }
    }

    /// An earlier attempt may have been committed without our knowing: then its answers are the true ones.
    fn attempt(&mut self, batch: &Batch) -> Result<Applied, StoreError> {
        self.pulse.fetch_add(1, Ordering::Relaxed);
        match self.store.apply(batch.number, &batch.ops, batch.at) {
            Err(StoreError::AlreadyApplied) => self.store.applied_by(batch.number).ok_or(StoreError::AlreadyApplied),
            result => result,
        }
    }

    fn committed(&mut self, batch: Batch, applied: Applied, took: Duration) {
        self.last = batch.number;
        // First, as the disk has the most to do.
        if batch.sync
            && let Some(syncer) = &self.syncer
        {
            syncer.ask(batch.number);
        }
        if applied.settled.moved || batch.ops.iter().any(Op::reschedules) {
            self.read_due(batch.at);
        }
        let next_due = self.due;
        let durable = self.syncer.is_none();
        let Batch { number, ops: spent, sync, .. } = batch;
        let Applied { replies, forgotten, changed, ended_runs, settled } = applied;
        (self.notify)(Written::Committed {
            batch: number,
            replies,
            forgotten,
            changed,
            ended_runs,
            settled,
            next_due,
            durable,
            took,
            spent,
        });
        let safe = match self.store.tend(sync) {
            Ok(()) => true,
            Err(error) => self.mend(&format!("cannot move the log to the database: {error}")),
        };
        if safe && let Some(syncer) = &self.syncer {
            syncer.allow(number);
        }
    }

    /// If it cannot be read, something may be due at once: a promotion for nothing does no harm.
    fn read_due(&mut self, now: UnixMicros) {
        self.due = self.store.next_due().unwrap_or(Some(now));
    }

    fn check(&mut self) {
        let news = self.store.news();
        self.pulse.fetch_add(1, Ordering::Relaxed);
        self.unknown = news.is_err();
        match news {
            Ok(news) => self.news.add(news),
            Err(lost) if lost.is_loss() || matches!(lost, StoreError::Superseded(_)) => {
                return (self.notify)(Written::Lost(lost));
            }
            // The log may be gone. The next check asks again.
            Err(StoreError::Io(_)) => match self.store.reopen() {
                Err(lost) if lost.is_loss() => return (self.notify)(Written::Lost(lost)),
                Ok(()) | Err(_) => {}
            },
            Err(_) => {}
        }
        match self.store.look_around(clock::monotonic(), clock::wall()) {
            Ok(news) => self.news.add(news),
            Err(error) => log::debug!("cannot look around in the store: {error}"),
        }
        match self.store.orders() {
            Ok(orders) if orders.is_empty() => {}
            Ok(orders) => (self.notify)(Written::Ordered(orders)),
            Err(error) => log::debug!("cannot look for what others ask: {error}"),
        }
        if self.news.is_none() {
            return;
        }
        if let Ok(totals) = self.store.totals() {
            let news = std::mem::take(&mut self.news);
            self.read_due(UnixMicros::default());
            (self.notify)(Written::Changed { news, totals, next_due: self.due });
        }
    }
}
