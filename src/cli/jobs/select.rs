//! Which jobs a verb means: from what was typed to a filter, or to the jobs that were named one by one.
//!
//! Invariant: nothing that was typed stands for every job but `--all`; an empty list of ids is no job.

use std::collections::BTreeSet;
use std::io::Read as _;
use std::path::Path;

use crate::cli::args::jobs::{Filter, Ids, Selection};
use crate::cli::batches;
use crate::cli::context::Context;
use crate::error::Error;
use crate::model::{ArgsFilter, IdRange, IdRanges, JobId, JobState, QueueName, States};
use crate::store::JobFilter;

/// The jobs that are meant.
pub(super) enum Meant {
    /// Jobs that were named one by one: one that is missing, or cannot be changed, is an error.
    Named(Vec<JobId>),
    /// Whichever are like this.
    Like(Box<JobFilter>),
}

impl Meant {
    /// The same as a filter, with the states in which something can be done.
    pub(super) fn into_filter(self, possible: States) -> JobFilter {
        match self {
            Self::Like(filter) => *filter,
            Self::Named(ids) => {
                let ids = ids.into_iter().map(|id| IdRange { first: id, last: id }).collect();
                JobFilter { ids: Some(ids), states: possible, ..JobFilter::default() }
            }
        }
    }
}

/// Jobs that are meant, in these `possible` states; by a filter without a state those in `usual` ones.
pub(super) fn meant(
    context: &Context,
    selection: &Selection,
    verb: &str,
    possible: States,
    usual: States,
) -> Result<Meant, Error> {
    let Selection { ids: typed, filter, all } = selection;
    let names_jobs = !typed.ids.is_empty() || typed.ids_from.is_some();
    if *all && names_jobs {
        return Err(Error::Usage("`--all` and ids exclude one another".to_owned()));
    }
    if !*all && !names_jobs && !has_any(filter) {
        return Err(Error::Usage(format!(
            "say which jobs to {verb}: by their ids, by a filter such as `--state dead --type resize`, or `--all`"
        )));
    }
    let is_single = |range: &IdRange| range.first == range.last;
    if typed.ids_from.is_none() && !has_any(filter) && names_jobs && typed.ids.iter().all(is_single) {
        let ids: BTreeSet<JobId> = typed.ids.iter().map(|range| range.first).collect();
        return Ok(Meant::Named(ids.into_iter().collect()));
    }
    let mut like = to_filter(context, filter, typed)?;
    let given = !filter.state.is_empty();
    like.states = match (given, names_jobs) {
        (true, _) => like.states.and(possible),
        (false, true) => possible,
        (false, false) => usual,
    };
    if like.states.is_empty() {
        let words = |states: &mut dyn Iterator<Item = JobState>| {
            states.map(|state| format!("`{}`", state.as_str())).collect::<Vec<_>>().join(", ")
        };
        let (typed, possible) = (words(&mut filter.state.iter().copied()), words(&mut possible.iter()));
        return Err(Error::Usage(format!(
            "there is nothing to {verb} in the state {typed}; the states for it are {possible}"
        )));
    }
    Ok(Meant::Like(Box::new(like)))
}

/// Whether anything is asked for.
pub(super) fn has_any(filter: &Filter) -> bool {
    let Filter { queue, state, kind, label, key, batch, error, text, arg, unique, since, until } = filter;
    let any_text = [queue, kind, label, key, batch, error, unique].into_iter().any(Option::is_some);
    any_text || !text.is_empty() || !arg.is_empty() || !state.is_empty() || since.is_some() || until.is_some()
}

/// As the store takes it.
pub(super) fn to_filter(context: &Context, filter: &Filter, ids: &Ids) -> Result<JobFilter, Error> {
    let members = filter.arg.iter().cloned().collect();
    let args = ArgsFilter { text: filter.text.clone(), members, ..ArgsFilter::default() };
    Ok(JobFilter {
        queue: filter.queue.as_deref().map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?,
        states: if filter.state.is_empty() { States::ALL } else { States::of(&filter.state) },
        kind: filter.kind.clone(),
        label: filter.label.clone(),
        key: filter.key.clone(),
        error: filter.error.clone().map(Into::into),
        unique: filter.unique.clone(),
        args: Some(args).filter(|args| !args.is_empty()),
        since: filter.since,
        until: filter.until,
        ids: match &filter.batch {
            Some(batch) => Some(ids_of_batch(context, batch, ids)?),
            None => ids_of(ids)?,
        },
        ..JobFilter::default()
    })
}

/// The jobs of a batch.
fn ids_of_batch(context: &Context, batch: &str, ids: &Ids) -> Result<IdRanges, Error> {
    if !ids.ids.is_empty() || ids.ids_from.is_some() {
        return Err(Error::Usage("`--batch` and ids exclude one another".to_owned()));
    }
    let mut records = context.records()?.ok_or_else(|| batches::missing(batch))?;
    Ok(batches::find(records.as_mut(), batch)?.ranges)
}

fn ids_of(ids: &Ids) -> Result<Option<IdRanges>, Error> {
    let Some(file) = &ids.ids_from else {
        return Ok((!ids.ids.is_empty()).then(|| ids.ids.iter().copied().collect()));
    };
    let mut bytes = Vec::new();
    let (name, read) = if file == Path::new("-") {
        ("stdin".to_owned(), std::io::stdin().lock().read_to_end(&mut bytes))
    } else {
        let read = std::fs::File::open(file).and_then(|mut file| file.read_to_end(&mut bytes));
        (format!("`{}`", file.display()), read)
    };
    read.map_err(|e| Error::Failed(format!("cannot read ids from {name}: {e}")))?;
    let text = String::from_utf8_lossy(&bytes);
    let mut all = ids.ids.clone();
    for (line, number) in text.lines().zip(1..) {
        let words = line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
        for word in words {
            let range = word.parse().map_err(|e| Error::Usage(format!("{name}, line {number}: {e}")))?;
            all.push(range);
        }
    }
    Ok(Some(all.into_iter().collect()))
}
