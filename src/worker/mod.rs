//! The built-in worker: an ordinary protocol worker that runs commands, one at a time.
//!
//! The body of a hidden verb. It reads jobs on stdin and answers on stdout (JSON lines, see `wire`); a job is a
//! command of its own (type `exec`) or fills in the command of `--exec`. It knows nothing of the master but those
//! lines, so one code path serves all jobs. It sends nothing before the first job. To stay small it has one thread and
//! allocates as it goes.
//!
//! Types of its errors (`error.data.type`):
//!
//! | type | when | retried |
//! | --- | --- | --- |
//! | `exit` | the command ended with a code that is not 0 | 75 yes, 65 no, else by policy |
//! | `signal` | a signal ended it | by policy |
//! | `timeout`, `cancelled`, `shutdown` | the master sent `cancel` with that reason | by the master |
//! | `not_found`, `not_executable` | there is no such program, or it may not be executed | no |
//! | `bad_cwd` | the folder to run in does not exist | by policy |
//! | `spawn` | the system had no process, memory or file left, or the program is being written: never begun | uncharged |
//! | `refused` | the system refused for another reason | by policy |
//! | `invalid` | the job is written wrong | no |
//! | `no_such_type` | the job is not a command; none is sent here | by policy |
//!
//! `peak_memory_bytes` is what the kernel counted for the command (and those of its children that it waited for); it
//! is never less than this worker's own resident set, which the command shares until it is executed.

mod answer;
mod command;
mod event_loop;
mod intake;
mod others;
mod pipes;
mod plan;
mod printed;
mod refusal;
mod request;
mod template;
mod verdict;

#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};

pub(crate) use template::Template;

use crate::process::{exits, image, start_step};
use event_loop::{Ended, Io};

/// In its environment: the pool's `kill_after`, in milliseconds.
pub(crate) const KILL_AFTER_VARIABLE: &str = "QUEUE_WORK_KILL_AFTER_MS";

/// The hidden verb the master starts it by; what follows is the command of every job, if the pool has one.
pub(crate) const VERB: &str = "__worker";

/// Serves until the input ends (0), the output is gone (1) or SIGTERM (143). `template` is the command of `--exec`
/// with its placeholders; without it jobs of type `exec` run their own commands. A template that cannot be used ends
/// it with 2.
pub(crate) fn run(template: Option<Vec<OsString>>) -> ExitCode {
    let template = match template.map(Template::parse).transpose() {
        Ok(template) => template,
        Err(e) => {
            eprintln!("queue-work: {e}");
            return ExitCode::from(2);
        }
    };
    let ended = standard_io().and_then(|io| event_loop::serve(io, template.as_ref()));
    // Leftovers of any command, in other sessions, end with us. A master that lives would see to it; but one that has
    // died looks the same for a moment, when our input is closed and our output is not yet.
    command::end_all();
    match ended {
        Ok(Ended::InputClosed) => ExitCode::SUCCESS,
        Ok(Ended::OutputGone) => ExitCode::FAILURE,
        Ok(Ended::Terminated) => ExitCode::from(128 + SIGTERM as u8),
        Err(e) => {
            eprintln!("queue-work: the built-in worker cannot go on: {e}");
            ExitCode::FAILURE
        }
    }
}

/// The streams and signals of this process. Handlers rather than ignored signals: a command that is started gets the
/// defaults back.
fn standard_io() -> io::Result<Io> {
    image::take_name();
    start_step::begin()?;
    let (child_exits, on_exit) = UnixStream::pair()?;
    let (terminate, on_term) = UnixStream::pair()?;
    signal_hook::low_level::pipe::register(SIGCHLD, on_exit)?;
    signal_hook::low_level::pipe::register(SIGTERM, on_term)?;
    exits::become_subreaper()?;
    // The terminal's Ctrl-C is the master's business.
    signal_hook::flag::register(SIGINT, Arc::new(AtomicBool::new(false)))?;
    Ok(Io {
        input: io::stdin().as_fd().try_clone_to_owned()?,
        output: io::stdout().as_fd().try_clone_to_owned()?,
        log: io::stderr().as_fd().try_clone_to_owned()?,
        child_exits,
        terminate,
        alone: true,
    })
}
