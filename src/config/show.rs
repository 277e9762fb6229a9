//! Values in force and their origins, worded for `config show`.
//!
//! Invariant: the value of a variable for workers is never shown; it may be a secret.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use config::ValueKind;

use super::document::{self, Table, Unfilled};
use super::file::File;
use super::load::Loaded;
use super::{Flags, PoolConfig, autoscale, pools, queues, restart, schema, services, units};
use crate::model::key::Kind;
use crate::model::{Hooks, PoolKind, PoolLimits, PoolName, PoolSettings, QueueOrder, Supervision};

/// Where values come from, by key (`pools.mail.workers`): `default`, `file queue-work.toml:12`,
/// `environment QUEUE_WORK_WORKERS` or `flag --workers`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    of: BTreeMap<String, String>,
    /// Shown in place of a command with variables in it, which may be secrets.
    pub(super) unfilled: Unfilled,
}

impl Origins {
    /// The origin of the value of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> &str {
        self.of.get(key).map_or("default", String::as_str)
    }

    /// The words of a command as they were written, here or in the defaults it comes from.
    fn unfilled_of(&self, key: &str) -> Option<&Vec<String>> {
        let inherited = format!("defaults.{}", key.rsplit('.').next().unwrap_or_default());
        let is_inherited = self.of.contains_key(key) && self.of.get(key) == self.of.get(&inherited);
        self.unfilled.get(key).or_else(|| self.unfilled.get(&inherited).filter(|_| is_inherited))
    }

    pub(super) fn set(&mut self, key: &str, origin: &str) {
        self.of.insert(key.to_owned(), origin.to_owned());
    }

    pub(super) fn set_file(&mut self, flags: &Flags, file: &File, cwd: Option<&Path>) {
        self.unfilled.clone_from(&file.layer.unfilled);
        let Some(path) = file.read.as_ref().map(|read| &read.file) else { return };
        match cwd {
            _ if flags.config.is_some() => self.set("config", &flags.origin_of("config")),
            Some(cwd) if path.starts_with(cwd) => self.set("config", "found here"),
            Some(_) | None => self.set("config", "found above"),
        }
    }

    pub(super) fn set_table(&mut self, path: &str, table: &Table) {
        for (key, value) in table {
            let key = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            match &value.kind {
                ValueKind::Table(inner) => self.set_table(&key, inner),
                _ => self.set(&key, pools::origin(value)),
            }
        }
    }
}

/// One line of `config show`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Shown {
    /// `pools.mail.workers`
    pub key: String,
    /// With its unit.
    pub value: String,
    /// As in [`Origins`].
    pub origin: String,
}

/// Every key in force, in the order of the file.
#[must_use]
pub fn show(loaded: &Loaded) -> Vec<Shown> {
    let pools = loaded.config.pools.iter().flat_map(|pool| of_pool(loaded, pool));
    let processors = loaded.processors.iter().flat_map(|(name, table)| of_processor(loaded, name.as_str(), table));
    of_master(loaded).into_iter().chain(pools).chain(processors).collect()
}

/// Every key of a processor.
pub(super) fn of_processor(loaded: &Loaded, name: &str, table: &Table) -> Vec<Shown> {
    let mut lines = Vec::new();
    processor(&format!("processors.{name}"), table, &mut lines);
    with_origins(loaded, lines)
}

/// Every key of a pool.
pub(super) fn of_pool(loaded: &Loaded, pool: &PoolConfig) -> Vec<Shown> {
    let (path, mut lines) = (format!("pools.{}", pool.settings.name), Vec::new());
    identity(&path, pool, &mut lines);
    if let Some(service) = &pool.service {
        services::show(&path, service, pool.settings.kind, &mut lines);
    }
    limits(&path, &pool.settings.limits, &mut lines);
    if let Some(settings) = &pool.settings.autoscale {
        autoscale::show(&path, settings, &mut lines);
    }
    hooks(&path, &pool.settings.hooks, &mut lines);
    supervision(&path, &pool.settings, &mut lines);
    with_origins(loaded, lines)
}

/// Every key that is neither of a pool nor of a processor.
pub(super) fn of_master(loaded: &Loaded) -> Vec<Shown> {
    let (config, keep) = (&loaded.config, &loaded.config.keep);
    let file = config.file.as_ref().map_or_else(|| "none".to_owned(), |read| read.file.display().to_string());
    let mut lines = vec![
        ("config".to_owned(), file),
        ("database".to_owned(), config.database.to_string()),
        ("socket".to_owned(), config.socket.display().to_string()),
        ("socket_group".to_owned(), config.socket_group.clone().unwrap_or_else(|| "none".to_owned())),
        ("durability".to_owned(), config.durability.as_str().to_owned()),
        ("network_fs".to_owned(), if config.network_fs { "allow" } else { "refuse" }.to_owned()),
        ("shared_folder".to_owned(), if config.shared_folder { "allow" } else { "refuse" }.to_owned()),
        ("log_dir".to_owned(), config.logs_dir.display().to_string()),
        ("log_file_size".to_owned(), units::show_bytes(config.log_file_bytes)),
        ("log_files".to_owned(), config.log_files.to_string()),
        ("max_processes".to_owned(), config.together.cap.map_or_else(|| "off".to_owned(), |cap| cap.to_string())),
        ("drain".to_owned(), config.drain.to_string()),
        ("keep.succeeded".to_owned(), units::show_duration(keep.succeeded)),
        ("keep.dead".to_owned(), units::show_duration(keep.dead)),
        ("keep.runs".to_owned(), units::show_duration(keep.runs)),
        ("keep.audit".to_owned(), units::show_duration(keep.audit)),
        ("signals.hup".to_owned(), if config.hup_reloads { "reload" } else { "stop" }.to_owned()),
        ("health.max_wait".to_owned(), config.max_wait.map_or_else(|| "off".to_owned(), units::show_duration)),
        ("metrics.per_worker".to_owned(), config.metrics_per_worker.to_string()),
        (
            "telemetry.otlp".to_owned(),
            config.telemetry.collector.as_ref().map_or_else(|| "off".to_owned(), |collector| collector.url.clone()),
        ),
        ("telemetry.sample".to_owned(), config.telemetry.sample.to_string()),
        ("web.listen".to_owned(), config.web.shown_listen().unwrap_or_else(|| "off".to_owned())),
        ("web.hosts".to_owned(), config.web.hosts.join(", ")),
        ("web.base_path".to_owned(), config.web.shown_base().to_owned()),
        ("web.read_only".to_owned(), config.web.read_only.to_string()),
        ("web.redact".to_owned(), config.web.redact.join(", ")),
        ("web.auth".to_owned(), if config.web.by_proxy { "proxy" } else { "token" }.to_owned()),
        ("web.user_header".to_owned(), config.web.users.header.clone()),
        ("web.trusted".to_owned(), config.web.trusted.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("web.admins".to_owned(), config.web.users.admins.join(", ")),
        ("web.operators".to_owned(), config.web.users.operators.join(", ")),
        ("web.viewers".to_owned(), config.web.users.viewers.join(", ")),
        (
            "autoscale.max_processes".to_owned(),
            config.together.max_processes.map_or_else(|| "off".to_owned(), |most| most.to_string()),
        ),
        ("autoscale.share".to_owned(), config.together.share.as_str().to_owned()),
    ];
    limits("defaults", &config.defaults, &mut lines);
    hooks("defaults", &config.default_hooks, &mut lines);
    queues::show(&config.queues, &mut lines);
    with_origins(loaded, lines)
}

fn with_origins(loaded: &Loaded, lines: Vec<(String, String)>) -> Vec<Shown> {
    let shown = |(key, value): (String, String)| {
        let origin = loaded.origins.get(&key).to_owned();
        let unfilled = loaded.origins.unfilled_of(&key).filter(|_| origin.starts_with("file "));
        let value = unfilled.map_or(value, |words| show_command(words));
        Shown { key, value, origin }
    };
    lines.into_iter().map(shown).collect()
}

/// The keys that only a pool has, where they say something.
fn identity(path: &str, pool: &PoolConfig, lines: &mut Vec<(String, String)>) {
    let mut line = |key: &str, value: String| lines.push((format!("{path}.{key}"), value));
    let settings = &pool.settings;
    if settings.kind.serves_queues() {
        line("queues", show_queues(&settings.queues));
    }
    line("kind", settings.kind.as_str().to_owned());
    if !pool.command.is_empty() {
        line("command", show_command(&pool.command));
    }
    if let Some(cwd) = &pool.cwd {
        line("cwd", cwd.display().to_string());
    }
    for (name, _) in &pool.env {
        line(&format!("env.{}", name.display()), "(set)".into());
    }
    if matches!(settings.kind, PoolKind::Protocol | PoolKind::Service | PoolKind::Server) {
        line("ready", settings.ready.as_str().to_owned());
    }
    if let Some(umask) = pool.run_as.umask {
        line("umask", format!("{umask:03o}"));
    }
    if let Some(user) = &pool.run_as.user {
        line("user", user.clone());
    }
    if let Some(fd) = pool.protocol_fd {
        line("protocol_fd", fd.to_string());
    }
}

fn supervision(path: &str, settings: &PoolSettings, lines: &mut Vec<(String, String)>) {
    let Supervision { restart, needs, sidecars, .. } = &settings.supervision;
    for (key, names) in [("needs", needs), ("sidecars", sidecars)].into_iter().filter(|(_, names)| !names.is_empty()) {
        let names: Vec<&str> = names.iter().map(PoolName::as_str).collect();
        lines.push((format!("{path}.{key}"), names.join(", ")));
    }
    restart::show(path, restart, lines);
    if settings.kind != PoolKind::Exec {
        lines.push((format!("{path}.stop_signal"), settings.supervision.stop_signal.as_str().to_owned()));
    }
}

/// The settings in force of a processor.
fn processor(path: &str, table: &Table, lines: &mut Vec<(String, String)>) {
    for key in schema::PROCESSOR {
        let Some(value) = table.get(key.name) else { continue };
        let path = format!("{path}.{}", key.name);
        let value = match &value.kind {
            ValueKind::Table(env) => {
                lines.extend(env.keys().map(|name| (format!("{path}.{name}"), "(set)".to_owned())));
                continue;
            }
            ValueKind::Array(texts) if matches!(key.kind, Kind::Cron) => {
                texts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" | ")
            }
            ValueKind::Array(words) => show_command(&words.iter().map(ToString::to_string).collect::<Vec<_>>()),
            text if matches!(key.kind, Kind::Span(..)) => {
                units::duration(&text.to_string()).map_or_else(|text| text, units::show_duration)
            }
            text => text.to_string(),
        };
        lines.push((path, value));
    }
}

fn limits(path: &str, limits: &PoolLimits, lines: &mut Vec<(String, String)>) {
    let shown = |value: Option<String>| value.unwrap_or_else(|| "off".into());
    lines.extend(limits.shown().map(|(key, value)| (format!("{path}.{}", key.name), shown(value))));
}

fn hooks(path: &str, hooks: &Hooks, lines: &mut Vec<(String, String)>) {
    for (key, command) in [("on_dead", &hooks.on_dead), ("on_idle", &hooks.on_idle)] {
        let shown = if command.is_empty() { "off".to_owned() } else { show_command(command) };
        lines.push((format!("{path}.{key}"), shown));
    }
    lines.push((format!("{path}.hook_timeout"), units::show_duration(hooks.timeout)));
}

/// `high, mail` (in this order) or `high = 3, mail = 1`.
fn show_queues(queues: &QueueOrder) -> String {
    let names: Vec<String> = match queues {
        QueueOrder::Strict(names) => names.iter().map(ToString::to_string).collect(),
        QueueOrder::Weighted(weights) => weights.iter().map(|(name, weight)| format!("{name} = {weight}")).collect(),
    };
    names.join(", ")
}

/// Words with anything but plain characters are quoted, so that their ends can be seen.
fn show_command<S: AsRef<OsStr>>(words: &[S]) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,{}@%+$".contains(c);
    let words = words.iter().map(|word| {
        let text = word.as_ref().to_string_lossy();
        if !text.is_empty() && text.chars().all(plain) { text.into_owned() } else { format!("{text:?}") }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A commented file to start from, for `config init`: every key with its default, commented out, so that a later
/// change of a default reaches those who never chose one.
#[must_use]
pub fn template() -> &'static str {
    static TEMPLATE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        let is_value = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase());
        let lines = document::built_in_text().lines();
        lines.map(|line| if is_value(line) { format!("# {line}\n") } else { format!("{line}\n") }).collect()
    });
    &TEMPLATE
}
