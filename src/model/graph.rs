//! Which jobs come after which, as it is shown.

use serde::{Deserialize, Serialize};

use super::{JobId, JobRecord};

/// The most jobs of a graph, and how many are shown where nothing else is asked for.
pub const MOST_JOBS: u32 = 1_000;

/// A job that comes after another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub job: JobId,
    pub after: JobId,
    /// The ref under which the other was named.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it waits for the other still.
    #[serde(rename = "open")]
    pub is_open: bool,
}

/// Which links of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To those that it comes after, the open ones first.
    Parents,
    /// To those that come after it.
    Children,
}

/// The jobs that hang together with one; serialises to the JSON of `jobs graph`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Graph {
    /// By id. One that was deleted is in links only.
    pub jobs: Vec<JobRecord>,
    /// By the ids of both jobs.
    pub links: Vec<Link>,
    /// Whether there is more of it than was asked for.
    pub more: bool,
}
