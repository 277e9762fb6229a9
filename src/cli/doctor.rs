//! `doctor`: gathers facts about the configuration, the store and this machine, which `report::doctor` judges.
//!
//! Invariants: nothing is changed, not even a database of an older version; what cannot be found out is left out, and keeps
//! nothing else from being looked at.

mod machine;
mod units;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use rustix::fs::statvfs;

use super::args::control::DoctorArgs;
use super::context::Context;
use super::{backend, output, processors, reach, status, waiting};
use crate::client::{NONE, Patience};
use crate::clock;
use crate::config::{Loaded, Paths};
use crate::error::{Code, Error};
use crate::model::worker::EndReason;
use crate::report::Status;
use crate::report::doctor::{self, Facts, PoolHistory, Room, Setup, Stored};
use crate::report::health::Verdict;
use crate::report::hint;
use crate::store::{self, Records, RunFilter, WorkerFilter};
use crate::trust::folder_of;

/// How long the pages of a database are looked through, unless all of them are to be.
const FOR_PAGES: Duration = Duration::from_secs(2);
/// How long a master may take to answer.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Workers and runs that are looked at.
const WORKERS: u32 = 500;
const RUNS: u32 = 500;
/// A worker that was replaced after so few jobs did not pay for its start.
const FEW_JOBS: u64 = 2;
/// The exit code where something fails.
const FAILED: u8 = 1;

pub(crate) fn run(context: &Context, args: &DoctorArgs) -> Result<Code, Error> {
    let found = doctor::examine(&gather(context, args.full));
    if context.global.json {
        output::json(&found)?;
    } else {
        output::print(&hint::complete(&found.text()))?;
    }
    if found.status == Verdict::Unhealthy { Err(Error::Said(FAILED)) } else { Ok(Code::DONE) }
}

fn gather(context: &Context, full: bool) -> Facts {
    let now = clock::wall();
    let loaded = backend::load_config(&context.flags);
    let paths = context.paths().ok();
    let store = paths.map(|paths| stored(paths, full));
    let exam = store.as_ref().and_then(|stored| stored.exam.as_ref()?.as_ref().ok());
    // Databases of an older version are brought up to date by whoever opens them.
    let is_other = exam.is_some_and(|exam| exam.schema != exam.known_schema);
    let told = paths.and_then(|paths| status_of(context, paths, is_other));
    let has_answered = told.as_ref().is_some_and(|(_, has_answered)| *has_answered);
    let status = told.map_or_else(|| status::of_store(None, &[], now), |(status, _)| status);
    let mut records = if is_other || exam.is_none() { None } else { context.records().ok().flatten() };
    let pools = records.as_mut().map(|records| histories(records.as_mut())).unwrap_or_default();
    let processors = if has_answered { processors::all(context).unwrap_or_default() } else { Vec::new() };
    let machine = machine::look(status.master.as_ref(), loaded.as_ref().ok());
    Facts {
        now,
        version: env!("CARGO_PKG_VERSION"),
        configuration: loaded.map(|loaded| setup(loaded, &status)).map_err(|error| error.to_string()),
        start: if is_other { "queue-work".to_owned() } else { waiting::start(context, None) },
        store,
        has_answered,
        processors,
        pools,
        units: units::of_this_machine(),
        machine,
        status,
    }
}

fn setup(loaded: Loaded, status: &Status) -> Setup {
    let mut warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    match backend::check_socket_group(&loaded) {
        Ok(warning) => warnings.extend(warning.map(|warning| warning.to_string())),
        Err(error) => warnings.push(error.to_string()),
    }
    let read = status.master.as_ref().and_then(|master| master.config.as_ref());
    let changed = read.filter(|read| read.has_changed()).map(|read| read.file.display().to_string());
    Setup { config: loaded.config, warnings, changed }
}

fn stored(paths: &Paths, full: bool) -> Stored {
    let store = store::open(&paths.database);
    let exam = match store.exists() {
        Ok(false) => None,
        Ok(true) | Err(_) => Some(store.examine((!full).then_some(FOR_PAGES))),
    };
    let readers = exam.as_ref().and_then(|exam| exam.as_ref().ok()).map_or(&[][..], |exam| &exam.readers);
    let others = readers.iter().filter(|pid| **pid != std::process::id());
    let named = others.map(|&pid| (pid, name_of(pid)));
    let master = backend::holder(paths).map(|holder| holder.pid);
    Stored {
        path: paths.database.to_string(),
        readers: named.filter(|(pid, _)| Some(*pid) != master).collect(),
        dangers: store.dangers(),
        room: room(paths.database.local()),
        exam: exam.map(|exam| exam.map_err(|error| error.to_string())),
    }
}

fn name_of(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned()
}

/// Of the folder, or the next one above that is there.
fn room(database: &Path) -> Option<Room> {
    let found = folder_of(database).ancestors().find_map(|folder| statvfs(folder).ok())?;
    let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
    Some(Room {
        free_bytes: bytes(found.f_bavail),
        bytes: bytes(found.f_blocks),
        free_files: found.f_favail,
        files: found.f_files,
    })
}

/// The status, and whether a master has told it.
fn status_of(context: &Context, paths: &Paths, is_other: bool) -> Option<(Status, bool)> {
    if !is_other && let Ok(found) = status::fetch(context) {
        return Some((found.status, found.trouble.is_none()));
    }
    let mut master = reach::master_if_any(paths, Patience::Limited(PATIENCE)).ok()??;
    master.call("status", &NONE).ok().map(|status| (status, true))
}

/// The last workers and runs of each pool.
fn histories(records: &mut dyn Records) -> Vec<PoolHistory> {
    let mut pools: BTreeMap<String, PoolHistory> = BTreeMap::new();
    let filter = WorkerFilter { limit: Some(WORKERS), ..WorkerFilter::default() };
    for worker in records.workers(&filter).unwrap_or_default() {
        let of_pool = pools.entry(worker.pool).or_default();
        let for_memory = matches!(worker.reason, Some(EndReason::Memory | EndReason::MemoryMax));
        of_pool.workers += 1;
        of_pool.replaced_soon += u64::from(for_memory && worker.jobs_done <= FEW_JOBS);
    }
    let filter = RunFilter { limit: Some(RUNS), ..RunFilter::default() };
    for run in records.runs(&filter).unwrap_or_default() {
        let Some((pool, _)) = run.worker.as_deref().and_then(|worker| worker.rsplit_once('-')) else { continue };
        let of_pool = pools.entry(pool.to_owned()).or_default();
        of_pool.runs += 1;
        of_pool.mean_s += (run.duration_s - of_pool.mean_s) / of_pool.runs as f64;
    }
    pools.into_iter().map(|(name, history)| PoolHistory { name, ..history }).collect()
}
