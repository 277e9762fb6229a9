//! Syncs the write-ahead log, in a thread of its own, from a handle of its own.
//!
//! Knows nothing of batches but their numbers. Invariant: what is said to be durable was committed before the sync
//! began. Several requests that come during one sync share the next.
//!
//! Only the log is opened here: closing a handle on the database file itself would drop SQLite's locks.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::Written;

/// The handle on the thread.
#[derive(Debug)]
pub(super) struct Syncer {
    wanted: Arc<AtomicU64>,
    /// One place: a wake-up that is waiting covers every request made before it is taken.
    wake: Sender<()>,
    thread: JoinHandle<()>,
}

impl Syncer {
    /// `lost` hears of each sync that failed.
    pub(super) fn start(wal: PathBuf, lost: Sender<()>, notify: impl Fn(Written) + Send + 'static) -> io::Result<Self> {
        let (wake, woken) = bounded(1);
        let wanted = Arc::new(AtomicU64::new(0));
        let shared = wanted.clone();
        let thread = std::thread::Builder::new()
            .name("sync".to_owned())
            .spawn(move || run(&wal, &woken, &shared, &lost, &notify))?;
        Ok(Self { wanted, wake, thread })
    }

    /// Asks for every batch up to this one.
    pub(super) fn ask(&self, batch: u64) {
        self.wanted.store(batch, Ordering::Release);
        // Full is fine: see `wake`.
        let _ = self.wake.try_send(());
    }

    /// Syncs up to `last` and ends the thread.
    pub(super) fn stop(self, last: u64) {
        if last > 0 {
            self.wanted.store(last, Ordering::Release);
            // Fails only if the thread is gone.
            let _ = self.wake.send(());
        }
        drop(self.wake);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    }
}

fn run(wal: &Path, woken: &Receiver<()>, wanted: &AtomicU64, lost: &Sender<()>, notify: &impl Fn(Written)) {
    let mut log = None;
    let mut done = 0;
    while woken.recv().is_ok() {
        let batch = wanted.load(Ordering::Acquire);
        if batch == done {
            continue;
        }
        match sync(wal, &mut log) {
            Ok(()) => {
                done = batch;
                notify(Written::Durable { batch });
            }
            Err(error) => {
                log = None;
                notify(Written::SyncFailed { batch, error: format!("cannot sync `{}`: {error}", wal.display()) });
                // Full: the writer has yet to hear of an earlier one, which is as good.
                let _ = lost.try_send(());
            }
        }
    }
}

/// The log is another file after the last connection was closed, so the handle is checked each time.
fn sync(wal: &Path, log: &mut Option<(File, u64)>) -> io::Result<()> {
    if bug!("sync_left_out") {
        return Ok(());
    }
    failpoint!("sync.before", nix::errno::Errno::EIO.into());
    let inode = std::fs::metadata(wal)?.ino();
    let file = match log {
        Some((file, known)) if *known == inode => file,
        stale => {
            let file = OpenOptions::new().read(true).write(true).open(wal)?;
            sync_folder(wal)?;
            &mut stale.insert((file, inode)).0
        }
    };
    file.sync_data()?;
    failpoint!("sync.after");
    Ok(())
}

/// The name of a new log must be on the disk as well.
fn sync_folder(wal: &Path) -> io::Result<()> {
    let folder = wal.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    File::open(folder)?.sync_all()
}
