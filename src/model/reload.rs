//! Differences between what a master runs and its file as it is now.

use serde::{Deserialize, Serialize};

/// One difference. Without a key: what has this name is new (`now`) or gone (`was`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    pub kind: FilePart,
    /// Of a pool or processor; `null`: an option of the master.
    pub name: Option<String>,
    /// `workers`, `keep.runs`.
    pub key: Option<String>,
    /// With its unit; `null`: it was not said.
    pub was: Option<String>,
    pub now: Option<String>,
    pub how: Takeover,
}

/// A part of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilePart {
    Pools,
    Processors,
    Options,
}

impl FilePart {
    /// The word used in JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pools => "pools",
            Self::Processors => "processors",
            Self::Options => "options",
        }
    }
}

/// How a change comes into force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Takeover {
    Now,
    /// With new workers, one after the other.
    Rolling,
    /// With the next master.
    RestartMaster,
}
