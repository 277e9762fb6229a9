//! The state of `top`: what was heard and the keys that were pressed become what is shown and what is asked for.
//!
//! Knows no terminal, no connection and no clock. Invariants: a row stays selected by its name while others come and go;
//! every text is worded by `report`, and none of it commands the terminal.

mod draw;
mod keys;
mod layout;
mod meters;
mod pages;
mod panes;
mod text;

#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};

use crate::model::processor::ProcessorRun;
use crate::model::{EXEC, FailureRecord, Fingerprint, JobId, JobRecord, ProcessorName, RunRecord, UnixMicros};
use crate::report::status::WorkerJob;
use crate::report::{ProcessorStatus, Status, words};
use crate::wire::control::{Follow, LogLine, Queues, Restart, Scale};
use crate::wire::processors::SwitchProcessors;

pub(crate) use draw::draw;

use meters::Meters;
use pages::Open;
use panes::{Kind, Order, Pane};

/// Events and lines of output that are kept.
pub(crate) const KEPT: usize = 500;
/// Seconds after which the command of a job is looked up.
const LONG_S: f64 = 2.0;
/// Seconds for which an answer stays on the screen.
const NOTED: u8 = 15;

/// Asked once, as the verbs ask it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    Pause { queues: Queues, paused: bool },
    Switch(SwitchProcessors),
    Scale(Scale),
    Restart(Restart),
    Cancel(JobId),
}

/// Looked up with each status while it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The last lines of a worker.
    Worker(String),
    Processor(ProcessorName),
    Job(JobId),
    Failures,
    Failure(Fingerprint),
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) enum Looked {
    Lines(Vec<LogLine>),
    ProcessorRuns(Vec<ProcessorRun>),
    Job(Box<JobRecord>, Vec<RunRecord>),
    Failures(Vec<FailureRecord>),
    /// With its last run, while that is on record.
    Failure(Box<FailureRecord>, Option<Box<RunRecord>>),
    /// Why there is nothing.
    Nothing(String),
}

/// Wanted beside the status, from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wants {
    pub(crate) look: Option<Look>,
    /// The output to follow instead of events.
    pub(crate) output: Option<Follow>,
    /// The commands of these jobs.
    pub(crate) tasks: Vec<JobId>,
}

/// Heard of the master, or found in the store.
#[derive(Debug)]
pub(crate) enum Heard {
    Status {
        status: Box<Status>,
        /// Why it is not from the master.
        trouble: Option<String>,
        at: UnixMicros,
    },
    Processors(Vec<ProcessorStatus>),
    /// The master's first, or those since.
    Events(Vec<Happened>),
    /// Lines of what is wanted.
    Output(Follow, Vec<LogLine>),
    Looked(Look, Looked),
    /// What jobs are to do.
    Tasks(Vec<(JobId, String)>),
    /// The answer to something that was asked once.
    Said(String),
}

/// An event, with its time of day.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    pub(crate) is_problem: bool,
    pub(crate) text: String,
}

/// What a key has brought about, beside what is shown.
#[derive(Debug, PartialEq)]
pub(crate) enum Effect {
    Quit,
    Interrupt,
    Suspend,
    Redraw,
    Ask(Ask),
}

/// Typed into the last line.
#[derive(Debug, Default, PartialEq)]
enum Prompt {
    #[default]
    None,
    /// The filter of the pane in focus.
    Filter,
    /// Carried out after a `y`.
    Confirm { question: String, ask: Ask },
}

/// The state.
#[derive(Debug, Default)]
pub(crate) struct View {
    status: Option<Box<Status>>,
    trouble: Option<String>,
    now: UnixMicros,
    processors: Vec<ProcessorStatus>,
    events: VecDeque<Happened>,
    output: VecDeque<LogLine>,
    looked: Option<(Look, Looked)>,
    /// Commands of jobs that run.
    tasks: BTreeMap<JobId, String>,
    /// Workers that are on the screen, as far as who draws it knows.
    shown: Cell<(usize, usize)>,
    meters: Meters,
    panes: [Pane; Kind::ALL.len()],
    focus: Kind,
    order: Order,
    /// The last one is shown; none: the panes.
    pages: Vec<Open>,
    prompt: Prompt,
    note: Option<(String, u8)>,
    with_colours: bool,
}

impl View {
    pub(crate) fn new(with_colours: bool) -> Self {
        Self { with_colours, ..Self::default() }
    }

    /// Takes in what was heard; whether the screen is another then.
    pub(crate) fn hear(&mut self, heard: Heard) -> bool {
        match heard {
            Heard::Status { status, trouble, at } => return self.hear_status(status, trouble, at),
            Heard::Processors(all) if all == self.processors => return false,
            Heard::Processors(all) => self.processors = all,
            Heard::Events(events) if events.is_empty() => return false,
            Heard::Events(events) => keep(&mut self.events, events),
            Heard::Output(of, lines) if lines.is_empty() || self.wants().output != Some(of.clone()) => return false,
            Heard::Output(_, lines) => keep(&mut self.output, lines),
            Heard::Looked(look, found) => {
                let is_shown = self.wants().look.as_ref() == Some(&look);
                self.looked = Some((look, found));
                return is_shown;
            }
            Heard::Tasks(tasks) if tasks.is_empty() => return false,
            Heard::Tasks(tasks) => self.tasks.extend(tasks),
            Heard::Said(text) => self.note = Some((text, NOTED)),
        }
        self.find_rows();
        true
    }

    fn hear_status(&mut self, status: Box<Status>, trouble: Option<String>, at: UnixMicros) -> bool {
        let is_same = self.status.as_ref() == Some(&status) && self.trouble == trouble;
        let has_moved = self.meters.hear(&status, at);
        let runs =
            |job: &JobId| status.workers.iter().any(|worker| worker.job.as_ref().is_some_and(|of| of.id == *job));
        self.tasks.retain(|job, _| runs(job));
        (self.status, self.trouble, self.now) = (Some(status), trouble, at);
        if let Some((_, left)) = &mut self.note {
            *left -= 1;
        }
        let is_over = self.note.take_if(|(_, left)| *left == 0).is_some();
        self.find_rows();
        !is_same || is_over || has_moved
    }

    /// What is to be asked for beside the status.
    pub(crate) fn wants(&self) -> Wants {
        match self.pages.last() {
            Some(open) => open.page.wants(),
            None => Wants { tasks: self.unknown_tasks(), ..Wants::default() },
        }
    }

    /// Commands on the screen that run for a while, and are not known yet.
    fn unknown_tasks(&self) -> Vec<JobId> {
        let (from, rows) = self.shown.get();
        let workers = self.workers();
        let jobs = workers.iter().skip(from).take(rows).filter_map(|worker| worker.job.as_ref());
        let is_unknown =
            |job: &&WorkerJob| job.kind == EXEC && job.running_s >= LONG_S && !self.tasks.contains_key(&job.id);
        jobs.filter(is_unknown).map(|job| job.id).collect()
    }

    /// Where the store is and who serves it, in a line.
    fn title(&self) -> String {
        let Some(status) = &self.status else { return "looking for a master".to_owned() };
        let master = status.master.as_ref();
        match (master, &self.trouble) {
            (_, Some(trouble)) => trouble.clone(),
            (None, None) => "no master".to_owned(),
            (Some(master), None) => {
                format!(
                    "master {} {}, up {}, {}",
                    master.pid,
                    master.state,
                    words::seconds(master.uptime_s),
                    master.database
                )
            }
        }
    }

    /// What is wrong, each in a line.
    fn problems(&self) -> Vec<String> {
        let Some(status) = &self.status else { return Vec::new() };
        let of_master = status.master.iter().flat_map(|master| master.problems.iter().cloned());
        // Why there is no answer is in the title.
        let of_master = of_master.filter(|problem| Some(problem) != self.trouble.as_ref());
        let of_pool = |problem: &str, name: &str| format!("pool `{name}`: {problem}");
        let of_pools = status.pools.iter().filter_map(|pool| Some(of_pool(pool.problem.as_ref()?, &pool.name)));
        of_master.chain(status.unserved.iter().map(|found| found.problem.clone())).chain(of_pools).collect()
    }
}

/// Adds to the end, and forgets what is too old.
fn keep<T>(all: &mut VecDeque<T>, new: Vec<T>) {
    all.extend(new);
    all.drain(..all.len().saturating_sub(KEPT));
}
