//! The thread that sweeps after workers that have ended.
//!
//! Invariant: every request is answered once, at the latest at its deadline; one that hangs holds up no other.

use std::io;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::{Kin, Pursuit, Swept, Wanted, next_pause, pass};
use crate::channel::{self, Sender};
use crate::model::WorkerId;
use crate::process::cgroup::Group;

/// How long one worker's leftovers may take to die before they are reported as left.
const WORKER_DEADLINE: Duration = Duration::from_secs(5);

/// Ask for the leftovers of a worker to be killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The worker, which has ended.
    pub worker: WorkerId,
    /// Its value of the variable.
    pub value: String,
    /// Its control group, and orphans that are known to be its own.
    pub kin: Kin,
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepDone {
    pub worker: WorkerId,
    /// How many processes it had left behind.
    pub killed: usize,
    /// Processes that could not be killed in time.
    pub left: Vec<u32>,
    /// Processes among `left` that we may not kill, by pid and start time.
    pub foreign: Vec<(u32, u64)>,
}

/// The thread that sweeps after workers. All waiting requests share one scan of `/proc`.
#[derive(Debug)]
pub struct Sweeper {
    requests: Sender<Request>,
}

impl Sweeper {
    /// Starts the thread; it ends when the `Sweeper` is dropped and every request is answered. `notify` runs in it.
    pub fn start(
        capacity: usize,
        exempt: Vec<u32>,
        notify: impl FnMut(SweepDone) + Send + 'static,
    ) -> io::Result<Self> {
        let (requests, incoming) = channel::bounded(capacity);
        thread::Builder::new().name("sweeper".to_owned()).spawn(move || serve(&incoming, &exempt, notify))?;
        Ok(Self { requests })
    }

    /// Asks for a sweep; never waits. Gives the request back when too many wait already.
    pub fn request(&self, request: Request) -> Result<(), Request> {
        self.requests.try_send(request).map_err(crossbeam_channel::TrySendError::into_inner)
    }
}

fn serve(incoming: &Receiver<Request>, exempt: &[u32], mut notify: impl FnMut(SweepDone)) {
    let mut pursuits: Vec<Pursuit<WorkerId>> = Vec::new();
    let mut pause = Duration::ZERO;
    loop {
        let first = if pursuits.is_empty() {
            pause = Duration::ZERO;
            incoming.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            pause = next_pause(&pursuits, pause);
            incoming.recv_timeout(pause)
        };
        match first {
            Err(RecvTimeoutError::Disconnected) if pursuits.is_empty() => return,
            Err(RecvTimeoutError::Disconnected) => crate::clock::pause(pause),
            Err(RecvTimeoutError::Timeout) => {}
            Ok(request) => pursuits.extend(std::iter::once(request).chain(incoming.try_iter()).map(|request| {
                Pursuit::new(Wanted::Worker(request.value), request.kin, WORKER_DEADLINE, request.worker)
            })),
        }
        pass(&mut pursuits, exempt);
        pursuits.retain(|pursuit| {
            // Asked once: the deadline may pass between two answers.
            let over = pursuit.is_over();
            if over {
                failpoint!("sweep.over");
                let Swept { killed, left, foreign } = pursuit.outcome();
                if left.is_empty() {
                    pursuit.kin.groups.iter().for_each(Group::remove);
                }
                notify(SweepDone { worker: pursuit.owner, killed, left, foreign });
            }
            !over
        });
    }
}
