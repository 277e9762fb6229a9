//! The merged layers, in types. Every value was checked by [`super::schema`] in the layer it came from.

use std::collections::BTreeMap;

use config::{Value, ValueKind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::document::Table;
use crate::model::limits::AsText;
use crate::model::processor::{Missed, Overlap};
use crate::model::{MOST_WORKERS, PoolKind, PoolLimits, ReadyWhen};

/// The keys that only a pool of the file has, and its hooks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawPool {
    /// `name`, or `name=weight` in all of them.
    pub(super) queues: Option<Vec<String>>,
    pub(super) command: Option<Vec<String>>,
    pub(super) kind: Option<PoolKind>,
    pub(super) cwd: Option<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) ready: Option<ReadyWhen>,
    pub(super) protocol_fd: Option<i32>,
    pub(super) needs: Vec<String>,
    pub(super) sidecars: Vec<String>,
    pub(super) on_dead: Vec<String>,
    pub(super) on_idle: Vec<String>,
}

/// The keys of a processor that are neither durations nor `description`.
#[derive(Debug, Deserialize)]
pub(super) struct RawProcessor {
    pub(super) enabled: bool,
    pub(super) overlap: Overlap,
    pub(super) missed: Missed,
    pub(super) missed_max: u32,
    pub(super) max_attempts: u32,
    pub(super) priority: i8,
    pub(super) run_at_start: bool,
    pub(super) cron: Option<Vec<String>>,
    pub(super) command: Option<Vec<String>>,
    pub(super) cwd: Option<String>,
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
}

/// Reads the keys of a pool or a processor.
pub(super) fn keys<T: DeserializeOwned>(table: &Table) -> Result<T, String> {
    Value::new(None, table.clone()).try_deserialize().map_err(|e| e.to_string())
}

/// Reads the limits of one pool. As many workers as there are CPUs are no more than there may be.
pub(super) fn limits(table: &Table) -> Result<PoolLimits, String> {
    let most: Option<u32> = value(table, "max_workers")?;
    let cpus = most.map_or_else(cpus, |most| cpus().min(most)).to_string();
    PoolLimits::read(|key| text(table, key).map(|text| if text == "cpus" { &*cpus } else { text }))
}

/// Reads one value that is not a list or a table.
pub(super) fn value<T: AsText>(table: &Table, key: &str) -> Result<T, String> {
    T::from_text(text(table, key)?)
}

/// Such a value as it was written: all of them are kept as texts.
pub(super) fn text<'t>(table: &'t Table, key: &str) -> Result<&'t str, String> {
    match table.get(key).map(|value| &value.kind) {
        Some(ValueKind::String(text)) => Ok(text),
        _ => Err(format!("there is no value for `{key}`")),
    }
}

/// The CPUs this process may use.
fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_WORKERS as usize) as u32)
}
