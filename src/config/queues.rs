//! `[queues.NAME]`: limits of queues, for all pools together.
//!
//! Kept as they are written, as what an operator sets at run time is: see [`crate::model::queue_limits`].

use std::collections::BTreeMap;

use super::document::Table;
use super::load::Layers;
use super::show::Origins;
use super::{Config, raw, rules, schema};
use crate::config::Problem;
use crate::model::QueueName;
use crate::model::queue_limits::{OFF, QueueLimits, SaidLimits};

/// The limits of each queue that has some.
pub(super) fn all(layers: &Layers<'_>, origins: &mut Origins) -> BTreeMap<QueueName, SaidLimits> {
    let queues = layers.file.layer.queues.iter().map(|(name, table)| {
        origins.set_table(&format!("queues.{name}"), table);
        (name.clone(), said(table))
    });
    queues.filter(|(_, said)| !said.is_empty()).collect()
}

fn said(table: &Table) -> SaidLimits {
    let texts =
        QueueLimits::KEYS.iter().filter_map(|key| Some((key.name.to_owned(), raw::text(table, key.name).ok()?)));
    texts.filter(|(_, text)| *text != OFF).map(|(key, text)| (key, text.to_owned())).collect()
}

/// Checks a limit that is set at run time: the text that means it, or why it cannot be.
pub fn check_queue_limit(name: &str, given: &str) -> Result<String, String> {
    let unknown = || {
        let names: Vec<String> = QueueLimits::KEYS.iter().map(|key| format!("`{}`", key.name)).collect();
        format!("there is no limit `{name}`; there are {}", names.join(", "))
    };
    let key = schema::find(&[QueueLimits::KEYS], name).ok_or_else(unknown)?;
    key.check(&key.written(given)).map_err(|refusal| refusal.of_key(name))
}

/// Lines of `config show`.
pub(super) fn show(queues: &BTreeMap<QueueName, SaidLimits>, lines: &mut Vec<(String, String)>) {
    for (name, said) in queues {
        lines.extend(said.iter().map(|(key, text)| (format!("queues.{name}.{key}"), text.clone())));
    }
}

/// Limits of queues that no pool of the file serves.
pub(super) fn warnings(config: &Config, layers: &Layers<'_>) -> Vec<Problem> {
    let served = || config.pools.iter().flat_map(|pool| pool.settings.queues.names());
    let unserved = config.queues.keys().filter(|name| !served().any(|served| served == *name));
    let problem = |name: &QueueName| {
        rules::in_file(layers, &[&format!("queues.{name}")], format!("no pool of the file serves the queue `{name}`"))
    };
    unserved.map(problem).collect()
}
