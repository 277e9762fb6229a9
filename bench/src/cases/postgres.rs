//! The store on a PostgreSQL server, against other queues on the same server; and what a transaction that stays open, a
//! second master and a move cost.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::{Case, latency, push};
use crate::Outcome;
use crate::clock::{now_ns, pause, seconds_since};
use crate::figures::{Row, Samples, Target, Unit};
use crate::fill::{self, Order};
use crate::ours::{Drained, Master, queue_work};
use crate::postgres::Postgres;
use crate::postgres_peers::{self, NAMES};
use crate::setting::{Setting, python_worker};

const SERVER: &str = "PostgreSQL";
const NOT_INSTALLED: &str = "not installed (on Debian: apt-get install postgresql)";
const FREE: &str = "nothing held";
const ONE: &str = "one master";

/// Ours whole, with two workers; the peers run their jobs in the process of their client.
pub(crate) static PEERS: Case = Case {
    name: "postgres",
    about: "a store on PostgreSQL: drain, bulk push and latency, against other queues on the same server",
    rows: &[
        row("python", "drain on PostgreSQL, no-op, 2 Python workers", Unit::PerSecond, Target::AtLeast(50_000.0)),
        Row::alone("compiled", "the same, 2 compiled workers", Unit::PerSecond, Target::AtLeast(50_000.0)),
        row("bulk", "bulk push of 200,000, with a master", Unit::PerSecond, Target::AtLeast(200_000.0)),
        row("p50", "push → worker has it, idle pool, p50", Unit::Millis, Target::AtMost(2.0)),
        row("p99", "… p99", Unit::Millis, Target::AtMost(8.0)),
    ],
    once: peers,
};

/// Rows that are gone cannot be cleared away meanwhile.
pub(crate) static HELD: Case = Case {
    name: "postgres-held",
    about: "drain of a store on PostgreSQL while another transaction stays open",
    rows: &[
        Row {
            key: "rate",
            what: "drain while a transaction is open, 4 compiled workers",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.95),
            peers: &[FREE],
        },
        Row {
            key: "last",
            what: "… the last fifth of it",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.95),
            peers: &[FREE],
        },
    ],
    once: held,
};

/// Two masters write in turns.
pub(crate) static TWO: Case = Case {
    name: "postgres-two",
    about: "drain of a store on PostgreSQL by two masters",
    rows: &[Row {
        key: "rate",
        what: "drain by two masters, 2 compiled workers each",
        unit: Unit::PerSecond,
        target: Target::TimesPeer(1.0),
        peers: &[ONE],
    }],
    once: two,
};

/// What a host asks the server for while there is nothing to do.
pub(crate) static IDLE: Case = Case {
    name: "postgres-idle",
    about: "statements a second of a master on PostgreSQL that has nothing to do",
    rows: &[
        Row::alone("statements", "statements a second while idle", Unit::Count, Target::AtMost(2.0)),
        Row::alone("commits", "… transactions a second", Unit::Count, Target::None),
    ],
    once: idle,
};

/// `migrate` from a file.
pub(crate) static MIGRATE: Case = Case {
    name: "postgres-migrate",
    about: "`migrate` of a million jobs from a file to PostgreSQL",
    rows: &[Row::alone("seconds", "`migrate` of 1 M jobs to PostgreSQL", Unit::Seconds, Target::AtMost(20.0))],
    once: migrate,
};

const fn row(key: &'static str, what: &'static str, unit: Unit, target: Target) -> Row {
    Row { key, what, unit, target, peers: NAMES }
}

/// The server of a repetition, if there can be one.
fn server(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<Option<Postgres>> {
    let server = Postgres::start(setting)?;
    if server.is_none() {
        samples.missing(SERVER, NOT_INSTALLED);
    }
    Ok(server)
}

fn peers(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let Some(server) = server(setting, samples)? else { return Ok(()) };
    let ours = |samples: &mut Samples| ours(setting, &server, samples);
    let theirs = |samples: &mut Samples| {
        for peer in &postgres_peers::ALL {
            match peer.run(setting, &server)? {
                Ok(figures) => {
                    samples.peer("python", peer.name, figures.drain);
                    samples.peer("bulk", peer.name, figures.bulk);
                    samples.peer("p50", peer.name, figures.p50);
                    samples.peer("p99", peer.name, figures.p99);
                }
                Err(why) => samples.missing(peer.name, why),
            }
        }
        Ok(())
    };
    super::drain::both(setting, samples, ours, theirs)
}

fn ours(setting: &Setting<'_>, server: &Postgres, samples: &mut Samples) -> Outcome<()> {
    let jobs = setting.n(100_000, 2_000);
    if let Some(python) = &setting.tools.python {
        let worker = [python.clone().into(), "-S".into(), python_worker().into()];
        let drained = drain(setting, &server.database("python")?, &worker, ("echo", "[null]"), jobs)?;
        samples.ours("python", drained.per_second());
    } else {
        samples.missing("python3", "not installed");
    }
    let drained = drain(setting, &server.database("compiled")?, &noop(setting), ("noop", "null"), jobs)?;
    samples.ours("compiled", drained.per_second());
    samples.ours("bulk", push::onto(setting, &server.database("bulk")?, setting.n(200_000, 2_000))?);
    let times = latency::onto(setting, Path::new(&server.database("latency")?))?;
    samples.ours("p50", times.worker.0);
    samples.ours("p99", times.worker.1);
    Ok(())
}

fn noop(setting: &Setting<'_>) -> [OsString; 1] {
    [setting.tools.noop.clone().into_os_string()]
}

/// One drain of an empty store by two workers.
fn drain(
    setting: &Setting<'_>,
    url: &str,
    worker: &[OsString],
    (kind, args): (&str, &str),
    jobs: u64,
) -> Outcome<Drained> {
    let master = Master::start(setting, Path::new(url), 2, &[], worker)?;
    let drained = master.drain(jobs, kind, args)?;
    master.stop()?;
    Ok(drained)
}

fn held(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let Some(server) = server(setting, samples)? else { return Ok(()) };
    let jobs = setting.large(1_000_000, 300_000, 2_000);
    let parts = if setting.ours_first() { [true, false] } else { [false, true] };
    for is_held in parts {
        let url = server.database("held")?;
        let master = Master::start(setting, Path::new(&url), 4, &[], &noop(setting))?;
        master.warm_up("noop", "null")?;
        master.pause()?;
        master.push(jobs, "noop", |_| "null".to_owned())?;
        let _held = if is_held { Some(server.hold("held")?) } else { None };
        let (drained, last) = master.timed_with_end(jobs)?;
        if is_held {
            samples.ours("rate", drained.per_second());
            samples.ours("last", last);
        } else {
            samples.peer("rate", FREE, drained.per_second());
            samples.peer("last", FREE, last);
        }
        master.stop()?;
    }
    Ok(())
}

fn two(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let Some(server) = server(setting, samples)? else { return Ok(()) };
    let jobs = setting.n(200_000, 2_000);
    for is_two in if setting.ours_first() { [true, false] } else { [false, true] } {
        let url = server.database("two")?;
        let workers = if is_two { 2 } else { 4 };
        let master = Master::start(setting, Path::new(&url), workers, &[], &noop(setting))?;
        let other = if is_two {
            let home = setting.folder("other")?;
            Some(Master::start_at(setting, &home, Path::new(&url), workers, &noop(setting))?)
        } else {
            None
        };
        master.warm_up("noop", "null")?;
        master.pause()?;
        master.push(jobs, "noop", |_| "null".to_owned())?;
        let rate = master.timed(jobs, None)?.per_second();
        if is_two {
            samples.ours("rate", rate);
        } else {
            samples.peer("rate", ONE, rate);
        }
        master.stop()?;
        other.map_or(Ok(()), Master::stop)?;
    }
    Ok(())
}

fn idle(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let Some(server) = server(setting, samples)? else { return Ok(()) };
    let url = server.database("idle")?;
    server.ask("idle", "CREATE EXTENSION pg_stat_statements")?;
    let master = Master::start(setting, Path::new(&url), 4, &[], &noop(setting))?;
    master.warm_up("noop", "null")?;
    pause(Duration::from_secs(setting.n(10, 2)));
    let counts = || -> Outcome<(f64, f64)> {
        const CALLS: &str = "SELECT coalesce(sum(calls), 0) FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid \
             WHERE d.datname = 'idle' AND query NOT LIKE '%pg_stat_%'";
        const COMMITS: &str = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = 'idle'";
        let commits = server.ask("postgres", COMMITS)?.parse()?;
        Ok((server.ask("idle", CALLS)?.parse()?, commits))
    };
    let (before, start) = (counts()?, now_ns());
    pause(Duration::from_secs(setting.n(30, 3)));
    let seconds = seconds_since(start);
    let after = counts()?;
    samples.ours("statements", (after.0 - before.0) / seconds);
    samples.ours("commits", (after.1 - before.1) / seconds);
    master.stop()
}

fn migrate(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let Some(server) = server(setting, samples)? else { return Ok(()) };
    let database = setting.dir.join("q.db");
    fill::waiting(&database, setting.n(1_000_000, 10_000), Order::Scattered)?;
    let url = server.database("moved")?;
    let mut command: Command = queue_work(setting);
    let start = now_ns();
    let moved = command.arg("--database").arg(&database).args(["migrate", "--to", &url]).output()?;
    if !moved.status.success() {
        return Err(format!("`migrate` said `{}`", String::from_utf8_lossy(&moved.stderr)).into());
    }
    samples.ours("seconds", seconds_since(start));
    Ok(fs::remove_file(&database)?)
}
