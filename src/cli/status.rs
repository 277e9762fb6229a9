//! `status`: queues, pools, workers, totals; without a master, what the store says of the queues, and exit code 3.

use std::io::IsTerminal;
use std::time::Duration;

use super::args::control::StatusArgs;
use super::context::{self, Context};
use super::output;
use crate::client::NONE;
use crate::error::{Code, Error};
use crate::model::{QueueTotals, UnixMicros};
use crate::report::Status;
use crate::report::status::QueueStatus;
use crate::report::status_text;

/// A master that takes longer is in trouble, and that is worth knowing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Puts the cursor to the top left and clears the screen below it.
const REDRAW: &str = "\x1b[H\x1b[J";

pub(crate) fn run(context: &Context, args: &StatusArgs) -> Result<Code, Error> {
    let Some(interval) = args.watch else {
        let status = fetch(context)?;
        show(context, &status, "")?;
        // Its error says that no master runs, and what to do.
        return if status.master.is_some() { Ok(Code::DONE) } else { Err(Context::no_master(&context.paths()?)) };
    };
    let redraw = if std::io::stdout().is_terminal() && !context.global.json { REDRAW } else { "" };
    loop {
        let status = fetch(context)?;
        let nobody = format!("{redraw}no master runs on `{}`\n\n", context.paths()?.database.display());
        show(context, &status, if status.master.is_some() { redraw } else { &nobody })?;
        context::pause(interval);
    }
}

fn show(context: &Context, status: &Status, before: &str) -> Result<(), Error> {
    if context.global.json {
        return output::json(status);
    }
    output::print(&format!("{before}{}", status_text::status(status)))
}

fn fetch(context: &Context) -> Result<Status, Error> {
    if let Some(mut client) = context.try_connect()? {
        client.set_timeout(Some(PATIENCE))?;
        return Ok(client.call("status", &NONE)?);
    }
    let totals = match context.records()? {
        Some(mut records) => records.queue_totals()?,
        None => Vec::new(),
    };
    Ok(of_store(totals, context::now()))
}

fn of_store(totals: Vec<QueueTotals>, now: UnixMicros) -> Status {
    let queue = |q: QueueTotals| QueueStatus {
        name: q.name,
        paused: q.paused,
        ready: q.ready,
        scheduled: q.scheduled,
        running: q.running,
        dead: q.dead,
        oldest_ready_s: q.oldest_ready_at.map(|at| now.since(at).as_secs_f64()),
        succeeded_total: q.succeeded_total,
        failed_total: q.failed_total,
    };
    let queues = totals.into_iter().map(queue).collect();
    Status { master: None, queues, pools: Vec::new(), workers: Vec::new(), jobs_per_s: 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_master_the_document_has_the_queues_of_the_store() {
        let totals = QueueTotals { ready: 2, oldest_ready_at: Some(UnixMicros(1_000_000)), ..QueueTotals::default() };
        let status = of_store(vec![totals], UnixMicros(3_500_000));
        let json = serde_json::to_value(&status).expect("JSON");
        assert_eq!(json["master"], serde_json::Value::Null);
        assert_eq!((&json["queues"][0]["name"], &json["queues"][0]["ready"]), (&"default".into(), &2.into()));
        assert_eq!(json["queues"][0]["oldest_ready_s"], 2.5);
        let text = status_text::status(&status);
        assert!(text.contains("default      2") && !text.contains("master"), "{text}");
    }
}
