//! From the configuration of a pool to the process of a worker.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mio::Registry;

use super::containment::Containment;
use super::open_files;
use super::pipes::Pipes;
use super::sources::Source;
use crate::config::{Config, PoolConfig, RunAs, SOCKET_DATABASE};
use crate::core::PoolId;
use crate::model::listen::Address;
use crate::model::trace::{TRACEPARENT, TRACESTATE};
use crate::model::{PoolKind, PoolName, Slot, WorkerId};
use crate::process::inherited::Ignored;
use crate::process::mark::Mark;
use crate::process::service_manager::VARIABLES;
use crate::process::spawn::{Program, SpawnError, Spec, StdinKind, resolve, spawn};
use crate::process::start_step::{self, Step};
use crate::process::{oom, sweep};
use crate::trust::account::Account;
use crate::wire::gateway;
use crate::worker;

/// Pools back from the newest one that are kept when they are gone.
const GONE_POOLS: u32 = 100;

/// Everything that workers are started from.
#[derive(Debug)]
pub(super) struct Spawner {
    pools: BTreeMap<PoolId, PoolConfig>,
    socket: PathBuf,
    database: PathBuf,
    /// The same for our own programs, which open it: with a password, if it has one.
    whole_database: PathBuf,
    /// Steps of every worker before all else.
    step: Step,
    /// Variables that we were started with and workers do not get: ours, of which they get their own, those of the service
    /// manager, and the trace that we were started in.
    inherited: Vec<OsString>,
}

impl Spawner {
    pub(super) fn new(config: &Config, ignored: Ignored) -> Self {
        let names = std::env::vars_os().map(|(name, _)| name);
        Self {
            pools: BTreeMap::new(),
            socket: config.socket.clone(),
            database: config.database.name().into(),
            whole_database: config.database.whole().into(),
            step: Step { session: start_step::has_terminal(), signals: ignored.stay(), ..Step::default() },
            inherited: names
                .filter(|n| {
                    n.as_encoded_bytes().starts_with(b"QUEUE_WORK_")
                        || VARIABLES.iter().chain(&[TRACEPARENT, TRACESTATE]).any(|name| n == name)
                })
                .collect(),
        }
    }

    #[cfg(test)]
    pub(super) fn leave_out_steps(&mut self) {
        self.step = Step::default();
    }

    /// From now on workers of this pool can be started.
    pub(super) fn add_pool(&mut self, id: PoolId, pool: PoolConfig) {
        self.pools.insert(id, pool);
    }

    /// Forgets pools that are gone, but not the last: their hooks may still be called.
    pub(super) fn forget_gone(&mut self, newest: PoolId, is_there: impl Fn(PoolId) -> bool) {
        self.pools.retain(|id, _| is_there(*id) || id.0 + GONE_POOLS > newest.0);
    }

    pub(super) fn has_pool(&self, id: PoolId) -> bool {
        self.pools.contains_key(&id)
    }

    /// The pool, if it was ever added.
    pub(super) fn pool(&self, id: PoolId) -> Option<&PoolConfig> {
        self.pools.get(&id)
    }

    /// Starts a worker, and has its pipes watched; `sockets`: those that it is to listen at.
    pub(super) fn start(
        &self,
        (id, pool, slot): (WorkerId, PoolId, Slot),
        sockets: Vec<Arc<OwnedFd>>,
        containment: &mut Containment,
        registry: &Registry,
    ) -> Result<Pipes, SpawnError> {
        let source = &self.pools[&pool];
        let spec = with_sockets(self.worker(source, id, slot, containment)?, source, sockets);
        let name = format!("{}-{slot}", source.settings.name);
        launch(&spec, id, name.into(), source.settings.kind, containment, registry)
    }

    /// Starts a hook, and has its pipes watched; `about`: variables that say what has happened.
    pub(super) fn start_hook(
        &self,
        (id, name): (WorkerId, Arc<str>),
        pool: &PoolConfig,
        command: &[OsString],
        about: Vec<(&str, OsString)>,
        containment: &mut Containment,
        registry: &Registry,
    ) -> Result<Pipes, SpawnError> {
        let Some((program, args)) = command.split_first() else {
            return Err(SpawnError::NotFound { program: String::new(), why: "the pool has no such hook".into() });
        };
        let spec = Spec { args: args.to_vec(), ..self.spec(pool, id, found(program, pool)?, about, containment) };
        launch(&spec, id, name, PoolKind::Opaque, containment, registry)
    }

    /// Starts the gateway of this number, whose stdin is `link`.
    pub(super) fn start_gateway(
        &self,
        (id, name): (WorkerId, Arc<str>),
        number: u32,
        link: OwnedFd,
        containment: &mut Containment,
        registry: &Registry,
    ) -> Result<Pipes, SpawnError> {
        let args = vec![gateway::VERB.into(), number.to_string().into()];
        let spec = Spec { stdin: StdinKind::Socket(Arc::new(link)), ..self.own(id, args, containment) };
        launch(&spec, id, name, PoolKind::Opaque, containment, registry)
    }

    /// Starts the page in the browser, which reads the same file.
    pub(super) fn start_web(
        &self,
        (id, name): (WorkerId, Arc<str>),
        file: Option<&Path>,
        containment: &mut Containment,
        registry: &Registry,
    ) -> Result<Pipes, SpawnError> {
        let mut spec = self.own(id, vec!["web".into()], containment);
        spec.env.push(("QUEUE_WORK_SOCKET".into(), self.socket.clone().into()));
        if let Some(file) = file {
            spec.env.push(("QUEUE_WORK_CONFIG".into(), file.into()));
        }
        launch(&spec, id, name, PoolKind::Opaque, containment, registry)
    }

    /// Our own program with these arguments, as a process that is no worker.
    fn own(&self, id: WorkerId, args: Vec<OsString>, containment: &Containment) -> Spec {
        let mark = containment.mark(id);
        Spec {
            program: Program::Own,
            args,
            cwd: None,
            env: vec![
                (sweep::COOKIE_VARIABLE.into(), mark.clone().into()),
                ("QUEUE_WORK_DATABASE".into(), self.whole_database.clone().into()),
            ],
            env_remove: self.inherited.clone(),
            stdin: StdinKind::Null,
            protocol_fd: None,
            sockets: Vec::new(),
            step: Step::default(),
            mark: Mark::of(&mark),
        }
    }

    /// The program of a worker, and all that it is started with.
    fn worker(
        &self,
        pool: &PoolConfig,
        id: WorkerId,
        slot: Slot,
        containment: &Containment,
    ) -> Result<Spec, SpawnError> {
        let (program, args) = match (pool.settings.kind, pool.command.split_first()) {
            (PoolKind::Exec, _) => {
                let verb = OsString::from(worker::VERB);
                let args = std::iter::once(verb).chain(pool.command.iter().cloned()).collect();
                (Program::Own, args)
            }
            (PoolKind::Protocol | PoolKind::Opaque | PoolKind::Service | PoolKind::Server, Some((program, args))) => {
                (found(program, pool)?, args.to_vec())
            }
            (PoolKind::Protocol | PoolKind::Opaque | PoolKind::Service | PoolKind::Server, None) => {
                return Err(SpawnError::NotFound { program: String::new(), why: "the pool has no command".into() });
            }
        };
        let mut own: Vec<(&str, OsString)> = vec![
            ("QUEUE_WORK_WORKER", format!("{}-{slot}", pool.settings.name).into()),
            ("QUEUE_WORK_SLOT", slot.to_string().into()),
            ("QUEUE_WORK_PROTOCOL", "1".into()),
        ];
        if pool.settings.kind == PoolKind::Exec {
            let kill_after = pool.settings.limits.kill_after.as_millis().to_string();
            own.push((worker::KILL_AFTER_VARIABLE, kill_after.into()));
        }
        let mains = self.mains_of(&pool.settings.name);
        let is_sidecar = !mains.is_empty();
        if is_sidecar {
            own.push(("QUEUE_WORK_SIDECAR_OF", mains.join(",").into()));
        }
        let RunAs { umask, account, .. } = pool.run_as.clone();
        if let Some(Account { name, home, .. }) = &account {
            let of_account = [("HOME", home.into()), ("USER", name.into()), ("LOGNAME", name.into())];
            own.extend(of_account.into_iter().filter(|(key, _)| !pool.env.iter().any(|(name, _)| name == key)));
        }
        let spec = self.spec(pool, id, program, own, containment);
        Ok(Spec {
            args,
            stdin: if pool.settings.is_told_by_signals() && !is_sidecar { StdinKind::Null } else { StdinKind::Pipe },
            protocol_fd: pool.protocol_fd,
            step: Step { umask, account, ..spec.step },
            ..spec
        })
    }

    /// The pools whose sidecar this one is.
    fn mains_of(&self, pool: &PoolName) -> Vec<&str> {
        let mains = self.pools.values().filter(|main| main.settings.supervision.sidecars.contains(pool));
        let names: BTreeSet<&str> = mains.map(|main| main.settings.name.as_str()).collect();
        names.into_iter().collect()
    }

    /// A program without arguments, in the folder and with the variables of a pool and with these.
    fn spec(
        &self,
        pool: &PoolConfig,
        id: WorkerId,
        program: Program,
        own: Vec<(&str, OsString)>,
        containment: &Containment,
    ) -> Spec {
        let mark = containment.mark(id);
        let of_all: [(&str, OsString); 5] = [
            ("QUEUE_WORK_POOL", pool.settings.name.as_str().into()),
            ("QUEUE_WORK_SOCKET", self.socket.clone().into()),
            ("QUEUE_WORK_DATABASE", self.database.clone().into()),
            (SOCKET_DATABASE, self.database.clone().into()),
            (sweep::COOKIE_VARIABLE, mark.clone().into()),
        ];
        let own = own.into_iter().chain(of_all).map(|(name, value)| (name.into(), value));
        Spec {
            program,
            args: Vec::new(),
            cwd: pool.cwd.clone(),
            env: pool.env.iter().cloned().chain(own).collect(),
            env_remove: self.inherited.clone(),
            stdin: StdinKind::Pipe,
            protocol_fd: None,
            sockets: Vec::new(),
            step: Step { cgroup: containment.group_of(id), ..self.step.clone() },
            mark: Mark::of(&mark),
        }
    }
}

/// Hands sockets to a worker that listens itself, by the protocol of `sd_listen_fds(3)`.
fn with_sockets(mut spec: Spec, pool: &PoolConfig, sockets: Vec<Arc<OwnedFd>>) -> Spec {
    if let Some(service) = pool.service.as_ref().filter(|_| !sockets.is_empty()) {
        let names: Vec<&str> = service.listen.iter().map(Address::scheme).collect();
        spec.env.push(("LISTEN_FDS".into(), sockets.len().to_string().into()));
        spec.env.push(("LISTEN_FDNAMES".into(), names.join(":").into()));
        (spec.sockets, spec.step.listens) = (sockets, true);
    }
    spec
}

/// The program of a pool.
fn found(program: &OsString, pool: &PoolConfig) -> Result<Program, SpawnError> {
    let path = std::env::var_os("PATH");
    resolve(program, pool.cwd.as_deref(), path.as_deref()).map(Program::Other)
}

fn launch(
    spec: &Spec,
    id: WorkerId,
    name: Arc<str>,
    kind: PoolKind,
    containment: &mut Containment,
    registry: &Registry,
) -> Result<Pipes, SpawnError> {
    open_files::for_a_worker(|| spec.shown())?;
    failpoint!("spawn.before", SpawnError::Io { program: spec.shown(), source: nix::errno::Errno::EAGAIN.into() });
    let spawned = spawn(spec)?;
    failpoint!("spawn.after");
    let pid = spawned.child.pid();
    oom::prefer(pid);
    containment.add_process(pid);
    failpoint!("spawn.guarded");
    // A worker whose pipes cannot be watched is killed with what is dropped, and reaped as a stranger.
    Pipes::new(name, spawned, kind, registry, |pipe| Source::Worker(id, pipe).token())
        .map_err(|source| SpawnError::Io { program: spec.shown(), source })
}
