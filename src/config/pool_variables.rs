//! `QUEUE_WORK_POOLS_MAIL_WORKERS`: every key of one pool has a variable of its own.
//!
//! The name of the pool and the key stand in capitals, with `_` for what no variable can have in its name. Invariant: a
//! variable with this beginning means one key of one pool, or is refused.

use std::collections::BTreeMap;
use std::path::Path;

use config::{Value, ValueKind};

use super::autoscale;
use super::document::{self, Table};
use super::environment::Environment;
use super::paths::absolute;
use super::problem::Problem;
use super::schema;
use super::values::Written;
use crate::model::PoolName;
use crate::model::key::{Key, Kind};
use crate::model::listen::Address;

/// The beginning of all of them.
pub(super) const BEGINNING: &str = "QUEUE_WORK_POOLS_";

/// Values by pool, as those of its table in the file.
pub(super) type PoolTables = BTreeMap<PoolName, Table>;

/// Reads those of these pools. Relative paths are relative to the current folder, as those of flags.
pub(super) fn read(env: &Environment, pools: &[PoolName], cwd: Option<&Path>) -> (PoolTables, Vec<Problem>) {
    let (mut tables, mut problems) = (PoolTables::new(), Vec::new());
    for (name, value) in env.iter() {
        let Some(name) = name.to_str().filter(|name| name.starts_with(BEGINNING)) else { continue };
        let read = meant(name, pools).and_then(|(pool, key)| {
            let text = value.to_str().ok_or("the value is not valid UTF-8")?;
            Ok((pool, key.name, key.read(text, name, cwd)?))
        });
        match read {
            Ok((pool, key, value)) => drop(tables.entry(pool.clone()).or_default().insert(key.to_owned(), value)),
            Err(message) => problems.push(Problem::with_key(name, message)),
        }
    }
    (tables, problems)
}

/// The pool and the key that a variable means.
fn meant<'p>(variable: &str, pools: &'p [PoolName]) -> Result<(&'p PoolName, Key), String> {
    let keys = || schema::OF_POOLS.into_iter().flatten().copied();
    let all = pools.iter().flat_map(|pool| keys().map(move |key| (pool, key)));
    let found: Vec<_> = all.clone().filter(|(pool, key)| name_of(pool, *key) == variable).collect();
    match &found[..] {
        [one] => Ok(*one),
        [] => {
            let names: Vec<String> = all.map(|(pool, key)| name_of(pool, key)).collect();
            let near = names.iter().min_by_key(|name| strsim::damerau_levenshtein(name, variable));
            let near = near.filter(|name| strsim::damerau_levenshtein(name, variable) <= 3);
            let pools: Vec<String> = pools.iter().map(|pool| format!("`{pool}`")).collect();
            let next = near.map_or_else(
                || format!("the pools are {}; write {BEGINNING}POOL_KEY, or unset it", pools.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            Err(format!("no pool has such a key; {next}"))
        }
        many => {
            let meanings: Vec<String> = many.iter().map(|(pool, key)| format!("`{}` of `{pool}`", key.name)).collect();
            Err(format!("it may mean {}; write the value in the file", meanings.join(" or ")))
        }
    }
}

fn name_of(pool: &PoolName, key: Key) -> String {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let pool: String = pool.as_str().chars().map(letter).collect();
    format!("{BEGINNING}{pool}_{}", key.name.to_uppercase())
}

impl Key {
    fn read(self, text: &str, variable: &str, cwd: Option<&Path>) -> Result<Value, String> {
        let origin = format!("environment {variable}");
        let path =
            |text: &str| cwd.map_or_else(|| text.into(), |cwd| absolute(cwd, Path::new(text)).display().to_string());
        let value = match self.kind {
            Kind::Autoscale if !text.starts_with('{') => {
                let checked = self.check(&self.written(text)).map_err(|refusal| refusal.of_flag())?;
                return Ok(autoscale::of_text(&checked, &origin));
            }
            Kind::Queues
            | Kind::Command
            | Kind::Env
            | Kind::Autoscale
            | Kind::Json
            | Kind::Listen
            | Kind::Pools
            | Kind::Texts(_)
            | Kind::Table(_) => document::read_value(self, &as_toml(self.kind, text))?,
            _ => {
                let checked = self.check(&self.written(text)).map_err(|refusal| refusal.of_flag())?;
                let checked = if matches!(self.kind, Kind::Path) { path(&checked) } else { checked };
                Value::new(Some(&origin), ValueKind::String(checked))
            }
        };
        // The program of a file is relative to the file.
        match (self.kind, value.kind) {
            (Kind::Command, ValueKind::Array(mut words)) => {
                let program = words.first().and_then(|word| word.clone().into_string().ok());
                if let Some(program) = program.filter(|program| program.contains('/')) {
                    words[0] = Value::new(None, path(&program));
                }
                Ok(Value::new(Some(&origin), words))
            }
            (Kind::Listen, ValueKind::Array(all)) => {
                let here = cwd.unwrap_or(Path::new(""));
                let address = |one: Value| Address::read(&one.to_string()).map(|at| at.below(here).to_string());
                Ok(Value::new(Some(&origin), all.into_iter().map(address).collect::<Result<Vec<String>, _>>()?))
            }
            (_, kind) => Ok(Value::new(Some(&origin), kind)),
        }
    }

    /// A value of the environment or the command line, where everything is a text: a number where one is wanted.
    pub(super) fn written<'w>(&self, text: &'w str) -> Written<'w> {
        match (self.kind, text.parse()) {
            (Kind::Count(..), Ok(count)) => Written::Whole(Some(count), text),
            (Kind::Flag | Kind::Share(_) | Kind::Fraction, _) => Written::Other(text.to_owned()),
            (Kind::Autoscale, _) if matches!(text, "true" | "false") => Written::Other(text.to_owned()),
            _ => Written::Text(text),
        }
    }
}

/// A list or a table is written as in the file; queues may also stand with commas between them.
fn as_toml(kind: Kind, text: &str) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    if text.starts_with(['[', '{']) {
        return text.to_owned();
    }
    match kind {
        Kind::Queues if text.contains('=') => {
            let weight =
                |part: &str| part.split_once('=').map(|(name, weight)| format!("{} = {weight}", quoted(name.trim())));
            let weights: Vec<String> =
                text.split(',').map(|part| weight(part).unwrap_or_else(|| part.to_owned())).collect();
            format!("{{ {} }}", weights.join(", "))
        }
        Kind::Queues | Kind::Pools => {
            format!("[{}]", text.split(',').map(|name| quoted(name.trim())).collect::<Vec<_>>().join(", "))
        }
        _ => quoted(text),
    }
}
