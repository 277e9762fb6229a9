//! Ends of workers that nobody wanted, worded: for the record of a run, and for a slot in which no worker comes up.

use std::fmt;
use std::time::Duration;

use super::worker::{EndReason, Exit, signal_name};
use super::{CancelReason, units};

/// Added to the last lines of a worker that the kernel has killed.
pub const OUT_OF_MEMORY: &str = "queue-work: killed by the kernel, it seems: out of memory";

/// Said of a program that ended well instead of waiting for jobs.
const RUN_ONCE: &str = "; to run its program once for each job, set `kind = \"exec\"`, or start it with `--exec`";

/// Why a run ended with its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLost {
    /// The job had been told to end, for this reason.
    pub told: Option<CancelReason>,
    /// The worker was given no time to end by itself.
    pub at_once: bool,
    /// Why the worker ended.
    pub why: EndReason,
    /// The master ended the worker.
    pub ours: bool,
    /// How the process ended.
    pub exit: Option<Exit>,
}

impl fmt::Display for RunLost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.told {
            Some(CancelReason::Timeout) => f.write_str("past its deadline; ")?,
            Some(CancelReason::Cancelled) => f.write_str("cancelled; ")?,
            Some(CancelReason::Shutdown) => {
                let how = if self.at_once { "ended at once" } else { "past the grace" };
                write!(f, "{how}, {}; ", self.why.as_str())?;
            }
            None if self.why == EndReason::MemoryMax => f.write_str("over the limit memory_max; ")?,
            None if self.ours => f.write_str("ended with another job; ")?,
            None => {}
        }
        match self.exit {
            Some(Exit::Code(code)) => write!(f, "the worker exited with status {code}"),
            Some(Exit::Signal(number)) => write!(f, "the worker was ended by {}", signal_name(number)),
            None => f.write_str("the worker ended, with a status that could not be read"),
        }
    }
}

/// Why no worker comes up in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotProblem {
    /// Could not be started.
    NotStarted(String),
    /// Said what it is, and is to be something else; or did not take its `init`.
    Refused(String),
    /// Ended unasked.
    Ended {
        why: EndReason,
        exit: Option<Exit>,
        /// Before it had come up.
        at_once: bool,
        /// Well, and without a word of the protocol that it is to speak.
        is_plain: bool,
        /// The last line on its stderr.
        last_words: Option<String>,
    },
    /// One after the other died, at last for this reason.
    TooOften(TooOften, Box<Self>),
    /// No other is to come.
    Over(Over, Option<String>),
}

/// More deaths than the pool allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooOften {
    /// How many it allows.
    pub max: u32,
    /// Within so long.
    pub window: Duration,
}

impl fmt::Display for TooOften {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let deaths = if self.max == 1 { "death" } else { "deaths" };
        write!(f, "more than {} {deaths} in {}", self.max, units::show_duration(self.window))
    }
}

/// Why a slot is not filled any more, until an operator wants it to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The last worker has ended, and is not to be followed by another.
    Finished(Option<Exit>),
    GivenUp(TooOften),
}

impl Over {
    /// Whether nothing is wrong with it.
    #[must_use]
    pub fn is_well(self) -> bool {
        self == Self::Finished(Some(Exit::Code(0)))
    }
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Finished(Some(Exit::Code(code))) => write!(f, "finished: exit {code}"),
            Self::Finished(Some(Exit::Signal(number))) => write!(f, "finished: {}", signal_name(*number)),
            Self::Finished(None) => f.write_str("finished: exit status unknown"),
            Self::GivenUp(often) => write!(f, "given up: {often}"),
        }
    }
}

impl SlotProblem {
    /// The last line on the stderr of a worker that ended.
    #[must_use]
    pub fn last_words(self) -> Option<String> {
        match self {
            Self::Ended { last_words, .. } => last_words,
            Self::NotStarted(_) | Self::Refused(_) | Self::TooOften(..) | Self::Over(..) => None,
        }
    }

    /// Whether nothing but numbers in the words differs, such as a time or a pid.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        let without_numbers = |problem: &Self| problem.to_string().replace(|c: char| c.is_ascii_digit(), "");
        let exit = |problem: &Self| match problem {
            Self::Ended { exit, .. } => *exit,
            Self::NotStarted(_) | Self::Refused(_) | Self::TooOften(..) | Self::Over(..) => None,
        };
        exit(self) == exit(other) && without_numbers(self) == without_numbers(other)
    }
}

impl fmt::Display for SlotProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) | Self::Refused(error) => f.write_str(error),
            Self::TooOften(often, last) => write!(f, "{last}; {often}"),
            Self::Over(over, None) => over.fmt(f),
            Self::Over(over, Some(last)) => write!(f, "{over}; {last}"),
            Self::Ended { why, exit, at_once, is_plain, last_words } => {
                let how = if *at_once { " at once" } else { "" };
                match (why, exit) {
                    (EndReason::ReadyTimeout, _) => f.write_str("is not ready in time")?,
                    (EndReason::MemoryMax, _) => f.write_str("is over `memory_max` before its first job is done")?,
                    (_, Some(Exit::Code(code))) => write!(f, "exits{how} with status {code}")?,
                    (_, Some(Exit::Signal(number))) => write!(f, "ends{how} by {}", signal_name(*number))?,
                    (_, None) => write!(f, "ends{how}")?,
                }
                last_words.as_ref().map_or(Ok(()), |words| write!(f, ": {words}"))?;
                f.write_str(if *is_plain { RUN_ONCE } else { "" })
            }
        }
    }
}
