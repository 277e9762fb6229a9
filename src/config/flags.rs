//! Values of the command line and the environment, as the highest layer.
//!
//! The same keys and ranges as in the file ([`super::schema`]). Knows nothing of the file.

use super::document::Table;
use super::problem::Problem;
use super::schema;
use super::values::Refusal;
use super::{Flags, autoscale};
use crate::model::key::Kind;
use crate::model::{MOST_WORKERS, PoolLimits};

impl Flags {
    /// How the user said this field: `--max-jobs` or `QUEUE_WORK_MAX_JOBS`.
    pub(super) fn name_of(&self, field: &str) -> String {
        if self.is_from_env(field) {
            format!("QUEUE_WORK_{}", field.to_uppercase())
        } else {
            format!("--{}", field.replace('_', "-"))
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

    /// The limits that were given, checked, and what is wrong with them: of the environment and, above it, of the command
    /// line.
    pub(super) fn limits(&self) -> ([Table; 2], Vec<Problem>) {
        let (mut tables, mut problems) = ([Table::new(), Table::new()], Vec::new());
        for (name, given) in &self.limits {
            match check(name, given) {
                Ok(text) => {
                    let table = &mut tables[usize::from(!self.is_from_env(name))];
                    autoscale::put_flag(table, name, &text, &self.origin_of(name));
                }
                Err(refusal) => problems.push(self.problem(name, refusal.of_flag())),
            }
        }
        (tables, problems)
    }
}

/// Checks a limit as a flag gives it: the text that means it, or why it cannot be.
pub fn check_limit(name: &str, given: &str) -> Result<String, String> {
    check(name, given).map_err(|refusal| refusal.of_flag())
}

fn check(name: &str, given: &str) -> Result<String, Refusal> {
    let Some(mut key) = schema::find(&[PoolLimits::KEYS, schema::AUTOSCALE_FLAGS], name) else {
        panic!("BUG: the flag `{name}` has no key in the schema");
    };
    if name == "workers" {
        // A file may park a pool with 0 workers; on the command line it is a slip.
        key.kind = Kind::Count(1, MOST_WORKERS.into());
    }
    key.check(&key.written(given))
}
