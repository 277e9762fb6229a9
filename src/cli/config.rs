//! `config`: checks, shows or writes the configuration.

use std::path::Path;

use serde::Serialize;

use super::args::control::ConfigVerb;
use super::backend;
use super::context::Context;
use super::{new_file, output};
use crate::config::{self, Loaded, Shown};
use crate::error::{Code, Error};
use crate::model::processor::{ProcessorSettings, Timing};
use crate::model::{ProcessorName, UnixMicros};
use crate::report::tables::{Align, Column, render};
use crate::report::{hint, words};
use crate::schedule::{self, Upcoming};

/// Ticks of each processor that `config check` shows.
const SHOWN_TICKS: usize = 3;

pub(crate) fn run(context: &Context, verb: &ConfigVerb) -> Result<Code, Error> {
    match verb {
        ConfigVerb::Check => check(context),
        ConfigVerb::Show => show(context),
        ConfigVerb::Init { path } => init(path, context.global.quiet),
    }
}

fn load(context: &Context) -> Result<Loaded, Error> {
    let loaded = backend::load_for_master(&context.flags)?;
    for warning in &loaded.warnings {
        context.warn(&format!("warning: {warning}"));
    }
    Ok(loaded)
}

fn check(context: &Context) -> Result<Code, Error> {
    let mut loaded = load(context)?;
    if let Some(warning) = backend::check_socket_group(&loaded)? {
        context.warn(&format!("warning: {warning}"));
        loaded.warnings.push(warning);
    }
    backend::find_accounts(&mut loaded)?;
    let file = loaded.config.file.as_ref().map(|read| read.file.display().to_string());
    let workers: u64 = loaded.config.pools.iter().map(|p| u64::from(p.settings.most_workers())).sum();
    if context.global.json {
        let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
        let processors: Vec<_> = loaded.config.processors.iter().map(preview).collect();
        output::json(&serde_json::json!({
            "file": file, "pools": loaded.config.pools.len(), "workers": workers, "processors": processors,
            "warnings": warnings,
        }))?;
        return Ok(Code::DONE);
    }
    let what = file.map_or_else(|| "no configuration file; the defaults are".to_owned(), |f| format!("`{f}` is"));
    let pools = words::count(loaded.config.pools.len() as u64, "pool");
    let processors = match loaded.config.processors.len() {
        0 => String::new(),
        count => format!(", {}", words::count(count as u64, "processor")),
    };
    let mut said = vec![format!("{what} valid: {pools}, {}{processors}", words::count(workers, "worker"))];
    for Preview { name, schedule, next, .. } in loaded.config.processors.iter().map(preview) {
        said.push(format!("{name}: {schedule}"));
        said.extend(next.iter().map(|next| format!("  {}{}", next.tick, if next.moved { " moved" } else { "" })));
    }
    context.done(&said.join("\n"))?;
    Ok(Code::DONE)
}

/// A processor with its next times; those of an interval depend on its runs.
#[derive(Serialize)]
struct Preview<'a> {
    name: &'a ProcessorName,
    schedule: &'a str,
    timezone: Option<&'a str>,
    next: Vec<Upcoming>,
}

fn preview(settings: &ProcessorSettings) -> Preview<'_> {
    let ProcessorSettings { name, schedule, timezone, timing, .. } = settings;
    let now = UnixMicros::from_timestamp(jiff::Timestamp::now());
    let count = if matches!(timing, Timing::Calendar(_)) { SHOWN_TICKS } else { 0 };
    Preview { name, schedule, timezone: timezone.as_deref(), next: schedule::next(settings, now, count) }
}

/// The values in force, with the origin of each.
#[cfg(feature = "web")]
pub(crate) fn shown(context: &Context) -> Result<Vec<Shown>, Error> {
    backend::load_for_master(&context.flags).map(|loaded| config::show(&loaded))
}

fn show(context: &Context) -> Result<Code, Error> {
    let shown = config::show(&load(context)?);
    if context.global.json {
        output::json(&shown)?;
    } else {
        let columns = [Column("key", Align::Left), Column("value", Align::Left), Column("from", Align::Left)];
        let row = |s: Shown| vec![s.key, words::one_line(&s.value, 200), s.origin];
        output::print(&render(&columns, &shown.into_iter().map(row).collect::<Vec<_>>()))?;
    }
    Ok(Code::DONE)
}

fn init(path: &Path, quiet: bool) -> Result<Code, Error> {
    if path == Path::new("-") {
        output::print(config::template())?;
        return Ok(Code::DONE);
    }
    new_file::write(path, config::template(), false)?;
    if !quiet {
        // The name that is looked for by itself.
        let option = if path == Path::new("queue-work.toml") {
            String::new()
        } else {
            format!(" --config {}", words::command([&*path.to_string_lossy()]))
        };
        let check = format!("wrote `{}`; check it with `queue-work config check{option}`", path.display());
        output::line(&hint::complete(&check))?;
    }
    Ok(Code::DONE)
}
