//! The gateway of this master: the process that carries the calls of services.
//!
//! The process is there as long as there is a service. Settings are compared with what it was told, once a turn; one that
//! died is replaced at once, and the next one is told everything. It is a child like the others, with an id of its own, in
//! the guardian's care.
//!
//! | file | what it does |
//! | --- | --- |
//! | `link` | packets and descriptors |
//! | `listeners` | listening sockets |
//! | `tell` | what the gateway is told |
//! | `heard` | what it says |
//!
//! Invariants: the loop never waits for it, and one that does not hear is killed; without it no worker waits: calls that
//! it had are lost, so workers that leave have none.

mod heard;
mod link;
mod listeners;
mod tell;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Uid;

pub(crate) use listeners::CannotListen;

use super::logs::{Line, Stream};
use super::pipes::Pipes;
use super::sources::Source;
use super::timers::Timer;
use super::{Master, wall};
use crate::config::{PoolConfig, ServiceConfig};
use crate::core::{Event, Phase, PoolId, State};
use crate::model::listen::Place;
use crate::model::problem::Topic;
use crate::model::service::{Declared, Framing, ServiceSettings};
use crate::model::table::{self, TableRow, TableRows};
use crate::model::worker::Exit;
use crate::model::{JobId, Mono, Now, PoolKind, PoolName, WorkerId};
use crate::process::memory_file;
use crate::process::spawn::SpawnError;
use crate::report::events;
use crate::wire::gateway::ToGateway;
use link::Link;
use listeners::Listeners;

/// Gateways have ids as workers have: above all of theirs, and in the mark of a process, which has room for 26 bits, below
/// those of hooks.
const LAST_ID: i64 = 1 << 41 | ((1 << 25) - 1);
/// Numbers of gateways that have ids of their own.
const IDS: i64 = 1 << 20;
/// A gateway that lived for so long was of use: the next is started at once.
const OF_USE_AFTER: Duration = Duration::from_secs(1);
/// How often it is asked whether it hears, and how long it may take to answer before it is killed.
/// Together with the pause of the checks they are within 10 s.
const ASK_EVERY: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(5);
/// How long one may take to end when it is told to.
const ENDS_IN: Duration = Duration::from_secs(2);
/// Size of the file of marks, a byte for each worker.
const MARKS: u64 = 64 * 1024;
/// The name of its log.
const LOG: &str = "gateway";

/// Something that a service listens at.
type Listening = (PoolName, String, Framing);

/// A gateway that runs, and what it was told.
#[derive(Debug)]
struct Running {
    id: WorkerId,
    /// Closed when it is to end.
    link: Option<Link>,
    since: Mono,
    services: BTreeMap<PoolName, ServiceSettings>,
    listening: BTreeMap<Place, Listening>,
    /// Workers that it knows, with the calls that they have answered to it.
    workers: BTreeMap<WorkerId, u64>,
    told_to_stop: bool,
    question: Question,
    /// The link of one that was told to end, which says the last it has to say.
    closing: Option<Link>,
    /// When it is killed, as it was told to end.
    kill_at: Option<Mono>,
    /// There may be more to hear, and no edge will tell.
    has_more: bool,
}

/// Whether it hears.
#[derive(Clone, Copy, Debug)]
enum Question {
    /// To be asked then.
    Due(Mono),
    /// Killed if there is no answer until then.
    Asked(Mono),
}

/// The gateway, whether it runs or not.
#[derive(Debug, Default)]
pub(super) struct Gateway {
    running: Option<Running>,
    /// How many there were.
    count: u32,
    /// Gateways that died at once, in a row, and when the next is started.
    fast_deaths: u32,
    start_at: Mono,
    listeners: Listeners,
    marks: Option<Arc<OwnedFd>>,
    /// Rows of shared tables, as they are kept.
    rows: TableRows,
    /// The declarations of workers.
    declared: BTreeMap<WorkerId, Box<Declared>>,
}

impl Running {
    /// Writes what it takes, and asks whether it hears; false if it is to be killed.
    fn goes_on(&mut self, now: Mono) -> bool {
        let Some(link) = &mut self.link else {
            let is_late = self.kill_at.is_some_and(|at| at <= now);
            self.kill_at = self.kill_at.filter(|_| !is_late);
            return !is_late;
        };
        match self.question {
            // The kill is asked for once.
            Question::Asked(until) if until <= now => {
                self.question = Question::Asked(now + PATIENCE);
                return false;
            }
            Question::Due(at) if at <= now => {
                link.say(&ToGateway::Told, Vec::new());
                self.question = Question::Asked(now + PATIENCE);
            }
            Question::Asked(_) | Question::Due(_) => {}
        }
        link.flush().is_ok()
    }
}

impl Gateway {
    /// With the rows of shared tables that are on record.
    pub(super) fn with_rows(rows: &[TableRow]) -> Self {
        let mut gateway = Self::default();
        table::update(&mut gateway.rows, rows);
        gateway
    }

    /// Whether this is its process.
    pub(super) fn is(&self, id: WorkerId) -> bool {
        self.running.as_ref().is_some_and(|running| running.id == id)
    }

    /// The name of its output, which is of no pool and no job.
    pub(super) fn source(&self, id: WorkerId) -> Option<(Arc<str>, PoolId, Option<JobId>)> {
        self.is(id).then(|| (LOG.into(), PoolId(0), None))
    }

    /// Nothing of it is left.
    pub(super) const fn is_over(&self) -> bool {
        self.running.is_none()
    }

    pub(super) fn has_more(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.has_more)
    }

    fn link(&mut self) -> Option<&mut Link> {
        self.running.as_mut()?.link.as_mut()
    }

    /// Opens what these pools listen at; all of it or nothing.
    pub(super) fn listen<'p>(
        &mut self,
        (control, owner): (&Path, Uid),
        pools: impl Iterator<Item = &'p PoolConfig>,
    ) -> Result<(), CannotListen> {
        let services = pools.filter_map(|pool| Some((pool.settings.is_service(), pool.service.as_ref()?)));
        let services: Vec<(bool, &ServiceConfig)> = services.collect();
        let control = services.iter().any(|(is_called, _)| *is_called).then_some(control);
        let wanted = services.iter().flat_map(|(_, service)| service.listen.iter().map(|at| (at, service.socket_mode)));
        self.listeners.open(control, owner, wanted)
    }

    /// The sockets that workers of this pool are given, in the order of its addresses.
    pub(super) fn sockets_for(&self, pool: &PoolConfig) -> Vec<Arc<OwnedFd>> {
        let service = pool.service.as_ref().filter(|_| pool.settings.kind == PoolKind::Server);
        let places = service.into_iter().flat_map(|service| &service.listen).map(|address| &address.place);
        places.map(|place| self.listeners.socket(place)).collect::<Option<_>>().unwrap_or_default()
    }

    /// The file in which gateways mark workers, for the first of them made.
    fn marks(&mut self) -> std::io::Result<Arc<OwnedFd>> {
        if let Some(marks) = &self.marks {
            return Ok(Arc::clone(marks));
        }
        let file = memory_file::new()?;
        file.set_len(MARKS)?;
        Ok(Arc::clone(self.marks.insert(Arc::new(file.into()))))
    }

    /// A worker is gone: the mark is that of nobody.
    fn unmark(&self, worker: WorkerId) {
        let Some(marks) = &self.marks else { return };
        let place = worker.0.unsigned_abs() % MARKS;
        let unmarked = marks.try_clone().and_then(|marks| File::from(marks).write_all_at(&[0], place));
        unmarked.unwrap_or_else(|error| log::error!("worker {worker} cannot be unmarked: {error}"));
    }
}

impl Master {
    /// Starts, tells, and ends the gateway. Once a turn.
    pub(super) fn tend_gateway(&mut self, now: Now) {
        self.close_unused();
        let has_services = self.core.pools().any(|(_, pool)| pool.settings.is_service());
        if !has_services && self.gateway.is_over() {
            return;
        }
        let is_stopping = self.core.phase() != Phase::Running;
        let is_needed = has_services && !(is_stopping && self.core.workers().next().is_none());
        if is_needed && self.gateway.is_over() && !is_stopping && self.gateway.start_at <= now.mono {
            self.start_gateway(now.mono);
        }
        self.tell_changes();
        if !is_needed {
            self.end_gateway(now.mono);
        }
        if let Some(running) = &mut self.gateway.running
            && !running.goes_on(now.mono)
            && let Some(Err(error)) = self.children.get(running.id).map(Pipes::kill)
        {
            log::debug!("the gateway cannot be killed: {error}");
        }
        self.ring_for_gateway(now.mono);
    }

    /// Closes sockets that are of no pool any more. Those that workers listen at are closed when the master stops: nobody is to
    /// wait for workers that do not come.
    fn close_unused(&mut self) {
        let is_stopping = self.core.phase() != Phase::Running;
        let stays = |pool: &&PoolConfig| !(is_stopping && pool.settings.kind == PoolKind::Server);
        let places = || {
            let pools = self.core.pools().filter(|(_, pool)| !pool.removed).filter_map(|(id, _)| self.spawner.pool(id));
            let services = pools.filter(stays).filter_map(|pool| pool.service.as_ref());
            services.flat_map(|service| &service.listen).map(|address| &address.place)
        };
        // Asked each turn; every place of a pool is open.
        if self.gateway.listeners.count() != places().count() {
            let places: BTreeSet<&Place> = places().collect();
            self.gateway.listeners.retain(|place| places.contains(place));
        }
    }

    /// Makes sockets of services again that somebody has removed, and hands them on; what is wrong if that fails.
    pub(super) fn keep_listening(&mut self) -> Option<String> {
        let (mut trouble, mut new) = (None, BTreeSet::new());
        for (path, made) in self.gateway.listeners.make_again() {
            let shown = path.display();
            match made {
                Ok(()) => log::warn!("the socket `{shown}` was gone and is made again"),
                Err(error) => trouble = Some(format!("the socket `{shown}` is gone and cannot be made again: {error}")),
            }
            if trouble.is_none() {
                new.insert(Place::Unix(path));
            }
        }
        if !new.is_empty() {
            self.hand_on(&new);
        }
        trouble
    }

    /// When there is something to do for it, if nothing happens before.
    fn ring_for_gateway(&mut self, now: Mono) {
        let at = match &self.gateway.running {
            Some(Running { link: None, kill_at, .. }) => *kill_at,
            Some(Running { question: Question::Asked(at), .. }) => Some(*at),
            // Asked in the turn of the next checks: an idle gateway costs no wake-up of its own.
            Some(Running { question: Question::Due(_), .. }) => None,
            None => Some(self.gateway.start_at).filter(|at| *at > now),
        };
        self.time.ring_at(Timer::Gateway, at);
    }

    fn start_gateway(&mut self, now: Mono) {
        match self.try_start_gateway(now) {
            Ok(()) => self.tell_everything(),
            Err(error) => {
                self.gateway.fast_deaths += 1;
                self.gateway.start_at = now + self.core.wait_after_deaths(self.gateway.fast_deaths);
                let text =
                    format!("the gateway cannot be started: {error}; services are not reached; it is tried again");
                self.problem(Topic::Gateway, text);
            }
        }
    }

    fn try_start_gateway(&mut self, now: Mono) -> Result<(), SpawnError> {
        let io_error = |source| SpawnError::Io { program: LOG.to_owned(), source };
        self.gateway.marks().map_err(io_error)?;
        self.gateway.count += 1;
        let number = self.gateway.count;
        let id = WorkerId(LAST_ID - i64::from(number) % IDS);
        let registry = self.sources.registry();
        let (link, theirs) = Link::pair(registry, Source::Gateway.token()).map_err(io_error)?;
        let pipes = self.spawner.start_gateway((id, LOG.into()), number, theirs, &mut self.containment, registry)?;
        self.containment.found_family(id, pipes.pid());
        self.children.add(id, pipes);
        self.gateway.running = Some(Running {
            id,
            link: Some(link),
            since: now,
            services: BTreeMap::new(),
            listening: BTreeMap::new(),
            workers: BTreeMap::new(),
            told_to_stop: false,
            question: Question::Asked(now + PATIENCE),
            closing: None,
            kill_at: None,
            has_more: false,
        });
        Ok(())
    }

    /// Ends a gateway that nobody needs: the end of the link is all that it waits for.
    fn end_gateway(&mut self, now: Mono) {
        if let Some(running) = &mut self.gateway.running
            && let Some(link) = running.link.take()
        {
            link.close();
            (running.closing, running.kill_at) = (Some(link), Some(now + ENDS_IN));
        }
        self.gateway.listeners.close();
    }

    /// The process has ended.
    pub(super) fn gateway_ended(&mut self, exit: Option<Exit>) {
        // Words of workers that nobody else will hear.
        self.hear_gateway();
        while self.gateway.has_more() {
            self.hear_gateway();
        }
        let Some(running) = self.gateway.running.take() else { return };
        let now = self.time.mono();
        if running.link.is_some() {
            let is_fast = now.since(running.since) < OF_USE_AFTER;
            self.gateway.fast_deaths = if is_fast { self.gateway.fast_deaths + 1 } else { 0 };
            self.gateway.start_at = now + self.core.wait_after_deaths(self.gateway.fast_deaths);
            let how = exit.map_or_else(|| "exit code unknown".to_owned(), events::exit);
            let text = format!("the gateway has ended ({how}); another takes its place");
            // Behind what it has printed itself.
            let line = text.clone().into_bytes();
            self.logs.send(Line { worker: LOG.into(), stream: Stream::Stderr, job: None, text: line, at: wall() });
            self.problem(Topic::Gateway, format!("{text}; see `queue-work logs {LOG}`"));
        }
        // Calls of workers that leave are lost with it.
        let leaves = |state: &State| matches!(state, State::Draining { closed: false, .. });
        let leaving: Vec<WorkerId> =
            self.core.workers().filter(|(_, worker)| leaves(&worker.state)).map(|(id, _)| id).collect();
        for worker in leaving {
            self.feed(Event::Drained { worker });
        }
    }
}
