//! Names and numbers that must not be confused with one another.
//!
//! Invariant: a `QueueName`, `PoolName` or `ProcessorName` that exists is valid; there is no other way to make one.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::characters::is_unprintable;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number!(
    /// A job, for ever: ids are given out in order and never used again. From 1.
    JobId, i64
);
number!(
    /// One attempt at one job. Given out at the claim; every change of a running job is guarded by it. From 1.
    RunId, i64
);
number!(
    /// One worker process (an incarnation of a slot), for ever. From 1.
    WorkerId, i64
);
number!(
    /// A place for a worker in a pool. From 1; the process in it changes, the slot stays.
    Slot, u32
);
number!(
    /// One start of a master on a store. From 1; each start is the next number.
    Generation, i64
);
number!(
    /// One bulk push, for ever. From 1.
    BulkId, i64
);
number!(
    /// Jobs that were pushed together, for ever. From 1.
    BatchId, i64
);
number!(
    /// One change of many jobs that goes on by itself, for ever. From 1.
    OperationId, i64
);
number!(
    /// One thing that a master was asked to do by somebody at another host. From 1.
    OrderId, i64
);
number!(
    /// One run of a processor, for ever. From 1.
    ProcessorRunId, i64
);

/// The longest name of a queue, pool or processor, in bytes.
pub const MAX_NAME_BYTES: usize = 100;

/// Why a text is not the name of a queue, pool or processor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was written.
    #[error("a {what} name must not be empty")]
    Empty {
        /// `queue`, `pool` or `processor`.
        what: &'static str,
    },
    /// Longer than [`MAX_NAME_BYTES`].
    #[error("a {what} name of {bytes} bytes is too long; the limit is {MAX_NAME_BYTES}")]
    TooLong {
        /// `queue`, `pool` or `processor`.
        what: &'static str,
        bytes: usize,
    },
    /// A character other than letters, digits, `.`, `_`, `-` and `:`.
    #[error("the {what} name {name:?} contains {bad:?}; use letters, digits, `.`, `_`, `-` and `:`")]
    BadCharacter {
        /// `queue`, `pool` or `processor`.
        what: &'static str,
        /// The name as given.
        name: String,
        /// The first character that is not allowed.
        bad: char,
    },
}

fn check(what: &'static str, name: &str) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty { what });
    }
    if name.len() > MAX_NAME_BYTES {
        return Err(NameError::TooLong { what, bytes: name.len() });
    }
    // Some letters of Hangul are empty.
    let allowed = |c: char| c.is_alphanumeric() && !is_unprintable(c) || matches!(c, '.' | '_' | '-' | ':');
    match name.chars().find(|&c| !allowed(c)) {
        Some(bad) => Err(NameError::BadCharacter { what, name: name.to_owned(), bad }),
        None if name.starts_with('-') || name.starts_with('.') => {
            Err(NameError::BadCharacter { what, name: name.to_owned(), bad: name.chars().next().unwrap_or('-') })
        }
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks the name: 1 to [`MAX_NAME_BYTES`] bytes of letters, digits, `.`, `_`, `-` and `:`,
            /// not beginning with `.` or `-`.
            pub fn new(name: &str) -> Result<Self, NameError> {
                check($what, name)?;
                Ok(Self(name.into()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;
            fn try_from(name: String) -> Result<Self, NameError> {
                Self::new(&name)
            }
        }

        impl std::str::FromStr for $name {
            type Err = NameError;
            fn from_str(name: &str) -> Result<Self, NameError> {
                Self::new(name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.as_ref().to_owned()
            }
        }
    };
}

name!(
    /// The name of a queue.
    QueueName, "queue"
);
name!(
    /// The name of a pool. A worker is called `<pool>-<slot>`.
    PoolName, "pool"
);
name!(
    /// The name of a processor.
    ProcessorName, "processor"
);

impl PoolName {
    /// Whether a pool of this name would be called as a worker of this one is, or this one as a worker of it.
    #[must_use]
    pub fn is_confusable(&self, name: &str) -> bool {
        let is_worker = |of: &str, name: &str| {
            let slot = name.strip_prefix(of).and_then(|rest| rest.strip_prefix('-'));
            slot.is_some_and(|slot| !slot.is_empty() && slot.bytes().all(|b| b.is_ascii_digit()))
        };
        is_worker(self.as_str(), name) || is_worker(name, self.as_str())
    }
}

impl Default for QueueName {
    fn default() -> Self {
        Self("default".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked_when_they_are_made() {
        for good in ["default", "a", "mail.high", "über-1", "a:b_c"] {
            assert!(QueueName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a\nb", "a b", "-x", ".", "..", "a\0b"] {
            assert!(QueueName::new(bad).is_err(), "{bad:?}");
        }
        assert!(QueueName::new(&"x".repeat(MAX_NAME_BYTES)).is_ok());
        assert!(QueueName::new(&"x".repeat(300)).is_err());
    }
}
