//! Room for open files: the limit is raised to what the workers and clients need, and what that leaves decides how many
//! clients there may be.

use super::Master;
use super::clients::MAX_CLIENTS;
use crate::config::Config;
use crate::core::Pool;
use crate::model::problem::{Topic, too_few_files};
use crate::process::files;
use crate::process::spawn::SpawnError;

/// Files of the master itself, without logs: database, records, threads, what is open for a moment while a process is
/// started.
const OWN: u64 = 64;
/// Files per worker: four pipes at most, and one worker in four may be doubled while it is replaced.
const PER_WORKER: u64 = 5;
/// Clients there is always room for.
const FEWEST_CLIENTS: u64 = 8;

/// Files of workers' output that are kept open at most.
const MOST_LOGS: u64 = 64;
/// Descriptors that workers leave free: for clients, logs, the records, the sync of the database.
const LEFT_FREE: u64 = 32;

/// Files of workers' output that are kept open, where so many files may be open.
pub(super) fn open_logs() -> usize {
    (files::limit() / 16).clamp(4, MOST_LOGS) as usize
}

/// Makes the table of open files as large as it will be. To be called before the first thread is started: a process with
/// threads waits some ten milliseconds each time the kernel puts a larger table in the place of the old one.
pub(super) fn prepare(config: &Config) {
    // Before anything is opened: what we were started with is nobody's business below us.
    files::close_for_children();
    let workers = config.pools.iter().map(|pool| u64::from(pool.settings.most_workers())).sum();
    let _ = raise(workers);
    // Looking at the last descriptors makes room for all.
    let _ = files::are_free(LEFT_FREE);
}

/// Returns how many files may be open.
fn raise(workers: u64) -> u64 {
    files::make_room(OWN + MOST_LOGS + PER_WORKER * workers + MAX_CLIENTS as u64)
}

/// How many files a master with so many workers needs to be able to open.
pub(crate) fn needed(workers: u64) -> u64 {
    OWN + open_logs() as u64 + PER_WORKER * workers + FEWEST_CLIENTS
}

/// A worker does not take the last descriptors: the master must go on to write, and to hear its operator.
pub(super) fn for_a_worker(program: impl FnOnce() -> String) -> Result<(), SpawnError> {
    if files::are_free(LEFT_FREE) {
        return Ok(());
    }
    let source = std::io::Error::from_raw_os_error(nix::errno::Errno::EMFILE as i32);
    Err(SpawnError::Io { program: program(), source })
}

impl Master {
    /// To be called when other workers are wanted, before they are started.
    pub(super) fn make_room(&mut self) {
        let most = |pool: &Pool| pool.settings.autoscale.as_ref().map_or(0, |scaling| scaling.most_ever());
        let workers: u64 = self.core.pools().map(|(_, pool)| u64::from(pool.wanted.max(most(pool)))).sum();
        let can = raise(workers);
        let least = needed(workers);
        let clients = can.saturating_sub(least - FEWEST_CLIENTS).clamp(FEWEST_CLIENTS, MAX_CLIENTS as u64);
        self.clients.set_room(clients as usize);
        if can < least {
            self.problem(Topic::Files, too_few_files(can, workers, least));
        } else {
            self.problem_over(Topic::Files);
        }
    }
}
