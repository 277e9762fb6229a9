//! Ends of workers that nobody wanted, worded: for the record of a run, and for a slot in which no worker comes up.

use std::fmt;

use super::CancelReason;
use super::worker::{EndReason, Exit, signal_name};

/// Added to the last lines of a worker that the kernel has killed.
pub const OUT_OF_MEMORY: &str = "queue-work: killed by the kernel, it seems: out of memory";

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
    /// Ended before it was of any use.
    Ended {
        why: EndReason,
        exit: Option<Exit>,
        /// The last line on its stderr.
        last_words: Option<String>,
    },
}

impl SlotProblem {
    /// Whether nothing but numbers in the words differs, such as a time or a pid.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        let without_numbers = |problem: &Self| problem.to_string().replace(|c: char| c.is_ascii_digit(), "");
        let exit = |problem: &Self| match problem {
            Self::NotStarted(_) | Self::Refused(_) => None,
            Self::Ended { exit, .. } => *exit,
        };
        exit(self) == exit(other) && without_numbers(self) == without_numbers(other)
    }
}

impl fmt::Display for SlotProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(error) | Self::Refused(error) => f.write_str(error),
            Self::Ended { why, exit, last_words } => {
                match (why, exit) {
                    (EndReason::ReadyTimeout, _) => f.write_str("is not ready in time")?,
                    (EndReason::MemoryMax, _) => f.write_str("is over `memory_max` before its first job is done")?,
                    (_, Some(Exit::Code(code))) => write!(f, "exits at once with status {code}")?,
                    (_, Some(Exit::Signal(number))) => write!(f, "ends at once by {}", signal_name(*number))?,
                    (_, None) => f.write_str("ends at once")?,
                }
                last_words.as_ref().map_or(Ok(()), |words| write!(f, ": {words}"))
            }
        }
    }
}
