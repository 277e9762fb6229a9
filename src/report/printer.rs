//! Prints the events of a master on stderr: lines for people, or JSON; with `--drain` on a terminal a progress bar.
//!
//! Invariant: a stderr that is gone or slow to close never ends the master; what cannot be written is dropped.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use super::events::{self, Event, Level};
use super::{hint, words};
use crate::model::{Generation, UnixMicros};
use crate::wire::control::LogLine;

/// Prints events.
pub struct Printer {
    least: Level,
    json: bool,
    /// Lines have their time: they go to a file or a pipe, and nobody there adds it.
    dated: bool,
    bar: Option<ProgressBar>,
    generation: Option<Generation>,
}

impl Printer {
    /// `bar`: show progress, if stderr is a terminal and events are for people.
    #[must_use]
    pub fn new(verbose: u8, quiet: bool, json: bool, bar: bool) -> Self {
        let bar = (bar && !json && !quiet && std::io::stderr().is_terminal()).then(progress_bar);
        let dated = !json && !std::io::stderr().is_terminal() && !goes_to_the_journal();
        Self { least: Level::shown(verbose, quiet), json, dated, bar, generation: None }
    }

    /// The same, for the events of a master of this generation.
    #[must_use]
    pub fn of_generation(self, generation: Generation) -> Self {
        Self { generation: Some(generation), ..self }
    }

    /// Whether events of this level are shown, so that others need not be made.
    #[must_use]
    pub fn shows(&self, level: Level) -> bool {
        level >= self.least
    }

    /// Prints an event, if it is shown.
    pub fn event(&self, event: &Event, at: UnixMicros) {
        if !self.shows(event.level()) {
            return;
        }
        if let (Event::Printed(line), false) = (event, self.json) {
            return printed(line);
        }
        let line = if self.json { events::json(event, self.generation, at) } else { self.dated(coloured(event), at) };
        match &self.bar {
            Some(bar) => bar.suspend(|| print(&line)),
            None => print(&line),
        }
    }

    /// Prints what is odd about the configuration.
    pub fn warning(&self, text: &str, at: UnixMicros) {
        if self.shows(Level::Problem) && self.json {
            print(&events::warning(&hint::complete(text), at));
        } else if self.shows(Level::Problem) {
            print(&self.dated(words::escape(&hint::complete(&format!("queue-work: warning: {text}"))), at));
        }
    }

    fn dated(&self, line: String, at: UnixMicros) -> String {
        if self.dated { format!("{} {line}", words::moment(at)) } else { line }
    }

    /// Whether progress is shown.
    #[must_use]
    pub fn has_bar(&self) -> bool {
        self.bar.is_some()
    }

    /// How far a draining master is, and how many jobs died on the way.
    pub fn progress(&self, done: u64, total: u64, dead: u64) {
        if let Some(bar) = &self.bar {
            if dead > 0 {
                bar.set_message(format!(", {dead} dead"));
            }
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    /// Takes the bar away, before the summary.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl fmt::Debug for Printer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Printer").field("least", &self.least).field("json", &self.json).finish_non_exhaustive()
    }
}

/// A bar that counts jobs, on stderr.
#[must_use]
pub fn progress_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{bar:30} {human_pos}/{human_len} jobs, {per_sec:0}{left}{msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("left", left));
    bar
}

/// A bar that counts bytes, on stderr.
#[must_use]
pub fn copy_bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{bar:30} {binary_bytes}/{binary_total_bytes}{left}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("left", left));
    bar
}

/// A bar that counts rows, on stderr.
#[must_use]
pub fn rows_bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{bar:30} {percent}% of the rows copied and compared{left}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).with_key("left", left));
    bar
}

/// An estimate of the time that is left, once there is something to estimate it from.
fn left(state: &ProgressState, out: &mut dyn fmt::Write) {
    if state.pos() > 0 {
        // A String takes everything.
        let _ = write!(out, ", {} left", words::duration(Duration::from_secs(state.eta().as_secs())));
    }
}

/// Whether stderr leads to the journal of systemd, which has a time for each line.
fn goes_to_the_journal() -> bool {
    let stream = std::env::var("JOURNAL_STREAM").ok();
    let said = stream.as_deref().and_then(|stream| stream.split_once(':'));
    let found = nix::sys::stat::fstat(std::io::stderr()).ok();
    said.zip(found)
        .is_some_and(|((device, inode), file)| device.parse() == Ok(file.st_dev) && inode.parse() == Ok(file.st_ino))
}

fn coloured(event: &Event) -> String {
    let line = words::escape(&hint::complete(&events::line(event)));
    let colour = match event.level() {
        Level::Problem | Level::Nothing => anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Yellow.into())),
        Level::Normal => return line,
        Level::Debug | Level::Detail => anstyle::Style::new().dimmed(),
    };
    format!("{colour}{line}{colour:#}")
}

/// Prints a line of a worker where the worker printed it.
fn printed(line: &LogLine) {
    let _ = match line.stream.as_str() {
        "err" => writeln!(std::io::stderr().lock(), "{}", line.text),
        _ => writeln!(std::io::stdout().lock(), "{}", line.text),
    };
}

fn print(line: &str) {
    // Colours are taken out where stderr is no terminal, or NO_COLOR says so.
    let _ = writeln!(anstream::stderr().lock(), "{line}");
}
