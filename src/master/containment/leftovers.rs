//! Leftovers of workers: orphans that have come to us, and processes that may not be killed.
//!
//! The master is a subreaper, so what a dead worker had started is a child of the master before the death is known. Such a
//! child is the dead worker's by the kernel's word whatever signs it has shed, unless it is known to belong to a worker
//! that lives, one whose daemons have come to us. The job of a worker is not given back before all of it is dead.

use super::{Containment, guardian};
use crate::master::children::Children;
use crate::master::meters::Meters;
use crate::master::sampler::Command;
use crate::model::WorkerId;
use crate::process::cgroup;
use crate::process::identity::{self, Identity};
use crate::process::mark::Mark;
use crate::process::sweep::{self, Kin, SweepDone};

/// Children that this process has before it starts any, and whether orphans that come to it later are those of workers.
pub(super) fn children_from_before() -> (Vec<Identity>, bool) {
    let us = std::process::id();
    let before: Vec<_> = identity::children_of(us).into_iter().filter_map(Identity::of).collect();
    let certain = before.is_empty() && us != 1;
    (before, certain)
}

impl Containment {
    /// A worker has exited: what it left is to be ended.
    pub(in crate::master) fn add_leftovers(&mut self, worker: WorkerId) {
        self.to_sweep.push_back(worker);
    }

    /// Whether a worker that has exited waits for the sweeper.
    pub(in crate::master) fn has_unswept(&self) -> bool {
        !self.to_sweep.is_empty()
    }

    /// Whether what this worker left may not be killed, and lives.
    pub(in crate::master) fn holds(&self, worker: WorkerId) -> bool {
        self.held.iter().any(|(id, _)| *id == worker)
    }

    /// The processes that are left of workers, and may not be killed.
    pub(in crate::master) fn held_pids(&self) -> Vec<u32> {
        self.held.iter().flat_map(|(_, foreign)| foreign.iter().map(|&(pid, _)| pid)).collect()
    }

    /// Hands workers that have exited to the sweeper; false if it takes no more of them now.
    pub(in crate::master) fn sweep(&mut self, children: &Children, meters: &Meters) -> bool {
        let mut strangers = None;
        while let Some(&worker) = self.to_sweep.front() {
            meters.tell_sampler(Command::Unwatch(worker));
            failpoint!("sweep.asked");
            let strangers = strangers.get_or_insert_with(|| self.strangers(children)).clone();
            let kin = self.kin_of(worker, &strangers, children);
            let request = sweep::Request { worker, value: self.mark(worker), kin };
            if self.sweeper.request(request).is_err() {
                return false;
            }
            self.to_sweep.pop_front();
        }
        true
    }

    /// Whether nothing more of a worker is left; what came to us during its sweep needs another.
    pub(in crate::master) fn lets_go(&mut self, swept: &SweepDone, children: &Children) -> bool {
        let is_of = |stranger: (u32, u64)| self.is_of(stranger, swept.worker, children);
        if swept.left.is_empty() && self.strangers(children).into_iter().any(is_of) {
            self.add_leftovers(swept.worker);
            return false;
        }
        if let Some(family) = self.families.remove(&swept.worker) {
            guardian::tell(&mut self.guardian, |words| words.family(family.leader, &[]));
        }
        true
    }

    /// Whether anything lives that a worker left and that may not be killed.
    pub(in crate::master) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// Notes leftovers of a worker that may not be killed.
    pub(in crate::master) fn hold(&mut self, worker: WorkerId, foreign: Vec<(u32, u64)>) {
        self.held.push((worker, foreign));
    }

    /// Sweeps again after workers of whom nothing is held any more; whether there are such.
    pub(in crate::master) fn release_ended(&mut self) -> bool {
        let ended =
            |(_, foreign): &mut (_, Vec<_>)| !foreign.iter().any(|&(pid, start)| identity::is_alive(pid, start));
        let before = self.to_sweep.len();
        self.to_sweep.extend(self.held.extract_if(.., ended).map(|(worker, _)| worker));
        self.to_sweep.len() > before
    }

    /// All that may not be killed, in words.
    pub(in crate::master) fn held_in_words(&self) -> Option<String> {
        let of_worker = |(worker, foreign): &(WorkerId, Vec<(u32, u64)>)| {
            let pids: Vec<u32> = foreign.iter().map(|&(pid, _)| pid).collect();
            format!("processes {pids:?} of worker {worker}")
        };
        let all = self.held.iter().map(of_worker).collect::<Vec<_>>().join(", ");
        (!all.is_empty()).then(|| {
            format!(
                "{all} cannot be killed: they are another user's; the jobs of their workers wait until they have ended"
            )
        })
    }

    /// Processes of a worker that is gone, to be ended besides those that carry its sign.
    fn kin_of(&mut self, worker: WorkerId, strangers: &[(u32, u64)], children: &Children) -> Kin {
        let of_worker = |&stranger: &(u32, u64)| self.is_of(stranger, worker, children);
        let mut roots: Vec<_> = strangers.iter().copied().filter(of_worker).collect();
        let groups = self.group_of(worker).into_iter().collect();
        if let Some(family) = self.families.get_mut(&worker) {
            if !roots.is_empty() {
                guardian::tell(&mut self.guardian, |words| words.family(family.leader, &roots));
            }
            // Also where they are below somebody else than us.
            roots.append(&mut family.members);
        }
        Kin { groups, roots }
    }

    /// Orphans that have come to us: children that are neither workers nor the guardian, and alive.
    fn strangers(&self, children: &Children) -> Vec<(u32, u64)> {
        let known = |pid: &u32| children.of_process(*pid).is_some() || self.guardian_pid() == Some(*pid);
        let unknown = identity::children_of(std::process::id()).into_iter().filter(|pid| !known(pid));
        let strangers = unknown.filter_map(Identity::of).filter(|child| !self.before.contains(child));
        strangers.filter(Identity::is_alive).map(|child| (child.pid, child.start)).collect()
    }

    /// Whether an orphan was started by this worker, which is gone. One of which nothing is known is, unless another
    /// worker that is gone is known to have left it.
    fn is_of(&self, (pid, start): (u32, u64), worker: WorkerId, children: &Children) -> bool {
        let own = self.mark(worker);
        let lives = |id: &WorkerId| *id != worker && children.get(*id).is_some();
        if let Some(name) = self.group.as_ref().and_then(|group| cgroup::worker_of(pid, group)) {
            return name == worker.to_string();
        }
        if let Some(value) = sweep::value_of(pid).filter(|value| value.starts_with(&self.cookie)) {
            return value == own;
        }
        if let Some(mark) = Mark::of_process(pid).filter(|mark| mark.is_of(&self.cookie)) {
            return Mark::of(&own) == Some(mark);
        }
        let has = |id: &WorkerId| self.families.get(id).is_some_and(|f| f.members.contains(&(pid, start)));
        if has(&worker) {
            return true;
        }
        let is_held = self.held.iter().any(|(_, foreign)| foreign.contains(&(pid, start)));
        self.certain && !is_held && !self.families.keys().filter(|id| lives(id)).any(has)
    }
}
