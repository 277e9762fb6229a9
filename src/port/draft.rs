//! A configuration in the making: tables of items, each with the fate of one key of the source.

use std::collections::BTreeSet;

use toml::Value;

use super::{Broken, Imported, Lost};
use crate::model::processor::PROCESSORS;

/// What becomes of a key of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    TakenOver,
    /// How.
    Changed(String),
    /// Why it is not possible, and the next step.
    Lost(String),
    /// No key of the source: a default of the other system, or a remark.
    Added(String),
}

/// A key of the source with what stands for it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// As it stands in the source: `numprocs=4`.
    pub(super) written: String,
    pub(super) fate: Fate,
    pub(super) entries: Vec<(&'static str, Value)>,
}

/// A table of the configuration.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// `pools`, `processors`, `defaults`; empty: the top.
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) items: Vec<Item>,
}

/// The place of an item: its section, and its index there, if it is not the section itself.
pub(super) type At = (usize, Option<usize>);

impl Section {
    pub(super) fn new(kind: &'static str, name: &str) -> Self {
        Self { kind, name: name.to_owned(), items: Vec::new() }
    }

    /// The key means the same here; without an entry it needs none.
    pub(super) fn take(&mut self, written: impl Into<String>, entry: impl Into<Entries>) {
        self.push(written, Fate::TakenOver, entry);
    }

    pub(super) fn change(&mut self, written: impl Into<String>, how: impl Into<String>, entry: impl Into<Entries>) {
        self.push(written, Fate::Changed(how.into()), entry);
    }

    pub(super) fn lose(&mut self, written: impl Into<String>, why: impl Into<String>) {
        self.push(written, Fate::Lost(why.into()), ());
    }

    /// What the source does not say, because it is a matter of course there.
    pub(super) fn add(&mut self, remark: impl Into<String>, entry: impl Into<Entries>) {
        self.push("", Fate::Added(remark.into()), entry);
    }

    /// Of a key that is said twice the later entry counts.
    fn push(&mut self, written: impl Into<String>, fate: Fate, entry: impl Into<Entries>) {
        let (written, Entries(entries)) = (written.into(), entry.into());
        for item in &mut self.items {
            let before = item.entries.len();
            item.entries.retain(|(key, _)| !entries.iter().any(|(new, _)| new == key));
            if item.entries.len() < before && item.fate == Fate::TakenOver {
                item.fate = Fate::Changed("said again below".to_owned());
            }
        }
        self.items.push(Item { written, fate, entries });
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    pub(super) fn value_mut(&mut self, key: &str) -> Option<&mut Value> {
        let mut entries = self.items.iter_mut().flat_map(|item| &mut item.entries);
        entries.find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    pub(super) fn value(&self, key: &str) -> Option<&Value> {
        let mut entries = self.items.iter().flat_map(|item| &item.entries);
        entries.find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}

/// The entries of an item.
pub(super) struct Entries(Vec<(&'static str, Value)>);

impl From<()> for Entries {
    fn from((): ()) -> Self {
        Self(Vec::new())
    }
}

impl<V: Into<Value>> From<(&'static str, V)> for Entries {
    fn from((key, value): (&'static str, V)) -> Self {
        Self(vec![(key, value.into())])
    }
}

impl<const N: usize> From<[(&'static str, Value); N]> for Entries {
    fn from(entries: [(&'static str, Value); N]) -> Self {
        Self(entries.into())
    }
}

/// The whole configuration.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    sources: Vec<String>,
    names: BTreeSet<(&'static str, String)>,
    pub(super) sections: Vec<Section>,
}

impl Draft {
    pub(super) fn new(sources: &[&str]) -> Self {
        Self {
            sources: sources.iter().map(|&name| name.to_owned()).collect(),
            names: BTreeSet::new(),
            sections: vec![Section::new("", ""), Section::new("defaults", "")],
        }
    }

    /// The files that it is made of, for people.
    pub(super) fn sources(&self) -> String {
        self.sources.join(", ")
    }

    /// The keys outside of any table.
    pub(super) fn top(&mut self) -> &mut Section {
        &mut self.sections[0]
    }

    pub(super) fn defaults(&mut self) -> &mut Section {
        &mut self.sections[1]
    }

    /// Workers of other systems live as long as they like.
    pub(super) fn let_workers_live(&mut self) {
        self.defaults().add(
            "workers are not replaced for their age or size there; without these two lines they are, after 1h or when they \
             have grown by 128M",
            [("max_time", "off".into()), ("memory", "off".into())],
        );
    }

    /// A pool or a processor, whose name is made to fit, and says so where it had to be.
    pub(super) fn section(&mut self, kind: &'static str, wanted: &str) -> Section {
        let name = self.free_name(kind, wanted);
        let mut section = Section::new(kind, &name);
        if name != wanted {
            section.change(
                format!("the name `{wanted}`"),
                "names are letters, digits, `.`, `_`, `-`, `:`, and stand once",
                (),
            );
        }
        section
    }

    fn free_name(&mut self, kind: &'static str, wanted: &str) -> String {
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
        let name: String = wanted.chars().map(|c| if fits(c) { c } else { '_' }).take(90).collect();
        let name = name.trim_start_matches(['.', '-', '_']);
        let is_taken = kind == "pools" && name == PROCESSORS;
        let what = kind.trim_end_matches('s');
        let name = match name {
            "" => what.to_owned(),
            name if is_taken => format!("{name}_{what}"),
            name => name.to_owned(),
        };
        let mut numbered = (2..).map(|n| format!("{name}_{n}"));
        let mut free = name.clone();
        while !self.names.insert((kind, free.clone())) {
            free = numbered.next().unwrap_or_default();
        }
        free
    }

    /// Whatever the reader of configurations has against this place becomes a reason. Whether that changed anything. What
    /// is left of a pool without its kind would be a pool of commands.
    pub(super) fn refuse(&mut self, (section, item): At, why: &str) -> bool {
        let Some(section) = self.sections.get_mut(section) else { return false };
        let is_whole = |item: &Item| item.entries.iter().any(|(key, _)| matches!(*key, "kind" | "command"));
        let items = match item {
            Some(item) if !section.items.get(item).is_some_and(is_whole) => section.items.get_mut(item..=item),
            Some(_) | None => Some(section.items.as_mut_slice()),
        };
        let mut has_changed = false;
        for item in items.into_iter().flatten().filter(|item| !matches!(item.fate, Fate::Lost(_))) {
            if item.written.is_empty() {
                item.written = item.entries.iter().map(|(key, _)| *key).collect::<Vec<_>>().join(", ");
            }
            item.fate = Fate::Lost(why.to_owned());
            has_changed = true;
        }
        has_changed
    }

    /// An error of all files together.
    pub(super) fn broken(&self, message: &str) -> Broken {
        Broken { file: self.sources.first().cloned().unwrap_or_default(), line: 1, message: message.to_owned() }
    }

    pub(super) fn into_imported(self, toml: String) -> Imported {
        let mut imported = Imported { toml, taken_over: 0, changed: 0, lost: Vec::new() };
        for item in self.sections.into_iter().flat_map(|section| section.items) {
            match item.fate {
                Fate::TakenOver => imported.taken_over += 1,
                Fate::Changed(_) => imported.changed += 1,
                Fate::Lost(why) => imported.lost.push(Lost { key: item.written, why }),
                Fate::Added(_) => {}
            }
        }
        imported
    }
}
