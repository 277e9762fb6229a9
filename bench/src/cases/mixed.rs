//! Short and long jobs in one queue: handing out jobs ahead of their turn must not make any of them wait longer.
//!
//! A burst of jobs of 1 ms every 50 ms, in every tenth of them one of 1 s: the four workers are busy for two thirds of the
//! time. A wait is from the push to the moment the worker begins.

use std::time::Duration;

use queue_work::testing::wire::control::{PushJob, PushMany, PushedMany};
use serde_json::json;

use super::Case;
use crate::Outcome;
use crate::clock::{now_ns, pause};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::ours::Master;
use crate::roles;
use crate::setting::Setting;

const ONE: &str = "prefetch 1";
/// Jobs in a burst.
const BURST: u64 = 40;
/// Every so many bursts one long job.
const LONG_EVERY: u64 = 10;

/// Prefetch `auto` against prefetch 1.
pub(crate) static MIXED: Case = Case {
    name: "mixed",
    about: "jobs of 1 ms and of 1 s in one queue, 4 workers: their waits, prefetch auto against 1",
    rows: &[row("p50", "wait, jobs of 1 ms and 1 s mixed, p50"), row("p99", "… p99")],
    once,
};

const fn row(key: &'static str, what: &'static str) -> Row {
    Row { key, what, unit: Unit::Millis, target: Target::AtMostTimesPeer(1.1), peers: &[ONE] }
}

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let auto = waits(setting, "auto")?;
    let one = waits(setting, "1")?;
    for (key, percent) in [("p50", 50.0), ("p99", 99.0)] {
        samples.ours(key, percentile(&auto, percent).ok_or("no job was stamped")?);
        samples.peer(key, ONE, percentile(&one, percent).ok_or("no job was stamped")?);
    }
    Ok(())
}

/// How long each job waited, in milliseconds.
fn waits(setting: &Setting<'_>, prefetch: &str) -> Outcome<Vec<f64>> {
    let stamps = setting.folder(&format!("stamps-{prefetch}"))?;
    let database = setting.dir.join(format!("{prefetch}.db"));
    let worker = roles::stamping(setting, &stamps);
    let master = Master::start(setting, &database, 4, &["--prefetch", prefetch], &worker)?;
    master.warm_up("sleep", "[0, 1]")?;
    let mut client = master.client()?;
    let mut begun = Vec::new();
    for burst in 0..setting.n(200, 40) {
        pause(Duration::from_millis(50));
        let first = burst * BURST + 1;
        let long = (burst % LONG_EVERY == LONG_EVERY - 1).then_some(first + BURST / 2);
        let jobs = (first..first + BURST).map(|number| {
            let millis = if Some(number) == long { 1000 } else { 1 };
            Ok(serde_json::from_value::<PushJob>(json!({ "type": "sleep", "args": [number, millis] }))?)
        });
        let many = PushMany { jobs: jobs.collect::<Outcome<_>>()?, ids: false, batch: None };
        begun.push(now_ns());
        let _: PushedMany = client.call("push_many", &many)?;
    }
    master.wait_until_done(48 + begun.len() as u64 * BURST)?;
    master.stop()?;
    let stamped = roles::read(&stamps)?.into_iter().filter(|stamp| stamp.job > 0);
    let wait = stamped.filter_map(|stamp| {
        let begun = begun.get(((stamp.job - 1) / BURST) as usize)?;
        Some(stamp.at_ns.saturating_sub(*begun) as f64 / 1e6)
    });
    Ok(wait.collect())
}
