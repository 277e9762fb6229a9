//! Differences between the configuration in force and one that was read since: what a reload is to do.
//!
//! Compares values as they are shown, and those of which not everything is shown by themselves. Knows nothing of workers.
//! Invariant: a secret that is not shown is not in a change either.

use std::collections::BTreeMap;

use super::document::Table;
use super::load::Loaded;
use super::show::{Shown, of_master, of_pool, of_processor};
use super::{Config, PoolConfig, Telemetry};
use crate::model::processor::ProcessorSettings;
use crate::model::reload::{FileChange, FilePart, Takeover};
use crate::model::service::ServiceSettings;
use crate::model::{PoolKind, ProcessorName};

/// Keys of the master that hold as long as it lives.
const FIXED: [&str; 8] =
    ["database", "socket", "socket_group", "durability", "network_fs", "shared_folder", "log_dir", "telemetry.otlp"];

/// Everything that is different: pools, processors, options, each in the order of the file.
#[must_use]
pub fn changes(was: &Loaded, now: &Loaded) -> Vec<FileChange> {
    let pools = Part {
        kind: FilePart::Pools,
        name: |pool: &PoolConfig| pool.settings.name.to_string(),
        summary: workers,
        of_one: |old: &PoolConfig, new: &PoolConfig| of_one_pool((was, old), (now, new)),
    };
    let (old_tables, new_tables) = (tables(was), tables(now));
    let processors = Part {
        kind: FilePart::Processors,
        name: |one: &ProcessorSettings| one.name.to_string(),
        summary: |one: &ProcessorSettings| one.schedule.clone(),
        of_one: |old: &ProcessorSettings, _: &ProcessorSettings| {
            let table =
                |of: &BTreeMap<_, &Table>| of.get(&old.name).map(|table| Table::clone(table)).unwrap_or_default();
            of_one_processor((was, table(&old_tables)), (now, table(&new_tables)), old.name.as_str())
        },
    };
    let differs = |key: &str| option_differs(&was.config, &now.config, key);
    let options = compare(&of_master(was), &of_master(now), "", differs).into_iter().map(|(key, was, now)| {
        let how = if FIXED.contains(&&*key) { Takeover::RestartMaster } else { Takeover::Now };
        FileChange { kind: FilePart::Options, name: None, key: Some(key), was, now, how }
    });
    let pools = pools.compare(&was.config.pools, &now.config.pools);
    let processors = processors.compare(&was.config.processors, &now.config.processors);
    pools.into_iter().chain(processors).chain(options).collect()
}

/// Things of the file that have names, of one kind.
struct Part<N, S, O> {
    kind: FilePart,
    name: N,
    /// The words for one that is new or gone.
    summary: S,
    /// The differences of one that stays.
    of_one: O,
}

impl<N, S, O> Part<N, S, O> {
    fn compare<T>(&self, was: &[T], now: &[T]) -> Vec<FileChange>
    where
        N: Fn(&T) -> String,
        S: Fn(&T) -> String,
        O: Fn(&T, &T) -> Vec<FileChange>,
    {
        let names = |all: &[T]| all.iter().map(&self.name).zip(0..).collect::<BTreeMap<String, usize>>();
        let (old, new) = (names(was), names(now));
        let whole = |one: &T, was: Option<String>, now: Option<String>| {
            let name = Some((self.name)(one));
            FileChange { kind: self.kind, name, key: None, was, now, how: Takeover::Now }
        };
        let mut changes = Vec::new();
        for one in now {
            match old.get(&(self.name)(one)) {
                Some(&at) => changes.extend((self.of_one)(&was[at], one)),
                None => changes.push(whole(one, None, Some((self.summary)(one)))),
            }
        }
        let gone = was.iter().filter(|one| !new.contains_key(&(self.name)(one)));
        changes.extend(gone.map(|one| whole(one, Some((self.summary)(one)), None)));
        changes
    }
}

/// Puts the later one in force, but for what holds as long as the master lives: that is different the next time, too.
pub fn put_in_force(in_force: &mut Loaded, later: Loaded) {
    let Config {
        database,
        socket,
        socket_group,
        logs_dir,
        durability,
        network_fs,
        shared_folder,
        makes_folder,
        drain,
        telemetry,
        ..
    } = in_force.config.clone();
    let kept = Config {
        database,
        socket,
        socket_group,
        logs_dir,
        durability,
        network_fs,
        shared_folder,
        makes_folder,
        drain,
        telemetry: Telemetry { collector: telemetry.collector, ..later.config.telemetry },
        ..later.config
    };
    *in_force = Loaded { config: kept, ..later };
}

fn workers(pool: &PoolConfig) -> String {
    match pool.settings.limits.workers {
        _ if let Some(of) = &pool.settings.autoscale => format!("{} to {} workers", of.min, of.max),
        1 => "1 worker".to_owned(),
        n => format!("{n} workers"),
    }
}

fn of_one_pool((was, old): (&Loaded, &PoolConfig), (now, new): (&Loaded, &PoolConfig)) -> Vec<FileChange> {
    let path = format!("pools.{}.", new.settings.name);
    let differs = |key: &str| pool_differs(old, new, key);
    let changes = compare(&of_pool(was, old), &of_pool(now, new), &path, differs);
    let changes = changes.into_iter().map(|(key, was, now)| {
        let how = if is_given_at_start(&key, new.settings.kind) { Takeover::Rolling } else { Takeover::Now };
        FileChange { name: Some(new.settings.name.to_string()), kind: FilePart::Pools, key: Some(key), was, now, how }
    });
    let mut changes: Vec<FileChange> = changes.collect();
    // Old workers are given no jobs that are meant for new ones.
    if changes.iter().any(|change| change.how == Takeover::Rolling) {
        for change in changes.iter_mut().filter(|change| change.key.as_deref() == Some("queues")) {
            change.how = Takeover::Rolling;
        }
    }
    changes
}

fn tables(of: &Loaded) -> BTreeMap<&ProcessorName, &Table> {
    of.processors.iter().map(|(name, table)| (name, table)).collect()
}

fn of_one_processor((was, old): (&Loaded, Table), (now, new): (&Loaded, Table), name: &str) -> Vec<FileChange> {
    let value = |of: &Table, key: &str| match key.strip_prefix("env.") {
        Some(name) => of.get("env").and_then(|env| env.clone().into_table().ok()?.get(name).cloned()),
        None => of.get(key).cloned(),
    };
    let differs = |key: &str| value(&old, key).map(|value| value.kind) != value(&new, key).map(|value| value.kind);
    let path = format!("processors.{name}.");
    let changes = compare(&of_processor(was, name, &old), &of_processor(now, name, &new), &path, differs);
    let change = |(key, was, now)| {
        let (name, key) = (Some(name.to_owned()), Some(key));
        FileChange { kind: FilePart::Processors, name, key, was, now, how: Takeover::Now }
    };
    changes.into_iter().map(change).collect()
}

/// Whether a worker learns of it when it is started, and not later.
fn is_given_at_start(key: &str, kind: PoolKind) -> bool {
    matches!(key, "command" | "kind" | "cwd" | "ready" | "protocol_fd" | "init" | "version" | "listen_mode")
        || matches!(key, "umask" | "user")
        || key.starts_with("env.")
        || (key == "kill_after" && kind == PoolKind::Exec)
        || (key == "listen" && kind == PoolKind::Server)
}

/// Keys, each with its values, that are not the same. `differs`: of those that look the same.
fn compare(
    was: &[Shown],
    now: &[Shown],
    path: &str,
    differs: impl Fn(&str) -> bool,
) -> Vec<(String, Option<String>, Option<String>)> {
    let value = |of: &[Shown], key: &str| of.iter().find(|shown| shown.key == key).map(|shown| shown.value.clone());
    let gone = was.iter().filter(|shown| value(now, &shown.key).is_none());
    let all = now.iter().chain(gone).filter(|shown| shown.key != "config").filter_map(|Shown { key, .. }| {
        let name = key.strip_prefix(path)?;
        let (was, now) = (value(was, key), value(now, key));
        (was != now || differs(name)).then(|| (name.to_owned(), was, now))
    });
    all.collect()
}

/// Of values that are secret or rounded where they are shown.
fn pool_differs(was: &PoolConfig, now: &PoolConfig, key: &str) -> bool {
    let (old, new) = (&was.settings, &now.settings);
    let variable = |pool: &PoolConfig, name: &str| pool.env.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
    match key {
        "command" => was.command != now.command,
        "memory" => old.limits.memory != new.limits.memory,
        "memory_max" => old.limits.memory_max != new.limits.memory_max,
        "on_dead" => old.hooks.on_dead != new.hooks.on_dead,
        "on_idle" => old.hooks.on_idle != new.hooks.on_idle,
        "init" => of_service(was, |of| of.init.clone()) != of_service(now, |of| of.init.clone()),
        "token" | "token_file" => of_service(was, |of| of.token.clone()) != of_service(now, |of| of.token.clone()),
        key => key.strip_prefix("env.").is_some_and(|name| variable(was, name) != variable(now, name)),
    }
}

fn of_service<T>(pool: &PoolConfig, read: impl Fn(&ServiceSettings) -> Option<T>) -> Option<T> {
    read(&pool.service.as_ref()?.settings)
}

fn option_differs(was: &Config, now: &Config, key: &str) -> bool {
    match key {
        "log_file_size" => was.log_file_bytes != now.log_file_bytes,
        "defaults.memory" => was.defaults.memory != now.defaults.memory,
        "defaults.memory_max" => was.defaults.memory_max != now.defaults.memory_max,
        "defaults.on_dead" => was.default_hooks.on_dead != now.default_hooks.on_dead,
        "defaults.on_idle" => was.default_hooks.on_idle != now.default_hooks.on_idle,
        _ => false,
    }
}
