//! Errors that end a command: wording and exit code.
//!
//! Invariant: exit codes are decided here and nowhere else; the chain of causes is printed once, by [`report`].

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use crate::client::ClientError;
use crate::model::JobId;
use crate::report::{hint, words};
use crate::store::StoreError;

/// How a command ended that did what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Code(pub u8);

impl Code {
    /// Done.
    pub(crate) const DONE: Self = Self(0);
}

/// The exit code of a wait that ended before its job: above every code that a shell gives to a signal (128 + 64), below
/// those of systemd (from 200) and of ssh (255). A command that ends with it counts as one that ends with 1.
pub(crate) const WAIT_LOST: u8 = 193;

/// Why a command could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line makes no sense.
    #[error("{0}")]
    Usage(String),
    /// The configuration makes no sense: one problem a line.
    #[error("{0}")]
    Config(String),
    /// No process listens on the control socket.
    #[error("no master runs on `{database}`; start one with `{start}`")]
    NoMaster {
        database: String,
        /// The command that starts one for what waits; known only when it is said.
        start: String,
    },
    /// No such job, worker, pool or queue.
    #[error("{0}")]
    NotFound(String),
    /// The state does not allow it.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Failed(String),
    /// A second Ctrl-C.
    #[error("ended by a second Ctrl-C")]
    Interrupted,
    /// The system refused something.
    #[error("cannot {doing}")]
    Io {
        /// The action, and on what.
        doing: String,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The talk with the master failed.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The master went away while a job was waited for.
    #[error(
        "the wait for job {id} is over, but not the job: {why}; it is on record and runs when a master does, wait for it with \
         `queue-work jobs wait {id}`"
    )]
    WaitLost {
        id: JobId,
        /// Fate of the master.
        why: String,
    },
    /// The reader of our output has gone, which is no error.
    #[error("nobody reads the output")]
    BrokenPipe,
    /// Everything was said; only the exit code is left.
    #[error("")]
    Said(u8),
}

impl Error {
    /// From a failed input or output.
    pub(crate) fn io(doing: impl Into<String>, source: io::Error) -> Self {
        Self::Io { doing: doing.into(), source }
    }

    /// From a failed write to stdout.
    #[must_use]
    pub(crate) fn stdout(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::io("write to stdout", source),
        }
    }

    /// The exit code of the process.
    #[must_use]
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::BrokenPipe => 0,
            Self::Store(error) if error.is_refusal() => 5,
            Self::Failed(_) | Self::Io { .. } | Self::Store(_) => 1,
            Self::Usage(_) | Self::Config(_) => 2,
            Self::NoMaster { .. } => 3,
            Self::NotFound(_) => 4,
            Self::Refused(_) => 5,
            Self::Interrupted => 130,
            Self::WaitLost { .. } => WAIT_LOST,
            Self::Client(error) => client_code(error),
            Self::Said(code) => *code,
        }
    }

    fn is_silent(&self) -> bool {
        matches!(self, Self::BrokenPipe | Self::Said(_))
    }
}

fn client_code(error: &ClientError) -> u8 {
    match error {
        ClientError::NoMaster { .. } | ClientError::Unheard => 3,
        ClientError::PathTooLong { .. } => 2,
        ClientError::Stranger { .. } => 5,
        ClientError::Refused(error) => error.exit_code(),
        ClientError::Denied { .. }
        | ClientError::Io { .. }
        | ClientError::Closed
        | ClientError::Silent { .. }
        | ClientError::Garbled(_)
        | ClientError::Older { .. } => 1,
    }
}

/// The error with its causes, each line as it goes to stderr.
#[must_use]
pub(crate) fn worded(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let _ = write!(text, ": {inner}");
        cause = inner.source();
    }
    // The text may quote what a worker or a user wrote.
    words::escape(&hint::complete(&text)).lines().fold(String::new(), |mut out, line| {
        let _ = writeln!(out, "queue-work: {line}");
        out
    })
}

/// Says on stderr what went wrong and turns the outcome into an exit code.
#[must_use]
pub(crate) fn report(outcome: &Result<Code, Error>) -> ExitCode {
    match outcome {
        Ok(code) => ExitCode::from(code.0),
        Err(error) => {
            if !error.is_silent() {
                // Where stderr is gone, the exit code still speaks.
                let _ = io::stderr().lock().write_all(worded(error).as_bytes());
            }
            ExitCode::from(error.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::rpc::RpcError;

    #[test]
    fn each_kind_of_error_has_the_exit_code_of_the_manual() {
        let table = [
            (Error::BrokenPipe, 0),
            (Error::Failed("x".into()), 1),
            (Error::Usage("x".into()), 2),
            (Error::Config("x".into()), 2),
            (Error::NoMaster { database: "x".into(), start: "y".into() }, 3),
            (Error::NotFound("x".into()), 4),
            (Error::Refused("x".into()), 5),
            (Error::Interrupted, 130),
            (Error::WaitLost { id: JobId(1), why: "x".into() }, 193),
            (Error::Client(ClientError::Refused(RpcError::failed(4, "x"))), 4),
            (Error::Client(ClientError::Refused(RpcError::params("x"))), 2),
            (Error::Client(ClientError::Closed), 1),
            (Error::Said(7), 7),
        ];
        for (error, code) in table {
            assert_eq!(error.exit_code(), code, "{error:?}");
        }
    }

    #[test]
    fn the_causes_stand_behind_the_error_and_every_line_has_our_name() {
        let error = Error::io("read `x`", io::Error::other("it is gone"));
        assert_eq!(worded(&error), "queue-work: cannot read `x`: it is gone\n");
        assert_eq!(worded(&Error::Config("a\nb".into())), "queue-work: a\nqueue-work: b\n");
    }
}
