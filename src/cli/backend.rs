//! The doors to the parts beside the command line: configuration, store, master, built-in worker, guardian.
//!
//! Invariant: the verbs reach those parts through here only, and every failure of theirs becomes an [`Error`] here.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::config::{self, ConfigErrors, Environment, Flags, Inputs, Loaded, Paths, Problem};
use crate::error::{Code, Error};
use crate::gateway;
pub(crate) use crate::master::logs::Wanted;
use crate::master::{self, Failure};
use crate::model::StoreUrl;
use crate::model::bulk::BulkOwner;
use crate::model::processor::ForeignProcess;
use crate::process::guardian;
use crate::process::identity::{self, Identity};
use crate::report::Printer;
use crate::report::events::Level;
use crate::store::{self, Allow, Holder, OrderDesk, Records, Store, StoreError};
use crate::trust;
pub(crate) use crate::trust::whose;
use crate::wire::control::LogLine;
use crate::worker;

/// Where things are.
pub(crate) fn paths(flags: &Flags) -> Result<Paths, Error> {
    config::paths(flags, &Environment::of_process(), here().as_deref()).map_err(|e| invalid(&e))
}

/// A configuration that is valid, to look something up in it.
pub(crate) fn load_config(flags: &Flags) -> Result<Loaded, Error> {
    Inputs::of_process(flags).without_telemetry().load().map_err(|e| invalid(&e))
}

/// A configuration that is valid, as a master that starts here has it.
pub(crate) fn load_for_master(flags: &Flags) -> Result<Loaded, Error> {
    Inputs::of_process(flags).load().map_err(|e| invalid(&e))
}

/// Whether there is a group that may use the socket; a warning where it does not reach that.
pub(crate) fn check_socket_group(loaded: &Loaded) -> Result<Option<Problem>, Error> {
    loaded.check_socket_group().map_err(|problem| Error::Config(problem.to_string()))
}

/// Finds the users that workers run as.
pub(crate) fn find_accounts(loaded: &mut Loaded) -> Result<(), Error> {
    loaded.find_accounts().map_err(|problem| Error::Config(problem.to_string()))
}

/// The current folder; only what needs it fails where it was deleted.
fn here() -> Option<std::path::PathBuf> {
    std::env::current_dir().ok()
}

fn invalid(errors: &ConfigErrors) -> Error {
    Error::Config(errors.to_string())
}

/// The records, read-only; `None` while there is no store. An answer may take so long.
pub(crate) fn open_records(paths: &Paths, within: Option<Duration>) -> Result<Option<Box<dyn Records>>, StoreError> {
    let location = store::open(&paths.database);
    match location.exists() {
        Ok(false) => Ok(None),
        // Opening it says better why it cannot be found.
        Ok(true) | Err(_) => Ok(Some(match within {
            Some(limit) => location.records_within(limit)?,
            None => location.records()?,
        })),
    }
}

/// The store, to be written to.
pub(crate) fn open_store(paths: &Paths) -> Result<Box<dyn Store>, StoreError> {
    let allow = Allow { network_fs: paths.network_fs, shared_folder: paths.shared_folder };
    store::open(&paths.database).as_guest(allow)
}

/// Where the masters of other hosts are asked; `None`: the store is a file.
pub(crate) fn order_desk(paths: &Paths) -> Result<Option<OrderDesk>, StoreError> {
    store::open(&paths.database).order_desk()
}

/// Runs a master until it ends.
pub(crate) fn run_master(flags: &Flags, loaded: Loaded, printer: Printer, least: Level) -> Result<Code, Error> {
    match master::run(Inputs::of_process(flags), loaded, printer, least) {
        Ok(()) => Ok(Code::DONE),
        Err(Failure::Interrupted) => Err(Error::Interrupted),
        Err(error @ Failure::SocketInUse { .. }) => Err(Error::Refused(error.to_string())),
        Err(Failure::Store(error)) => Err(Error::Store(error)),
        Err(error @ (Failure::Socket { .. } | Failure::Listen(_) | Failure::Group(_))) => {
            Err(Error::Usage(error.to_string()))
        }
        Err(
            error @ (Failure::NotDrained(_) | Failure::Survivors(_) | Failure::System { .. } | Failure::NotInOrder),
        ) => Err(Error::Failed(error.to_string())),
    }
}

/// Becomes the built-in worker; `template`: what follows its verb, a command for every job.
pub(crate) fn run_worker(template: &[OsString]) -> std::process::ExitCode {
    worker::run((!template.is_empty()).then(|| template.to_vec()))
}

/// Becomes the guardian.
pub(crate) fn run_guardian() -> Result<Code, Error> {
    match guardian::run() {
        Ok(true) => Ok(Code::DONE),
        Ok(false) => Err(Error::Failed("processes of the dead master cannot be killed".to_owned())),
        Err(error) => Err(Error::io("watch over the master", error)),
    }
}

/// Becomes the gateway.
pub(crate) fn run_gateway(args: &[OsString]) -> Result<Code, Error> {
    let carried = gateway::run(args).map(|()| Code::DONE);
    carried.map_err(|error| Error::io("carry the calls of services", error))
}

/// Owner of a bulk push. The pid belongs to a namespace, which is named beside the boot.
pub(crate) fn this_process() -> BulkOwner {
    let pid = std::process::id();
    let pid_start = identity::start_time(pid).unwrap_or(0);
    BulkOwner { pid, pid_start, boot_id: format!("{}/{}", identity::boot_id(), identity::pid_namespace()) }
}

/// A process of this machine, as it is put on record.
pub(crate) fn on_record(pid: u32) -> Option<ForeignProcess> {
    identity::on_record(pid)
}

/// The user who runs this.
pub(crate) fn user() -> String {
    trust::user(nix::unistd::Uid::current().as_raw())
}

/// Whether who pushes in bulk may still be there. One in another namespace of this boot cannot be seen from here, and is
/// left to a master, who holds the store alone. A master has no namespace here: while a guest writes there is none.
pub(crate) fn may_live(owner: &BulkOwner) -> bool {
    let (boot, namespace) = owner.boot_id.split_once('/').unzip();
    let boot_id = boot.unwrap_or(&owner.boot_id).to_owned();
    if boot_id == identity::boot_id() && namespace.is_some_and(|namespace| namespace != identity::pid_namespace()) {
        return true;
    }
    Identity { pid: owner.pid, start: owner.pid_start, boot_id }.is_alive()
}

/// Whether a master holds the store.
pub(crate) fn is_held(paths: &Paths) -> io::Result<bool> {
    store::open(&paths.database).holder().map(|holder| holder.is_some())
}

/// The master that holds the store, as far as can be seen; pid 0: not yet written down.
pub(crate) fn holder(paths: &Paths) -> Option<Holder> {
    store::open(&paths.database).holder().ok().flatten()
}

/// The memory of a process of ours, in bytes.
pub(crate) fn memory_of(pid: u32) -> Option<u64> {
    master::sampler::memory_of(pid)
}

/// The last lines of a worker, oldest first.
pub(crate) fn tail(dir: &Path, worker: &str, wanted: Wanted, lines: usize) -> io::Result<Vec<LogLine>> {
    let read = master::logs::read_tail(dir, worker, wanted, lines)?;
    let parsed = read.iter().filter_map(|line| master::logs::parse_line(line));
    Ok(parsed
        .map(|line| LogLine {
            at: line.at,
            worker: worker.to_owned(),
            stream: match line.stream {
                master::logs::Stream::Stdout => "out",
                master::logs::Stream::Stderr => "err",
            }
            .to_owned(),
            job: line.job,
            text: line.text.to_owned(),
        })
        .collect())
}

/// Makes the folder of a database.
pub(crate) fn make_folder_of(store: &StoreUrl) -> Result<(), Error> {
    let folder = trust::folder_of(store.local());
    trust::make_folder(folder).map_err(|e| Error::io(format!("make the folder `{}`", folder.display()), e))
}
