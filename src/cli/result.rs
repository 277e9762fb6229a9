//! How `push --wait` and `jobs wait` end: with the result of the job and the exit code of its command.

use std::io::{IsTerminal, Write as _};
use std::str::FromStr;

use serde_json::value::RawValue;

use super::output;
use crate::error::{Code, Error, WAIT_LOST};
use crate::model::{Cause, Detail, EXEC, JobRecord, JobState, RunRecord};
use crate::report::words;

/// Prints what came of a job that has ended.
pub(crate) fn conclude(json: bool, job: &JobRecord, last_run: Option<&RunRecord>) -> Result<Code, Error> {
    let code = exit_code(job, last_run);
    if json {
        output::json(job)?;
        return Ok(Code(code));
    }
    let succeeded = job.state == JobState::Succeeded;
    if succeeded {
        output::raw(&as_printed(job.result.as_deref(), std::io::stdout().is_terminal()))?;
    }
    if let Some(Detail { stdout_tail, stderr_tail, .. }) = last_run.map(|run| &run.detail) {
        if !succeeded && !stdout_tail.is_empty() {
            output::raw(format!("{}\n", words::escape(stdout_tail.trim_end())).as_bytes())?;
        }
        // Of a worker program that is the log, not a part of the result.
        if !stderr_tail.is_empty() && (!succeeded || job.kind == EXEC) {
            let _ = writeln!(std::io::stderr().lock(), "{}", words::escape(stderr_tail.trim_end()));
        }
    }
    if !succeeded {
        let error = job.error.as_deref().map(|e| format!(": {}", words::one_line(e, 500))).unwrap_or_default();
        output::say(&format!("job {} is {}{error}", job.id, words::state(job)));
    }
    Ok(Code(code))
}

/// A text as it is, with a line break at its end; anything else as JSON. An empty text prints nothing.
fn as_printed(result: Option<&RawValue>, terminal: bool) -> Vec<u8> {
    let json = result.map_or("null", RawValue::get);
    let mut text = match serde_json::from_str::<String>(json) {
        Ok(text) if text.is_empty() => return Vec::new(),
        Ok(text) if terminal => words::escape(&text),
        Ok(text) => text,
        Err(_) if terminal => words::escape_json(json.to_owned()),
        Err(_) => json.to_owned(),
    };
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text.into_bytes()
}

/// 0 for a job that succeeded; for a command what a shell would say; 1 for others, and instead of the code that means
/// that the job has not ended.
fn exit_code(job: &JobRecord, last_run: Option<&RunRecord>) -> u8 {
    if job.state == JobState::Succeeded {
        return 0;
    }
    let Some(run) = last_run.filter(|_| job.kind == EXEC) else { return 1 };
    let of_signal = |name: &String| nix::sys::signal::Signal::from_str(name).ok().map(|s| s as i32 + 128);
    let (code, signal) = (run.detail.exit_code, run.detail.signal.as_ref());
    let code = code.or_else(|| signal.and_then(of_signal)).or(match run.cause {
        Some(Cause::NotFound) => Some(127),
        Some(Cause::NotExecutable) => Some(126),
        _ => None,
    });
    code.and_then(|c| u8::try_from(c).ok()).filter(|c| ![0, WAIT_LOST].contains(c)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: &str, state: &str) -> JobRecord {
        let text = format!(
            r#"{{"id":31,"type":"{kind}","queue":"default","state":"{state}","args":null,"priority":0,"unique":null,
                "attempts":0,"crashes":0,"releases":0,"max_attempts":null,"timeout_s":null,"result":null,"cause":null,
                "error":null,"progress":null,"pushed_at":"2026-01-01T00:00:00Z","due_at":"2026-01-01T00:00:00Z",
                "expires_at":null,"finished_at":null}}"#
        );
        serde_json::from_str(&text).expect("a job")
    }

    fn run(exit_code: Option<i32>, signal: Option<&str>, cause: Option<Cause>) -> RunRecord {
        let text = r#"{"id":1,"job_id":31,"type":"exec","queue":"default","worker":null,"pid":null,"generation":1,
            "attempt":1,"outcome":"failed","cause":null,"exit_code":null,"signal":null,"error":null,"stderr_tail":"",
            "started_at":"2026-01-01T00:00:00Z","ended_at":"2026-01-01T00:00:00Z","duration_s":0,"waited_s":0,
            "peak_memory_bytes":null}"#;
        let run: RunRecord = serde_json::from_str(text).expect("a run");
        let detail = Detail { exit_code, signal: signal.map(Into::into), ..run.detail.clone() };
        RunRecord { cause, detail, ..run }
    }

    #[test]
    fn the_exit_code_is_that_of_the_command() {
        let dead = job("exec", "dead");
        let table = [
            (run(Some(3), None, Some(Cause::Error)), 3),
            (run(None, Some("SIGKILL"), Some(Cause::Signal)), 137),
            (run(None, Some("SIGTERM"), Some(Cause::Timeout)), 143),
            (run(None, None, Some(Cause::NotFound)), 127),
            (run(None, None, Some(Cause::NotExecutable)), 126),
            (run(Some(0), None, None), 1),
            (run(Some(300), None, None), 1),
            (run(Some(193), None, None), 1),
        ];
        for (run, code) in &table {
            assert_eq!(exit_code(&dead, Some(run)), *code, "{run:?}");
        }
        assert_eq!(exit_code(&dead, None), 1);
        assert_eq!(exit_code(&job("resize", "dead"), Some(&table[0].0)), 1);
        assert_eq!(exit_code(&job("exec", "succeeded"), Some(&table[0].0)), 0);
        assert_eq!(exit_code(&job("exec", "cancelled"), None), 1);
    }

    #[test]
    fn a_text_is_printed_as_it_is_and_anything_else_as_json() {
        let printed = |json: &str, terminal| {
            let raw = RawValue::from_string(json.to_owned()).expect("JSON");
            String::from_utf8(as_printed(Some(&raw), terminal)).expect("UTF-8")
        };
        assert_eq!(printed(r#""hello""#, false), "hello\n");
        assert_eq!(printed(r#""hello\n""#, false), "hello\n");
        assert_eq!(printed(r#""""#, false), "");
        assert_eq!(printed(r#""\u001b[2J""#, false), "\u{1b}[2J\n");
        assert_eq!(printed(r#""\u001b[2J""#, true), "\\x1b[2J\n");
        assert_eq!(printed(r#"{"a": 1.0}"#, false), "{\"a\": 1.0}\n");
        assert_eq!(printed("[\"\u{9b}\"]", false), "[\"\u{9b}\"]\n");
        assert_eq!(printed("[\"\u{9b}\"]", true), "[\"\\u009b\"]\n");
        assert_eq!(as_printed(None, false), b"null\n");
    }
}
