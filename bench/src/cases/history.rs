//! What it takes to look at a history of millions of runs.

use std::process::Stdio;

use super::Case;
use crate::Outcome;
use crate::clock::{now_ns, seconds_since};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::fill::{self, RARE};
use crate::ours::{Master, queue_work};
use crate::setting::Setting;

/// The whole process each time, from its start to its end. A rare thing is one that is far back, or not there at all.
pub(crate) static HISTORY: Case = Case {
    name: "history",
    about: "`status` and `runs --limit 50` with each filter over a million runs (ten with --long)",
    rows: &[
        Row::alone("status", "`status`, millions of runs in history", Unit::Millis, Target::AtMost(10.0)),
        Row::alone("status-alone", "`status` without a master", Unit::Millis, Target::AtMost(10.0)),
        filter("runs", "`runs --limit 50`"),
        filter("job", "… `--job` of one"),
        filter("queue", "… `--queue` of the most"),
        filter("rare-queue", "… `--queue` of few and long ago"),
        filter("outcome", "… `--outcome failed`"),
        filter("no-outcome", "… `--outcome` that never was"),
        filter("since", "… `--since 1h`"),
        filter("nothing-since", "… `--since 1m`, all of it older"),
        filter("before", "… `--before` the middle"),
        filter("rare-outcome", "… `--queue` of few, `--outcome timed_out`"),
        filter("alone", "… `--outcome` that never was, without a master"),
    ],
    once,
};

const fn filter(key: &'static str, what: &'static str) -> Row {
    Row::alone(key, what, Unit::Millis, Target::AtMost(50.0))
}

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let runs = setting.large(10_000_000, 1_000_000, 10_000);
    let database = setting.shared.join("history.db");
    if !database.exists() {
        fill::history(&database, runs)?;
    }
    let middle = (runs / 2).to_string();
    let filters: &[(&str, &[&str])] = &[
        ("runs", &[]),
        ("job", &["--job", &middle]),
        ("queue", &["--queue", "default"]),
        ("rare-queue", &["--queue", RARE]),
        ("outcome", &["--outcome", "failed"]),
        ("no-outcome", &["--outcome", "cancelled"]),
        ("since", &["--since", "1h"]),
        ("nothing-since", &["--since", "1m"]),
        ("before", &["--before", &middle]),
        ("rare-outcome", &["--queue", RARE, "--outcome", "timed_out"]),
    ];
    let status = &["status", "--json"];
    let none: &[&str] = &["runs", "--limit", "50", "--json", "--outcome", "cancelled"];
    // 3: there is no master, which `status` says by its exit code.
    samples.ours("status-alone", asked(setting, &database, None, status, 3)?);
    samples.ours("alone", asked(setting, &database, None, none, 0)?);
    let noop = [setting.tools.noop.clone().into_os_string()];
    let master = Master::start(setting, &database, 4, &[], &noop)?;
    samples.ours("status", asked(setting, &database, Some(&master), status, 0)?);
    for (key, filter) in filters {
        let words: Vec<&str> = ["runs", "--limit", "50", "--json"].iter().chain(*filter).copied().collect();
        samples.ours(key, asked(setting, &database, Some(&master), &words, 0)?);
    }
    master.stop()
}

/// The median of some times, in milliseconds.
pub(super) fn asked(
    setting: &Setting<'_>,
    database: &std::path::Path,
    master: Option<&Master>,
    words: &[&str],
    code: i32,
) -> Outcome<f64> {
    let mut times = Vec::new();
    for _ in 0..setting.n(7, 2) {
        let mut command = queue_work(setting);
        command.arg("--database").arg(database);
        if let Some(master) = master {
            command.arg("--socket").arg(&master.socket);
        }
        let start = now_ns();
        let status = command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        times.push(seconds_since(start) * 1e3);
        if status.code() != Some(code) {
            return Err(format!("`{}` ended with {status}", words.join(" ")).into());
        }
    }
    percentile(&times, 50.0).ok_or_else(|| "nothing was asked".into())
}
