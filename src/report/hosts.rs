//! The hosts of a store, as a table.

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::UnixMicros;
use crate::model::host::HostRecord;

/// A clock that differs by more is said to be off, in seconds.
const OFF: f64 = 1.0;

/// By how much the clock of a host is ahead of that of the store.
#[must_use]
pub fn clock(host: &HostRecord) -> String {
    match host.clock_ahead_s {
        Some(ahead) if ahead.abs() >= 0.05 => format!("{ahead:+.1}s"),
        Some(_) => "right".to_owned(),
        None => "-".to_owned(),
    }
}

/// Whether times that are given from there may surprise.
#[must_use]
pub fn is_clock_off(host: &HostRecord) -> bool {
    host.clock_ahead_s.is_some_and(|ahead| ahead.abs() > OFF)
}

/// A row for each host.
#[must_use]
pub fn table(hosts: &[HostRecord], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("host", Align::Left),
        Column("state", Align::Left),
        Column("pid", Align::Right),
        Column("generation", Align::Right),
        Column("workers", Align::Right),
        Column("jobs", Align::Right),
        Column("heard", Align::Right),
        Column("clock", Align::Right),
        Column("up", Align::Right),
        Column("version", Align::Left),
    ];
    let row = |host: &HostRecord| {
        vec![
            words::one_line(&host.name, 64),
            host.state.as_str().to_owned(),
            host.pid.to_string(),
            host.generation.0.to_string(),
            host.workers.to_string(),
            host.busy.to_string(),
            format!("{:.0}s ago", host.beat_age_s),
            clock(host),
            words::seconds(now.since(host.started_at).as_secs_f64()),
            words::one_line(&host.version, 32),
        ]
    };
    let room =
        Room { width, without: &[], cut: &[("host", 12)], leave_out: &["version", "clock", "pid", "generation"] };
    render_within(room, &columns, hosts.iter().map(row).collect())
}
