//! The start step: what happens in the process of a worker before its program does anything.
//!
//! std starts a program in a group of its own and no more. A worker of ours does the rest itself; before any other
//! program a step of ours does it and then becomes that program, under the same process id: a session without a
//! terminal, the control group of the worker, signals at their default, its own id for those that are given sockets. Only
//! where it is needed: the step costs an exec.
//!
//! Invariant: the variables that ask for it are not in the environment of what is started.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::fcntl::OFlag;

use super::cgroup::Group;
use super::inherited;
use super::spawn::explain;

/// The hidden verb; the program and its arguments follow.
pub const VERB: &str = "__start";
/// Set where a session of its own is wanted.
const SESSION_VARIABLE: &str = "QUEUE_WORK_SESSION";
/// The folder of the control group to join.
const CGROUP_VARIABLE: &str = "QUEUE_WORK_CGROUP";
/// Set where `LISTEN_PID` is wanted, which nobody knows before the process is there.
const LISTEN_VARIABLE: &str = "QUEUE_WORK_LISTEN";
/// All of them, not to be passed on.
pub const VARIABLES: [&str; 3] = [SESSION_VARIABLE, CGROUP_VARIABLE, LISTEN_VARIABLE];
/// The process that the variables `LISTEN_FDS` and `LISTEN_FDNAMES` are for, by the protocol of `sd_listen_fds(3)`.
const LISTEN_PID: &str = "LISTEN_PID";

/// The exit code of a step whose program cannot be executed, as shells have it.
const CANNOT_RUN: u8 = 127;

/// The steps that are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// A session of its own: what asks on `/dev/tty` fails at once, instead of being stopped until its timeout, or
    /// writing what it likes to the master's terminal.
    pub session: bool,
    /// Signals that stay ignored in the master are to be at their default.
    pub signals: bool,
    /// The control group that it is to be in before it starts anything.
    pub cgroup: Option<Group>,
    /// Its process id as `LISTEN_PID`.
    pub listens: bool,
}

impl Step {
    /// Whether another program than ours needs the step at all.
    #[must_use]
    pub const fn is_needed(&self) -> bool {
        self.session || self.signals || self.cgroup.is_some() || self.listens
    }

    /// Variables that ask for it, for the environment of the process.
    #[must_use]
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        let session = self.session.then(|| (SESSION_VARIABLE.into(), "1".into()));
        let cgroup = self.cgroup.as_ref().map(|group| (CGROUP_VARIABLE.into(), group.folder().into()));
        let listens = self.listens.then(|| (LISTEN_VARIABLE.into(), "1".into()));
        session.into_iter().chain(cgroup).chain(listens).collect()
    }
}

/// Whether this process has a terminal that its children would share.
#[must_use]
pub fn has_terminal() -> bool {
    OpenOptions::new().read(true).custom_flags(OFlag::O_NOCTTY.bits()).open("/dev/tty").is_ok()
}

/// Takes the steps in this process, which has just been started. A step that fails is reported on stderr and skipped.
pub fn begin() {
    if let Some(folder) = std::env::var_os(CGROUP_VARIABLE)
        && let Err(error) = Group::at(folder).join()
    {
        eprintln!("queue-work: no control group of its own: {error}");
    }
    if std::env::var_os(SESSION_VARIABLE).is_some()
        && let Err(errno) = nix::unistd::setsid()
    {
        eprintln!("queue-work: no session of its own: {errno}");
    }
    if let Err(error) = inherited::reset_all() {
        eprintln!("queue-work: signals may be ignored: {error}");
    }
}

/// The body of the hidden verb: does it, then becomes the program.
#[must_use]
pub fn run(args: &[OsString]) -> ExitCode {
    begin();
    let Some((program, args)) = args.split_first() else { return ExitCode::from(2) };
    let mut command = Command::new(program);
    command.args(args);
    if std::env::var_os(LISTEN_VARIABLE).is_some() {
        command.env(LISTEN_PID, std::process::id().to_string());
    }
    for name in VARIABLES {
        command.env_remove(name);
    }
    let error = command.exec();
    let shown = program.to_string_lossy().into_owned();
    eprintln!("queue-work: {}", explain(shown, Some(Path::new(program)), None, error));
    ExitCode::from(CANNOT_RUN)
}
