//! The params of `scale`.

use serde::{Deserialize, Serialize};

use crate::model::ScaleTo;

/// Set the wanted number of workers of one pool, of the pools that serve a queue, or of the only pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scale {
    /// 0 to 10000, or a text such as `"+2"` or `"-1"`: so many more or fewer than now; `"auto"`: a pool that scales itself
    /// does so again.
    pub workers: ScaleTo,
    /// Pools that serve this queue.
    #[serde(default)]
    pub queue: Option<String>,
    #[serde(default)]
    pub pool: Option<String>,
    /// How long jobs may go on whose workers are too many, in seconds; absent: until they are done.
    #[serde(default)]
    pub grace_s: Option<f64>,
    /// For how long, in seconds, of a pool that scales itself otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_s: Option<f64>,
    /// Answer at once, not when it is so.
    #[serde(default)]
    pub no_wait: bool,
}
