//! Shared by all verbs: the options of all verbs, where things are, and the ways to reach the master and the store.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use super::args::Global;
use super::remote::RemoteRecords;
use super::{backend, output, reach};
use crate::client::{Client, ClientError, Patience};
use crate::clock;
use crate::config::{Flags, JobLimits, Paths};
use crate::error::Error;
use crate::model::audit::{By, Deed};
use crate::model::{OsText, UnixMicros};
use crate::report::audit::Said;
use crate::report::hint;
use crate::store::{Records, Store, StoreError};

/// Shared by all verbs.
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) flags: Flags,
    paths: OnceLock<Paths>,
    patience: Patience,
    /// For whom something is changed, if not for the user of this process.
    by: Option<By>,
}

/// Where a job can be brought.
pub(crate) enum Way {
    Master(Box<Client>),
    Store(Box<dyn Store>),
}

/// How often a master that holds the store is looked for: for 25 s, longer than a start takes that waits for others.
const MOST_TRIES: u32 = 500;
const SAID_AFTER: u32 = 40;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

impl Context {
    pub(crate) fn new(flags: Flags, global: Global) -> Self {
        Self { global, flags, paths: OnceLock::new(), patience: Patience::Endless(reach::tell), by: None }
    }

    /// The same, for a verb that goes on without a master that takes longer to answer.
    pub(crate) fn with_patience(&self, most: Duration) -> Self {
        Self { patience: Patience::Limited(most), ..Self::new(self.flags.clone(), self.global.clone()) }
    }

    /// The same, for somebody at the page, which is put on record with what is changed.
    #[cfg(feature = "web")]
    pub(crate) fn for_whom(&self, by: By) -> Self {
        let (paths, patience) = (self.paths.clone(), self.patience);
        Self { by: Some(by), paths, patience, ..Self::new(self.flags.clone(), self.global.clone()) }
    }

    /// A deed that begins, of the one for whom this is.
    pub(crate) fn deed(&self, (verb, target): Said, now: UnixMicros) -> Deed {
        let deed = Deed::begun(now, Some(backend::user()), verb, &target);
        match &self.by {
            Some(by) => deed.passed_on(by.clone()),
            None => deed,
        }
    }

    /// Where things are; reads the configuration file, once.
    pub(crate) fn paths(&self) -> Result<&Paths, Error> {
        match self.paths.get() {
            Some(paths) => Ok(paths),
            None => backend::paths(&self.flags).map(|paths| self.paths.get_or_init(|| paths)),
        }
    }

    /// The master, which must run.
    pub(crate) fn connect(&self) -> Result<Client, Error> {
        reach::master(self.paths()?, self.global.quiet)
    }

    /// The master, if one can be reached.
    pub(crate) fn try_connect(&self) -> Result<Option<Client>, Error> {
        let found = reach::master_if_any(self.paths()?, self.patience)?;
        Ok(found.map(|mut client| {
            client.by.clone_from(&self.by);
            client
        }))
    }

    /// The master if one runs, else the store, which is made if it is new.
    pub(crate) fn master_or_store(&self) -> Result<Way, Error> {
        let way = self.way(|| self.store().map(Some))?;
        way.map_or_else(|| Err(reach::none_runs(self.paths()?)), Ok)
    }

    /// The master if one runs, else the store; a database is not made only to find nothing in it.
    pub(crate) fn master_or_existing_store(&self) -> Result<Option<Way>, Error> {
        self.way(|| self.records()?.map(|_| self.store()).transpose())
    }

    /// Waits for a master that holds the store and does not listen yet: it is starting.
    fn way(&self, open: impl Fn() -> Result<Option<Box<dyn Store>>, Error>) -> Result<Option<Way>, Error> {
        let paths = self.paths()?;
        for tries in 1.. {
            if let Some(client) = self.try_connect()? {
                return Ok(Some(Way::Master(Box::new(client))));
            }
            match open() {
                Err(Error::Store(error @ StoreError::Held { .. })) => {
                    let StoreError::Held { path, name, pid, is_master } = &error else { continue };
                    if path != name {
                        return Err(error.into());
                    }
                    if tries >= MOST_TRIES {
                        let unreachable = || Error::Failed(reach::unreachable(paths, pid.unwrap_or(0)));
                        return Err(if *is_master || pid.is_none() { unreachable() } else { error.into() });
                    }
                    if tries == SAID_AFTER {
                        output::say(&format!(
                            "waiting for the master of `{path}`, which holds it but does not listen yet"
                        ));
                    }
                    clock::pause(BETWEEN_TRIES);
                }
                Err(Error::Store(closed)) if closed.is_denied() => return Err(or_ask(&closed)),
                store => return Ok(store?.map(Way::Store)),
            }
        }
        Err(reach::none_runs(paths))
    }

    /// The records; `None` while there is no database. Where it is closed to us, its master is asked for them.
    pub(crate) fn records(&self) -> Result<Option<Box<dyn Records>>, Error> {
        self.open_records(None)
    }

    /// The same; what takes longer to look up than this fails.
    #[cfg(feature = "web")]
    pub(crate) fn records_within(&self, limit: Duration) -> Result<Option<Box<dyn Records>>, Error> {
        self.open_records(Some(limit))
    }

    fn open_records(&self, within: Option<Duration>) -> Result<Option<Box<dyn Records>>, Error> {
        let paths = self.paths()?;
        match backend::open_records(paths, within) {
            Err(closed) if closed.is_denied() => match reach::master_if_any(paths, self.patience) {
                Ok(Some(client)) => Ok(Some(Box::new(RemoteRecords(client)))),
                Err(denied @ Error::Client(ClientError::Denied { .. })) => Err(denied),
                Ok(None) | Err(_) => Err(or_ask(&closed)),
            },
            records => Ok(records?),
        }
    }

    /// Says what was done, unless nothing is to be said.
    pub(crate) fn done(&self, text: &str) -> Result<(), Error> {
        if self.global.quiet { Ok(()) } else { output::line(&hint::complete(text)) }
    }

    /// Warns of what is probably not meant, unless `-q` was given.
    pub(crate) fn warn(&self, text: &str) {
        if !self.global.quiet {
            output::say(text);
        }
    }

    /// The limits of jobs that say nothing themselves; nothing where the configuration is not valid.
    pub(crate) fn job_limits(&self) -> Option<JobLimits> {
        backend::load_config(&self.flags).ok().map(|loaded| JobLimits::new(&loaded.config))
    }

    /// The store, to change it without a master; made if it is new, and so is the default folder.
    pub(crate) fn store(&self) -> Result<Box<dyn Store>, Error> {
        let paths = self.paths()?;
        if paths.makes_folder {
            backend::make_folder_of(&paths.database)?;
        }
        Ok(backend::open_store(paths)?)
    }
}

/// The store is closed to us, and there is no master that could be asked instead.
fn or_ask(closed: &StoreError) -> Error {
    Error::Failed(format!("{closed}; no master answers that could be asked instead"))
}

/// The current folder.
pub(crate) fn here() -> Result<OsText, Error> {
    let dir: PathBuf = std::env::current_dir().map_err(|e| Error::io("find out the current folder", e))?;
    Ok(OsText::from(dir.as_os_str()))
}
