//! The pools: those of the file, or those that the command line names in their place.
//!
//! Each pool is merged from the limits of the built-in defaults, the file's `[defaults]`, its own table and the
//! flags, in this order.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use config::Value;

use super::document::{self, Table};
use super::file::File;
use super::load::{Layers, merge};
use super::paths::absolute;
use super::problem::Problem;
use super::raw;
use super::show::Origins;
use super::{Config, Flags, PoolConfig, RunAs, autoscale, processors, restart, services};
use crate::model::processor::PROCESSORS;
use crate::model::supervision::StopSignal;
use crate::model::{
    Hooks, PoolKind, PoolLimits, PoolName, PoolSettings, QueueName, QueueOrder, ReadyWhen, Supervision,
};
use crate::worker::Template;

/// The limits of a pool where nothing is said anywhere.
#[must_use]
pub fn default_limits() -> PoolLimits {
    static LIMITS: LazyLock<PoolLimits> = LazyLock::new(|| {
        raw::limits(&document::built_in().defaults).expect("BUG: `config/default.toml` has every limit")
    });
    LIMITS.clone()
}

/// The limits and hooks of a pool that says nothing itself.
pub(super) fn defaults(layers: &Layers<'_>, origins: &mut Origins) -> Result<(PoolLimits, Hooks), String> {
    let table = layers.table(None, &Table::new())?;
    origins.set_table("defaults", &table);
    Ok((raw::limits(&table)?, hooks(layers, &table)?))
}

fn hooks(layers: &Layers<'_>, table: &Table) -> Result<Hooks, String> {
    let raw::RawPool { on_dead, on_idle, .. } = raw::keys(table)?;
    let folder = folder(layers);
    Ok(Hooks {
        on_dead: command(folder, on_dead),
        on_idle: command(folder, on_idle),
        timeout: raw::value(table, "hook_timeout")?,
    })
}

/// To which paths of the file are relative.
pub(super) fn folder<'l>(layers: &Layers<'l>) -> &'l Path {
    layers.file.folder().or(layers.cwd).unwrap_or(Path::new(""))
}

/// The pools that a variable may mean: those of the file, and those in force.
pub(super) fn known(flags: &Flags, file: &File) -> Vec<PoolName> {
    let mut names: Vec<PoolName> = file.layer.pools.iter().map(|(name, _)| name.clone()).collect();
    if names.is_empty() || flags.names_pools() {
        names.extend(flags.pool_names(&mut Vec::new()));
    }
    if !processors::of_pool(&file.layer).is_empty() {
        names.extend(PoolName::new(PROCESSORS));
    }
    names.sort();
    names.dedup();
    names
}

impl Layers<'_> {
    /// Everything that is said about a pool with this table in the file.
    fn table(&self, pool: Option<&PoolName>, own: &Table) -> Result<Table, String> {
        let empty = Table::new();
        let variables = pool.and_then(|pool| self.pool_variables.get(pool)).unwrap_or(&empty);
        let file = &self.file.layer;
        let (own, variables) = (&with_workers(own), &with_workers(variables));
        let mut table =
            merge(&[&self.built_in.defaults, &file.defaults, own, &self.env_limits, variables, &self.limits])?;
        if pool.is_some_and(|pool| pool.as_str() == PROCESSORS) {
            let said = |key: &String| own.contains_key(key) || variables.contains_key(key);
            let more = self.of_processors.iter().filter(|(key, _)| !said(key));
            table.extend(more.map(|(key, value)| (key.clone(), value.clone())));
        }
        if services::is_service(&table) {
            services::complete(&mut table, |key| own.contains_key(key) || variables.contains_key(key));
        }
        Ok(table)
    }
}

/// All of them, in the order of the file or of `--queue`.
pub(super) fn all(
    layers: &Layers<'_>,
    origins: &mut Origins,
    problems: &mut Vec<Problem>,
) -> Result<Vec<PoolConfig>, String> {
    let name = |name: &str| PoolName::new(name).map_err(|e| e.to_string());
    let (file, none) = (&layers.file.layer.pools, Table::new());
    let mut pools: Vec<PoolConfig> = if layers.flags.names_pools() {
        let names = layers.flags.pool_names(problems).into_iter();
        names.map(|name| of_flags(layers, origins, problems, name)).collect::<Result<_, _>>()?
    } else if file.iter().all(|(name, _)| name.as_str() == PROCESSORS && !layers.of_processors.is_empty()) {
        vec![of_file(layers, origins, problems, &name("default")?, &none)?]
    } else {
        file.iter().map(|(name, table)| of_file(layers, origins, problems, name, table)).collect::<Result<_, _>>()?
    };
    let has_own = pools.iter().any(|pool| pool.settings.name.as_str() == PROCESSORS);
    if !layers.of_processors.is_empty() && !has_own {
        let own = file.iter().find(|(name, _)| name.as_str() == PROCESSORS).map_or(&none, |(_, table)| table);
        pools.push(of_file(layers, origins, problems, &name(PROCESSORS)?, own)?);
    }
    Ok(pools)
}

fn of_file(
    layers: &Layers<'_>,
    origins: &mut Origins,
    problems: &mut Vec<Problem>,
    name: &PoolName,
    own: &Table,
) -> Result<PoolConfig, String> {
    let table = layers.table(Some(name), own)?;
    origins.set_table(&format!("pools.{name}"), &table);
    let written: raw::RawPool = raw::keys(&table)?;
    let folder = folder(layers);
    let command = written.command.map(|words| command(folder, words)).unwrap_or_default();
    let kind = services::kind(written.kind.unwrap_or(PoolKind::with_command(!command.is_empty())), &table);
    let queues = match written.queues {
        Some(queues) => order(&queues)?,
        None if !kind.serves_queues() => QueueOrder::Strict(Vec::new()),
        None => QueueOrder::Strict(vec![QueueName::new(name.as_str()).map_err(|e| e.to_string())?]),
    };
    let ready = written.ready.unwrap_or(ReadyWhen::Spawned);
    Ok(PoolConfig {
        settings: PoolSettings {
            name: name.clone(),
            queues,
            kind,
            takes: kind.takes(!command.is_empty()),
            ready,
            autoscale: autoscale::of_pool((name, kind), &table, layers, origins, problems)?,
            limits: raw::limits(&table)?,
            hooks: hooks(layers, &table)?,
            supervision: supervision(&table)?,
        },
        command,
        cwd: written.cwd.map(|path| absolute(folder, Path::new(&path))),
        env: written.env.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
        protocol_fd: written.protocol_fd,
        service: services::is_service(&table).then(|| services::of_pool(&table, layers)).transpose()?,
        run_as: run_as(&table)?,
    })
}

/// `instances` is another name of `workers`.
fn with_workers(table: &Table) -> Table {
    let mut table = table.clone();
    let instances = table.remove("instances");
    table.extend(instances.map(|count| ("workers".to_owned(), count)));
    table
}

fn supervision(table: &Table) -> Result<Supervision, String> {
    let stop_signal = raw::text(table, "stop_signal").map_or(Ok(StopSignal::default()), StopSignal::read)?;
    let raw::RawPool { needs, sidecars, .. } = raw::keys(table)?;
    let names = |names: Vec<String>| names.iter().map(|name| PoolName::new(name)).collect::<Result<_, _>>();
    let (needs, sidecars) = (names(needs), names(sidecars));
    let (needs, sidecars) = (needs.map_err(|e| e.to_string())?, sidecars.map_err(|e| e.to_string())?);
    Ok(Supervision { restart: restart::of_pool(table)?, stop_signal, needs, sidecars })
}

fn run_as(table: &Table) -> Result<RunAs, String> {
    let umask = raw::text(table, "umask").ok().map(umask).transpose()?;
    Ok(RunAs { umask, user: raw::text(table, "user").ok().map(str::to_owned), account: None })
}

/// Reads `022`.
pub(super) fn umask(text: &str) -> Result<u32, String> {
    let is_octal = text.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let mask = u32::from_str_radix(text, 8).ok().filter(|mask| is_octal && *mask <= 0o777);
    mask.ok_or_else(|| format!("`{text}` is no umask; write \"022\" or \"077\""))
}

fn of_flags(
    layers: &Layers<'_>,
    origins: &mut Origins,
    problems: &mut Vec<Problem>,
    name: PoolName,
) -> Result<PoolConfig, String> {
    let flags = layers.flags;
    let table = layers.table(Some(&name), &Table::new())?;
    let path = format!("pools.{name}");
    origins.set_table(&path, &table);
    if !flags.queue.is_empty() {
        origins.set(&format!("{path}.queues"), &flags.origin_of("queue"));
    }
    if !flags.command.is_empty() {
        origins.set(&format!("{path}.command"), "command line, after --");
    }
    let kind = PoolKind::of_flags(flags.exec, flags.opaque);
    let kind = kind.unwrap_or(PoolKind::with_command(!flags.command.is_empty()));
    for (given, field) in [(flags.exec, "exec"), (flags.opaque, "opaque")] {
        if given {
            origins.set(&format!("{path}.kind"), &flags.origin_of(field));
        }
    }
    let queues =
        if kind.serves_queues() { vec![QueueName::new(name.as_str()).map_err(|e| e.to_string())?] } else { Vec::new() };
    let (queues, limits) = (QueueOrder::Strict(queues), raw::limits(&table)?);
    let takes = kind.takes(!flags.command.is_empty());
    let hooks = hooks(layers, &table)?;
    let autoscale = autoscale::of_pool((&name, kind), &table, layers, origins, problems)?;
    let settings = PoolSettings {
        name,
        queues,
        kind,
        takes,
        ready: ReadyWhen::Spawned,
        limits,
        autoscale,
        hooks,
        supervision: supervision(&table)?,
    };
    Ok(PoolConfig {
        settings,
        command: flags.command.clone(),
        cwd: None,
        env: Vec::new(),
        protocol_fd: None,
        service: None,
        run_as: run_as(&table)?,
    })
}

/// Another program for the worker of a pool.
#[derive(Debug)]
pub struct OwnProgram {
    pub kind: PoolKind,
    pub command: Vec<OsString>,
    pub cwd: Option<PathBuf>,
}

impl PoolConfig {
    /// A pool of one worker for these queues, like those of this pool unless it has a program of its own.
    pub fn single(
        mut self,
        name: PoolName,
        queues: Vec<QueueName>,
        own: Option<OwnProgram>,
        timeout: Option<Duration>,
    ) -> Result<Self, String> {
        self.settings.name = name;
        self.settings.queues = QueueOrder::Strict(queues);
        (self.settings.limits.workers, self.settings.autoscale) = (1, None);
        let stop_signal = self.settings.supervision.stop_signal;
        self.settings.supervision = Supervision { stop_signal, ..Supervision::default() };
        self.settings.limits.timeout = timeout.unwrap_or(self.settings.limits.timeout);
        if let Some(OwnProgram { kind, command, cwd }) = own {
            if kind == PoolKind::Exec {
                Template::parse(command.clone()).map_err(|e| e.to_string())?;
            }
            (self.settings.kind, self.settings.takes) = (kind, kind.takes(true));
            self.settings.ready = ReadyWhen::Spawned;
            (self.command, self.cwd, self.protocol_fd, self.service) = (command, cwd, None, None);
        }
        Ok(self)
    }
}

impl Config {
    /// A pool of which nothing is said: of commands, and as yet for no queue.
    #[must_use]
    pub fn pool_of_defaults(&self, name: PoolName) -> PoolConfig {
        let kind = PoolKind::Exec;
        let settings = PoolSettings {
            name,
            queues: QueueOrder::Strict(Vec::new()),
            kind,
            takes: kind.takes(false),
            ready: ReadyWhen::Spawned,
            limits: self.defaults.clone(),
            autoscale: None,
            hooks: self.default_hooks.clone(),
            supervision: Supervision::default(),
        };
        PoolConfig {
            settings,
            command: Vec::new(),
            cwd: None,
            env: Vec::new(),
            protocol_fd: None,
            service: None,
            run_as: RunAs::default(),
        }
    }
}

/// A program with a slash in its path is a path; a bare name is looked up in `PATH`.
pub(super) fn command(folder: &Path, words: Vec<String>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    if let Some(program) = words.first_mut()
        && program.as_encoded_bytes().contains(&b'/')
    {
        *program = absolute(folder, &PathBuf::from(&*program)).into_os_string();
    }
    words
}

/// Reads `name` or `name=weight`; one way for all of them.
fn order(queues: &[String]) -> Result<QueueOrder, String> {
    let mut weighted = Vec::new();
    let mut strict = Vec::new();
    for queue in queues {
        let (name, weight) =
            queue.split_once('=').map_or((queue.as_str(), None), |(name, weight)| (name, Some(weight)));
        let name = QueueName::new(name).map_err(|e| e.to_string())?;
        match weight {
            Some(weight) => weighted.push((name, weight.parse().map_err(|_| format!("`{weight}` is not a weight"))?)),
            None => strict.push(name),
        }
    }
    Ok(if weighted.is_empty() { QueueOrder::Strict(strict) } else { QueueOrder::Weighted(weighted) })
}

impl Flags {
    /// Whether the command line says what the pools are, so that those of the file do not count.
    pub(super) fn names_pools(&self) -> bool {
        !self.queue.is_empty() || !self.command.is_empty()
    }

    /// One pool per queue named; `default` where only a command is given.
    fn pool_names(&self, problems: &mut Vec<Problem>) -> Vec<PoolName> {
        let mut names: Vec<PoolName> = Vec::new();
        for queue in &self.queue {
            // A queue name is a pool name too; the message speaks of what the user wrote.
            match QueueName::new(queue)
                .map_err(|e| e.to_string())
                .and_then(|q| PoolName::new(q.as_str()).map_err(|e| e.to_string()))
            {
                Ok(name) if names.contains(&name) => {
                    problems.push(self.problem("queue", format!("`{name}` is named twice")));
                }
                Ok(name) => names.push(name),
                Err(message) => problems.push(self.problem("queue", message)),
            }
        }
        if self.queue.is_empty() {
            names.extend(PoolName::new("default"));
        }
        names
    }
}

/// The origin of a value, in words.
pub(super) fn origin(value: &Value) -> &str {
    value.origin().unwrap_or("default")
}
