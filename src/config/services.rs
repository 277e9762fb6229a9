//! How a service is to be, from the table of its pool.
//!
//! The table lies over the defaults below. Invariant: a pool has a service exactly where its kind says so.

use std::path::{Path, PathBuf};

use config::{Value, ValueKind};

use super::document::Table;
use super::load::Layers;
use super::paths::absolute;
use super::pools::folder;
use super::{raw, units};
use crate::model::listen::Address;
use crate::model::service::{Circuit, Framing, ServiceSettings, StickyKey, Strategy};
use crate::model::token::Token;
use crate::model::{PoolKind, ReadyWhen};

/// The defaults of a service. The keys that all pools have are among them where they mean calls.
const DEFAULTS: [(&str, &str); 10] = [
    ("timeout", "30s"),
    ("listen_mode", "gateway"),
    ("framing", "auto"),
    ("socket_mode", "0600"),
    ("max_queue", "1000"),
    ("max_queue_time", "30s"),
    ("slow_call", "1s"),
    ("concurrency", "1"),
    ("circuit", "off"),
    ("raw_idle", "50ms"),
];
const CIRCUIT_DEFAULTS: [(&str, &str); 3] = [("failures", "5"), ("open", "10s"), ("probes", "1")];
/// The longest that workers are told first, as it goes to the gateway in one piece with the rest.
const MOST_INIT_BYTES: usize = 64 * 1024;
/// Permissions that the owner of a socket keeps.
const OF_OWNER: u32 = 0o600;

/// Keys about calls, which do not come to us where workers listen themselves.
pub(super) const OF_CALLS: [&str; 13] = [
    "framing",
    "strategy",
    "sticky",
    "max_queue",
    "max_queue_time",
    "init",
    "version",
    "token",
    "token_file",
    "slow_call",
    "concurrency",
    "circuit",
    "raw_idle",
];

/// A service, and where it listens; where its workers do that themselves, the rest is as it is by default.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceConfig {
    pub settings: ServiceSettings,
    pub listen: Vec<Address>,
    pub framing: Framing,
    /// Permissions of its sockets in the file system.
    pub socket_mode: u32,
    /// Where its token is, if that is in a file.
    pub token_file: Option<PathBuf>,
}

/// Whether the table of a pool says that it is a service.
pub(super) fn is_service(table: &Table) -> bool {
    raw::text(table, "kind") == Ok("service")
}

/// Lays the table of a service over the defaults; `said`: whether the pool itself has this key, as `[defaults]` speaks of
/// jobs.
pub(super) fn complete(table: &mut Table, said: impl Fn(&str) -> bool) {
    for (key, text) in DEFAULTS {
        if !said(key) {
            table.insert(key.to_owned(), Value::new(None, text));
        }
    }
    if !said("ready") {
        let when = if workers_listen(table) { ReadyWhen::Spawned } else { ReadyWhen::Message };
        table.insert("ready".to_owned(), Value::new(None, when.as_str()));
    }
}

fn workers_listen(table: &Table) -> bool {
    raw::text(table, "listen_mode") == Ok("worker")
}

/// The kind of a pool whose table says this one.
pub(super) fn kind(said: PoolKind, table: &Table) -> PoolKind {
    if said == PoolKind::Service && workers_listen(table) { PoolKind::Server } else { said }
}

/// The service that a complete table describes.
pub(super) fn of_pool(table: &Table, layers: &Layers<'_>) -> Result<ServiceConfig, String> {
    let text = |key| raw::text(table, key).ok();
    let sticky = text("sticky");
    let strategy = text("strategy").map_or_else(
        || Ok(if sticky.is_some() { Strategy::Sticky } else { Strategy::LeastLoaded }),
        |name| strategy(name).ok_or_else(|| format!("`strategy` is {name}")),
    )?;
    let token_file = text("token_file").map(|path| absolute(folder(layers), Path::new(path)));
    let token = token_file.as_deref().map_or_else(|| text("token").map(Token::new), |file| Some(token_in(file)));
    Ok(ServiceConfig {
        settings: ServiceSettings {
            strategy,
            sticky: sticky.map_or(StickyKey::Peer, sticky_key),
            max_queue: raw::value(table, "max_queue")?,
            max_queue_time: raw::value(table, "max_queue_time")?,
            timeout: raw::value(table, "timeout")?,
            slow_call: raw::value(table, "slow_call")?,
            concurrency: raw::value(table, "concurrency")?,
            circuit: circuit(table)?,
            init: text("init").map(serde_json::from_str).transpose().map_err(|e| e.to_string())?,
            version: text("version").map(str::to_owned),
            // The rules name a file that cannot be read.
            token: token.and_then(Result::ok),
            raw_idle: raw::value(table, "raw_idle")?,
            slots: std::collections::BTreeSet::new(),
            absence: None,
        },
        listen: listen(table, layers)?,
        framing: match raw::text(table, "framing")? {
            "lines" => Framing::Lines,
            "once" => Framing::Once,
            _ => Framing::Auto,
        },
        socket_mode: mode(raw::text(table, "socket_mode")?)?,
        token_file,
    })
}

impl ServiceConfig {
    /// A service that is added at run time, whose paths are absolute.
    pub fn spawned(
        listen: &[String],
        strategy_name: Option<&str>,
        init: Option<serde_json::Value>,
        version: Option<String>,
    ) -> Result<Self, String> {
        let strategy = match strategy_name {
            None => Strategy::default(),
            Some(name) => check_strategy(name).map(|()| strategy(name).unwrap_or_default())?,
        };
        let address = |text: &String| {
            let at = Address::read(text)?;
            at.check_length().and_then(|()| check_reach(&at, PoolKind::Service, false)).map(|()| at)
        };
        let listen = listen.iter().map(address).collect::<Result<_, _>>()?;
        check_init(init.as_ref())?;
        let settings = ServiceSettings { strategy, init, version, ..ServiceSettings::default() };
        Ok(Self { settings, listen, framing: Framing::Auto, socket_mode: OF_OWNER, token_file: None })
    }

    /// Whether one of these places is taken by the other.
    #[must_use]
    pub fn shares_place(&self, other: &Self) -> Option<&Address> {
        self.listen.iter().find(|mine| other.listen.iter().any(|theirs| theirs.place == mine.place))
    }
}

/// Whether nobody but this machine reaches what calls are taken from without asking who calls.
pub(super) fn check_reach(address: &Address, kind: PoolKind, has_token: bool) -> Result<(), String> {
    if kind == PoolKind::Server || has_token || !address.is_http_for_all() {
        return Ok(());
    }
    Err(format!(
        "`{address}` can be reached from other machines, and there is no `token` to keep strangers out; set `token_file`, or \
         use 127.0.0.1"
    ))
}

/// The token that stands in this file.
pub(super) fn token_in(file: &Path) -> Result<Token, String> {
    let shown = file.display();
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    Token::new(&text).map_err(|why| format!("`{shown}`: {why}"))
}

/// Whether what workers are told first is not too much.
pub(super) fn check_init(init: Option<&serde_json::Value>) -> Result<(), String> {
    match init.map_or(0, |init| init.to_string().len()) {
        0..=MOST_INIT_BYTES => Ok(()),
        bytes => Err(format!("`init` has {bytes} bytes as JSON; the most is {MOST_INIT_BYTES}")),
    }
}

/// The strategy of this name, by which it is known here or elsewhere.
pub(super) fn strategy(name: &str) -> Option<Strategy> {
    Some(match name {
        "least-loaded" | "least-connections" => Strategy::LeastLoaded,
        name if name == "weighted" || name.starts_with("weighted-") => Strategy::LeastLoaded,
        "round-robin" => Strategy::RoundRobin,
        "random" => Strategy::Random,
        "two-choices" | "power-of-two" => Strategy::TwoChoices,
        "fastest" | "least-response-time" | "latency" | "adaptive" => Strategy::Fastest,
        "sticky" | "ip-hash" => Strategy::Sticky,
        _ => return None,
    })
}

pub(super) fn check_strategy(name: &str) -> Result<(), String> {
    strategy(name).map(drop).ok_or_else(|| {
        format!(
            "there is no strategy `{name}`; use `least-loaded`, `round-robin`, `random`, `two-choices`, `fastest` or \
             `sticky`"
        )
    })
}

pub(super) fn check_sticky(key: &str) -> Result<(), String> {
    if key == "peer" || key.starts_with('/') {
        return Ok(());
    }
    Err(format!("`{key}` is no key; write \"peer\", or where it is in a request, such as \"/parameters/user\""))
}

fn sticky_key(text: &str) -> StickyKey {
    if text == "peer" { StickyKey::Peer } else { StickyKey::Pointer(text.to_owned()) }
}

/// Reads `0660`.
pub(super) fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| mode & !0o666 == 0 && mode & OF_OWNER == OF_OWNER);
    mode.ok_or_else(|| format!("`{text}` is no mode of a socket; write \"0600\", \"0660\" or \"0666\""))
}

pub(super) fn version(text: &str) -> Result<(), String> {
    if text.is_empty() || text.chars().any(char::is_control) { Err("write a version".to_owned()) } else { Ok(()) }
}

fn circuit(table: &Table) -> Result<Option<Circuit>, String> {
    let Some(said) = table.get("circuit").and_then(|value| value.clone().into_table().ok()) else { return Ok(None) };
    let mut all: Table =
        CIRCUIT_DEFAULTS.iter().map(|(key, text)| ((*key).to_owned(), Value::new(None, *text))).collect();
    all.extend(said);
    let (failures, open) = (raw::value(&all, "failures")?, raw::value(&all, "open")?);
    Ok(Some(Circuit { failures, open, probes: raw::value(&all, "probes")? }))
}

fn listen(table: &Table, layers: &Layers<'_>) -> Result<Vec<Address>, String> {
    let Some(ValueKind::Array(all)) = table.get("listen").map(|value| &value.kind) else { return Ok(Vec::new()) };
    all.iter().map(|one| Address::read(&one.to_string()).map(|address| address.below(folder(layers)))).collect()
}

/// Lines of `config show`; what workers are told is not shown, as secrets may be in it.
pub(super) fn show(path: &str, service: &ServiceConfig, kind: PoolKind, lines: &mut Vec<(String, String)>) {
    let ServiceConfig { settings, listen, framing, socket_mode, token_file } = service;
    let mut line = |key: &str, value: String| lines.push((format!("{path}.{key}"), value));
    line("listen", listen.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    line("listen_mode", kind.listen_mode().unwrap_or_default().to_owned());
    line("socket_mode", format!("{socket_mode:04o}"));
    if kind == PoolKind::Server {
        return;
    }
    line("framing", word(framing));
    line("strategy", word(settings.strategy));
    if settings.strategy == Strategy::Sticky {
        let key = match &settings.sticky {
            StickyKey::Peer => "peer",
            StickyKey::Pointer(pointer) => pointer,
        };
        line("sticky", key.to_owned());
    }
    line("max_queue", settings.max_queue.to_string());
    line("max_queue_time", units::show_duration(settings.max_queue_time));
    line("concurrency", settings.concurrency.to_string());
    match settings.circuit {
        None => line("circuit", "off".to_owned()),
        Some(Circuit { failures, open, probes }) => {
            line("circuit.failures", failures.to_string());
            line("circuit.open", units::show_duration(open));
            line("circuit.probes", probes.to_string());
        }
    }
    if settings.init.is_some() {
        line("init", "(set)".to_owned());
    }
    if let Some(version) = &settings.version {
        line("version", version.clone());
    }
    match token_file {
        Some(file) => line("token_file", file.display().to_string()),
        None if settings.token.is_some() => line("token", "(set)".to_owned()),
        None => {}
    }
    line("raw_idle", units::show_duration(settings.raw_idle));
}

/// The word that a value is written by.
fn word(value: impl serde::Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}
