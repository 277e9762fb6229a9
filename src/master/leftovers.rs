//! Leftovers of workers: orphans that have come to us, and processes that may not be killed.
//!
//! The master is a subreaper, so what a dead worker had started is a child of the master before the death is known. Such a
//! child is the dead worker's by the kernel's word whatever signs it has shed, unless it is known to belong to a worker
//! that lives, one whose daemons have come to us. The job of a worker is not given back before all of it is dead.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use super::timers::Timer;
use super::{Master, sampler};
use crate::core::Event;
use crate::model::WorkerId;
use crate::model::problem::Topic;
use crate::process::cgroup;
use crate::process::guardian::Words;
use crate::process::identity::{self, Identity};
use crate::process::mark::Mark;
use crate::process::sweep::{self, Kin, SweepDone};

/// When a sweeper that is full is asked again.
const SWEEP_AGAIN: Duration = Duration::from_millis(10);
/// How often those that may not be killed are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Processes that workers have started, as far as known.
#[derive(Debug)]
pub(super) struct Leftovers {
    /// Children that this process had before it was the master: whoever became it had started them.
    before: Vec<Identity>,
    /// Orphans that come to us come from workers: we had no other children, and are not process 1.
    certain: bool,
    families: HashMap<WorkerId, Family>,
    /// Workers that are gone, with what they left and may not be killed.
    held: Vec<(WorkerId, Vec<(u32, u64)>)>,
    /// Workers that have exited and wait for a place in the sweeper's queue.
    to_sweep: VecDeque<WorkerId>,
    /// Workers that live and are not in the control group that they were to join.
    ungrouped: BTreeSet<WorkerId>,
}

/// The process of a worker, and what was last seen below it.
#[derive(Debug)]
struct Family {
    leader: u32,
    members: Vec<(u32, u64)>,
}

impl Leftovers {
    /// To be called before the first child is started.
    pub(super) fn start() -> Self {
        let us = std::process::id();
        let before: Vec<_> = identity::children_of(us).into_iter().filter_map(Identity::of).collect();
        let certain = before.is_empty() && us != 1;
        let (families, held, to_sweep, ungrouped) = (HashMap::new(), Vec::new(), VecDeque::new(), BTreeSet::new());
        Self { before, certain, families, held, to_sweep, ungrouped }
    }

    /// A worker has exited: what it left is to be ended.
    pub(super) fn add(&mut self, worker: WorkerId) {
        self.to_sweep.push_back(worker);
    }

    /// Whether a worker that has exited waits for the sweeper.
    pub(super) fn has_unswept(&self) -> bool {
        !self.to_sweep.is_empty()
    }

    /// Whether what this worker left may not be killed, and lives.
    pub(super) fn holds(&self, worker: WorkerId) -> bool {
        self.held.iter().any(|(id, _)| *id == worker)
    }

    /// The processes that are left of workers, and may not be killed.
    pub(super) fn held_pids(&self) -> Vec<u32> {
        self.held.iter().flat_map(|(_, foreign)| foreign.iter().map(|&(pid, _)| pid)).collect()
    }

    /// Whether a process is one of those.
    fn has_held(&self, process: (u32, u64)) -> bool {
        self.held.iter().any(|(_, foreign)| foreign.contains(&process))
    }
}

impl Master {
    /// A worker was started.
    pub(super) fn found_family(&mut self, worker: WorkerId, leader: u32) {
        self.leftovers.families.insert(worker, Family { leader, members: Vec::new() });
    }

    /// The sampler has seen who is below a worker. The guardian must know: if both die at once, nobody else does.
    pub(super) fn know_family(&mut self, seen: sampler::Family) {
        // A worker that has ended meanwhile has a better list of leftovers.
        let Some(family) =
            self.leftovers.families.get_mut(&seen.worker).filter(|f| self.children.of_process(f.leader).is_some())
        else {
            return;
        };
        family.members = seen.members;
        self.guard.family(family.leader, &family.members);
    }

    /// Tells another guardian of everybody.
    pub(super) fn tell_families(&self, words: &mut Words) {
        for family in self.leftovers.families.values().filter(|family| !family.members.is_empty()) {
            words.family(family.leader, &family.members);
        }
    }

    /// Processes of a worker that is gone, to be ended besides those that carry its sign.
    pub(super) fn kin_of(&mut self, worker: WorkerId, strangers: &[(u32, u64)]) -> Kin {
        let group = self.fixed.group.as_ref().map(|group| group.of_worker(worker));
        let mut roots: Vec<_> = strangers.iter().copied().filter(|&stranger| self.is_of(stranger, worker)).collect();
        if let Some(family) = self.leftovers.families.get_mut(&worker) {
            if !roots.is_empty() {
                self.guard.family(family.leader, &roots);
            }
            // Also where they are below somebody else than us.
            roots.append(&mut family.members);
        }
        Kin { groups: group.into_iter().collect(), roots }
    }

    /// Orphans that have come to us: children that are neither workers nor the guardian, and alive.
    pub(super) fn strangers(&self) -> Vec<(u32, u64)> {
        let known = |pid: &u32| self.children.of_process(*pid).is_some() || self.guard.pid() == Some(*pid);
        let children = identity::children_of(self.fixed.pid).into_iter().filter(|pid| !known(pid));
        let strangers = children.filter_map(Identity::of).filter(|child| !self.leftovers.before.contains(child));
        strangers.filter(Identity::is_alive).map(|child| (child.pid, child.start)).collect()
    }

    /// Whether an orphan was started by this worker, which is gone. One of which nothing is known is, unless another
    /// worker that is gone is known to have left it.
    fn is_of(&self, (pid, start): (u32, u64), worker: WorkerId) -> bool {
        let own = self.mark(worker);
        let lives = |id: &WorkerId| *id != worker && self.children.get(*id).is_some();
        if let Some(name) = self.fixed.group.as_ref().and_then(|group| cgroup::worker_of(pid, group)) {
            return name == worker.to_string();
        }
        if let Some(value) = sweep::value_of(pid).filter(|value| value.starts_with(&self.fixed.cookie)) {
            return value == own;
        }
        if let Some(mark) = Mark::of_process(pid).filter(|mark| mark.is_of(&self.fixed.cookie)) {
            return Mark::of(&own) == Some(mark);
        }
        let has = |id: &WorkerId| self.leftovers.families.get(id).is_some_and(|f| f.members.contains(&(pid, start)));
        if has(&worker) {
            return true;
        }
        let unclaimed = self.leftovers.certain && !self.leftovers.has_held((pid, start));
        unclaimed && !self.leftovers.families.keys().filter(|id| lives(id)).any(has)
    }

    /// Hands workers that have exited to the sweeper, as far as it takes them.
    pub(super) fn sweep(&mut self) {
        let mut strangers = None;
        while let Some(&worker) = self.leftovers.to_sweep.front() {
            self.meters.tell_sampler(sampler::Command::Unwatch(worker));
            failpoint!("sweep.asked");
            let strangers = strangers.get_or_insert_with(|| self.strangers()).clone();
            let kin = self.kin_of(worker, &strangers);
            let request = sweep::Request { worker, value: self.mark(worker), kin };
            if self.sweeper.request(request).is_err() {
                self.time.ring_in(Timer::Sweep, SWEEP_AGAIN);
                return;
            }
            self.leftovers.to_sweep.pop_front();
        }
    }

    /// The sweep after a worker has ended. What came to us meanwhile needs another.
    pub(super) fn swept(&mut self, done: SweepDone) {
        if !done.foreign.is_empty() {
            return self.hold(done.worker, done.foreign);
        }
        if !done.left.is_empty() {
            let text = format!("processes {:?} of worker {} cannot be killed", done.left, done.worker);
            self.complain(text);
        }
        let strangers = self.strangers();
        let more = strangers.iter().any(|s| !done.left.contains(&s.0) && self.is_of(*s, done.worker));
        if more && done.left.is_empty() {
            self.leftovers.add(done.worker);
        } else {
            self.let_go(done.worker);
        }
    }

    fn hold(&mut self, worker: WorkerId, foreign: Vec<(u32, u64)>) {
        if self.leftovers.held.is_empty() {
            self.time.ring_in(Timer::Held, LOOK_EVERY);
        }
        self.leftovers.held.push((worker, foreign));
        self.name_held();
    }

    /// One problem names them all.
    fn name_held(&mut self) {
        let of_worker = |(worker, foreign): &(WorkerId, Vec<(u32, u64)>)| {
            let pids: Vec<u32> = foreign.iter().map(|&(pid, _)| pid).collect();
            format!("processes {pids:?} of worker {worker}")
        };
        let all: Vec<String> = self.leftovers.held.iter().map(of_worker).collect();
        if all.is_empty() {
            return self.problem_over(Topic::Leftovers);
        }
        let all = all.join(", ");
        let text = format!(
            "{all} cannot be killed: they are another user's; the jobs of their workers wait until they have ended"
        );
        self.problem(Topic::Leftovers, text);
    }

    /// Looks whether processes that could not be killed have ended. Also while the master stops: a job is never given back
    /// beside them.
    pub(super) fn look_at_held(&mut self) {
        let before = self.leftovers.held.len();
        for (worker, foreign) in std::mem::take(&mut self.leftovers.held) {
            if foreign.iter().any(|&(pid, start)| identity::is_alive(pid, start)) {
                self.leftovers.held.push((worker, foreign));
            } else {
                self.leftovers.add(worker);
            }
        }
        if !self.leftovers.held.is_empty() {
            self.time.ring_in(Timer::Held, LOOK_EVERY);
        }
        if self.leftovers.held.len() < before {
            self.name_held();
        }
    }

    /// Nothing of the worker is left.
    fn let_go(&mut self, worker: WorkerId) {
        if let Some(family) = self.leftovers.families.remove(&worker) {
            self.guard.family(family.leader, &[]);
        }
        self.feed(Event::Swept { worker });
    }
}

impl Master {
    /// The means that holds the processes of workers together, in one word.
    pub(super) fn containment(&self) -> &'static str {
        if self.fixed.group.is_some() && self.leftovers.ungrouped.is_empty() { "cgroup" } else { "tree" }
    }

    /// A worker has done its first job: it is in its control group by now, or will never be.
    pub(super) fn check_group(&mut self, worker: WorkerId) {
        let (Some(group), Some(pipes)) = (&self.fixed.group, self.children.get(worker)) else { return };
        if cgroup::worker_of(pipes.child.pid(), group).is_some_and(|found| found == worker.to_string()) {
            return;
        }
        let name = pipes.name.clone();
        self.leftovers.ungrouped.insert(worker);
        let text = format!(
            "worker `{name}` is not in a control group of its own; what its jobs start is known by their tree and their \
             environment only; see `queue-work logs {name}`"
        );
        self.problem(Topic::Containment, text);
    }

    /// The worker has ended.
    pub(super) fn forget_ungrouped(&mut self, worker: WorkerId) {
        if self.leftovers.ungrouped.remove(&worker) && self.leftovers.ungrouped.is_empty() {
            self.problem_over(Topic::Containment);
        }
    }
}
