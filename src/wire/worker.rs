//! The worker protocol: what the master writes to a worker, and what it understands of a worker's lines.
//!
//! Anything that is no message of the protocol is output ([`FromWorker::Output`]), never an error: a stray `print`
//! is harmless.

mod head;
mod printed;
mod write;

use std::borrow::Cow;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::object::{self, Object};

use crate::model::answer::PROTOCOL;
use crate::model::job::MOST_STATE_BYTES;
use crate::model::job::Progress;
use crate::model::payload::{MAX_LINE_BYTES, MAX_UNFINISHED_BYTES, check_type};
use crate::model::processor::MOST_NOTE_BYTES;
use crate::model::takes::MOST_TYPES;
use crate::model::{Answer, Detail, Retry, RunError};

pub use self::head::id_in_head;
pub use self::printed::{read_printed, write_printed};
pub use self::write::{JobLines, JobTerms, write_cancel, write_number, write_on_one_line, write_text};

/// The longest result that is kept with a job, in bytes of JSON text.
pub const MAX_RESULT_BYTES: usize = 64 * 1024;
/// The longest error text that is kept, in bytes.
const MAX_ERROR_BYTES: usize = 8 * 1024;

/// The most of a line that is quoted in an error, in bytes.
const MAX_QUOTED_BYTES: usize = 200;
/// The longest word for a kind of error that is kept, in bytes.
const MAX_KIND_BYTES: usize = 200;
/// The longest backtrace that is kept whole, in bytes; of a longer one the middle is cut.
const MAX_BACKTRACE_BYTES: usize = 64 * 1024;

/// Up to here every whole number is a float of its own.
const MAX_WHOLE_FLOAT: f64 = 9_007_199_254_740_992.0;

/// Meaning of a line of a worker.
#[derive(Debug)]
pub enum FromWorker<'a> {
    /// The answer to a job.
    Answer {
        /// Its request id.
        request: u64,
        answer: Answer,
    },
    /// A line with an id that says nothing about that job: no method, neither result nor error. An answer without an
    /// answer if the job is open, else output.
    NoAnswer {
        /// The request id.
        request: u64,
    },
    /// The worker is ready.
    Ready {
        /// Jobs it does at a time.
        concurrency: u32,
        /// The types it takes, if it names them.
        types: Option<Vec<String>>,
    },
    /// How far a job is.
    Progress {
        /// Its request id.
        request: u64,
        progress: Progress,
    },
    /// The note by which the run of a processor is remembered.
    Note {
        /// Its request id.
        request: u64,
        text: Box<str>,
    },
    /// A job needs more time.
    Extend {
        /// Its request id.
        request: u64,
        by: Duration,
    },
    /// The worker wants no more jobs.
    Retire,
    /// The worker pushes a job.
    Push {
        id: &'a RawValue,
        /// [`super::control::PushJob`]
        params: &'a RawValue,
    },
    /// A request we do not know; it is answered with an error.
    Unknown { id: &'a RawValue, method: String },
    /// Not a message: output.
    Output,
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    /// `null` is none.
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    run: Option<&'a RawValue>,
}

/// A member that is there, also when it is `null`.
fn present<'de, D: serde::Deserializer<'de>>(d: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(d).map(Some)
}

/// Facts about the run beside the result or error of an answer.
#[derive(Default, Deserialize)]
struct RunMember {
    #[serde(default)]
    exit_code: Option<i32>,
    #[serde(default)]
    signal: Option<String>,
    #[serde(default)]
    peak_memory_bytes: Option<u64>,
    #[serde(default)]
    stderr_tail: Option<String>,
    #[serde(default)]
    stdout_tail: Option<String>,
    #[serde(default)]
    note: Option<String>,
}

#[derive(Deserialize)]
struct RawError {
    #[serde(default)]
    message: Option<String>,
    #[serde(default)]
    code: Option<i64>,
    #[serde(default)]
    data: Option<Object<RawErrorData>>,
}

#[derive(Default, Deserialize)]
struct RawErrorData {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    backtrace: Option<RawBacktrace>,
    #[serde(default)]
    retry: Option<RawRetry>,
}

/// A text, or its lines, as the language has it.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawBacktrace {
    Text(String),
    Lines(Vec<String>),
    Other(serde::de::IgnoredAny),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum RawRetry {
    Whether(bool),
    After(f64),
}

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(default)]
    concurrency: Option<u32>,
    #[serde(borrow, default)]
    types: Option<&'a RawValue>,
    #[serde(default)]
    percent: Option<f64>,
    #[serde(default)]
    message: Option<String>,
    #[serde(borrow, default)]
    state: Option<&'a RawValue>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    seconds: Option<f64>,
}

/// Reads one line of a worker.
#[must_use]
pub fn parse(line: &[u8]) -> FromWorker<'_> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return FromWorker::Output;
    }
    let Ok(raw) = serde_json::from_slice::<Raw<'_>>(line) else { return FromWorker::Output };
    match &raw.method {
        Some(method) => message(method, raw.id, raw.params),
        None => answer(&raw).unwrap_or(FromWorker::Output),
    }
}

/// Failure of the open job whose id a line has, with neither result nor error. To wait for
/// another would be to wait until the timeout.
#[must_use]
pub fn answer_missing(line: &[u8]) -> Answer {
    let line = cut(String::from_utf8_lossy(line).trim().to_owned(), MAX_QUOTED_BYTES);
    broken(format!("the worker answered without `result` or `error`: {line}"))
}

/// Failure of the job that a line over the limit, or one that was given up, seems to answer.
#[must_use]
pub fn answer_too_long(bytes: u64) -> Answer {
    broken(if bytes > MAX_LINE_BYTES as u64 {
        format!("the answer of {bytes} bytes is too long; the limit is {MAX_LINE_BYTES} bytes a line")
    } else {
        let most = MAX_UNFINISHED_BYTES;
        format!(
            "the answer of {bytes} bytes was the longest when unfinished requests and answers took {most} bytes together"
        )
    })
}

fn broken(message: String) -> Answer {
    let kind = Some(PROTOCOL.to_owned());
    let error = RunError { message, code: None, kind, backtrace: None, retry: Retry::Policy };
    Answer { verdict: Err(Box::new(error)), detail: Detail::default() }
}

fn message<'a>(method: &str, id: Option<&'a RawValue>, params: Option<&'a RawValue>) -> FromWorker<'a> {
    let fields = || params.and_then(|p| object::read::<Params<'_>>(p.get()).ok());
    let found = match method {
        "ready" => {
            let (concurrency, types) = fields().map(|p| (p.concurrency, p.types)).unwrap_or_default();
            Some(FromWorker::Ready { concurrency: concurrency.unwrap_or(1), types: types.and_then(types_of) })
        }
        "retire" => Some(FromWorker::Retire),
        "progress" => fields().and_then(|p| {
            let percent = p.percent.filter(|n| n.is_finite()).map(|n| n.clamp(0.0, 100.0));
            let message = p.message.map(|m| cut(m, 1000));
            let state = p.state.filter(|state| state.get() != "null").map(RawValue::get);
            // Not cut: a state that is too long is of no use, and its line shows up as output.
            let state = if state.is_some_and(|state| state.len() > MOST_STATE_BYTES) { None? } else { state };
            let progress = Progress { percent, message, state: state.map(Into::into) };
            Some(FromWorker::Progress { request: request_of(p.id?.get())?, progress })
        }),
        "note" => fields().and_then(|p| {
            Some(FromWorker::Note { request: request_of(p.id?.get())?, text: cut(p.text?, MOST_NOTE_BYTES).into() })
        }),
        "extend" => fields().and_then(|p| {
            let by = Duration::try_from_secs_f64(p.seconds?).ok()?;
            Some(FromWorker::Extend { request: request_of(p.id?.get())?, by })
        }),
        "push" => id.map(|id| FromWorker::Push { id, params: params.unwrap_or(RawValue::NULL) }),
        _ => id.map(|id| FromWorker::Unknown { id, method: method.to_owned() }),
    };
    found.unwrap_or(FromWorker::Output)
}

/// The types that a worker names; what is no list of types says nothing.
fn types_of(types: &RawValue) -> Option<Vec<String>> {
    let types: Vec<String> = serde_json::from_str(types.get()).ok()?;
    let fit = types.len() <= MOST_TYPES && types.iter().all(|kind| check_type(kind).is_ok());
    fit.then_some(types)
}

/// A request id as workers give it back, from its JSON text: a number, also one that went through a float (`1.0`), or
/// its digits as a string.
fn request_of(id: &str) -> Option<u64> {
    if let Some(text) = id.strip_prefix('"') {
        let digits = text.strip_suffix('"')?;
        return digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?;
    }
    let float = || id.parse::<f64>().ok().filter(|n| (0.0..=MAX_WHOLE_FLOAT).contains(n) && n.fract() == 0.0);
    id.parse().ok().or_else(|| float().map(|n| n as u64))
}

fn answer<'a>(raw: &Raw<'a>) -> Option<FromWorker<'a>> {
    let request = request_of(raw.id?.get())?;
    let verdict = match (raw.error, raw.result) {
        (Some(error), _) if error.get() != "null" => Err(Box::new(error_of(error.get()))),
        (_, Some(result)) => Ok(result_of(result.get())),
        (Some(_) | None, None) => return Some(FromWorker::NoAnswer { request }),
    };
    // Facts about the run weigh less than the answer: where they cannot be read, the answer still counts.
    let run = raw.run.and_then(|run| object::read::<RunMember>(run.get()).ok()).unwrap_or_default();
    let detail = Detail {
        exit_code: run.exit_code,
        signal: run.signal.filter(|name| is_signal(name)),
        peak_memory: run.peak_memory_bytes,
        stderr_tail: run.stderr_tail.map(|t| last_of(t, MAX_ERROR_BYTES)).unwrap_or_default(),
        stdout_tail: run.stdout_tail.map(|t| last_of(t, MAX_ERROR_BYTES)).unwrap_or_default(),
        note: run.note.map(|note| cut(note, MOST_NOTE_BYTES).into()),
        ..Detail::default()
    };
    Some(FromWorker::Answer { request, answer: Answer { verdict, detail } })
}

/// Whether this may be the name of a signal: `SIGTERM`, `SIGRTMIN+3`.
fn is_signal(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-');
    name.len() <= 20 && name.starts_with("SIG") && name.bytes().all(fits)
}

/// A result as it is kept: `null` is nothing; one over the limit becomes a marked string.
fn result_of(result: &str) -> Option<String> {
    match result {
        "null" => None,
        short if short.len() <= MAX_RESULT_BYTES => Some(short.to_owned()),
        long => {
            // The bytes of a text count, not the escapes of its JSON: the output of a command, cut by its worker with a
            // mark in front, must not be cut a second time.
            let text = serde_json::from_str::<String>(long).ok();
            if text.as_ref().is_some_and(|text| text.len() <= MAX_RESULT_BYTES + '…'.len_utf8()) {
                return Some(long.to_owned());
            }
            let note = format!("… (cut: {} bytes)", long.len());
            let text = text.unwrap_or_else(|| long.to_owned());
            serde_json::to_string(&(cut(text, MAX_RESULT_BYTES / 2) + &note)).ok()
        }
    }
}

/// An error as it is kept. One that has not the documented form is taken as a message.
fn error_of(error: &str) -> RunError {
    let Ok(raw) = object::read::<RawError>(error) else {
        let text = serde_json::from_str::<String>(error).unwrap_or_else(|_| error.to_owned());
        let message = cut(text, MAX_ERROR_BYTES);
        return RunError { message, code: None, kind: None, backtrace: None, retry: Retry::Policy };
    };
    let data = raw.data.map(|Object(data)| data).unwrap_or_default();
    let kind = data.kind.map(|kind| cut(kind, MAX_KIND_BYTES));
    let backtrace = match data.backtrace {
        Some(RawBacktrace::Text(text)) => Some(text),
        Some(RawBacktrace::Lines(lines)) => Some(lines.join("\n")),
        Some(RawBacktrace::Other(_)) | None => None,
    };
    let retry = match data.retry {
        Some(RawRetry::Whether(false)) => Retry::Never,
        Some(RawRetry::After(seconds)) => Duration::try_from_secs_f64(seconds).map_or(Retry::Policy, Retry::After),
        Some(RawRetry::Whether(true)) | None => Retry::Policy,
    };
    let message = raw.message.or_else(|| kind.clone()).unwrap_or_else(|| String::from("error without a message"));
    let backtrace = backtrace.filter(|text| !text.is_empty()).map(|text| cut_middle(text, MAX_BACKTRACE_BYTES));
    RunError { message: cut(message, MAX_ERROR_BYTES), code: raw.code, kind, backtrace, retry }
}

/// The end of a text, from a character boundary on.
fn last_of(mut text: String, max: usize) -> String {
    if text.len() > max {
        let mut start = text.len() - max;
        while !text.is_char_boundary(start) {
            start += 1;
        }
        text.drain(..start);
    }
    text
}

/// Takes lines out of the middle of a text, as both its ends say more; each half has as much of `max`.
fn cut_middle(text: String, max: usize) -> String {
    if text.len() <= max {
        return text;
    }
    let head = cut_at_line(&text[..text.floor_char_boundary(max / 2)]);
    let tail = &text[text.ceil_char_boundary(text.len() - max / 2)..];
    let tail = tail.split_once('\n').map_or(tail, |(_, whole)| whole);
    let cut = text.len() - head.len() - tail.len();
    format!("{head}\n… ({cut} bytes cut)\n{tail}")
}

/// A text up to its last line break, where it has one.
fn cut_at_line(text: &str) -> &str {
    text.rsplit_once('\n').map_or(text, |(whole, _)| whole)
}

/// Cuts a text at a character boundary.
fn cut(mut text: String, max: usize) -> String {
    text.truncate(text.floor_char_boundary(max));
    text
}

#[cfg(test)]
mod tests;
