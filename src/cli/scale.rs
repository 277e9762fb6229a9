//! `scale`: sets the wanted number of workers.

use std::fmt::Write as _;

use super::args::control::ScaleArgs;
use super::context::Context;
use super::interrupted::Awaited;
use super::{hosts, left, output};
use crate::error::{Code, Error};
use crate::model::ScaleTo;
use crate::model::done::LeftWorker;
use crate::report::words;
use crate::wire::control::{Scale, Scaled, ScaledPool};

pub(crate) fn run(context: &Context, args: &ScaleArgs) -> Result<Code, Error> {
    let params = Scale {
        workers: args.workers,
        queue: args.queue.clone(),
        pool: args.pool.clone(),
        grace_s: args.grace.map(|grace| grace.as_secs_f64()),
        hold_s: args.hold.map(|hold| hold.as_secs_f64()),
        no_wait: args.wait.no_wait,
    };
    if let Some(meant) = hosts::meant(context, &args.hosts)? {
        let at_once = args.wait.no_wait;
        let worded = |scaled: &Scaled| {
            if args.workers == ScaleTo::Auto { again(scaled) } else { worded(scaled, at_once) }
        };
        return meant.each("scale", &params, worded);
    }
    let mut client = context.connect()?;
    Awaited::Other("scaling").tell_when_interrupted(context.paths()?);
    let scaled: Scaled = client.call("scale", &params)?;
    let at_once = output::note(&mut client) || args.wait.no_wait;
    if context.global.json {
        output::json(&scaled)?;
    } else {
        let lines = if args.workers == ScaleTo::Auto { again(&scaled) } else { worded(&scaled, at_once) };
        lines.iter().try_for_each(|line| context.done(line))?;
    }
    Ok(left::say(&scaled.left))
}

impl hosts::Answer for Scaled {
    fn left(&self) -> &[LeftWorker] {
        &self.left
    }
}

/// Of pools that scale themselves again.
fn again(scaled: &Scaled) -> Vec<String> {
    let line = |ScaledPool { pool, wanted, ready, .. }: &ScaledPool| {
        let workers = words::count(u64::from(*wanted), "worker");
        format!("`{pool}` scales itself again: {workers} wanted, {ready} ready")
    };
    scaled.pools.iter().map(line).collect()
}

pub(super) fn worded(scaled: &Scaled, at_once: bool) -> Vec<String> {
    let mut lines: Vec<String> = scaled.pools.iter().map(|pool| scaled_pool(pool, at_once)).collect();
    if let Some(last) = lines.last_mut().filter(|_| scaled.released > 0) {
        let _ = write!(last, ", {} released", words::count(scaled.released, "job"));
    }
    lines
}

fn scaled_pool(ScaledPool { pool, was, wanted, ready }: &ScaledPool, at_once: bool) -> String {
    let workers = words::count(u64::from(*wanted), "worker");
    if at_once {
        return format!("scaling `{pool}` from {was} to {workers}: {ready} ready now");
    }
    format!("scaled `{pool}` from {was} to {workers}: {ready} ready")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PoolName;

    #[test]
    fn it_says_from_where_to_where_and_what_it_cost() {
        let pool = |wanted| ScaledPool { pool: PoolName::new("default").unwrap(), was: 4, wanted, ready: wanted };
        let scaled = |wanted, released| Scaled { pools: vec![pool(wanted)], released, left: Vec::new() };
        assert_eq!(worded(&scaled(2, 0), true), ["scaling `default` from 4 to 2 workers: 2 ready now"]);
        let scaled = |wanted, released| worded(&scaled(wanted, released), false);
        assert_eq!(scaled(6, 0), ["scaled `default` from 4 to 6 workers: 6 ready"]);
        assert_eq!(scaled(1, 3), ["scaled `default` from 4 to 1 worker: 1 ready, 3 jobs released"]);
    }
}
