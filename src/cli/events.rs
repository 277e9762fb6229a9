//! `events`: what has happened at the running master, and what happens.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::args::records::EventsArgs;
use super::context::Context;
use super::output;
use crate::error::{Code, Error};
use crate::model::UnixMicros;
use crate::report::words;
use crate::wire::control::{DROPPED, FollowEvents, FollowedEvents, HAPPENED};

/// Events shown where no number is given.
const SHOWN: usize = 100;

/// The members of an event that people want.
#[derive(Deserialize)]
struct Line {
    ts: UnixMicros,
    event: String,
    msg: String,
    #[serde(default)]
    data: Data,
}

#[derive(Default, Deserialize)]
struct Data {
    /// The words of a step of level debug.
    #[serde(default)]
    detail: Option<String>,
}

pub(crate) fn run(context: &Context, args: &EventsArgs) -> Result<Code, Error> {
    let mut client = context.connect()?;
    let follow = FollowEvents { since: Some(0), runs: args.runs, debug: args.follow };
    let FollowedEvents { mut events, .. } = client.call("events.follow", &follow)?;
    events.retain(|event| args.wants(event));
    events.drain(..events.len().saturating_sub(args.lines.unwrap_or(SHOWN)));
    let lines = args.jsonl || (context.global.json && args.follow);
    if context.global.json && !lines {
        output::json(&events)?;
        return Ok(Code::DONE);
    }
    for event in &events {
        print(event, lines)?;
    }
    if !args.follow {
        return Ok(Code::DONE);
    }
    for heard in client.notifications() {
        let heard = heard?;
        match heard.method.as_str() {
            HAPPENED if args.wants(&heard.params) => print(&heard.params, lines)?,
            DROPPED => context.warn("events are missing: they came faster than they were read"),
            _ => {}
        }
    }
    context.warn("the master has ended");
    Ok(Code::DONE)
}

impl EventsArgs {
    fn wants(&self, event: &RawValue) -> bool {
        let of_kind = |line: Line| self.kind.contains(&line.event);
        self.kind.is_empty() || serde_json::from_str(event.get()).is_ok_and(of_kind)
    }
}

fn print(event: &RawValue, json: bool) -> Result<(), Error> {
    match serde_json::from_str::<Line>(event.get()) {
        Ok(Line { ts, msg, data, .. }) if !json => {
            let detail = data.detail.map(|detail| format!(": {detail}")).unwrap_or_default();
            output::line(&words::escape(&format!("{} {msg}{detail}", words::moment(ts))))
        }
        Ok(_) | Err(_) => output::line(event.get()),
    }
}
