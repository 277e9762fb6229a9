//! How fast jobs come in: one at a time from one client and from many, and all at once from a file.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::Case;
use super::drain::both;
use crate::Outcome;
use crate::beanstalk::{Connection, Server};
use crate::clock::{now_ns, pause, seconds_since};
use crate::figures::{Row, Samples, Target, Unit};
use crate::least::{self, LEAST, Least};
use crate::ours::{Master, queue_work};
use crate::proc;
use crate::pushers::{self, OURS, PEER};
use crate::setting::Setting;

const SYNCED: &str = "beanstalkd -f0";
const DEFAULT: &str = "beanstalkd, unsynced";
const TENTH: &str = "a tenth of the jobs";

/// Each push waits for its answer, which comes after a sync. Ours also run the jobs meanwhile; beanstalkd only takes them.
pub(crate) static PUSH: Case = Case {
    name: "push",
    about: "pushes one at a time, synced, from 16 clients and from one",
    rows: &[
        Row {
            key: "many",
            what: "push, 16 clients one at a time, synced",
            unit: Unit::PerSecond,
            target: Target::AtLeast(28_000.0),
            peers: &[SYNCED, LEAST],
        },
        Row {
            key: "one",
            what: "push, one client",
            unit: Unit::PerSecond,
            target: Target::AtLeast(3_000.0),
            peers: &[SYNCED, LEAST],
        },
        Row::alone("writes", "writes to the disk per push, one client", Unit::Count, Target::AtMost(2.5)),
    ],
    once: push,
};

/// `push --jsonl` of a file, from the start of the process to its end.
pub(crate) static BULK: Case = Case {
    name: "bulk",
    about: "`push --jsonl` of a million jobs, with and without a master",
    rows: &[
        Row {
            key: "with",
            what: "bulk push of 1 M, with a master",
            unit: Unit::PerSecond,
            target: Target::AtLeast(180_000.0),
            peers: &[DEFAULT],
        },
        Row {
            key: "with-memory",
            what: "most memory of the pushing process there",
            unit: Unit::Mib,
            target: Target::AtMostTimesPeer(1.1),
            peers: &[TENTH],
        },
        Row {
            key: "without",
            what: "bulk push of 1 M, without a master",
            unit: Unit::PerSecond,
            target: Target::AtLeast(400_000.0),
            peers: &[DEFAULT],
        },
        Row {
            key: "without-memory",
            what: "most memory of the pushing process there",
            unit: Unit::Mib,
            target: Target::AtMostTimesPeer(1.1),
            peers: &[TENTH],
        },
    ],
    once: bulk,
};

fn push(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let seconds = if setting.quick { 0.3 } else { 3.0 };
    let ours = |samples: &mut Samples| {
        let noop = [setting.tools.noop.clone().into_os_string()];
        let master = Master::start(setting, &setting.dir.join("q.db"), 4, &[], &noop)?;
        master.warm_up("noop", "null")?;
        samples.ours("many", pushers::rate(&master.socket, 16, seconds, OURS)?);
        let (before, start) = (proc::disk_writes(&setting.dir), now_ns());
        let rate = pushers::rate(&master.socket, 1, seconds, OURS)?;
        samples.ours("one", rate);
        match (before, proc::disk_writes(&setting.dir)) {
            (Some(before), Some(after)) => {
                samples.ours("writes", (after - before) as f64 / (rate * seconds_since(start)));
            }
            _ => samples.missing("writes to the disk", "the file system is on no block device"),
        }
        master.stop()
    };
    let peers = |samples: &mut Samples| {
        let least = Least::server(setting, None)?;
        samples.peer("many", LEAST, pushers::rate(&least.socket, 16, seconds, least::PUSH)?);
        samples.peer("one", LEAST, pushers::rate(&least.socket, 1, seconds, least::PUSH)?);
        drop(least);
        let Some(server) = Server::start(setting, "beanstalkd", &["-f0"])? else {
            samples.missing("beanstalkd", "not installed");
            return Ok(());
        };
        samples.peer("many", SYNCED, pushers::rate(&server.socket, 16, seconds, PEER)?);
        samples.peer("one", SYNCED, pushers::rate(&server.socket, 1, seconds, PEER)?);
        Ok(())
    };
    both(setting, samples, ours, peers)
}

fn bulk(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let jobs = setting.n(1_000_000, 20_000);
    let (all, tenth) = (setting.shared.join("all.jsonl"), setting.shared.join("tenth.jsonl"));
    write_jobs(&all, jobs)?;
    write_jobs(&tenth, jobs / 10)?;
    let without = |name: &str, file: &Path, jobs: u64| {
        let mut command = queue_work(setting);
        command.arg("--database").arg(setting.dir.join(name));
        bulk_push(command, file, jobs)
    };
    let (seconds, memory) = without("without.db", &all, jobs)?;
    samples.ours("without", jobs as f64 / seconds);
    samples.ours("without-memory", memory);
    samples.peer("without-memory", TENTH, without("tenth.db", &tenth, jobs / 10)?.1);

    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, &setting.dir.join("with.db"), 4, &[], &noop)?;
    master.warm_up("noop", "null")?;
    master.pause()?;
    let with = |file: &Path, jobs: u64| {
        let mut command = queue_work(setting);
        command.arg("--database").arg(&master.database).arg("--socket").arg(&master.socket);
        bulk_push(command, file, jobs)
    };
    samples.peer("with-memory", TENTH, with(&tenth, jobs / 10)?.1);
    let (seconds, memory) = with(&all, jobs)?;
    samples.ours("with", jobs as f64 / seconds);
    samples.ours("with-memory", memory);
    master.stop()?;

    let Some(server) = Server::start(setting, "beanstalkd", &[])? else {
        samples.missing("beanstalkd", "not installed");
        return Ok(());
    };
    let mut client = Connection::open(&server.socket)?;
    let start = now_ns();
    client.put_many(jobs, b"noop")?;
    let rate = jobs as f64 / seconds_since(start);
    samples.peer("with", DEFAULT, rate);
    samples.peer("without", DEFAULT, rate);
    Ok(())
}

/// Jobs a second that come into a store on a server, through its master.
pub(super) fn onto(setting: &Setting<'_>, url: &str, jobs: u64) -> Outcome<f64> {
    let file = setting.shared.join("jobs.jsonl");
    write_jobs(&file, jobs)?;
    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, Path::new(url), 2, &[], &noop)?;
    master.warm_up("noop", "null")?;
    master.pause()?;
    let mut command = queue_work(setting);
    command.arg("--database").arg(url).arg("--socket").arg(&master.socket);
    let (seconds, _) = bulk_push(command, &file, jobs)?;
    master.stop()?;
    Ok(jobs as f64 / seconds)
}

fn write_jobs(path: &PathBuf, jobs: u64) -> Outcome<()> {
    if !path.exists() {
        let mut text = String::new();
        for n in 0..jobs {
            writeln!(text, "{{\"type\":\"noop\",\"args\":[{n}]}}")?;
        }
        fs::write(path, text)?;
    }
    Ok(())
}

/// Seconds from start to end of the process, and the most memory it had, in MiB.
///
/// What `wait4` says of the most memory would count in the moment before the process became another program; so `/proc` is
/// asked while it runs, where the number only grows.
fn bulk_push(mut command: Command, file: &Path, jobs: u64) -> Outcome<(f64, f64)> {
    command.args(["push", "--jsonl", "--json", "--file"]).arg(file).stdout(Stdio::piped()).stderr(Stdio::piped());
    let start = now_ns();
    let mut child = command.spawn()?;
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        peak = proc::peak_kib(child.id()).unwrap_or(0).max(peak);
        pause(Duration::from_millis(1));
    }
    let seconds = seconds_since(start);
    let output = child.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !said.contains(&format!("\"count\":{jobs}")) {
        return Err(format!("`push` said `{said}{}`", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok((seconds, peak as f64 / 1024.0))
}
