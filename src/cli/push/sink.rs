//! Where jobs go: to the master, or into the store when none runs.

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::cli::context::{self, Context};
use crate::client::Client;
use crate::error::Error;
use crate::model::{NewJob, Pushed, QueueName, UnixMicros};
use crate::store::{Op, Reply, Store};
use crate::wire::control::{PushJob, PushedMany};
use crate::wire::push::to_new_job;

/// Where jobs go.
pub(super) enum Sink {
    Master(Client),
    Store {
        store: Box<dyn Store>,
        /// Of a master that may have started meanwhile.
        socket: PathBuf,
    },
}

/// The params of `push_many`, with jobs that are JSON text already.
#[derive(Serialize)]
struct Many<'a> {
    jobs: Vec<&'a RawValue>,
    ids: bool,
}

impl Sink {
    pub(super) fn open(context: &Context) -> Result<Self, Error> {
        Ok(match context.try_connect()? {
            Some(client) => Self::Master(client),
            None => Self::Store { store: context.store()?, socket: context.paths()?.socket },
        })
    }

    /// Jobs and bytes in one chunk: a line of the protocol is limited, a transaction is not.
    pub(super) const fn chunk(&self) -> (usize, usize) {
        match self {
            Self::Master(_) => (1_000, 4 << 20),
            Self::Store { .. } => (10_000, 64 << 20),
        }
    }

    pub(super) fn push(&mut self, job: &PushJob) -> Result<Pushed, Error> {
        match self {
            Self::Master(client) => Ok(client.call("push", job)?),
            Self::Store { store, .. } => {
                let now = context::now();
                let job = to_new_job(job, &QueueName::default(), now).map_err(Error::Usage)?;
                let pushed = apply(store.as_mut(), vec![job], now)?;
                pushed.first().copied().ok_or_else(|| Error::Failed("the store took no job".to_owned()))
            }
        }
    }

    /// All of them or none; `jobs` are JSON texts of [`PushJob`].
    pub(super) fn push_many(&mut self, jobs: &[String], ids: bool) -> Result<PushedMany, Error> {
        let garbled = |e: serde_json::Error| Error::Failed(format!("cannot read a job back: {e}"));
        match self {
            Self::Master(client) => {
                let jobs: Result<Vec<&RawValue>, _> = jobs.iter().map(|j| serde_json::from_str(j)).collect();
                Ok(client.call("push_many", &Many { jobs: jobs.map_err(garbled)?, ids })?)
            }
            Self::Store { store, .. } => {
                let (now, queue) = (context::now(), QueueName::default());
                let job = |text: &String| {
                    let job: PushJob = serde_json::from_str(text).map_err(garbled)?;
                    to_new_job(&job, &queue, now).map_err(Error::Usage)
                };
                let jobs: Vec<NewJob> = jobs.iter().map(job).collect::<Result<_, _>>()?;
                Ok(summed(&apply(store.as_mut(), jobs, now)?, ids))
            }
        }
    }

    /// Tells a master that started meanwhile to look at the store; it would find out by itself, later.
    pub(super) fn close(self) {
        if let Self::Store { socket, store } = self {
            drop(store);
            if let Ok(mut client) = Client::connect(&socket) {
                let _ = client.set_timeout(Some(std::time::Duration::from_secs(1))).and_then(|()| client.ping());
            }
        }
    }
}

/// `now` is also the time from which the delays of the jobs were counted.
fn apply(store: &mut dyn Store, jobs: Vec<NewJob>, now: UnixMicros) -> Result<Vec<Pushed>, Error> {
    let jobs: Arc<[NewJob]> = jobs.into();
    match store.apply(0, &[Op::Push(jobs)], now)?.pop() {
        Some(Reply::Pushed(pushed)) => Ok(pushed),
        other => Err(Error::Failed(format!("the store answered a push with {other:?}"))),
    }
}

fn summed(pushed: &[Pushed], ids: bool) -> PushedMany {
    PushedMany {
        count: pushed.len() as u64,
        deduplicated: pushed.iter().filter(|p| p.deduplicated).count() as u64,
        first_id: pushed.iter().map(|p| p.id).min(),
        last_id: pushed.iter().map(|p| p.id).max(),
        ids: ids.then(|| pushed.iter().map(|p| p.id).collect()),
    }
}
