//! Has the store put what is committed on the disk, in a thread of its own.
//!
//! Knows nothing of batches but their numbers. Invariant: what is said to be durable was committed before the sync
//! began, was said to be committed, and no checkpoint has failed since, or what it left undone was done. Several requests
//! that come during one sync share the next. After a sync that failed there is none until the writer has put everything
//! on the disk in another way: one that succeeds would promise too much.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Written;
use crate::clock;
use crate::store::DiskSync;

/// Instead of a batch: nothing more is allowed.
const NEVER: u64 = u64::MAX;

/// The handle on the thread.
#[derive(Debug)]
pub(super) struct Syncer {
    wanted: Arc<AtomicU64>,
    allowed: Arc<AtomicU64>,
    /// Capacity 1: a wake-up not yet taken covers all requests made before it is taken.
    wake: Sender<()>,
    /// The last batch that is on the disk all the same.
    mended: Sender<u64>,
    thread: JoinHandle<()>,
}

impl Syncer {
    /// `failed` hears why a sync failed; then [`Syncer::mended`] is waited for.
    pub(super) fn start(
        sync: DiskSync,
        failed: Sender<String>,
        notify: impl Fn(Written) + Send + 'static,
    ) -> io::Result<Self> {
        let (wake, woken) = bounded(1);
        let (mended, heard) = bounded(1);
        let (wanted, allowed) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let shared = (wanted.clone(), allowed.clone());
        let thread = std::thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || run(sync, &woken, (&shared.0, &shared.1), (&failed, &heard), &notify))?;
        Ok(Self { wanted, allowed, wake, mended, thread })
    }

    /// Asks for every batch up to this one. Nothing is said before [`Syncer::allow`].
    pub(super) fn ask(&self, batch: u64) {
        self.wanted.store(batch, Ordering::Release);
        // Full is fine: see `wake`.
        let _ = self.wake.try_send(());
    }

    /// Every batch up to this one was said to be committed, and nothing failed since: it may be said to be durable.
    pub(super) fn allow(&self, batch: u64) {
        self.allowed.store(batch, Ordering::Release);
    }

    /// After a sync that failed: every batch up to this one is on the disk.
    pub(super) fn mended(&self, batch: u64) {
        // Full or gone: then nobody waits for it.
        let _ = self.mended.try_send(batch);
    }

    /// Syncs up to `last` and ends the thread. What is not allowed by now is not said.
    pub(super) fn stop(self, last: u64) {
        if self.allowed.load(Ordering::Acquire) < last {
            self.allowed.store(NEVER, Ordering::Release);
        }
        // First: the thread may wait for it, and would not wake up.
        drop(self.mended);
        if last > 0 {
            self.wanted.store(last, Ordering::Release);
            // Fails only if the thread is gone.
            let _ = self.wake.send(());
        }
        drop(self.wake);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}

fn run(
    mut sync: DiskSync,
    woken: &Receiver<()>,
    (wanted, allowed): (&AtomicU64, &AtomicU64),
    (failed, mended): (&Sender<String>, &Receiver<u64>),
    notify: &impl Fn(Written),
) {
    let mut done = 0;
    while woken.recv().is_ok() {
        let batch = wanted.load(Ordering::Acquire);
        if batch <= done {
            continue;
        }
        let begun = clock::instant();
        let Err(error) = sync() else {
            let took = begun.elapsed();
            done = batch;
            if !is_allowed(batch, allowed) {
                return;
            }
            notify(Written::Durable { batch, took });
            continue;
        };
        let _ = failed.try_send(error.clone());
        let Ok(batch) = mended.recv() else {
            // The writer is being stopped.
            let batch = wanted.load(Ordering::Acquire);
            return notify(Written::SyncFailed { batch, error });
        };
        done = batch;
    }
}

/// Waits until it may be said that a batch is durable; false if it never may.
fn is_allowed(batch: u64, allowed: &AtomicU64) -> bool {
    // As a rule it is by now: the sync takes the longest.
    for tries in 0.. {
        match allowed.load(Ordering::Acquire) {
            NEVER => return false,
            up_to if up_to >= batch => break,
            _ if tries < 100 => std::thread::yield_now(),
            // Then a checkpoint is in the way. Nobody wakes us.
            _ => std::thread::park_timeout(Duration::from_micros(100)),
        }
    }
    true
}
