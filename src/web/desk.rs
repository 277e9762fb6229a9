//! What pages know, and the threads on which they find it out.
//!
//! Invariants: the status is fetched once a second at most and shared by all who look; a read of the store takes a moment
//! ([`READ_WITHIN`] a statement) on a connection of its own, so that nothing keeps its log from being reset; each kind of work
//! has threads of its own, so that those who wait for jobs keep nobody from looking.

use std::borrow::Cow;
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::html::Urls;
use super::memory::Memory;
use super::token::Role;
use crate::cli::context::Context;
use crate::cli::{backend, processors, status};
use crate::client::Client;
use crate::clock;
use crate::config::{self, JobLimits};
use crate::error::Error;
use crate::model::audit::By;
use crate::model::{JobRecord, UnixMicros, redact};
use crate::report::health::{Facts, Health, Verdict};
use crate::report::{ProcessorStatus, Status};
use crate::store::{Records, StoreError};

/// Pages that are drawn at once, and actions that are carried out.
const MOST_READING: usize = 4;
/// Requests that wait for a job at once.
pub(super) const MOST_WAITING: usize = 64;
/// The longest that a statement may take.
const READ_WITHIN: Duration = Duration::from_millis(250);
/// The longest that the master may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// For how long a status is shared; one of a master that does not answer is asked for less often, as that takes long.
const FRESH: Duration = Duration::from_millis(900);
const FRESH_WITHOUT: Duration = Duration::from_secs(5);
/// For how long the rest is, which changes less.
const REST_FRESH: Duration = Duration::from_secs(5);

/// Everything that pages need, whoever looks.
pub(super) struct Shared {
    pub context: Arc<Context>,
    pub settings: config::Web,
    reading: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    seen: Mutex<Option<Arc<Seen>>>,
    memory: Arc<Memory>,
}

/// The status as it was a moment ago.
pub(super) struct Seen {
    pub found: status::Found,
    pub health: Health,
    rest: Rest,
    at: Instant,
}

#[derive(Clone)]
struct Rest {
    processors: Arc<Vec<ProcessorStatus>>,
    /// `None`: the file is wrong.
    limits: Option<Arc<JobLimits>>,
    max_wait: Option<Duration>,
    at: Instant,
}

/// The request, without its connection.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// Below the base path.
    pub path: String,
    pub query: Vec<(String, String)>,
    /// The name in the path.
    pub name: String,
    pub role: Role,
    pub address: Option<IpAddr>,
    /// As a proxy names whoever asks.
    pub user: Option<Arc<str>>,
    pub urls: Urls,
    pub wants_json: bool,
}

impl Asked {
    /// A value of the query that is not empty.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let found = self.query.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }
}

/// What a page may look at, for the time of one request, on a thread where it may wait.
pub(super) struct Desk<'a> {
    pub asked: &'a Asked,
    pub seen: &'a Seen,
    pub context: &'a Context,
    pub urls: &'a Urls,
    pub memory: &'a Memory,
    redact: &'a [String],
    pub now: UnixMicros,
    pub began: Instant,
    /// Opened by who asks first.
    records: RefCell<Option<Box<dyn Records>>>,
}

impl Shared {
    pub(super) fn new(context: &Context, settings: config::Web) -> Self {
        Self {
            context: Arc::new(context.with_patience(PATIENCE)),
            settings,
            reading: Arc::new(Semaphore::new(MOST_READING)),
            waiting: Arc::new(Semaphore::new(MOST_WAITING)),
            seen: Mutex::default(),
            memory: Arc::default(),
        }
    }

    /// The status, not older than a second or so.
    async fn seen(&self) -> Result<Arc<Seen>, Error> {
        let mut seen = self.seen.lock().await;
        if let Some(seen) = seen.as_ref().filter(|seen| seen.is_fresh()) {
            return Ok(Arc::clone(seen));
        }
        let (context, rest) = (Arc::clone(&self.context), seen.as_ref().map(|seen| seen.rest.clone()));
        let new = on_a_thread(move || Seen::look(&context, rest)).await?;
        self.memory.note(&new.status().workers, clock::wall());
        Ok(Arc::clone(seen.insert(Arc::new(new))))
    }

    /// Something was changed: the next to look sees it.
    pub(super) async fn look_again(&self) {
        *self.seen.lock().await = None;
    }

    /// Does something for a request, on a thread.
    pub(super) async fn at_desk<T: Send + 'static>(
        &self,
        asked: Arc<Asked>,
        work: impl FnOnce(&Desk<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let began = clock::instant();
        let seen = self.seen().await?;
        let permit = acquired(&self.reading).await?;
        let (context, redact) = (Arc::clone(&self.context), self.settings.redact.clone());
        let memory = Arc::clone(&self.memory);
        on_a_thread(move || {
            let _permit = permit;
            let now = clock::wall();
            work(&Desk {
                asked: &asked,
                seen: &seen,
                context: &context,
                urls: &asked.urls,
                memory: &memory,
                redact: &redact,
                now,
                began,
                records: RefCell::default(),
            })
        })
        .await
    }

    /// Waits for something, on a thread of those who wait.
    pub(super) async fn wait<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Context) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let permit = Arc::clone(&self.waiting).try_acquire_owned();
        let permit =
            permit.map_err(|_| Error::Failed(format!("{MOST_WAITING} requests wait for jobs already; try again")))?;
        let context = Arc::clone(&self.context);
        on_a_thread(move || {
            let _permit = permit;
            work(&context)
        })
        .await
    }
}

async fn acquired(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Error> {
    Arc::clone(places).acquire_owned().await.map_err(|_| Error::Failed("the page is ending".to_owned()))
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    spawn_blocking(work).await.unwrap_or_else(|e| Err(Error::Failed(format!("the page could not be made: {e}"))))
}

impl Seen {
    fn is_fresh(&self) -> bool {
        let fresh = match (&self.found.status.master, &self.found.trouble) {
            (Some(_), Some(_)) => FRESH_WITHOUT,
            _ => FRESH,
        };
        self.at.elapsed() < fresh
    }

    fn look(context: &Context, rest: Option<Rest>) -> Result<Self, Error> {
        let found = status::fetch(context)?;
        let at = clock::instant();
        let rest = match rest {
            Some(rest) if rest.at.elapsed() < REST_FRESH => rest,
            _ => {
                // A file that is wrong by now does not make the master that runs unhealthy.
                let config = backend::load_config(&context.flags).ok().map(|loaded| loaded.config);
                Rest {
                    processors: Arc::new(processors::all(context).unwrap_or_default()),
                    limits: config.as_ref().map(|config| Arc::new(JobLimits::new(config))),
                    max_wait: config.and_then(|config| config.max_wait),
                    at,
                }
            }
        };
        let facts =
            Facts { status: &found.status, processors: &rest.processors, max_wait: rest.max_wait, now: clock::wall() };
        Ok(Self { health: Health::of(facts), found, rest, at })
    }

    pub(super) fn status(&self) -> &Status {
        &self.found.status
    }

    /// Whether a master runs jobs, as far as can be seen.
    pub(super) fn is_ready(&self) -> bool {
        let is_running = self.status().master.as_ref().is_some_and(|master| master.state == "running");
        is_running && self.has_master() && self.health.status != Verdict::Unhealthy
    }

    /// Whether a master answers.
    pub(super) fn has_master(&self) -> bool {
        self.found.trouble.is_none() && self.found.status.master.is_some()
    }
}

impl Desk<'_> {
    pub(super) fn status(&self) -> &Status {
        self.seen.status()
    }

    /// Asks the records; there is nothing in them while there is no database.
    pub(super) fn read<T: Default>(
        &self,
        question: impl FnOnce(&mut (dyn Records + 'static)) -> Result<T, StoreError>,
    ) -> Result<T, Error> {
        let mut records = self.records.borrow_mut();
        if records.is_none() {
            *records = self.context.records_within(READ_WITHIN)?;
        }
        Ok(records.as_deref_mut().map_or_else(|| Ok(T::default()), question)?)
    }

    /// Asks the master, which must run.
    pub(super) fn call<R: DeserializeOwned>(&self, method: &str, params: &impl Serialize) -> Result<R, Error> {
        Ok(self.client()?.call(method, params)?)
    }

    /// The master, which puts on record for whom something is changed.
    pub(super) fn client(&self) -> Result<Client, Error> {
        let none = || Error::NoMaster { database: String::new(), start: String::new() };
        self.asker().try_connect()?.ok_or_else(none)
    }

    /// The way to what is changed, for whoever asks.
    pub(super) fn asker(&self) -> Context {
        let Asked { user, role, address, .. } = self.asked;
        let (who, address) = (user.as_deref().map(str::to_owned), address.map(|at| at.to_string()));
        self.context.for_whom(By { who, role: Some(role.as_str().to_owned()), address })
    }

    /// Whether whoever asks may do this, and a master is there to do it.
    pub(super) fn may(&self, role: Role) -> bool {
        self.asked.role >= role && self.seen.has_master()
    }

    /// Whether whoever asks may do what is done in the store where no master runs.
    pub(super) fn may_without_master(&self, role: Role) -> bool {
        self.asked.role >= role && (self.seen.has_master() || self.status().master.is_none())
    }

    /// Adds the limits of their pools to jobs that have none of their own.
    pub(super) fn complete(&self, jobs: &mut [JobRecord]) {
        if let Some(limits) = &self.seen.rest.limits {
            limits.complete_all(jobs);
        }
    }

    /// Patterns of members that whoever asks does not see.
    pub(super) fn hidden(&self) -> &[String] {
        if self.asked.role < Role::Admin { self.redact } else { &[] }
    }

    /// Hides what only an admin sees.
    pub(super) fn redact(&self, jobs: &mut [JobRecord]) {
        let hide = |json: &RawValue| {
            RawValue::from_string(redact::hidden(json.get(), self.hidden()).into_owned())
                .unwrap_or_else(|_| RawValue::NULL.to_owned())
        };
        for job in jobs.iter_mut().filter(|_| !self.hidden().is_empty()) {
            job.args = hide(&job.args);
            if let Some(state) = job.progress.as_mut().and_then(|progress| progress.state.as_mut()) {
                *state = redact::hidden(state, self.hidden()).into();
            }
            job.result = job.result.as_deref().map(hide);
        }
    }

    /// The query without one key.
    pub(super) fn query_without<'q>(&'q self, keys: &'q [&str]) -> impl Iterator<Item = (&'q str, Cow<'q, str>)> {
        let stays = move |(key, value): &&(String, String)| !keys.contains(&&**key) && !value.trim().is_empty();
        self.asked.query.iter().filter(stays).map(|(key, value)| (&**key, Cow::Borrowed(&**value)))
    }
}
