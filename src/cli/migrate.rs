//! `migrate`: moves the store to another place, of another kind.
//!
//! Invariant: what is moved is said only after it was.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::args::Global;
use super::args::backup::MigrateArgs;
use super::args::start::StartArgs;
use super::context::Context;
use super::output;
use crate::clock;
use crate::error::{Code, Error};
use crate::report::{printer, words};
use crate::store::{self, Allow, Holder, Move};

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    from: String,
    to: String,
    /// Rows of all tables.
    rows: u64,
    /// Rows of each table that has any.
    tables: BTreeMap<String, u64>,
    /// Whether a move went on that was stopped before.
    resumed: bool,
    dry_run: bool,
}

pub(crate) fn run(context: &Context, args: &MigrateArgs) -> Result<Code, Error> {
    let from = args.from.as_ref().map(|from| elsewhere(context, from));
    let from = &from.as_ref().unwrap_or(context).paths()?.database;
    let place = elsewhere(context, &args.to);
    let paths = place.paths()?;
    let plan = Move {
        to: &paths.database,
        allow: Allow { network_fs: paths.network_fs, shared_folder: paths.shared_folder },
        holder: Holder { pid: std::process::id(), started_at: clock::wall(), socket: None },
        dry_run: args.dry_run,
    };
    let begun = clock::instant();
    let bar = (!context.global.quiet && !context.global.json).then(printer::rows_bar);
    let moved = store::open(from).move_to(&plan, &mut |done, total| {
        if let Some(bar) = &bar {
            bar.set_length(total);
            bar.set_position(done);
        }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    let moved = moved?;
    let tables: BTreeMap<String, u64> = moved.tables.into_iter().collect();
    let (from, to) = (from.to_string(), paths.database.to_string());
    let (resumed, dry_run) = (moved.resumed, args.dry_run);
    let report = Report { from, to, rows: tables.values().sum(), tables, resumed, dry_run };
    if context.global.json {
        output::json(&report)?;
        return Ok(Code::DONE);
    }
    let took = words::duration(Duration::from_millis(begun.elapsed().as_millis() as u64));
    context.done(&report.text(&took))?;
    Ok(Code::DONE)
}

impl Report {
    fn text(&self, took: &str) -> String {
        let Self { from, to, rows, .. } = self;
        let again = if self.resumed { ", of a move that was stopped" } else { "" };
        if self.dry_run {
            return format!("`{from}` can be moved to `{to}`: {rows} rows{again}");
        }
        format!(
            "moved {rows} rows from `{from}` to `{to}`, after {took}{again}; use `--database '{to}'` from now on, or write it into \
             the configuration; the old store is kept, and tells who opens it"
        )
    }
}

/// As if this were the database.
fn elsewhere(context: &Context, database: &Path) -> Context {
    let global = Global { database: Some(database.to_owned()), socket: None, ..context.global.clone() };
    Context::new(StartArgs::default().to_flags(&global, BTreeSet::new()), global)
}
