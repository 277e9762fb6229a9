//! `backup` and `restore`: a copy of the store, and putting one in its place.
//!
//! Invariant: neither a copy nor a store has its name before it is whole.

use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::args::backup::{BackupArgs, RestoreArgs};
use super::context::Context;
use super::output;
use crate::clock;
use crate::error::{Code, Error};
use crate::model::{StoreUrl, UnixMicros};
use crate::report::{printer, words};
use crate::store::exam::Exam;
use crate::store::{self, Holder};

/// The exit code of a copy that cannot be used.
const FAILED: u8 = 1;

/// A copy; what `--json` prints.
#[derive(Serialize)]
struct Copy {
    file: String,
    bytes: u64,
    schema: i64,
    /// The latest time on record; `null`: nothing has run yet, or it is of another version.
    last_at: Option<UnixMicros>,
    /// What is damaged.
    damage: Vec<String>,
    /// Whether this program can use it.
    ok: bool,
    /// Where the store is kept that was replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<String>,
}

impl Copy {
    fn new(file: &Path, exam: Exam, replaced: Option<&Path>) -> Self {
        Self {
            file: file.display().to_string(),
            bytes: exam.size.bytes + exam.size.log_bytes,
            schema: exam.schema,
            last_at: exam.last_at,
            ok: exam.damage.is_empty() && exam.schema <= exam.known_schema,
            damage: exam.damage,
            replaced: replaced.map(|path| path.display().to_string()),
        }
    }
}

pub(crate) fn backup(context: &Context, args: &BackupArgs) -> Result<Code, Error> {
    let (database, begun) = (&context.paths()?.database, clock::instant());
    let exam = with_bar(context, store::open(database).size().bytes, |said| {
        Ok(store::open(database).backup(&args.file, said)?)
    })?;
    let copy = Copy::new(&args.file, exam, None);
    let took = words::duration(Duration::from_millis(begun.elapsed().as_millis() as u64));
    say(context, &copy, &format!("{} in `{}`, after {took}", words::bytes(copy.bytes), copy.file))
}

pub(crate) fn restore(context: &Context, args: &RestoreArgs) -> Result<Code, Error> {
    // A link leads to the copy; a file that is missing is named when it is opened.
    let file = &args.file.canonicalize().unwrap_or_else(|_| args.file.clone());
    let from = StoreUrl::File(file.clone());
    if args.check {
        let copy = Copy::new(file, store::open(&from).examine(None).map_err(|e| e.when_read(file))?, None);
        let at = copy.last_at.map_or_else(String::new, |at| format!(", up to {}", words::time(at)));
        let text = match copy.damage.first() {
            Some(damage) => format!("`{}` is damaged: {damage}", copy.file),
            None if !copy.ok => format!("`{}` has schema {}: install a newer queue-work", copy.file, copy.schema),
            None => format!("`{}` can be used: {}, schema {}{at}", copy.file, words::bytes(copy.bytes), copy.schema),
        };
        say(context, &copy, &text)?;
        return if copy.ok { Ok(Code::DONE) } else { Err(Error::Said(FAILED)) };
    }
    let database = &context.paths()?.database;
    let holder = Holder { pid: std::process::id(), started_at: clock::wall(), socket: None };
    let (exam, old) = with_bar(context, store::open(&from).size().bytes, |said| {
        Ok(store::open(database).restore(file, &holder, said)?)
    })?;
    let copy = Copy::new(file, exam, old.as_deref());
    let kept = copy.replaced.as_ref().map_or_else(String::new, |old| format!("; what was there is kept as `{old}`"));
    say(context, &copy, &format!("restored `{database}` from `{}`{kept}", copy.file))
}

fn say(context: &Context, copy: &Copy, text: &str) -> Result<Code, Error> {
    if context.global.json {
        output::json(copy)?;
    } else {
        context.done(text)?;
    }
    Ok(Code::DONE)
}

/// Does it with a bar on a terminal.
fn with_bar<T>(
    context: &Context,
    bytes: u64,
    work: impl FnOnce(&mut (dyn FnMut(u64) + Send)) -> Result<T, Error>,
) -> Result<T, Error> {
    let bar = (!context.global.quiet && !context.global.json).then(|| printer::copy_bar(bytes));
    let done = work(&mut |bytes| {
        if let Some(bar) = &bar {
            bar.set_position(bytes);
        }
    });
    if let Some(bar) = &bar {
        bar.finish_and_clear();
    }
    done
}
