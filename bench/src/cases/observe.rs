//! What it takes to see how the work goes, and why something does not, in a large store.

use std::path::Path;

use queue_work::testing::model::UnixMicros;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::Case;
use super::history::asked;
use crate::Outcome;
use crate::clock::{now_ns, seconds_since, wall_us};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::fill;
use crate::ours::{Master, queue_work};
use crate::setting::Setting;

/// A chart is a question to the master and its answer; `why` is a process, without the time that any takes to start and end.
pub(crate) static OBSERVE: Case = Case {
    name: "observe",
    about: "charts of any range and `why` over a million runs (ten with --long), `errors` over a million dead jobs",
    rows: &[
        row("hour", "a chart of 1 h, millions of runs on record", 5.0),
        row("day", "… of a day", 5.0),
        row("week", "… of a week", 5.0),
        row("quarter", "… of 90 days", 5.0),
        row("years", "… of two years", 5.0),
        row("queue", "… of a day, of one queue", 5.0),
        row("why", "`why` of a job that waits, millions of runs on record", 5.0),
        row("errors", "errors by fingerprint, a million dead jobs", 20.0),
        row("why-dead", "`why` of a dead job, one of a million", 5.0),
    ],
    once,
};
const HOUR_US: i64 = 3600 * 1_000_000;
/// How far back the charts go, in hours.
const RANGES: [(&str, i64); 5] =
    [("hour", 1), ("day", 24), ("week", 7 * 24), ("quarter", 90 * 24), ("years", 730 * 24)];

const fn row(key: &'static str, what: &'static str, most: f64) -> Row {
    Row::alone(key, what, Unit::Millis, Target::AtMost(most))
}

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let history = setting.shared.join("observed.db");
    if !history.exists() {
        fill::history(&history, setting.large(10_000_000, 1_000_000, 10_000))?;
        fill::older_numbers(&history)?;
    }
    let output =
        queue_work(setting).arg("--database").arg(&history).args(["push", "noop", "--delay", "9h"]).output()?;
    let waits = String::from_utf8(output.stdout)?;
    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, &history, 4, &[], &noop)?;
    for (key, hours) in RANGES {
        let since = UnixMicros(wall_us() - hours * HOUR_US);
        samples.ours(key, answered(setting, &master, "metrics.history", &json!({ "since": since }))?);
    }
    let of_queue = json!({ "since": UnixMicros(wall_us() - 24 * HOUR_US), "queue": "default" });
    samples.ours("queue", answered(setting, &master, "metrics.history", &of_queue)?);
    samples.ours("why", why(setting, &history, &master, waits.trim())?);
    master.stop()?;

    let dead = setting.shared.join("dead.db");
    if !dead.exists() {
        fill::dead(&dead, setting.n(1_000_000, 10_000))?;
    }
    let master = Master::start(setting, &dead, 4, &[], &noop)?;
    samples.ours("errors", answered(setting, &master, "errors.list", &json!({}))?);
    samples.ours("why-dead", why(setting, &dead, &master, "500")?);
    master.stop()
}

/// The median time of an answer, in milliseconds.
fn answered(setting: &Setting<'_>, master: &Master, method: &str, params: &Value) -> Outcome<f64> {
    let mut client = master.client()?;
    let mut times = Vec::new();
    for _ in 0..setting.n(15, 2) {
        let start = now_ns();
        let _: IgnoredAny = client.call(method, params)?;
        times.push(seconds_since(start) * 1e3);
    }
    percentile(&times, 50.0).ok_or_else(|| "nothing was asked".into())
}

fn why(setting: &Setting<'_>, database: &Path, master: &Master, job: &str) -> Outcome<f64> {
    let start = asked(setting, database, None, &["--version"], 0)?;
    Ok((asked(setting, database, Some(master), &["why", job, "--json"], 0)? - start).max(0.0))
}
