//! Talks to the master for `top`, over one connection: a status a second, what is wanted beside it, and what is asked once.
//!
//! Invariants: nothing is asked more than once a second unless a key was pressed; a master that has ended, or does not
//! answer, is looked for again with each beat, and what the store knows is told meanwhile.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use crate::cli::args::records::LogsArgs;
use crate::cli::context::Context;
use crate::cli::remote::RemoteRecords;
use crate::cli::status::{self, Found};
use crate::cli::{backend, errors, jobs, logs, pause, processors, reach, restart, scale};
use crate::client::{Client, ClientError, NONE, Notification, Patience};
use crate::clock;
use crate::error::Error;
use crate::model::{IdRange, IdRanges, JobAction, JobId, UnixMicros};
use crate::report::processor_lists::switch_word;
use crate::report::{ProcessorStatus, Status, refusals, words};
use crate::store::{FailureFilter, JobFilter, ProcessorRunFilter, Records, RunFilter};
use crate::top::{Ask, Happened, Heard, KEPT, Look, Looked, Wants};
use crate::wire::control::{
    ChangedJobs, Follow, FollowEvents, FollowedEvents, HAPPENED, Jobs, LOG, LogLine, PausedQueues, Restarted, Scaled,
};
use crate::wire::processors::SwitchedProcessor;

/// From one status to the next.
const BEAT: Duration = Duration::from_secs(1);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(1500);
/// Beats from one look at processors to the next.
const PROCESSORS_EVERY: u32 = 5;
/// Records of a list.
const MOST: u32 = 100;
/// Last lines of a worker on its page.
const LINES: usize = 10;

/// The most of a command that fits a row.
const TASK_CHARS: usize = 200;

/// What the screen asks for.
pub(super) enum Order {
    Ask(Ask),
    Wants(Wants),
}

/// Takes what was heard; false where nobody listens any more.
type Tell<'a> = &'a dyn Fn(Heard) -> bool;

pub(super) struct Link {
    context: Context,
    client: Option<Client>,
    /// The process of the master that answered last.
    pid: Option<u32>,
    wants: Wants,
    /// The number of the next event of this master; `None`: not asked yet.
    next_event: Option<u64>,
    beats: u32,
}

/// The members of an event that are shown.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    seq: u64,
    ts: UnixMicros,
    level: String,
    msg: String,
}

impl Link {
    pub(super) fn new(context: &Context) -> Self {
        let context = context.with_patience(PATIENCE);
        Self { context, client: None, pid: None, wants: Wants::default(), next_event: None, beats: 0 }
    }

    /// Until nobody gives orders or listens.
    pub(super) fn run(mut self, orders: &Receiver<Order>, tell: Tell<'_>) {
        loop {
            let next = clock::instant() + BEAT;
            if !self.beat(tell) || !self.obey(orders, next, tell) {
                return;
            }
        }
    }

    /// Does what it is told until it is time for the next beat, which an answer brings at once.
    fn obey(&mut self, orders: &Receiver<Order>, next: Instant, tell: Tell<'_>) -> bool {
        loop {
            match orders.recv_deadline(next) {
                Ok(Order::Ask(ask)) => {
                    let said = self.ask(&ask).unwrap_or_else(|error| worded(&error));
                    return tell(Heard::Said(said));
                }
                Ok(Order::Wants(wants)) => {
                    let was = std::mem::replace(&mut self.wants, wants);
                    if !(self.follow(was.output.as_ref(), tell) && self.look(tell)) {
                        return false;
                    }
                }
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    fn beat(&mut self, tell: Tell<'_>) -> bool {
        let (status, trouble) = match self.status(tell) {
            Ok(Found { status, trouble }) => (status, trouble.map(|trouble| self.missing(&trouble))),
            Err(error) => (Status::default(), Some(worded(&error))),
        };
        let told = tell(Heard::Status { status: Box::new(status), trouble, at: clock::wall() });
        let is_due = self.beats.is_multiple_of(PROCESSORS_EVERY);
        self.beats = self.beats.wrapping_add(1);
        // A wrong configuration is none of this: what is not known is not shown.
        let processors = if is_due { self.processors().ok() } else { None };
        told && processors.is_none_or(|all| tell(Heard::Processors(all))) && self.look(tell)
    }

    fn missing(&self, trouble: &Error) -> String {
        match (trouble, self.pid) {
            (Error::NoMaster { .. }, Some(pid)) => format!("master {pid} ended; waiting"),
            (Error::NoMaster { database, .. }, None) => format!("no master runs on {database}; waiting"),
            (other, _) => worded(other),
        }
    }

    /// From the master, with what it has sent since; where it does not answer, from the store.
    fn status(&mut self, tell: Tell<'_>) -> Result<Found, Error> {
        if let Err(missed) = self.connected(tell) {
            return status::of_records(&self.context, status::missed(self.context.paths()?, missed)?);
        }
        match self.call::<Status>("status", tell) {
            Ok(status) => {
                self.pid = status.master.as_ref().map(|master| master.pid);
                Ok(Found { status, trouble: None })
            }
            Err(missed) => {
                self.client = None;
                status::of_records(&self.context, status::missed(self.context.paths()?, missed)?)
            }
        }
    }

    /// Connects if need be, and follows what is wanted.
    fn connected(&mut self, tell: Tell<'_>) -> Result<(), ClientError> {
        if self.client.is_some() {
            return Ok(());
        }
        let paths = self.context.paths().map_err(|error| ClientError::Garbled(error.to_string()))?;
        self.client = Some(reach::wait_for_socket(paths, Patience::Limited(PATIENCE), Duration::ZERO)?);
        (self.next_event, self.beats) = (None, 0);
        self.follow(None, tell);
        Ok(())
    }

    /// Asks, and tells what the master has sent meanwhile.
    fn call<R: DeserializeOwned>(&mut self, method: &str, tell: Tell<'_>) -> Result<R, ClientError> {
        let Some(client) = &mut self.client else { return Err(ClientError::Unheard) };
        let (mut events, mut lines) = (Vec::new(), Vec::new());
        let mut hear = |heard: Notification| {
            match heard.method.as_str() {
                HAPPENED => events.push(heard.params),
                LOG => lines.extend(serde_json::from_str::<LogLine>(heard.params.get())),
                _ => {}
            }
            Ok(())
        };
        let answer = client.call_hearing(method, &NONE, Some(&mut hear));
        tell(Heard::Events(self.happened(&events)));
        if let Some(output) = &self.wants.output {
            tell(Heard::Output(output.clone(), lines));
        }
        answer
    }

    /// The last of these events, ready to be shown.
    fn happened(&mut self, events: &[Box<RawValue>]) -> Vec<Happened> {
        let last = events.iter().skip(events.len().saturating_sub(KEPT));
        let lines: Vec<Line> = last.filter_map(|event| serde_json::from_str(event.get()).ok()).collect();
        self.next_event = lines.last().map(|line| line.seq + 1).or(self.next_event);
        lines.into_iter().map(Happened::from).collect()
    }

    /// Follows the output that is wanted, else the events from where they were left. A connection follows one thing.
    fn follow(&mut self, was: Option<&Follow>, tell: Tell<'_>) -> bool {
        let output = self.wants.output.clone();
        if output.as_ref() == was && was.is_some() {
            return true;
        }
        let Some(output) = output else {
            let events = self.events().unwrap_or_default();
            return tell(Heard::Events(self.happened(&events)));
        };
        let lines = self.output(&output).unwrap_or_default();
        tell(Heard::Output(output, lines))
    }

    fn events(&mut self) -> Option<Vec<Box<RawValue>>> {
        let client = self.client.as_mut()?;
        let mut from =
            |since| client.call("events.follow", &FollowEvents { since: Some(since), ..FollowEvents::default() });
        let since = match self.next_event {
            Some(next) => next,
            // Of a master that is new to us the last ones: what the next one's number is, is in every answer.
            None => from(u64::MAX).ok().map(|FollowedEvents { next, .. }| next.saturating_sub(KEPT as u64))?,
        };
        let FollowedEvents { events, next, .. } = from(since).ok()?;
        self.next_event = Some(next);
        Some(events)
    }

    /// The last lines of this output; those that come are told with each beat.
    fn output(&mut self, of: &Follow) -> Option<Vec<LogLine>> {
        if let Some(client) = &mut self.client {
            // First ask, then look what there is: no line is missed in between.
            client.call::<IgnoredAny>("logs.follow", of).ok()?;
            client.call::<IgnoredAny>("logs.written", &NONE).ok()?;
        }
        let args = LogsArgs {
            worker: of.worker.clone(),
            queue: of.queue.clone(),
            job: of.job.map(|job| job.0),
            lines: Some(KEPT),
            ..LogsArgs::default()
        };
        let mut lines = logs::last(&self.context, &args, self.client.as_mut()).unwrap_or_default();
        if let Some(client) = &mut self.client {
            let mut seen = logs::Seen::new(&lines);
            let mut new = Vec::new();
            let mut hear = |heard: Notification| {
                let line = serde_json::from_str::<LogLine>(heard.params.get()).ok().filter(|_| heard.method == LOG);
                new.extend(line.filter(|line| !seen.has(line)));
                Ok(())
            };
            client.call_hearing::<IgnoredAny>("ping", &NONE, Some(&mut hear)).ok()?;
            lines.extend(new);
        }
        Some(lines)
    }

    fn processors(&mut self) -> Result<Vec<ProcessorStatus>, Error> {
        match &mut self.client {
            Some(client) => Ok(client.call("processors.list", &NONE)?),
            None => processors::without_master(&self.context),
        }
    }

    /// Looks up what is wanted.
    fn look(&mut self, tell: Tell<'_>) -> bool {
        let tasks = self.tasks().unwrap_or_default();
        let Some(look) = self.wants.look.clone() else { return tell(Heard::Tasks(tasks)) };
        let looked = self.found(&look).unwrap_or_else(|error| Looked::Nothing(worded(&error)));
        tell(Heard::Looked(look, looked))
    }

    /// The commands of the jobs that are wanted; a job that is gone has none.
    fn tasks(&mut self) -> Option<Vec<(JobId, String)>> {
        let client = self.client.as_mut().filter(|_| !self.wants.tasks.is_empty())?;
        let ids: IdRanges = self.wants.tasks.iter().map(|&id| IdRange { first: id, last: id }).collect();
        let jobs = RemoteRecords(client).jobs(&JobFilter { ids: Some(ids), ..JobFilter::default() }).ok()?;
        Some(jobs.iter().map(|job| (job.id, words::one_line(&words::task(job), TASK_CHARS))).collect())
    }

    fn found(&mut self, look: &Look) -> Result<Looked, Error> {
        if let Look::Worker(name) = look {
            let (folder, wanted) = (&self.context.paths()?.logs_dir, backend::Wanted { job: None, since: None });
            let lines = backend::tail(folder, name, wanted, LINES);
            return Ok(Looked::Lines(lines.unwrap_or_default()));
        }
        match &mut self.client {
            Some(client) => in_records(&mut RemoteRecords(client), look),
            None => match self.context.records()? {
                Some(mut records) => in_records(records.as_mut(), look),
                None => Ok(Looked::Nothing("there is no database yet".to_owned())),
            },
        }
    }

    /// Asks for what a verb asks for; the answer in the words of that verb.
    fn ask(&mut self, ask: &Ask) -> Result<String, Error> {
        let Some(client) = &mut self.client else {
            return match ask {
                Ask::Pause { queues, paused } => Ok(pause::worded(&pause::change(&self.context, queues, *paused)?)),
                _ => Err(reach::none_runs(self.context.paths()?)),
            };
        };
        Ok(match ask {
            Ask::Pause { queues, paused } => {
                let paused: PausedQueues = client.call(pause::method(*paused), queues)?;
                pause::worded(&paused)
            }
            Ask::Switch(switch) => {
                let switched: Vec<SwitchedProcessor> = client.call("processors.set", switch)?;
                let all = switched.iter().map(|of| format!("{} `{}`", switch_word(of.enabled), of.name));
                self.beats = 0;
                all.collect::<Vec<_>>().join(", ")
            }
            Ask::Scale(scale) => scale::worded(&client.call::<Scaled>("scale", scale)?, true).join("; "),
            Ask::Restart(restart) => restart::worded(&client.call::<Restarted>("restart", restart)?, true),
            Ask::Cancel(job) => {
                let jobs = Jobs { ids: vec![*job], no_wait: true, ..Jobs::default() };
                let changed: ChangedJobs = client.call("jobs.cancel", &jobs)?;
                match changed.refused.first() {
                    Some(refused) => refused.reason.clone(),
                    None => format!("{} {}", refusals::done(&JobAction::Cancel), words::count(changed.count, "job")),
                }
            }
        })
    }
}

impl From<Line> for Happened {
    fn from(line: Line) -> Self {
        let text = format!("{} {}", words::time_of_day(line.ts), words::escape(&line.msg));
        Self { is_problem: line.level == "warn", text }
    }
}

fn in_records(records: &mut dyn Records, look: &Look) -> Result<Looked, Error> {
    Ok(match look {
        Look::Job(id) => match records.job(*id)? {
            Some(job) => {
                let filter = RunFilter { job: Some(*id), limit: Some(MOST), ..RunFilter::default() };
                Looked::Job(Box::new(job), records.runs(&filter)?)
            }
            None => Looked::Nothing(jobs::missing(*id).to_string()),
        },
        Look::Processor(name) => {
            let filter = ProcessorRunFilter {
                processor: Some(name.clone()),
                limit: Some(MOST),
                ..ProcessorRunFilter::default()
            };
            Looked::ProcessorRuns(records.processor_runs(&filter)?)
        }
        Look::Failures => {
            let filter = FailureFilter { limit: Some(MOST), ..FailureFilter::default() };
            Looked::Failures(records.failures(&filter, clock::wall())?)
        }
        Look::Failure(fingerprint) => match errors::find(records, *fingerprint)? {
            Some((failure, sample)) => Looked::Failure(Box::new(failure), sample.map(Box::new)),
            None => Looked::Nothing(errors::missing(*fingerprint).to_string()),
        },
        Look::Worker(_) => Looked::Lines(Vec::new()),
    })
}

/// An error on one line.
fn worded(error: &Error) -> String {
    crate::error::worded(error).trim_end().replace("queue-work: ", "").replace('\n', "; ")
}
