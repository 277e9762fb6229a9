//! Which keys there are, and what each may hold.
//!
//! The limits of pools have their keys in [`crate::model::PoolLimits::KEYS`]. Knows nothing of files and layers; [`super::values`] does
//! the checking.

use std::time::Duration;

use super::{pools, services, telemetry, units, web};
use crate::model::autoscale::Budget;
use crate::model::key::{Inner, Key, Kind};
use crate::model::supervision::{Excess, Growth, RestartOn, StopSignal};
use crate::model::token::Token;
use crate::model::{EXEC, MOST_WORKERS, PoolLimits, QueueName, payload};
use crate::schedule::Zone;

const ANY_SPAN: Kind = Kind::Span(Duration::ZERO, units::LONGEST);

const MAX_PROCESSES: Key = Key::new("max_processes", Kind::Count(1, 1_000_000)).or("off");

/// The keys outside of any table.
pub(super) const TOP: &[Key] = &[
    Key::new("database", Kind::Store),
    Key::new("socket", Kind::Path),
    Key::new("socket_group", Kind::Group),
    Key::new("durability", Kind::Choice(&["full", "process"])),
    Key::new("network_fs", Kind::Choice(&["refuse", "allow"])),
    Key::new("shared_folder", Kind::Choice(&["refuse", "allow"])),
    Key::new("log_dir", Kind::Path),
    Key::new("log_file_size", Kind::Size(1 << 10)),
    Key::new("log_files", Kind::Count(1, 1000)),
    MAX_PROCESSES,
];

/// The tables.
pub(super) const TABLES: &[&str] = &[
    "keep",
    "signals",
    "health",
    "metrics",
    "telemetry",
    "web",
    "autoscale",
    "defaults",
    "pools",
    "queues",
    "processors",
];

/// The keys of `[keep]`.
pub(super) const KEEP: &[Key] = &[
    Key::new("succeeded", ANY_SPAN),
    Key::new("dead", ANY_SPAN),
    Key::new("runs", ANY_SPAN),
    Key::new("audit", ANY_SPAN),
];

/// The keys of `[signals]`.
pub(super) const SIGNALS: &[Key] = &[Key::new("hup", Kind::Choice(&["stop", "reload"]))];

/// The keys of `[health]`.
pub(super) const HEALTH: &[Key] =
    &[Key::new("max_wait", Kind::Span(Duration::from_millis(1), units::LONGEST)).or("off")];

/// The keys of `[metrics]`.
pub(super) const METRICS: &[Key] = &[Key::new("per_worker", Kind::Flag)];

/// The keys of `[telemetry]`.
pub(super) const TELEMETRY: &[Key] =
    &[Key::new("otlp", Kind::Text(telemetry::endpoint)).or("off"), Key::new("sample", Kind::Fraction)];

/// The keys of `[web]`.
pub(super) const WEB: &[Key] = &[
    Key::new("listen", Kind::Text(|text| web::listen(text).map(drop))).or("off"),
    Key::new("hosts", Kind::Texts(web::check_host)),
    Key::new("base_path", Kind::Text(web::check_base_path)),
    Key::new("read_only", Kind::Flag),
    Key::new("redact", Kind::Texts(web::check_pattern)),
    Key::new("auth", Kind::Choice(&["token", "proxy"])),
    Key::new("user_header", Kind::Text(web::check_header)),
    Key::new("trusted", Kind::Texts(web::check_trusted)),
    Key::new("admins", Kind::Texts(web::check_user)),
    Key::new("operators", Kind::Texts(web::check_user)),
    Key::new("viewers", Kind::Texts(web::check_user)),
];

/// The keys of `[autoscale]`.
pub(super) const TOGETHER: &[Key] = &[MAX_PROCESSES, Key::new("share", Kind::Choice(&["by_need", "by_priority"]))];

/// The keys of `[pools.NAME.autoscale]`.
pub(super) const AUTOSCALE: &[Key] = &[
    Key::new("min", Kind::Count(0, MOST_WORKERS as i64)),
    Key::new("max", Kind::Count(1, MOST_WORKERS as i64)),
    TARGET_WAIT,
    Key::new("target_cpu", Kind::Share(1.0)).or("off"),
    Key::new("cpu_max", Kind::Share(1.0)).or("off"),
    Key::new("memory_budget", Kind::Text(|text| text.parse::<Budget>().map(drop))).or("off"),
    Key::new("hold", ANY_SPAN),
    Key::new("step_up", Kind::Step).or("off"),
    Key::new("step_down", Kind::Step).or("off"),
    Key::new("schedule", Kind::Windows),
];

/// The keys of `[[pools.NAME.autoscale.schedule]]`.
pub(super) const WINDOW: &[Key] = &[
    Key::new("cron", Kind::Cron),
    Key::new("timezone", Kind::Text(|name| Zone::find(name).map(drop))),
    Key::new("for", Kind::Span(Duration::from_secs(1), units::LONGEST)),
    Key::new("min", Kind::Count(0, MOST_WORKERS as i64)),
    Key::new("max", Kind::Count(1, MOST_WORKERS as i64)),
];

const TARGET_WAIT: Key = Key::new("target_wait", Kind::Span(Duration::from_millis(1), units::LONGEST));

/// The words of flags on the scaling of pools.
pub(super) const AUTOSCALE_FLAGS: &[Key] = &[Key::new("autoscale", Kind::Autoscale), TARGET_WAIT];

/// The keys that only a pool has.
pub(super) const POOL: &[Key] = &[
    Key::new("queues", Kind::Queues),
    Key::new("command", Kind::Command),
    Key::new("kind", Kind::Choice(&["protocol", "exec", "opaque", "service"])),
    Key::new("cwd", Kind::Path),
    Key::new("env", Kind::Env),
    Key::new("ready", Kind::Choice(&["spawned", "message"])),
    Key::new("protocol_fd", Kind::Count(3, 9)),
    Key::new("autoscale", Kind::Autoscale).of_jobs(),
    Key::new("needs", Kind::Pools),
    Key::new("sidecars", Kind::Pools),
    Key::new("restart", Kind::Table(&RESTART)),
    Key::new("stop_signal", Kind::Text(|name| StopSignal::read(name).map(drop))),
    Key::new("umask", Kind::Text(|text| pools::umask(text).map(drop))),
    Key::new("user", Kind::Text(user)),
    Key::new("instances", Kind::Count(0, MOST_WORKERS as i64)).or("cpus"),
];

/// The keys that only a service has.
pub(super) const SERVICE: &[Key] = &[
    Key::new("listen", Kind::Listen),
    Key::new("listen_mode", Kind::Choice(&["gateway", "worker"])),
    Key::new("framing", Kind::Choice(&["auto", "lines", "once"])),
    Key::new("socket_mode", Kind::Text(|text| services::mode(text).map(drop))),
    Key::new("strategy", Kind::Text(services::check_strategy)),
    Key::new("sticky", Kind::Text(services::check_sticky)),
    Key::new("max_queue", Kind::Count(0, 1_000_000)),
    Key::new("max_queue_time", ANY_SPAN),
    Key::new("slow_call", ANY_SPAN),
    Key::new("init", Kind::Json),
    Key::new("version", Kind::Text(services::version)),
    Key::new("token", Kind::Text(|text| Token::new(text).map(drop))),
    Key::new("token_file", Kind::Path),
    Key::new("concurrency", Kind::Count(1, 1000)),
    Key::new("circuit", Kind::Table(&CIRCUIT)),
    Key::new("raw_idle", Kind::Span(Duration::from_millis(1), Duration::from_mins(1))),
];

static CIRCUIT: Inner = Inner {
    keys: &[
        Key::new("failures", Kind::Count(1, 1_000_000)),
        Key::new("open", Kind::Span(Duration::from_millis(1), units::LONGEST)),
        Key::new("probes", Kind::Count(1, 1000)),
    ],
    words: &["off"],
    example: "{ failures = 5, open = \"10s\", probes = 1 }",
};

static RESTART: Inner = Inner {
    keys: &[
        Key::new("on", Kind::Choice(RestartOn::WORDS)),
        Key::new("max", Kind::Count(0, 1000)).or("off"),
        Key::new("window", Kind::Span(Duration::from_millis(1), units::LONGEST)),
        Key::new("backoff", Kind::Choice(Growth::WORDS)),
        Key::new("initial", ANY_SPAN),
        Key::new("most", ANY_SPAN),
        Key::new("then", Kind::Choice(Excess::WORDS)),
    ],
    words: RestartOn::WORDS,
    example: "{ max = 10, window = \"1m\", then = \"stop\" }",
};

/// The keys of `[defaults]` about hooks, which every pool has too.
pub(super) const HOOKS: &[Key] = &[
    Key::new("on_dead", Kind::Command).or("off").of_jobs(),
    Key::new("on_idle", Kind::Command).or("off").of_jobs(),
    Key::new("hook_timeout", Kind::Span(Duration::from_millis(1), units::LONGEST)).of_jobs(),
];

/// The keys that a pool has in its own table only, and those that `[defaults]` has too.
pub(super) const OF_POOLS: [&[Key]; 4] = [POOL, SERVICE, HOOKS, PoolLimits::KEYS];

/// The keys of `[processors.NAME]`.
pub(super) const PROCESSOR: &[Key] = &[
    Key::new("description", Kind::Text(description)),
    Key::new("enabled", Kind::Flag),
    Key::new("every", ANY_SPAN),
    Key::new("every_from", Kind::Choice(&["end", "start"])),
    Key::new("sleep", ANY_SPAN),
    Key::new("cron", Kind::Cron),
    Key::new("timezone", Kind::Text(|name| Zone::find(name).map(drop))),
    Key::new("command", Kind::Command),
    Key::new("cwd", Kind::Path),
    Key::new("env", Kind::Env),
    Key::new("queue", Kind::Text(|name| QueueName::new(name).map(drop).map_err(|error| error.to_string()))),
    Key::new("type", Kind::Text(job_type)),
    Key::new("args", Kind::Json),
    Key::new("overlap", Kind::Choice(&["skip", "queue", "allow", "replace"])),
    Key::new("missed", Kind::Choice(&["once", "skip", "all"])),
    Key::new("missed_within", ANY_SPAN),
    Key::new("missed_max", Kind::Count(1, 10_000)),
    Key::new("jitter", Kind::Span(Duration::ZERO, Duration::from_hours(24))),
    Key::new("timeout", Kind::Span(Duration::from_millis(1), units::LONGEST)),
    Key::new("max_attempts", Kind::Count(1, 1_000_000)),
    Key::new("priority", Kind::Count(-100, 100)),
    Key::new("max_time", Kind::Span(Duration::from_millis(1), units::LONGEST)),
    Key::new("run_at_start", Kind::Flag),
    Key::new("keep_runs", ANY_SPAN),
];

fn user(written: &str) -> Result<(), String> {
    let is_name =
        |name: &str| !name.is_empty() && !name.contains(|c: char| c.is_control() || c.is_whitespace() || c == ':');
    let all = written.split(':').count() <= 2 && written.split(':').all(is_name);
    if all { Ok(()) } else { Err(format!("{written:?} is no user; write \"www-data\" or \"www-data:www-data\"")) }
}

fn description(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) { Err("write it in one line".to_owned()) } else { Ok(()) }
}

fn job_type(kind: &str) -> Result<(), String> {
    if kind == EXEC {
        return Err(format!("a job of type `{EXEC}` is a command; write `command` instead"));
    }
    payload::check_type(kind).map_err(|error| error.to_string())
}

/// The key of this name among these.
pub(super) fn find(keys: &[&'static [Key]], name: &str) -> Option<Key> {
    keys.iter().flat_map(|list| list.iter()).find(|key| key.name == name).copied()
}

/// The nearest of these names, if it is near enough to be a slip.
pub(super) fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = known.map(|k| (strsim::damerau_levenshtein(&name.to_lowercase(), k), k));
    let (distance, best) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1.max(best.len() / 3)).then_some(best)
}
