//! `spawn`: adds a pool to the running master.

use super::args::control::SpawnArgs;
use super::context::{self, Context};
use super::output;
use crate::error::{Code, Error};
use crate::model::{OsText, PoolKind};
use crate::report::words;
use crate::wire::control::{Scaled, SpawnPool};

pub(crate) fn run(context: &Context, args: &SpawnArgs) -> Result<Code, Error> {
    let scaled: Scaled = context.connect()?.call("spawn", &params(args)?)?;
    if context.global.json {
        output::json(&scaled)?;
    } else {
        for pool in &scaled.pools {
            let workers = words::count(u64::from(pool.wanted), "worker");
            context.done(&format!("added pool `{}` of {workers}: {} ready", pool.pool, pool.ready))?;
        }
    }
    Ok(Code::DONE)
}

fn params(args: &SpawnArgs) -> Result<SpawnPool, Error> {
    let kind = PoolKind::of_flags(args.exec, args.opaque);
    // A relative program is looked for here, not where the master was started.
    let has_command = !args.command.is_empty();
    Ok(SpawnPool {
        pool: args.pool.clone(),
        queues: args.queue.clone(),
        workers: args.workers,
        command: has_command.then(|| args.command.iter().map(OsText::from).collect()),
        kind: kind.map(|k| k.as_str().to_owned()),
        cwd: if has_command { Some(context::here()?) } else { None },
        no_wait: args.wait.no_wait,
    })
}
