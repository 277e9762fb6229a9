//! The means that hold the processes of workers together: the sign that each hands down to what it starts, control
//! groups, and a guardian that ends all of them when this master dies.
//!
//! Before the first thread and the first child there is the guardian; before the first child this process is the one to
//! which orphans come. What a worker has left when it ends, `leftovers` finds and has swept.

mod guardian;
mod leftovers;

use std::collections::{BTreeSet, HashMap, VecDeque};

use super::children::Children;
use super::sampler;
use super::sources::{Inbox, Mail};
use super::startup::{Failure, system};
use crate::model::WorkerId;
use crate::process::cgroup::{self, Group};
use crate::process::exits;
use crate::process::guardian::{Guardian, Words};
use crate::process::identity::Identity;
use crate::process::mark::Mark;
use crate::process::sweep::{Kin, Selector, Sweeper, Wanted};

/// Workers that may wait for the sweeper.
const UNSWEPT: usize = 10_000;

/// The means, and what is known of the processes.
#[derive(Debug)]
pub(super) struct Containment {
    /// The sign of this master; that of each worker begins with it.
    cookie: String,
    /// The control group of all workers, where there is one.
    group: Option<Group>,
    /// `None` while it is missing.
    guardian: Option<Guardian>,
    /// Until when there may be workers, where others may take over from this master.
    lease: Option<u64>,
    sweeper: Sweeper,
    families: HashMap<WorkerId, Family>,
    /// Workers that live and are not in the control group that they were to join.
    ungrouped: BTreeSet<WorkerId>,
    /// Children that this process had before it was the master: whoever became it had started them.
    before: Vec<Identity>,
    /// Orphans that come to us come from workers: we had no other children, and are not process 1.
    certain: bool,
    /// Workers that are gone, with what they left and may not be killed.
    held: Vec<(WorkerId, Vec<(u32, u64)>)>,
    /// Workers that have exited and wait for a place in the sweeper's queue.
    to_sweep: VecDeque<WorkerId>,
}

/// The process of a worker, and what was last seen below it.
#[derive(Debug)]
struct Family {
    leader: u32,
    members: Vec<(u32, u64)>,
}

impl Containment {
    /// Prepares them. Before the first thread and the first child.
    pub(super) fn start(cookie: String, mail: Mail) -> Result<Self, Failure> {
        exits::become_subreaper().map_err(system("become the reaper of orphans"))?;
        let (before, certain) = leftovers::children_from_before();
        let group = Group::make(&cookie);
        let guardian = guardian::start(Words::new(&cookie, group.as_ref()));
        let exempt = guardian.iter().map(Guardian::pid).collect();
        let sweeper = Sweeper::start(UNSWEPT, exempt, move |done| mail.send(Inbox::Swept(done)));
        Ok(Self {
            cookie,
            group,
            guardian,
            lease: None,
            sweeper: sweeper.map_err(system("start a thread"))?,
            families: HashMap::new(),
            ungrouped: BTreeSet::new(),
            before,
            certain,
            held: Vec::new(),
            to_sweep: VecDeque::new(),
        })
    }

    /// The means in one word.
    pub(super) fn in_a_word(&self) -> &'static str {
        if self.group.is_some() && self.ungrouped.is_empty() { "cgroup" } else { "tree" }
    }

    /// Whether workers get control groups.
    pub(super) const fn has_groups(&self) -> bool {
        self.group.is_some()
    }

    #[cfg(test)]
    pub(super) fn leave_out_groups(&mut self) {
        self.group = None;
    }

    /// The control group that a worker is to join.
    pub(super) fn group_of(&self, worker: WorkerId) -> Option<Group> {
        self.group.as_ref().map(|group| group.of_worker(worker))
    }

    /// Everything that this master has started, but for the guardian.
    pub(super) fn selector(&self) -> Selector {
        let wanted = Wanted::Instances(vec![self.cookie.clone()]);
        let roots = self.families.values().flat_map(|family| family.members.iter().copied()).collect();
        let kin = Kin { groups: self.group.iter().cloned().collect(), roots };
        Selector { wanted, kin, exempt: self.guardian_pid().into_iter().collect() }
    }

    /// Value by which everything that this worker starts is recognised.
    pub(super) fn mark(&self, worker: WorkerId) -> String {
        format!("{}:{worker}", self.cookie)
    }

    /// The number of the worker of ours whose mark a process has.
    pub(super) fn marked(&self, pid: u32) -> Option<u64> {
        Mark::of_process(pid)?.worker_of(&self.cookie)
    }

    /// A worker was started.
    pub(super) fn found_family(&mut self, worker: WorkerId, leader: u32) {
        self.families.insert(worker, Family { leader, members: Vec::new() });
    }

    /// The sampler has seen who is below a worker. The guardian must know: if both die at once, nobody else does.
    pub(super) fn know_family(&mut self, seen: sampler::Family, children: &Children) {
        // A worker that has ended meanwhile has a better list of leftovers.
        let Some(family) = self.families.get_mut(&seen.worker).filter(|f| children.of_process(f.leader).is_some())
        else {
            return;
        };
        family.members = seen.members;
        guardian::tell(&mut self.guardian, |words| words.family(family.leader, &family.members));
    }

    /// Whether a worker is in its control group, where it was to join one. To be called when it has done its first job: it
    /// is there by now, or will never be.
    pub(super) fn is_grouped(&mut self, worker: WorkerId, pid: u32) -> bool {
        let Some(group) = &self.group else { return true };
        let grouped = cgroup::worker_of(pid, group).is_some_and(|found| found == worker.to_string());
        if !grouped {
            self.ungrouped.insert(worker);
        }
        grouped
    }

    /// The worker has ended; true if it was the last one that is not in its control group.
    pub(super) fn forget_ungrouped(&mut self, worker: WorkerId) -> bool {
        self.ungrouped.remove(&worker) && self.ungrouped.is_empty()
    }
}
