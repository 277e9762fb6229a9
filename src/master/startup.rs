//! From a configuration to a running master, in the order that safety wants: signals, lock, database, guardian,
//! proof that the generation before is dead, recovery, socket, pools.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mio::Registry;

use super::batch::Batches;
use super::checks::Checks;
use super::children::Children;
use super::clients::name_of;
use super::clients::{Clients, Served};
use super::codec::long_lines::LineReader;
use super::console::Console;
use super::containment::Containment;
use super::debug::DebugState;
use super::decisions::Decisions;
use super::gateway::{CannotListen, Gateway};
use super::happened::Happened;
use super::hold::Hold;
use super::hooks::Hooks;
use super::logs::{self, Logs};
use super::meters::Meters;
use super::notify::Notify;
use super::reader::Reader;
use super::requests::Requests;
use super::sampler::Sampler;
use super::sidecars::Sidecars;
use super::signals::Signals;
use super::sources::{Inbox, Mail, Source, Sources};
use super::spawner::Spawner;
use super::store_events::Purpose;
use super::time::Time;
use super::timers::Timer;
use super::traces::Traces;
use super::web::Web;
use super::{Fixed, Master, anew, takeover, wall};
use crate::clock;
use crate::config::{Config, Inputs, JobLimits, Loaded};
use crate::core::{Core, Tag};
use crate::model::UnixMicros;
use crate::model::bulk::OpenBulk;
use crate::model::change::Request;
use crate::model::problem::{HIDDEN_PROCESSES, Topic};
use crate::model::processor::ProcessorSettings;
use crate::process::identity;
use crate::process::oom;
use crate::report::events::Level;
use crate::report::{Event, Printer};
use crate::schedule;
use crate::store::writer::Writer;
use crate::store::{self, Allow, Holder, Opened, Records, Store, StoreError, Tenure, WENT_BACK};
use crate::trust::{Owner, group};
use crate::wire::control::MAX_SOCKET_PATH_BYTES;

/// Why a master did not start, or did not end in order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The control socket cannot be made.
    #[error("cannot listen at `{path}`: {why}; choose another with --socket")]
    Socket { path: PathBuf, why: String },
    /// A service cannot listen.
    #[error(transparent)]
    Listen(#[from] CannotListen),
    /// The socket cannot be given to the group.
    #[error("cannot give the socket to its group: {0}")]
    Group(String),
    /// Another process answers at the control socket.
    #[error("{} answers at `{path}`: that socket is in use; choose another with `--socket`", name_of(*pid))]
    SocketInUse { path: PathBuf, pid: u32 },
    /// Processes of a generation that has ended cannot be killed.
    #[error("processes of a master that has ended still live and cannot be killed: {0:?}; end them, then start again")]
    Survivors(Vec<u32>),
    /// The system refuses something the master needs.
    #[error("cannot {doing}: {source}")]
    System {
        doing: &'static str,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The end could not be written.
    #[error("the master ended, but not everything could be written; the next start recovers")]
    NotInOrder,
    /// Jobs died, or are left, that were to be drained.
    #[error("{0}")]
    NotDrained(String),
    /// Ended by a second Ctrl-C.
    #[error("ended at once")]
    Interrupted,
}

pub(super) fn system(doing: &'static str) -> impl Fn(std::io::Error) -> Failure {
    move |source| Failure::System { doing, source }
}

/// Runs a master until it is stopped.
pub(crate) fn run(inputs: Inputs, loaded: Loaded, printer: Printer, least: Level) -> Result<(), Failure> {
    let started = start((inputs, loaded), printer, least, open_store);
    let mut master = started.map_err(|e| if anew::is_worth_a_try(&e) { anew::try_again(&e) } else { e })?;
    let in_order = master.event_loop();
    let interrupted = master.sources.interrupts() > 1;
    if let Some(reason) = master.begins_anew()
        && master.end_all()
    {
        master.complain(reason.clone());
        master.finish(false);
        drop(master);
        return Err(anew::begin(&reason));
    }
    if !master.finish(in_order) {
        let left = master.containment.held_pids();
        let failure = if left.is_empty() { Failure::NotInOrder } else { Failure::Survivors(left) };
        return Err(master.hold.take_loss().map_or(failure, Failure::Store));
    }
    if interrupted {
        return Err(Failure::Interrupted);
    }
    master.undrained().map_or(Ok(()), |why| Err(Failure::NotDrained(why)))
}

pub(super) fn start(
    (inputs, loaded): (Inputs, Loaded),
    printer: Printer,
    least: Level,
    open: impl FnOnce(&Config, u32, UnixMicros) -> Result<Opened, StoreError>,
) -> Result<Master, Failure> {
    let (time, config) = (Time::start(), &loaded.config);
    super::open_files::prepare(config);
    // Before anything is started or opened: a signal in between must not leave half a master behind.
    let (signals, ignored) = Signals::install().map_err(system("install signal handlers"))?;
    let (sources, mail) = Sources::new(signals).map_err(system("wait for events"))?;

    check_socket(&config.socket)?;
    let group = socket_group(config)?;
    let (pid, started_at) = (std::process::id(), wall());
    let Opened { mut store, mut records, changes, lock } = open(config, pid, started_at)?;
    let cookie = identity::new_cookie().map_err(system("draw a random number"))?;
    let containment = Containment::start(cookie.clone(), mail.clone())?;

    let begun = takeover::begin(&mut *store, &config.socket, &identify(pid, &cookie), started_at)?;
    let recovered = takeover::recover(&mut *store, clock::monotonic(), containment.guardian_pid())?;
    let (totals, next_due, store_id, left) = (store.totals()?, store.next_due()?, begun.store, store.bulks()?);

    let clients = listen(config, group, &mail, sources.registry())?;
    let (rows, operations) = (records.table_rows()?, records.operations()?);
    let mut gateway = Gateway::with_rows(&rows);
    gateway.listen((&config.socket, clients.owner_id()), config.pools.iter())?;
    let threads = Threads::start(config, (store, records), &mail).map_err(system("start a thread"))?;
    let to_inbox = mail.clone();
    let traces = Traces::start(&store_id, &config.telemetry, move |trouble| to_inbox.send(Inbox::Collector(trouble)));
    let traces = traces.map_err(system("start a thread"))?;
    let console = Console::start(printer.of_generation(begun.generation), least).map_err(system("start a thread"))?;
    let hold = Hold::new(lock, changes, sources.registry(), Source::Database.token());
    let mut children = Children::new();
    if let Tenure::Lease(_) = begun.tenure {
        children.tell_runs();
    }
    let seed = u64::from(pid) ^ started_at.0.unsigned_abs().rotate_left(17);
    let mut master = Master {
        core: Decisions::new(Core::new(begun.first_worker, seed)),
        spawner: Spawner::new(config, ignored),
        traces,
        fixed: Fixed { inputs: Arc::new(inputs), generation: begun.generation, store_id, started_at, pid },
        in_force: loaded,
        time,
        children,
        hooks: Hooks::default(),
        gateway,
        web: Web::default(),
        sidecars: Sidecars::default(),
        clients,
        requests: Requests::new(threads.reader),
        batches: Batches::new(Some(threads.writer)),
        containment,
        meters: Meters::new(threads.sampler),
        logs: threads.logs,
        console,
        happened: Happened::default(),
        debug: DebugState::default(),
        notify: Notify::of_environment(),
        checks: Checks::default(),
        sources,
        hold,
    };
    master.feed(crate::core::Event::Reread { totals, next_due, may_run: true });
    master.open_pools(recovered, left);
    master.resume_operations(operations);
    Ok(master)
}

impl Master {
    fn open_pools(&mut self, recovered: u64, left: Vec<OpenBulk>) {
        // The guardian knows until when there may be workers before there is one.
        self.hear_of_store();
        self.take_over(left);
        if let Some(reason) = anew::reason().filter(|reason| reason.contains(WENT_BACK)) {
            self.problem(Topic::Lost, reason);
        }
        // The clock may have been set while no master ran, or be right again.
        self.feed(crate::core::Event::ClockSet { by: 0 });
        self.feed(crate::core::Event::OomKills(oom::kills()));
        self.core.keep_records_for(self.in_force.config.keep);
        self.core.scale_together(self.in_force.config.together);
        if self.in_force.config.drain {
            self.core.stop_when_drained();
        }
        let pools = self.in_force.config.pools.clone();
        self.say(Event::MasterStarted {
            pid: self.fixed.pid,
            generation: self.fixed.generation,
            database: self.in_force.config.database.name().to_string_lossy().into_owned(),
            socket: self.in_force.config.socket.to_string_lossy().into_owned(),
            durability: self.in_force.config.durability,
            pools: pools.iter().map(|p| p.settings.name.to_string()).collect(),
            workers: pools.iter().map(|p| p.settings.first_workers(wall())).sum(),
        });
        if recovered > 0 {
            self.say(Event::Recovered { jobs: recovered });
        }
        if self.containment.guardian_pid().is_none() {
            self.time.ring_in(Timer::Guardian, Duration::ZERO);
            self.problem(
                Topic::Guardian,
                "the guardian cannot be started: workers may outlive a killed master".to_owned(),
            );
        }
        if !self.containment.has_groups() && identity::others_are_hidden() {
            self.problem(Topic::Proc, HIDDEN_PROCESSES.to_owned());
        }
        for pool in pools {
            self.tell_pool(&pool.settings);
            let (settings, now) = (pool.settings.clone(), self.time.mono());
            let added = match self.in_force.config.single {
                Some(until) => self.core.add_single(settings, until, None, now),
                None => self.core.add_pool(settings),
            };
            if let Ok(id) = added {
                self.spawner.add_pool(id, pool);
            }
        }
        self.make_room();
        self.time.ring_in(Timer::Checks, Duration::ZERO);
        self.arm_processors();
        self.limit_queues();
    }

    /// Tells the store which limits the configuration has for queues.
    pub(super) fn limit_queues(&mut self) {
        // A `work` is no reason to forget those of the master before it.
        if self.in_force.config.single.is_none() {
            let request = Request::ConfigureQueues(Arc::new(self.in_force.config.queues.clone()));
            self.batches.add(request, Purpose::Core(Tag::Sort), true, false, self.time.now());
        }
    }

    /// Tells the core which processors there are.
    pub(super) fn arm_processors(&mut self) {
        let (config, store_id) = (&self.in_force.config, &self.fixed.store_id);
        // A queue that is to be drained must not grow meanwhile, and a `work` is there for its queues alone.
        if config.drain || config.single.is_some() {
            return;
        }
        let jitter = |one: &ProcessorSettings| schedule::jitter(&one.name, store_id, one.jitter);
        let processors = config.processors.iter().map(|one| (one.clone(), jitter(one)));
        self.core.set_processors(processors.collect());
    }
}

pub(super) fn open_store(config: &Config, pid: u32, started_at: UnixMicros) -> Result<Opened, StoreError> {
    let holder = Holder { pid, started_at, socket: config.socket.to_str().map(str::to_owned) };
    let allow = Allow { network_fs: config.network_fs, shared_folder: config.shared_folder };
    store::open(&config.database).as_master(allow, &holder, &takeover::lives)
}

fn listen(
    Config { database, socket, .. }: &Config,
    group: Option<u32>,
    mail: &Mail,
    registry: &Registry,
) -> Result<Clients, Failure> {
    let failed = |e: std::io::Error| Failure::Socket { path: socket.clone(), why: e.to_string() };
    let served = Served::new(database.local(), group).map_err(system("look at the database"))?;
    let mail = mail.clone();
    let line_reader = LineReader::start(move |client, bytes, message| {
        mail.send(Inbox::Line(Box::new((client, bytes, message))));
    });
    let line_reader = line_reader.map_err(system("start a thread"))?;
    Clients::listen(socket, served, line_reader, registry, Source::Listener.token()).map_err(failed)
}

/// The group that may use the socket, which we must be able to give to it.
fn socket_group(config: &Config) -> Result<Option<u32>, Failure> {
    let Some(name) = &config.socket_group else { return Ok(None) };
    match group::find(name).map_err(|e| system("look up the group of the socket")(e.into()))? {
        None => Err(Failure::Group(format!("there is no group `{name}`"))),
        Some(gid) if group::is_ours(gid) => Ok(Some(gid)),
        Some(_) => Err(Failure::Group(group::not_ours(name))),
    }
}

fn identify(pid: u32, cookie: &str) -> store::Master {
    store::Master {
        host: identity::host(),
        pid,
        pid_start: identity::start_time(pid).unwrap_or(0),
        boot_id: identity::boot_id().to_owned(),
        cookie: cookie.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn check_socket(path: &Path) -> Result<(), Failure> {
    let bytes = path.as_os_str().len();
    if bytes > MAX_SOCKET_PATH_BYTES {
        let why = format!("the path has {bytes} bytes, a socket's may have {MAX_SOCKET_PATH_BYTES}");
        return Err(Failure::Socket { path: path.to_owned(), why });
    }
    Ok(())
}

/// The blocking edges.
struct Threads {
    writer: Writer,
    reader: Reader,
    sampler: Sampler,
    logs: Logs,
}

impl Threads {
    fn start(
        config: &Config,
        (store, records): (Box<dyn Store>, Box<dyn Records + Send>),
        mail: &Mail,
    ) -> std::io::Result<Self> {
        let (to_writer, to_reader, to_sampler, to_logs) = (mail.clone(), mail.clone(), mail.clone(), mail.clone());
        let options = logs::Options {
            max_file_bytes: config.log_file_bytes,
            files: config.log_files as usize,
            max_open: super::open_files::open_logs(),
            shared_folder: config.shared_folder,
            ..logs::Options::new(config.logs_dir.clone(), Owner::of_store(config.database.local()))
        };
        Ok(Self {
            writer: Writer::start(store, config.durability, move |w| to_writer.send(Inbox::Written(w)))?,
            reader: Reader::start(records, JobLimits::new(config), move |origin, found| {
                to_reader.send(Inbox::Read(Box::new((origin, found))));
            })?,
            sampler: Sampler::start(20_000, move |samples, families| {
                to_sampler.send(Inbox::Samples(samples.to_vec(), families));
            })?,
            logs: Logs::start(options, move |ticket| to_logs.send(Inbox::LogWritten(ticket)))?,
        })
    }
}
