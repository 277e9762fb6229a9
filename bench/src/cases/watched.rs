//! What looking on and changing many jobs cost the queue: viewers of the page, a background change of many jobs, and `top`.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::pty::{Winsize, openpty};
use queue_work::testing::client::{Client, NONE};
use queue_work::testing::model::OperationId;
use queue_work::testing::model::operation::{Operation, OperationState};
use serde_json::{Value, json};

use super::Case;
use crate::Outcome;
use crate::clock::{now_ns, pause, seconds_since, until};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::fill;
use crate::ours::{Master, queue_work};
use crate::page::Page;
use crate::proc;
use crate::setting::Setting;

const UNWATCHED: &str = "nobody looks";
const ALONE: &str = "without the change";
const WORKERS: u32 = 4;
/// Drains with and without, in turns, of which the median counts.
const TURNS: u64 = 3;
const DEADLINE: Duration = Duration::from_mins(5);
/// Pages that viewers have open.
const OPEN: [&str; 5] = ["/", "/jobs", "/runs", "/queues/default", "/workers"];
/// A queue that nobody serves.
const UNSERVED: &str = "unserved";
const TERMINAL: Winsize = Winsize { ws_row: 50, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };

pub(crate) static WATCHED: Case = Case {
    name: "web-watched",
    about: "drain with ten viewers of the page against none, the log of the store meanwhile, memory with 200 viewers",
    rows: &[
        Row {
            key: "drain",
            what: "drain, no-op, 10 viewers of the page",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.98),
            peers: &[UNWATCHED],
        },
        Row {
            key: "log",
            what: "… the longest log (WAL) while jobs are pushed and drained",
            unit: Unit::Mib,
            target: Target::AtMost(19.0),
            peers: &[UNWATCHED],
        },
        Row::alone(
            "memory",
            "resident memory of `queue-work web`, 200 viewers of the overview",
            Unit::Mib,
            Target::AtMost(20.0),
        ),
        Row::alone("cpu", "… its CPU, while jobs run", Unit::Percent, Target::None),
    ],
    once: watched,
};

pub(crate) static CHANGE: Case = Case {
    name: "bulk-change",
    about: "a background change of many jobs, and a drain of another queue beside it against one without",
    rows: &[
        Row::alone(
            "change",
            "jobs cancelled by one change in the background",
            Unit::PerSecond,
            Target::AtLeast(20_000.0),
        ),
        Row {
            key: "drain",
            what: "drain, no-op, of another queue beside it",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.9),
            peers: &[ALONE],
        },
        Row::alone("beside", "… jobs cancelled meanwhile", Unit::PerSecond, Target::None),
    ],
    once: change,
};

pub(crate) static TOP: Case = Case {
    name: "top",
    about: "`queue-work top` in a terminal, 1,000 workers",
    rows: &[
        Row::alone("cpu", "CPU of `queue-work top`, 1,000 workers", Unit::Percent, Target::AtMost(0.5)),
        Row::alone("memory", "… its resident memory", Unit::Mib, Target::AtMost(10.0)),
        Row::alone("private", "… of that its own (private)", Unit::Mib, Target::None),
    ],
    once: top,
};

fn master(setting: &Setting<'_>, database: &Path, workers: u32) -> Outcome<Master> {
    Master::start(setting, database, workers, &[], &[setting.tools.noop.clone().into_os_string()])
}

fn watched(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let database = setting.dir.join("q.db");
    fill::history(&database, setting.n(100_000, 2_000))?;
    let master = master(setting, &database, WORKERS)?;
    let page = Page::start(setting, &database, Some(&master))?;
    let jobs = setting.n(500_000, 2_000);
    // By whether somebody looks: drains, and the longest log.
    let (mut rates, mut logs) = ([Vec::new(), Vec::new()], [0.0_f64; 2]);
    for turn in 0..2 * TURNS {
        let is_watched = turn.is_multiple_of(2) == setting.ours_first();
        let viewers = if is_watched { Some(page.viewers(&OPEN, 10)?) } else { None };
        let (drained, longest) = longest_log(&database, || master.drain(jobs, "noop", "null"))?;
        drop(viewers);
        rates[usize::from(is_watched)].push(drained.per_second());
        logs[usize::from(is_watched)] = longest.max(logs[usize::from(is_watched)]);
    }
    let median = |rates: &[f64]| percentile(rates, 50.0).ok_or("nothing was drained");
    samples.ours("drain", median(&rates[1])?);
    samples.peer("drain", UNWATCHED, median(&rates[0])?);
    samples.ours("log", logs[1]);
    samples.peer("log", UNWATCHED, logs[0]);

    let viewers = page.viewers(&["/"], setting.n(200, 20) as usize)?;
    let (start, cpu) = (now_ns(), proc::cpu_ns(page.pid())?);
    let seconds = setting.n(20, 2) as f64;
    while seconds_since(start) < seconds {
        master.push(100, "noop", |_| "null".to_owned())?;
        pause(Duration::from_millis(100));
    }
    samples.ours("cpu", (proc::cpu_ns(page.pid())? - cpu) as f64 / 1e7 / seconds_since(start));
    samples.ours("memory", proc::resident_kib(page.pid())? as f64 / 1024.0);
    drop(viewers);
    master.stop()
}

/// Does something, and the longest that the log of the store was meanwhile, in MiB.
fn longest_log<T>(database: &Path, work: impl FnOnce() -> Outcome<T>) -> Outcome<(T, f64)> {
    let log = format!("{}-wal", database.display());
    let (is_over, longest) = (AtomicBool::new(false), AtomicU64::new(0));
    let done = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                longest.fetch_max(fs::metadata(&log).map_or(0, |file| file.len()), Ordering::Relaxed);
                pause(Duration::from_millis(5));
            }
        });
        let done = work();
        is_over.store(true, Ordering::Relaxed);
        done
    });
    Ok((done?, longest.load(Ordering::Relaxed) as f64 / f64::from(1 << 20)))
}

fn change(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let database = setting.dir.join("q.db");
    let many = setting.large(2_000_000, 500_000, 5_000);
    fill::unserved(&database, UNSERVED, 2 * many)?;
    let master = master(setting, &database, WORKERS)?;
    let jobs = setting.n(500_000, 2_000);
    // Half of them by itself, the other half beside a drain.
    let id = begin(&mut master.client()?, &json!({ "queue": UNSERVED, "ids": [[1, many]] }))?;
    samples.ours("change", ended(&mut master.client()?, id)?);
    samples.peer("drain", ALONE, master.drain(jobs, "noop", "null")?.per_second());
    master.warm_up("noop", "null")?;
    master.pause()?;
    let last = master.push(jobs, "noop", |_| "null".to_owned())?;
    let id = begin(&mut master.client()?, &json!({ "queue": UNSERVED }))?;
    samples.ours("drain", master.timed(jobs, last)?.per_second());
    samples.ours("beside", ended(&mut master.client()?, id)?);
    master.stop()
}

fn begin(client: &mut Client, filter: &Value) -> Outcome<OperationId> {
    let begun: Operation = client.call("jobs.cancel", &json!({ "filter": filter, "background": true }))?;
    Ok(begun.id)
}

/// Jobs a second of the change with this number, when it is over.
fn ended(client: &mut Client, id: OperationId) -> Outcome<f64> {
    let mut rate = 0.0;
    until("the change to be over", DEADLINE, Duration::from_millis(20), || {
        let all: Vec<Operation> = client.call("operations.list", &NONE)?;
        let over = all.into_iter().find(|one| one.id == id && one.state == OperationState::Done);
        let ended = over.and_then(|one| Some((one.done, one.ended_at?.0 - one.started_at.0)));
        rate = ended.map_or(0.0, |(done, micros)| done as f64 * 1e6 / micros as f64);
        Ok(ended.is_some())
    })?;
    Ok(rate)
}

/// A process on a terminal of its own.
fn top(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let master = master(setting, &setting.dir.join("q.db"), setting.n(1_000, 50) as u32)?;
    let terminal = openpty(Some(&TERMINAL), None)?;
    let mut command = queue_work(setting);
    command.arg("--database").arg(&master.database).arg("--socket").arg(&master.socket).arg("top");
    let side = || terminal.slave.try_clone().map(Stdio::from);
    let child = command.env("TERM", "xterm-256color").stdin(side()?).stdout(side()?).stderr(side()?).spawn()?;
    let top = Top(child);
    // The command has ends of the terminal, too.
    drop(command);
    let mut screen = File::from(terminal.master);
    let drawn = AtomicU64::new(0);
    let is_up = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = screen.read(&mut bytes) {
                drawn.fetch_add(n as u64, Ordering::Relaxed);
            }
        });
        let measured = look_at(setting, &top, &drawn, samples);
        drop((top, terminal.slave));
        measured
    });
    is_up?;
    master.stop()
}

/// Killed when dropped.
struct Top(Child);

impl Drop for Top {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn look_at(setting: &Setting<'_>, top: &Top, drawn: &AtomicU64, samples: &mut Samples) -> Outcome<()> {
    until("the screen of `top`", DEADLINE, Duration::from_millis(10), || Ok(drawn.load(Ordering::Relaxed) > 2_000))?;
    pause(Duration::from_secs(2));
    let pid = top.0.id();
    let (start, cpu) = (now_ns(), proc::cpu_ns(pid)?);
    pause(Duration::from_secs(setting.n(20, 2)));
    samples.ours("cpu", (proc::cpu_ns(pid)? - cpu) as f64 / 1e7 / seconds_since(start));
    samples.ours("memory", proc::resident_kib(pid)? as f64 / 1024.0);
    samples.ours("private", proc::private_kib(pid)? as f64 / 1024.0);
    Ok(())
}
