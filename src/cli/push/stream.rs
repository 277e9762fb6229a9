//! `push --stream`: jobs are added as their lines come, and the account at the end is exact.
//!
//! Invariant: each chunk is added whole or not at all, and of each line it is said whether its job was added, may have been,
//! or was not.

use std::io::Read;

use super::bulk::{NOTHING, add, conclude, print_ids, worded};
use super::input::{Checked, Input};
use super::interrupt::Interrupts;
use super::sink::{REQUEST, Sink, is_certain};
use crate::cli::args::push::PushArgs;
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{Code, Error};
use crate::wire::control::PushedMany;

pub(super) fn run(
    context: &Context,
    args: &PushArgs,
    mut input: Input<'_, impl Read>,
    interrupts: &Interrupts,
) -> Result<Code, Error> {
    let mut sink = Sink::open(context, false)?;
    let mut all = PushedMany::default();
    loop {
        if !interrupts.free(&account(&all, "; nothing else was sent")) {
            break;
        }
        let before = input.good();
        let Chunk { jobs, from, to, end } = gather(&mut input, args, REQUEST)?;
        if !jobs.is_empty() {
            let unknown = format!("; it is unknown whether those from {from} to {to} were; nothing else was sent");
            let pushed = sink
                .push_many(&jobs, (args.ids, input.batch()), interrupts, &account(&all, &unknown))
                .inspect_err(|error| {
                    let sure = format!("; those from {from} on were not");
                    output::say(&account(&all, if is_certain(error) { &sure } else { &unknown }));
                });
            let pushed = pushed.map_err(|error| input.places.name_line(error, before))?;
            let Some(pushed) = pushed else { break };
            add(&mut all, &pushed);
            interrupts.free(&account(&all, "; nothing else was sent"));
            print_ids(pushed.ids.iter().flatten().copied())?;
        }
        match end {
            None => {}
            Some(End::OfInput) => {
                input.close();
                conclude(context, &all, input.bad)?;
                sink.close();
                return Ok(Code::DONE);
            }
            Some(End::BadLine) => {
                output::say(&account(&all, &format!("; those from {} on were not sent", input.here())));
                sink.close();
                return Err(Error::Failed("a line is bad; leave such lines out with `--skip-bad`".to_owned()));
            }
        }
    }
    output::say(&account(&all, "; nothing else was sent"));
    interrupts.outcome()
}

/// Lines that are there now.
struct Chunk {
    /// As JSON text.
    jobs: Vec<String>,
    from: String,
    to: String,
    end: Option<End>,
}

enum End {
    OfInput,
    BadLine,
}

/// Waits for a line, and takes with it what is there already.
fn gather(input: &mut Input<'_, impl Read>, args: &PushArgs, (jobs, bytes): (usize, usize)) -> Result<Chunk, Error> {
    let mut chunk = Chunk { jobs: Vec::new(), from: String::new(), to: String::new(), end: None };
    let mut size = 0;
    loop {
        match input.next()? {
            None => chunk.end = Some(End::OfInput),
            Some(Checked::Bad) if args.skip_bad => {}
            Some(Checked::Bad) => chunk.end = Some(End::BadLine),
            Some(Checked::Job(job)) => {
                let text = serde_json::to_string(&job).map_err(|e| Error::Failed(format!("cannot write JSON: {e}")))?;
                size += text.len();
                chunk.to = input.here();
                if chunk.jobs.is_empty() {
                    chunk.from.clone_from(&chunk.to);
                }
                chunk.jobs.push(text);
            }
        }
        if chunk.end.is_some() || chunk.jobs.len() >= jobs || size >= bytes || !input.has_next() {
            return Ok(chunk);
        }
    }
}

fn account(all: &PushedMany, rest: &str) -> String {
    let added = if all.count == 0 { NOTHING.to_owned() } else { worded(all, 0) };
    format!("{added}{rest}")
}
