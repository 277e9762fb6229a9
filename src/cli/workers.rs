//! `workers`: the history of workers, newest first.

use super::args::records::WorkersArgs;
use super::context::Context;
use super::known;
use super::output::{self, ListForm};
use crate::error::{Code, Error};
use crate::report::lists;
use crate::store::WorkerFilter;

pub(crate) fn run(context: &Context, args: &WorkersArgs) -> Result<Code, Error> {
    let filter = WorkerFilter { pool: args.pool.clone(), worker: args.worker.clone(), limit: Some(args.list.limit) };
    let workers = match context.records()? {
        Some(mut records) => records.workers(&filter)?,
        None => Vec::new(),
    };
    if let Some(worker) = args.worker.as_ref().filter(|_| workers.is_empty()) {
        return Err(Error::NotFound(format!("there is no worker `{worker}` on record; see `queue-work workers`")));
    }
    if let Some(pool) = args.pool.as_ref().filter(|_| workers.is_empty()) {
        known::pool(context, pool)?;
    }
    let mut pages = std::iter::once(workers);
    let form = ListForm::new(context.global.json, args.list.jsonl);
    output::pages(form, || Ok(pages.next().unwrap_or_default()), lists::workers)?;
    Ok(Code::DONE)
}
