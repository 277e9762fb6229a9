//! Values of the command line and the environment, as the highest layer.
//!
//! The same keys and ranges as in the file ([`super::schema`]). Knows nothing of the file.

use config::{Value, ValueKind};

use super::document::Table;
use super::problem::Problem;
use super::schema;
use super::values::{Refusal, Written};
use super::{Flags, units};
use crate::model::key::Kind;
use crate::model::{MOST_WORKERS, MemoryLimit, PoolLimits, Prefetch};

impl Flags {
    /// How the user said this field: `--max-jobs` or `QUEUE_WORK_MAX_JOBS`.
    pub(super) fn name_of(&self, field: &str) -> String {
        let flag = if field == "queues" { "queue" } else { field };
        if self.from_env.contains(field) || self.from_env.contains(flag) {
            format!("QUEUE_WORK_{}", flag.to_uppercase())
        } else {
            format!("--{}", flag.replace('_', "-"))
        }
    }

    /// Whether the environment says this field, and no flag.
    pub(super) fn is_from_env(&self, field: &str) -> bool {
        self.from_env.contains(field)
    }

    /// Where a value of this field comes from, for people.
    pub(super) fn origin_of(&self, field: &str) -> String {
        let name = self.name_of(field);
        if name.starts_with("--") { format!("flag {name}") } else { format!("environment {name}") }
    }

    /// A problem with what this field says.
    pub(super) fn problem(&self, field: &str, message: impl Into<String>) -> Problem {
        Problem::with_key(self.name_of(field), message)
    }

    /// The limits that were given, checked, and what is wrong with them.
    pub(super) fn limits(&self) -> (Table, Vec<Problem>) {
        let (mut table, mut problems) = (Table::new(), Vec::new());
        for (field, given) in self.given() {
            match check(field, &given) {
                Ok(text) => {
                    let value = Value::new(Some(&self.origin_of(field)), ValueKind::String(text));
                    table.insert(field.to_owned(), value);
                }
                Err(refusal) => problems.push(self.problem(field, refusal.of_flag())),
            }
        }
        (table, problems)
    }

    /// The limits that were given, as text from which they can be read back exactly.
    fn given(&self) -> Vec<(&'static str, Given)> {
        let memory = self.memory.map(|limit| match limit {
            MemoryLimit::Growth(bytes) => format!("+{bytes}"),
            MemoryLimit::Absolute(bytes) => bytes.to_string(),
        });
        let prefetch = self.prefetch.map(|prefetch| match prefetch {
            Prefetch::Auto => Given::Text("auto".into()),
            Prefetch::Fixed(count) => Given::Count(count.into()),
        });
        let span = |d: Option<std::time::Duration>| d.map(|d| Given::Text(units::show_duration(d)));
        let all = [
            ("workers", self.workers.map(|n| Given::Count(n.into()))),
            ("max_jobs", self.max_jobs.map(Given::Count)),
            ("memory", memory.map(Given::Text)),
            ("memory_max", self.memory_max.map(|bytes| Given::Text(bytes.to_string()))),
            ("max_time", span(self.max_time)),
            ("timeout", span(self.timeout)),
            ("grace", span(self.grace)),
            ("prefetch", prefetch),
            ("max_attempts", self.max_attempts.map(|n| Given::Count(n.into()))),
            ("backoff", span(self.backoff)),
        ];
        all.into_iter().filter_map(|(field, given)| given.map(|given| (field, given))).collect()
    }
}

enum Given {
    Count(u64),
    Text(String),
}

fn check(field: &str, given: &Given) -> Result<String, Refusal> {
    let Some(mut key) = schema::find(&[PoolLimits::KEYS], field) else {
        panic!("BUG: the flag `{field}` has no key in the schema");
    };
    if field == "workers" {
        // A file may park a pool with 0 workers; on the command line it is a slip.
        key.kind = Kind::Count(1, MOST_WORKERS.into());
    }
    match given {
        Given::Count(count) => {
            let text = count.to_string();
            key.check(&Written::Whole(i64::try_from(*count).ok(), &text))
        }
        Given::Text(text) => key.check(&Written::Text(text)),
    }
}
