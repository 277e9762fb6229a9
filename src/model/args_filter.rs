//! A search in the args of jobs: for texts, and for members.
//!
//! Invariant: what is hidden is hidden before anything is looked for, so that neither an answer nor the time that it takes
//! says anything of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memmem::{self, Finder};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::redact::{self, Members};

/// Texts and members that args must have, all of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ArgsFilter {
    /// Texts, as they were written.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// Numbers, words and texts of members: `customer.id`, `files.0`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub members: BTreeMap<String, String>,
    /// Patterns of names of members that are not looked into.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hidden: Vec<String>,
}

impl ArgsFilter {
    /// Whether nothing is looked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty() && self.members.is_empty()
    }
}

/// A filter that is ready to look at the args of very many jobs.
#[derive(Debug)]
pub struct ArgsSearch {
    filter: ArgsFilter,
    texts: Vec<Finder<'static>>,
}

impl From<ArgsFilter> for ArgsSearch {
    fn from(filter: ArgsFilter) -> Self {
        let texts = filter.text.iter().map(|text| Finder::new(text).into_owned()).collect();
        Self { filter, texts }
    }
}

impl ArgsSearch {
    /// Whether each text is in one of these, or in JSON without what is hidden in it.
    #[must_use]
    pub fn fits_one_of(&self, said: &[&str], json: &str) -> bool {
        let json = redact::hidden(json, &self.filter.hidden);
        let all = || said.iter().copied().chain([&*json]);
        self.texts.iter().all(|text| all().any(|one| text.find(one.as_bytes()).is_some()))
    }

    #[must_use]
    pub fn fits(&self, args: &str) -> bool {
        let args = redact::hidden(args, &self.filter.hidden);
        self.texts.iter().all(|text| text.find(args.as_bytes()).is_some())
            && self.filter.members.iter().all(|(path, value)| has_member(&args, path, value))
    }
}

fn has_member(json: &str, path: &str, value: &str) -> bool {
    // Without an escape what is written is what is meant.
    if memchr::memchr(b'\\', json.as_bytes()).is_none() && memmem::find(json.as_bytes(), value.as_bytes()).is_none() {
        return false;
    }
    let mut json = json;
    for name in path.split('.') {
        let inner = match json.trim_start().as_bytes().first() {
            Some(b'{') => serde_json::from_str::<Members<'_>>(json)
                .ok()
                .and_then(|all| all.0.into_iter().rev().find(|(found, _)| found == name).map(|(_, inner)| inner)),
            Some(b'[') => name.parse::<usize>().ok().and_then(|at| {
                let all = serde_json::from_str::<Vec<&RawValue>>(json).ok()?;
                all.get(at).copied()
            }),
            _ => None,
        };
        let Some(inner) = inner else { return false };
        json = inner.get();
    }
    json == value || json.starts_with('"') && serde_json::from_str::<Cow<'_, str>>(json).is_ok_and(|text| text == value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn args_fit_by_their_text_and_by_members_at_any_depth_but_not_by_what_is_hidden() {
        let args = r#"{"customer":{"id":7,"name":"caf\u00e9"},"files":["a.png",{"b":true}],"token":"xyzzy","n":12345678901234567890}"#;
        let table = [
            ("", "", "customer", true),
            ("customer.id", "7", "", true),
            ("customer.id", "70", "", false),
            ("customer.name", "café", "", true),
            ("files.0", "a.png", "", true),
            ("files.1.b", "true", "", true),
            ("files.9", "a.png", "", false),
            ("n", "12345678901234567890", "", true),
            ("customer.id.x", "7", "", false),
            ("nosuch", "7", "", false),
            ("", "", "xyzzy", false),
            ("", "", "token", true),
            ("token", "xyzzy", "", false),
        ];
        for (path, value, text, fits) in table {
            let members = [(path, value)].into_iter().filter(|(path, _)| !path.is_empty());
            let filter = ArgsFilter {
                text: [text].into_iter().filter(|text| !text.is_empty()).map(str::to_owned).collect(),
                members: members.map(|(path, value)| (path.to_owned(), value.to_owned())).collect(),
                hidden: vec!["*token*".to_owned()],
            };
            assert_eq!(ArgsSearch::from(filter.clone()).fits(args), fits, "{filter:?}");
        }
        let all = ArgsSearch::from(ArgsFilter { text: vec!["xyzzy".to_owned()], ..ArgsFilter::default() });
        assert!(all.fits(args) && !all.fits("not \" json"));
    }
}
