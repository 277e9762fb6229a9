//! The console thread: prints events on stderr, so that a terminal or pipe that takes no more does not stop the
//! master. What does not fit in its queue is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::RecvTimeoutError;

use crate::channel::{Sender, bounded};
use crate::model::{Notice, UnixMicros};
use crate::report::events::Level;
use crate::report::{Event, Printer};

/// Events that may wait.
const CAPACITY: usize = 4096;
/// How often the progress bar is drawn: its rate and the time left change although nothing ends.
const BAR_EVERY: Duration = Duration::from_millis(200);

type Line = (Box<Event>, UnixMicros);

/// How far a drain is, for the thread to show.
#[derive(Debug, Default)]
struct Progress {
    done: AtomicU64,
    total: AtomicU64,
    dead: AtomicU64,
}

/// The handle on the thread.
pub(super) struct Console {
    lines: Option<Sender<Line>>,
    thread: Option<JoinHandle<()>>,
    least: Level,
    /// Dropped since it was said last how many were.
    unsaid: u64,
    dropped: u64,
    progress: Arc<Progress>,
}

impl Console {
    /// Starts the thread; events below `least` are not shown by the printer.
    pub(super) fn start(printer: Printer, least: Level) -> std::io::Result<Self> {
        let (lines, inbox) = bounded::<Line>(CAPACITY);
        let progress = Arc::new(Progress::default());
        let shown = printer.has_bar().then(|| Arc::clone(&progress));
        let thread = std::thread::Builder::new().name("console".to_owned()).spawn(move || {
            loop {
                let line = match &shown {
                    Some(_) => inbox.recv_timeout(BAR_EVERY),
                    None => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                };
                match line {
                    Ok((event, at)) => printer.event(&event, at),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return printer.finish(),
                }
                if let Some(progress) = &shown {
                    let [done, total, dead] =
                        [&progress.done, &progress.total, &progress.dead].map(|count| count.load(Ordering::Relaxed));
                    printer.progress(done, total, dead);
                }
            }
        })?;
        Ok(Self { lines: Some(lines), thread: Some(thread), least, unsaid: 0, dropped: 0, progress })
    }

    /// Whether events of this level are shown at all.
    pub(super) fn shows(&self, level: Level) -> bool {
        level >= self.least
    }

    /// Prints an event; never waits.
    pub(super) fn say(&mut self, event: Event, at: UnixMicros) {
        if !self.shows(event.level()) {
            return;
        }
        if self.unsaid > 0 {
            let text = format!("{} lines were not printed: the terminal is too slow", self.unsaid);
            if self.send((Box::new(Notice::Problem { text }.into()), at)) {
                self.unsaid = 0;
            }
        }
        if !self.send((Box::new(event), at)) {
            self.unsaid += 1;
            self.dropped += 1;
        }
    }

    /// Events that were not printed.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Moves the progress bar, where there is one.
    pub(super) fn progress(&self, done: u64, total: u64, dead: u64) {
        self.progress.dead.store(dead, Ordering::Relaxed);
        self.progress.done.store(done, Ordering::Relaxed);
        self.progress.total.store(total, Ordering::Relaxed);
    }

    fn send(&self, line: Line) -> bool {
        self.lines.as_ref().is_some_and(|lines| lines.try_send(line).is_ok())
    }

    /// Prints what waits and ends, unless the terminal takes nothing: then it is left behind.
    pub(super) fn finish(&mut self) {
        self.lines = None;
        let Some(thread) = self.thread.take() else { return };
        for _ in 0..200 {
            if thread.is_finished() {
                let _ = thread.join();
                return;
            }
            std::thread::park_timeout(std::time::Duration::from_millis(5));
        }
    }
}
