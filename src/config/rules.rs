//! Rules between values: what each allows by itself, but not together.
//!
//! Looks at merged values, so that a flag which contradicts the file is found too; each problem is reported where
//! the value that is to be changed was said.

use std::collections::{BTreeMap, BTreeSet};

use super::load::Layers;
use super::problem::Problem;
use super::show::Origins;
use super::values::Written;
use super::{Config, Flags, PoolConfig, ServiceConfig, units};
use super::{order, processors, queues, schema, services};
use crate::model::listen::Place;
use crate::model::processor::PROCESSORS;
use crate::model::service::Strategy;
use crate::model::supervision::RestartOn;
use crate::model::{Bytes, MemoryLimit, PoolKind, PoolLimits, PoolSettings, ReadyWhen};
use crate::trust;
use crate::worker::Template;

/// Contradictions among the flags.
pub(super) fn flags(flags: &Flags) -> Vec<Problem> {
    let mut problems = Vec::new();
    if flags.exec && flags.opaque {
        problems.push(flags.problem("opaque", "it cannot go together with `--exec`; leave one of them out"));
    }
    for (given, field) in [(flags.exec, "exec"), (flags.opaque, "opaque")] {
        if given && flags.command.is_empty() {
            problems.push(flags.problem(field, "there is no command; write it at the end, after `--`"));
        }
    }
    if flags.opaque && !flags.queue.is_empty() {
        let message = "an opaque worker fetches its own jobs elsewhere; leave out `--queue`";
        problems.push(flags.problem("opaque", message));
    }
    if let Some(group) = &flags.socket_group
        && let Some(key) = schema::find(&[schema::TOP], "socket_group")
        && let Err(refusal) = key.check(&Written::Text(group))
    {
        problems.push(flags.problem("socket_group", refusal.of_flag()));
    }
    let empty = flags.command.first().is_some_and(|program| program.is_empty());
    if empty {
        problems.push(Problem::with_key("--", "the command is empty; write the program and its arguments"));
    }
    problems
}

/// Contradictions in what is in force.
pub(super) fn config(config: &Config, layers: &Layers<'_>, origins: &Origins) -> Vec<Problem> {
    let mut rules =
        Rules { layers, origins, problems: processors::pool_problems(config, layers), places: BTreeMap::new() };
    rules.memory("defaults", &config.defaults);
    rules.workers("defaults", &config.defaults);
    for pool in &config.pools {
        let path = format!("pools.{}", pool.settings.name);
        rules.memory(&path, &pool.settings.limits);
        rules.workers(&path, &pool.settings.limits);
        rules.template(&path, pool);
        if !layers.flags.names_pools() {
            rules.kind(&path, pool);
        }
    }
    if config.web.by_proxy && config.web.trusted.is_empty() {
        let message = "`auth` is \"proxy\", but nobody is `trusted` to say who asks; add `trusted = [\"127.0.0.1\"]` with the address of the proxy";
        rules.problem("web", "auth", message);
    }
    for order::Wrong { pool, key, message } in order::check(config) {
        rules.problem(&format!("pools.{pool}"), key, message);
    }
    rules.problems
}

/// Warnings: allowed, but probably not meant.
pub(super) fn warnings(config: &Config, layers: &Layers<'_>) -> Vec<Problem> {
    let mut warnings = Vec::new();
    warnings.extend(processors::warnings(config, layers));
    if !layers.flags.names_pools() {
        warnings.extend(queues::warnings(config, layers));
    }
    let file = &layers.file.layer;
    if config.keep.runs < config.keep.succeeded {
        let (runs, jobs) = (units::show_duration(config.keep.runs), units::show_duration(config.keep.succeeded));
        let message =
            format!("`keep.runs` is {runs}, shorter than `keep.succeeded`, {jobs}: jobs will outlive their runs");
        warnings.push(in_file(layers, &["keep.runs", "keep.succeeded"], message));
    }
    let folder = trust::folder_of(config.database.local());
    if !config.makes_folder && !folder.exists() {
        let folder = folder.display();
        let message =
            format!("the folder `{folder}` of the database does not exist; make it with `mkdir -p '{folder}'`");
        warnings.push(in_file(layers, &["database"], message));
    }
    if !layers.flags.names_pools() {
        for pool in config.pools.iter().filter(|pool| !pool.settings.kind.serves_queues()) {
            warnings.extend(without_effect(&pool.settings, layers));
        }
    } else if file.pools.iter().any(|(name, _)| name.as_str() != PROCESSORS || layers.of_processors.is_empty()) {
        let name = file.file.as_deref().unwrap_or("the file".as_ref()).display();
        let field = if layers.flags.queue.is_empty() { "command" } else { "queue" };
        let message = format!("the pools of `{name}` are not used");
        warnings.push(match field {
            "command" => Problem::with_key("--", message),
            _ => layers.flags.problem(field, message),
        });
    }
    warnings
}

/// Limits on jobs that a pool sets itself which gets none.
fn without_effect(pool: &PoolSettings, layers: &Layers<'_>) -> Vec<Problem> {
    let path = |key: &str| format!("pools.{}.{key}", pool.name);
    let of_jobs = schema::OF_POOLS.into_iter().flatten().filter(|key| !key.has_effect(pool.kind)).map(|key| key.name);
    let said: BTreeSet<&str> = of_jobs.filter(|key| layers.file.layer.places.contains_key(&path(key))).collect();
    let what = match pool.kind {
        PoolKind::Opaque => "an opaque pool, which gets no jobs from here",
        PoolKind::Server => "a service whose workers listen themselves",
        PoolKind::Protocol | PoolKind::Exec | PoolKind::Service => "a service, which gets no jobs",
    };
    let message = |key: &str| format!("`{key}` has no effect on {what}");
    said.into_iter().map(|key| in_file(layers, &[&path(key)], message(key))).collect()
}

/// A problem at the first of these keys that the file has.
pub(super) fn in_file(layers: &Layers<'_>, keys: &[&str], message: String) -> Problem {
    let file = &layers.file.layer;
    let found = keys.iter().find_map(|key| Some((*key, *file.places.get(*key)?)));
    match found {
        Some((key, (line, column))) => Problem { file: file.file.clone(), line, column, key: key.into(), message },
        None => Problem::with_key(keys.first().copied().unwrap_or_default(), message),
    }
}

struct Rules<'a> {
    layers: &'a Layers<'a>,
    origins: &'a Origins,
    problems: Vec<Problem>,
    /// Where services listen, and which.
    places: BTreeMap<Place, String>,
}

impl Rules<'_> {
    /// Reports it where the value of this key was said: by a flag, in the pool, or in `[defaults]`.
    fn problem(&mut self, path: &str, key: &str, message: impl Into<String>) {
        let full = format!("{path}.{key}");
        let said = self.origins.get(&full).split_once(' ');
        let problem = match said {
            Some(("flag" | "environment", name)) => Problem::with_key(name, message),
            _ => in_file(self.layers, &[&full, &format!("defaults.{key}"), path], message.into()),
        };
        self.problems.push(problem);
    }

    /// Whether the file says this key, rightly or not.
    fn says(&self, path: &str, key: &str) -> bool {
        self.layers.file.layer.places.contains_key(&format!("{path}.{key}"))
    }

    fn memory(&mut self, path: &str, limits: &PoolLimits) {
        if let (Some(MemoryLimit::Absolute(soft)), Some(Bytes(hard))) = (limits.memory, limits.memory_max)
            && soft >= hard
        {
            let (soft, hard) = (units::show_bytes(soft), units::show_bytes(hard));
            let message = format!("`memory` is {soft}, but `memory_max` kills at {hard}; `memory` must be lower");
            self.problem(path, "memory", message);
        }
    }

    fn workers(&mut self, path: &str, limits: &PoolLimits) {
        let workers = limits.workers;
        if let Some(most) = limits.max_workers.filter(|most| workers > *most) {
            self.problem(
                path,
                "workers",
                format!("`workers` is {workers}, but `max_workers` is {most}; it must not be above it"),
            );
        }
    }

    /// A command that no job can be filled into would fail every one of them.
    fn template(&mut self, path: &str, pool: &PoolConfig) {
        if pool.settings.kind != PoolKind::Exec || pool.command.first().is_none_or(|program| program.is_empty()) {
            return;
        }
        let Err(error) = Template::parse(pool.command.clone()) else { return };
        if self.layers.flags.command.is_empty() {
            self.problem(path, "command", error.to_string());
        } else {
            self.problems.push(Problem::with_key("--", error.to_string()));
        }
    }

    /// Keys that go with calls only, and keys that do not go with them.
    fn service(&mut self, path: &str, pool: &PoolConfig) {
        let Some(service) = &pool.service else {
            for key in schema::SERVICE.iter().filter(|key| self.says(path, key.name)).collect::<Vec<_>>() {
                let kind = pool.settings.kind.as_str();
                let message =
                    format!("`{}` is only for a pool of kind \"service\", and this one is \"{kind}\"", key.name);
                self.problem(path, key.name, message);
            }
            return;
        };
        if self.says(path, "queues") {
            self.problem(path, "queues", "a service answers calls and serves no queue; leave out `queues`");
        }
        let refused = &self.layers.file.layer.refused;
        let has_sticky = self.says(path, "sticky") && !refused.contains(&format!("{path}.sticky"));
        if has_sticky && service.settings.strategy != Strategy::Sticky {
            self.problem(path, "sticky", "`sticky` goes with `strategy = \"sticky\"` only");
        }
        if pool.settings.ready == ReadyWhen::Spawned && service.settings.init.is_some() {
            let message = "a worker with `init` is ready when it has answered that; leave out `ready`";
            self.problem(path, "ready", message);
        }
        if let Err(why) = services::check_init(service.settings.init.as_ref()) {
            self.problem(path, "init", why);
        }
        if let Some(Err(why)) = service.token_file.as_deref().map(services::token_in) {
            self.problem(path, "token_file", format!("`token_file`: {why}"));
        }
        if self.says(path, "token") && self.says(path, "token_file") {
            self.problem(path, "token", "`token` and `token_file` are both given; leave one of them out");
        }
        if pool.settings.kind == PoolKind::Server {
            self.server(path, service);
        }
        for address in &service.listen {
            let has_token = service.settings.token.is_some() || service.token_file.is_some();
            let reach = || services::check_reach(address, pool.settings.kind, has_token);
            let checked = address.check_length().and_then(|()| reach());
            if let Err(why) = checked {
                self.problem(path, "listen", format!("`listen`: {why}"));
            }
            if let Some(other) = self.places.insert(address.place.clone(), path.to_owned()) {
                let message = format!("`listen`: {address} stands in `{other}` already");
                self.problem(path, "listen", message);
            }
        }
    }

    /// Keys of a service whose workers listen themselves.
    fn server(&mut self, path: &str, service: &ServiceConfig) {
        for key in services::OF_CALLS {
            if self.says(path, key) {
                let message =
                    format!("`{key}` is about calls, of which `listen_mode = \"worker\"` knows none; leave it out");
                self.problem(path, key, message);
            }
        }
        if service.listen.is_empty() && !self.layers.file.layer.refused.contains(&format!("{path}.listen")) {
            let message = "`listen_mode` is \"worker\", but there is no `listen`; write where its workers listen";
            self.problem(path, "listen_mode", message);
        }
    }

    fn kind(&mut self, path: &str, pool: &PoolConfig) {
        let refused = &self.layers.file.layer.refused;
        // Without a valid kind or command there is no telling what the rest should have been.
        if refused.contains(&format!("{path}.kind")) || refused.contains(&format!("{path}.command")) {
            return;
        }
        let PoolSettings { kind, ready, .. } = pool.settings;
        if pool.command.is_empty() && kind != PoolKind::Exec {
            self.problem(
                path,
                "kind",
                format!("`kind` is \"{}\", but there is no `command`; write the worker program", kind.as_str()),
            );
        }
        if kind == PoolKind::Opaque && self.says(path, "queues") {
            let message = "an opaque worker fetches its own jobs elsewhere; leave out `queues`";
            self.problem(path, "queues", message);
        }
        let on = pool.settings.supervision.restart.on;
        if kind != PoolKind::Opaque && on != RestartOn::Always {
            let (on, kind) = (on.as_str(), kind.as_str());
            let message = format!(
                "`restart` is on \"{on}\", which is only for a pool of kind \"opaque\", and this one is \"{kind}\"; the \
                 workers of others are always replaced"
            );
            self.problem(path, "restart", message);
        }
        if self.says(path, "instances") && self.says(path, "workers") {
            self.problem(path, "instances", "`instances` is another name of `workers`; leave one of them out");
        }
        if kind == PoolKind::Exec && self.says(path, "stop_signal") {
            let message =
                "`stop_signal` is for workers with a program of their own, and this pool runs a command for each job";
            self.problem(path, "stop_signal", message);
        }
        self.service(path, pool);
        if kind == PoolKind::Protocol {
            return;
        }
        let kind = kind.as_str();
        if pool.protocol_fd.is_some() {
            let message = format!("`protocol_fd` is only for workers of kind \"protocol\", and this one is \"{kind}\"");
            self.problem(path, "protocol_fd", message);
        }
        if ready == ReadyWhen::Message && pool.service.is_none() {
            let message = format!("`ready` is \"message\", but a worker of kind \"{kind}\" sends none");
            self.problem(path, "ready", message);
        }
    }
}
