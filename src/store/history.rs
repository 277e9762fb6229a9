//! Numbers of periods, as charts show them.

use std::collections::BTreeMap;

use crate::model::gauge::{Mark, PoolGauge, QueueGauge};
use crate::model::rollup::{Range, RunCounts};
use crate::model::{PoolName, QueueName, UnixMicros};

/// Marks of a chart at most.
pub(super) const MOST_MARKS: u32 = 1000;

/// Which numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only this queue; then there is nothing of pools.
    pub queue: Option<QueueName>,
    /// Only this type; then there is nothing of queues and pools.
    pub kind: Option<String>,
    pub range: Range,
}

/// Points of a chart by the time when they begin; where nothing was counted there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub runs: BTreeMap<UnixMicros, RunCounts>,
    pub queues: BTreeMap<QueueName, BTreeMap<UnixMicros, QueueGauge>>,
    pub pools: BTreeMap<PoolName, BTreeMap<UnixMicros, PoolGauge>>,
    /// The newest 1,000 of the time, oldest first.
    pub marks: Vec<Mark>,
}
