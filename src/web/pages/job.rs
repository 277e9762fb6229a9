//! One job: why it is where it is, its life to scale, its runs, what it was given and what it gave.

use std::fmt::Write as _;
use std::time::Duration;

use maud::{Markup, html};

use super::jobs::class_of;
use super::{batches, graph, output, runs};
use crate::cli::context::Context;
use crate::cli::why as cli_why;
use crate::client::ClientError;
use crate::error::Error;
use crate::model::{JobId, JobRecord, JobState, Outcome, RunRecord, UnixMicros, units};
use crate::report::why::Why;
use crate::report::words;
use crate::store::RunFilter;
use crate::web::View;
use crate::web::desk::{Asked, Desk};
use crate::web::html::{Page, ago, button, pre, seconds, text};
use crate::web::token::Role;
use crate::wire::control::OneJob;

/// The longest wait for the end of a job.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// Runs that are shown in a table.
const SHOWN: usize = 20;
/// Exit code of a refusal: there is no such job.
const NOT_FOUND: u8 = 4;

fn id_of(asked: &Asked) -> Result<JobId, Error> {
    let missing = || Error::NotFound(format!("there is no job {}; see `queue-work jobs list`", text(&asked.name)));
    asked.name.parse().map(JobId).map_err(|_| missing())
}

pub(super) fn find(desk: &Desk<'_>) -> Result<JobRecord, Error> {
    let id = id_of(desk.asked)?;
    let job = desk.read(|records| records.job(id))?;
    let mut job = job.ok_or_else(|| Error::NotFound(format!("there is no job {id}; see `queue-work jobs list`")))?;
    desk.complete(std::slice::from_mut(&mut job));
    Ok(job)
}

pub(in crate::web) fn page(desk: &Desk<'_>) -> Result<View, Error> {
    let mut job = find(desk)?;
    desk.redact(std::slice::from_mut(&mut job));
    if desk.asked.wants_json {
        return View::json(&job);
    }
    let (why, runs) = reasons(desk, &job)?;
    let page = Page::new("jobs", format!("Job {}", job.id), format!("queue-work jobs show {}", job.id))
        .live(
            "job",
            html! { (what(&job)) (actions(desk, &job)) (because(&why, job.state)) (life(&job, &runs, desk.now)) },
        )
        .live(
            "runs",
            html! {
                @if !runs.is_empty() {
                    h2 { "Runs" } (runs::rows(desk, &runs[..runs.len().min(SHOWN)], false))
                    (last_words(&runs[0]))
                }
            },
        )
        .live("graph", graph::of(desk, &job)?)
        .fixed("output", output(desk, &job)?)
        .live("facts", facts(desk, &job));
    Ok(View::Page(page))
}

/// The output of a job that has not ended, as it comes.
fn output(desk: &Desk<'_>, job: &JobRecord) -> Result<Markup, Error> {
    if job.state.is_final() || !desk.seen.has_master() {
        return Ok(html! {});
    }
    let pane = output::pane(desk, &["jobs", &job.id.to_string(), "output"], &output::of_job(desk)?)?;
    Ok(html! { h2 { "Output" } (pane) })
}

/// Why it does not run, as a document of its own.
pub(in crate::web) fn why(desk: &Desk<'_>) -> Result<View, Error> {
    let (why, _) = reasons(desk, &find(desk)?)?;
    if desk.asked.wants_json {
        return View::json(&why);
    }
    Ok(View::Moved(desk.urls.to(&["jobs", &desk.asked.name])))
}

fn reasons(desk: &Desk<'_>, job: &JobRecord) -> Result<(Why, Vec<RunRecord>), Error> {
    let filter = RunFilter { job: Some(job.id), limit: Some(cli_why::RUNS), ..RunFilter::default() };
    let runs = desk.read(|records| records.runs(&filter))?;
    let around = desk.read(|records| cli_why::around(records, job, &desk.seen.found))?;
    Ok((cli_why::of(desk.context, job, (&runs, &around), &desk.seen.found), runs))
}

/// The job that is to be waited for, and how long, if that is asked for.
pub(in crate::web) fn wait_of(asked: &Asked) -> Option<Result<(JobId, Duration), Error>> {
    let wait = asked.get("wait").filter(|_| asked.path.starts_with("/jobs/"))?;
    let most = units::duration(wait).map_err(|why| Error::Usage(format!("`wait`: {why}")));
    Some(most.and_then(|most| Ok((id_of(asked)?, most.min(LONGEST_WAIT)))))
}

/// Waits for the end of a job, so long at most; where no master runs nothing is waited for.
pub(in crate::web) fn wait(context: &Context, id: JobId, most: Duration) -> Result<(), Error> {
    let patient = context.with_patience(most + Duration::from_secs(5));
    let Some(mut client) = patient.try_connect()? else { return Ok(()) };
    match client.call::<JobRecord>("jobs.wait", &OneJob { id, timeout_s: Some(most.as_secs_f64()) }) {
        Ok(_) | Err(ClientError::Closed) => Ok(()),
        // The page says so.
        Err(ClientError::Refused(error)) if error.exit_code() == NOT_FOUND => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn what(job: &JobRecord) -> Markup {
    html! { p { code { (words::one_line(&words::task(job), 500)) } } p { b.(class_of(job.state)) { (words::state(job)) } } }
}

fn actions(desk: &Desk<'_>, job: &JobRecord) -> Markup {
    let id = job.id.to_string();
    let to = |verb: &str| desk.urls.to(&["jobs", &id, verb]);
    let (retries, label) = match job.state {
        JobState::Dead | JobState::Cancelled => (true, "Retry"),
        JobState::Scheduled => (true, "Run now"),
        JobState::Blocked | JobState::Ready | JobState::Running | JobState::Succeeded => (false, ""),
    };
    let is_unfinished = !job.state.is_final();
    html! {
        div.row {
            @if desk.may_without_master(Role::Operator) && retries { (button(&to("retry"), label, false)) }
            @if desk.may_without_master(Role::Operator) && is_unfinished { (button(&to("cancel"), "Cancel", true)) }
            @if desk.may_without_master(Role::Admin) && job.state != JobState::Running { (button(&to("delete"), "Delete", true)) }
        }
    }
}

/// Amber at its edge where the job waits; else in the colour of its state.
fn because(why: &Why, state: JobState) -> Markup {
    let class = if matches!(state, JobState::Ready | JobState::Scheduled) { "warn" } else { class_of(state) };
    html! { div.box.(class) { ul { @for line in words::escape(&why.text()).lines() { li { (line) } } } } }
}

/// Pushed, waited, run, waited …, to scale: what waits is grey, what runs is blue, green or red.
fn life(job: &JobRecord, runs: &[RunRecord], now: UnixMicros) -> Markup {
    let end = job.finished_at.unwrap_or(now);
    let length = end.since(job.pushed_at).as_secs_f64();
    if length <= 0.0 {
        return html! {};
    }
    let place = |at: UnixMicros| (at.since(job.pushed_at).as_secs_f64() / length).clamp(0.0, 1.0) * 600.0;
    let (mut good, mut bad, mut other) = (String::new(), String::new(), String::new());
    for run in runs {
        let path = match run.outcome {
            Outcome::Succeeded => &mut good,
            Outcome::Failed | Outcome::TimedOut | Outcome::Crashed => &mut bad,
            Outcome::Cancelled | Outcome::Released => &mut other,
        };
        let (from, to) = (place(run.started_at), place(run.ended_at));
        let wide = (to - from).max(2.0);
        let _ = write!(path, "M{:.1} 1h{wide:.1}v10h-{wide:.1}z", from.min(598.0));
    }
    let shown = if runs.len() == cli_why::RUNS as usize { "the newest runs" } else { "all runs" };
    let text = format!(
        "{} from the push until {}, with {shown}",
        seconds(length),
        if job.finished_at.is_some() { "its end" } else { "now" }
    );
    html! {
        figure {
            figcaption { (text) }
            svg.life viewBox="0 0 600 12" role="img" aria-label=(text) {
                path d="M0 1h600v10h-600z" {}
                path.b d=(other) {}
                path.ok d=(good) {}
                path.f d=(bad) {}
            }
        }
    }
}

/// Where the last run failed, and what it printed.
fn last_words(run: &RunRecord) -> Markup {
    let detail = &run.detail;
    let texts = [
        ("Error", detail.error.as_deref().unwrap_or_default()),
        ("Backtrace", detail.backtrace.as_deref().unwrap_or_default()),
        ("Last lines on stdout", &detail.stdout_tail),
        ("Last lines on stderr", &detail.stderr_tail),
    ];
    html! {
        @for (title, text) in texts.into_iter().filter(|(_, text)| !text.trim_end().is_empty()) {
            h2 { (title) " of run " (run.id) }
            (pre(title, text.trim_end()))
        }
    }
}

fn facts(desk: &Desk<'_>, job: &JobRecord) -> Markup {
    let at = |at: UnixMicros| ago(desk.now, at);
    let counters = job.counters;
    let of = job.max_attempts.map(|most| format!(" of {most}")).unwrap_or_default();
    html! {
        h2 { "Facts" }
        dl.facts {
            dt { "type" } dd { a href=(desk.urls.with(&["jobs"], [("type", job.kind.as_str())])) { (text(&job.kind)) } }
            dt { "queue" } dd { a href=(desk.urls.to(&["queues", job.queue.as_str()])) { (text(job.queue.as_str())) } }
            dt { "priority" } dd { (job.priority) }
            @if let Some(unique) = &job.unique { dt { "unique key" } dd { (text(unique)) } }
            @if let Some(label) = &job.label {
                dt { "label" } dd { a href=(desk.urls.with(&["jobs"], [("label", label.as_str())])) { (text(label)) } }
            }
            @if let Some(key) = &job.key {
                dt { "key" } dd { a href=(desk.urls.with(&["jobs"], [("key", key.as_str())])) { (text(key)) } }
            }
            @for batch in job.batch.into_iter().chain(job.after_batch) {
                dt { @if job.batch == Some(batch) { "batch" } @else { "after batch" } }
                dd { a href=(batches::url(desk, batch)) { (batch) } }
            }
            dt { "attempts" } dd { (counters.attempts) (of) ", " (counters.crashes) " crashes, " (counters.releases) " releases" }
            @if let Some(timeout) = job.timeout_s { dt { "timeout" } dd { (seconds(timeout)) } }
            dt { "pushed" } dd { (at(job.pushed_at)) }
            dt { "due" } dd { (at(job.due_at)) }
            @if let Some(expires) = job.expires_at { dt { "expires" } dd { (at(expires)) } }
            @if let Some(finished) = job.finished_at { dt { "finished" } dd { (at(finished)) } }
            @if let Some(trace) = job.traceparent.as_deref().and_then(|parent| parent.split('-').nth(1)) {
                dt { "trace" } dd { (text(trace)) }
            }
            @if let Some(progress) = &job.progress {
                dt { "progress" }
                dd {
                    @if let Some(percent) = progress.percent { (format!("{percent:.0} % ")) }
                    (text(progress.message.as_deref().unwrap_or_default()))
                }
            }
            @if let Some(error) = job.fingerprint {
                dt { "error" } dd { a href=(desk.urls.to(&["failures", &error.to_string()])) { (error) } }
            }
        }
        h2 { "Args" }
        (pre("Args", &words::args(job)))
        @if let Some(result) = &job.result {
            h2 { "Result" }
            (pre("Result", result.get()))
        }
    }
}
