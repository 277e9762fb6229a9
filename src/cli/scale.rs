//! `scale`: sets the wanted number of workers.

use super::args::control::ScaleArgs;
use super::context::Context;
use super::output;
use crate::error::{Code, Error};
use crate::report::words;
use crate::wire::control::{Scale, Scaled, ScaledPool};

pub(crate) fn run(context: &Context, args: &ScaleArgs) -> Result<Code, Error> {
    let params =
        Scale { workers: args.workers, queue: args.queue.clone(), pool: args.pool.clone(), no_wait: args.wait.no_wait };
    let mut client = context.connect()?;
    let scaled: Scaled = client.call("scale", &params)?;
    output::note(&mut client);
    if context.global.json {
        output::json(&scaled)?;
    } else {
        for pool in &scaled.pools {
            context.done(&worded(pool))?;
        }
    }
    Ok(Code::DONE)
}

fn worded(pool: &ScaledPool) -> String {
    let workers = words::count(u64::from(pool.wanted), "worker");
    format!("scaled `{}` from {} to {workers}: {} ready", pool.pool, pool.was, pool.ready)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PoolName;

    #[test]
    fn it_says_from_where_to_where() {
        let pool = |wanted| ScaledPool { pool: PoolName::new("default").unwrap(), was: 4, wanted, ready: wanted };
        assert_eq!(worded(&pool(6)), "scaled `default` from 4 to 6 workers: 6 ready");
        assert_eq!(worded(&pool(1)), "scaled `default` from 4 to 1 worker: 1 ready");
    }
}
