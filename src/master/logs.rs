//! The output of workers: one thread that owns all log files.
//!
//! Does not know what a line means, nor the protocol. The supervisor sends lines over a bounded channel and never
//! waits: what does not fit, and what cannot be written, is counted, and the count becomes a line of the log.
//!
//! Invariants: every line that was sent is in a file or in a count; a file holds whole lines only, even after a full
//! disk; a log that cannot be written is tried again later and stops nobody; what is written is in the file that stands at
//! its path, whoever moved, deleted or emptied the one before.

mod clean;
mod file;
mod format;
mod read;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, TrySendError};

use crate::channel::{self, Sender};
use crate::core::Ticket;
use crate::model::{JobId, UnixMicros};
use crate::trust::Owner;
use file::WorkerLog;
pub(crate) use format::{ParsedLine, escape, format_line, parse_line};
pub(crate) use read::{Wanted, read_tail};

/// Where a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// `<pool>-<slot>`.
    pub worker: Arc<str>,
    /// Where it came from.
    pub stream: Stream,
    /// The job that ran.
    pub job: Option<JobId>,
    /// As it was written, without its newline.
    pub text: Vec<u8>,
    /// When it was read.
    pub at: UnixMicros,
}

/// Where and how much.
#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// The directory of the logs; made, with mode 0700, when the first line comes.
    pub dir: PathBuf,
    /// A file is set aside when it has more than this.
    pub max_file_bytes: u64,
    /// Files kept per worker, the current one included; at least 1.
    pub files: usize,
    /// Lines that may wait for the thread.
    pub capacity: usize,
    /// To whom the files belong; others may not write to the directory unless it is `shared_folder`.
    pub owner: Owner,
    /// Others may write to the directory.
    pub shared_folder: bool,
    /// Open files at most; with more workers than that the files are opened again as they are needed.
    pub max_open: usize,
}

impl Options {
    /// 10 MiB × 5 files, in this directory.
    #[must_use]
    pub(crate) fn new(dir: PathBuf, owner: Owner) -> Self {
        Self {
            dir,
            owner,
            shared_folder: false,
            max_file_bytes: 10 * 1024 * 1024,
            files: 5,
            capacity: 8192,
            max_open: 64,
        }
    }
}

/// The file of a worker; `None` for a name that would lead out of the directory.
#[must_use]
pub(crate) fn path_of(dir: &Path, worker: &str) -> Option<PathBuf> {
    let usable = !worker.is_empty() && !worker.starts_with('.') && !worker.contains(['/', '\0']);
    usable.then(|| dir.join(format!("{worker}.log")))
}

type Dropped = Arc<Mutex<BTreeMap<Arc<str>, u64>>>;

/// Commands to the thread.
#[derive(Debug)]
enum Message {
    Line(Line),
    /// To tell when everything before it was written.
    Mark(Ticket),
    /// To remove what nobody has written to since then, but the logs of these workers.
    Clean {
        since: SystemTime,
        living: BTreeSet<Arc<str>>,
    },
}

/// The log thread. Dropped, it writes what waits and ends.
#[derive(Debug)]
pub(crate) struct Logs {
    messages: Option<Sender<Message>>,
    /// Bytes of lines that wait for the thread.
    waiting: Arc<AtomicUsize>,
    dropped: Dropped,
    limits: Arc<FileLimits>,
    thread: Option<JoinHandle<()>>,
}

/// Bytes of a file, and files of a worker.
#[derive(Debug)]
struct FileLimits {
    bytes: AtomicU64,
    files: AtomicUsize,
}

impl Logs {
    /// Starts the thread. No file is touched before the first line.
    pub(crate) fn start(options: Options, written: impl Fn(Ticket) + Send + 'static) -> io::Result<Self> {
        let (messages, incoming) = channel::bounded(options.capacity);
        let (dropped, waiting) = (Dropped::default(), Arc::new(AtomicUsize::new(0)));
        let (count, room) = (Arc::clone(&dropped), Arc::clone(&waiting));
        let (bytes, files) = (options.max_file_bytes.into(), options.files.into());
        let limits = Arc::new(FileLimits { bytes, files });
        let of_thread = Arc::clone(&limits);
        let writer = Writer { options, limits: of_thread, waiting: room, dropped: count, files: BTreeMap::new() };
        let thread = thread::Builder::new().name("logs".to_owned()).spawn(move || writer.run(&incoming, written))?;
        Ok(Self { messages: Some(messages), waiting, dropped, limits, thread: Some(thread) })
    }

    /// From now on files are set aside at so many bytes, and so many are kept.
    pub(crate) fn limit(&self, bytes: u64, files: usize) {
        self.limits.bytes.store(bytes, Ordering::Relaxed);
        self.limits.files.store(files, Ordering::Relaxed);
    }

    /// Hands a line over; never waits for a file. False if there was no room: the line is lost and counted.
    pub(crate) fn send(&self, line: Line) -> bool {
        let Some(messages) = &self.messages else { return false };
        let bytes = line.text.len();
        if self.waiting.fetch_add(bytes, Ordering::Relaxed) > MOST_WAITING {
            return self.lose(line);
        }
        match messages.try_send(Message::Line(line)) {
            Err(TrySendError::Full(Message::Line(line)) | TrySendError::Disconnected(Message::Line(line))) => {
                self.lose(line)
            }
            Ok(()) | Err(_) => true,
        }
    }

    fn lose(&self, line: Line) -> bool {
        self.waiting.fetch_sub(line.text.len(), Ordering::Relaxed);
        *lock(&self.dropped).entry(line.worker).or_default() += 1;
        false
    }

    /// Asks to be told when everything that was sent is in its file; false where there is no room to ask.
    pub(crate) fn mark(&self, ticket: Ticket) -> bool {
        self.messages.as_ref().is_some_and(|messages| messages.try_send(Message::Mark(ticket)).is_ok())
    }

    /// Asks for the logs of workers to be removed that have written nothing since then, but for those that live.
    pub(crate) fn clean(&self, since: SystemTime, living: BTreeSet<Arc<str>>) {
        if let Some(messages) = &self.messages {
            // Where there is no room, another time will do.
            let _ = messages.try_send(Message::Clean { since, living });
        }
    }
}

impl Drop for Logs {
    fn drop(&mut self) {
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            // The thread panics only through a fault of ours, which it has reported itself.
            let _ = thread.join();
        }
    }
}

/// Counts stay right whatever happened to a thread that held them.
fn lock(dropped: &Dropped) -> std::sync::MutexGuard<'_, BTreeMap<Arc<str>, u64>> {
    dropped.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes of lines that may wait for the thread; one line more may come.
const MOST_WAITING: usize = 16 * 1024 * 1024;
/// Lines taken before they are written, where more wait, and bytes of them.
const BATCH: usize = 512;
const BATCH_BYTES: usize = 1024 * 1024;
/// How soon what could not be written is reported, when no line comes.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

struct Writer {
    options: Options,
    limits: Arc<FileLimits>,
    waiting: Arc<AtomicUsize>,
    dropped: Dropped,
    files: BTreeMap<Arc<str>, WorkerLog>,
}

impl Writer {
    fn run(mut self, incoming: &Receiver<Message>, written: impl Fn(Ticket)) {
        let mut marks = Vec::new();
        loop {
            let first = if self.files.values().any(WorkerLog::owes) {
                incoming.recv_timeout(LOOK_AGAIN)
            } else {
                incoming.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            let over = matches!(first, Err(RecvTimeoutError::Disconnected));
            let mut bytes = 0;
            for message in first.into_iter().chain(incoming.try_iter()).take(BATCH) {
                match message {
                    Message::Line(line) => {
                        bytes += line.text.len();
                        self.take(&line);
                    }
                    Message::Mark(ticket) => marks.push(ticket),
                    Message::Clean { since, living } => clean::remove_old(&self.options.dir, since, &living),
                }
                if bytes > BATCH_BYTES {
                    break;
                }
            }
            self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            if incoming.is_empty() {
                self.take_counts();
            }
            self.write(over);
            marks.drain(..).for_each(&written);
            if over {
                return;
            }
        }
    }

    fn take(&mut self, line: &Line) {
        self.log(&line.worker).add(&format_line(line));
    }

    fn take_counts(&mut self) {
        let dropped = std::mem::take(&mut *lock(&self.dropped));
        for (worker, count) in dropped {
            self.log(&worker).add_lost(count);
        }
    }

    fn log(&mut self, worker: &Arc<str>) -> &mut WorkerLog {
        let path = || path_of(&self.options.dir, worker).unwrap_or_else(|| self.options.dir.join("unnamed.log"));
        self.files.entry(Arc::clone(worker)).or_insert_with(|| WorkerLog::new(path()))
    }

    fn write(&mut self, at_once: bool) {
        let now = crate::clock::instant();
        self.options.max_file_bytes = self.limits.bytes.load(Ordering::Relaxed);
        self.options.files = self.limits.files.load(Ordering::Relaxed);
        let mut open = 0;
        for log in self.files.values_mut() {
            log.write(&self.options, if at_once { None } else { Some(now) });
            open += usize::from(log.is_open());
            if open > self.options.max_open {
                log.close();
                open -= 1;
            }
        }
        self.files.retain(|_, log| log.is_open() || log.owes());
    }
}
