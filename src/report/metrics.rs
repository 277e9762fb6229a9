//! The metrics of a master and of its store: names, labels and numbers.
//!
//! The master hands over what it has counted, and no more: the families are made where nobody waits for it. Invariants: a
//! counter never falls while a master runs; a label with a fixed set of values has all of them; no two numbers of a family
//! have the same labels; of queues, and of types in queues, there are at most [`MOST_TYPES`] and `other`.
//!
//! [`MOST_TYPES`]: crate::model::rollup::MOST_TYPES

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::exposition::{Family, Kind};
use super::{ProcessorStatus, TracesStatus, limit_metrics};
use crate::model::gauge::PoolCounts;
use crate::model::processor::{EndedRuns, ProcessorRunState, ProcessorSettings};
use crate::model::rollup::Tally;
use crate::model::sketch::Durations;
use crate::model::worker::EndReason;
use crate::model::{
    Generation, Outcome, PoolName, ProcessorName, QueueName, QueueTotals, StoreUrl, UnixMicros, WorkerState,
};
use crate::store::{self, ProcessorRunFilter, Records, StoreError};

/// Powers of two that bound runs and waits, in microseconds: 1 ms to 1.2 h.
const LONG: RangeInclusive<u16> = 10..=32;
/// The same of turns, commits and syncs: 16 µs to 17 s.
const SHORT: RangeInclusive<u16> = 4..=24;

/// Numbers of a running master.
#[derive(Clone, Debug)]
pub struct Collected {
    pub now: UnixMicros,
    pub started_at: UnixMicros,
    pub generation: Generation,
    /// Problems that last, but those of a collector of spans, which no job needs.
    pub problems: usize,
    pub events_dropped: u64,
    pub turn: Durations,
    pub commit: Durations,
    pub sync: Durations,
    pub queues: BTreeMap<QueueName, QueueTotals>,
    /// Jobs that were not added for want of room.
    pub refused: BTreeMap<QueueName, u64>,
    /// Runs that have ended.
    pub tally: Tally,
    pub pools: BTreeMap<PoolName, CollectedPool>,
    /// The memory of each worker, by its pool and name, where that is wanted.
    pub workers: Option<BTreeMap<(PoolName, Arc<str>), u64>>,
    pub traces: Option<TracesStatus>,
    pub store: OfStore,
}

/// Numbers of a pool.
#[derive(Clone, Debug, Default)]
pub struct CollectedPool {
    pub wanted: u32,
    pub counts: PoolCounts,
    /// Workers by [`WorkerState`], in the order of all of them.
    pub states: [u64; WorkerState::ALL.len()],
    pub memory_bytes: u64,
}

/// The store, and what the master knows of its processors.
#[derive(Clone, Debug)]
pub struct OfStore {
    pub url: StoreUrl,
    /// Queues of which keys have numbers.
    pub with_keys: Vec<QueueName>,
    /// Processors of the configuration.
    pub processors: Vec<Arc<ProcessorSettings>>,
    /// Runs of processors that have ended since the master started; `None` without a master.
    pub ended_runs: Option<BTreeMap<ProcessorName, EndedRuns>>,
}

pub(super) const fn counter(name: &'static str, help: &'static str) -> Family {
    Family::new(Kind::Counter, name, help)
}

pub(super) const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family::new(Kind::Gauge, name, help)
}

const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family::new(Kind::Histogram, name, help)
}

fn seconds(at: UnixMicros) -> f64 {
    at.0 as f64 / 1e6
}

/// Whether a master answers, and what this program is.
#[must_use]
pub fn about(is_up: bool) -> Vec<Family> {
    let mut info = Family::new(Kind::Info, "queue_work_build_info", "The version of the program; always 1.");
    info.add(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    vec![gauge("queue_work_up", "Whether a master runs and answers.").with(f64::from(is_up)), info]
}

impl Collected {
    /// All of it, but what is read from the store.
    #[must_use]
    pub fn families(&self) -> Vec<Family> {
        let mut all = about(true);
        all.extend(self.of_master());
        all.extend(of_queues(&self.queues, self.now));
        all.extend(limit_metrics::of_queues(&self.queues, Some(&self.refused)));
        all.extend(of_runs(&self.tally));
        all.extend(of_pools(&self.pools));
        if let Some(workers) = &self.workers {
            let mut memory =
                gauge("queue_work_worker_memory_bytes", "Memory of the worker and its descendants, as measured last.");
            for ((pool, worker), bytes) in workers {
                memory.add(&[("pool", pool.as_str()), ("worker", worker)], *bytes as f64);
            }
            all.push(memory);
        }
        if let Some(TracesStatus { exported, dropped }) = self.traces {
            let spans = |name, help, count: u64| counter(name, help).with(count as f64);
            all.push(spans("queue_work_spans_exported_total", "Spans that the collector has taken.", exported));
            all.push(spans(
                "queue_work_spans_dropped_total",
                "Spans that it has not taken, or that had no room.",
                dropped,
            ));
        }
        all
    }

    fn of_master(&self) -> Vec<Family> {
        let times = |name, help, times: &Durations| {
            let mut family = histogram(name, help);
            family.add_times(&[], &times.sketch, times.sum_us, SHORT);
            family
        };
        vec![
            gauge("queue_work_start_time_seconds", "When the master started, as Unix time.")
                .with(seconds(self.started_at)),
            gauge("queue_work_generation", "The number of this start of a master on the store.")
                .with(self.generation.0 as f64),
            gauge("queue_work_problems", "Problems that last, but those of the collector of spans.")
                .with(self.problems as f64),
            counter(
                "queue_work_events_dropped_total",
                "Events and lines that a terminal or follower was too slow for.",
            )
            .with(self.events_dropped as f64),
            times("queue_work_turn_duration_seconds", "Work of the master in one turn of its loop.", &self.turn),
            times("queue_work_store_commit_duration_seconds", "Transactions of the store.", &self.commit),
            times("queue_work_store_sync_duration_seconds", "Syncs of the store to its disk.", &self.sync),
        ]
    }
}

/// The process of the master, as far as the kernel tells of it.
#[must_use]
pub fn of_process(memory_bytes: Option<u64>, cpu: Option<Duration>, open_files: Option<usize>) -> Vec<Family> {
    let memory = gauge("queue_work_master_memory_bytes", "Memory of the master, without its workers.");
    let spent = counter("queue_work_master_cpu_seconds_total", "CPU time of the master, user and system.");
    let files = gauge("queue_work_master_open_fds", "File descriptors that the master has open.");
    let all = [
        memory_bytes.map(|bytes| memory.with(bytes as f64)),
        cpu.map(|cpu| spent.with(cpu.as_secs_f64())),
        open_files.map(|open| files.with(open as f64)),
    ];
    all.into_iter().flatten().collect()
}

/// Jobs, and for how long they wait.
#[must_use]
pub fn of_queues(queues: &BTreeMap<QueueName, QueueTotals>, now: UnixMicros) -> Vec<Family> {
    let mut jobs = gauge("queue_work_jobs", "Jobs in a state.");
    let mut latency =
        gauge("queue_work_queue_latency_seconds", "How long the first ready job has waited; 0 if none is ready.");
    let mut paused = gauge("queue_work_queue_paused", "Whether the queue is paused.");
    let mut pushed = counter("queue_work_jobs_pushed_total", "Jobs that were pushed since the queue is on record.");
    for (name, totals) in queues {
        let name = ("queue", name.as_str());
        for (state, count) in [
            ("ready", totals.ready),
            ("scheduled", totals.scheduled),
            ("blocked", totals.blocked),
            ("running", totals.running),
            ("dead", totals.dead),
        ] {
            jobs.add(&[name, ("state", state)], count as f64);
        }
        latency.add(&[name], totals.oldest_ready_at.map_or(0.0, |at| now.since(at).as_secs_f64()));
        paused.add(&[name], f64::from(totals.paused));
        pushed.add(&[name], totals.pushed_total as f64);
    }
    vec![jobs, latency, paused, pushed]
}

fn of_runs(tally: &Tally) -> Vec<Family> {
    let mut finished = counter("queue_work_jobs_finished_total", "Jobs that ended with a run, by their state.");
    let mut runs = counter("queue_work_runs_total", "Runs that have ended, by outcome.");
    let mut took = histogram("queue_work_run_duration_seconds", "How long runs took.");
    let mut waited = histogram("queue_work_wait_duration_seconds", "Time from when a job was due until its run began.");
    for ((queue, kind), counts) in tally.sums() {
        let labels = [("queue", queue), ("type", kind)];
        match (queue, kind) {
            ("", _) => {}
            (_, "") => waited.add_times(&labels[..1], &counts.wait, counts.wait_us, LONG),
            _ => {
                for (state, count) in [
                    ("succeeded", counts.of(Outcome::Succeeded)),
                    ("dead", counts.died),
                    ("cancelled", counts.of(Outcome::Cancelled)),
                ] {
                    finished.add(&[labels[0], labels[1], ("state", state)], count as f64);
                }
                for outcome in Outcome::ALL {
                    let count = counts.of(outcome) as f64;
                    runs.add(&[labels[0], labels[1], ("outcome", outcome.as_str())], count);
                }
                took.add_times(&labels, &counts.run, counts.run_us, LONG);
            }
        }
    }
    vec![finished, runs, took, waited]
}

fn of_pools(pools: &BTreeMap<PoolName, CollectedPool>) -> Vec<Family> {
    let mut workers = gauge("queue_work_workers", "Workers in a state; in backoff, places for them.");
    let mut wanted = gauge("queue_work_workers_wanted", "Workers that the pool is to have.");
    let mut up = gauge("queue_work_pool_up", "Whether a worker of the pool is ready, or none is wanted.");
    let mut starts = counter("queue_work_worker_starts_total", "Workers that were started.");
    let mut exits = counter("queue_work_worker_exits_total", "Workers that have ended, by reason.");
    let mut busy = counter("queue_work_pool_busy_seconds_total", "Time that jobs took of workers.");
    let mut cpu =
        counter("queue_work_pool_cpu_seconds_total", "CPU time of workers and their descendants, as measured.");
    let mut memory =
        gauge("queue_work_pool_memory_bytes", "Memory of workers and their descendants, as measured last.");
    for (name, pool) in pools {
        let name = ("pool", name.as_str());
        for state in WorkerState::ALL {
            workers.add(&[name, ("state", state.as_str())], pool.states[state as usize] as f64);
        }
        wanted.add(&[name], f64::from(pool.wanted));
        let ready =
            [WorkerState::Idle, WorkerState::Busy, WorkerState::Running].map(|state| pool.states[state as usize]);
        up.add(&[name], f64::from(pool.wanted == 0 || ready.iter().any(|count| *count > 0)));
        starts.add(&[name], pool.counts.started as f64);
        for why in EndReason::ALL {
            exits.add(&[name, ("reason", why.as_str())], pool.counts.ended[why as usize] as f64);
        }
        busy.add(&[name], pool.counts.busy_us as f64 / 1e6);
        cpu.add(&[name], pool.counts.cpu_us as f64 / 1e6);
        memory.add(&[name], pool.memory_bytes as f64);
    }
    vec![workers, wanted, up, starts, exits, busy, cpu, memory]
}

/// Processors, and files; what cannot be read is left out, with the reason.
pub fn of_store(records: &mut dyn Records, of: &OfStore, now: UnixMicros) -> (Vec<Family>, Option<StoreError>) {
    let size = store::open(&of.url).size();
    let mut all = vec![
        gauge("queue_work_store_size_bytes", "Size of the database.").with(size.bytes as f64),
        gauge("queue_work_store_wal_bytes", "Size of the write-ahead log of the database.").with(size.log_bytes as f64),
    ];
    match limit_metrics::of_keys(records, &of.with_keys) {
        Ok(keys) => all.extend(keys),
        Err(error) => return (all, Some(error)),
    }
    let on_record = match records.processors() {
        Ok(on_record) => on_record,
        Err(error) => return (all, Some(error)),
    };
    let processors = ProcessorStatus::all(&of.processors, on_record, now);
    all.extend(of_processors(&processors, of.ended_runs.as_ref(), |name| last_success(records, name), now));
    (all, None)
}

fn of_processors(
    processors: &[ProcessorStatus],
    ended_runs: Option<&BTreeMap<ProcessorName, EndedRuns>>,
    mut last_success: impl FnMut(&ProcessorStatus) -> Option<UnixMicros>,
    now: UnixMicros,
) -> Vec<Family> {
    let mut enabled = gauge("queue_work_processor_enabled", "Whether the processor is enabled.");
    let mut next = gauge("queue_work_processor_next_run_timestamp_seconds", "When it is due next, as Unix time.");
    let mut succeeded = gauge(
        "queue_work_processor_last_success_timestamp_seconds",
        "When its last run that succeeded ended, as Unix time.",
    );
    let mut runs = counter("queue_work_processor_runs_total", "Runs of processors that have ended, by outcome.");
    for processor in processors {
        let name = ("processor", processor.name.as_str());
        enabled.add(&[name], f64::from(processor.enabled));
        // While a run is open the next one may be due and wait for it, which is not late.
        if let Some(at) = processor.next_at.filter(|at| *at > now || processor.open_run().is_none()) {
            next.add(&[name], seconds(at));
        }
        if let Some(at) = last_success(processor) {
            succeeded.add(&[name], seconds(at));
        }
        if let Some(ended) = ended_runs.and_then(|of| of.get(&processor.name)) {
            for state in ProcessorRunState::ALL.into_iter().filter(|state| !state.is_open()) {
                runs.add(&[name, ("outcome", state.as_str())], ended[state as usize] as f64);
            }
        }
    }
    let runs = ended_runs.is_some().then_some(runs);
    [enabled, next, succeeded].into_iter().chain(runs).collect()
}

fn last_success(records: &mut dyn Records, processor: &ProcessorStatus) -> Option<UnixMicros> {
    let newest = processor.last_run.as_ref()?;
    if newest.state == ProcessorRunState::Succeeded {
        return newest.ended_at;
    }
    let (processor, state) = (Some(processor.name.clone()), Some(ProcessorRunState::Succeeded));
    let filter = ProcessorRunFilter { processor, state, limit: Some(1), ..ProcessorRunFilter::default() };
    records.processor_runs(&filter).ok()?.first()?.ended_at
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::exposition::{Format, text};
    use super::*;

    #[test]
    fn a_processor_whose_next_run_waits_for_one_that_goes_on_is_not_overdue() {
        let processor = |state: &str| -> ProcessorStatus {
            let ended_at = (state == "failed").then_some("2026-11-29T10:00:05Z");
            let run = json!({"id": 1, "processor": "p", "tick": null, "source": "schedule", "state": state, "job_id": 1,
                "started_at": "2026-11-29T10:00:00Z", "ended_at": ended_at, "duration_s": null, "note": null});
            let of = json!({"name": "p", "description": "", "schedule": "every 10s", "timezone": null, "enabled": true,
                "configured_enabled": true, "changed_at": null, "changed_by": null, "reason": null, "last_run": run,
                "next_at": "2026-11-29T10:00:10Z", "skipped": 0, "last_skip": null});
            serde_json::from_value(of).unwrap()
        };
        let next = "queue_work_processor_next_run_timestamp_seconds{processor=\"p\"} 1795946410\n";
        let has_next = |state, now: i64| {
            let now = UnixMicros(1_795_946_400_000_000 + now * 1_000_000);
            text(&of_processors(&[processor(state)], None, |_| None, now), Format::Prometheus).contains(next)
        };
        for (state, now, expected) in
            [("running", 5, true), ("running", 60, false), ("failed", 5, true), ("failed", 60, true)]
        {
            assert_eq!(has_next(state, now), expected, "{state} {now}");
        }
    }
}
