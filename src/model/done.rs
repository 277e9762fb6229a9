//! Outcomes of requests of operators: said by the core, answered as JSON.

use serde::{Deserialize, Serialize};

use super::PoolName;

/// Pools have another number of workers, or are new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    pub pools: Vec<ScaledPool>,
}

/// A pool in [`Scaled`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaledPool {
    /// Its name.
    pub pool: PoolName,
    /// Workers wanted before.
    pub was: u32,
    pub wanted: u32,
    pub ready: u32,
}

/// Workers are new.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restarted {
    /// Workers that were replaced (or, if that was not waited for, will be).
    pub workers: Vec<String>,
    /// Jobs that were given back.
    pub released: u64,
}

/// Workers, or the master, have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stopped {
    pub workers: u64,
    /// Jobs that were given back because the grace was over.
    pub released: u64,
}
