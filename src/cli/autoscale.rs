//! `autoscale`: why pools that scale themselves have as many workers as they have, and had.

mod history;
mod replay;

use super::args::control::AutoscaleArgs;
use super::context::Context;
use super::{known, output};
use crate::client::NONE;
use crate::clock;
use crate::error::{Code, Error};
use crate::report::AutoscaleStatus;

pub(crate) fn run(context: &Context, args: &AutoscaleArgs) -> Result<Code, Error> {
    if args.replay {
        return replay::run(context, args);
    }
    if let Some(within) = args.history {
        return history::run(context, args, within);
    }
    loop {
        show(context, args.pool.as_deref())?;
        let Some(interval) = args.watch else { return Ok(Code::DONE) };
        clock::pause(interval);
    }
}

fn show(context: &Context, pool: Option<&str>) -> Result<(), Error> {
    let mut pools: Vec<AutoscaleStatus> = context.connect()?.call("autoscale", &NONE)?;
    if let Some(name) = pool {
        pools.retain(|of| of.pool.as_str() == name);
        if pools.is_empty() {
            known::pool(context, name)?;
        }
    }
    if context.global.json {
        return output::json(&pools);
    }
    if pools.is_empty() {
        let which = pool
            .map_or_else(|| "no pool scales itself".to_owned(), |name| format!("pool `{name}` does not scale itself"));
        context.warn(&format!("{which}; write `autoscale = true` into its table of the configuration, or start the master with `--autoscale 1..8`"));
        return Ok(());
    }
    output::print(&pools.iter().map(|of| of.line() + "\n").collect::<String>())
}
