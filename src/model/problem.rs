//! Problems that can last, and the words for those that the core finds.

use serde::{Deserialize, Serialize};

use super::JobId;

/// Subject of a problem; one problem of each is known at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// Control connections cannot be accepted.
    Clients,
    /// Commands of jobs cannot be started.
    Commands,
    /// A worker is not in its control group.
    Containment,
    /// Too few files can be open.
    Files,
    /// The gateway has died, or cannot be started.
    Gateway,
    /// The guardian cannot be started.
    Guardian,
    /// Hooks fail, or are not started.
    Hooks,
    /// The store does not hear from this master.
    Lease,
    /// Leftovers of a worker cannot be ended.
    Leftovers,
    /// The write-ahead log is too large.
    Log,
    /// The store has lost what it had confirmed, before this master began anew.
    Lost,
    /// Events cannot be waited for.
    Poll,
    /// `/proc` hides processes.
    Proc,
    /// There are as many processes of workers as there may be.
    Processes,
    /// Jobs are given back again and again.
    Released,
    /// The control socket is gone.
    Socket,
    /// No worker can be started.
    Spawn,
    /// The store cannot be written.
    Store,
    /// The store cannot be synced.
    Sync,
    /// Spans cannot be delivered.
    Traces,
    /// The page has died, or cannot be started.
    Web,
}

/// `/proc` hides processes.
pub const HIDDEN_PROCESSES: &str = "`/proc` hides the processes of other users (`hidepid`): what a job leaves as another \
    user's is known only as a child of this master, and not by the next one";

/// The lease of this master is running out.
pub const CUT_OFF: &str = "the store has not heard from this master for some time: no job is begun until it does, and if the \
    lease ends first, the workers are killed and others take their jobs over";

/// Not all workers can have their files open.
#[must_use]
pub fn too_few_files(can: u64, workers: u64, least: u64) -> String {
    format!(
        "at most {can} files may be open, {workers} workers and their clients need {least}: not all may be started; raise \
         the hard limit (`ulimit -Hn`, or `LimitNOFILE` of a service)"
    )
}

/// There are as many processes of workers as there may be.
#[must_use]
pub fn too_many_processes(cap: u32, waiting: u64) -> String {
    let wait = if waiting == 1 { "1 worker waits".to_owned() } else { format!("{waiting} workers wait") };
    format!("{wait} for others to end, as `max_processes` is {cap}; raise it, or scale a pool down")
}

/// The machine has nothing left to start a worker with.
#[must_use]
pub fn no_more_workers(error: &str) -> String {
    format!("no more workers can be started: {error}; it is tried again until it works")
}

/// Commands cannot be started for now.
#[must_use]
pub fn not_begun(error: &str, given_back: u64) -> String {
    let s = if given_back == 1 { "" } else { "s" };
    format!("{error}; {given_back} job{s} given back, none charged; it is tried again until it works")
}

/// A job was given back many times in a row, and nothing else ever came of it.
#[must_use]
pub fn given_back_again(job: JobId, times: u32) -> String {
    format!(
        "job {job} was given back {times} times in a row, with nothing charged: it goes behind the others; \
         see `queue-work jobs show {job}`, or end it with `queue-work jobs cancel {job}`"
    )
}
