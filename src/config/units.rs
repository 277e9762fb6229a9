//! Durations and sizes as people write them.

use std::time::Duration;

use crate::model::MemoryLimit;

/// Reads `500ms`, `30s`, `1h 30m`, `2d`, `1w`; a bare number is refused (the unit is missing), so is a negative one.
pub fn duration(_text: &str) -> Result<Duration, String> {
    Err(String::new())
}

/// Reads `128M`, `1.5G`, `512KiB`, `1048576`; K, M and G are 1024-based, as in the tools that limit memory.
pub fn bytes(_text: &str) -> Result<u64, String> {
    Err(String::new())
}

/// Reads `+128M` (growth) or `256M` (absolute).
pub fn memory_limit(_text: &str) -> Result<MemoryLimit, String> {
    Err(String::new())
}

/// Writes a duration as [`duration`] reads it: `30s`, `1h 30m`, `500ms`.
#[must_use]
pub fn show_duration(_d: Duration) -> String {
    String::new()
}

/// Writes a size as [`bytes`] reads it, rounded to one decimal: `128M`, `1.5G`.
#[must_use]
pub fn show_bytes(_bytes: u64) -> String {
    String::new()
}
