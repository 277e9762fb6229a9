//! Pages over the panes: one thing in full, what a worker prints, what runs failed of, the keys.

use std::cell::Cell;

use super::panes::Kind;
use super::{Look, Looked, View, Wants};
use crate::model::{Fingerprint, JobId, ProcessorName};
use crate::report::status::Named;
use crate::report::{events, failures, lists, processor_lists, status_named};
use crate::wire::control::Follow;

/// The content of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Help,
    Queue(String),
    Pool(String),
    Worker(String),
    Processor(ProcessorName),
    Job(JobId),
    Failures,
    Failure(Fingerprint),
    Output(Follow),
    Event(String),
}

/// A page that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) page: Page,
    /// The first line that is shown, of output the last one from its end, of failures the row that is selected. Who draws
    /// it knows how many there are.
    pub(super) at: Cell<usize>,
}

const HELP: &str = "\
keys

Tab, Shift-Tab   the next pane, the one before
↑ ↓ PgUp PgDn    another row; Home and End: the first, the last
Enter            everything about it; on the page of a worker: its job
Esc              back; takes the filter away
/                only rows with this text: names, of workers also state, job type
m c j u          workers by memory, CPU, jobs or uptime; again: by name

p                pause or resume the queue; switch the processor on or off
+ -              a worker more or fewer for the pool, queue or worker's pool
r                restart the workers of the pool or queue, or the one worker
k                cancel the job that the worker runs
l                what the worker, the pool or the queue's workers print
f                what runs failed of

?                this page
Ctrl-L           draw everything again
q                quit
";

impl Page {
    pub(super) fn wants(&self) -> Wants {
        let look = match self {
            Self::Help | Self::Queue(_) | Self::Pool(_) | Self::Event(_) => None,
            Self::Output(of) => return Wants { output: Some(of.clone()), ..Wants::default() },
            Self::Worker(name) => Some(Look::Worker(name.clone())),
            Self::Processor(name) => Some(Look::Processor(name.clone())),
            Self::Job(id) => Some(Look::Job(*id)),
            Self::Failures => Some(Look::Failures),
            Self::Failure(fingerprint) => Some(Look::Failure(*fingerprint)),
        };
        Wants { look, ..Wants::default() }
    }

    pub(super) fn title(&self) -> String {
        match self {
            Self::Output(Follow { worker: Some(name), .. }) => format!("output of `{name}`"),
            Self::Output(Follow { queue: Some(name), .. }) => format!("output of workers of the queue `{name}`"),
            Self::Output(Follow { job: Some(id), .. }) => format!("output of job {id}"),
            Self::Output(_) => "output".to_owned(),
            Self::Failures => "what runs failed of".to_owned(),
            // The text begins with it.
            _ => String::new(),
        }
    }
}

impl View {
    /// What was found of what is shown.
    pub(super) fn found(&self) -> Option<&Looked> {
        let (look, found) = self.looked.as_ref()?;
        (self.wants().look.as_ref() == Some(look)).then_some(found)
    }

    /// The fingerprint in this row of the page of failures.
    pub(super) fn failure(&self, row: usize) -> Option<Fingerprint> {
        match self.found() {
            Some(Looked::Failures(all)) => all.get(row).map(|failure| failure.fingerprint),
            Some(_) | None => None,
        }
    }

    /// The text of a page.
    pub(super) fn page_text(&self, page: &Page, width: usize) -> String {
        let now = self.now;
        match (page, self.found()) {
            (Page::Help, _) => HELP.to_owned(),
            (Page::Event(text), _) => text.clone(),
            (Page::Queue(name), _) => self.named(Kind::Queues, name, width),
            (Page::Pool(name), _) => self.named(Kind::Pools, name, width),
            (Page::Worker(name), _) => self.named(Kind::Workers, name, width),
            (Page::Output(_), _) if self.output.is_empty() => "nothing printed yet\n".to_owned(),
            (Page::Output(_), _) => self.output.iter().map(|line| events::log_line(line, false) + "\n").collect(),
            (_, None) => "…\n".to_owned(),
            (_, Some(Looked::Nothing(why))) => format!("{why}\n"),
            (_, Some(Looked::Job(job, runs))) => lists::job(job, runs, now, Some(width)),
            (_, Some(Looked::Failures(all))) if all.is_empty() => "no run has failed\n".to_owned(),
            (_, Some(Looked::Failures(all))) => failures::table(all, now, Some(width)),
            (_, Some(Looked::Failure(failure, run))) => failures::one(failure, run.as_deref(), now),
            (Page::Processor(name), Some(Looked::ProcessorRuns(runs))) => {
                let processor = self.processors.iter().find(|processor| processor.name == *name);
                let text = |processor| processor_lists::processor(processor, runs, now, Some(width));
                processor.map_or_else(|| format!("there is no processor `{name}` any more\n"), text)
            }
            // Found for another page.
            (_, Some(Looked::Lines(_) | Looked::ProcessorRuns(_))) => String::new(),
        }
    }

    /// As `status NAME` words it, but of this kind alone.
    fn named(&self, kind: Kind, name: &str, width: usize) -> String {
        let Some(status) = self.status.as_deref() else { return String::new() };
        let mut named = Named::of(status, name);
        match kind {
            Kind::Queues => (named.pools, named.workers) = (Vec::new(), Vec::new()),
            Kind::Pools => (named.queues, named.workers) = (Vec::new(), Vec::new()),
            _ => (named.queues, named.pools) = (Vec::new(), Vec::new()),
        }
        if let (Kind::Workers, Some(Looked::Lines(lines))) = (kind, self.found()) {
            named.log = Some(lines.clone());
        }
        if named.is_empty() {
            return format!("`{name}` is not there any more\n");
        }
        status_named::named(&named, status, self.worded(width))
    }
}
