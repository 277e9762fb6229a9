//! `workers`: the history of workers, newest first.

use super::args::records::WorkersArgs;
use super::context::Context;
use super::output::{self, ListForm};
use super::{known, status};
use crate::clock;
use crate::error::{Code, Error};
use crate::report::lists;
use crate::store::WorkerFilter;

pub(crate) fn run(context: &Context, args: &WorkersArgs) -> Result<Code, Error> {
    let form = ListForm::new(context.global.json, args.list.jsonl);
    let limit = form.limit(args.list.limit);
    let filter =
        WorkerFilter { pool: args.pool.clone(), worker: args.worker.clone(), limit: Some(form.to_read(limit)) };
    let mut workers = match context.records()? {
        Some(mut records) => records.workers(&filter)?,
        None => Vec::new(),
    };
    for slot in status::fetch(context)?.status.workers.into_iter().filter(|slot| slot.note.is_some()) {
        // The newest is the one that nobody follows.
        if let Some(last) = workers.iter_mut().find(|worker| worker.id == slot.id) {
            last.note = slot.note;
        }
    }
    if let Some(worker) = args.worker.as_ref().filter(|_| workers.is_empty()) {
        return Err(Error::NotFound(format!("there is no worker `{worker}` on record; see `queue-work workers`")));
    }
    if let Some(pool) = args.pool.as_ref().filter(|_| workers.is_empty()) {
        known::pool(context, pool)?;
    }
    if workers.is_empty() {
        context.warn("no worker has run yet; see `queue-work status`");
    }
    let mut pages = std::iter::once(workers);
    let (now, width) = (clock::wall(), output::width());
    let next = || Ok(pages.next().unwrap_or_default());
    if output::pages(form, limit, next, |workers| lists::workers(workers, now, width))?.is_some() {
        context.warn(&format!("{limit} of many shown; see more with `--limit`"));
    }
    Ok(Code::DONE)
}
