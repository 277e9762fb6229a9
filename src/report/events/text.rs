//! The wording of events.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Event;
use crate::model::worker::{EndReason, Exit};
use crate::model::{Cause, JobRecord, JobState, MemoryLimit, Notice, Outcome, QueueName, UnixMicros};
use crate::report::{autoscale, colours, reload, words};
use crate::wire::control::LogLine;

/// The most of an error text that is shown in a line.
const ERROR_CHARS: usize = 200;

/// The event as one line, without a line break.
#[must_use]
pub fn line(event: &Event) -> String {
    match event {
        Event::MasterStarted { pid, generation, database, pools, workers, .. } => {
            let pools = words::count(pools.len() as u64, "pool");
            let workers = words::count(u64::from(*workers), "worker");
            format!("master {pid} runs on `{database}` (generation {generation}): {pools}, {workers}")
        }
        Event::PoolStarted { pool, kind, queues, workers, limits } => {
            pool_started(pool, kind, queues, *workers, limits)
        }
        Event::Reloaded { file, changes } if changes.is_empty() => format!("reloaded `{file}`: nothing has changed"),
        Event::Reloaded { file, changes } => format!("reloaded `{file}`: {}", reload::lines(changes).join("; ")),
        Event::Recovered { jobs } => {
            format!("the last master ended without a word; {} it left running: ready again", words::count(*jobs, "job"))
        }
        Event::Stopping { running: 0, .. } => "stopping".to_owned(),
        Event::Stopping { running, grace_s, ctrl_c } => {
            let jobs = words::count(*running, "running job");
            let now = if *ctrl_c { "; press Ctrl-C again to end now" } else { "" };
            match *grace_s {
                0.0 => format!("stopping: ending {jobs} now"),
                grace_s => format!("stopping: {jobs} may go on for {}{now}", words::seconds(grace_s)),
            }
        }
        Event::Forced { running } => format!("ending {} now", words::count(*running, "running job")),
        Event::Drained { summary } => format!("nothing left to do: {summary}"),
        Event::Stopped { summary } => format!("stopped: {summary}"),
        Event::Output(out) => output(out),
        Event::Printed(out) => out.text.clone(),
        Event::Notice(notice) => notice_line(notice),
        Event::Step(step) => step.line(),
    }
}

fn notice_line(notice: &Notice) -> String {
    match notice {
        Notice::WorkerStarted { worker, pid } => format!("worker `{worker}` started (pid {pid})"),
        Notice::WorkerEnded { worker, exit, jobs_done, why: Some(why), .. } => {
            let (why, calls) = (words::one_line(why, ERROR_CHARS), words::count(*jobs_done, "call"));
            format!("worker `{worker}` was replaced after {calls}, as {why} ({})", exit_words(*exit))
        }
        Notice::WorkerEnded { worker, reason, exit, jobs_done, .. } => {
            let jobs = words::count(*jobs_done, "job");
            format!("worker `{worker}` {} after {jobs} ({})", end_reason(*reason), exit_words(*exit))
        }
        Notice::JobBegan { job, kind, .. } => format!("job {job} (`{}`) began", words::one_line(kind, 60)),
        Notice::JobEnded { job, kind, outcome, took_s, .. } => {
            let (kind, did) = (words::one_line(kind, 60), did(*outcome));
            format!("job {job} (`{kind}`) {did} after {}", words::seconds(*took_s))
        }
        Notice::JobFailed { job, kind, worker, outcome, cause, error, retry_in_s, .. } => {
            let what = failed(*outcome, *cause, error.as_deref());
            format!("job {job} (`{}`) {what} on `{worker}`; {}", words::one_line(kind, 60), again(*retry_in_s))
        }
        Notice::JobDead { job, kind, cause, error, .. } => {
            let error = error.as_deref().map(|e| format!(": {}", words::one_line(e, ERROR_CHARS))).unwrap_or_default();
            let kind = words::one_line(kind, 60);
            format!("job {job} (`{kind}`) is dead ({cause}){error}; see `queue-work jobs show {job}`")
        }
        Notice::Backoff { pool, worker, why, came_up, .. } => {
            let why = words::one_line(why, ERROR_CHARS);
            let does = if *came_up { "comes up, then" } else { "does not come up:" };
            format!("pool `{pool}`: worker `{worker}` {does} {why}; it is tried again, see `queue-work status`")
        }
        Notice::WorkerFinished { worker, why, .. } => format!("worker `{worker}` is {why}"),
        Notice::WorkerGivenUp { worker, why, .. } => {
            let why = words::one_line(why, ERROR_CHARS);
            format!("worker `{worker}` is {why}; start it again with `queue-work restart {worker}`")
        }
        Notice::Scaled { pool, was, wanted } => {
            format!("pool `{pool}` goes from {was} to {}", words::count(u64::from(*wanted), "worker"))
        }
        Notice::Autoscaled(change) => autoscale::change(change),
        Notice::TicksMissed { processor, missed, ran } => {
            let ticks = words::count(*missed, "run");
            let then = if *ran { "a later one is made up for" } else { "none is made up for" };
            format!("processor `{processor}`: {ticks} missed while no master was there; {then}")
        }
        Notice::RunLost { processor, run } => {
            format!(
                "processor `{processor}`: run {run} is lost: its process is gone, or past its timeout, without an `end`"
            )
        }
        Notice::Problem { text } => format!("problem: {}", words::one_line(text, 2_000)),
        Notice::MemoryBaseline { pool, limit, baseline_bytes } => {
            memory_baseline(pool.as_str(), *limit, *baseline_bytes)
        }
        Notice::StrayAnswer { worker, request } => {
            format!("worker `{worker}` answered request {request}, which it does not hold; ignored")
        }
    }
}

fn pool_started(
    pool: &str,
    kind: &str,
    queues: &[QueueName],
    workers: u32,
    limits: &BTreeMap<String, String>,
) -> String {
    let what = match kind {
        "exec" => "commands as jobs",
        "opaque" => "workers that fetch their own jobs",
        "service" => "workers that answer clients",
        _ => "workers that speak the protocol",
    };
    let serves = if queues.is_empty() { String::new() } else { format!(" for {}", words::list(queues)) };
    let limits = words::limits(limits);
    let limits = if limits.is_empty() { limits } else { format!("; {limits}") };
    format!("pool `{pool}`: {}{serves}, {what}{limits}", words::count(u64::from(workers), "worker"))
}

fn exit_words(how: Option<Exit>) -> String {
    how.map_or_else(|| "exit status unknown".to_owned(), exit)
}

/// Why a worker ended, as what is said of it.
#[must_use]
pub const fn end_reason(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Exited => "ended by itself",
        EndReason::Retired => "retired",
        EndReason::Scaled => "was scaled down",
        EndReason::Restarted => "was restarted",
        EndReason::Stopped => "was stopped",
        EndReason::MaxJobs => "was recycled (max_jobs)",
        EndReason::MaxTime => "was recycled (max_time)",
        EndReason::Memory => "was recycled (memory)",
        EndReason::MemoryMax => "was killed (memory_max)",
        EndReason::JobTimeout => "was ended with its job (timeout)",
        EndReason::JobCancelled => "was ended with its job (cancelled)",
        EndReason::ReadyTimeout => "was not ready in time",
        EndReason::Protocol => "broke the protocol",
        EndReason::SpawnFailed => "could not be started",
        EndReason::MasterLost => "was lost with its master",
        EndReason::Cpu => "was recycled (cpu)",
        EndReason::Unhealthy => "was not well",
    }
}

/// Words about a job that failed and waits for its next attempt.
#[must_use]
pub fn waits_for_retry(job: &JobRecord, now: UnixMicros) -> Option<String> {
    let cause = job.cause.filter(|_| job.state == JobState::Scheduled && job.counters.attempts > 0)?;
    let what = failed(Outcome::Failed, cause, job.error.as_deref());
    let again = again(job.due_at.since(now).as_secs_f64());
    Some(format!("job {} (`{}`) {what}; {again}", job.id, words::one_line(&job.kind, 60)))
}

/// How a process ended.
#[must_use]
pub fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(n) => {
            nix::sys::signal::Signal::try_from(n).map_or_else(|_| format!("signal {n}"), |s| s.as_str().to_owned())
        }
    }
}

pub(in crate::report) const fn did(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Failed => "failed",
        Outcome::TimedOut => "timed out",
        Outcome::Crashed => "crashed",
        Outcome::Succeeded => "succeeded",
        Outcome::Cancelled => "was cancelled",
        Outcome::Released => "was given back",
    }
}

pub(in crate::report) fn failed(outcome: Outcome, cause: Cause, error: Option<&str>) -> String {
    let verb = did(outcome);
    match error {
        Some(error) => format!("{verb} ({})", words::one_line(error, ERROR_CHARS)),
        None => format!("{verb} ({cause})"),
    }
}

fn again(retry_in_s: f64) -> String {
    if retry_in_s > 0.0 {
        format!("due again in {}", words::duration(Duration::try_from_secs_f64(retry_in_s).unwrap_or_default()))
    } else {
        "it is ready again".to_owned()
    }
}

fn memory_baseline(pool: &str, limit: MemoryLimit, baseline_bytes: u64) -> String {
    let limit = match limit {
        MemoryLimit::Growth(bytes) => format!("+{}", words::bytes(bytes)),
        MemoryLimit::Absolute(bytes) => words::bytes(bytes),
    };
    let baseline = words::bytes(baseline_bytes);
    format!(
        "pool `{pool}`: the limit `memory = {limit}` is below the {baseline} a worker uses after its first job, so it \
         is not applied; raise it, or write `memory = \"+{limit}\"` to limit growth"
    )
}

/// A line of worker output with its label: `default-1[job 31] text`.
fn output(out: &crate::wire::control::LogLine) -> String {
    format!("{} {}", label(out), out.text)
}

/// A line that a worker printed, as `logs` shows it.
#[must_use]
pub fn log_line(line: &LogLine, with_time: bool) -> String {
    let time = if with_time { words::moment(line.at) + " " } else { String::new() };
    let colour = if line.stream == "err" { colours::YELLOW } else { colours::CYAN };
    format!("{time}{colour}{}{colour:#} {}", label(line), line.text)
}

/// `default-1[job 31]`, or `default-1` between jobs.
#[must_use]
pub fn label(out: &LogLine) -> String {
    match out.job {
        Some(job) => format!("{}[job {job}]", out.worker),
        None => out.worker.clone(),
    }
}
