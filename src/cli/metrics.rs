//! `metrics`: numbers of the past, with percentiles.

use super::args::metrics::MetricsArgs;
use super::context::Context;
use super::{known, output};
use crate::clock;
use crate::error::{Code, Error};
use crate::model::QueueName;
use crate::report::history::{self, HistoryReport};
use crate::wire::metrics::AskHistory;

pub(crate) fn run(context: &Context, args: &MetricsArgs) -> Result<Code, Error> {
    let now = clock::wall();
    let queue = args.queue.as_deref().map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?;
    let asked = AskHistory { since: now.minus(args.history), until: None, queue, kind: args.kind.clone() };
    let Some(report) = report(context, &asked)? else {
        context.warn("nothing has run yet; see `queue-work status`");
        return Ok(Code::DONE);
    };
    if context.global.json {
        output::json(&report)?;
        return Ok(Code::DONE);
    }
    if report.points.is_empty() {
        known::queue(context, args.queue.as_deref())?;
        context.warn("no run ended in this time; see `queue-work runs`");
        return Ok(Code::DONE);
    }
    output::print(&report.table(now, output::width()))?;
    Ok(Code::DONE)
}

/// From the records, also while a master runs: what it has counted in the last ten seconds is not there yet.
fn report(context: &Context, asked: &AskHistory) -> Result<Option<HistoryReport>, Error> {
    if let Some(mut client) = context.try_connect()? {
        return Ok(Some(client.call("metrics.history", asked)?));
    }
    let filter = history::filter(asked, clock::wall());
    let Some(mut records) = context.records()? else { return Ok(None) };
    Ok(Some(HistoryReport::new(filter.range, &records.history(&filter)?)))
}
