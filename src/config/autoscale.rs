//! How pools scale themselves, from the tables and flags that say so.
//!
//! The table of a pool lies over the defaults below, and the flags over that. Invariant: the least number of workers is
//! never above the most.

use std::sync::Arc;

use config::{Value, ValueKind};

use super::document::Table;
use super::load::Layers;
use super::problem::Problem;
use super::raw;
use super::rules::in_file;
use super::show::Origins;
use crate::model::autoscale::{Autoscale, Sharing, Together, Window};
use crate::model::{PoolKind, PoolLimits, PoolName, units};
use crate::schedule::{Calendar, LOCAL, Zone};

const DEFAULTS: [(&str, &str); 8] = [
    ("min", "1"),
    ("target_wait", "5s"),
    ("target_cpu", "off"),
    ("cpu_max", "0.9"),
    ("memory_budget", "80%"),
    ("hold", "120s"),
    ("step_up", "off"),
    ("step_down", "25%"),
];

/// A caller does not wait as long as a job may.
const WAIT_OF_CALLS: &str = "1s";

/// Whether a pool scales itself; stands in its table beside the other keys.
const ENABLED: &str = "enabled";

/// Reads `1..8`.
pub(super) fn range(text: &str) -> Option<(u32, u32)> {
    let (min, max) = text.split_once("..")?;
    let number = |text: &str| text.parse().ok().filter(|n| *n <= crate::model::MOST_WORKERS);
    number(min).zip(number(max).filter(|max| *max > 0))
}

/// The table that `true`, `false` or `1..8` stands for, which was checked.
pub(super) fn of_text(text: &str, origin: &str) -> Value {
    let origin = origin.to_owned();
    let value = |text: String| Value::new(Some(&origin), ValueKind::String(text));
    let mut table = Table::new();
    table.insert(ENABLED.to_owned(), value((text != "false").to_string()));
    if let Some((min, max)) = range(text) {
        table.extend([("min", min), ("max", max)].map(|(key, n)| (key.to_owned(), value(n.to_string()))));
    }
    Value::new(Some(&origin), ValueKind::Table(table))
}

/// A table of the file, which says that the pool scales itself by being there.
pub(super) fn of_table(mut table: Table, origin: &str) -> Value {
    table.insert(ENABLED.to_owned(), Value::new(Some(&origin.to_owned()), "true"));
    Value::new(None, ValueKind::Table(table))
}

/// Puts what a flag says into the table of every pool.
pub(super) fn put_flag(table: &mut Table, flag: &str, text: &str, origin: &str) {
    let value = Value::new(Some(&origin.to_owned()), ValueKind::String(text.to_owned()));
    let said = match flag {
        "autoscale" => of_text(text, origin).into_table().unwrap_or_default(),
        "target_wait" => Table::from([(flag.to_owned(), value)]),
        _ => return drop(table.insert(flag.to_owned(), value)),
    };
    let mut all = table.remove("autoscale").and_then(|value| value.into_table().ok()).unwrap_or_default();
    all.extend(said);
    table.insert("autoscale".to_owned(), Value::new(None, ValueKind::Table(all)));
}

/// The table `[autoscale]`.
pub(super) fn together(top: &Table, table: &Table) -> Result<Together, String> {
    let share = if raw::text(table, "share")? == "by_priority" { Sharing::ByPriority } else { Sharing::ByNeed };
    Ok(Together { cap: raw::value(top, "max_processes")?, max_processes: raw::value(table, "max_processes")?, share })
}

/// How this pool scales itself, by everything that is said about it.
pub(super) fn of_pool(
    (name, kind): (&PoolName, PoolKind),
    table: &Table,
    layers: &Layers<'_>,
    origins: &mut Origins,
    problems: &mut Vec<Problem>,
) -> Result<Option<Arc<Autoscale>>, String> {
    let path = format!("pools.{name}.autoscale");
    let said = table.get("autoscale").and_then(|value| value.clone().into_table().ok()).unwrap_or_default();
    if raw::text(&said, ENABLED) != Ok("true") {
        if origins.get(&format!("{path}.target_wait")).starts_with("flag ") {
            let message = "a pool that does not scale itself has none; give `--autoscale 1..8`, too";
            problems.push(layers.flags.problem("target_wait", message));
        }
        return Ok(None);
    }
    let mut problem = |key: &str, message: &str| {
        let key = format!("{path}{key}");
        problems.push(match origins.get(&key).split_once(' ') {
            Some(("flag" | "environment", flag)) => Problem::with_key(flag, message),
            _ => in_file(layers, &[&key, &path], message.to_owned()),
        });
    };
    let unknown = match kind {
        PoolKind::Opaque => Some("an opaque worker fetches its own jobs elsewhere"),
        PoolKind::Server => Some("with `listen_mode = \"worker\"` the workers accept their connections themselves"),
        PoolKind::Protocol | PoolKind::Exec | PoolKind::Service => None,
    };
    if let Some(why) = unknown {
        problem(".enabled", &format!("{why}, so there is nothing to scale by; leave it out"));
        return Ok(None);
    }
    let mut all = defaults();
    if kind == PoolKind::Service {
        all.insert("target_wait".to_owned(), Value::new(None, WAIT_OF_CALLS));
    }
    all.extend(said.clone());
    let min: u32 = raw::value(&all, "min")?;
    // The number of workers that is said otherwise is the most.
    let PoolLimits { workers, max_workers, .. } = raw::limits(table)?;
    let max = if all.contains_key("max") { raw::value(&all, "max")? } else { workers.max(min).max(1) };
    if min > max {
        let key = if said.contains_key("min") { ".min" } else { ".max" };
        problem(key, &format!("`min` is {min}, but `max` is {max}; `min` must not be above it"));
        return Ok(None);
    }
    let settings = settings(&all, min, max)?;
    let of_windows = settings.schedule.iter().flat_map(|window| [window.min, window.max]).flatten();
    for (key, number) in std::iter::once((".max", max)).chain(of_windows.map(|number| (".schedule", number))) {
        if let Some(most) = max_workers.filter(|most| number > *most) {
            problem(
                key,
                &format!("it has up to {number} workers, but `max_workers` is {most}; it must not be above it"),
            );
        }
    }
    Ok(Some(Arc::new(settings)))
}

fn defaults() -> Table {
    DEFAULTS.iter().map(|(key, text)| ((*key).to_owned(), Value::new(None, *text))).collect()
}

/// How a pool would scale itself that says nothing but its bounds.
#[must_use]
pub fn autoscale_within(min: u32, max: u32) -> Autoscale {
    settings(&defaults(), min, max).expect("BUG: the defaults were read before")
}

fn settings(all: &Table, min: u32, max: u32) -> Result<Autoscale, String> {
    Ok(Autoscale {
        min,
        max,
        target_wait: raw::value(all, "target_wait")?,
        target_cpu: raw::value(all, "target_cpu")?,
        cpu_max: raw::value(all, "cpu_max")?,
        memory_budget: raw::value(all, "memory_budget")?,
        hold: raw::value(all, "hold")?,
        step_up: raw::value(all, "step_up")?,
        step_down: raw::value(all, "step_down")?,
        schedule: windows(all)?,
    })
}

fn windows(table: &Table) -> Result<Vec<Window>, String> {
    let Some(windows) = table.get("schedule") else { return Ok(Vec::new()) };
    let windows = windows.clone().into_array().map_err(|e| e.to_string())?;
    windows.into_iter().map(|window| of_window(&window.into_table().map_err(|e| e.to_string())?)).collect()
}

fn of_window(table: &Table) -> Result<Window, String> {
    let cron = table.get("cron").cloned().and_then(|cron| cron.into_array().ok()).unwrap_or_default();
    let cron: Vec<String> = cron.iter().map(ToString::to_string).collect();
    let zone = Zone::find(raw::text(table, "timezone").unwrap_or(LOCAL))?;
    let written = format!("{} ({})", cron.join(" | "), zone.name);
    let number = |key| raw::text(table, key).ok().map(|text| text.parse().map_err(|_| format!("`{key}` is {text}")));
    Ok(Window {
        begins: Arc::new(Calendar::new(cron.iter().map(String::as_str), zone)?),
        written,
        lasts: raw::value(table, "for")?,
        min: number("min").transpose()?,
        max: number("max").transpose()?,
    })
}

/// Lines of `config show`.
pub(super) fn show(path: &str, autoscale: &Autoscale, lines: &mut Vec<(String, String)>) {
    let off = || "off".to_owned();
    let shown = [
        ("min", autoscale.min.to_string()),
        ("max", autoscale.max.to_string()),
        ("target_wait", units::show_duration(autoscale.target_wait)),
        ("target_cpu", autoscale.target_cpu.map_or_else(off, |share| share.to_string())),
        ("cpu_max", autoscale.cpu_max.map_or_else(off, |share| share.to_string())),
        ("memory_budget", autoscale.memory_budget.map_or_else(off, |budget| budget.to_string())),
        ("hold", units::show_duration(autoscale.hold)),
        ("step_up", autoscale.step_up.map_or_else(off, |step| step.to_string())),
        ("step_down", autoscale.step_down.map_or_else(off, |step| step.to_string())),
    ];
    lines.extend(shown.into_iter().map(|(key, value)| (format!("{path}.autoscale.{key}"), value)));
    if !autoscale.schedule.is_empty() {
        let windows: Vec<String> = autoscale.schedule.iter().map(ToString::to_string).collect();
        lines.push((format!("{path}.autoscale.schedule"), windows.join("; ")));
    }
}
