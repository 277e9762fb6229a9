//! From the end of a command to the verdict on its job.
//!
//! Exit 0 = succeeded; 75 (`EX_TEMPFAIL`) = retry; 65 (`EX_DATAERR`) = dead; anything else fails by the policy of the
//! queue. A command that was told to end failed for that reason, whatever its exit code. Knows nothing of processes;
//! the invariant is the table in the tests.

use serde::Serialize;

use crate::model::worker::{Exit, signal_name};
use crate::wire::rpc;

/// `EX_TEMPFAIL` of `sysexits.h`: try again later.
const TEMPFAIL: i32 = 75;
/// `EX_DATAERR` of `sysexits.h`: the job itself is wrong.
const DATAERR: i32 = 65;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself, or by a signal.
    Exit(Exit),
    /// By a SIGKILL that seems to be the kernel's: there was no memory left.
    OutOfMemory,
}

/// Why a command was told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Timeout,
    Cancelled,
    Shutdown,
}

impl Reason {
    /// Reads the word of a `cancel` notification; anything else is `cancelled`.
    pub(super) fn parse(word: Option<&str>) -> Self {
        match word {
            Some("timeout") => Self::Timeout,
            Some("shutdown") => Self::Shutdown,
            _ => Self::Cancelled,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Cancelled => "cancelled",
            Self::Shutdown => "shutdown",
        }
    }

    const fn message(self) -> &'static str {
        match self {
            Self::Timeout => "timed out",
            Self::Cancelled => "cancelled",
            Self::Shutdown => "ended by shutdown",
        }
    }
}

/// The `error` member of an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Failure {
    pub(super) code: i64,
    pub(super) message: String,
    pub(super) data: FailureData,
}

/// An error for the master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct FailureData {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    /// `None`: as the queue's policy says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) retry: Option<bool>,
}

impl Failure {
    pub(super) fn new(kind: &'static str, retry: Option<bool>, message: impl Into<String>) -> Self {
        Self { code: 1, message: message.into(), data: FailureData { kind, retry } }
    }

    /// The job cannot be run as it is written.
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self { code: rpc::INVALID_PARAMS, ..Self::new("invalid", Some(false), message) }
    }

    /// The job never started, or was told to end.
    pub(super) fn told(reason: Reason) -> Self {
        Self::new(reason.as_str(), None, reason.message())
    }
}

/// Messages of programs that ask on a terminal when there is none: the system's, and that of `sudo`.
const ASKED: [&str; 2] = ["No such device or address", "terminal is required"];
const ASKED_ON: [&str; 4] = ["/dev/tty", "could not read", "terminal", "askpass"];

/// Hint for the failure of a command that asked for a terminal.
pub(super) fn hint(stderr: &str) -> &'static str {
    let has = |line: &str, words: &[&str]| words.iter().any(|word| line.contains(word));
    let asked = stderr.lines().any(|line| has(line, &ASKED) && has(line, &ASKED_ON));
    if asked { "; it asked for a terminal, and jobs have none" } else { "" }
}

/// Success, or why not.
pub(super) fn verdict(ending: Ending, told: Option<Reason>) -> Result<(), Failure> {
    match (told, ending) {
        (Some(reason), _) => {
            let mut failure = Failure::told(reason);
            failure.message = format!("{}; the command then ended: {}", failure.message, words(ending));
            Err(failure)
        }
        (None, Ending::Exit(Exit::Code(0))) => Ok(()),
        (None, Ending::Exit(Exit::Code(code))) => {
            let retry = match code {
                TEMPFAIL => Some(true),
                DATAERR => Some(false),
                _ => None,
            };
            Err(Failure { code: code.into(), ..Failure::new("exit", retry, words(ending)) })
        }
        (None, Ending::Exit(Exit::Signal(_)) | Ending::OutOfMemory) => Err(Failure::new("signal", None, words(ending))),
    }
}

fn words(ending: Ending) -> String {
    match ending {
        Ending::Exit(Exit::Code(code)) => format!("exit status {code}"),
        Ending::Exit(Exit::Signal(number)) => format!("killed by {}", signal_name(number)),
        Ending::OutOfMemory => String::from("killed by SIGKILL, from the kernel, it seems: out of memory"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn code(code: i32) -> Ending {
        Ending::Exit(Exit::Code(code))
    }

    const fn signal(number: i32) -> Ending {
        Ending::Exit(Exit::Signal(number))
    }

    #[test]
    fn exit_codes_and_signals_become_verdicts() {
        type Expected = Option<(i64, &'static str, &'static str, Option<bool>)>;
        let table: &[(Ending, Expected)] = &[
            (code(0), None),
            (code(1), Some((1, "exit", "exit status 1", None))),
            (code(3), Some((3, "exit", "exit status 3", None))),
            (code(64), Some((64, "exit", "exit status 64", None))),
            (code(65), Some((65, "exit", "exit status 65", Some(false)))),
            (code(75), Some((75, "exit", "exit status 75", Some(true)))),
            (code(127), Some((127, "exit", "exit status 127", None))),
            (code(255), Some((255, "exit", "exit status 255", None))),
            (signal(9), Some((1, "signal", "killed by SIGKILL", None))),
            (signal(11), Some((1, "signal", "killed by SIGSEGV", None))),
            (signal(40), Some((1, "signal", "killed by SIGRTMIN+6", None))),
            (
                Ending::OutOfMemory,
                Some((1, "signal", "killed by SIGKILL, from the kernel, it seems: out of memory", None)),
            ),
        ];
        for (ending, expected) in table {
            let got = verdict(*ending, None).err();
            let got = got.as_ref().map(|f| (f.code, f.data.kind, f.message.as_str(), f.data.retry));
            assert_eq!(got, *expected, "{ending:?}");
        }
    }

    #[test]
    fn a_command_that_was_told_to_end_failed_for_that_reason_whatever_its_exit_code() {
        for (word, kind) in [
            (Some("timeout"), "timeout"),
            (Some("cancelled"), "cancelled"),
            (Some("shutdown"), "shutdown"),
            (None, "cancelled"),
        ] {
            for ending in [code(0), code(65), signal(15)] {
                let failure = verdict(ending, Some(Reason::parse(word))).expect_err("an error");
                assert_eq!((failure.data.kind, failure.data.retry), (kind, None));
            }
        }
    }
}
