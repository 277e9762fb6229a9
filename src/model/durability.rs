//! When a push counts as safe.

use serde::{Deserialize, Serialize};

/// When the answer to a push is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Durability {
    /// After it is synced to disk: survives a power cut.
    Full,
    /// After it is committed: survives the death of the process, not of the machine.
    Process,
}

impl Durability {
    /// The word used in configuration and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Process => "process",
        }
    }
}
