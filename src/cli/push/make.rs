//! Makes jobs from what was typed and from lines of input.
//!
//! Invariant: what an option says applies to every job that says nothing itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde_json::value::{RawValue, to_raw_value};

use crate::cli::args::push::PushArgs;
use crate::cli::context;
use crate::clock;
use crate::error::Error;
use crate::model::after::{AfterFailed, Parent};
use crate::model::trace::{TRACEPARENT, TRACESTATE, TraceError};
use crate::model::{BatchId, EXEC, ExecArgs, JobId, OsText, TraceContext, UnixMicros};
use crate::wire::batch::OfJob;
use crate::wire::control::{MadeBatch, PushBatch, PushJob, Span};
use crate::wire::object;
use crate::wire::push::one_line;

/// Placeholder of the line in a command.
const PLACE: &[u8] = b"{}";

/// Common to all jobs of one call.
pub(super) struct Common {
    queue: String,
    priority: Option<i64>,
    delay: Option<Span>,
    at: Option<UnixMicros>,
    expires: Option<Span>,
    timeout: Option<Span>,
    max_attempts: Option<u32>,
    unique: Option<String>,
    label: Option<String>,
    key: Option<String>,
    traceparent: Option<String>,
    tracestate: Option<String>,
    after: Vec<Parent>,
    after_failed: Option<AfterFailed>,
    /// The batch of all of them.
    pub(super) batch: Option<PushBatch>,
    env: BTreeMap<String, OsText>,
    cwd: OsText,
}

impl Common {
    pub(super) fn new(args: &PushArgs) -> Result<Self, Error> {
        let span = |d: Option<Duration>| d.map(|d| Span::Seconds(d.as_secs_f64()));
        let (traceparent, tracestate) = trace(args)?;
        Ok(Self {
            queue: args.queue.clone().unwrap_or_else(queue_of_environment),
            priority: args.priority,
            delay: span(args.delay),
            at: args.at,
            expires: span(args.expires),
            timeout: span(args.timeout),
            // Who waits for a command sees that it failed, and can try again.
            max_attempts: args.max_attempts.or((args.wait && !args.command.is_empty()).then_some(1)),
            unique: args.unique.clone(),
            label: args.label.clone(),
            key: args.key.clone(),
            traceparent,
            tracestate,
            after: args.after.iter().map(|id| Parent::Job(JobId(*id))).collect(),
            after_failed: args.after_failed,
            batch: batch(args)?,
            env: args.env.iter().cloned().collect(),
            cwd: if args.command.is_empty() { OsText::default() } else { folder(args.cwd.as_deref())? },
        })
    }

    fn job(&self, kind: &str, args: Box<RawValue>) -> PushJob {
        PushJob {
            kind: kind.to_owned(),
            args: Some(args),
            queue: Some(self.queue.clone()),
            priority: self.priority,
            delay: self.delay.clone(),
            at: self.at,
            expires: self.expires.clone(),
            timeout: self.timeout.clone(),
            max_attempts: self.max_attempts,
            unique: self.unique.clone(),
            label: self.label.clone(),
            key: self.key.clone(),
            traceparent: self.traceparent.clone(),
            tracestate: self.tracestate.clone(),
            name: None,
            after: self.after.clone(),
            after_failed: self.after_failed,
            batch: None,
        }
    }

    /// A job of a type, with JSON text as its args.
    pub(super) fn typed(&self, kind: &str, args: &str) -> Result<PushJob, String> {
        let args = one_line(args).into_owned();
        let args = RawValue::from_string(args).map_err(|e| {
            format!("args are not valid JSON: {e}; a string needs its quotes, as in `push {kind} '\"text\"'`")
        })?;
        Ok(self.job(kind, args))
    }

    /// A job of a type, with a line as its args: a string of JSON, which holds nothing but text.
    pub(super) fn typed_line(&self, kind: &str, line: &[u8]) -> Result<PushJob, String> {
        let line =
            text(line).map_err(|e| format!("{e}, and the args of `{kind}` are a text; a command takes any bytes"))?;
        to_raw_value(line).map(|args| self.job(kind, args)).map_err(|e| e.to_string())
    }

    /// A job that is a command.
    pub(super) fn command(&self, argv: &[OsText]) -> Result<PushJob, String> {
        let env = (!self.env.is_empty()).then_some(Cow::Borrowed(&self.env));
        let exec = ExecArgs { argv: argv.into(), cwd: Some(Cow::Borrowed(&self.cwd)), env };
        to_raw_value(&exec).map(|args| self.job(EXEC, args)).map_err(|e| e.to_string())
    }

    /// A job from its JSON, completed with the options.
    pub(super) fn json(&self, line: &[u8]) -> Result<PushJob, String> {
        let line = text(line)?;
        if !line.trim_start().starts_with('{') {
            return Err("it is not a JSON object, such as {\"type\": \"resize\", \"args\": …}".to_owned());
        }
        let mut job: PushJob = serde_json::from_str(line).map_err(|e| in_one_line(&e))?;
        // Serde would take an array for the members in order.
        if !line.trim_start().starts_with('{') {
            return Err("it is no object, such as `{\"type\": \"resize\"}`".to_owned());
        }
        job.queue.get_or_insert_with(|| self.queue.clone());
        job.priority = job.priority.or(self.priority);
        if job.delay.is_none() && job.at.is_none() {
            job.delay.clone_from(&self.delay);
            job.at = self.at;
        }
        job.expires = job.expires.or_else(|| self.expires.clone());
        job.timeout = job.timeout.or_else(|| self.timeout.clone());
        job.max_attempts = job.max_attempts.or(self.max_attempts);
        job.label = job.label.or_else(|| self.label.clone());
        job.key = job.key.or_else(|| self.key.clone());
        if job.traceparent.is_none() && job.tracestate.is_none() {
            job.traceparent.clone_from(&self.traceparent);
            job.tracestate.clone_from(&self.tracestate);
        }
        if job.after.is_empty() {
            job.after.clone_from(&self.after);
        }
        if !job.after.is_empty() {
            job.after_failed = job.after_failed.or(self.after_failed);
        }
        Ok(job)
    }
}

/// The batch that was asked for by options, checked as far as that can be done here.
fn batch(args: &PushArgs) -> Result<Option<PushBatch>, Error> {
    let follower = |option: &str, json: Option<&str>| {
        let read =
            |json| object::read::<PushJob>(json).map_err(|e| Error::Usage(format!("`{option}`: {}", in_one_line(&e))));
        let mut job = json.map(read).transpose()?;
        if let Some(job) = &mut job {
            job.queue.get_or_insert_with(|| args.queue.clone().unwrap_or_else(queue_of_environment));
        }
        Ok::<_, Error>(job.map(Box::new))
    };
    let (then, then_failed) =
        (follower("--then", args.then.as_deref())?, follower("--then-failed", args.then_failed.as_deref())?);
    let is_followed = then.is_some() || then_failed.is_some();
    let batch = match (&args.batch, args.batch_of) {
        (_, Some(of)) => PushBatch::Of(OfJob { of: JobId(of) }),
        (Some(text), None) if text.bytes().all(|b| b.is_ascii_digit()) && !text.is_empty() => {
            if is_followed {
                let why = "`--then` and `--then-failed` are for a new batch: `--batch NAME`, or no `--batch`";
                return Err(Error::Usage(why.to_owned()));
            }
            PushBatch::Join(text.parse().map(BatchId).map_err(|_| Error::Usage(format!("there is no batch {text}")))?)
        }
        (name, None) if name.is_some() || is_followed => {
            PushBatch::New(MadeBatch { name: name.clone(), then, then_failed })
        }
        _ => return Ok(None),
    };
    batch.to_model(clock::wall()).map_err(Error::Usage)?;
    Ok(Some(batch))
}

fn text(line: &[u8]) -> Result<&str, &'static str> {
    std::str::from_utf8(line).map_err(|_| "it is not UTF-8")
}

/// The line is known already, and it is not the first: only the column helps.
fn in_one_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

/// Where the command is to run: a folder that is there, from its root on.
fn folder(given: Option<&Path>) -> Result<OsText, Error> {
    let here = context::here()?;
    let Some(given) = given else { return Ok(here) };
    let folder = Path::new(&here.into_os_string()).join(given);
    match std::fs::metadata(&folder) {
        Ok(found) if found.is_dir() => Ok(folder.as_os_str().into()),
        Ok(_) => Err(Error::Usage(format!("`--cwd {}` is no folder", given.display()))),
        Err(e) if e.kind() == ErrorKind::NotFound => Err(Error::Usage(format!(
            "the folder `{}` does not exist; make it first, or choose another with `--cwd`",
            folder.display()
        ))),
        Err(e) => Err(Error::Usage(format!("the folder `{}` cannot be used: {e}", folder.display()))),
    }
}

/// The trace that jobs are pushed in: what was given, which must be right, else what the environment has.
fn trace(args: &PushArgs) -> Result<(Option<String>, Option<String>), Error> {
    let (parent, state) = (args.traceparent.as_deref(), args.tracestate.as_deref());
    if let Some(parent) = parent {
        TraceContext::new(parent, state).map_err(|error| Error::Usage(error.to_string()))?;
        return Ok((Some(parent.to_owned()), state.map(str::to_owned)));
    }
    let Some(parent) = of_environment(TRACEPARENT) else {
        return state.map_or(Ok((None, None)), |_| Err(Error::Usage(TraceError::StateAlone.to_string())));
    };
    let given = state.map(str::to_owned).or_else(|| of_environment(TRACESTATE));
    match TraceContext::new(&parent, given.as_deref()) {
        Ok(_) => Ok((Some(parent), given)),
        // A state that cannot be read takes nothing from its parent.
        Err(TraceError::State) if state.is_none() => {
            log::warn!("`{TRACESTATE}` is ignored: {}", TraceError::State);
            Ok((Some(parent), None))
        }
        Err(error) if state.is_some() => Err(Error::Usage(error.to_string())),
        Err(error) => {
            log::warn!("`{TRACEPARENT}` is ignored: {error}");
            Ok((None, None))
        }
    }
}

fn of_environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// `QUEUE_WORK_QUEUE` names the queues of a master; if it names one, it is also where jobs go.
fn queue_of_environment() -> String {
    let one = std::env::var("QUEUE_WORK_QUEUE").ok().filter(|q| crate::model::QueueName::new(q).is_ok());
    one.unwrap_or_else(|| "default".to_owned())
}

/// The command with `{}` replaced by the line wherever it stands; without any, the line is the last argument.
pub(super) fn fill(template: &[OsText], line: &[u8]) -> Vec<OsText> {
    let mut any = false;
    let mut argv: Vec<OsText> = Vec::with_capacity(template.len() + 1);
    for word in template {
        let word = word.as_bytes();
        let (mut filled, mut from) = (Vec::with_capacity(word.len() + line.len()), 0);
        for at in memchr::memmem::find_iter(word, PLACE) {
            any = true;
            filled.extend_from_slice(&word[from..at]);
            filled.extend_from_slice(line);
            from = at + PLACE.len();
        }
        filled.extend_from_slice(&word[from..]);
        argv.push(filled.into());
    }
    if !any {
        argv.push(line.to_vec().into());
    }
    argv
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common() -> Common {
        Common {
            queue: "mail".into(),
            priority: Some(5),
            delay: Some(Span::Seconds(10.0)),
            at: None,
            expires: None,
            timeout: None,
            max_attempts: None,
            unique: None,
            label: Some("night".into()),
            key: None,
            traceparent: None,
            tracestate: None,
            after: Vec::new(),
            after_failed: None,
            batch: None,
            env: BTreeMap::new(),
            cwd: OsText::from("/here"),
        }
    }

    #[test]
    fn the_line_replaces_every_place_or_is_the_last_argument() {
        let words = |template: &[&str]| template.iter().map(|w| OsText::from(*w)).collect::<Vec<_>>();
        let table: [(&[&str], &[&str]); 4] = [
            (&["convert", "{}", "{}.jpg"], &["convert", "a b", "a b.jpg"]),
            (&["rm", "-f"], &["rm", "-f", "a b"]),
            (&["sh", "-c", "echo '{}' {x}"], &["sh", "-c", "echo 'a b' {x}"]),
            (&["{}"], &["a b"]),
        ];
        for (template, filled) in table {
            assert_eq!(fill(&words(template), b"a b"), words(filled), "{template:?}");
        }
        assert_eq!(fill(&words(&["echo", "{}{}"]), b"{}"), words(&["echo", "{}{}"]));
        let odd = [OsText::from(b"\xe9{}\xff".to_vec())];
        assert_eq!(fill(&odd, b"\n\xe8"), [OsText::from(b"\xe9\n\xe8\xff".to_vec())]);
    }

    #[test]
    fn a_command_carries_its_folder_and_only_variables_that_were_given() {
        let job = common().command(&[OsText::from("a"), OsText::from("b c")]).expect("a job");
        assert_eq!(job.args.expect("args").get(), r#"{"argv":["a","b c"],"cwd":"/here"}"#);
        let env = BTreeMap::from([("K".to_owned(), OsText::from("V"))]);
        let job = Common { env, ..common() }.command(&[OsText::from("a")]).expect("a job");
        assert_eq!(job.args.expect("args").get(), r#"{"argv":["a"],"cwd":"/here","env":{"K":"V"}}"#);
        assert_eq!((job.kind.as_str(), job.queue.as_deref(), job.priority), ("exec", Some("mail"), Some(5)));
    }

    #[test]
    fn options_apply_to_lines_that_say_nothing_themselves() {
        let job = common().json(br#"{"type":"t"}"#).expect("a job");
        assert_eq!((job.queue.as_deref(), job.priority, job.delay), (Some("mail"), Some(5), Some(Span::Seconds(10.0))));
        assert_eq!(job.label.as_deref(), Some("night"));
        let line = br#"{"type":"t","queue":"q","priority":1,"at":"2030-01-01T00:00:00Z","label":"l"}"#;
        let job = common().json(line).expect("a job");
        assert_eq!((job.queue.as_deref(), job.priority, job.delay), (Some("q"), Some(1), None));
        assert_eq!(job.label.as_deref(), Some("l"));
        assert!(common().json(b"{").is_err() && common().json(b"[]").is_err() && common().json(b"{}").is_err());
    }

    #[test]
    fn args_keep_their_text_and_lose_their_line_breaks() {
        let args = |text| common().typed("t", text).map(|j| j.args.expect("args").get().to_owned());
        assert_eq!(args("{\n\"a\": 1.50}"), Ok("{ \"a\": 1.50}".to_owned()));
        assert!(args("{").is_err() && args("").is_err());
        let job = common().typed_line("t", b"a\"b").expect("a job");
        assert_eq!(job.args.expect("args").get(), "\"a\\\"b\"");
    }
}
