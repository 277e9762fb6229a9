//! Makes jobs from what was typed and from lines of input.
//!
//! Invariant: what an option says applies to every job that says nothing itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::cli::args::push::PushArgs;
use crate::cli::context;
use crate::error::Error;
use crate::model::UnixMicros;
use crate::wire::control::{PushJob, Span};
use crate::wire::push::{EXEC, one_line};

/// What stands for the line in a command.
const PLACE: &str = "{}";

/// What is the same for all jobs of one call.
pub(super) struct Common {
    queue: String,
    priority: Option<i64>,
    delay: Option<Span>,
    at: Option<UnixMicros>,
    expires: Option<Span>,
    timeout: Option<Span>,
    max_attempts: Option<u32>,
    unique: Option<String>,
    env: BTreeMap<String, String>,
    cwd: String,
}

/// The args of a job that is a command.
#[derive(Serialize)]
struct Exec<'a> {
    argv: &'a [String],
    cwd: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    env: &'a BTreeMap<String, String>,
}

impl Common {
    pub(super) fn new(args: &PushArgs) -> Result<Self, Error> {
        let span = |d: Option<Duration>| d.map(|d| Span::Seconds(d.as_secs_f64()));
        Ok(Self {
            queue: args.queue.clone().unwrap_or_else(queue_of_environment),
            priority: args.priority,
            delay: span(args.delay),
            at: args.at,
            expires: span(args.expires),
            timeout: span(args.timeout),
            max_attempts: args.max_attempts,
            unique: args.unique.clone(),
            env: args.env.iter().cloned().collect(),
            cwd: if args.command.is_empty() { String::new() } else { context::here()? },
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

    /// A job of a type, with a line as its args.
    pub(super) fn typed_line(&self, kind: &str, line: &str) -> Result<PushJob, String> {
        to_raw_value(line).map(|args| self.job(kind, args)).map_err(|e| e.to_string())
    }

    /// A job that is a command.
    pub(super) fn command(&self, argv: &[String]) -> Result<PushJob, String> {
        let exec = Exec { argv, cwd: &self.cwd, env: &self.env };
        to_raw_value(&exec).map(|args| self.job(EXEC, args)).map_err(|e| e.to_string())
    }

    /// A job from its JSON, completed with the options.
    pub(super) fn json(&self, line: &str) -> Result<PushJob, String> {
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
        Ok(job)
    }
}

/// The line is known already, and it is not the first: only the column helps.
fn in_one_line(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}

/// `QUEUE_WORK_QUEUE` names the queues of a master; if it names one, it is also where jobs go.
fn queue_of_environment() -> String {
    let one = std::env::var("QUEUE_WORK_QUEUE").ok().filter(|q| crate::model::QueueName::new(q).is_ok());
    one.unwrap_or_else(|| "default".to_owned())
}

/// The command with `{}` replaced by the line wherever it stands; without any, the line is the last argument.
pub(super) fn fill(template: &[String], line: &str) -> Vec<String> {
    if template.iter().any(|word| word.contains(PLACE)) {
        template.iter().map(|word| word.replace(PLACE, line)).collect()
    } else {
        template.iter().cloned().chain([line.to_owned()]).collect()
    }
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
            env: BTreeMap::new(),
            cwd: "/here".into(),
        }
    }

    #[test]
    fn the_line_replaces_every_place_or_is_the_last_argument() {
        let words = |template: &[&str]| template.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let table: [(&[&str], &[&str]); 4] = [
            (&["convert", "{}", "{}.jpg"], &["convert", "a b", "a b.jpg"]),
            (&["rm", "-f"], &["rm", "-f", "a b"]),
            (&["sh", "-c", "echo '{}' {x}"], &["sh", "-c", "echo 'a b' {x}"]),
            (&["{}"], &["a b"]),
        ];
        for (template, filled) in table {
            assert_eq!(fill(&words(template), "a b"), filled, "{template:?}");
        }
        assert_eq!(fill(&words(&["echo", "{}{}"]), "{}"), ["echo", "{}{}"]);
    }

    #[test]
    fn a_command_carries_its_folder_and_only_variables_that_were_given() {
        let job = common().command(&["a".into(), "b c".into()]).expect("a job");
        assert_eq!(job.args.expect("args").get(), r#"{"argv":["a","b c"],"cwd":"/here"}"#);
        let env = BTreeMap::from([("K".to_owned(), "V".to_owned())]);
        let job = Common { env, ..common() }.command(&["a".into()]).expect("a job");
        assert_eq!(job.args.expect("args").get(), r#"{"argv":["a"],"cwd":"/here","env":{"K":"V"}}"#);
        assert_eq!((job.kind.as_str(), job.queue.as_deref(), job.priority), ("exec", Some("mail"), Some(5)));
    }

    #[test]
    fn options_apply_to_lines_that_say_nothing_themselves() {
        let job = common().json(r#"{"type":"t"}"#).expect("a job");
        assert_eq!((job.queue.as_deref(), job.priority, job.delay), (Some("mail"), Some(5), Some(Span::Seconds(10.0))));
        let line = r#"{"type":"t","queue":"q","priority":1,"at":"2030-01-01T00:00:00Z"}"#;
        let job = common().json(line).expect("a job");
        assert_eq!((job.queue.as_deref(), job.priority, job.delay), (Some("q"), Some(1), None));
        assert!(common().json("{").is_err() && common().json("[]").is_err() && common().json("{}").is_err());
    }

    #[test]
    fn args_keep_their_text_and_lose_their_line_breaks() {
        let args = |text| common().typed("t", text).map(|j| j.args.expect("args").get().to_owned());
        assert_eq!(args("{\n\"a\": 1.50}"), Ok("{ \"a\": 1.50}".to_owned()));
        assert!(args("{").is_err() && args("").is_err());
        let job = common().typed_line("t", "a\"b").expect("a job");
        assert_eq!(job.args.expect("args").get(), "\"a\\\"b\"");
    }
}
