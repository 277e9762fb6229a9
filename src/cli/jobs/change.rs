//! `jobs retry`, `cancel`, `delete` and `set`: through the master when one runs, else in the store.
//!
//! Jobs that are meant by a filter are looked up first, so that those are changed of which the number was said, and none
//! that comes later; then they go a step at a time, while everything else goes on. A job that has come to another state by
//! then is left as it is.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::path::Path;

use serde_json::json;

use super::operations;
use super::select::{self, Meant};
use crate::cli::args::jobs::{Change, Selection};
use crate::cli::context::{Context, Way};
use crate::cli::{audit, hosts, known, output};
use crate::error::{Code, Error};
use crate::model::change::{Op, Reply, Request};
use crate::model::{JobAction, JobId, JobState, States};
use crate::report::refusals::Became;
use crate::report::{self, printer, refusals, words};
use crate::store::Store;
use crate::wire::control::{ChangedJobs, Jobs, RefusedJob};

/// Jobs of one step.
const STEP: usize = 1_000;
/// So many are shown with a bar.
const MANY: usize = 5 * STEP;
/// Ids that `--dry-run` names.
const FIRST: usize = 10;

/// An action on jobs, as it was typed.
pub(crate) struct Deed {
    pub(crate) action: JobAction,
    /// Without the jobs.
    pub(crate) params: Jobs,
}

impl Deed {
    pub(crate) fn new(action: JobAction) -> Self {
        Self { action, params: Jobs::default() }
    }
}

pub(crate) fn run(context: &Context, deed: &Deed, selection: &Selection, change: &Change) -> Result<Code, Error> {
    let (possible, usual) = (deed.action.possible(), deed.action.usual());
    let changed = match select::meant(context, selection, deed.action.verb(), possible, usual)? {
        Meant::Named(ids) if !change.dry_run && !change.background => named(context, deed, ids)?,
        meant => {
            let filter = meant.into_filter(possible);
            let mut ids = match context.records()? {
                Some(mut records) => records.job_ids(&filter)?,
                None => Vec::new(),
            };
            ids.sort_unstable();
            if ids.is_empty() {
                known::queue(context, selection.filter.queue.as_deref())?;
            }
            if change.dry_run {
                return say_first(context, deed, &ids);
            }
            if ids.len() > 1 && !is_agreed(context, deed, &ids, change, selection)? {
                return Err(Error::Failed("nothing was changed".to_owned()));
            }
            if change.background {
                return operations::begin(context, deed, filter);
            }
            let ids: Vec<JobId> = ids.into_iter().map(|(id, _)| id).collect();
            in_steps(context, deed, &ids, filter.states)?
        }
    };
    conclude(context, deed, &changed)
}

/// Changes jobs by their ids, through the master when one runs, else in the store.
pub(crate) fn named(context: &Context, deed: &Deed, ids: Vec<JobId>) -> Result<ChangedJobs, Error> {
    if let Some(mut way) = context.master_or_existing_store()? {
        return step(context, &mut way, deed, ids, States::ALL);
    }
    Ok(ChangedJobs { refused: ids.into_iter().map(refusals::missing).collect(), ..ChangedJobs::default() })
}

fn in_steps(context: &Context, deed: &Deed, ids: &[JobId], only: States) -> Result<ChangedJobs, Error> {
    let mut all = ChangedJobs::default();
    let Some(mut way) = context.master_or_existing_store()?.filter(|_| !ids.is_empty()) else { return Ok(all) };
    let is_shown = ids.len() >= MANY && !context.global.quiet && !context.global.json;
    let bar = is_shown.then(printer::progress_bar);
    if let Some(bar) = &bar {
        bar.set_length(ids.len() as u64);
    }
    for part in ids.chunks(STEP) {
        let changed = step(context, &mut way, deed, part.to_vec(), only).inspect_err(|_| {
            let (done, of) = (all.count, words::count(ids.len() as u64, "job"));
            output::say(&format!("{} {done} of {of} before that failed:", refusals::done(&deed.action)));
        })?;
        all.count += changed.count;
        all.passed_over += changed.passed_over;
        all.refused.extend(changed.refused);
        if let Some(bar) = &bar {
            bar.inc(part.len() as u64);
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(all)
}

fn step(context: &Context, way: &mut Way, deed: &Deed, ids: Vec<JobId>, only: States) -> Result<ChangedJobs, Error> {
    match way {
        Way::Master(client) => {
            let method = format!("jobs.{}", deed.action.verb());
            let changed = client.call(&method, &Jobs { ids, only, ..deed.params.clone() })?;
            output::note(client);
            Ok(changed)
        }
        Way::Store(store) => in_store(context, store.as_mut(), deed, &ids, only),
    }
}

fn in_store(
    context: &Context,
    store: &mut dyn Store,
    deed: &Deed,
    ids: &[JobId],
    only: States,
) -> Result<ChangedJobs, Error> {
    let op = |&job: &JobId| Op::from(Request::Act { job, only, action: deed.action.clone() });
    let mut changed = ChangedJobs::default();
    let said = report::audit::change(&deed.action, ids, None);
    let replies = audit::apply(context, store, said, ids.iter().map(op).collect(), |audited, replies| {
        changed = became(deed, ids, only, replies);
        audited.ended_with(changed.count, changed.refused.first().map(|refused| &*refused.reason))
    })?;
    let ordered = ids.iter().zip(replies).filter_map(|(&id, reply)| match reply {
        Reply::Elsewhere(host, order) => Some((id, host, order)),
        _ => None,
    });
    for (id, host, order) in ordered {
        let fate = hosts::fate_of(context, order)?;
        changed.refused.retain(|refused| refused.id != id);
        match report::orders::cancelled(id, &host, &fate) {
            Ok(()) => changed.count += 1,
            Err(refused) => changed.refused.push(refused),
        }
    }
    Ok(changed)
}

/// The outcome for each job.
fn became(deed: &Deed, ids: &[JobId], only: States, replies: &[Reply]) -> ChangedJobs {
    let mut changed = ChangedJobs::default();
    for (&id, reply) in ids.iter().zip(replies) {
        match Became::of(&deed.action, id, only, reply) {
            Became::Changed => changed.count += 1,
            Became::Left(_) if only != States::ALL => changed.passed_over += 1,
            Became::Left(refused) => changed.refused.push(refused),
            Became::Refused(refused) => changed.refused.push(match reply {
                Reply::Changed { was: JobState::Running, .. } => masterless(id),
                _ => refused,
            }),
        }
    }
    changed
}

/// For a job whose run nobody can end.
fn masterless(id: JobId) -> RefusedJob {
    let reason = format!("job {id} was running when the master ended; start a master, which gives it back");
    RefusedJob { id, reason, exit_code: 5 }
}

/// How many jobs of each state.
fn by_state(ids: &[(JobId, JobState)]) -> BTreeMap<JobState, u64> {
    let mut states = BTreeMap::new();
    for (_, state) in ids {
        *states.entry(*state).or_default() += 1;
    }
    states
}

/// `3 dead jobs`, or `5 jobs (3 dead, 2 ready)`.
fn in_words(ids: &[(JobId, JobState)]) -> String {
    let states = by_state(ids);
    let jobs = words::count(ids.len() as u64, "job");
    if let (1, Some((state, _))) = (states.len(), states.first_key_value()) {
        return jobs.replacen(' ', &format!(" {} ", state.as_str()), 1);
    }
    let parts: Vec<String> = states.iter().map(|(state, jobs)| format!("{jobs} {}", state.as_str())).collect();
    if parts.is_empty() { jobs } else { format!("{jobs} ({})", parts.join(", ")) }
}

fn say_first(context: &Context, deed: &Deed, ids: &[(JobId, JobState)]) -> Result<Code, Error> {
    let first: Vec<JobId> = ids.iter().take(FIRST).map(|(id, _)| *id).collect();
    if context.global.json {
        let states: BTreeMap<&str, u64> = by_state(ids).into_iter().map(|(state, n)| (state.as_str(), n)).collect();
        output::json(&json!({"dry_run": true, "count": ids.len(), "states": states, "first_ids": first}))?;
        return Ok(Code::DONE);
    }
    let mut text = format!("would {} {}", deed.action.verb(), in_words(ids));
    if !first.is_empty() {
        let named: Vec<String> = first.iter().map(ToString::to_string).collect();
        let more = if ids.len() > FIRST { ", …" } else { "" };
        text.extend([": ", &named.join(", "), more]);
    }
    output::line(&text)?;
    Ok(Code::DONE)
}

/// Says how many jobs are meant, and asks where somebody can answer.
fn is_agreed(
    context: &Context,
    deed: &Deed,
    ids: &[(JobId, JobState)],
    change: &Change,
    selection: &Selection,
) -> Result<bool, Error> {
    let global = &context.global;
    let meant = format!("{} {}", deed.action.verb(), in_words(ids));
    let from_stdin = selection.ids.ids_from.as_deref() == Some(Path::new("-"));
    let can_answer = std::io::stdin().is_terminal() && !from_stdin;
    if change.yes || !(can_answer || std::io::stderr().is_terminal()) {
        if !global.quiet && !global.json {
            output::say(&format!("to {meant}"));
        }
        return Ok(true);
    }
    let mut answer = String::new();
    let mut ask = |input: &mut dyn std::io::BufRead, output: &mut dyn std::io::Write| {
        let asked = write!(output, "queue-work: {meant}? [y/N] ").and_then(|()| output.flush());
        asked.and_then(|()| input.read_line(&mut answer)).map(drop)
    };
    let asked = if can_answer && std::io::stderr().is_terminal() {
        ask(&mut std::io::stdin().lock(), &mut std::io::stderr())
    } else {
        // Stdin or stderr leads elsewhere.
        std::fs::File::options().read(true).write(true).open("/dev/tty").and_then(|terminal| {
            let mut output = terminal.try_clone()?;
            ask(&mut std::io::BufReader::new(terminal), &mut output)
        })
    };
    asked
        .map_err(|e| Error::Failed(format!("nobody can be asked whether to {meant}: {e}; say `--yes` if it is so")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// Says what was done and what was not; a missing job weighs more than a refused one.
fn conclude(context: &Context, deed: &Deed, changed: &ChangedJobs) -> Result<Code, Error> {
    if context.global.json {
        output::json(changed)?;
    } else if changed.count > 0 || changed.refused.is_empty() {
        let jobs = words::count(changed.count, "job");
        context.done(&format!("{} {jobs}", refusals::done(&deed.action)))?;
    }
    if changed.passed_over > 0 {
        let jobs = words::count(changed.passed_over, "job");
        let held = if deed.action == JobAction::Retry { ", or another unfinished job has the unique key" } else { "" };
        output::say(&format!("passed over {jobs}, in another state by then{held}"));
    }
    for refused in &changed.refused {
        output::say(&refused.reason);
    }
    let codes = || changed.refused.iter().map(|r| r.exit_code);
    let code = if codes().any(|c| c == 4) { Some(4) } else { codes().next() };
    Ok(code.map_or(Code::DONE, Code))
}
