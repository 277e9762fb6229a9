//! The line that answers a job.
//!
//! `{"id":N,"result":…,"run":{…}}` or `{"id":N,"error":{…},"run":{…}}`: the member `run` is an extension of JSON-RPC
//! that any worker may send and the master records. Knows nothing of processes. Invariant: exactly one line a job.

use serde::Serialize;
use serde_json::value::RawValue;

use super::verdict::Reason;
use super::verdict::{Ending, Failure, hint, verdict};
use crate::model::last_line::last_line;
use crate::model::worker::{Exit, signal_name};
use crate::wire::rpc;

/// Facts about a command that has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finished {
    pub(super) ending: Ending,
    /// Why it was told to end, if it was.
    pub(super) told: Option<Reason>,
    /// The end of its stdout.
    pub(super) stdout: String,
    /// The last lines of its stdout.
    pub(super) stdout_tail: String,
    /// The last lines of its stderr.
    pub(super) stderr_tail: String,
    /// Its largest resident set, or that of a child it waited for.
    pub(super) peak_memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct Answer<'a> {
    id: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<Run<'a>>,
}

#[derive(Serialize)]
struct Run<'a> {
    /// `null` for a command that a signal ended.
    exit_code: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    stderr_tail: &'a str,
    /// Where stdout is not the result.
    #[serde(skip_serializing_if = "str::is_empty")]
    stdout_tail: &'a str,
}

/// The answer for a command that has run.
pub(super) fn finished(id: &str, done: &Finished) -> Vec<u8> {
    let failure = verdict(done.ending, done.told).err().map(|mut failure| {
        if let Some(line) = why(done) {
            failure.message.extend([": ", &line]);
        }
        failure.message.push_str(hint(&done.stderr_tail));
        failure
    });
    let (exit_code, signal) = match done.ending {
        Ending::Exit(Exit::Code(code)) => (Some(code), None),
        Ending::Exit(Exit::Signal(number)) => (None, Some(signal_name(number))),
        Ending::OutOfMemory => (None, Some(signal_name(9))),
    };
    let (result, stdout_tail) = if failure.is_none() { (Some(&*done.stdout), "") } else { (None, &*done.stdout_tail) };
    let run = Run {
        exit_code,
        signal,
        peak_memory_bytes: done.peak_memory_bytes,
        stderr_tail: &done.stderr_tail,
        stdout_tail,
    };
    line(id, result, failure.as_ref(), Some(run))
}

/// The last words of a command that ended by itself.
fn why(done: &Finished) -> Option<String> {
    let by_itself = done.told.is_none() && matches!(done.ending, Ending::Exit(_));
    by_itself.then(|| last_line(&done.stderr_tail).or_else(|| last_line(&done.stdout_tail))).flatten()
}

/// The answer for a job that ran no command.
pub(super) fn refused(id: &str, failure: &Failure) -> Vec<u8> {
    line(id, None, Some(failure), None)
}

/// The answer to a request that is no job.
pub(super) fn unknown_method(id: &str, method: &str) -> Vec<u8> {
    let failure = Failure::new("no_such_method", Some(false), format!("no such method `{method}`"));
    refused(id, &Failure { code: rpc::METHOD_NOT_FOUND, ..failure })
}

fn line(id: &str, result: Option<&str>, error: Option<&Failure>, run: Option<Run<'_>>) -> Vec<u8> {
    let id: &RawValue = serde_json::from_str(id).unwrap_or(RawValue::NULL);
    let mut line = serde_json::to_vec(&Answer { id, result, error, run }).expect("BUG: an answer is always JSON");
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn done(ending: Ending, told: Option<Reason>) -> String {
        let (stdout, stdout_tail, stderr_tail) = ("out\n".to_owned(), "out".to_owned(), "oh\nno".to_owned());
        let done = Finished { ending, told, stdout, stdout_tail, stderr_tail, peak_memory_bytes: Some(4096) };
        String::from_utf8(finished("7", &done)).expect("UTF-8")
    }

    #[test]
    fn answers_have_the_form_of_the_protocol() {
        assert_eq!(
            done(Ending::Exit(Exit::Code(0)), None),
            "{\"id\":7,\"result\":\"out\\n\",\"run\":{\"exit_code\":0,\"peak_memory_bytes\":4096,\"stderr_tail\":\"oh\\nno\"}}\n"
        );
        assert_eq!(
            done(Ending::Exit(Exit::Code(75)), None),
            "{\"id\":7,\"error\":{\"code\":75,\"message\":\"exit status 75: no\",\"data\":{\"type\":\"exit\",\"retry\":true}},\
             \"run\":{\"exit_code\":75,\"peak_memory_bytes\":4096,\"stderr_tail\":\"oh\\nno\",\"stdout_tail\":\"out\"}}\n"
        );
        assert_eq!(
            done(Ending::Exit(Exit::Signal(9)), Some(Reason::Timeout)),
            "{\"id\":7,\"error\":{\"code\":1,\"message\":\"timed out; the command then ended: killed by SIGKILL\",\
             \"data\":{\"type\":\"timeout\"}},\"run\":{\"exit_code\":null,\"signal\":\"SIGKILL\",\
             \"peak_memory_bytes\":4096,\"stderr_tail\":\"oh\\nno\",\"stdout_tail\":\"out\"}}\n"
        );
    }

    #[test]
    fn a_job_that_ran_no_command_has_no_run() {
        let failure = Failure::new("not_found", Some(false), "cannot run `x`: it is not on `PATH`");
        assert_eq!(
            String::from_utf8(refused("\"a\"", &failure)).expect("UTF-8"),
            "{\"id\":\"a\",\"error\":{\"code\":1,\"message\":\"cannot run `x`: it is not on `PATH`\",\
             \"data\":{\"type\":\"not_found\",\"retry\":false}}}\n"
        );
        let unknown = String::from_utf8(unknown_method("1", "ping")).expect("UTF-8");
        assert!(unknown.contains("-32601") && unknown.contains("no such method `ping`"), "{unknown}");
    }

    #[test]
    fn whatever_a_command_printed_is_one_line_of_json() {
        let stdout = (0..=u8::MAX).map(char::from).collect::<String>() + "\u{2028}…";
        let done = Finished {
            ending: Ending::Exit(Exit::Code(0)),
            told: None,
            stdout: stdout.clone(),
            stdout_tail: String::new(),
            stderr_tail: String::new(),
            peak_memory_bytes: None,
        };
        let line = finished("1", &done);
        assert_eq!(line.iter().position(|&b| b == b'\n'), Some(line.len() - 1));
        let value: serde_json::Value = serde_json::from_slice(&line).expect("JSON");
        assert_eq!(value["result"], stdout);
    }
}
