//! Commands as jobs, and the commands of queue-work itself as processes.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use tempfile::TempDir;

use super::Case;
use super::drain::both;
use crate::Outcome;
use crate::clock::{now_ns, seconds_since};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::ours::{Master, queue_work};
use crate::setting::Setting;

pub(super) const TRUE: &str = "/bin/true";
const XARGS: &str = "xargs -P4";
const PARALLEL: &str = "parallel -j4";
const SPOOLER: &str = "task-spooler -S4";
const ADD: &str = "tsp";

/// A command per job, four at a time.
pub(crate) static COMMANDS: Case = Case {
    name: "commands",
    about: "a command per job, /bin/true, 4 at a time, against xargs, GNU parallel and task-spooler",
    rows: &[
        Row {
            key: "drain",
            what: "a command per job, /bin/true, 4 at a time",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(1.15),
            peers: &[XARGS, PARALLEL, SPOOLER],
        },
        Row {
            key: "whole",
            what: "the same with `push --lines` and the start and end of the master",
            unit: Unit::PerSecond,
            target: Target::None,
            peers: &[XARGS, PARALLEL],
        },
    ],
    once: commands,
};

/// What it costs to add a job from a script.
pub(crate) static PROCESS: Case = Case {
    name: "push-process",
    about: "`queue-work push` as a process, above the cost of starting any process",
    rows: &[
        Row {
            key: "push",
            what: "`queue-work push`, above the cost of starting any process",
            unit: Unit::Millis,
            target: Target::AtMost(1.0),
            peers: &[ADD],
        },
        Row::alone("any", "starting any process (/bin/true)", Unit::Millis, Target::None),
    ],
    once: process,
};

fn commands(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let jobs = setting.n(2_000, 100);
    let list = setting.dir.join("list");
    write_lines(&list, jobs)?;
    let ours = |samples: &mut Samples| {
        let master = Master::start(setting, &setting.dir.join("q.db"), 4, &[], &[])?;
        let drained = master.drain(jobs, "exec", &format!("{{\"argv\":[\"{TRUE}\"]}}"))?;
        master.stop()?;
        samples.ours("drain", drained.per_second());
        samples.ours("whole", whole(setting, &list, jobs)?);
        Ok(())
    };
    let peers = |samples: &mut Samples| {
        peer_of_list(setting, samples, XARGS, &list, jobs)?;
        // It is so much slower that a quarter tells as much.
        let quarter = setting.dir.join("quarter");
        write_lines(&quarter, jobs / 4)?;
        peer_of_list(setting, samples, PARALLEL, &quarter, jobs / 4)?;
        // Each of its jobs that waits is a process, and it takes a thousand connections at most.
        match &setting.tools.task_spooler {
            Some(program) => samples.peer("drain", SPOOLER, task_spooler(setting, program, jobs.min(800))?),
            None => samples.missing(SPOOLER, "not installed"),
        }
        Ok(())
    };
    both(setting, samples, ours, peers)
}

/// A list of so many lines.
fn write_lines(path: &Path, lines: u64) -> Outcome<()> {
    let all: Vec<String> = (0..lines).map(|n| n.to_string()).collect();
    Ok(fs::write(path, all.join("\n") + "\n")?)
}

/// From a list of lines to the end of the last job, all processes included.
fn whole(setting: &Setting<'_>, list: &Path, jobs: u64) -> Outcome<f64> {
    let database = setting.dir.join("whole.db");
    let run = |args: &[&str]| -> Outcome<()> {
        let mut command = queue_work(setting);
        command.arg("--database").arg(&database).args(args).stdout(Stdio::null()).stderr(Stdio::null());
        ended_well(&mut command)
    };
    let list = list.to_str().ok_or("the folder is not UTF-8")?;
    let start = now_ns();
    run(&["push", "--lines", "--file", list, "--", TRUE])?;
    run(&["--workers", "4", "--queue", "default", "--drain"])?;
    Ok(jobs as f64 / seconds_since(start))
}

fn peer_of_list(
    setting: &Setting<'_>,
    samples: &mut Samples,
    peer: &'static str,
    list: &Path,
    jobs: u64,
) -> Outcome<()> {
    let program = if peer == XARGS { &setting.tools.xargs } else { &setting.tools.parallel };
    let Some(program) = program else {
        samples.missing(peer, "not installed");
        return Ok(());
    };
    let mut command = Command::new(program);
    if peer == XARGS {
        command.args(["-P4", "-n1", TRUE]).stdin(fs::File::open(list)?);
    } else {
        command.args(["--will-cite", "-j4", TRUE, "::::"]).arg(list).stdin(Stdio::null());
    }
    command.env("HOME", &setting.dir).stdout(Stdio::null()).stderr(Stdio::null());
    let start = now_ns();
    ended_well(&mut command)?;
    let rate = jobs as f64 / seconds_since(start);
    samples.peer("drain", peer, rate);
    samples.peer("whole", peer, rate);
    Ok(())
}

fn ended_well(command: &mut Command) -> Outcome<()> {
    let status = command.status()?;
    if status.success() { Ok(()) } else { Err(format!("{command:?} ended with {status}").into()) }
}

/// A server of task-spooler with four slots; ended when dropped.
struct Spooler {
    program: PathBuf,
    folder: TempDir,
}

impl Spooler {
    fn new(program: &Path) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("qwb").tempdir()?;
        Ok(Self { program: program.to_owned(), folder })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).env("TS_SOCKET", self.folder.path().join("s")).env("TMPDIR", self.folder.path());
        command.env("TS_SLOTS", "4").env("TS_MAXFINISHED", "10");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

impl Drop for Spooler {
    fn drop(&mut self) {
        drop(self.command(&["-K"]).status());
    }
}

/// The queue is filled while four jobs that wait for a pipe take all slots.
fn task_spooler(setting: &Setting<'_>, program: &Path, jobs: u64) -> Outcome<f64> {
    let spooler = Spooler::new(program)?;
    let gate = setting.dir.join("gate");
    mkfifo(&gate, Mode::S_IRUSR | Mode::S_IWUSR)?;
    let gate_path = gate.to_str().ok_or("the folder is not UTF-8")?;
    for _ in 0..4 {
        ended_well(&mut spooler.command(&["-n", "cat", gate_path]))?;
    }
    for _ in 0..jobs {
        ended_well(&mut spooler.command(&["-n", TRUE]))?;
    }
    let start = now_ns();
    // Opening it lets the four open it, closing it ends them.
    drop(OpenOptions::new().write(true).open(&gate)?);
    ended_well(&mut spooler.command(&["-w"]))?;
    Ok(jobs as f64 / seconds_since(start))
}

fn process(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, &setting.dir.join("q.db"), 4, &[], &noop)?;
    master.warm_up("noop", "null")?;
    let spooler = setting.tools.task_spooler.as_deref().map(Spooler::new).transpose()?;
    let (mut any, mut push, mut add) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..setting.n(200, 10) {
        let mut command = Command::new(TRUE);
        any.push(millis(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))?);
        let mut command = queue_work(setting);
        command.arg("--database").arg(&master.database).arg("--socket").arg(&master.socket);
        push.push(millis(command.args(["push", "noop"]).stdout(Stdio::null()))?);
        if let Some(spooler) = &spooler {
            add.push(millis(&mut spooler.command(&["-n", TRUE]))?);
        }
    }
    master.stop()?;
    let median = |times: &[f64]| percentile(times, 50.0).ok_or("nothing was started");
    let start = median(&any)?;
    samples.ours("any", start);
    samples.ours("push", median(&push)? - start);
    if spooler.is_some() {
        samples.peer("push", ADD, median(&add)? - start);
    } else {
        samples.missing(ADD, "not installed");
    }
    Ok(())
}

pub(super) fn millis(command: &mut Command) -> Outcome<f64> {
    let start = now_ns();
    ended_well(command)?;
    Ok(seconds_since(start) * 1e3)
}
