//! The limits of a pool, worded for `status`, for the start message and for `config show`.

use std::collections::BTreeMap;

use super::{PoolConfig, PoolKind, Prefetch, units};

/// Keys about jobs, without meaning for an opaque pool, which gets no jobs from us.
pub(super) const OF_JOBS: [&str; 7] =
    ["backoff", "max_attempts", "max_crashes", "max_jobs", "prefetch", "ready_timeout", "timeout"];

/// The limits in force, each with its unit: `memory` = `+128M`, `max_time` = `1h ± 10 %`. One that is off, or
/// has no meaning for this kind of pool, is not listed.
#[must_use]
pub fn limits_in_force(pool: &PoolConfig) -> BTreeMap<String, String> {
    let means_something = |key: &str| pool.kind != PoolKind::Opaque || !OF_JOBS.contains(&key);
    let all = limits_of(pool).into_iter().filter(|(key, _)| means_something(key));
    all.filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// Every limit in the order of the file; `None`: off.
pub(super) fn limits_of(pool: &PoolConfig) -> [(&'static str, Option<String>); 12] {
    let span = |d| Some(units::show_duration(d));
    let prefetch = match pool.prefetch {
        Prefetch::Auto => "auto".to_owned(),
        Prefetch::Fixed(jobs) => jobs.to_string(),
    };
    [
        ("timeout", span(pool.timeout)),
        ("max_attempts", Some(pool.max_attempts.to_string())),
        ("max_crashes", Some(pool.max_crashes.to_string())),
        ("backoff", span(pool.backoff)),
        ("memory", pool.memory.map(units::show_memory_limit)),
        ("memory_max", pool.memory_max.map(units::show_bytes)),
        ("max_jobs", pool.max_jobs.map(|jobs| format!("{jobs} ± 10 %"))),
        ("max_time", pool.max_time.map(|d| format!("{} ± 10 %", units::show_duration(d)))),
        ("grace", span(pool.grace)),
        ("kill_after", span(pool.kill_after)),
        ("ready_timeout", span(pool.ready_timeout)),
        ("prefetch", Some(prefetch)),
    ]
}
