//! `restart`: replaces workers, one after the other.

use super::args::control::RestartArgs;
use super::context::Context;
use super::interrupted::Awaited;
use super::{hosts, left, output};
use crate::client::{Client, NONE};
use crate::config::ReadFile;
use crate::error::{Code, Error};
use crate::model::done::LeftWorker;
use crate::report::{Status, words};
use crate::wire::control::{Restart, Restarted};

pub(crate) fn run(context: &Context, args: &RestartArgs) -> Result<Code, Error> {
    let params = Restart {
        all: args.all,
        queue: args.queue.clone(),
        pool: args.pool.clone(),
        workers: args.workers.clone(),
        grace_s: args.grace.map(|grace| grace.as_secs_f64()),
        now: args.now,
        no_wait: args.wait.no_wait,
    };
    if args.hosts.all_hosts && args.wait.no_wait {
        let text = "`--all-hosts` restarts one host after the other, and so waits for each; leave out `--no-wait`";
        return Err(Error::Usage(text.to_owned()));
    }
    if let Some(meant) = hosts::meant(context, &args.hosts)? {
        return meant.each("restart", &params, |restarted| vec![worded(restarted, args.wait.no_wait)]);
    }
    let mut client = context.connect()?;
    Awaited::Other("restarting them").tell_when_interrupted(context.paths()?);
    let restarted: Restarted = client.call("restart", &params)?;
    let at_once = output::note(&mut client) || args.wait.no_wait;
    if context.global.json {
        output::json(&restarted)?;
    } else {
        context.done(&worded(&restarted, at_once))?;
    }
    warn_of_config(context, &mut client);
    Ok(left::say(&restarted.left))
}

impl hosts::Answer for Restarted {
    fn left(&self) -> &[LeftWorker] {
        &self.left
    }
}

/// Workers are started with what the configuration said when the master read it.
fn warn_of_config(context: &Context, client: &mut Client) {
    let master = client.call::<Status>("status", &NONE).ok().and_then(|status| status.master);
    if let Some(read) = master.and_then(|master| master.config).filter(ReadFile::has_changed) {
        context.warn(&format!(
            "`{}` has changed since the master read it, and workers still run as it said then; \
             `queue-work reload` has it read again",
            read.file.display()
        ));
    }
}

pub(super) fn worded(restarted: &Restarted, no_wait: bool) -> String {
    let workers = words::count(restarted.workers.len() as u64, "worker");
    if no_wait {
        return format!("restarting {workers}");
    }
    let tried = match restarted.tried {
        0 => String::new(),
        n => format!(", {} tried again", words::count(n, "worker")),
    };
    match restarted.released {
        0 => format!("restarted {workers}{tried}"),
        n => format!("restarted {workers}{tried}: {} released", words::count(n, "job")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_many_workers_and_which_jobs_were_given_back() {
        let restarted =
            |released| Restarted { workers: vec!["default-1".into()], tried: 0, released, left: Vec::new() };
        assert_eq!(worded(&restarted(0), false), "restarted 1 worker");
        assert_eq!(worded(&restarted(2), false), "restarted 1 worker: 2 jobs released");
        assert_eq!(worded(&restarted(0), true), "restarting 1 worker");
        let tried = Restarted { tried: 2, ..restarted(0) };
        assert_eq!(worded(&tried, false), "restarted 1 worker, 2 workers tried again");
    }
}
