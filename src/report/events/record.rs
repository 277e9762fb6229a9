//! The one schema of the lines of `--log-format json`, as docs/health.md has it.
//!
//! Invariants: a member means the same in every line, and one that has nothing to say is not there; what only events of one kind
//! have is below `data`, so that a column of a log database never has two types.

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Event, Level, line};
use crate::model::{Generation, UnixMicros};
use crate::report::words;

/// A line.
#[derive(Debug, Default, Serialize)]
struct Record<'a> {
    ts: UnixMicros,
    level: &'a str,
    event: Value,
    msg: String,
    #[serde(flatten)]
    columns: Columns,
    #[serde(skip_serializing_if = "Map::is_empty")]
    data: Map<String, Value>,
}

/// Members that lines of many kinds have, each from the member of the event with the name behind it.
macro_rules! columns {
    ($($(#[$rename:meta])? $column:ident = $from:literal),+ $(,)?) => {
        #[derive(Debug, Default, Serialize)]
        struct Columns {
            $($(#[$rename])? #[serde(skip_serializing_if = "Option::is_none")] $column: Option<Value>,)+
        }

        impl Columns {
            fn take(facts: &mut Map<String, Value>) -> Self {
                Self { $($column: facts.remove($from).filter(|value| !value.is_null()),)+ }
            }
        }
    };
}

columns! {
    generation = "generation",
    pool = "pool",
    worker = "worker",
    pid = "pid",
    job_id = "job",
    run_id = "run",
    queue = "queue",
    #[serde(rename = "type")] kind = "type",
    attempt = "attempt",
    outcome = "outcome",
    duration_s = "took_s",
    trace_id = "trace_id",
    span_id = "span_id",
}

/// An event of a master of this generation as one JSON object, without a line break.
#[must_use]
pub fn json(event: &Event, generation: Option<Generation>, at: UnixMicros) -> String {
    let mut facts = match serde_json::to_value(event) {
        Ok(Value::Object(facts)) => facts,
        Ok(_) | Err(_) => Map::new(),
    };
    let kind = facts.remove("event").unwrap_or_default();
    let mut columns = Columns::take(&mut facts);
    let msg = match event {
        Event::Output(out) | Event::Printed(out) => {
            // Said by `msg` and `ts`.
            facts.retain(|name, _| name != "text" && name != "at");
            out.text.clone()
        }
        other => line(other),
    };
    let pool_of = |worker: &Value| {
        let (pool, slot) = worker.as_str()?.rsplit_once('-')?;
        slot.bytes().all(|b| b.is_ascii_digit()).then(|| pool.into())
    };
    columns.pool = columns.pool.or_else(|| columns.worker.as_ref().and_then(pool_of));
    columns.generation = columns.generation.or_else(|| generation.map(|generation| generation.0.into()));
    written(&Record { ts: at, level: word(event.level()), event: kind, msg, columns, data: facts })
}

/// Something odd about the configuration, in the same schema.
#[must_use]
pub fn warning(text: &str, at: UnixMicros) -> String {
    let (event, level) = ("warning".into(), word(Level::Problem));
    written(&Record { ts: at, level, event, msg: text.to_owned(), ..Record::default() })
}

/// A line of the program about itself, in the same schema.
#[must_use]
pub fn diagnostic(level: &str, module: &str, text: String, at: UnixMicros) -> String {
    let data = Map::from_iter([("module".to_owned(), module.into())]);
    written(&Record { ts: at, level, event: "diagnostic".into(), msg: text, data, ..Record::default() })
}

const fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Detail | Level::Normal | Level::Nothing => "info",
        Level::Problem => "warn",
    }
}

fn written(record: &Record<'_>) -> String {
    let failed = |e: serde_json::Error| format!("{{\"event\":\"problem\",\"msg\":\"{e}\"}}");
    serde_json::to_string(record).map_or_else(failed, words::escape_json)
}
