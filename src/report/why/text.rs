//! The words of each reason: its code for programs, a sentence without a full stop, the next step.

use super::reason::Holder;
use super::{Reason, Why, WhyPool, WhyProcessor};
use crate::model::{BatchId, Cause, JobId, JobState, Outcome, QueueName};
use crate::report::events::{did, failed};
use crate::report::words;

/// So many jobs are named that another waits for.
const NAMED: usize = 3;
/// The most of an error text that is shown.
const ERROR_CHARS: usize = 200;

impl Why {
    /// For people: the reason, then a line for each that comes behind it.
    #[must_use]
    pub fn text(&self) -> String {
        lines(&format!("job {} ({})", self.job, self.state), &self.reasons)
    }
}

impl WhyProcessor<'_> {
    /// Likewise.
    #[must_use]
    pub fn text(&self) -> String {
        lines(&format!("processor `{}` ({})", self.processor, self.state), &self.reasons)
    }
}

impl WhyPool<'_> {
    /// Likewise.
    #[must_use]
    pub fn text(&self) -> String {
        let kind = if self.is_service { "service" } else { "pool" };
        lines(&format!("{kind} `{}` ({})", self.pool, self.state), &self.reasons)
    }
}

fn lines(subject: &str, reasons: &[Reason]) -> String {
    let mut lines = reasons.iter().map(Reason::line);
    let first = lines.next().unwrap_or_default();
    lines.fold(format!("{subject}: {first}\n"), |all, line| format!("{all}also: {line}\n"))
}

impl Reason {
    /// The word for programs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMaster { .. } => "no_master",
            Self::Unreachable { .. } => "unreachable",
            Self::Ending { .. } => "draining",
            Self::Store { .. } => "store",
            Self::Machine { .. } => "machine",
            Self::Paused { .. } => "paused",
            Self::Limited { .. } => "limited",
            Self::KeyPaused { .. } => "key_paused",
            Self::Unserved { .. } => "unserved",
            Self::PoolStopped { .. } => "pool_stopped",
            Self::WaitsFor { .. } => "waits_for",
            Self::Finished { .. } => "finished",
            Self::NoWorker { .. } => "no_worker",
            Self::Starting { .. } => "starting",
            Self::Busy { .. } => "busy",
            Self::Begins { .. } => "begins",
            Self::Scheduled { .. } => "scheduled",
            Self::Blocked { .. } => "blocked",
            Self::AwaitsBatch { .. } => "batch",
            Self::NoneDied { .. } => "none_died",
            Self::ParentFailed { .. } => "parent_failed",
            Self::Retry { .. } => "retry",
            Self::Expires { .. } => "expires",
            Self::Unique { .. } => "unique",
            Self::LostWorker { .. } => "lost_worker",
            Self::GivenBack { .. } => "given_back",
            Self::Running { .. } => "running",
            Self::AtWorker => "at_worker",
            Self::LostMaster { .. } => "lost_master",
            Self::Succeeded { .. } => "succeeded",
            Self::Cancelled { .. } => "cancelled",
            Self::Expired { .. } => "expired",
            Self::Dead { .. } => "dead",
            Self::Gone { .. } => "gone",
            Self::Stopped { .. } => "stopped",
            Self::Gateway { .. } => "gateway",
            Self::CircuitOpen { .. } => "circuit_open",
            Self::Unhealthy { .. } => "unhealthy",
            Self::Up { .. } => "up",
            Self::Disabled { .. } => "disabled",
            Self::Unconfigured => "unconfigured",
            Self::RunOpen { .. } => "run_open",
            Self::NextTick { .. } => "next_tick",
        }
    }

    /// The sentence.
    #[must_use]
    pub fn text(&self) -> String {
        let ago = |s: &f64| format!("{} ago", words::seconds(*s));
        let on = |worker: &Option<String>| worker.as_ref().map(|name| format!(" on `{name}`")).unwrap_or_default();
        match self {
            Self::NoMaster { error: text } | Self::Unserved { problem: text } => parts(text).0.to_owned(),
            Self::Unreachable { error: text } | Self::Machine { problem: text } => text.clone(),
            Self::Ending { pid, state } => format!("master {pid} is {state} and begins no other job"),
            Self::Store { problem } => format!("the store takes no changes: {problem}"),
            Self::Paused { queue } => format!("queue `{queue}` is paused"),
            Self::Limited { queue, key, limits, running, next_in_s, holders } => {
                limited(&of_queue(queue, key.as_deref()), limits, *running, *next_in_s, holders)
            }
            Self::KeyPaused { queue, key, by } => format!("{} is paused{by}", of_queue(queue, Some(key))),
            Self::PoolStopped { pool } => format!("pool `{pool}`, which would take it, is stopped: it has no workers"),
            Self::WaitsFor { pool, others } => format!("pool `{pool}` waits for {}", words::list(others)),
            Self::Finished { pool } => format!("the workers of pool `{pool}` have ended, and are not to be replaced"),
            Self::NoWorker { pool, problem } => format!("no worker of pool `{pool}` is ready: {problem}"),
            Self::Starting { pool, workers, ready_by, timeout } => {
                starting(pool, *workers, ready_by.as_deref(), timeout.as_deref())
            }
            Self::Busy { pools, workers, longest, .. } => busy(pools, *workers, *longest),
            Self::Begins { pool } => format!("pool `{pool}` has a worker that is idle, and begins it at once"),
            Self::Scheduled { due_in_s } => format!("it is due in {}", words::seconds(*due_in_s)),
            Self::Blocked { by } => blocked(by),
            Self::AwaitsBatch { batch } => format!("it waits until all jobs of batch {batch} have ended"),
            Self::NoneDied { ago_s, batch } => none_died(&ago(ago_s), *batch),
            Self::ParentFailed { ago_s, by } => parent_failed(&ago(ago_s), by.as_ref()),
            Self::Retry { attempt, of, outcome, cause, error, due_in_s } => {
                retry((*attempt, *of), &failed(*outcome, cause.unwrap_or(Cause::Error), error.as_deref()), *due_in_s)
            }
            Self::Expires { in_s } => format!("it expires in {} if it has not begun by then", words::seconds(*in_s)),
            Self::Unique { key } => {
                format!("pushes with its unique key `{}` return this job until it has ended", words::one_line(key, 60))
            }
            Self::LostWorker { worker, outcome, cause, ago_s } => {
                format!("its last run{} {}", on(worker), lost(*outcome, *cause, &ago(ago_s)))
            }
            Self::GivenBack { times } => {
                format!("it was given back {times} times in a row, and goes behind the others")
            }
            Self::Running { worker, pid, attempt, for_s } => {
                let pid = pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default();
                format!("attempt {attempt} runs on `{worker}`{pid} for {}", words::seconds(*for_s))
            }
            Self::AtWorker => {
                "a worker has it: it runs there beside others, or waits for the jobs before it".to_owned()
            }
            Self::LostMaster { .. } => {
                "its master has ended without a word: the next one makes it ready again".to_owned()
            }
            Self::Succeeded { ago_s, worker } => format!("it succeeded {}{}", ago(ago_s), on(worker)),
            Self::Cancelled { ago_s } => format!("it was cancelled {}", ago(ago_s)),
            Self::Expired { ago_s } => format!("it expired {}, before a worker was free for it", ago(ago_s)),
            Self::Dead { cause, runs, first, last, .. } => dead(*cause, *runs, first.as_deref(), last.as_deref()),
            Self::Gone { job, is_new } => gone(*job, *is_new),
            Self::Stopped { .. } => "it is stopped: no worker is wanted".to_owned(),
            Self::Gateway { problem: text } | Self::CircuitOpen { text, .. } | Self::Unhealthy { text, .. } => {
                text.clone()
            }
            Self::Up { ready, wanted } => {
                format!("nothing is wrong: {ready} of {} ready", words::count((*wanted).into(), "worker"))
            }
            Self::Disabled { switched, .. } => {
                switched.clone().unwrap_or_else(|| "the configuration says `enabled = false`".to_owned())
            }
            Self::Unconfigured => "it is on record, but in no configuration that a master has read".to_owned(),
            Self::RunOpen { job: Some(job) } => format!("the run before is not over: job {job}"),
            Self::RunOpen { job: None } => "the run before is not over".to_owned(),
            Self::NextTick { in_s: Some(in_s) } => format!("its next run is due in {}", words::seconds(*in_s)),
            Self::NextTick { in_s: None } => "no run of it is to come by itself".to_owned(),
        }
    }

    /// The sentence with the next step.
    #[must_use]
    pub fn line(&self) -> String {
        match self.next() {
            Some(next) => format!("{}; {next}", self.text()),
            None => self.text(),
        }
    }

    /// The next step, as what to do.
    #[must_use]
    pub fn next(&self) -> Option<String> {
        Some(match self {
            Self::NoMaster { error: text } | Self::LostMaster { error: text } | Self::Unserved { problem: text } => {
                parts(text).1?.to_owned()
            }
            Self::Paused { queue } => format!("let it go on with `queue-work resume {queue}`"),
            Self::Limited { queue, key: None, .. } => format!("see `queue-work queues {queue}`"),
            Self::Limited { queue, .. } => format!("see `queue-work queues {queue} --keys`"),
            Self::KeyPaused { queue, key, .. } => {
                format!("let it go on with `queue-work resume {queue} --key {}`", words::command([key.as_str()]))
            }
            Self::PoolStopped { pool } | Self::Stopped { pool } => {
                format!("start it with `queue-work scale 1 --pool {pool}`")
            }
            Self::NoWorker { pool, .. } => format!("see `queue-work status {pool}`"),
            Self::WaitsFor { others, .. } => format!("see `queue-work why {}`", others.first()?),
            Self::Finished { pool } => format!("start them again with `queue-work restart --pool {pool}`"),
            Self::Busy { fixed, .. } => format!("add a worker with `queue-work scale +1 --pool {}`", fixed.as_ref()?),
            Self::Running { worker, .. } => format!("see `queue-work logs {worker}`"),
            Self::Gateway { .. } => "see `queue-work logs gateway`".to_owned(),
            Self::CircuitOpen { pool, .. } | Self::Unhealthy { pool, .. } => {
                format!("see `queue-work status {pool}`")
            }
            Self::Blocked { by } => blocked_next(by)?,
            Self::AwaitsBatch { batch } | Self::NoneDied { batch, .. } => {
                format!("see `queue-work batches show {batch}`")
            }
            Self::ParentFailed { by, .. } => {
                let (job, _) =
                    (*by).filter(|(_, state)| matches!(state, Some(JobState::Dead | JobState::Cancelled)))?;
                format!("it comes back with that one: `queue-work jobs retry {job}`")
            }
            Self::Dead { job, .. } => format!("try it again with `queue-work jobs retry {job}`"),
            Self::Gone { .. } => "see `queue-work jobs list`".to_owned(),
            Self::Disabled { processor, .. } => format!("let it run with `queue-work processors enable {processor}`"),
            Self::RunOpen { job } => format!("see `queue-work why {}`", (*job)?),
            Self::Unreachable { .. }
            | Self::Ending { .. }
            | Self::Store { .. }
            | Self::Machine { .. }
            | Self::Starting { .. }
            | Self::Begins { .. }
            | Self::Scheduled { .. }
            | Self::Retry { .. }
            | Self::Expires { .. }
            | Self::Unique { .. }
            | Self::LostWorker { .. }
            | Self::GivenBack { .. }
            | Self::AtWorker
            | Self::Succeeded { .. }
            | Self::Cancelled { .. }
            | Self::Expired { .. }
            | Self::Unconfigured
            | Self::Up { .. }
            | Self::NextTick { .. } => return None,
        })
    }
}

/// A problem that is worded with its next step, as two.
fn parts(text: &str) -> (&str, Option<&str>) {
    text.rsplit_once("; ").map_or((text, None), |(problem, next)| (problem, Some(next)))
}

fn gone(job: JobId, is_new: bool) -> String {
    if is_new {
        format!("there is no job {job}, and there never was: ids are not that high yet")
    } else {
        format!("there is no job {job} any more: it was deleted, or ended longer ago than jobs are kept")
    }
}

fn starting(pool: &str, workers: u32, ready_by: Option<&str>, timeout: Option<&str>) -> String {
    if workers == 0 {
        return format!("pool `{pool}` has no worker yet");
    }
    let timeout = timeout.map(|timeout| format!(" (`ready_timeout` is {timeout})")).unwrap_or_default();
    let without = match ready_by {
        Some("init") => format!(", without an answer to `init` so far{timeout}"),
        Some(_) => format!(", without their `ready` so far{timeout}"),
        None => String::new(),
    };
    format!("no worker of pool `{pool}` is ready yet: {} starting{without}", words::count(workers.into(), "worker"))
}

fn of_queue(queue: &QueueName, key: Option<&str>) -> String {
    match key {
        Some("") => format!("no key of queue `{queue}`"),
        Some(key) => format!("key `{key}` of queue `{queue}`"),
        None => format!("queue `{queue}`"),
    }
}

fn limited(of: &str, limits: &str, running: u64, next_in_s: Option<f64>, holders: &[Holder]) -> String {
    if let Some(seconds) = next_in_s {
        return format!("the next job of {of} may start in {} ({limits})", words::seconds(seconds));
    }
    let at = |(job, worker): &Holder| match worker {
        Some(worker) => format!("job {job} at `{worker}`"),
        None => format!("job {job}"),
    };
    let mut named: Vec<String> = holders.iter().take(NAMED).map(at).collect();
    let more = running.saturating_sub(named.len() as u64);
    if more > 0 && !named.is_empty() {
        named.push(format!("{more} more"));
    }
    let named = if named.is_empty() { named.concat() } else { format!(": {}", named.join(", ")) };
    format!("as many jobs of {of} run as may: {running} ({limits}){named}")
}

fn lost(outcome: Outcome, cause: Option<Cause>, ago: &str) -> String {
    match cause {
        Some(Cause::MasterLost) => format!("ended {ago}, when its master died"),
        Some(cause) => format!("{} {ago}, as it lost its worker ({cause})", did(outcome)),
        None => format!("{} {ago}, as it lost its worker", did(outcome)),
    }
}

fn busy(pools: &[String], workers: u32, longest: Option<(JobId, f64)>) -> String {
    let pool = if pools.len() == 1 { "pool" } else { "pools" };
    let longest = longest.map(|(job, s)| format!(", the longest with job {job} for {}", words::seconds(s)));
    let (who, are) =
        if workers == 1 { ("the only worker".to_owned(), "is") } else { (format!("all {workers} workers"), "are") };
    format!("{who} of {pool} {} {are} busy{}", words::list(pools), longest.unwrap_or_default())
}

/// The first jobs of a list that can be very long.
fn blocked(by: &[(JobId, Option<JobState>)]) -> String {
    let named: Vec<String> = by.iter().take(NAMED).map(with_state).collect();
    match (named.is_empty(), by.len() > NAMED) {
        (true, _) => "it waits for other jobs".to_owned(),
        (false, true) => format!("it waits for {} and more", named.join(", ")),
        (false, false) => format!("it waits for {}", named.join(" and ")),
    }
}

/// One that has failed is what keeps it, else the first of those that it waits for.
fn blocked_next(by: &[(JobId, Option<JobState>)]) -> Option<String> {
    let failed = by.iter().find(|(_, state)| matches!(state, Some(JobState::Dead | JobState::Cancelled)));
    match (failed, by.first()) {
        (Some((job, _)), _) => Some(format!("try that again with `queue-work jobs retry {job}`")),
        (None, Some((job, _))) => Some(format!("see `queue-work why {job}`")),
        (None, None) => None,
    }
}

fn parent_failed(ago: &str, by: Option<&(JobId, Option<JobState>)>) -> String {
    let by = by.map_or_else(|| "a job that has failed".to_owned(), with_state);
    format!("it was cancelled {ago}, as it comes after {by}")
}

fn retry((attempt, of): (u32, Option<u32>), what: &str, due_in_s: f64) -> String {
    let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
    format!("attempt {attempt}{of} {what}, and the next one is due in {}", words::seconds(due_in_s))
}

fn none_died(ago: &str, batch: BatchId) -> String {
    format!("it was cancelled {ago}, as no job of batch {batch} has died")
}

fn with_state((job, state): &(JobId, Option<JobState>)) -> String {
    format!("job {job} ({})", state.map_or("deleted", JobState::as_str))
}

fn dead(cause: Option<Cause>, runs: u32, first: Option<&str>, last: Option<&str>) -> String {
    let times = words::count(runs.into(), "time");
    let why = match cause {
        Some(Cause::MaxAttempts) => format!("it failed {times}, as often as it may"),
        Some(Cause::Poison) => "its workers died under it, as often as they may".to_owned(),
        Some(Cause::NoRetry) => "its worker said that it is not to be tried again".to_owned(),
        Some(Cause::NotFound) => "its command, or its type, does not exist".to_owned(),
        Some(Cause::NotExecutable) => "its command may not be executed".to_owned(),
        Some(cause) => format!("it ended for good ({cause})"),
        None => "it ended for good".to_owned(),
    };
    let shown = |error: &str| words::one_line(error, ERROR_CHARS);
    match (first, last) {
        (Some(first), Some(last)) if first != last => {
            format!("{why}; first error: {}; last error: {}", shown(first), shown(last))
        }
        (_, Some(error)) | (Some(error), None) => format!("{why}; error: {}", shown(error)),
        (None, None) => why,
    }
}
