//! The processors of the file, and the pool that runs those that are commands.
//!
//! Each is its own table over the defaults below; neither flags nor variables say anything of processors.
//! Invariant: settings come only of a table in which nothing is wrong, alone or together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use config::{Value, ValueKind};

use super::document::{Layer, Table};
use super::load::Layers;
use super::paths::absolute;
use super::problem::Problem;
use super::raw::{self, RawProcessor};
use super::rules::in_file;
use super::show::Origins;
use super::{Config, pools, units};
use crate::model::processor::{PROCESSORS, ProcessorSettings, Timing};
use crate::model::{EXEC, ExecArgs, NewJob, OsText, ProcessorName, QueueName, Takes};
use crate::schedule::{Calendar, LOCAL, Zone};

const DEFAULTS: [(&str, &str); 13] = [
    ("enabled", "true"),
    ("every_from", "end"),
    ("sleep", "0s"),
    ("timezone", LOCAL),
    ("overlap", "skip"),
    ("missed", "once"),
    ("missed_within", "1d"),
    ("missed_max", "100"),
    ("jitter", "0s"),
    ("timeout", "1h"),
    ("max_attempts", "1"),
    ("priority", "0"),
    ("run_at_start", "false"),
];

/// Below this a worker that goes on by itself is the better way.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// The most workers of the pool that is made for processors.
const MOST_WORKERS: usize = 64;

/// Keys that exclude one another.
const EITHER: [(&str, &str); 4] = [("cron", "every"), ("queue", "command"), ("type", "command"), ("args", "command")];

/// Keys that mean nothing without another one.
const NEEDS: [(&str, &str); 8] = [
    ("every_from", "every"),
    ("timezone", "cron"),
    ("queue", "type"),
    ("type", "queue"),
    ("args", "type"),
    ("cwd", "command"),
    ("env", "command"),
    ("max_time", "command"),
];

/// The processors of a file.
#[derive(Default)]
pub(super) struct Processors {
    pub(super) settings: Vec<ProcessorSettings>,
    /// The keys in force of each.
    pub(super) tables: Vec<(ProcessorName, Table)>,
}

/// All of them, in the order of the file.
pub(super) fn all(layers: &Layers<'_>, origins: &mut Origins, problems: &mut Vec<Problem>) -> Processors {
    let defaults: Table = DEFAULTS
        .iter()
        .map(|(key, text)| ((*key).to_owned(), Value::new(Some(&"default".to_owned()), *text)))
        .collect();
    let (mut all, mut calendars) = (Processors::default(), Calendars::new());
    for (name, own) in &layers.file.layer.processors {
        let one = One { layers, name, path: format!("processors.{name}") };
        let before = problems.len();
        one.contradictions(problems);
        if problems.len() > before || one.is_refused() {
            continue;
        }
        let mut table = defaults.clone();
        table.extend(own.iter().map(|(key, value)| (key.clone(), value.clone())));
        match one.settings(&mut table, &mut calendars) {
            Ok(settings) => {
                origins.set_table(&one.path, &table);
                all.settings.push(settings);
                all.tables.push((name.clone(), table));
            }
            Err((key, message)) => problems.push(one.problem(key, message)),
        }
    }
    all
}

/// The wishes of the processors that are commands for the pool that runs them: a worker for each, and the shortest of their
/// `max_time`.
pub(super) fn of_pool(file: &Layer) -> Table {
    let commands = || file.processors.iter().map(|(_, table)| table).filter(|table| table.contains_key("command"));
    let mut of_pool = Table::new();
    if commands().next().is_some() {
        let workers = commands().count().min(MOST_WORKERS).to_string();
        of_pool.insert("workers".to_owned(), Value::new(Some(&"number of processors".to_owned()), workers));
        // None is to wait for another.
        of_pool.insert("max_workers".to_owned(), Value::new(None, "off"));
        let ages = commands().filter_map(|table| table.get("max_time"));
        let shortest = ages.min_by_key(|age| units::duration(&age.to_string()).unwrap_or(Duration::MAX));
        of_pool.extend(shortest.map(|age| ("max_time".to_owned(), age.clone())));
    }
    of_pool
}

/// A pool `processors` of the file that does not run the commands of processors.
pub(super) fn pool_problems(config: &Config, layers: &Layers<'_>) -> Vec<Problem> {
    let is_wrong = |pool: &&super::PoolConfig| {
        let settings = &pool.settings;
        settings.name.as_str() == PROCESSORS
            && !(settings.takes == Takes::Commands && settings.queues.names().any(|queue| queue.as_str() == PROCESSORS))
    };
    if layers.of_processors.is_empty() || !config.pools.iter().any(|pool| is_wrong(&pool)) {
        return Vec::new();
    }
    let message = "the pool `processors` runs the commands of processors, from the queue of its name; leave out `queues`, \
                   `kind` and `command`, or give the pool another name";
    vec![match layers.flags.names_pools() {
        true if !layers.flags.command.is_empty() => Problem::with_key("--", message),
        true => layers.flags.problem("queue", message),
        false => in_file(layers, &["pools.processors"], message.to_owned()),
    }]
}

/// Warnings: allowed, but probably not meant.
pub(super) fn warnings(config: &Config, layers: &Layers<'_>) -> Vec<Problem> {
    let mut warnings = Vec::new();
    let tables = layers.file.layer.processors.iter();
    let is_local =
        |own: &Table| own.contains_key("cron") && own.get("timezone").is_none_or(|zone| zone.to_string() == LOCAL);
    if let Some((name, _)) = tables.clone().find(|(_, own)| is_local(own))
        && Zone::find(LOCAL).is_ok_and(|zone| zone.is_assumed)
    {
        let message = "this machine says no time zone, so the schedule is in UTC; say one with `timezone`";
        warnings.push(in_file(layers, &[&format!("processors.{name}.cron")], message.to_owned()));
    }
    for processor in &config.processors {
        let Some(job) = &processor.job else { continue };
        let (queue, kind) = (&job.queue, &job.kind);
        let mut pools = config.pools.iter().map(|pool| &pool.settings);
        if !pools.any(|pool| pool.takes.may_run(kind) && pool.queues.names().any(|name| name == queue)) {
            let message = format!(
                "no pool runs jobs of type `{kind}` from the queue `{queue}`; write one with `queues = [\"{queue}\"]` \
                 and a `command`"
            );
            warnings.push(in_file(layers, &[&format!("processors.{}.queue", processor.name)], message));
        }
    }
    warnings
}

/// A processor as the file has it.
struct One<'a> {
    layers: &'a Layers<'a>,
    name: &'a ProcessorName,
    path: String,
}

/// Calendars made so far, by their schedule in words: equal ones are shared, as each takes 5 KiB.
type Calendars = BTreeMap<String, Arc<Calendar>>;

/// A key, and what is wrong with it.
type Wrong = (&'static str, String);

impl One<'_> {
    /// Whether the file says this key, rightly or not.
    fn says(&self, key: &str) -> bool {
        self.layers.file.layer.places.contains_key(&format!("{}.{key}", self.path))
    }

    /// Whether any of its keys was refused by itself.
    fn is_refused(&self) -> bool {
        let refused = &self.layers.file.layer.refused;
        let inner = format!("{}.", self.path);
        refused.contains(&self.path) || refused.range(inner.clone()..).next().is_some_and(|key| key.starts_with(&inner))
    }

    fn problem(&self, key: &str, message: String) -> Problem {
        in_file(self.layers, &[&format!("{}.{key}", self.path), &self.path], message)
    }

    fn contradictions(&self, problems: &mut Vec<Problem>) {
        let mut refuse = |key: &str, message: String| problems.push(self.problem(key, message));
        let mut one_of_both = false;
        for (key, other) in EITHER {
            if self.says(key) && self.says(other) {
                refuse(key, format!("`{key}` and `{other}` exclude one another; leave one of them out"));
                one_of_both = true;
            }
        }
        if self.says("max_time") && self.says("queue") {
            let next = "write it in the pool that serves the queue";
            refuse("max_time", format!("`max_time` is the age of workers, which a job of a queue shares; {next}"));
        }
        if one_of_both {
            return;
        }
        for (key, other) in NEEDS {
            if self.says(key) && !self.says(other) && !(key == "max_time" && self.says("queue")) {
                refuse(key, format!("`{key}` means nothing without `{other}`; write `{other}`, too, or leave it out"));
            }
        }
        let is_job = self.says("command") || self.says("queue") || self.says("type");
        for key in ["every", "cron", "run_at_start"] {
            if self.says(key) && !is_job {
                let next = "write `command`, or `queue` and `type`";
                refuse(key, format!("`{key}` has nothing to run; {next}, or leave it out where runs begin elsewhere"));
            }
        }
    }

    fn settings(&self, table: &mut Table, calendars: &mut Calendars) -> Result<ProcessorSettings, Wrong> {
        let raw: RawProcessor = raw::keys(table).map_err(|why| ("", format!("BUG: {why}")))?;
        let (timing, schedule, timezone) = self.timing(&raw, table, calendars)?;
        let span = |key| Ok::<_, Wrong>(span(table, key)?.unwrap_or_default());
        Ok(ProcessorSettings {
            name: self.name.clone(),
            description: text(table, "description").unwrap_or_default(),
            enabled: raw.enabled,
            timing,
            schedule,
            timezone,
            sleep: span("sleep")?,
            overlap: raw.overlap,
            missed: raw.missed,
            missed_within: span("missed_within")?,
            missed_max: raw.missed_max,
            jitter: span("jitter")?,
            run_at_start: raw.run_at_start,
            keep_runs: self::span(table, "keep_runs")?,
            timeout: span("timeout")?,
            job: self.job(&raw, table)?,
        })
    }

    /// When it runs, in words, too, and the zone of that. What means nothing for it goes from the table.
    fn timing(
        &self,
        raw: &RawProcessor,
        table: &mut Table,
        calendars: &mut Calendars,
    ) -> Result<(Timing, String, Option<String>), Wrong> {
        let from_start = text(table, "every_from").is_some_and(|from| from == "start");
        let (every, sleep) = (span(table, "every")?, span(table, "sleep")?.unwrap_or_default());
        let unused = |table: &mut Table, keys: &[&str]| table.retain(|key, _| !keys.contains(&key.as_str()));
        if let Some(every) = every {
            check_interval(every, sleep, from_start)?;
            unused(table, &["timezone"]);
            let text = format!("every {}", units::show_duration(every));
            return Ok(if from_start {
                (Timing::Grid(every), format!("{text} from start"), None)
            } else {
                (Timing::Every(every), text, None)
            });
        }
        unused(table, &["every_from"]);
        let Some(expressions) = &raw.cron else {
            unused(table, &["timezone"]);
            return Ok((Timing::External, "none".to_owned(), None));
        };
        let asked = text(table, "timezone").unwrap_or_default();
        let key = if self.says("timezone") { "timezone" } else { "cron" };
        let zone = Zone::find(&asked).map_err(|why| (key, why))?;
        if asked != zone.name {
            show_as(table, "timezone", format!("{asked} ({})", zone.name));
        }
        let (name, text) = (zone.name.clone(), format!("{} ({})", expressions.join(" | "), zone.name));
        if !calendars.contains_key(&text) {
            let calendar = Calendar::new(expressions.iter().map(String::as_str), zone).map_err(|why| ("cron", why))?;
            calendars.insert(text.clone(), Arc::new(calendar));
        }
        let calendar = calendars[&text].clone();
        Ok((Timing::Calendar(calendar), text, Some(name)))
    }

    /// The job of each of its runs.
    fn job(&self, raw: &RawProcessor, table: &mut Table) -> Result<Option<NewJob>, Wrong> {
        let (command, cwd) = self.command(raw, table);
        let mut job = match (command, text(table, "type")) {
            (Some(argv), _) => NewJob::new(EXEC, exec(&argv, cwd, &raw.env)),
            (None, Some(kind)) => NewJob::new(kind, text(table, "args").unwrap_or_else(|| "null".to_owned())),
            (None, None) => return Ok(None),
        };
        let queue = text(table, "queue").unwrap_or_else(|| PROCESSORS.to_owned());
        job.queue = QueueName::new(&queue).map_err(|error| ("queue", error.to_string()))?;
        job.timeout = span(table, "timeout")?;
        job.max_attempts = Some(raw.max_attempts);
        job.priority = raw.priority;
        Ok(Some(job))
    }

    /// The command with its folder, relative to the file; shown so, too.
    fn command(&self, raw: &RawProcessor, table: &mut Table) -> (Option<Vec<OsText>>, Option<OsText>) {
        let folder = pools::folder(self.layers);
        let cwd = raw.cwd.as_ref().map(|cwd| absolute(folder, Path::new(cwd)));
        if let Some(cwd) = &cwd {
            show_as(table, "cwd", cwd.display().to_string());
        }
        let argv = raw.command.clone().map(|words| pools::command(folder, words));
        if let Some(argv) = &argv {
            show_as(table, "command", argv.iter().map(|word| word.display().to_string()).collect::<Vec<_>>());
        }
        let argv = argv.map(|argv| argv.iter().map(|word| OsText::from(&**word)).collect());
        (argv, cwd.map(|cwd| OsText::from(cwd.as_os_str())))
    }
}

/// The args of a job that is a command, as `push -- CMD` makes them.
fn exec(argv: &[OsText], cwd: Option<OsText>, env: &BTreeMap<String, String>) -> String {
    let env: BTreeMap<_, _> = env.iter().map(|(name, value)| (name.clone(), OsText::from(value.as_str()))).collect();
    let env = (!env.is_empty()).then_some(env);
    let exec =
        ExecArgs { argv: argv.into(), cwd: cwd.map(std::borrow::Cow::Owned), env: env.map(std::borrow::Cow::Owned) };
    serde_json::to_string(&exec).unwrap_or_default()
}

fn check_interval(every: Duration, sleep: Duration, from_start: bool) -> Result<(), Wrong> {
    let least = units::show_duration(LEAST_INTERVAL);
    let is = units::show_duration(every);
    let pause = if every.is_zero() && !from_start { sleep } else { every };
    if pause >= LEAST_INTERVAL {
        return Ok(());
    }
    let next = format!("or \"0s\" with a `sleep` of at least {least}, for a run as soon as the one before is over");
    Err(if from_start {
        ("every", format!("`every` is {is}; the least is {least} where it counts from the start"))
    } else {
        ("every", format!("`every` is {is}; the least is {least}, {next}"))
    })
}

fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key).map(ToString::to_string)
}

fn span(table: &Table, key: &'static str) -> Result<Option<Duration>, Wrong> {
    text(table, key).map(|text| units::duration(&text)).transpose().map_err(|why| (key, why))
}

/// Another value with the same origin.
fn show_as(table: &mut Table, key: &str, shown: impl Into<ValueKind>) {
    let origin = table.get(key).and_then(|value| value.origin().map(ToOwned::to_owned));
    table.insert(key.to_owned(), Value::new(origin.as_ref(), shown));
}
