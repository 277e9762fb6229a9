//! config/horizon.php and config/queue.php of Laravel: workers of `queue:work` in place of Horizon's, on the same queue.
//!
//! The jobs stay where they are, so the workers are opaque; docs/migrating.md says what follows when they move.

use std::path::Path;

use toml::Value;

use super::super::command_line;
use super::super::draft::{Draft, Section};
use super::super::php::{self, Php};
use super::super::{Broken, Source, Surroundings};
use super::{broken, folder_of};

/// Settings of a supervisor that `queue:work` has an option for.
const OPTIONS: [(&str, &str); 9] = [
    ("tries", "--tries"),
    ("timeout", "--timeout"),
    ("memory", "--memory"),
    ("sleep", "--sleep"),
    ("backoff", "--backoff"),
    ("rest", "--rest"),
    ("maxJobs", "--max-jobs"),
    ("maxTime", "--max-time"),
    ("workersName", "--name"),
];
/// The environment that is meant where a file has several.
const ENVIRONMENT: &str = "production";

pub(in super::super) fn read(sources: &[Source], here: Surroundings<'_>, draft: &mut Draft) -> Result<(), Broken> {
    draft.let_workers_live();
    let has_horizon = sources.iter().any(|source| source.name.ends_with("horizon.php"));
    for source in sources {
        let file = php::read(&source.text).map_err(|fault| broken(source, fault))?;
        let folder = folder_of(source, here);
        let folder = folder.parent().filter(|_| folder.ends_with("config")).map(Path::to_owned);
        let app = App { folder: folder.map(|folder| folder.to_string_lossy().into_owned()) };
        if file.get("connections").is_some() {
            app.connections(&file, has_horizon, draft);
        } else if file.get("environments").is_some() || file.get("defaults").is_some() {
            app.horizon(&file, draft);
        } else {
            return Err(broken(source, (1, "it has neither `environments` nor `connections`".to_owned())));
        }
    }
    Ok(())
}

/// The application that the files belong to.
struct App {
    /// Where `artisan` is.
    folder: Option<String>,
}

impl App {
    fn horizon(&self, file: &Php, draft: &mut Draft) {
        for (key, value) in file.entries().filter(|(key, _)| !matches!(*key, "environments" | "defaults")) {
            let written = format!("{key} => {}", value.shown());
            let top = draft.top();
            match key {
                "domain" | "path" | "middleware" | "name" => {
                    top.change(written, "[web] shows a page, see `queue-work web`", ());
                }
                "use" | "prefix" => top.change(written, "it stays with Laravel, which keeps the jobs", ()),
                "trim" => top.change(written, "[keep] says how long workers and runs are on record", ()),
                "fast_termination" | "memory_limit" | "metrics" | "silenced" | "silenced_tags" | "proxy_path" => {
                    top.change(written, "there is no need of it", ());
                }
                "waits" => top.lose(written, "`max_wait` in [health] watches queues that are here"),
                _ => top.lose(written, "it is not known here"),
            }
        }
        let none = Php::Array(Vec::new());
        let (environments, defaults) =
            (file.get("environments").unwrap_or(&none), file.get("defaults").unwrap_or(&none));
        let chosen =
            environments.get(ENVIRONMENT).map(|_| ENVIRONMENT).or(environments.entries().next().map(|(key, _)| key));
        for (key, _) in environments.entries().filter(|(key, _)| Some(*key) != chosen) {
            let why = format!(
                "`{}` is what it is for; import a file with this one alone for another configuration",
                chosen.unwrap_or_default()
            );
            draft.top().lose(format!("environments => {key}"), why);
        }
        let own = chosen.and_then(|chosen| environments.get(chosen)).unwrap_or(&none);
        let named = defaults.entries().chain(own.entries().filter(|(key, _)| defaults.get(key).is_none()));
        for (name, _) in named {
            let keys = merged(defaults.get(name).unwrap_or(&none), own.get(name).unwrap_or(&none));
            self.supervisor(name, &keys, draft);
        }
    }

    /// One pool, or one for each queue where Horizon balances them.
    fn supervisor(&self, name: &str, keys: &[(&str, &Php)], draft: &mut Draft) {
        let said = |key: &str| keys.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let queues = said("queue").map_or_else(|| vec!["default".to_owned()], queues);
        let most = said("maxProcesses").or(said("processes"));
        let balances = !matches!(said("balance"), None | Some(Php::Bool(false))) && queues.len() > 1;
        let share = match most {
            Some(Php::Int(most)) if balances => {
                Some(Value::from(most.saturating_add(queues.len() as i64 - 1) / queues.len() as i64))
            }
            _ => None,
        };
        let (pools, workers) = match share {
            Some(share) => (queues.iter().map(|queue| (format!("{name}-{queue}"), queue.clone())).collect(), share),
            None => (vec![(name.to_owned(), queues.join(","))], most.map_or_else(|| 1.into(), number)),
        };
        for (index, (pool, queue)) in pools.into_iter().enumerate() {
            let mut section = draft.section("pools", &pool);
            if index == 0 {
                for (key, value) in keys {
                    fate(&mut section, key, value, balances && share_is_whole(most));
                }
            } else {
                section.add(format!("as the pool before it, for `{queue}`"), ());
            }
            self.worker(&mut section, &said, &queue, workers.clone());
            draft.sections.push(section);
        }
    }

    fn worker<'p>(&self, section: &mut Section, said: &impl Fn(&str) -> Option<&'p Php>, queue: &str, workers: Value) {
        let mut argv: Vec<String> = Vec::new();
        if let Some(nice) = said("nice").and_then(Php::text).filter(|nice| nice != "0") {
            argv.extend(["nice".to_owned(), "-n".to_owned(), nice]);
        }
        argv.extend(["php", "artisan", "queue:work"].map(str::to_owned));
        argv.push(said("connection").and_then(Php::text).unwrap_or_else(|| "redis".to_owned()));
        argv.push(format!("--queue={queue}"));
        for (key, option) in OPTIONS {
            argv.extend(said(key).and_then(Php::text).map(|value| format!("{option}={value}")));
        }
        if said("force") == Some(&Php::Bool(true)) {
            argv.push("--force".to_owned());
        }
        let command = command_line::filled_argv(argv);
        section.add("", [("kind", "opaque".into()), ("workers", workers), ("command", command)]);
        if let Some(folder) = &self.folder {
            section.add("", ("cwd", folder.as_str()));
        }
        // A worker that is told to leave finishes its job, which may take as long as its timeout.
        let timeout =
            said("timeout").and_then(|timeout| if let Php::Int(seconds) = timeout { Some(*seconds) } else { None });
        section.add("", ("grace", format!("{}s", timeout.unwrap_or(60).max(30))));
    }

    /// queue.php: the connection that is the default.
    fn connections(&self, file: &Php, has_horizon: bool, draft: &mut Draft) {
        let default = match file.get("default") {
            Some(Php::Env(_, Some(default))) => default.text(),
            Some(other) => other.text(),
            None => None,
        };
        for (key, value) in file.entries().filter(|(key, _)| *key != "connections") {
            let written = format!("{key} => {}", value.shown());
            draft.top().change(written, "it stays with Laravel, which keeps the jobs", ());
        }
        for (name, keys) in file.get("connections").into_iter().flat_map(Php::entries) {
            let written = format!("connections => {name}");
            let driver = keys.get("driver").and_then(Php::text).unwrap_or_default();
            if default.as_deref() != Some(name) || has_horizon || matches!(driver.as_str(), "sync" | "null") {
                draft.top().change(written, "no workers are for it: `queue:work` serves the default connection", ());
                continue;
            }
            let mut section = draft.section("pools", name);
            for (key, value) in keys.entries() {
                let written = format!("{key} => {}", value.shown());
                match key {
                    "queue" => section.take(written, ()),
                    _ => section.change(written, "it stays with Laravel, which keeps the jobs", ()),
                }
            }
            let connection = Php::Text(name.to_owned());
            let said = |key: &str| (key == "connection").then_some(&connection);
            let queue = keys.get("queue").and_then(Php::text).unwrap_or_else(|| "default".to_owned());
            section.add("one worker, as `php artisan queue:work` is", ());
            self.worker(&mut section, &said, &queue, 1.into());
            draft.sections.push(section);
        }
    }
}

/// Whether so many can be shared out.
fn share_is_whole(most: Option<&Php>) -> bool {
    matches!(most, Some(Php::Int(_)))
}

/// Settings of an environment over those of all.
fn merged<'p>(defaults: &'p Php, own: &'p Php) -> Vec<(&'p str, &'p Php)> {
    let usual = defaults.entries().filter(|(key, _)| own.get(key).is_none());
    usual.chain(own.entries()).collect()
}

fn queues(value: &Php) -> Vec<String> {
    match value {
        Php::Array(_) => value.entries().filter_map(|(_, queue)| queue.text()).collect(),
        one => {
            one.text().map(|text| text.split(',').map(|queue| queue.trim().to_owned()).collect()).unwrap_or_default()
        }
    }
}

/// A number, or a text with a variable for one.
fn number(value: &Php) -> Value {
    match value {
        Php::Int(number) => Value::from(*number),
        other => Value::from(other.text().unwrap_or_else(|| "1".to_owned())),
    }
}

fn fate(section: &mut Section, key: &str, value: &Php, is_shared: bool) {
    let written = format!("{key} => {}", value.shown());
    let is_known = value.text().is_some() || matches!(value, Php::Array(_) | Php::Null);
    match key {
        _ if !is_known => section.lose(written, "it is an expression of PHP; write its value here"),
        _ if OPTIONS.iter().any(|(name, _)| *name == key) => section.take(written, ()),
        "maxProcesses" | "processes" if is_shared => {
            section.change(written, "shared out among a pool for each queue", ());
        }
        "balance" if is_shared => section.change(written, "a pool for each queue, with as many workers each", ()),
        "maxProcesses" | "processes" | "balance" | "connection" | "queue" | "nice" | "force" => {
            section.take(written, ());
        }
        "minProcesses" | "balanceMaxShift" | "balanceCooldown" | "autoScalingStrategy" => {
            let why = "workers that fetch jobs elsewhere are as many as `workers`; a pool whose jobs are here has `autoscale = \"1..10\"`";
            section.lose(written, why);
        }
        _ => section.lose(written, "it is not known here"),
    }
}
