//! `stop`: stops the master, the pools of a queue, or workers.
//!
//! Without a target it returns when the master has ended: the connection is closed and the lock of the store is free.

use std::time::Duration;

use super::args::control::StopArgs;
use super::context::Context;
use super::interrupted::Awaited;
use super::{backend, hosts, left, output};
use crate::client::{Client, ClientError};
use crate::clock;
use crate::config::Paths;
use crate::error::{Code, Error};
use crate::model::done::LeftWorker;
use crate::report::words;
use crate::wire::control::{Stop, Stopped, StoppedPool};

/// Between two looks at the lock.
const LOOK: Duration = Duration::from_millis(10);
/// How long a master may take from closing its socket to its end.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn run(context: &Context, args: &StopArgs) -> Result<Code, Error> {
    let paths = context.paths()?;
    let whole = args.queue.is_none() && args.pool.is_none() && args.workers.is_empty();
    let params = Stop {
        timeout_s: args.timeout.map(|t| t.as_secs_f64()),
        queue: args.queue.clone(),
        pool: args.pool.clone(),
        workers: args.workers.clone(),
        no_wait: args.wait.no_wait,
    };
    if let Some(meant) = hosts::one(context, &args.host)? {
        let at_once = args.wait.no_wait;
        return meant.stop(&params, whole && !at_once, |stopped| worded(Some(stopped), whole, at_once));
    }
    let mut client = context.connect()?;
    let awaited = if whole { Awaited::Stop } else { Awaited::Other("stopping them") };
    awaited.tell_when_interrupted(paths);
    let answer = match client.call::<Stopped>("stop", &params) {
        // The master ended before it could answer: its end is what counts.
        Err(ClientError::Closed | ClientError::Unheard) if whole => None,
        answer => Some(answer?),
    };
    let at_once = output::note(&mut client) || args.wait.no_wait;
    if whole && !at_once {
        wait_for_the_end(client, paths)?;
    }
    let stopped = answer.clone().unwrap_or_default();
    if context.global.json {
        output::json(&stopped)?;
    } else {
        context.done(&worded(answer.as_ref(), whole, at_once))?;
    }
    Ok(left::say(&stopped.left))
}

impl hosts::Answer for Stopped {
    fn left(&self) -> &[LeftWorker] {
        &self.left
    }
}

fn wait_for_the_end(client: Client, paths: &Paths) -> Result<(), Error> {
    client.wait_until_closed();
    let mut waited = Duration::ZERO;
    let held = || backend::is_held(paths).map_err(|e| Error::io("look at the lock of the store", e));
    while held()? {
        if waited > PATIENCE {
            return Err(Error::Failed(format!(
                "the master on `{}` has closed its socket but does not end",
                paths.database
            )));
        }
        clock::pause(LOOK);
        waited += LOOK;
    }
    Ok(())
}

fn worded(answer: Option<&Stopped>, whole: bool, no_wait: bool) -> String {
    let Some(Stopped { workers, released, pools, .. }) = answer else { return "stopped".to_owned() };
    let (workers, released) = (words::count(*workers, "worker"), words::count(*released, "job"));
    let done = match (whole, no_wait) {
        (true, true) => "stopping".to_owned(),
        (false, true) => format!("stopping {workers}"),
        (_, false) => format!("stopped: {workers} ended, {released} released"),
    };
    pools.iter().fold(done, |done, pool| format!("{done}; {}", fate(pool)))
}

fn fate(StoppedPool { pool, was, kept }: &StoppedPool) -> String {
    if *kept {
        format!("pool `{pool}` stays: `queue-work scale {} --pool {pool}` starts it again", was.max(&1))
    } else {
        format!("pool `{pool}` is gone: it was spawned")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::PoolName;

    #[test]
    fn it_says_what_ended_and_what_was_given_back() {
        let answer = Stopped { workers: 4, released: 1, ..Stopped::default() };
        assert_eq!(worded(Some(&answer), true, false), "stopped: 4 workers ended, 1 job released");
        assert_eq!(worded(Some(&answer), false, true), "stopping 4 workers");
        assert_eq!(worded(Some(&answer), true, true), "stopping");
        assert_eq!(worded(None, true, false), "stopped");
        let pool = |kept| StoppedPool { pool: PoolName::new("mail").unwrap(), was: 2, kept };
        let answer = Stopped { workers: 2, released: 0, pools: vec![pool(true), pool(false)], left: Vec::new() };
        let told = "stopped: 2 workers ended, 0 jobs released; pool `mail` stays: `queue-work scale 2 --pool mail` starts it \
                    again; pool `mail` is gone: it was spawned";
        assert_eq!(worded(Some(&answer), false, false), told);
    }
}
