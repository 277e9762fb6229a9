//! The key `restart` of a pool: a word, or a table that lies over the defaults of [`RestartPolicy`].

use super::document::Table;
use super::{raw, units};
use crate::model::supervision::RestartPolicy;

/// The policy that the table of a pool describes.
pub(super) fn of_pool(pool: &Table) -> Result<RestartPolicy, String> {
    let default = RestartPolicy::default();
    let Some(said) = pool.get("restart") else { return Ok(default) };
    let Ok(table) = said.clone().into_table() else {
        return Ok(RestartPolicy { on: raw::text(pool, "restart")?.parse()?, ..default });
    };
    let (has, text) = (|key: &str| table.contains_key(key), |key| raw::text(&table, key));
    Ok(RestartPolicy {
        on: if has("on") { text("on")?.parse()? } else { default.on },
        max: if has("max") { raw::value(&table, "max")? } else { default.max },
        window: if has("window") { raw::value(&table, "window")? } else { default.window },
        backoff: if has("backoff") { text("backoff")?.parse()? } else { default.backoff },
        initial: if has("initial") { raw::value(&table, "initial")? } else { default.initial },
        most: if has("most") { raw::value(&table, "most")? } else { default.most },
        then: if has("then") { text("then")?.parse()? } else { default.then },
    })
}

/// Lines of `config show`: a word where nothing else is said.
pub(super) fn show(path: &str, policy: &RestartPolicy, lines: &mut Vec<(String, String)>) {
    let RestartPolicy { on, max, window, backoff, initial, most, then } = *policy;
    if *policy == (RestartPolicy { on, ..RestartPolicy::default() }) {
        lines.push((format!("{path}.restart"), on.as_str().to_owned()));
        return;
    }
    let mut line = |key: &str, value: String| lines.push((format!("{path}.restart.{key}"), value));
    line("on", on.as_str().to_owned());
    line("max", max.map_or_else(|| "off".to_owned(), |max| max.to_string()));
    line("window", units::show_duration(window));
    line("backoff", backoff.as_str().to_owned());
    line("initial", units::show_duration(initial));
    line("most", units::show_duration(most));
    line("then", then.as_str().to_owned());
}
