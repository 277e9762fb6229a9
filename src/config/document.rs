//! One TOML text becomes one layer of checked values, each with its origin, and a list of problems with their places.
//!
//! Walks the spanned document instead of deserialising it, because deserialising stops at the first problem.
//! Knows nothing of other layers. Invariant: what is in a table of the layer passed [`super::schema`].

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use config::{Map, Value, ValueKind};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::problem::Problem;
use super::values::Written;
use super::{schema, variables};
use crate::model::ids::NameError;
use crate::model::key::{Key, Kind};
use crate::model::queue_limits::QueueLimits;
use crate::model::{PoolLimits, PoolName, ProcessorName, QueueName};

/// Values of one table, each with its origin.
pub(super) type Table = Map<String, Value>;

/// The words of commands as they were written, where variables are in them; by key.
pub(super) type Unfilled = BTreeMap<String, Vec<String>>;

/// Contents of one file.
#[derive(Debug, Default)]
pub(super) struct Layer {
    /// The file as the user named it; `None` for the built-in one.
    pub(super) file: Option<PathBuf>,
    pub(super) top: Table,
    pub(super) keep: Table,
    pub(super) signals: Table,
    pub(super) health: Table,
    pub(super) metrics: Table,
    pub(super) telemetry: Table,
    pub(super) web: Table,
    pub(super) together: Table,
    pub(super) defaults: Table,
    /// In the order of the file.
    pub(super) pools: Vec<(PoolName, Table)>,
    pub(super) processors: Vec<(ProcessorName, Table)>,
    pub(super) queues: Vec<(QueueName, Table)>,
    /// Where each key stands (`pools.mail.workers`): line and column.
    pub(super) places: BTreeMap<String, (usize, usize)>,
    /// The keys whose value was refused.
    pub(super) refused: BTreeSet<String>,
    pub(super) unfilled: Unfilled,
    pub(super) problems: Vec<Problem>,
    /// Problems among them that are the fault of the environment alone: a variable is not set.
    pub(super) unset: Vec<Problem>,
}

/// The lowest layer: every key that has a fixed default.
const BUILT_IN: &str = include_str!("../../config/default.toml");

/// The text of the lowest layer, commented for people.
pub(super) const fn built_in_text() -> &'static str {
    BUILT_IN
}

/// The lowest layer.
pub(super) fn built_in() -> Layer {
    Reader::new(BUILT_IN, None, None).read()
}

/// Reads a file's text; a syntax error is one problem and leaves the layer empty.
pub(super) fn read(text: &str, file: Option<&Path>, env: &Environment) -> Layer {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Reader::new(text, file, Some(env)).read()
}

/// Reads one value of a pool that is a list or a table and stands alone, from a variable.
pub(super) fn read_value(key: Key, text: &str) -> Result<Value, String> {
    let text = format!("{} = {text}", key.name);
    let document = DeTable::parse(&text).map_err(|error| format!("not a value as in the file: {}", error.message()))?;
    let mut reader = Reader::new(&text, None, None);
    let value = document.get_ref().get(key.name).and_then(|value| reader.value(key, key.name, 0, value));
    value.ok_or_else(|| reader.layer.problems.first().map(|problem| problem.message.clone()).unwrap_or_default())
}

/// The entries of a table in the order written.
pub(super) fn entries<'a, 'i>(table: &'a DeTable<'i>) -> Vec<(&'a str, usize, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().map(|(k, v)| (k.get_ref().as_ref(), k.span().start, v)).collect();
    entries.sort_by_key(|(_, at, _)| *at);
    entries
}

/// A value as it is quoted in a message.
pub(super) fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// Walks one document.
pub(super) struct Reader<'t> {
    text: &'t str,
    /// Offsets at which the lines begin.
    starts: Vec<usize>,
    /// Values of the variables; `None`: the texts hold none.
    env: Option<&'t Environment>,
    /// The variables in the value that is being read, and whether the environment has them.
    variables: Vec<(String, bool)>,
    layer: Layer,
}

impl<'t> Reader<'t> {
    fn new(text: &'t str, file: Option<&Path>, env: Option<&'t Environment>) -> Self {
        let starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1)).collect();
        let layer = Layer { file: file.map(Path::to_owned), ..Layer::default() };
        Self { text, starts, env, variables: Vec::new(), layer }
    }

    fn read(mut self) -> Layer {
        match DeTable::parse(self.text) {
            Ok(document) => self.document(document.get_ref()),
            Err(error) => {
                let at = error.span().map_or(0, |span| span.start);
                self.problem(at, "", format!("not valid TOML: {}", error.message().replace('\n', ", ")));
            }
        }
        self.layer.problems.sort_by_key(|p| (p.line, p.column));
        self.layer
    }

    /// Line and column of an offset, both from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        let before = self.text.get(self.starts[line - 1]..at).unwrap_or_default();
        (line, before.chars().count() + 1)
    }

    /// Where a value at this offset comes from, for people.
    pub(super) fn origin(&self, at: usize) -> String {
        let Some(file) = &self.layer.file else { return "default".into() };
        let origin = format!("file {}:{}", file.display(), self.place(at).0);
        self.variables.iter().fold(origin, |origin, (name, is_set)| {
            if *is_set { format!("{origin}, environment {name}") } else { format!("{origin}, {name} not set") }
        })
    }

    /// From here on another value is read.
    pub(super) fn begin_value(&mut self) {
        self.variables.clear();
    }

    /// Keeps the words of a command as they were written, if variables are in them.
    pub(super) fn keep_unfilled(&mut self, path: &str, words: impl Iterator<Item = String>) {
        if !self.variables.is_empty() {
            self.layer.unfilled.insert(path.to_owned(), words.collect());
        }
    }

    /// A value as it is written.
    pub(super) fn written(&self, value: &Spanned<DeValue<'_>>) -> String {
        self.text.get(value.span()).unwrap_or_default().to_owned()
    }

    /// A text with its variables filled in; `None` where one has no value.
    pub(super) fn fill(&mut self, path: &str, value: &Spanned<DeValue<'_>>, text: &str) -> Option<String> {
        let Some(env) = self.env else { return Some(text.to_owned()) };
        match variables::fill(text, env) {
            Ok(filled) => {
                self.variables.extend(filled.variables);
                Some(filled.text)
            }
            Err(variables::Unfilled { written, message, is_unset }) => {
                let raw = self.text.get(value.span()).unwrap_or_default();
                // Written with escapes it is not found as it reads.
                let at = value.span().start + raw.find(&written).unwrap_or_default();
                self.problem(at, path, message);
                self.layer.unset.extend(self.layer.problems.last().filter(|_| is_unset).cloned());
                None
            }
        }
    }

    pub(super) fn problem(&mut self, at: usize, key: &str, message: String) {
        let (line, column) = self.place(at);
        let set = self.variables.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| format!("`{name}`"));
        let set = set.collect::<Vec<_>>().join(", ");
        let message = if set.is_empty() { message } else { format!("{message} (from the environment: {set})") };
        self.layer.refused.insert(key.to_owned());
        let file = self.layer.file.clone();
        self.layer.problems.push(Problem { file, line, column, key: key.to_owned(), message });
    }

    fn document(&mut self, document: &DeTable<'_>) {
        for (name, at, value) in entries(document) {
            match name {
                "keep" => {
                    self.layer.keep = self.table(name, at, value, &[schema::KEEP]);
                }
                "signals" => {
                    self.layer.signals = self.table(name, at, value, &[schema::SIGNALS]);
                }
                "health" => {
                    self.layer.health = self.table(name, at, value, &[schema::HEALTH]);
                }
                "metrics" => {
                    self.layer.metrics = self.table(name, at, value, &[schema::METRICS]);
                }
                "telemetry" => {
                    self.layer.telemetry = self.table(name, at, value, &[schema::TELEMETRY]);
                }
                "web" => {
                    self.layer.web = self.table(name, at, value, &[schema::WEB]);
                }
                "autoscale" => {
                    self.layer.together = self.table(name, at, value, &[schema::TOGETHER]);
                }
                "defaults" => {
                    self.layer.defaults = self.table(name, at, value, &[schema::HOOKS, PoolLimits::KEYS]);
                }
                "pools" => {
                    self.layer.pools = self.named_tables(name, at, value, &schema::OF_POOLS, PoolName::new);
                }
                "processors" => {
                    self.layer.processors =
                        self.named_tables(name, at, value, &[schema::PROCESSOR], ProcessorName::new);
                }
                "queues" => {
                    self.layer.queues = self.named_tables(name, at, value, &[QueueLimits::KEYS], QueueName::new);
                }
                _ => {
                    let entry = self.entry("", name, at, value, &[schema::TOP]);
                    self.layer.top.extend(entry);
                }
            }
        }
    }

    /// The tables in `pools`, `processors` or `queues`, of which each has a name.
    fn named_tables<N>(
        &mut self,
        all: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        keys: &[&'static [Key]],
        new: fn(&str) -> Result<N, NameError>,
    ) -> Vec<(N, Table)> {
        let mut named = Vec::new();
        let DeValue::Table(tables) = value.get_ref() else {
            let (is, one) = (shown(value.get_ref()), all.trim_end_matches('s'));
            self.problem(at, all, format!("`{all}` is {is}; write a table `[{all}.NAME]` for each {one}"));
            return named;
        };
        for (name, at, value) in entries(tables) {
            let path = format!("{all}.{name}");
            let table = self.table(&path, at, value, keys);
            match new(name) {
                Ok(name) => named.push((name, table)),
                Err(error) => self.problem(at, &path, error.to_string()),
            }
        }
        named
    }

    pub(super) fn table(
        &mut self,
        path: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        keys: &[&'static [Key]],
    ) -> Table {
        let place = self.place(at);
        self.layer.places.insert(path.to_owned(), place);
        let DeValue::Table(table) = value.get_ref() else {
            let is = shown(value.get_ref());
            self.problem(at, path, format!("`{path}` is {is}; write a table `[{path}]`"));
            return Table::new();
        };
        let entries = entries(table).into_iter();
        entries.filter_map(|(name, at, value)| self.entry(path, name, at, value, keys)).collect()
    }

    /// One key with its value; `None` if it was refused.
    fn entry(
        &mut self,
        table: &str,
        name: &str,
        at: usize,
        value: &Spanned<DeValue<'_>>,
        keys: &[&'static [Key]],
    ) -> Option<(String, Value)> {
        let path = if table.is_empty() { name.to_owned() } else { format!("{table}.{name}") };
        let Some(key) = schema::find(keys, name) else {
            self.problem(at, &path, unknown(name, table, keys));
            return None;
        };
        let place = self.place(at);
        self.layer.places.insert(path.clone(), place);
        Some((name.to_owned(), self.value(key, &path, at, value)?))
    }

    fn value(&mut self, key: Key, path: &str, at: usize, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        self.begin_value();
        match key.kind {
            Kind::Queues => self.queues(path, value),
            Kind::Command => self.command(key, path, value),
            Kind::Env => self.env(path, value),
            Kind::Weights => self.weights(path, value),
            Kind::Cron => self.cron(path, value),
            Kind::Json => self.json(path, value),
            Kind::Autoscale => self.autoscale(key, path, at, value),
            Kind::Windows => self.windows(path, value),
            Kind::Listen => self.listen(path, value),
            Kind::Pools => self.pool_names(key, path, value),
            Kind::Texts(check) => self.text_list(key, path, value, check),
            Kind::Table(inner) => self.inner(key, inner, path, value),
            _ => self.scalar(key, path, at, value),
        }
    }

    pub(super) fn scalar(&mut self, key: Key, path: &str, at: usize, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let text;
        let written = match value.get_ref() {
            DeValue::String(written) => {
                text = self.fill(path, value, written)?;
                if self.variables.is_empty() { Written::Text(&text) } else { key.written(&text) }
            }
            DeValue::Integer(integer) => {
                let parsed = i64::from_str_radix(integer.as_str(), integer.radix()).ok();
                text = parsed.map_or_else(|| integer.to_string(), |n| n.to_string());
                Written::Whole(parsed, &text)
            }
            other => Written::Other(shown(other)),
        };
        match key.check(&written) {
            Ok(text) => Some(Value::new(Some(&self.origin(at)), ValueKind::String(text))),
            Err(refusal) => {
                self.problem(value.span().start, path, refusal.of_key(key.name));
                None
            }
        }
    }
}

/// The message for a key that does not exist: the nearest one, or the table in which it does exist.
fn unknown(name: &str, table: &str, keys: &[&'static [Key]]) -> String {
    let here = keys.iter().flat_map(|list| list.iter()).map(|key| key.name);
    let tables = schema::TABLES.iter().copied().filter(|_| table.is_empty());
    if let Some(near) = schema::nearest(name, here.chain(tables)) {
        return format!("unknown key `{name}`; did you mean `{near}`?");
    }
    let elsewhere = [
        (PoolLimits::KEYS, "in `[defaults]` or `[pools.NAME]`"),
        (schema::HOOKS, "in `[defaults]` or `[pools.NAME]`"),
        (schema::POOL, "in `[pools.NAME]`"),
        (schema::SERVICE, "in `[pools.NAME]`"),
        (schema::TOP, "at the top of the file, before any table"),
        (schema::KEEP, "in `[keep]`"),
        (schema::PROCESSOR, "in `[processors.NAME]`"),
        (schema::SIGNALS, "in `[signals]`"),
        (schema::HEALTH, "in `[health]`"),
        (schema::METRICS, "in `[metrics]`"),
        (schema::TELEMETRY, "in `[telemetry]`"),
        (schema::WEB, "in `[web]`"),
        (schema::TOGETHER, "in `[autoscale]`"),
        (schema::AUTOSCALE, "in `[pools.NAME.autoscale]`"),
        (QueueLimits::KEYS, "in `[queues.NAME]`"),
    ];
    for (keys, place) in elsewhere {
        match schema::nearest(name, keys.iter().map(|key| key.name)) {
            Some(near) if near == name => return format!("unknown key `{name}` here; it belongs {place}"),
            Some(near) => return format!("unknown key `{name}`; did you mean `{near}`, which belongs {place}?"),
            None => {}
        }
    }
    format!("unknown key `{name}`")
}
