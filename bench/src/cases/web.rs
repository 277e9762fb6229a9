//! The page in the browser over a large store: every page with every filter, and the search of all jobs.
//!
//! A page is timed from the request to the last byte of the answer, compressed, on a connection that is kept. Cold is the first
//! answer after the file was dropped from the memory of the system, without a master, which keeps parts of it in its own.

use std::fs::File;
use std::path::Path;

use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use super::Case;
use crate::Outcome;
use crate::clock::{now_ns, seconds_since};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::fill;
use crate::ours::Master;
use crate::page::{Browser, Page};
use crate::setting::Setting;

/// A search pauses after 30 ms; the rest of a slice is its last step and the page.
const SLICE_MS: f64 = 40.0;

pub(crate) static WEB: Case = Case {
    name: "web",
    about: "each page in the browser, and the search of all jobs, over a million jobs and runs (ten with --long)",
    rows: &[
        Row::alone(
            "typical",
            "a page in the browser, millions of jobs and runs, p50",
            Unit::Millis,
            Target::AtMost(5.0),
        ),
        Row::alone("p99", "… p99", Unit::Millis, Target::AtMost(50.0)),
        Row::alone("slowest", "… p50 of the slowest page", Unit::Millis, Target::AtMost(50.0)),
        Row::alone(
            "cold",
            "… the slowest, first, after the file was dropped from memory",
            Unit::Millis,
            Target::AtMost(150.0),
        ),
        Row::alone("search", "jobs searched for a text that none has", Unit::PerSecond, Target::AtLeast(10e6)),
        Row::alone("slice", "… p99 of a slice", Unit::Millis, Target::AtMost(SLICE_MS)),
        Row::alone("redacted", "… by a viewer, from whom members are hidden", Unit::PerSecond, Target::None),
    ],
    once,
};

/// Pages whose addresses do not depend on what is in the store.
const PAGES: &str = "/ /?range=24h /?range=7d /queues /queues/default /queues/rare /workers /workers/default-1 /pools/default \
    /jobs /jobs?state=ready /jobs?state=scheduled /jobs?state=running /jobs?state=succeeded /jobs?state=dead /jobs?state=cancelled \
    /jobs?state=ready&queue=q2 /jobs?state=ready&type=kind-7 /jobs?state=dead&queue=q2 /jobs?state=dead&type=kind-7 \
    /jobs?state=dead&type=nosuch /jobs?queue=q2 /jobs?queue=rare&state=dead /jobs?type=kind-7 /jobs?since=1h /jobs?limit=200 \
    /jobs?label=nosuch /jobs?error=answer /jobs?q=customer /jobs?q=args.customer:7 /jobs?state=ready&q=type:kind-3 \
    /jobs/change/retry?state=dead /jobs/change/cancel?queue=q2 /jobs/change/delete?type=kind-7 \
    /failures /failures?queue=q2 /failures?type=kind-7 \
    /runs /runs?queue=q2 /runs?queue=rare /runs?outcome=failed /runs?outcome=cancelled /runs?since=1h /runs?since=1m \
    /runs?queue=rare&outcome=timed_out /operations /audit /audit?verb=pause /audit?who=nobody /settings \
    /metrics-view /metrics-view?range=24h /metrics-view?range=7d /metrics-view?range=7d&queue=q2 \
    /metrics-view?range=24h&type=kind-7 /processors /services /live /health /metrics";

fn once(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let database = setting.shared.join("web.db");
    if !database.exists() {
        fill::mixture(&database, setting.large(10_000_000, 1_000_000, 10_000))?;
    }
    let master = Master::start(setting, &database, 4, &[], &[setting.tools.noop.clone().into_os_string()])?;
    let page = Page::start(setting, &database, Some(&master))?;
    let mut browser = page.browser("admin")?;
    let pages = addresses(&mut browser)?;
    warm(setting, &mut browser, &pages, samples)?;
    let (rate, slice) = search(&mut browser)?;
    samples.ours("search", rate);
    samples.ours("slice", slice);
    samples.ours("redacted", search(&mut page.browser("viewer")?)?.0);
    master.stop()?;
    drop(page);
    cold(setting, &database, &pages, samples)
}

/// All pages, those of a job in each state and of an error among them.
fn addresses(browser: &mut Browser) -> Outcome<Vec<String>> {
    let mut pages: Vec<String> = PAGES.split_ascii_whitespace().map(str::to_owned).collect();
    // The first may be some slices away.
    let mut first = |list: &str| -> Outcome<serde_json::Value> {
        let mut list = list.to_owned();
        loop {
            let found = browser.get(&list)?;
            match (found.json()?.get(0), found.next()) {
                (Some(first), _) => return Ok(first.clone()),
                (None, Some(next)) => list = format!("/api{next}"),
                (None, None) => return Err(format!("`{list}` is empty").into()),
            }
        }
    };
    for state in ["ready", "scheduled", "succeeded", "dead", "cancelled"] {
        let id = first(&format!("/api/jobs?state={state}"))?["id"].to_string();
        pages.extend([format!("/jobs/{id}"), format!("/jobs/{id}/output"), format!("/api/jobs/{id}/why")]);
        pages.extend(["before", "after"].map(|key| format!("/jobs?state={state}&{key}={id}")));
        pages.extend([format!("/runs?job={id}"), format!("/runs?before={id}")]);
    }
    let error = first("/api/failures")?["fingerprint"].as_str().unwrap_or_default().to_owned();
    pages.extend([
        format!("/failures/{error}"),
        format!("/jobs?error={error}"),
        format!("/jobs/change/retry?error={error}"),
    ]);
    Ok(pages)
}

/// Each page in turn, again and again.
fn warm(setting: &Setting<'_>, browser: &mut Browser, pages: &[String], samples: &mut Samples) -> Outcome<()> {
    for path in pages {
        browser.get(path)?;
    }
    let mut times = vec![Vec::new(); pages.len()];
    for _ in 0..setting.n(30, 2) {
        for (path, times) in pages.iter().zip(&mut times) {
            times.push(browser.get(path)?.millis);
        }
    }
    let all = times.concat();
    let share = |percent| percentile(&all, percent).ok_or("there are no pages");
    samples.ours("typical", share(50.0)?);
    samples.ours("p99", share(99.0)?);
    let medians = times.iter().map(|times| percentile(times, 50.0).unwrap_or(0.0));
    samples.ours("slowest", slowest("warm", pages, medians));
    Ok(())
}

/// Names the three slowest pages; the time of the first.
fn slowest(how: &str, pages: &[String], millis: impl Iterator<Item = f64>) -> f64 {
    let mut all: Vec<(f64, &String)> = millis.zip(pages).collect();
    all.sort_by(|one, other| other.0.total_cmp(&one.0));
    let named = all.iter().take(3).map(|(millis, path)| format!("{path} {millis:.1} ms"));
    eprintln!("slowest pages, {how}: {}", named.collect::<Vec<_>>().join(", "));
    all.first().map_or(0.0, |(millis, _)| *millis)
}

/// Searches all jobs for a text that none has, slice by slice: jobs a second, and the p99 of a slice.
fn search(browser: &mut Browser) -> Outcome<(f64, f64)> {
    let newest = browser.get("/api/jobs?limit=1")?.json()?;
    let jobs = newest[0]["id"].as_f64().ok_or("there is no job")?;
    let (start, mut next, mut slices) = (now_ns(), Some("/api/jobs?q=nosuchword".to_owned()), Vec::new());
    while let Some(path) = next {
        let answer = browser.get(&path)?;
        slices.push(answer.millis);
        next = answer.next().map(|path| format!("/api{path}"));
    }
    Ok((jobs / seconds_since(start), percentile(&slices, 99.0).unwrap_or(0.0)))
}

fn cold(setting: &Setting<'_>, database: &Path, pages: &[String], samples: &mut Samples) -> Outcome<()> {
    let page = Page::start(setting, database, None)?;
    let mut browser = page.browser("admin")?;
    browser.get("/")?;
    let mut times = Vec::new();
    // Without a master there are no pools and workers.
    let is_stored =
        |path: &&String| !path.starts_with("/pools/") && !path.starts_with("/workers/") && !path.ends_with("/output");
    for path in pages.iter().filter(is_stored) {
        drop_from_memory(database)?;
        times.push((path.clone(), browser.get(path)?.millis));
    }
    let (pages, times): (Vec<String>, Vec<f64>) = times.into_iter().unzip();
    samples.ours("cold", slowest("cold", &pages, times.into_iter()));
    Ok(())
}

/// The next read of the file comes from the disk.
fn drop_from_memory(database: &Path) -> Outcome<()> {
    let file = File::open(database)?;
    file.sync_all()?;
    Ok(posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED)?)
}
