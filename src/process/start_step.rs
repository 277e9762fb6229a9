//! The start step: what happens in the process of a worker before its program does anything.
//!
//! std starts a program in a group of its own and no more. A worker of ours does the rest itself; before any other
//! program a step of ours does it and then becomes that program, under the same process id: a session without a
//! terminal, the control group of the worker, signals at their default, its own id for those that are given sockets, the
//! rights that its pool has for it: a umask, another user. Only where it is needed: the step costs an exec.
//!
//! Invariants: what is to run as another user does nothing as ours; the variables that ask for the step are not in the
//! environment of what is started.

use std::ffi::{CString, OsString};
use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, mode_t};
use nix::unistd::{Gid, Uid, setgid, setuid};

use super::cgroup::Group;
use super::inherited;
use super::spawn::explain;
use super::system::account::join_groups;
use crate::trust::account::Account;

/// The hidden verb; the program and its arguments follow.
pub const VERB: &str = "__start";
/// Set where a session of its own is wanted.
const SESSION_VARIABLE: &str = "QUEUE_WORK_SESSION";
/// The folder of the control group to join.
const CGROUP_VARIABLE: &str = "QUEUE_WORK_CGROUP";
/// Set where `LISTEN_PID` is wanted, which nobody knows before the process is there.
const LISTEN_VARIABLE: &str = "QUEUE_WORK_LISTEN";
/// Octal.
const UMASK_VARIABLE: &str = "QUEUE_WORK_UMASK";
/// The user to become: `33:33:www-data`.
const USER_VARIABLE: &str = "QUEUE_WORK_USER";
/// All of them, not to be passed on.
pub const VARIABLES: [&str; 5] = [SESSION_VARIABLE, CGROUP_VARIABLE, LISTEN_VARIABLE, UMASK_VARIABLE, USER_VARIABLE];
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
    pub umask: Option<u32>,
    /// The user to become.
    pub account: Option<Account>,
}

impl Step {
    /// Whether another program than ours needs the step at all.
    #[must_use]
    pub const fn is_needed(&self) -> bool {
        let has_rights = self.umask.is_some() || self.account.is_some();
        self.session || self.signals || self.cgroup.is_some() || self.listens || has_rights
    }

    /// Variables that ask for it, for the environment of the process.
    #[must_use]
    pub fn env(&self) -> Vec<(OsString, OsString)> {
        let session = self.session.then(|| (SESSION_VARIABLE.into(), "1".into()));
        let cgroup = self.cgroup.as_ref().map(|group| (CGROUP_VARIABLE.into(), group.folder().into()));
        let listens = self.listens.then(|| (LISTEN_VARIABLE.into(), "1".into()));
        let umask = self.umask.map(|mask| (UMASK_VARIABLE.into(), format!("{mask:03o}").into()));
        let user =
            |Account { name, uid, gid, .. }: &Account| (USER_VARIABLE.into(), format!("{uid}:{gid}:{name}").into());
        session.into_iter().chain(cgroup).chain(listens).chain(umask).chain(self.account.as_ref().map(user)).collect()
    }
}

/// Whether this process has a terminal that its children would share.
#[must_use]
pub fn has_terminal() -> bool {
    OpenOptions::new().read(true).custom_flags(OFlag::O_NOCTTY.bits()).open("/dev/tty").is_ok()
}

/// Takes the steps in this process, which has just been started. A step that fails is reported on stderr and skipped, but
/// for that to another user.
pub fn begin() -> io::Result<()> {
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
    let umask = std::env::var(UMASK_VARIABLE).ok().and_then(|text| u32::from_str_radix(&text, 8).ok());
    if let Some(mask) = umask {
        nix::sys::stat::umask(Mode::from_bits_truncate(mask as mode_t));
    }
    std::env::var(USER_VARIABLE).map_or(Ok(()), |user| become_user(&user))
}

/// Groups first: afterwards they are not ours to choose.
fn become_user(written: &str) -> io::Result<()> {
    let mut parts = written.splitn(3, ':');
    let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or(io::ErrorKind::InvalidInput);
    let (uid, gid) = (Uid::from_raw(number()?), Gid::from_raw(number()?));
    let name = CString::new(parts.next().unwrap_or_default())?;
    join_groups(&name, gid)?;
    setgid(gid)?;
    setuid(uid)?;
    Ok(())
}

/// The body of the hidden verb: does it, then becomes the program.
#[must_use]
pub fn run(args: &[OsString]) -> ExitCode {
    let Some((program, args)) = args.split_first() else { return ExitCode::from(2) };
    if let Err(error) = begin() {
        eprintln!("queue-work: cannot become the user of the pool: {error}");
        return ExitCode::from(CANNOT_RUN);
    }
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
