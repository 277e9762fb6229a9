//! `metrics`: numbers for those who collect them, and of the past with percentiles.
//!
//! Invariant: a collector gets `queue_work_up`, and what the store knows, also where no master runs, answers or has numbers,
//! as long as the store is known: a file that is written again and again does not keep an old 1.

use std::fs::{File, Permissions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::args::metrics::{MetricsArgs, MetricsFormat};
use super::context::Context;
use super::{known, output, processors, services, status};
use crate::client::{ClientError, NONE};
use crate::clock;
use crate::config::Flags;
use crate::error::{Code, Error};
use crate::model::rollup::MOST_TYPES;
use crate::model::{QueueName, QueueTotals};
use crate::report::exposition::{self, Family, Format};
use crate::report::history::{self, HistoryReport};
use crate::report::metrics::OfStore;
use crate::report::{limit_metrics, metrics, words};
use crate::wire::metrics::AskHistory;

/// Everybody may read the file: a collector is another user.
const READABLE: u32 = 0o644;

pub(crate) fn run(context: &Context, args: &MetricsArgs) -> Result<Code, Error> {
    if let Some(history) = args.history {
        return show_history(context, args, history);
    }
    let families = match (context.paths(), &context.flags.database) {
        (Err(error @ Error::Config(_)), Some(_)) => {
            context.warn(&format!("{error}\nthe database that was named counts alone; see `queue-work config check`"));
            // An empty file.
            let flags = Flags { config: Some("/dev/null".into()), ..context.flags.clone() };
            families(&Context::new(flags, context.global.clone()))?
        }
        _ => families(context)?,
    };
    let text = match args.format {
        _ if context.global.json => output::to_json(&families)? + "\n",
        MetricsFormat::Prometheus => exposition::text(&families, Format::Prometheus),
        MetricsFormat::OpenMetrics => exposition::text(&families, Format::OpenMetrics),
    };
    match &args.output {
        Some(file) => replace(file, &text)?,
        None if std::io::stdout().is_terminal() => output::print(&words::escape(&text))?,
        None => output::raw(text.as_bytes())?,
    }
    Ok(Code::DONE)
}

/// From the master; without one that answers and has numbers, what the store knows.
pub(crate) fn families(context: &Context) -> Result<Vec<Family>, Error> {
    let mut is_up = false;
    let asked = status::ask(context.paths()?, |client| {
        client.ping()?;
        is_up = true;
        client.call("metrics", &NONE)
    });
    match asked {
        Ok(Ok(families)) => return Ok(with_services(context, families)),
        Ok(Err(holder)) => holder.into_iter().for_each(|(_, trouble)| context.warn(&trouble)),
        Err(error) => {
            use ClientError::{Garbled, Older, Refused};
            is_up |= matches!(&error, Error::Client(Refused(_) | Garbled(_) | Older { .. }));
            context.warn(&error.to_string());
        }
    }
    let mut families = metrics::about(is_up);
    match of_store(context) {
        Ok(found) => families.extend(found),
        Err(error) => context.warn(&error.to_string()),
    }
    Ok(families)
}

/// Behind the metrics of the master those of the gateway, if there are services.
fn with_services(context: &Context, mut families: Vec<Family>) -> Vec<Family> {
    match services::metrics(context) {
        Ok(of_services) => families.extend(of_services.into_iter().flatten()),
        Err(error) => context.warn(&error.to_string()),
    }
    families
}

fn of_store(context: &Context) -> Result<Vec<Family>, Error> {
    let Some(mut records) = context.records()? else { return Ok(Vec::new()) };
    let (totals, now) = (records.queue_totals()?, clock::wall());
    let with_keys = limit_metrics::with_keys(totals.iter());
    let mut apart = 0..MOST_TYPES;
    let totals = QueueTotals::with_others(totals.iter(), |_| apart.next().is_some());
    let mut families = metrics::of_queues(&totals, now);
    families.extend(limit_metrics::of_queues(&totals, None));
    let processors = processors::configured(context).unwrap_or_else(|error| {
        context.warn(&error.to_string());
        Vec::new()
    });
    let of = OfStore { url: context.paths()?.database.clone(), with_keys, processors, ended_runs: None };
    let (found, trouble) = metrics::of_store(records.as_mut(), &of, now);
    if let Some(error) = trouble {
        context.warn(&error.to_string());
    }
    families.extend(found);
    Ok(families)
}

/// Writes a file beside it and gives it the name: nobody reads a part. A device or a pipe is written to.
fn replace(file: &Path, text: &str) -> Result<(), Error> {
    let written = || {
        let place = file.canonicalize().unwrap_or_else(|_| file.to_owned());
        if place.metadata().is_ok_and(|found| !found.is_file()) {
            return File::options().write(true).open(place)?.write_all(text.as_bytes());
        }
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut new = tempfile::NamedTempFile::new_in(folder)?;
        // At its making the umask counts.
        new.as_file().set_permissions(Permissions::from_mode(READABLE))?;
        new.write_all(text.as_bytes())?;
        new.persist(place).map(drop).map_err(|error| error.error)
    };
    // The error itself names the file beside it, which is gone.
    written().map_err(|error: io::Error| {
        let (file, why) = (file.display(), io::Error::from(error.kind()));
        let next = "`--output` wants a file in a folder that is there and that you may write to";
        Error::Failed(format!("cannot write `{file}`: {why}; {next}"))
    })
}

fn show_history(context: &Context, args: &MetricsArgs, history: Duration) -> Result<Code, Error> {
    let now = clock::wall();
    let queue = args.queue.as_deref().map(QueueName::new).transpose().map_err(|e| Error::Usage(e.to_string()))?;
    let asked = AskHistory { since: now.minus(history), until: None, queue, kind: args.kind.clone() };
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
pub(crate) fn report(context: &Context, asked: &AskHistory) -> Result<Option<HistoryReport>, Error> {
    if let Some(mut client) = context.try_connect()? {
        return Ok(Some(client.call("metrics.history", asked)?));
    }
    let filter = history::filter(asked, clock::wall());
    let Some(mut records) = context.records()? else { return Ok(None) };
    Ok(Some(HistoryReport::new(filter.range, &records.history(&filter)?)))
}
