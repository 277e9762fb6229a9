//! From a job as it is written ([`PushJob`]) to a job as it is stored ([`NewJob`]).
//!
//! The one place where a pushed job is checked, for the command line and for the master. Knows nothing of sockets or
//! stores. Invariant: args that pass are one line of JSON, so that they never break the line protocol.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use serde_json::value::RawValue;

use super::control::{Jobs, PushJob, Span};
use super::object;
use crate::model::after::{After, MOST_PARENTS, Parent};
use crate::model::trace::TraceError;
use crate::model::units;
use crate::model::{EXEC, ExecArgs, NewJob, OsText, QueueName, Setting, TraceContext, UnixMicros, payload};

const PRIORITIES: std::ops::RangeInclusive<i64> = -100..=100;

/// Checks a job and applies the defaults; the error says what is wrong and with which member.
pub fn to_new_job(job: &PushJob, default_queue: &QueueName, now: UnixMicros) -> Result<NewJob, String> {
    payload::check_type(&job.kind).map_err(|e| e.to_string())?;
    let args = one_line(job.args.as_deref().map_or("null", RawValue::get));
    payload::check_limits(&args).map_err(|e| e.to_string())?;
    if job.kind == EXEC {
        check_exec(&args)?;
    }
    if let Some(key) = &job.unique {
        payload::check_unique(key).map_err(|e| e.to_string())?;
    }
    if let Some(label) = &job.label {
        payload::check_label(label).map_err(|e| e.to_string())?;
    }
    if let Some(key) = &job.key {
        payload::check_key(key).map_err(|e| e.to_string())?;
    }
    let queue = job.queue.as_deref().map_or_else(|| Ok(default_queue.clone()), QueueName::new);
    let due_at = due_at(job.delay.as_ref(), job.at, now)?;
    let expires_at = span("expires", job.expires.as_ref())?.map(|d| now.plus(d));
    if expires_at.is_some_and(|e| e <= due_at.unwrap_or(now)) {
        return Err("the job would expire before it is due; make `expires` longer".to_owned());
    }
    let timeout = span("timeout", job.timeout.as_ref())?;
    if timeout == Some(Duration::ZERO) {
        return Err("`timeout` must be longer than 0s".to_owned());
    }
    if job.max_attempts == Some(0) {
        return Err("`max_attempts` must be at least 1".to_owned());
    }
    Ok(NewJob {
        kind: job.kind.as_str().into(),
        args: args.into(),
        queue: queue.map_err(|e| e.to_string())?,
        priority: priority(job.priority)?,
        due_at,
        wait: span("delay", job.delay.as_ref())?.filter(|_| due_at.is_some()),
        expires_at,
        timeout,
        max_attempts: job.max_attempts,
        unique: job.unique.as_deref().map(Into::into),
        label: job.label.as_deref().map(Into::into),
        key: job.key.as_deref().map(Into::into),
        pushed_in: pushed_in(job).map_err(|e| e.to_string())?.map(Box::new),
        after: after(job)?.map(Box::new),
    })
}

/// `None` for a job that neither comes after others nor can be named by them.
fn after(job: &PushJob) -> Result<Option<After>, String> {
    if job.name.is_none() && job.after.is_empty() {
        return job.after_failed.map_or(Ok(None), |_| Err("`after_failed` goes with `after`".to_owned()));
    }
    if job.after.len() > MOST_PARENTS {
        return Err(format!("`after` has {} jobs; the most is {MOST_PARENTS}", job.after.len()));
    }
    let refs = job.after.iter().filter_map(|parent| if let Parent::Ref(name) = parent { Some(&**name) } else { None });
    refs.chain(job.name.as_deref()).try_for_each(payload::check_ref).map_err(|e| e.to_string())?;
    let mut seen = HashSet::new();
    let parents = job.after.iter().filter(|parent| seen.insert(*parent)).cloned().collect();
    let failed = job.after_failed.unwrap_or_default();
    Ok(Some(After { name: job.name.as_deref().map(Into::into), parents, failed }))
}

/// Checks what is to be changed in jobs that wait.
pub fn to_setting(jobs: &Jobs, now: UnixMicros) -> Result<Setting, String> {
    let queue = jobs.to_queue.as_deref().map(QueueName::new).transpose().map_err(|e| e.to_string())?;
    let due_at = due_at(jobs.delay.as_ref(), jobs.at, now)?;
    let is_due = jobs.delay.is_some() || jobs.at.is_some();
    let wait = span("delay", jobs.delay.as_ref())?.filter(|_| due_at.is_some());
    let setting = Setting {
        priority: jobs.priority.map(|n| priority(Some(n))).transpose()?,
        queue,
        due: is_due.then_some((due_at.unwrap_or(now), wait)),
    };
    if setting == Setting::default() {
        return Err("say what is to be changed: `priority`, `to_queue`, `delay` or `at`".to_owned());
    }
    Ok(setting)
}

fn pushed_in(job: &PushJob) -> Result<Option<TraceContext>, TraceError> {
    match (job.traceparent.as_deref(), job.tracestate.as_deref()) {
        // By the specification a state that is wrong leaves its parent as it is.
        (Some(parent), state) => match TraceContext::new(parent, state) {
            Err(TraceError::State) => TraceContext::new(parent, None).map(Some),
            context => context.map(Some),
        },
        (None, Some(_)) => Err(TraceError::StateAlone),
        (None, None) => Ok(None),
    }
}

fn priority(priority: Option<i64>) -> Result<i8, String> {
    let n = priority.unwrap_or(0);
    match i8::try_from(n) {
        Ok(small) if PRIORITIES.contains(&n) => Ok(small),
        _ => Err(format!("`priority` {n} is not in -100..=100")),
    }
}

/// `None` for what is due already: a time in the past must not overtake the jobs that wait.
fn due_at(delay: Option<&Span>, at: Option<UnixMicros>, now: UnixMicros) -> Result<Option<UnixMicros>, String> {
    match (span("delay", delay)?, at) {
        (Some(_), Some(_)) => Err("`delay` and `at` exclude one another".to_owned()),
        (None, Some(at)) if at > now.plus(units::LONGEST) => Err("`at` is more than a hundred years away".to_owned()),
        (Some(delay), None) => Ok(Some(now.plus(delay)).filter(|due| *due > now)),
        (None, at) => Ok(at.filter(|due| *due > now)),
    }
}

pub(crate) fn span(what: &str, span: Option<&Span>) -> Result<Option<Duration>, String> {
    let duration = match span {
        None => return Ok(None),
        Some(Span::Text(text)) => units::duration(text).map_err(|e| format!("`{what}`: {e}"))?,
        Some(Span::Seconds(s)) => Duration::try_from_secs_f64(*s)
            .map_err(|_| format!("`{what}`: {s} is not a number of seconds; write 10 or \"10s\""))?,
    };
    if duration > units::LONGEST {
        return Err(format!("`{what}` is longer than a hundred years"));
    }
    Ok(Some(duration))
}

fn check_exec(args: &str) -> Result<(), String> {
    let exec: ExecArgs<'_> = object::read(args).map_err(|_| payload::PayloadError::BadExec.to_string())?;
    if exec.argv.first().is_none_or(|program| program.as_bytes().is_empty()) {
        return Err(payload::PayloadError::BadExec.to_string());
    }
    if exec.argv.iter().chain(exec.cwd.as_deref()).any(has_nul) {
        return Err("an argument of a command cannot contain a NUL character".to_owned());
    }
    for (name, value) in exec.env.iter().flat_map(|env| env.iter()) {
        if name.is_empty() || name.contains(['=', '\0']) || has_nul(value) {
            return Err(format!("the variable {name:?} cannot be set: no `=` in its name, no NUL in it"));
        }
    }
    Ok(())
}

fn has_nul(text: &OsText) -> bool {
    text.as_bytes().contains(&0)
}

/// The same JSON without line breaks: outside strings they are only white space, inside they cannot be.
#[must_use]
pub fn one_line(json: &str) -> Cow<'_, str> {
    if json.bytes().any(|b| matches!(b, b'\n' | b'\r')) {
        Cow::Owned(json.chars().map(|c| if matches!(c, '\n' | '\r') { ' ' } else { c }).collect())
    } else {
        Cow::Borrowed(json)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMicros = UnixMicros(1_000_000_000);

    fn check(line: &str) -> Result<NewJob, String> {
        let job: PushJob = serde_json::from_str(line).map_err(|e| e.to_string())?;
        to_new_job(&job, &QueueName::default(), NOW)
    }

    #[test]
    fn defaults_are_applied_to_a_job_that_says_little() {
        let job = check(r#"{"type": "t"}"#).expect("a job");
        assert_eq!((&*job.kind, &*job.args, job.queue.as_str(), job.priority), ("t", "null", "default", 0));
        assert_eq!(
            (job.due_at, job.expires_at, job.timeout, job.max_attempts, job.unique),
            (None, None, None, None, None)
        );
    }

    #[test]
    fn spans_are_seconds_or_text_and_a_due_time_in_the_past_is_now() {
        let job = check(r#"{"type":"t","delay":1.5,"timeout":"2m","expires":"1h"}"#).expect("a job");
        assert_eq!(job.due_at, Some(UnixMicros(1_001_500_000)));
        assert_eq!(job.timeout, Some(Duration::from_mins(2)));
        assert_eq!(job.expires_at, Some(NOW.plus(Duration::from_hours(1))));
        for now in [r#"{"type":"t","delay":0}"#, r#"{"type":"t","at":"1970-01-01T00:00:00Z"}"#] {
            assert_eq!(check(now).expect("a job").due_at, None, "{now}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_job_is_said() {
        let table = [
            (r#"{"type":""}"#, "job type"),
            (r#"{"type":"t","queue":"a/b"}"#, "queue name"),
            (r#"{"type":"t","priority":101}"#, "-100..=100"),
            (r#"{"type":"t","priority":-1000}"#, "-100..=100"),
            (r#"{"type":"t","delay":"10"}"#, "`delay`"),
            (r#"{"type":"t","delay":-1}"#, "`delay`"),
            (r#"{"type":"t","delay":1e300}"#, "`delay`"),
            (r#"{"type":"t","delay":1,"at":"2999-01-01T00:00:00Z"}"#, "exclude"),
            (r#"{"type":"t","at":"2999-01-01T00:00:00Z"}"#, "hundred years"),
            (r#"{"type":"t","at":"tomorrow"}"#, ""),
            (r#"{"type":"t","timeout":0}"#, "`timeout`"),
            (r#"{"type":"t","max_attempts":0}"#, "`max_attempts`"),
            (r#"{"type":"t","unique":""}"#, "unique key"),
            (r#"{"type":"t","label":""}"#, "label"),
            (r#"{"type":"t","label":"a\nb"}"#, "line breaks"),
            (r#"{"type":"t","label":"\u0085"}"#, "label"),
            (r#"{"type":"t","key":""}"#, "1 to 200 bytes"),
            (r#"{"type":"t","key":"a\u0000"}"#, "control characters"),
            (r#"{"type":"t","delay":10,"expires":5}"#, "expire"),
            (r#"{"type":"t","expires":0}"#, "expire"),
            (r#"{"type":"t","traceparent":"00-1-2-01"}"#, "`00-1-2-01` is no traceparent"),
            (r#"{"type":"t","traceparent":"","tracestate":"a=1"}"#, "traceparent"),
            (r#"{"type":"t","tracestate":"a=1"}"#, "goes with a traceparent"),
            (r#"{"type":"t","ref":""}"#, "ref"),
            (r#"{"type":"t","ref":"17"}"#, "ref"),
            (r#"{"type":"t","after":["17"]}"#, "ref"),
            (r#"{"type":"t","after":[1.5]}"#, "the id of a job"),
            (r#"{"type":"t","after":[1],"after_failed":"go"}"#, "`continue`"),
            (r#"{"type":"t","after_failed":"wait"}"#, "goes with `after`"),
            (r#"{"type":"t","nonsense":1}"#, "nonsense"),
            (r#"{"args":1}"#, "type"),
        ];
        for (line, part) in table {
            let error = check(line).expect_err(line);
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn a_command_needs_a_program_and_strings_without_nul() {
        let good = [
            r#"{"argv":["true"]}"#,
            r#"{"argv":["a","b"],"cwd":"/x","env":{"A":"b"}}"#,
            r#"{"argv":[{"b64":"/w=="},"b"],"cwd":{"b64":"/w=="},"env":{"A":{"b64":"/w=="}}}"#,
        ];
        let bad = [
            "null",
            "[]",
            r#"{"argv":[]}"#,
            r#"[["true"]]"#,
            r#"{"argv":[""]}"#,
            r#"{"argv":"ls"}"#,
            r#"{"argv":[1]}"#,
            r#"{"argv":["a\u0000"]}"#,
            r#"{"argv":["a"],"cwd":"\u0000"}"#,
            r#"{"argv":["a"],"env":{"A=B":"c"}}"#,
            r#"{"argv":["a"],"env":{"":"c"}}"#,
            r#"{"argv":[{"b64":"AA=="}]}"#,
            r#"{"argv":[{"b64":""}]}"#,
            r#"{"argv":[{"b64":"?"}]}"#,
        ];
        let line = |args: &str| format!(r#"{{"type":"exec","args":{args}}}"#);
        for args in good {
            assert!(check(&line(args)).is_ok(), "{args}");
        }
        for args in bad {
            assert!(check(&line(args)).is_err(), "{args}");
        }
    }

    #[test]
    fn args_become_one_line_and_keep_their_text_otherwise() {
        assert_eq!(one_line("{\n  \"a\": \"\\n\"\r\n}"), "{   \"a\": \"\\n\"  }");
        assert!(matches!(one_line("[1.0, 1e400]"), Cow::Borrowed(_)));
        assert_eq!(&*check("{\"type\":\"t\",\"args\":[1,\n2]}").expect("a job").args, "[1, 2]");
    }
}
