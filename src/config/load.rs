//! Brings the layers together: built-in defaults, file, environment and flags become one [`Config`].
//!
//! Invariant: a problem in one layer does not hide those in another; either all problems are returned or a
//! configuration that has none.

use std::path::{Path, PathBuf};

use config::Value;

use super::document::{self, Layer, Table};
use super::environment::Environment;
use super::file::{File, ReadFile};
use super::paths::{self, Paths};
use super::pool_variables::{self, PoolTables};
use super::problem::{ConfigErrors, Problem};
use super::raw;
use super::show::Origins;
use super::{Config, Durability, Flags, autoscale, pools, processors, queues, rules, telemetry, web};
use crate::model::change::KeepFor;
use crate::model::processor::ProcessorSettings;
use crate::model::{Bytes, ProcessorName, StoreUrl};

/// A configuration, and how it came about.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The values in force.
    pub config: Config,
    /// Where each value comes from.
    pub origins: Origins,
    /// Warnings: allowed, but probably not meant.
    pub warnings: Vec<Problem>,
    /// Whether the file or the flags say which pools there are.
    pub names_pools: bool,
    /// The keys of each processor, as they are shown.
    pub(super) processors: Vec<(ProcessorName, Table)>,
}

/// Everything that has a say.
pub(super) struct Layers<'a> {
    pub(super) built_in: Layer,
    pub(super) file: &'a File,
    pub(super) flags: &'a Flags,
    /// The limits of the environment.
    pub(super) env_limits: Table,
    /// The variables of single pools.
    pub(super) pool_variables: PoolTables,
    /// The limits of the command line.
    pub(super) limits: Table,
    /// The wishes of the processors that are commands for the pool that runs them; empty without any.
    pub(super) of_processors: Table,
    pub(super) env: &'a Environment,
    pub(super) cwd: Option<&'a Path>,
}

/// Everything that a configuration comes from but the file, kept to read that again.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    pub flags: Flags,
    pub env: Environment,
    pub cwd: Option<PathBuf>,
}

impl Inputs {
    /// The process, and the command line.
    #[must_use]
    pub fn of_process(flags: &Flags) -> Self {
        // Only what needs the current folder fails where it was deleted.
        Self { flags: flags.clone(), env: Environment::of_process(), cwd: std::env::current_dir().ok() }
    }

    /// The same without the variables of OpenTelemetry, which count where a master starts.
    #[must_use]
    pub fn without_telemetry(self) -> Self {
        Self { env: self.env.without(&[telemetry::BEGINNING]), ..self }
    }

    /// As [`Config::load`].
    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        Config::load(&self.flags, &self.env, self.cwd.as_deref())
    }

    /// Reads the same file again, also where another would be found by now.
    pub fn load_again(&self, read: &ReadFile) -> Result<Loaded, ConfigErrors> {
        let Self { flags, env, cwd } = self;
        with(&File::again(read, flags, env)?, flags, env, cwd.as_deref())
    }
}

impl Config {
    /// Reads the file (that of `--config`, else one that is found from `cwd` upwards or in `/etc`, else none) and lays the
    /// flags over it. Fails with every problem there is: unreadable file, unknown keys, wrong values, contradictions.
    pub fn load(flags: &Flags, env: &Environment, cwd: Option<&Path>) -> Result<Loaded, ConfigErrors> {
        with(&File::find(flags, env, cwd)?, flags, env, cwd)
    }
}

/// Everything that is wrong with the text of a file that would be read in this folder, with these variables.
#[must_use]
pub fn problems_of(text: &str, env: &Environment, folder: &Path) -> Vec<Problem> {
    let layer = document::read(text, Some(Path::new("queue-work.toml")), env);
    let file = File { read: None, layer };
    with(&file, &Flags::default(), env, Some(folder)).err().map(|errors| errors.0).unwrap_or_default()
}

/// Lays the flags over this file.
pub(super) fn with(file: &File, flags: &Flags, env: &Environment, cwd: Option<&Path>) -> Result<Loaded, ConfigErrors> {
    let ([env_limits, limits], mut problems) = flags.limits();
    let (pool_variables, wrong) = pool_variables::read(env, &pools::known(flags, file), cwd);
    problems.extend(wrong);
    let built_in = document::built_in();
    let of_processors = processors::of_pool(&file.layer);
    let layers = Layers { built_in, file, flags, env_limits, pool_variables, limits, of_processors, env, cwd };
    let mut origins = Origins::default();
    origins.set_file(flags, file, cwd);
    problems.extend(rules::flags(flags));
    problems.extend(paths::flag_problems(flags));
    let paths = paths::settle(flags, file, env, cwd, &mut origins).unwrap_or_else(|problem| {
        problems.push(problem);
        // Never used, because there is a problem; the rest is checked all the same.
        Paths {
            database: StoreUrl::File(PathBuf::new()),
            socket: PathBuf::new(),
            logs_dir: PathBuf::new(),
            network_fs: false,
            shared_folder: false,
            makes_folder: false,
        }
    });
    let processors = processors::all(&layers, &mut origins, &mut problems);
    let config = resolve(&layers, paths, processors.settings, &mut origins, &mut problems);
    let config = config.map_err(|problem| problems.push(problem)).ok();
    let warnings = config.as_ref().map(|config| {
        problems.extend(rules::config(config, &layers, &origins));
        rules::warnings(config, &layers)
    });
    match (config, problems.is_empty() && file.layer.problems.is_empty()) {
        (Some(config), true) => {
            let names_pools = flags.names_pools() || !file.layer.pools.is_empty();
            let warnings = warnings.unwrap_or_default();
            Ok(Loaded { config, origins, warnings, names_pools, processors: processors.tables })
        }
        _ => Err(all_problems(&file.layer, problems)),
    }
}

/// Names in the file in its order, then those of the flags; each once.
fn all_problems(file: &Layer, others: Vec<Problem>) -> ConfigErrors {
    let mut problems: Vec<Problem> = Vec::new();
    for problem in file.problems.iter().cloned().chain(others) {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
    problems.sort_by_key(|p| (p.file.is_none(), p.line, p.column));
    ConfigErrors(problems)
}

fn resolve(
    layers: &Layers<'_>,
    paths: Paths,
    processors: Vec<ProcessorSettings>,
    origins: &mut Origins,
    problems: &mut Vec<Problem>,
) -> Result<Config, Problem> {
    // The tables hold checked values only, so this fails for no file and no flag.
    merged(layers, paths, processors, origins, problems).map_err(|text| Problem::with_key("", format!("BUG: {text}")))
}

fn merged(
    layers: &Layers<'_>,
    paths: Paths,
    processors: Vec<ProcessorSettings>,
    origins: &mut Origins,
    problems: &mut Vec<Problem>,
) -> Result<Config, String> {
    let (flags, file) = (layers.flags, &layers.file.layer);
    let mut over = Table::new();
    if let Some(durability) = flags.durability {
        let value = Value::new(Some(&flags.origin_of("durability")), durability.as_str());
        over.insert("durability".into(), value);
    }
    if let Some(group) = &flags.socket_group {
        over.insert("socket_group".into(), Value::new(Some(&flags.origin_of("socket_group")), group.as_str()));
    }
    let allowed = [
        (flags.allow_network_fs, "network_fs", "allow_network_fs"),
        (flags.allow_shared_folder, "shared_folder", "allow_shared_folder"),
    ];
    for (_, key, flag) in allowed.into_iter().filter(|(given, ..)| *given) {
        over.insert(key.into(), Value::new(Some(&flags.origin_of(flag)), "allow"));
    }
    let mut top = merge(&[&layers.built_in.top, &file.top, &over])?;
    top.retain(|key, _| !["database", "socket", "log_dir"].contains(&key.as_str()));
    origins.set_table("", &top);
    let keep = merge(&[&layers.built_in.keep, &file.keep])?;
    origins.set_table("keep", &keep);
    let signals = merge(&[&layers.built_in.signals, &file.signals])?;
    origins.set_table("signals", &signals);
    let health = merge(&[&layers.built_in.health, &file.health])?;
    origins.set_table("health", &health);
    let metrics = merge(&[&layers.built_in.metrics, &file.metrics])?;
    origins.set_table("metrics", &metrics);
    let telemetry = merge(&[&layers.built_in.telemetry, &file.telemetry])?;
    let web = merge(&[&layers.built_in.web, &file.web])?;
    origins.set_table("web", &web);
    let together = merge(&[&layers.built_in.together, &file.together])?;
    origins.set_table("autoscale", &together);
    if flags.drain {
        origins.set("drain", &flags.origin_of("drain"));
    }
    let (defaults, default_hooks) = pools::defaults(layers, origins)?;
    let Bytes(log_file_bytes) = raw::value(&top, "log_file_size")?;
    Ok(Config {
        file: layers.file.read.clone(),
        database: paths.database,
        socket: paths.socket,
        socket_group: raw::text(&top, "socket_group").ok().map(str::to_owned),
        logs_dir: paths.logs_dir,
        durability: if raw::text(&top, "durability")? == "process" { Durability::Process } else { Durability::Full },
        network_fs: raw::text(&top, "network_fs")? == "allow",
        shared_folder: raw::text(&top, "shared_folder")? == "allow",
        makes_folder: paths.makes_folder,
        pools: pools::all(layers, origins, problems)?,
        processors,
        queues: queues::all(layers, origins),
        drain: flags.drain,
        single: None,
        keep: KeepFor {
            succeeded: raw::value(&keep, "succeeded")?,
            dead: raw::value(&keep, "dead")?,
            runs: raw::value(&keep, "runs")?,
            audit: raw::value(&keep, "audit")?,
        },
        hup_reloads: raw::text(&signals, "hup")? == "reload",
        max_wait: raw::value(&health, "max_wait")?,
        metrics_per_worker: raw::text(&metrics, "per_worker")? == "true",
        telemetry: telemetry::settle(&telemetry, layers.env, origins, problems)?,
        web: web::read(&web, pools::folder(layers))?,
        log_file_bytes,
        log_files: raw::value(&top, "log_files")?,
        defaults,
        default_hooks,
        together: autoscale::together(&top, &together)?,
    })
}

/// Lays tables over each other, the last on top; every value keeps its origin.
pub(super) fn merge(tables: &[&Table]) -> Result<Table, String> {
    let builder =
        tables.iter().fold(config::Config::builder(), |builder, table| builder.add_source(Source((*table).clone())));
    let merged = builder.build().and_then(|merged| merged.cache.into_table());
    merged.map_err(|error| error.to_string())
}

/// A table as the `config` crate takes it.
#[derive(Clone, Debug)]
struct Source(Table);

impl config::Source for Source {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Table, config::ConfigError> {
        Ok(self.0.clone())
    }
}
