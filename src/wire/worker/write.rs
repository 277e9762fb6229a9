//! Messages of the master to a worker.
//!
//! Invariant: every message is one line, whatever stands in a job.

use std::io::Write as _;
use std::time::Duration;

use crate::model::{CancelReason, Claimed, UnixMicros};

/// Parts of a job request beside the job itself.
#[derive(Clone, Copy, Debug)]
pub struct JobTerms {
    /// Request id.
    pub request: u64,
    /// Attempts it has in all.
    pub max_attempts: u32,
    /// How long it may run.
    pub timeout: Duration,
    /// When that is over, if it starts now.
    pub deadline: UnixMicros,
}

/// Writes `job` requests. Jobs that follow each other have much in common: what takes long to put in words is kept.
#[derive(Debug, Default)]
pub struct JobLines {
    /// Whether a worker is told the number of the run: where another host may begin a later one while it does not know of that.
    pub tells_runs: bool,
    timeout: Worded<Duration>,
    deadline: Worded<i64>,
    pushed_at: Worded<i64>,
}

/// A value and its words.
#[derive(Debug, Default)]
struct Worded<T>(Option<(T, String)>);

impl<T: PartialEq + Copy> Worded<T> {
    fn of(&mut self, value: T, words: impl FnOnce(T) -> String) -> &str {
        if self.0.as_ref().is_none_or(|(known, _)| *known != value) {
            self.0 = None;
        }
        &self.0.get_or_insert_with(|| (value, words(value))).1
    }
}

impl JobLines {
    /// Appends a `job` request. Members in the documented order.
    pub fn write(&mut self, out: &mut Vec<u8>, job: &Claimed, terms: &JobTerms) {
        let JobTerms { request, max_attempts, timeout, deadline } = *terms;
        out.reserve(300 + job.args.len() + job.state.as_ref().map_or(0, |state| state.len()));
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
        write_number(out, request);
        out.extend_from_slice(b",\"method\":\"job\",\"params\":{\"job_id\":");
        write_number(out, job.id.0);
        out.extend_from_slice(b",\"type\":");
        write_text(out, &job.kind);
        out.extend_from_slice(b",\"args\":");
        write_on_one_line(out, job.args.as_bytes());
        out.extend_from_slice(b",\"queue\":");
        write_text(out, job.queue.as_str());
        out.extend_from_slice(b",\"attempt\":");
        write_number(out, job.attempt());
        out.extend_from_slice(b",\"max_attempts\":");
        write_number(out, max_attempts);
        out.extend_from_slice(b",\"timeout_s\":");
        out.extend_from_slice(self.timeout.of(timeout, |t| t.as_secs_f64().to_string()).as_bytes());
        out.extend_from_slice(b",\"deadline\":\"");
        out.extend_from_slice(self.deadline.of(millis(deadline), moment).as_bytes());
        out.extend_from_slice(b"\",\"pushed_at\":\"");
        out.extend_from_slice(self.pushed_at.of(millis(job.pushed_at), moment).as_bytes());
        out.extend_from_slice(b"\"");
        if self.tells_runs {
            out.extend_from_slice(b",\"run\":");
            write_number(out, job.run.0);
        }
        if let Some(state) = &job.state {
            out.extend_from_slice(b",\"state\":");
            write_on_one_line(out, state.as_bytes());
        }
        if let Some(parents) = &job.parents {
            out.push(b',');
            write_on_one_line(out, parents.members().as_bytes());
        }
        if let Some(trace) = &job.trace {
            write(out, format_args!(",\"traceparent\":\"{}\"", trace.run));
            if let Some(state) = &trace.run.state {
                out.extend_from_slice(b",\"tracestate\":");
                write_text(out, state);
            }
        }
        out.extend_from_slice(b"}}\n");
    }
}

/// Whole milliseconds since 1970.
const fn millis(at: UnixMicros) -> i64 {
    at.0.div_euclid(1000)
}

fn moment(millis: i64) -> String {
    format!("{:.3}", UnixMicros(millis.saturating_mul(1000)).to_timestamp())
}

/// Newlines may stand between the tokens of JSON, never inside one; on the wire they would end the line.
pub fn write_on_one_line(out: &mut Vec<u8>, json: &[u8]) {
    if memchr::memchr2(b'\n', b'\r', json).is_none() {
        out.extend_from_slice(json);
    } else {
        out.extend(json.iter().map(|&b| if b == b'\n' || b == b'\r' { b' ' } else { b }));
    }
}

/// Appends a `cancel` notification.
pub fn write_cancel(out: &mut Vec<u8>, request: u64, reason: CancelReason) {
    let params = format_args!("{{\"id\":{request},\"reason\":\"{}\"}}", reason.as_str());
    write(out, format_args!("{{\"jsonrpc\":\"2.0\",\"method\":\"cancel\",\"params\":{params}}}\n"));
}

fn write(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = out.write_fmt(what);
}

pub fn write_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

pub fn write_text(out: &mut Vec<u8>, text: &str) {
    // Nor can this.
    let _ = serde_json::to_writer(out, text);
}
