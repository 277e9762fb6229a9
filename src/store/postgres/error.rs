//! Errors of PostgreSQL, first as those of `rusqlite`, which statements give, then as [`StoreError`].
//!
//! Invariants: what the server says keeps its words, with the code by which they are found; a password is in none. "The
//! outcome of a commit is unknown" is always [`StoreError::Io`].

use std::fmt;

use ::postgres::error::SqlState;
use rusqlite::Error;

use super::same;
use crate::store::StoreError;

/// An error of the server or of the way to it.
#[derive(Debug)]
struct Failed {
    error: ::postgres::Error,
    /// The statement, or what it was.
    doing: String,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.error.as_db_error() {
            Some(said) => {
                write!(f, "{} (code {})", said.message(), said.code().code())?;
                said.detail().map_or(Ok(()), |detail| write!(f, ": {detail}"))
            }
            None => self.error.fmt(f),
        }?;
        std::error::Error::source(&self.error)
            .filter(|_| self.error.as_db_error().is_none())
            .map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl std::error::Error for Failed {}

/// As an error of a statement.
pub(super) fn wrap(error: ::postgres::Error, doing: &str) -> Error {
    let failed = Failed { error, doing: doing.to_owned() };
    Error::UserFunctionError(Box::new(failed))
}

/// Words an error of a server.
pub(super) fn map(place: &str, error: &Error) -> StoreError {
    let failed = match error {
        Error::UserFunctionError(inner) => inner.downcast_ref::<Failed>(),
        _ => None,
    };
    let Some(failed) = failed else { return StoreError::Other(error.to_string()) };
    let path = || place.to_owned();
    let Some(code) = failed.error.code() else {
        // Of the connection; or a value that does not fit its type, which is a fault of ours.
        let is_ours = std::error::Error::source(&failed.error).is_some_and(|source| !source.is::<std::io::Error>());
        let said = if is_ours { format!("{failed}, of `{}`", failed.doing) } else { failed.to_string() };
        return if is_ours { StoreError::Other(said) } else { StoreError::Io(said) };
    };
    match *code {
        SqlState::DISK_FULL => StoreError::Full { path: path() },
        SqlState::LOCK_NOT_AVAILABLE | SqlState::T_R_DEADLOCK_DETECTED | SqlState::T_R_SERIALIZATION_FAILURE => {
            StoreError::Busy { path: path() }
        }
        SqlState::INSUFFICIENT_PRIVILEGE | SqlState::READ_ONLY_SQL_TRANSACTION => {
            StoreError::Cannot { doing: "write to", path: path(), reason: failed.to_string() }
        }
        // What was prepared on one connection is asked of another.
        SqlState::DUPLICATE_PSTATEMENT | SqlState::INVALID_SQL_STATEMENT_NAME => same::pooled(place),
        SqlState::QUERY_CANCELED => StoreError::TooLong,
        // The server goes, or has gone, or does not take connections for now.
        _ if code.code().starts_with("57P") || code.code().starts_with("08") || code.code().starts_with("53") => {
            StoreError::Io(failed.to_string())
        }
        _ => StoreError::Other(format!("{failed}, of `{}`", failed.doing)),
    }
}

/// Words an error of COMMIT: whatever it is, the truth must be read back.
pub(super) fn map_commit(place: &str, error: &Error) -> StoreError {
    match map(place, error) {
        StoreError::Io(reason) => StoreError::Io(format!("the commit failed: {reason}")),
        other => StoreError::Io(format!("the commit failed: {other}")),
    }
}
