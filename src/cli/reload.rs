//! `reload`: has the master read its configuration file again.

use super::args::control::ReloadArgs;
use super::context::Context;
use super::interrupted::Awaited;
use super::{left, output};
use crate::error::{Code, Error};
use crate::report::{reload, words};
use crate::wire::control::{Reload, Reloaded};

pub(crate) fn run(context: &Context, args: &ReloadArgs) -> Result<Code, Error> {
    let params = Reload { dry_run: args.dry_run, no_wait: args.wait.no_wait };
    let mut client = context.connect()?;
    Awaited::Other("reloading").tell_when_interrupted(context.paths()?);
    let reloaded: Reloaded = client.call("reload", &params)?;
    let at_once = output::note(&mut client) || args.wait.no_wait;
    for warning in &reloaded.warnings {
        context.warn(&format!("warning: {warning}"));
    }
    if context.global.json {
        output::json(&reloaded)?;
    } else {
        for line in reload::lines(&reloaded.changes) {
            if args.dry_run { output::line(&words::escape(&line)) } else { context.done(&line) }?;
        }
        context.done(&worded(&reloaded, at_once))?;
    }
    Ok(left::say(&reloaded.left))
}

fn worded(reloaded: &Reloaded, at_once: bool) -> String {
    let Reloaded { file, changes, applied, workers, released, .. } = reloaded;
    let workers = words::count(workers.len() as u64, "worker");
    match (applied, at_once, changes.is_empty()) {
        (_, _, true) => format!("nothing has changed: `{file}` says what it said before"),
        (false, ..) => "nothing was changed: `--dry-run`".to_owned(),
        (true, true, false) => format!("reloading `{file}`: {workers} to be replaced"),
        (true, false, false) => {
            let released =
                if *released > 0 { format!(", {} released", words::count(*released, "job")) } else { String::new() };
            format!("reloaded `{file}`: {workers} replaced{released}")
        }
    }
}
