//! From a job to what is to be started: arguments, folder, environment, standard input.
//!
//! Starts nothing and looks at no file. Invariant: what a plan holds came from the job or the template as it is,
//! byte for byte; a job that is written wrong is never retried.

use std::borrow::Cow;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::template::Template;
use super::verdict::Failure;
use crate::model::trace::{TRACEPARENT, TRACESTATE};
use crate::model::{ExecArgs, OsText};
use crate::wire::{object, rpc};

/// A command to be started.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// At least the program.
    pub(super) argv: Vec<OsString>,
    pub(super) cwd: Option<PathBuf>,
    /// Added to the worker's own environment.
    pub(super) env: Vec<(OsString, OsString)>,
    /// For the command's standard input; `None`: nothing to read.
    pub(super) stdin: Option<Vec<u8>>,
    /// Results of the jobs that it comes after, a JSON object.
    pub(super) parents: Option<Box<str>>,
}

/// The members of a job that matter here.
#[derive(Deserialize)]
struct Job<'a> {
    #[serde(rename = "job_id", borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow, default)]
    args: Option<&'a RawValue>,
    #[serde(borrow, default)]
    parents: Option<&'a RawValue>,
    #[serde(default)]
    attempt: Option<u64>,
    /// Told where several hosts share a store.
    #[serde(default)]
    run: Option<u64>,
    #[serde(default)]
    traceparent: Option<String>,
    #[serde(default)]
    tracestate: Option<String>,
}

/// The variable that tells a command, and all that it starts, its job.
pub(super) const JOB_VARIABLE: &str = "QUEUE_WORK_JOB_ID";

/// Works out what to start for a job.
pub(super) fn plan(params: &RawValue, template: Option<&Template>) -> Result<Plan, Failure> {
    let job: Job<'_> =
        object::read(params.get()).map_err(|e| Failure::invalid(format!("the job cannot be read: {e}")))?;
    let args = job.args.unwrap_or(RawValue::NULL);
    let mut plan = match template {
        Some(template) => Plan {
            argv: template.fill(args).map_err(|e| Failure::invalid(e.to_string()))?,
            cwd: None,
            env: Vec::new(),
            stdin: Some(format!("{}\n", params.get()).into_bytes()),
            parents: None,
        },
        None if job.kind == "exec" => exec(args)?,
        None => return Err(no_such_type(&job.kind)),
    };
    plan.parents = job.parents.map(|parents| parents.get().into());
    let mut set = |name: &str, value: String| plan.env.push((name.into(), value.into()));
    set(JOB_VARIABLE, job.id.map_or_else(String::new, |id| id.get().to_owned()));
    set("QUEUE_WORK_JOB_TYPE", job.kind);
    set("QUEUE_WORK_ATTEMPT", job.attempt.unwrap_or(1).to_string());
    let run = job.run.map(|run| run.to_string());
    for (name, value) in [("QUEUE_WORK_RUN_ID", run), (TRACEPARENT, job.traceparent), (TRACESTATE, job.tracestate)] {
        if let Some(value) = value {
            set(name, value);
        }
    }
    check(&plan)?;
    Ok(plan)
}

fn no_such_type(kind: &str) -> Failure {
    let message = format!("no such job type `{kind}`: this pool runs commands (type `exec`)");
    Failure { code: rpc::METHOD_NOT_FOUND, ..Failure::new("no_such_type", None, message) }
}

fn exec(args: &RawValue) -> Result<Plan, Failure> {
    let usage = "a job of type `exec` needs args such as {\"argv\": [\"program\", \"argument\"]}";
    let exec: ExecArgs<'_> = object::read(args.get()).map_err(|e| Failure::invalid(format!("{usage}: {e}")))?;
    if exec.argv.first().is_none_or(|program| program.as_bytes().is_empty()) {
        return Err(Failure::invalid(usage));
    }
    let env = exec.env.map(Cow::into_owned).unwrap_or_default();
    Ok(Plan {
        argv: exec.argv.into_owned().into_iter().map(OsText::into_os_string).collect(),
        cwd: exec.cwd.map(|cwd| cwd.into_owned().into_os_string().into()),
        env: env.into_iter().map(|(name, value)| (name.into(), value.into_os_string())).collect(),
        stdin: None,
        parents: None,
    })
}

/// Refuses text that the kernel would take cut short, or not at all.
fn check(plan: &Plan) -> Result<(), Failure> {
    if plan.argv.iter().any(|a| a.as_bytes().contains(&0)) {
        return Err(Failure::invalid("an argument contains a NUL byte"));
    }
    if plan.cwd.as_ref().is_some_and(|c| c.as_os_str().as_bytes().contains(&0)) {
        return Err(Failure::invalid("`cwd` contains a NUL byte"));
    }
    for (name, value) in &plan.env {
        if name.is_empty() || name.as_bytes().iter().any(|b| b"=\0".contains(b)) || value.as_bytes().contains(&0) {
            return Err(Failure::invalid(format!(
                "the environment variable {:?} cannot be set",
                name.to_string_lossy()
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(params: &str, template: Option<&[&str]>) -> Result<Plan, Failure> {
        let template = template.map(|t| Template::parse(t.iter().map(OsString::from).collect()).expect("a template"));
        plan(&serde_json::from_str::<Box<RawValue>>(params).expect("JSON"), template.as_ref())
    }

    #[test]
    fn an_exec_job_says_what_to_run() {
        let plan = planned(
            r#"{"job_id":7,"type":"exec","args":{"argv":["a","b c"],"cwd":"/x","env":{"K":"V"}},"attempt":2,"run":9}"#,
            None,
        )
        .expect("a plan");
        assert_eq!(plan.argv, ["a", "b c"]);
        assert_eq!(plan.cwd, Some("/x".into()));
        let env: Vec<_> = plan.env.iter().map(|(k, v)| format!("{}={}", k.display(), v.display())).collect();
        let ours = ["QUEUE_WORK_JOB_ID=7", "QUEUE_WORK_JOB_TYPE=exec", "QUEUE_WORK_ATTEMPT=2", "QUEUE_WORK_RUN_ID=9"];
        assert_eq!((env[0].as_str(), &env[1..]), ("K=V", &ours.map(str::to_owned)[..]));
        assert_eq!(plan.stdin, None);
        let bare = planned(r#"{"type":"exec","args":{"argv":["a"],"cwd":null,"env":null}}"#, None).expect("a plan");
        assert_eq!((bare.argv, bare.cwd), (vec!["a".into()], None));
    }

    #[test]
    fn a_template_runs_any_type_and_gets_the_whole_job_on_stdin() {
        let params = r#"{"job_id":7,"type":"resize","args":"a.png"}"#;
        let plan = planned(params, Some(&["convert", "{}"])).expect("a plan");
        assert_eq!(plan.argv, ["convert", "a.png"]);
        assert_eq!(plan.stdin.as_deref(), Some(format!("{params}\n").as_bytes()));
    }

    #[test]
    fn a_job_that_is_written_wrong_is_not_retried() {
        let exec = |args: &str| format!(r#"{{"job_id":1,"type":"exec","args":{args}}}"#);
        let wrong = [
            "null",
            "[]",
            "{}",
            r#"{"argv":[]}"#,
            r#"{"argv":[""]}"#,
            r#"{"argv":[1]}"#,
            r#"{"argv":"ls"}"#,
            r#"{"argv":["a\u0000b"]}"#,
            r#"{"argv":["a"],"cwd":"\u0000"}"#,
            r#"{"argv":["a"],"env":{"A=B":"c"}}"#,
            r#"{"argv":["a"],"env":{"":"c"}}"#,
            r#"{"argv":["a"],"env":{"A":1}}"#,
            r#"{"argv":["\ud800"]}"#,
        ];
        for args in wrong {
            let failure = planned(&exec(args), None).expect_err(args);
            assert_eq!((failure.code, failure.data.retry), (rpc::INVALID_PARAMS, Some(false)), "{args}");
        }
        let missing = planned(r#"{"type":"x","args":{}}"#, Some(&["p", "{w}"])).expect_err("no `w`");
        assert_eq!((missing.data.kind, missing.data.retry), ("invalid", Some(false)));
    }

    #[test]
    fn another_type_is_unknown_here() {
        let failure = planned(r#"{"job_id":1,"type":"resize","args":null}"#, None).expect_err("an error");
        assert_eq!(failure.code, rpc::METHOD_NOT_FOUND);
        assert_eq!(failure.message, "no such job type `resize`: this pool runs commands (type `exec`)");
        assert_eq!(failure.data.retry, None);
    }
}
