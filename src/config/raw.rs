//! The merged layers, in types. Every value was checked by [`super::schema`] in the layer it came from.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use config::{Map, Value};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};

use super::schema::MOST_WORKERS;
use super::{Prefetch, units};
use crate::model::MemoryLimit;

/// The keys outside of any table, apart from the paths.
#[derive(Debug, Deserialize)]
pub(super) struct RawTop {
    pub(super) durability: String,
    pub(super) network_fs: String,
    pub(super) shared_folder: String,
    #[serde(deserialize_with = "size")]
    pub(super) log_file_size: u64,
    pub(super) log_files: u32,
}

/// `[keep]`
#[derive(Debug, Deserialize)]
pub(super) struct RawKeep {
    #[serde(deserialize_with = "span")]
    pub(super) succeeded: Duration,
    #[serde(deserialize_with = "span")]
    pub(super) dead: Duration,
    #[serde(deserialize_with = "span")]
    pub(super) runs: Duration,
}

/// `[defaults]`, or the same keys of a pool with the defaults beneath.
#[derive(Debug, Deserialize)]
pub(super) struct RawLimits {
    #[serde(deserialize_with = "workers")]
    pub(super) workers: u32,
    #[serde(deserialize_with = "span")]
    pub(super) timeout: Duration,
    pub(super) max_attempts: u32,
    pub(super) max_crashes: u32,
    #[serde(deserialize_with = "span")]
    pub(super) backoff: Duration,
    #[serde(deserialize_with = "off_or_memory")]
    pub(super) memory: Option<MemoryLimit>,
    #[serde(deserialize_with = "off_or_size")]
    pub(super) memory_max: Option<u64>,
    #[serde(deserialize_with = "off_or_count")]
    pub(super) max_jobs: Option<u64>,
    #[serde(deserialize_with = "off_or_span")]
    pub(super) max_time: Option<Duration>,
    #[serde(deserialize_with = "span")]
    pub(super) grace: Duration,
    #[serde(deserialize_with = "span")]
    pub(super) kill_after: Duration,
    #[serde(deserialize_with = "span")]
    pub(super) ready_timeout: Duration,
    #[serde(deserialize_with = "prefetch")]
    pub(super) prefetch: Prefetch,
}

/// The keys that only a pool of the file has.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct RawPool {
    /// `name`, or `name=weight` in all of them.
    pub(super) queues: Option<Vec<String>>,
    pub(super) command: Option<Vec<String>>,
    pub(super) kind: Option<String>,
    pub(super) cwd: Option<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) ready: Option<String>,
    pub(super) protocol_fd: Option<i32>,
}

/// Reads the merged values of one table.
pub(super) fn read<T: DeserializeOwned>(table: &Map<String, Value>) -> Result<T, String> {
    Value::new(None, table.clone()).try_deserialize().map_err(|e| e.to_string())
}

fn text<'de, D: Deserializer<'de>, T, E: Display>(d: D, read: impl Fn(&str) -> Result<T, E>) -> Result<T, D::Error> {
    read(&String::deserialize(d)?).map_err(D::Error::custom)
}

fn off_or<'de, D, T, E>(d: D, read: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    E: Display,
{
    text(d, |value| if value == "off" { Ok(None) } else { read(value).map(Some) })
}

fn span<'de, D: Deserializer<'de>>(d: D) -> Result<Duration, D::Error> {
    text(d, units::duration)
}

fn size<'de, D: Deserializer<'de>>(d: D) -> Result<u64, D::Error> {
    text(d, units::bytes)
}

fn off_or_span<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Duration>, D::Error> {
    off_or(d, units::duration)
}

fn off_or_size<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    off_or(d, units::bytes)
}

fn off_or_memory<'de, D: Deserializer<'de>>(d: D) -> Result<Option<MemoryLimit>, D::Error> {
    off_or(d, units::memory_limit)
}

fn off_or_count<'de, D: Deserializer<'de>>(d: D) -> Result<Option<u64>, D::Error> {
    off_or(d, str::parse::<u64>)
}

fn workers<'de, D: Deserializer<'de>>(d: D) -> Result<u32, D::Error> {
    text(d, |value| if value == "cpus" { Ok(cpus()) } else { value.parse::<u32>() })
}

fn prefetch<'de, D: Deserializer<'de>>(d: D) -> Result<Prefetch, D::Error> {
    text(d, |value| if value == "auto" { Ok(Prefetch::Auto) } else { value.parse().map(Prefetch::Fixed) })
}

/// The CPUs this process may use.
fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |n| n.get().min(MOST_WORKERS as usize) as u32)
}
