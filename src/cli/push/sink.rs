//! Where jobs go: to the master, or into the store when none runs.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::interrupt::Interrupts;
use super::ways::IntoStore;
use crate::cli::context::{Context, Way};
use crate::cli::{output, reach};
use crate::client::{Client, ClientError, Patience};
use crate::clock;
use crate::error::Error;
use crate::model::after::{BadLink, LinkError};
use crate::model::batch::BatchError;
use crate::model::change::{Reply, Request};
use crate::model::{NewJob, Pushed, QueueName, UnixMicros};
use crate::store::{Store, StoreError};
use crate::wire::control::{PushBatch, PushJob, PushedMany};
use crate::wire::push::to_new_job;

/// How often in a row a master may close the connection before it hears anything.
const TRIES: u32 = 20;
/// Between two of them.
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
/// Jobs and bytes of one request to the master.
pub(super) const REQUEST: (usize, usize) = (STEP, 4 << 20);
/// Few in builds with failpoints, so that a test has several steps.
const STEP: usize = if cfg!(feature = "faults") { 4 } else { 1000 };
/// A transaction of a guest takes this many times as much.
const MORE: usize = if cfg!(feature = "faults") { 1 } else { 10 };

/// How an error begins that leaves open what was done.
const UNKNOWN: &str = "it is unknown";

/// Where jobs go. A master that ends before it has heard of a job is none: then the job goes into the store.
pub(super) struct Sink<'a> {
    context: &'a Context,
    to: To,
    /// The push waits for the job, which needs a master.
    only_master: bool,
    /// How often in a row it was not heard.
    unheard: u32,
}

pub(super) enum To {
    Master(Box<Client>),
    Store(Box<dyn Store>),
}

/// The params of `push_many`, with jobs that are JSON text already.
#[derive(Serialize)]
struct Many<'a> {
    jobs: Vec<&'a RawValue>,
    ids: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<&'a PushBatch>,
}

impl To {
    fn open(context: &Context, only_master: bool) -> Result<Self, Error> {
        if only_master {
            return Ok(Self::Master(Box::new(context.connect()?)));
        }
        Ok(match context.master_or_store()? {
            Way::Master(client) => Self::Master(client),
            Way::Store(store) => Self::Store(store),
        })
    }
}

impl<'a> Sink<'a> {
    pub(super) fn open(context: &'a Context, only_master: bool) -> Result<Self, Error> {
        Ok(Self { context, to: To::open(context, only_master)?, only_master, unheard: 0 })
    }

    /// The master, to wait for the job; `None` if it was the store that took it.
    pub(super) fn into_master(self) -> Option<Client> {
        match self.to {
            To::Master(client) => Some(*client),
            To::Store(_) => None,
        }
    }

    /// The master, if it is one that takes the jobs.
    pub(super) fn master(&mut self) -> Option<&mut Client> {
        match &mut self.to {
            To::Master(client) => Some(client),
            To::Store(_) => None,
        }
    }

    /// Asks the master; `None` if it ended before it heard of this, and another way is open now.
    fn ask<R: DeserializeOwned>(&mut self, method: &str, params: &impl Serialize) -> Result<Option<R>, Error> {
        let To::Master(client) = &mut self.to else { return Ok(None) };
        match client.call(method, params) {
            Ok(result) => {
                self.unheard = 0;
                Ok(Some(result))
            }
            // The master has as many clients as it takes, and none of them makes room for us.
            Err(ClientError::Unheard) if self.unheard + 1 >= TRIES => {
                Err(Error::Failed("the master takes no more connections; try again later".to_owned()))
            }
            Err(ClientError::Unheard) => {
                self.look_again(ClientError::Unheard.into())?;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Jobs and bytes in one transaction, which the master takes as one request if one starts meanwhile.
    pub(super) const fn chunk(&self) -> (usize, usize) {
        match self.to {
            To::Master(_) => REQUEST,
            To::Store(_) => (MORE * STEP, 4 << 20),
        }
    }

    pub(super) fn push(&mut self, job: &PushJob) -> Result<Pushed, Error> {
        loop {
            if let To::Store(store) = &mut self.to {
                let now = clock::wall();
                let new = to_new_job(job, &QueueName::default(), now).map_err(Error::Usage)?;
                match apply(store.as_mut(), vec![new], job.batch.as_ref(), now) {
                    // A master has started meanwhile.
                    Err(Error::Store(StoreError::Held { .. })) => self.to = To::open(self.context, self.only_master)?,
                    pushed => {
                        let none = || Error::Failed("the store took no job".to_owned());
                        let pushed = pushed?.map_err(|bad| unlinked(&bad.why, bad.why.to_string()))?;
                        return pushed.first().copied().ok_or_else(none);
                    }
                }
                continue;
            }
            if let Some(pushed) = self.ask("push", job)? {
                return Ok(pushed);
            }
        }
    }

    /// Jobs and bytes in one step of a bulk push, small enough that others do not wait.
    pub(super) const fn step(&self) -> (usize, usize) {
        match self.to {
            To::Master(_) => REQUEST,
            To::Store(_) => (MORE.div_ceil(2) * STEP, 16 << 20),
        }
    }

    /// Where jobs go now.
    pub(super) const fn to(&mut self) -> &mut To {
        &mut self.to
    }

    /// After a way was closed before anything was added: looks for another.
    pub(super) fn look_again(&mut self, error: Error) -> Result<(), Error> {
        if self.unheard + 1 >= TRIES {
            return Err(error);
        }
        // The first time it has most likely ended, and then there is nothing to wait for.
        if self.unheard > 0 {
            clock::pause(BETWEEN_TRIES);
        }
        self.unheard += 1;
        self.to = To::open(self.context, self.only_master)?;
        Ok(())
    }

    /// All of them or none; `jobs` are JSON texts of [`PushJob`]. `None`: a signal came before they were sent; `unknown` is
    /// said of one that comes later.
    pub(super) fn push_many(
        &mut self,
        jobs: &[String],
        (ids, batch): (bool, Option<&PushBatch>),
        interrupts: &Interrupts,
        unknown: &str,
    ) -> Result<Option<PushedMany>, Error> {
        loop {
            if !interrupts.go_ahead(unknown, matches!(self.to, To::Master(_))) {
                return Ok(None);
            }
            if let To::Store(store) = &mut self.to {
                match Prepared::new(jobs)?.push(store.as_mut(), ids, batch) {
                    // A master has started meanwhile.
                    Err(Error::Store(StoreError::Held { .. })) => self.to = To::open(self.context, self.only_master)?,
                    pushed => return pushed.map(Some),
                }
                continue;
            }
            let jobs: Result<Vec<&RawValue>, _> = jobs.iter().map(|j| serde_json::from_str(j)).collect();
            if let Some(pushed) = self.ask("push_many", &Many { jobs: jobs.map_err(garbled)?, ids, batch })? {
                return Ok(Some(pushed));
            }
        }
    }

    /// Clears away what others have left in the store; tells a master that started meanwhile to look at it, which would find
    /// out by itself, later.
    pub(super) fn close(self) {
        if let To::Store(mut store) = self.to {
            IntoStore::new(store.as_mut()).tidy();
            drop(store);
            let patience = Patience::Limited(Duration::from_secs(1));
            let master = self.context.paths().and_then(|paths| reach::master_if_any(paths, patience));
            if let Ok(Some(mut client)) = master {
                let _ = client.ping();
            }
        }
    }
}

/// Whether certainly nothing of what was sent was added.
pub(super) fn is_certain(error: &Error) -> bool {
    match error {
        Error::Client(ClientError::Refused(refused)) => !refused.message.starts_with(UNKNOWN),
        Error::Client(ClientError::Unheard | ClientError::NoMaster { .. }) => true,
        Error::Client(_) | Error::Store(StoreError::Io(_)) => false,
        Error::Failed(text) => !text.starts_with(UNKNOWN),
        _ => true,
    }
}

/// Says so where an error leaves open whether anything was added, and does not say it itself.
pub(super) fn say_if_unknown(error: &Error, unknown: &str) {
    if !is_certain(error) && !error.to_string().starts_with(UNKNOWN) {
        output::say(unknown);
    }
}

/// Jobs as the store takes them.
pub(super) struct Prepared {
    pub(super) jobs: Vec<NewJob>,
    pub(super) now: UnixMicros,
}

impl Prepared {
    /// From JSON texts of [`PushJob`].
    pub(super) fn new(texts: &[String]) -> Result<Self, Error> {
        let (now, queue) = (clock::wall(), QueueName::default());
        let mut jobs: Vec<NewJob> = Vec::with_capacity(texts.len());
        for text in texts {
            let job: PushJob = serde_json::from_str(text).map_err(garbled)?;
            let mut job = to_new_job(&job, &queue, now).map_err(Error::Usage)?;
            // Most are like the one before, and memory holds the words once.
            if let Some(last) = jobs.last() {
                if last.kind == job.kind {
                    job.kind = last.kind.clone();
                }
                if last.queue == job.queue {
                    job.queue = last.queue.clone();
                }
            }
            jobs.push(job);
        }
        Ok(Self { jobs, now })
    }

    /// All of them or none.
    pub(super) fn push(self, store: &mut dyn Store, ids: bool, batch: Option<&PushBatch>) -> Result<PushedMany, Error> {
        let pushed = apply(store, self.jobs, batch, self.now)?;
        Ok(PushedMany::new(&pushed.map_err(|bad| unlinked(&bad.why, bad.to_string()))?, ids))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
pub(super) fn garbled(error: serde_json::Error) -> Error {
    Error::Failed(format!("cannot read a job back: {error}"))
}

/// For a push of which one job cannot come after what it names.
pub(super) fn unlinked(why: &LinkError, text: String) -> Error {
    match why.exit_code() {
        4 => Error::NotFound(text),
        5 => Error::Refused(text),
        _ => Error::Usage(text),
    }
}

/// For a push whose jobs cannot join their batch.
pub(super) fn not_joined(refused: &BatchError) -> Error {
    if refused.exit_code() == 4 { Error::NotFound(refused.to_string()) } else { Error::Refused(refused.to_string()) }
}

/// `now` is also the time from which the delays of the jobs were counted.
fn apply(
    store: &mut dyn Store,
    jobs: Vec<NewJob>,
    batch: Option<&PushBatch>,
    now: UnixMicros,
) -> Result<Result<Vec<Pushed>, BadLink>, Error> {
    let jobs: Arc<[NewJob]> = jobs.into();
    let request = match batch {
        None => Request::Push(jobs),
        Some(batch) => Request::PushInto { jobs, batch: batch.to_model(now).map_err(Error::Usage)?.into() },
    };
    let applied = store.apply(0, &[request.into()], now).map_err(|error| match error {
        StoreError::Io(_) => Error::Failed(format!("it is unknown whether anything was added: {error}")),
        certain => certain.into(),
    });
    match applied?.replies.pop() {
        Some(Reply::Pushed(pushed)) => Ok(Ok(pushed)),
        Some(Reply::BadLink(bad)) => Ok(Err(bad)),
        Some(Reply::BadBatch(refused)) => Err(not_joined(&refused)),
        Some(Reply::Full(full)) => Err(Error::Failed(full.to_string())),
        other => Err(Error::Failed(format!("the store answered a push with {other:?}"))),
    }
}
