//! `work`: one worker in the foreground, by a master of its own, or lent by the one that runs.
//!
//! Both print the same by the same printer. Invariant: a lent worker has the connection of this process, and ends with it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use serde::de::IgnoredAny;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use super::args::LogFormat;
use super::args::work::WorkArgs;
use super::context::{self, Context};
use super::{backend, output, reach, start};
use crate::client::{Client, ClientError, Delay, Notification, Patience};
use crate::clock;
use crate::config::{Flags, OwnProgram, Paths};
use crate::error::{Code, Error};
use crate::model::{Notice, OsText, Outcome, PoolKind, PoolName, QueueName, Until};
use crate::process::inherited::Ignored;
use crate::report::events::{self, Event};
use crate::report::{Printer, Summary};
use crate::wire::control::{DROPPED, EVENT, LOG, Stop, Work};

pub(crate) fn run(context: &Context, args: &WorkArgs) -> Result<Code, Error> {
    match context.connect() {
        Ok(master) => lent(context, args, master),
        Err(Error::NoMaster { .. }) => alone(context, args),
        Err(error) => Err(error),
    }
}

/// As a master of one worker.
fn alone(context: &Context, args: &WorkArgs) -> Result<Code, Error> {
    // Settings of pools for `start` are not for this one.
    let of_start = Flags {
        queue: Vec::new(),
        command: Vec::new(),
        exec: false,
        opaque: false,
        drain: args.drain,
        ..context.flags.clone()
    };
    let mut loaded = backend::load_for_master(&of_start)?;
    let queues: Vec<QueueName> = queues(args)
        .iter()
        .map(|name| QueueName::new(name))
        .collect::<Result<_, _>>()
        .map_err(|e| Error::Usage(e.to_string()))?;
    let config = &mut loaded.config;
    let serves = queues
        .first()
        .and_then(|first| config.pools.iter().find(|pool| pool.settings.queues.names().any(|q| q == first)));
    let name = match serves {
        Some(pool) => pool.settings.name.clone(),
        None => PoolName::new(queues.first().map_or("default", QueueName::as_str))
            .map_err(|e| Error::Usage(e.to_string()))?,
    };
    if let Some((file, pool)) = config.file.as_ref().zip(serves).filter(|_| loaded.names_pools) {
        context.warn(&format!("as the pool `{}` of `{}`", pool.settings.name, file.file.display()));
    }
    let like = serves.cloned().unwrap_or_else(|| config.pool_of_defaults(name.clone()));
    let own = kind(args).map(|kind| OwnProgram { kind, command: args.command.clone(), cwd: None });
    config.pools = vec![like.single(name, queues, own, args.timeout).map_err(Error::Usage)?];
    config.single = Some(Until { drained: false, max_jobs: args.max_jobs, max_time: args.max_time });
    start::run_loaded(context, loaded, printer(context))
}

fn printer(context: &Context) -> Printer {
    let global = &context.global;
    Printer::new(global.verbose, global.quiet, global.log_format == LogFormat::Json, false)
}

fn queues(args: &WorkArgs) -> Vec<String> {
    if args.queue.is_empty() { vec!["default".to_owned()] } else { args.queue.clone() }
}

/// The kind of the program, where one is named.
fn kind(args: &WorkArgs) -> Option<PoolKind> {
    let kind = PoolKind::of_flags(args.exec, false).unwrap_or(PoolKind::Protocol);
    (!args.command.is_empty()).then_some(kind)
}

/// By a worker that the running master lends.
fn lent(context: &Context, args: &WorkArgs, mut master: Client) -> Result<Code, Error> {
    let kind = kind(args);
    let params = Work {
        queues: queues(args),
        command: kind.map(|_| args.command.iter().map(OsText::from).collect()),
        kind: kind.map(|kind| kind.as_str().to_owned()),
        cwd: kind.map(|_| context::here()).transpose()?,
        timeout_s: args.timeout.map(|timeout| timeout.as_secs_f64()),
        drain: args.drain,
        max_jobs: args.max_jobs,
        max_time_s: args.max_time.map(|time| time.as_secs_f64()),
    };
    let interrupts = Interrupts::watch(context.paths()?);
    let mut shown =
        Shown { printer: printer(context), pool: Arc::clone(&interrupts.pool), summary: Summary::default() };
    let began = clock::wall();
    let ended = master.call_hearing::<IgnoredAny>(
        "work",
        &params,
        Some(&mut |heard| {
            shown.hear(&heard);
            Ok(())
        }),
    );
    let Shown { printer, summary, pool } = shown;
    if pool.get().is_some() {
        let summary = Summary { seconds: clock::wall().since(began).as_secs_f64(), ..summary };
        printer.event(&Event::Stopped { summary }, clock::wall());
    }
    match ended {
        _ if interrupts.count.load(Ordering::Relaxed) > 1 => Err(Error::Interrupted),
        Ok(_) => Ok(Code::DONE),
        Err(ClientError::Closed | ClientError::Unheard) => Err(Error::Failed(
            "the master has ended without a word; what ran here runs again when one is started".to_owned(),
        )),
        Err(error) => Err(error.into()),
    }
}

/// The printed part of the master's words.
struct Shown {
    printer: Printer,
    pool: Arc<OnceLock<String>>,
    summary: Summary,
}

impl Shown {
    fn hear(&mut self, heard: &Notification) {
        let params = heard.params.get();
        let event = match heard.method.as_str() {
            LOG => serde_json::from_str(params).ok().map(Event::Printed),
            EVENT => serde_json::from_str(params).ok(),
            DROPPED => Some(
                Notice::Problem {
                    text: "lines were not printed: the terminal is too slow; see `queue-work logs`".to_owned(),
                }
                .into(),
            ),
            _ => None,
        };
        let Some(event) = event else { return };
        match &event {
            // The first thing that is said.
            Event::PoolStarted { pool, .. } => drop(self.pool.set(pool.clone())),
            Event::Notice(notice) => self.count(notice),
            _ => {}
        }
        self.printer.event(&event, clock::wall());
    }

    fn count(&mut self, notice: &Notice) {
        match notice {
            Notice::JobEnded { outcome, .. } => {
                self.summary.count_run(*outcome);
                self.summary.succeeded += u64::from(*outcome == Outcome::Succeeded);
                self.summary.cancelled += u64::from(*outcome == Outcome::Cancelled);
            }
            Notice::JobFailed { outcome, .. } => self.summary.count_run(*outcome),
            Notice::JobDead { .. } => self.summary.dead += 1,
            _ => {}
        }
    }
}

/// Ctrl-C, SIGTERM and SIGHUP: the worker ends within its grace; at a second Ctrl-C, at once.
struct Interrupts {
    count: Arc<AtomicU32>,
    /// The pool that is lent, once it is known.
    pool: Arc<OnceLock<String>>,
}

impl Interrupts {
    fn watch(paths: &Paths) -> Self {
        let watched = Self { count: Arc::default(), pool: Arc::default() };
        let ignored = Ignored::of_this_process();
        let (count, pool, paths) = (Arc::clone(&watched.count), Arc::clone(&watched.pool), paths.clone());
        if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP].into_iter().filter(|&s| !ignored.has(s))) {
            std::thread::spawn(move || {
                for signal in signals.forever() {
                    if signal == SIGINT {
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                    let now = count.load(Ordering::Relaxed) > 1;
                    let (pool, paths) = (pool.get().cloned(), paths.clone());
                    std::thread::spawn(move || {
                        let stopped = pool.map(|pool| stop(&paths, pool, now));
                        if !matches!(stopped, Some(Ok(()))) {
                            // With us goes the connection, and with it the pool.
                            let _ = emulate_default_handler(signal);
                        }
                    });
                }
            });
        }
        watched
    }
}

fn stop(paths: &Paths, pool: String, now: bool) -> Result<(), Error> {
    let Some(mut master) = reach::master_if_any(paths, Patience::Endless(tell))? else { return Ok(()) };
    let params = if now {
        // The pool has no name any more while it ends, but its worker has.
        Stop { workers: vec![format!("{pool}-1")], timeout_s: Some(0.0), ..Stop::default() }
    } else {
        Stop { pool: Some(pool), ..Stop::default() }
    };
    match master.call::<IgnoredAny>("stop", &params) {
        // The master may have ended meanwhile.
        Ok(_) | Err(ClientError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Says what the end waits for.
fn tell(delay: Delay) {
    match delay {
        Delay::Jobs(awaited) => {
            let grace_s = awaited.grace_s.unwrap_or_default();
            output::say(&events::line(&Event::Stopping { running: awaited.jobs, grace_s, ctrl_c: true }));
        }
        delay => reach::tell(delay),
    }
}
