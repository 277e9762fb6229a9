//! The console thread: prints events on stderr, so that a terminal or pipe that takes no more does not stop the
//! master. What does not fit in its queue is dropped and counted.

use std::thread::JoinHandle;
use std::time::Duration;

use crate::model::{Mono, UnixMicros};
use crate::process::mailbox::{Sender, bounded};
use crate::report::events::Level;
use crate::report::{Event, Printer};

/// Events that may wait.
const CAPACITY: usize = 4096;
/// The bar is not moved sooner again: each time wakes the thread, and it is drawn no more often.
const BAR_EVERY: Duration = Duration::from_millis(100);

enum Line {
    Event(Box<Event>, UnixMicros),
    Progress { done: u64, total: u64 },
}

/// The handle on the thread.
pub(super) struct Console {
    lines: Option<Sender<Line>>,
    thread: Option<JoinHandle<()>>,
    least: Level,
    dropped: u64,
    /// When the bar may be moved next; `None` where there is none.
    bar_at: Option<Mono>,
}

impl Console {
    /// Starts the thread; events below `least` are not shown by the printer.
    pub(super) fn start(printer: Printer, least: Level) -> std::io::Result<Self> {
        let (lines, inbox) = bounded(CAPACITY);
        let bar_at = printer.has_bar().then_some(Mono(0));
        let thread = std::thread::Builder::new().name("console".to_owned()).spawn(move || {
            for line in inbox {
                match line {
                    Line::Event(event, at) => printer.event(&event, at),
                    Line::Progress { done, total } => printer.progress(done, total),
                }
            }
            printer.finish();
        })?;
        Ok(Self { lines: Some(lines), thread: Some(thread), least, dropped: 0, bar_at })
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
        if self.dropped > 0 {
            let text = format!("{} lines were not printed: the terminal is too slow", self.dropped);
            if self.send(Line::Event(Box::new(Event::Problem { text }), at)) {
                self.dropped = 0;
            }
        }
        if !self.send(Line::Event(Box::new(event), at)) {
            self.dropped += 1;
        }
    }

    /// Moves the progress bar, where there is one and it is time.
    pub(super) fn progress(&mut self, done: u64, total: u64, now: Mono) {
        if self.bar_at.is_some_and(|at| at <= now) {
            self.bar_at = Some(now + BAR_EVERY);
            self.send(Line::Progress { done, total });
        }
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
