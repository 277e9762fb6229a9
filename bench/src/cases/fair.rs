//! Queues whose keys take turns, or have limits: what a key costs, and what lanes cost that nothing may be taken from.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;

use serde::de::IgnoredAny;
use serde_json::json;

use super::Case;
use super::dependencies::{WORKERS, drained};
use crate::Outcome;
use crate::figures::{Row, Samples, Target, Unit};
use crate::ours::Master;
use crate::setting::Setting;

const UNKEYED: &str = "without keys";
const ALONE: &str = "10,000 keys alone";
const KEYS: u64 = 10_000;

pub(crate) static FAIR: Case = Case {
    name: "fair",
    about: "drain of a queue whose 10,000 keys take turns, against one without keys",
    rows: &[
        Row {
            key: "fair",
            what: "drain, no-op, 10,000 keys that take turns",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.8),
            peers: &[UNKEYED],
        },
        Row { key: "few", what: "… 10 keys", unit: Unit::PerSecond, target: Target::None, peers: &[UNKEYED] },
        Row {
            key: "closed",
            what: "… 10,000 keys with limits, behind 100,000 that are closed",
            unit: Unit::PerSecond,
            target: Target::TimesPeer(0.83),
            peers: &[ALONE],
        },
    ],
    once,
};

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let jobs = setting.n(100_000, 2_000);
    let lines = |keys: u64| {
        (0..jobs).try_fold(String::new(), |mut text, n| {
            writeln!(text, "{{\"type\": \"noop\", \"key\": \"k{}\"}}", n % keys).map(|()| text)
        })
    };
    let plain = (0..jobs).fold(String::new(), |text, _| text + "{\"type\": \"noop\"}\n");
    let unkeyed = drained(setting, "unkeyed", &[], &plain, jobs)?.per_second();
    fs::write(setting.dir.join("queue-work.toml"), "[queues.default]\nfair = \"jobs\"\n")?;
    for (key, keys) in [("fair", KEYS), ("few", 10)] {
        samples.ours(key, drained(setting, key, &[], &lines(keys)?, jobs)?.per_second());
        samples.peer(key, UNKEYED, unkeyed);
    }
    let (keys, closed) = (setting.n(KEYS, 500), setting.n(100_000, 1_000));
    samples.ours("closed", behind(setting, "closed", keys, closed)?);
    samples.peer("closed", ALONE, behind(setting, "alone", keys, 0)?);
    Ok(())
}

/// Drains a job of each of so many keys, while so many others have used up what they may start, and wait.
fn behind(setting: &Setting<'_>, name: &str, keys: u64, closed: u64) -> Outcome<f64> {
    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, &setting.dir.join(format!("{name}.db")), WORKERS, &[], &noop as &[OsString])?;
    master.warm_up("noop", "null")?;
    let limits = json!({ "queue": "default", "limits": { "rate_per_key": "1/d" } });
    let _: IgnoredAny = master.client()?.call("queues.set", &limits)?;
    let lines = |of: &str, keys| {
        (0..keys).try_fold(String::new(), |mut text, n| {
            writeln!(text, "{{\"type\": \"noop\", \"key\": \"{of}{n}\"}}").map(|()| text)
        })
    };
    if closed > 0 {
        let waiting = lines("closed", closed)?;
        master.pause()?;
        master.push_lines(setting, &waiting)?;
        master.timed(closed, None)?;
        master.push_lines(setting, &waiting)?;
    }
    master.pause()?;
    master.push_lines(setting, &lines("open", keys)?)?;
    let drained = master.timed(keys, None)?;
    master.stop()?;
    Ok(drained.per_second())
}
