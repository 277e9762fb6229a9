//! The field for searching: words such as `type:mail`, as the fields of the list that they stand for.
//!
//! Invariant: what is no such word is looked for in the args, as it was typed.

use std::time::Duration;

use maud::{Markup, html};

use crate::model::ArgsFilter;
use crate::web::desk::Asked;
use crate::web::html::seconds;

/// Words that are fields of the list of jobs; `args.` has a path behind it.
pub(super) const OF_JOBS: [&str; 10] =
    ["id", "state", "queue", "type", "label", "key", "error", "unique", "since", "until"];
/// The same for a reader.
pub(super) const WORDS: &str = "id:31 state:dead queue:mail type:resize label:x key:y error:\"connection refused\" \
     unique:key since:1h until:1h args.customer:7; anything else is a text in the args";

/// The request with the words of its search as fields of their own.
pub(super) fn spelled_out(asked: &Asked, keys: &[&str]) -> Asked {
    let mut spelled = asked.clone();
    if let Some(q) = asked.get("q") {
        spelled.query = words(q, keys).chain(asked.query.iter().filter(|(key, _)| key != "q").cloned()).collect();
    }
    spelled
}

/// The id, where nothing else is asked for: `31`, `#31`, `id:31`.
pub(super) fn only_id(asked: &Asked) -> Option<&str> {
    let mut given = asked.query.iter().filter(|(_, value)| !value.trim().is_empty());
    let (Some((key, value)), None) = (given.next(), given.next()) else { return None };
    let id = value.trim().trim_start_matches('#');
    (matches!(&**key, "id" | "text") && id.parse::<i64>().is_ok()).then_some(id)
}

/// Words that are no fields.
pub(super) fn text(asked: &Asked) -> Vec<String> {
    let given = asked.query.iter().filter(|(key, value)| key == "text" && !value.is_empty());
    given.map(|(_, text)| text.clone()).collect()
}

/// The part of a search that is about the args.
pub(super) fn args(asked: &Asked, hidden: &[String]) -> ArgsFilter {
    let given = asked.query.iter().filter(|(_, value)| !value.is_empty());
    let members = given.filter_map(|(key, value)| Some((key.strip_prefix("args.")?.to_owned(), value.clone())));
    ArgsFilter { text: text(asked), members: members.collect(), hidden: hidden.to_vec() }
}

/// How far a search has come.
pub(super) fn progress(searched: &str, is_newest: bool, took: Duration) -> Markup {
    let order = if is_newest { "newest" } else { "first" };
    html! {
        span role="status" { "searched " b { (searched) } ", the " (order) " first, in " i { (seconds(took.as_secs_f64())) } }
        button type="button" hidden { "stop" }
    }
}

fn words(q: &str, keys: &[&str]) -> impl Iterator<Item = (String, String)> {
    split(q).into_iter().map(move |word| {
        let key = word.split_once(':').filter(|(key, value)| {
            let is_path = || keys == OF_JOBS && key.strip_prefix("args.").is_some_and(|path| !path.is_empty());
            !value.is_empty() && (keys.contains(key) || is_path())
        });
        let (key, value) = key.unwrap_or(("text", &word));
        (key.to_owned(), value.to_owned())
    })
}

/// Words, with blanks between them; quotation marks hold one together.
fn split(q: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for char in q.chars() {
        match char {
            '"' => is_quoted = !is_quoted,
            char if char.is_whitespace() && !is_quoted => words.push(std::mem::take(&mut word)),
            char => word.push(char),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_fields_and_all_else_is_a_text() {
        let table: [(&str, &[(&str, &str)]); 6] = [
            ("type:mail state:dead", &[("type", "mail"), ("state", "dead")]),
            ("error:\"connection refused\" x", &[("error", "connection refused"), ("text", "x")]),
            ("args.a.b:7 args.:7 args:7", &[("args.a.b", "7"), ("text", "args.:7"), ("text", "args:7")]),
            ("\"a b\" c:d type:", &[("text", "a b"), ("text", "c:d"), ("text", "type:")]),
            ("  31 ", &[("text", "31")]),
            ("unique:a:b", &[("unique", "a:b")]),
        ];
        for (q, fields) in table {
            let found: Vec<_> = words(q, &OF_JOBS).collect();
            let found: Vec<(&str, &str)> = found.iter().map(|(key, value)| (&**key, &**value)).collect();
            assert_eq!(found, fields, "{q}");
        }
    }
}
