//! Pools that scale themselves, in words: as many workers, why, and what keeps them from being more.

use serde::{Deserialize, Serialize};

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::autoscale::{AutoscaleChange, AutoscaleRecord, Autoscaled, Basis, Cap, Measured, Why, percent};
use crate::model::{PoolName, UnixMicros};

/// A pool that scales itself; serialises to the documented JSON of `autoscale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AutoscaleStatus {
    pub pool: PoolName,
    /// Processes that are there.
    pub workers: u32,
    pub wanted: u32,
    pub min: u32,
    pub max: u32,
    pub because: String,
    /// `null`: nothing keeps it from having more.
    pub capped_by: Option<Cap>,
    /// When it goes down at the earliest, and to how many; `null`: it does not.
    pub down_in_s: Option<f64>,
    #[serde(default)]
    pub down_to: Option<u32>,
    pub inputs: Measured,
}

impl From<Autoscaled> for AutoscaleStatus {
    fn from(of: Autoscaled) -> Self {
        Self {
            pool: of.pool,
            workers: of.workers,
            wanted: of.wanted,
            min: of.min,
            max: of.max,
            because: because(&of.why.basis),
            capped_by: of.why.cap,
            down_in_s: of.down.map(|(_, within)| within.as_secs_f64()),
            down_to: of.down.map(|(to, _)| to),
            inputs: of.measured,
        }
    }
}

impl AutoscaleStatus {
    /// As one line: `app: 5 workers, because …; capped by nothing; down to 4 in 85s at the earliest`.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { pool, workers, wanted, because, .. } = self;
        let there = if workers == wanted { String::new() } else { format!(" ({workers} now)") };
        let wanted = words::count(u64::from(*wanted), "worker");
        let cap = self.capped_by.map_or_else(|| "nothing".to_owned(), |cap| capped(cap, self.max, &self.inputs));
        let down = self.down_to.zip(self.down_in_s);
        let down = down.map_or_else(String::new, |(to, within)| {
            format!("; down to {to} in {} at the earliest", words::seconds(within.ceil()))
        });
        format!("{pool}: {wanted}{there}, because {because}; capped by {cap}{down}")
    }
}

/// A change on record; serialises to the documented JSON of `autoscale --history`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LoggedChange {
    pub id: i64,
    pub at: UnixMicros,
    pub pool: PoolName,
    pub was: u32,
    pub wanted: u32,
    pub because: String,
    /// The same for programs.
    pub cause: Basis,
    pub capped_by: Option<Cap>,
    pub inputs: Measured,
}

impl From<AutoscaleRecord> for LoggedChange {
    fn from(AutoscaleRecord { id, change }: AutoscaleRecord) -> Self {
        let AutoscaleChange { at, pool, was, wanted, why: Why { basis, cap }, measured } = change;
        let because = because(&basis);
        Self { id, at, pool, was, wanted, because, cause: basis, capped_by: cap, inputs: measured }
    }
}

impl From<LoggedChange> for AutoscaleRecord {
    fn from(logged: LoggedChange) -> Self {
        let LoggedChange { id, at, pool, was, wanted, because: _, cause, capped_by, inputs } = logged;
        let why = Why { basis: cause, cap: capped_by };
        Self { id, change: AutoscaleChange { at, pool, was, wanted, why, measured: inputs } }
    }
}

/// Changes as a table.
#[must_use]
pub fn changes(all: &[LoggedChange], now: UnixMicros, width: Option<usize>) -> String {
    let columns = [
        Column("change", Align::Right),
        Column("at", Align::Left),
        Column("pool", Align::Left),
        Column("workers", Align::Left),
        Column("because", Align::Left),
        Column("ready", Align::Right),
        Column("oldest", Align::Right),
        Column("busy", Align::Right),
        Column("CPUs", Align::Right),
    ];
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |of: &LoggedChange| {
        vec![
            of.id.to_string(),
            words::ago(now, of.at),
            of.pool.to_string(),
            format!("{} → {}", of.was, of.wanted),
            of.because.clone() + &capped_too(of.capped_by, of.wanted, &of.inputs),
            of.inputs.ready.to_string(),
            or_none(of.inputs.oldest_ready_s.map(words::seconds)),
            of.inputs.busy.to_string(),
            or_none(of.inputs.cpu.map(percent)),
        ]
    };
    let room = Room {
        width,
        cut: &[("because", 24), ("pool", 8)],
        leave_out: &["CPUs", "busy", "oldest", "ready"],
        ..Room::default()
    };
    render_within(room, &columns, all.iter().map(row).collect())
}

/// What scaling would have made of the runs on record; serialises to the documented JSON of `autoscale --replay`.
#[derive(Clone, Debug, Serialize)]
pub struct Replayed {
    pub pool: String,
    pub since: UnixMicros,
    pub runs: u64,
    pub min: u32,
    pub max: u32,
    pub target_wait_s: f64,
    pub then: Figures,
    pub replayed: Figures,
}

/// How a time went.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    pub wait_p50_s: f64,
    pub wait_p95_s: f64,
    pub wait_p99_s: f64,
    pub worker_hours: f64,
    /// `null`: not known of what was.
    pub changes: Option<u64>,
    pub most_workers: u32,
}

impl Replayed {
    /// As a table below a line.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { pool, runs, min, max, target_wait_s, since, .. } = self;
        let (runs, since, wait) = (words::count(*runs, "run"), words::time(*since), words::seconds(*target_wait_s));
        let columns = [
            Column("", Align::Left),
            Column("wait p50", Align::Right),
            Column("p95", Align::Right),
            Column("p99", Align::Right),
            Column("worker-hours", Align::Right),
            Column("changes", Align::Right),
            Column("most workers", Align::Right),
        ];
        let row = |name: &str, of: &Figures| {
            let waits = [of.wait_p50_s, of.wait_p95_s, of.wait_p99_s].map(words::seconds);
            let changes = of.changes.map_or_else(|| "-".to_owned(), |changes| changes.to_string());
            let rest = [format!("{:.2}", of.worker_hours), changes, of.most_workers.to_string()];
            [name.to_owned()].into_iter().chain(waits).chain(rest).collect::<Vec<_>>()
        };
        let rows = vec![row("then", &self.then), row("replayed", &self.replayed)];
        let table = render_within(Room::default(), &columns, rows);
        format!("{pool}: {runs} since {since}, replayed with {min} to {max} workers and a wait of {wait}\n{table}")
    }
}

/// A change, as one line: `pool `app` goes from 1 to 5 workers: …`.
#[must_use]
pub fn change(change: &AutoscaleChange) -> String {
    let AutoscaleChange { pool, was, wanted, why, measured, .. } = change;
    let workers = words::count(u64::from(*wanted), "worker");
    format!("pool `{pool}` goes from {was} to {workers}: {}", reason(why, *wanted, measured))
}

/// Why, and what keeps it from being more.
#[must_use]
pub fn reason(why: &Why, wanted: u32, measured: &Measured) -> String {
    because(&why.basis) + &capped_too(why.cap, wanted, measured)
}

fn capped_too(cap: Option<Cap>, wanted: u32, measured: &Measured) -> String {
    cap.map(|cap| format!("; capped by {}", capped(cap, wanted, measured))).unwrap_or_default()
}

fn because(basis: &Basis) -> String {
    match *basis {
        Basis::Load { arrivals_per_s, service_s, steady, ready, drain } => {
            let comes = (arrivals_per_s > 0.0).then(|| {
                let rate = words::rate(arrivals_per_s);
                format!("{rate}/s × {} / 0.8 = {}", time(service_s), words::rate(steady))
            });
            match (comes, ready) {
                (None, 0) => "nothing comes and nothing waits".to_owned(),
                (Some(comes), 0) => comes,
                (None, ready) => format!("{ready} waiting need {}", words::rate(drain)),
                (Some(comes), ready) => format!("{comes} and {ready} waiting need {} more", words::rate(drain)),
            }
        }
        Basis::Cpu { busy, target } => {
            format!("the CPUs are {} busy and are to be {}", percent(busy), percent(target))
        }
        Basis::Held { needed } => format!("{needed} were needed a while ago"),
        Basis::Busy => "those that are too many are busy".to_owned(),
        Basis::Min => "this is the least number".to_owned(),
        Basis::Schedule => "this is the least number of the schedule".to_owned(),
        Basis::Pinned => "an operator has said so".to_owned(),
        Basis::Unpinned => "an operator holds it no longer".to_owned(),
        Basis::Stopped => "an operator has stopped the pool".to_owned(),
        Basis::StoppedWorker => "an operator has stopped a worker".to_owned(),
        Basis::TooManyForCpus => "the CPUs are busy, and there are more than two workers for each".to_owned(),
        Basis::MemoryIsShort => "processes wait for memory".to_owned(),
    }
}

/// `1.1 s`, `40 ms`
fn time(seconds: f64) -> String {
    if seconds < 0.1 { format!("{:.1} ms", seconds * 1e3) } else { format!("{seconds:.1} s") }
}

fn capped(cap: Cap, most: u32, measured: &Measured) -> String {
    match cap {
        Cap::Max => format!("`max` ({most})"),
        Cap::Schedule => format!("the schedule ({most})"),
        Cap::MaxProcesses => "`max_processes`".to_owned(),
        Cap::Cpu => format!("the CPUs ({} busy)", measured.cpu.map_or_else(|| "?".to_owned(), percent)),
        Cap::Memory => "`memory_budget`".to_owned(),
        Cap::MemoryPressure => "memory, for which processes wait".to_owned(),
        Cap::Processes => "the limit of processes".to_owned(),
        Cap::Spawn => "workers that cannot be started".to_owned(),
        Cap::StepUp => "`step_up`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_number_of_workers_says_why_it_is_so_and_what_keeps_it_from_being_more() {
        let load = |arrivals_per_s, ready, drain| Basis::Load {
            arrivals_per_s,
            service_s: 1.1,
            steady: arrivals_per_s * 1.1 / 0.8,
            ready,
            drain,
        };
        let of = |basis, cap| Autoscaled {
            pool: PoolName::new("app").unwrap(),
            workers: 5,
            wanted: 5,
            min: 1,
            max: 8,
            why: Why { basis, cap },
            down: Some((4, Duration::from_secs(85))),
            measured: Measured { cpu: Some(0.934), ..Measured::default() },
        };
        let line = |of: Autoscaled| AutoscaleStatus::from(of).line();
        assert_eq!(
            line(of(load(3.1, 4, 0.9), None)),
            "app: 5 workers, because 3.1/s × 1.1 s / 0.8 = 4.3 and 4 waiting need 0.9 more; capped by nothing; \
             down to 4 in 1m 25s at the earliest"
        );
        let capped = Autoscaled { workers: 3, down: None, ..of(load(0.0, 40, 8.8), Some(Cap::Cpu)) };
        assert_eq!(
            line(capped),
            "app: 5 workers (3 now), because 40 waiting need 8.8; capped by the CPUs (93.4% busy)"
        );
        let other = Autoscaled { down: None, ..of(Basis::Min, None) };
        assert_eq!(line(other), "app: 5 workers, because this is the least number; capped by nothing");
    }

    #[test]
    fn a_change_is_the_same_to_a_program_that_reads_it() {
        let basis = Basis::Cpu { busy: 0.5, target: 0.75 };
        let why = Why { basis, cap: Some(Cap::Memory) };
        let (pool, measured) = (PoolName::new("app").unwrap(), Measured { ready: 7, ..Measured::default() });
        let change = AutoscaleChange { at: UnixMicros(5), pool, was: 1, wanted: 3, why, measured };
        let record = AutoscaleRecord { id: 9, change };
        let text = serde_json::to_string(&LoggedChange::from(record.clone())).unwrap();
        assert!(text.contains(r#""because":"the CPUs are 50% busy and are to be 75%""#), "{text}");
        assert_eq!(AutoscaleRecord::from(serde_json::from_str::<LoggedChange>(&text).unwrap()), record);
    }
}
