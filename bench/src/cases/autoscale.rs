//! Pools that scale themselves: four loads on paper beside the rules of others, what a decision costs, what a replay
//! takes, and how fast a pool without workers begins a job.
//!
//! Loads and rules are those by which the tests hold the decision to its figures; each repetition has a seed of its own.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use queue_work::testing::config::{autoscale_within, default_limits};
use queue_work::testing::core::autoscale::loads::{HOUR, Load, MOST, Peer, START};
use queue_work::testing::core::autoscale::simulate::{Ours, Simulated, simulate};
use queue_work::testing::core::{Action, Core, Event};
use queue_work::testing::model::{
    Hooks, Mono, Now, PoolKind, PoolName, PoolSettings, Pushed, QueueName, QueueOrder, QueueTotals, ReadyWhen,
    RunRecord, Supervision, Takes, UnixMicros, WorkerId,
};
use serde::de::IgnoredAny;
use serde_json::json;

use super::Case;
use super::history::asked;
use crate::Outcome;
use crate::clock::{now_ns, pause, seconds_since};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::fill;
use crate::ours::Master;
use crate::roles;
use crate::setting::Setting;

const PEERS: [&str; 4] = ["Horizon, auto", "KEDA, length / 5", "Kubernetes HPA, CPU 0.7", "40 workers"];
const ALONE: &str = "the program alone";
/// Pools of the core whose decisions are timed, and workers of each.
const POOLS: u32 = 100;
const WORKERS: u32 = 8;

/// Figures of the design, and 10 % more; of the last, the changes of direction depend on where its few long jobs fall, so
/// that there it is a quarter more, as in the tests of the core.
pub(crate) static AUTOSCALE: Case = Case {
    name: "autoscale",
    about: "four loads of an hour on paper, 1 to 40 workers, beside the rules of others; what a decision costs",
    rows: &[
        row("step-wait", "0.5 → 8 jobs/s, wait p95", Unit::Seconds, 0.3),
        row("step-cost", "… worker-seconds", Unit::Count, 1.1 * 28_500.0),
        row("step-turns", "… changes of direction", Unit::Count, 1.1 * 24.0),
        row("bursts-wait", "300 jobs every 10 min, wait p95", Unit::Seconds, 1.1 * 8.2),
        row("bursts-cost", "… worker-seconds", Unit::Count, 1.1 * 31_800.0),
        row("bursts-turns", "… changes of direction", Unit::Count, 1.1 * 31.0),
        row("diurnal-wait", "0.4 to 8 jobs/s as in a day, wait p95", Unit::Seconds, 0.3),
        row("diurnal-cost", "… worker-seconds", Unit::Count, 1.1 * 27_700.0),
        row("diurnal-turns", "… changes of direction", Unit::Count, 1.1 * 20.0),
        row("tail-wait", "4.25 jobs/s, a few very long, wait p95", Unit::Seconds, 0.3),
        row("tail-cost", "… worker-seconds", Unit::Count, 1.1 * 29_800.0),
        row("tail-turns", "… changes of direction", Unit::Count, 1.25 * 24.0),
        Row::alone("decision", "a decision, 100 pools of 8 workers, per pool", Unit::Micros, Target::AtMost(20.0)),
    ],
    once: on_paper,
};

/// The whole process each time, from its start to its end.
pub(crate) static REPLAY: Case = Case {
    name: "replay",
    about: "`autoscale --replay` of a million runs (ten with --long)",
    rows: &[Row::alone("replay", "`autoscale --replay`, millions of runs", Unit::Millis, Target::AtMost(5_000.0))],
    once: replay,
};

/// From just before the push until the worker has the job, which it says first; and until a program that is started
/// alone has a line that waits for it.
pub(crate) static ZERO: Case = Case {
    name: "zero",
    about: "a push to a pool without workers until its first worker has the job, 20 pools",
    rows: &[
        Row::alone(
            "above",
            "push → started, pool at zero, above the program alone, p50",
            Unit::Millis,
            Target::AtMost(10.0),
        ),
        Row::alone("sent", "… push → sent to the new process", Unit::Millis, Target::None),
        Row {
            key: "whole",
            what: "… push → the program has it",
            unit: Unit::Millis,
            target: Target::None,
            peers: &[ALONE],
        },
    ],
    once: from_zero,
};

const fn row(key: &'static str, what: &'static str, unit: Unit, at_most: f64) -> Row {
    Row { key, what, unit, target: Target::AtMost(at_most), peers: &PEERS }
}

fn on_paper(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let keys = [
        ["step-wait", "step-cost", "step-turns"],
        ["bursts-wait", "bursts-cost", "bursts-turns"],
        ["diurnal-wait", "diurnal-cost", "diurnal-turns"],
        ["tail-wait", "tail-cost", "tail-turns"],
    ];
    let settings = autoscale_within(1, MOST);
    let figures = |of: &Simulated| [of.wait_s(0.95), of.worker_s, of.turns as f64];
    for (load, keys) in Load::ALL.into_iter().zip(keys) {
        let tasks = load.tasks(setting.repetition as u64 + 1);
        let ours = simulate(&tasks, &mut Ours::new(&settings, UnixMicros(0)), 1, START, HOUR);
        keys.into_iter().zip(figures(&ours)).for_each(|(key, figure)| samples.ours(key, figure));
        for (peer, name) in Peer::ALL.into_iter().zip(PEERS) {
            let theirs = figures(&peer.simulate(&tasks));
            keys.into_iter().zip(theirs).for_each(|(key, figure)| samples.peer(key, name, figure));
        }
    }
    samples.ours("decision", decision(setting.n(1000, 20))?);
    Ok(())
}

/// A turn of the core in which every pool is decided on, in microseconds per pool.
fn decision(turns: u64) -> Outcome<f64> {
    let mut core = Core::new(WorkerId(1), 7);
    let mut now = Now { mono: Mono(1_000_000), wall: UnixMicros(1_000_000_000_000) };
    let mut out = Vec::new();
    let queues = (0..POOLS).map(|n| QueueName::new(&format!("q{n}"))).collect::<Result<Vec<_>, _>>()?;
    for queue in &queues {
        core.add_pool(pool(queue)?).map_err(|refusal| format!("{refusal:?}"))?;
    }
    let busy = |name: &QueueName| QueueTotals {
        name: name.clone(),
        ready: 1000,
        oldest_ready_at: Some(UnixMicros(0)),
        ..QueueTotals::default()
    };
    let changed = queues.iter().map(busy).collect();
    core.handle(
        Event::Committed { forgotten: Vec::new(), changed, freed: Vec::new(), next_due: None, took: Duration::ZERO },
        now,
        &mut out,
    );
    let mut times = Vec::new();
    while times.len() < turns as usize {
        now = Now { mono: now.mono + Duration::from_secs(1), wall: now.wall.plus(Duration::from_secs(1)) };
        let start = now_ns();
        core.settle(now, &mut out);
        let took = seconds_since(start) * 1e6;
        // Before all are up, most of a turn is their starts.
        if core.workers().count() == (POOLS * WORKERS) as usize {
            times.push(took / f64::from(POOLS));
        }
        for action in std::mem::take(&mut out) {
            if let Action::Spawn { worker, .. } = action {
                core.handle(Event::Spawned { worker, pid: 1000 + worker.0 as u32 }, now, &mut out);
                core.handle(Event::Ready { worker, concurrency: 1, types: None }, now, &mut out);
            }
        }
    }
    percentile(&times, 50.0).ok_or_else(|| "there was no turn".into())
}

fn pool(queue: &QueueName) -> Outcome<PoolSettings> {
    Ok(PoolSettings {
        takes: Takes::Others,
        name: PoolName::new(queue.as_str())?,
        queues: QueueOrder::Strict(vec![queue.clone()]),
        kind: PoolKind::Protocol,
        ready: ReadyWhen::Spawned,
        limits: default_limits(),
        autoscale: Some(Arc::new(autoscale_within(0, WORKERS))),
        hooks: Hooks::default(),
        supervision: Supervision::default(),
    })
}

fn replay(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let database = setting.shared.join("history.db");
    if !database.exists() {
        fill::history(&database, setting.large(10_000_000, 1_000_000, 10_000))?;
    }
    samples.ours("replay", asked(setting, &database, None, &["autoscale", "--replay", "--json"], 0)?);
    Ok(())
}

fn from_zero(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let pools = setting.n(20, 3);
    let stamps = setting.folder("stamps")?;
    let command: Vec<String> =
        roles::stamping(setting, &stamps).iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut text = String::new();
    for n in 0..pools {
        writeln!(text, "[pools.p{n}]\ncommand = {}\nautoscale = \"0..1\"", json!(command))?;
    }
    let file = setting.dir.join("queue-work.toml");
    fs::write(&file, text)?;
    let mut master = Master::launch(setting, &setting.dir.join("q.db"), &["--config", &file.to_string_lossy()], &[])?;
    master.wait_until_ready(0)?;
    let mut client = master.client()?;
    let mut begun = Vec::new();
    for n in 0..pools {
        pause(Duration::from_millis(50));
        begun.push(now_ns());
        let push = json!({ "type": "stamp", "queue": format!("p{n}"), "args": [n, 0] });
        let pushed: Pushed = client.call("push", &push)?;
        let _: IgnoredAny = client.call("jobs.wait", &json!({ "id": pushed.id }))?;
    }
    let runs: Vec<RunRecord> = client.call("runs.list", &json!({ "limit": pools }))?;
    let sent: Vec<f64> = runs.iter().map(|run| run.waited_s * 1e3).collect();
    master.stop()?;
    let whole: Vec<f64> = since(&begun, &stamps)?;
    let alone = setting.folder("alone")?;
    let mut begun = Vec::new();
    for n in 0..pools {
        pause(Duration::from_millis(50));
        let mut program = Command::new(&setting.tools.own);
        roles::stamp_into(&mut program, &alone).stdin(Stdio::piped()).stdout(Stdio::null());
        begun.push(now_ns());
        let mut child = program.spawn()?;
        child.stdin.take().ok_or("no pipe")?.write_all(format!("{{\"id\":1,\"args\":[{n},0]}}\n").as_bytes())?;
        child.wait()?;
    }
    let p50 = |times: &[f64]| percentile(times, 50.0).ok_or("no job");
    let (whole, alone) = (p50(&whole)?, p50(&since(&begun, &alone)?)?);
    samples.ours("above", whole - alone);
    samples.ours("sent", p50(&sent)?);
    samples.ours("whole", whole);
    samples.peer("whole", ALONE, alone);
    Ok(())
}

/// Milliseconds from each begin to the stamp of this number.
fn since(begun: &[u64], stamps: &std::path::Path) -> Outcome<Vec<f64>> {
    let stamps = roles::read(stamps)?;
    if stamps.len() != begun.len() {
        return Err(format!("{} jobs were pushed and {} stamped", begun.len(), stamps.len()).into());
    }
    let from = |job: u64| begun.get(job as usize).copied().ok_or("a stamp of no job");
    stamps.iter().map(|stamp| Ok(stamp.at_ns.saturating_sub(from(stamp.job)?) as f64 / 1e6)).collect()
}
