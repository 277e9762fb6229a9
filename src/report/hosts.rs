//! The hosts of a store, as a table.

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::UnixMicros;
use crate::model::host::{HostRecord, HostState};

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
        Column("up", Align::Right),
        Column("version", Align::Left),
    ];
    let row = |host: &HostRecord| {
        vec![
            words::one_line(&host.name, 64),
            match host.state {
                HostState::Running => "running",
                HostState::Silent => "silent",
                HostState::Lost => "lost",
            }
            .to_owned(),
            host.pid.to_string(),
            host.generation.0.to_string(),
            host.workers.to_string(),
            host.busy.to_string(),
            format!("{:.0}s ago", host.beat_age_s),
            words::seconds(now.since(host.started_at).as_secs_f64()),
            words::one_line(&host.version, 32),
        ]
    };
    let room = Room { width, without: &[], cut: &[("host", 12)], leave_out: &["version", "generation", "pid"] };
    render_within(room, &columns, hosts.iter().map(row).collect())
}
