//! `processors wrap`: a command as a run of a processor, for crontab and systemd.
//!
//! Invariants: a run that cannot be recorded does not keep the command from running; a processor that is disabled, or does not
//! exist, does. The command has our input, output and signals, and we have its exit code.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::process::{Child, Command};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook::iterator::Signals;

use super::begin::{record_begin, record_end};
use crate::cli::args::processors::WrapArgs;
use crate::cli::context::Context;
use crate::cli::output;
use crate::error::{self, Code, Error};
use crate::model::ProcessorRunId;
use crate::model::processor::ProcessorRunState;
use crate::model::worker::{Exit, signal_name};
use crate::process::exits;
use crate::process::inherited::Ignored;
use crate::wire::processors::{BeginProcessorRun, EndProcessorRun};

/// How long a master may take to record the run.
const PATIENCE: Duration = Duration::from_secs(5);
const NOT_FOUND: u8 = 4;
/// Exit code of a command that cannot be started, as shells have it.
const NOT_STARTED: u8 = 127;
/// Signals that are the command's business.
const FORWARDED: [i32; 7] = [SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH];

pub(super) fn run(context: &Context, args: &WrapArgs) -> Result<Code, Error> {
    let context = &context.with_patience(PATIENCE);
    let params = BeginProcessorRun {
        processor: args.name.clone(),
        pid: Some(std::process::id()),
        timeout_s: args.timeout.map(|timeout| timeout.as_secs_f64()),
    };
    let run = match record_begin(context, &params) {
        Ok(Some(run)) => Some(run.id),
        Ok(None) => {
            context.warn(&format!("the processor `{}` is disabled, so its command is not run", args.name));
            return Ok(Code::DONE);
        }
        Err(unknown) if unknown.exit_code() == NOT_FOUND => return Err(unknown),
        Err(error) => {
            say(&error, "the run is not recorded, and the command is run all the same");
            None
        }
    };
    let (code, note) = match carry_out(&args.command) {
        Ok(Exit::Code(code)) => (code as u8, format!("exit code {code}")),
        Ok(Exit::Signal(signal)) => (128 + signal as u8, signal_name(signal)),
        Err(error) => {
            let text = format!("cannot start `{}`: {error}", args.command[0].display());
            output::say(&text);
            (NOT_STARTED, text)
        }
    };
    if let Some(id) = run {
        end(context, id, code, args.note.clone().or((code != 0).then_some(note)));
    }
    Ok(Code(code))
}

fn end(context: &Context, id: ProcessorRunId, code: u8, note: Option<String>) {
    let state = if code == 0 { ProcessorRunState::Succeeded } else { ProcessorRunState::Failed };
    if let Err(error) = record_end(context, EndProcessorRun { id, state: Some(state), note }) {
        say(&error, "the end of the run is not recorded");
    }
}

fn say(error: &Error, so: &str) {
    let why = error::worded(error);
    let why = why.strip_prefix("queue-work: ").unwrap_or(&why);
    output::say(&format!("{}; {so}", why.trim_end()));
}

/// Runs the command until it ends, and passes signals on to it.
fn carry_out(command: &[OsString]) -> io::Result<Exit> {
    let ignored = Ignored::of_this_process();
    // A terminal sends these to the command itself.
    let has_terminal = io::stdin().is_terminal();
    let is_sent = move |signal: i32| has_terminal && [SIGINT, SIGQUIT, SIGWINCH].contains(&signal);
    let mut signals = Signals::new(FORWARDED.into_iter().filter(|signal| !ignored.has(*signal)))?;
    let mut child = Command::new(&command[0]).args(&command[1..]).spawn()?;
    let (handle, pid) = (signals.handle(), Pid::from_raw(child.id() as i32));
    let forwarder = std::thread::spawn(move || {
        for signal in signals.forever().filter(|signal| !is_sent(*signal)) {
            let _ = Signal::try_from(signal).map(|signal| kill(pid, signal));
        }
    });
    wait(&mut child, || {
        handle.close();
        let _ = forwarder.join();
    })
}

/// Until it is reaped its id is nobody else's, and signals can be passed on.
fn wait(child: &mut Child, before_it_is_reaped: impl FnOnce()) -> io::Result<Exit> {
    exits::wait_for(child.id());
    before_it_is_reaped();
    child.wait().map(exits::exit_of)
}
