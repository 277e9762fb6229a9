//! How fast a full queue is worked off, and what that costs the master.

use std::ffi::OsString;
use std::process::Command;

use super::Case;
use crate::Outcome;
use crate::beanstalk::{self, Server};
use crate::figures::{Row, Samples, Target, Unit};
use crate::fill::{self, Order};
use crate::least::{self, LEAST};
use crate::ours::{Drained, Master};
use crate::roles;
use crate::setting::{Setting, python_peer, python_worker};

const WORKERS: u32 = 4;
const DEFAULT: &str = "beanstalkd";
const SYNCED: &str = "beanstalkd -f0";
const FOUR: &str = "4 workers";

/// Jobs that do nothing, in the fastest worker there is.
pub(crate) static COMPILED: Case = Case {
    name: "drain",
    about: "jobs that do nothing, 4 compiled workers, against beanstalkd with raw clients",
    rows: &[
        Row {
            key: "auto",
            what: "drain, no-op, 4 compiled workers",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(5.0),
            peers: &[DEFAULT, SYNCED],
        },
        Row {
            key: "one",
            what: "the same, prefetch 1",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(3.0),
            peers: &[DEFAULT, SYNCED, LEAST],
        },
        Row::alone("cpu", "CPU of the master per no-op job", Unit::Micros, Target::AtMost(5.0)),
    ],
    once: compiled,
};

/// The same in Python on both sides.
pub(crate) static PYTHON: Case = Case {
    name: "drain-python",
    about: "jobs that do nothing, 4 Python workers, against beanstalkd with raw Python clients",
    rows: &[
        Row {
            key: "auto",
            what: "drain, no-op, 4 Python workers",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(2.2),
            peers: &[DEFAULT],
        },
        Row {
            key: "one",
            what: "the same, prefetch 1",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(1.0),
            peers: &[DEFAULT],
        },
    ],
    once: python,
};

/// Neighbours in the queue lie far apart in the tables.
pub(crate) static SCATTERED: Case = Case {
    name: "drain-scattered",
    about: "a million jobs wait, due in an order scattered over their ids",
    rows: &[Row::alone(
        "scattered",
        "drain, 1 M wait, order scattered over ids",
        Unit::PerSecond,
        Target::AtLeast(100_000.0),
    )],
    once: scattered,
};

/// What a job costs the master must not depend on how many workers there are.
pub(crate) static MANY_WORKERS: Case = Case {
    name: "many-workers",
    about: "jobs that do nothing, 1,000 workers against 4",
    rows: &[
        Row {
            key: "cpu",
            what: "CPU of the master per no-op job, 1,000 workers",
            unit: Unit::Micros,
            target: Target::AtMostTimesPeer(2.0),
            peers: &[FOUR],
        },
        Row {
            key: "rate",
            what: "drain, no-op, 1,000 workers",
            unit: Unit::PerSecond,
            target: Target::None,
            peers: &[FOUR],
        },
    ],
    once: many_workers,
};

fn compiled(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let jobs = setting.n(100_000, 2_000);
    let noop = [setting.tools.noop.clone().into_os_string()];
    let ours = |samples: &mut Samples| {
        let auto = drain(setting, "auto", jobs, WORKERS, &noop, "noop", "null")?;
        let one = drain(setting, "1", jobs, WORKERS, &noop, "noop", "null")?;
        samples.ours("auto", auto.per_second());
        samples.ours("one", one.per_second());
        samples.ours("cpu", auto.cpu_us_per_job());
        Ok(())
    };
    let peers = |samples: &mut Samples| {
        samples.peer("one", LEAST, least::pipes(setting, 2 * jobs)?);
        // With a sync for each job it would take a minute for all of them.
        for (peer, options, jobs) in [(DEFAULT, &[][..], jobs), (SYNCED, &["-f0"], jobs / 10)] {
            let Some(server) = Server::start(setting, peer, options)? else {
                samples.missing("beanstalkd", "not installed");
                return Ok(());
            };
            let rate = beanstalk::drain(&server, jobs, u64::from(WORKERS), || roles::raw(setting, &server.socket))?;
            samples.peer("auto", peer, rate);
            samples.peer("one", peer, rate);
        }
        Ok(())
    };
    both(setting, samples, ours, peers)
}

fn python(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let Some(python) = &setting.tools.python else {
        samples.missing("python3", "not installed");
        return Ok(());
    };
    let jobs = setting.n(50_000, 1_000);
    // No site packages on either side.
    let options = ["-S"].map(OsString::from);
    let worker: Vec<OsString> =
        std::iter::once(python.clone().into()).chain(options.clone()).chain([python_worker().into()]).collect();
    let ours = |samples: &mut Samples| {
        // `echo` of one null answers null, as the no-op does: a result would be kept with the job.
        let auto = drain(setting, "auto", jobs, WORKERS, &worker, "echo", "[null]")?;
        let one = drain(setting, "1", jobs, WORKERS, &worker, "echo", "[null]")?;
        samples.ours("auto", auto.per_second());
        samples.ours("one", one.per_second());
        Ok(())
    };
    let peers = |samples: &mut Samples| {
        let Some(server) = Server::start(setting, DEFAULT, &[])? else {
            samples.missing("beanstalkd", "not installed");
            return Ok(());
        };
        let rate = beanstalk::drain(&server, jobs, u64::from(WORKERS), || {
            let mut command = Command::new(python);
            command.args(&options).arg(python_peer()).arg(&server.socket);
            command
        })?;
        samples.peer("auto", DEFAULT, rate);
        samples.peer("one", DEFAULT, rate);
        Ok(())
    };
    both(setting, samples, ours, peers)
}

fn scattered(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let database = setting.dir.join("q.db");
    fill::waiting(&database, setting.n(1_000_000, 10_000), Order::Scattered)?;
    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, &database, WORKERS, &[], &noop)?;
    let drained = master.timed(setting.n(200_000, 2_000), None)?;
    samples.ours("scattered", drained.per_second());
    master.pause()?;
    master.stop()
}

fn many_workers(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let jobs = setting.n(100_000, 2_000);
    let noop = [setting.tools.noop.clone().into_os_string()];
    let many = drain(setting, "auto", jobs, setting.n(1_000, 50) as u32, &noop, "noop", "null")?;
    samples.ours("cpu", many.cpu_us_per_job());
    samples.ours("rate", many.per_second());
    let few = drain(setting, "auto", jobs, WORKERS, &noop, "noop", "null")?;
    samples.peer("cpu", FOUR, few.cpu_us_per_job());
    samples.peer("rate", FOUR, few.per_second());
    Ok(())
}

/// One drain in an empty store.
fn drain(
    setting: &Setting<'_>,
    prefetch: &str,
    jobs: u64,
    workers: u32,
    worker: &[OsString],
    kind: &str,
    args: &str,
) -> Outcome<Drained> {
    let folder = setting.folder(&format!("prefetch-{prefetch}-workers-{workers}"))?;
    let master = Master::start(setting, &folder.join("q.db"), workers, &["--prefetch", prefetch], worker)?;
    let drained = master.drain(jobs, kind, args)?;
    master.stop()?;
    Ok(drained)
}

/// Ours and the peers', in turns first.
pub(super) fn both(
    setting: &Setting<'_>,
    samples: &mut Samples,
    ours: impl Fn(&mut Samples) -> Outcome<()>,
    peers: impl Fn(&mut Samples) -> Outcome<()>,
) -> Outcome<()> {
    if setting.ours_first() {
        ours(samples)?;
        peers(samples)
    } else {
        peers(samples)?;
        ours(samples)
    }
}
