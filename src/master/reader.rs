//! The reading thread: answers questions about records from a connection of its own, so that neither the master nor
//! the writer waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::Thread;
use std::time::Duration;

use super::requests::Refused;
use super::sampler;
use crate::channel::{Sender, bounded};
use crate::clock;
use crate::config::{Inputs, JobLimits, Loaded, ReadFile};
use crate::core::Ticket;
use crate::model::graph::MOST_JOBS;
use crate::model::processor::ProcessorSettings;
use crate::model::{JobId, JobRecord, ProcessorName, WorkerId};
use crate::process::files;
use crate::report::autoscale::LoggedChange;
use crate::report::history::{self, HistoryReport};
use crate::report::metrics::{self, Collected};
use crate::report::processors::next_ticks;
use crate::report::{ProcessorStatus, refusals};
use crate::store::{
    AuditFilter, AutoscaleFilter, BatchFilter, CallFilter, FailureFilter, JobFilter, KeyFilter, ProcessorRunFilter,
    Records, RunFilter, StoreError, WorkerFilter,
};
use crate::wire::metrics::AskHistory;
use crate::wire::processors::NextTicks;

/// Questions that may wait.
const CAPACITY: usize = 256;
/// More answers are not made while the master has so many bytes of them to take: a busy one would pile them up.
const MOST_UNTAKEN_BYTES: usize = 32 * 1024 * 1024;
/// How long a look at that waits for the next, at most.
const MOMENT: Duration = Duration::from_millis(10);
/// Rows of a list where no limit is given.
pub(super) const DEFAULT_LIMIT: u32 = 50;
/// Most rows of a list.
const MAX_LIMIT: u32 = 10_000;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Request(Ticket),
    /// A hook that is about to be started.
    Hook(WorkerId),
    Reload(Reload),
}

/// The asker of a reload, and the purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reload {
    /// `None`: a signal.
    pub(super) ticket: Option<Ticket>,
    /// Only to tell what would change.
    pub(super) dry_run: bool,
    /// Whether the answer waits for the effect.
    pub(super) waits: bool,
}

/// The question.
#[derive(Clone, Debug)]
pub(super) enum Question {
    Job(JobId),
    /// The jobs that hang together with one.
    Graph(JobId),
    Jobs(Box<JobFilter>),
    /// The ids of all jobs like that.
    Ids(Box<JobFilter>),
    Failures(FailureFilter),
    Runs(RunFilter),
    Workers(WorkerFilter),
    /// Numbers of the master, to be answered with those of the store.
    Metrics(Box<Collected>),
    /// Numbers of periods.
    History(Box<AskHistory>),
    AutoscaleLog(AutoscaleFilter),
    CallLog(CallFilter),
    Audit(AuditFilter),
    Keys(KeyFilter),
    Batches(BatchFilter),
    /// The file as it is now: read here, as a disk may be slow.
    Configuration(Arc<Inputs>, ReadFile),
    /// Of these processors, which are configured, and of those on record.
    Processors(Vec<Arc<ProcessorSettings>>, Box<AboutProcessors>),
}

/// Questions about processors.
#[derive(Clone, Debug)]
pub(super) enum AboutProcessors {
    All,
    One(ProcessorName),
    Next(NextTicks),
    Runs(ProcessorRunFilter),
}

/// The answer, written in this thread as it may be long, and the job where one was asked for.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) text: Result<String, Refused>,
    pub(super) job: Option<JobRecord>,
    /// Ids, where these were asked for.
    pub(super) ids: Option<Vec<JobId>>,
    pub(super) configuration: Option<Box<Loaded>>,
}

impl Found {
    const fn new(text: Result<String, Refused>) -> Self {
        Self { text, job: None, ids: None, configuration: None }
    }

    fn bytes(&self) -> usize {
        self.text.as_ref().map_or(0, String::len)
    }
}

/// The handle on the thread.
#[derive(Debug)]
pub(super) struct Reader {
    questions: Sender<(Origin, Question, Arc<JobLimits>)>,
    limits: Arc<JobLimits>,
    /// Bytes of answers that the master has not taken yet.
    untaken: Arc<AtomicUsize>,
    thread: Thread,
}

impl Reader {
    pub(super) fn start(
        mut records: Box<dyn Records + Send>,
        limits: JobLimits,
        mut notify: impl FnMut(Origin, Found) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (questions, inbox) = bounded::<(Origin, Question, Arc<JobLimits>)>(CAPACITY);
        let untaken = Arc::new(AtomicUsize::new(0));
        let of_thread = Arc::clone(&untaken);
        let handle = std::thread::Builder::new().name("reader".to_owned()).spawn(move || {
            for (origin, question, limits) in inbox {
                let found = answer(&mut *records, &limits, question);
                while of_thread.load(Ordering::Acquire) > MOST_UNTAKEN_BYTES {
                    std::thread::park_timeout(MOMENT);
                }
                of_thread.fetch_add(found.bytes(), Ordering::AcqRel);
                notify(origin, found);
            }
        })?;
        Ok(Self { questions, limits: Arc::new(limits), untaken, thread: handle.thread().clone() })
    }

    /// The master has taken an answer: the next may come.
    pub(super) fn taken(&self, found: &Found) {
        self.untaken.fetch_sub(found.bytes(), Ordering::AcqRel);
        self.thread.unpark();
    }

    /// Asks; false when too many questions wait.
    pub(super) fn ask(&self, origin: Origin, question: Question) -> bool {
        self.questions.try_send((origin, question, Arc::clone(&self.limits))).is_ok()
    }

    /// Records are completed with these limits from now on.
    pub(super) fn complete_with(&mut self, limits: JobLimits) {
        self.limits = Arc::new(limits);
    }
}

fn answer(records: &mut dyn Records, limits: &JobLimits, question: Question) -> Found {
    let asked =
        faulty!("reader.open", Err(StoreError::Io("told to fail".to_owned())), look_up(records, limits, question));
    asked.unwrap_or_else(|error| Found::new(Err(Refused::Failed(1, error.to_string()))))
}

fn look_up(records: &mut dyn Records, limits: &JobLimits, question: Question) -> Result<Found, StoreError> {
    let most = |limit: Option<u32>| Some(limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT));
    Ok(match question {
        Question::Job(id) => {
            let mut job = records.job(id)?;
            limits.complete_all(job.as_mut_slice());
            let text = job.as_ref().map_or_else(|| Err(no_such_job(id)), written);
            Found { job, ..Found::new(text) }
        }
        Question::Graph(id) => match records.graph(id, MOST_JOBS)? {
            graph if graph.jobs.iter().all(|job| job.id != id) => Found::new(Err(no_such_job(id))),
            graph => list(&graph),
        },
        Question::Jobs(filter) => {
            let mut jobs = records.jobs(&JobFilter { limit: most(filter.limit), ..*filter })?;
            limits.complete_all(&mut jobs);
            list(&jobs)
        }
        Question::Ids(filter) => {
            let ids = records.job_ids(&filter)?.into_iter().map(|(id, _)| id).collect();
            Found { ids: Some(ids), ..Found::new(Ok(String::new())) }
        }
        Question::Failures(filter) => {
            let filter = FailureFilter { limit: most(filter.limit), ..filter };
            list(&records.failures(&filter, clock::wall())?)
        }
        Question::Runs(filter) => list(&records.runs(&RunFilter { limit: most(filter.limit), ..filter })?),
        Question::AutoscaleLog(filter) => {
            let filter = AutoscaleFilter { limit: most(filter.limit), ..filter };
            let changes = records.autoscale_log(&filter)?.into_iter().map(LoggedChange::from);
            list(&changes.collect::<Vec<_>>())
        }
        Question::CallLog(filter) => list(&records.call_log(&CallFilter { limit: most(filter.limit), ..filter })?),
        Question::Batches(filter) => list(&records.batches(&BatchFilter { limit: most(filter.limit), ..filter })?),
        Question::Audit(filter) => list(&records.audit(&AuditFilter { limit: most(filter.limit), ..filter })?),
        Question::Keys(filter) => list(&records.keys(&KeyFilter { limit: most(filter.limit), ..filter })?),
        Question::Workers(filter) => list(&records.workers(&WorkerFilter { limit: most(filter.limit), ..filter })?),
        Question::Configuration(inputs, read) => match inputs.load_again(&read) {
            Ok(mut loaded) => match loaded.find_accounts() {
                Ok(()) => Found { configuration: Some(Box::new(loaded)), ..Found::new(Ok(String::new())) },
                Err(problem) => Found::new(Err(Refused::Failed(2, problem.to_string()))),
            },
            Err(problems) => Found::new(Err(Refused::Failed(2, problems.to_string()))),
        },
        Question::Metrics(collected) => {
            let mut families = collected.families();
            let memory = sampler::memory_of(std::process::id());
            families.extend(metrics::of_process(memory, sampler::own_cpu(), files::open()));
            families.extend(metrics::of_store(records, &collected.store, clock::wall()).0);
            list(&families)
        }
        Question::History(asked) => {
            let filter = history::filter(&asked, clock::wall());
            list(&HistoryReport::new(filter.range, &records.history(&filter)?))
        }
        Question::Processors(configured, about) => about_processors(records, &configured, *about)?,
    })
}

fn about_processors(
    records: &mut dyn Records,
    configured: &[Arc<ProcessorSettings>],
    about: AboutProcessors,
) -> Result<Found, StoreError> {
    let settings_of = |name: &ProcessorName| configured.iter().find(|settings| settings.name == *name);
    Ok(match about {
        AboutProcessors::All => list(&ProcessorStatus::all(configured, records.processors()?, clock::wall())),
        AboutProcessors::One(name) => {
            let settings = settings_of(&name).map(|settings| &**settings);
            match ProcessorStatus::new(settings, records.processor(&name)?, clock::wall()) {
                Some(processor) => list(&processor),
                None => no_such_processor(records, configured, &name)?,
            }
        }
        AboutProcessors::Next(asked) => {
            let known = records.processors()?;
            let is_known =
                |name: &&ProcessorName| settings_of(name).is_some() || known.iter().any(|record| record.name == **name);
            match asked.processor.as_ref().filter(|name| !is_known(name)) {
                Some(name) => no_such_processor(records, configured, name)?,
                None => list(&next_ticks(configured, known, &asked, clock::wall())),
            }
        }
        AboutProcessors::Runs(filter) => {
            let limit = Some(filter.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT));
            list(&records.processor_runs(&ProcessorRunFilter { limit, ..filter })?)
        }
    })
}

fn no_such_processor(
    records: &mut dyn Records,
    configured: &[Arc<ProcessorSettings>],
    name: &ProcessorName,
) -> Result<Found, StoreError> {
    let on_record = records.processors()?;
    let known = configured.iter().map(|settings| &settings.name).chain(on_record.iter().map(|record| &record.name));
    let text = refusals::no_processor(name.as_str(), known.map(ProcessorName::as_str));
    Ok(Found::new(Err(Refused::Failed(4, text))))
}

/// The error for a job that is not on record.
fn no_such_job(id: JobId) -> Refused {
    Refused::Failed(4, format!("there is no job {id}"))
}

fn list(rows: &impl serde::Serialize) -> Found {
    Found::new(written(rows))
}

fn written(what: &impl serde::Serialize) -> Result<String, Refused> {
    serde_json::to_string(what).map_err(|e| Refused::Failed(1, format!("cannot write the answer: {e}")))
}
