//! What the pools take, and the ready jobs that none of them does.
//!
//! Where nobody takes a job it waits, and people are told once; it runs as soon as somebody does. Types that workers name get
//! lanes of their own in the store. Invariants: the cost of a turn does not depend on the number of queues; a queue is looked
//! at when its totals or what the pools take have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Action, Core, Phase, Tag};
use crate::model::change::Change;
use crate::model::serves::Serves;
use crate::model::unserved::Unserved;
use crate::model::{Lane, Mono, Notice, Now, QueueName, Takes, WorkerId};

/// Jobs and queues looked at in one step of moving jobs to their lanes.
const SORT_STEP: u32 = 1000;

/// People are not told more often of what nobody takes.
const BETWEEN: Duration = Duration::from_secs(5);

/// Types by the pools that take them, and those that no pool takes.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// By queue, what its pools take.
    queues: BTreeMap<QueueName, BTreeSet<Takes>>,
    /// How often that has changed.
    version: u64,
    /// The same of the masters of other hosts.
    elsewhere: BTreeMap<QueueName, BTreeSet<Takes>>,
    /// Queues to be looked at; `all` means every one on record.
    touched: BTreeSet<QueueName>,
    all: bool,
    unserved: BTreeMap<QueueName, Vec<Unserved>>,
    /// The type of the first job in the lane of the others, of queues where nobody takes it; `None`: asked for.
    first: BTreeMap<QueueName, Option<Arc<str>>>,
    /// Lanes of which people were told, or are to be told.
    told: BTreeSet<(QueueName, Lane)>,
    untold: Vec<(QueueName, Lane)>,
    /// When people were last told of some.
    told_at: Option<Mono>,
    /// Types that the store was told of.
    named: BTreeSet<Arc<str>>,
    sorting: Sorting,
}

/// Whether ready jobs are being moved to the lanes of types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sorting {
    #[default]
    Done,
    Wanted,
    Asked,
}

impl Served {
    /// By queue, what its pools take.
    pub(super) fn queues(&self) -> impl Iterator<Item = (&QueueName, &BTreeSet<Takes>)> {
        self.queues.iter()
    }

    pub(super) fn touch(&mut self, queue: &QueueName) {
        if !self.all {
            self.touched.insert(queue.clone());
        }
    }

    pub(super) fn touch_all(&mut self) {
        self.all = true;
        self.touched.clear();
    }
}

impl Core {
    /// Ready jobs that no pool takes, by queue.
    pub fn unserved(&self) -> impl Iterator<Item = &Unserved> {
        self.served.unserved.values().flatten()
    }

    /// What the pools serve, with a number that grows when that changes.
    pub fn serves(&self) -> (u64, impl Iterator<Item = (&QueueName, &BTreeSet<Takes>)>) {
        (self.served.version, self.served.queues())
    }

    /// The masters of other hosts serve this.
    pub(super) fn served_elsewhere(&mut self, serves: &Serves) {
        self.served.elsewhere = serves.by_queue().map(|(queue, takes)| (queue.clone(), takes)).collect();
        self.served.touch_all();
    }

    /// The pools, or what they take, have changed.
    pub(super) fn serve_anew(&mut self) {
        let mut queues: BTreeMap<QueueName, BTreeSet<Takes>> = BTreeMap::new();
        for pool in self.pools.values().filter(|pool| !pool.removed && (pool.wanted > 0 || pool.waits_for_jobs())) {
            for queue in pool.settings.queues.names() {
                queues.entry(queue.clone()).or_default().extend(pool.takes().cloned());
            }
        }
        if self.served.queues != queues {
            self.served.queues = queues;
            self.served.version += 1;
            self.served.touch_all();
        }
    }

    /// A worker is ready, and takes these types, or whatever its pool does.
    pub(super) fn name_types(&mut self, id: WorkerId, types: Option<Takes>, out: &mut Vec<Action>) {
        let names = match &types {
            Some(Takes::Types(names)) => names.clone(),
            Some(Takes::Commands | Takes::Others) | None => Arc::default(),
        };
        self.change(id, |worker, pool| {
            worker.share = pool.share_of(types.unwrap_or_else(|| pool.settings.takes.clone()));
            pool.share = worker.share;
        });
        self.serve_anew();
        if !names.is_subset(&self.served.named) {
            self.served.named.extend(names.iter().cloned());
            // Until its jobs are in their lanes, what waits among the others is not known.
            self.served.sorting = Sorting::Asked;
            out.push(Action::Write(Change::NameTypes(names), Tag::Sort));
        }
    }

    /// Jobs were moved to their lanes, and there may be more of them.
    pub(super) fn sorted(&mut self, queues: &[QueueName], more: bool) {
        self.served.sorting = if more { Sorting::Wanted } else { Sorting::Done };
        if !more {
            self.served.touch_all();
        }
        if !queues.is_empty() {
            self.news(queues);
        }
    }

    /// Asks for the next step of moving jobs to their lanes.
    pub(super) fn sort(&mut self, out: &mut Vec<Action>) {
        if self.served.sorting == Sorting::Wanted && self.phase == Phase::Running {
            self.served.sorting = Sorting::Asked;
            out.push(Action::Write(Change::Sort { limit: SORT_STEP }, Tag::Sort));
        }
    }

    /// Looks at the queues that have changed for jobs that nobody takes.
    pub(super) fn look_for_unserved(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.phase != Phase::Running {
            return;
        }
        let touched = if std::mem::take(&mut self.served.all) {
            self.totals.all().map(|totals| totals.name.clone()).chain(self.served.unserved.keys().cloned()).collect()
        } else {
            std::mem::take(&mut self.served.touched)
        };
        for queue in touched {
            self.look_at(&queue, out);
        }
        self.tell_unserved(now, out);
    }

    fn look_at(&mut self, queue: &QueueName, out: &mut Vec<Action>) {
        let (here, elsewhere) = (self.served.queues.get(queue), self.served.elsewhere.get(queue));
        let all = here.zip(elsewhere).map(|(here, elsewhere)| here | elsewhere);
        let takes = all.as_ref().or(here).or(elsewhere);
        let mut found = self.totals.of(queue).map(|totals| Unserved::of(totals, takes)).unwrap_or_default();
        if self.served.sorting != Sorting::Done {
            found.retain(|found| found.lane != Lane::Others);
        }
        let Served { unserved, first, told, untold, .. } = &mut self.served;
        if found.is_empty() && unserved.remove(queue).is_none() {
            return;
        }
        told.retain(|(of, lane)| of != queue || found.iter().any(|found| found.lane == *lane));
        if !found.iter().any(|found| found.lane == Lane::Others) {
            first.remove(queue);
        } else if !first.contains_key(queue) {
            first.insert(queue.clone(), None);
            out.push(Action::Write(Change::FirstOther(queue.clone()), Tag::FirstOther));
        }
        if !found.is_empty() {
            let first = first.get(queue).cloned().flatten();
            let found: Vec<_> = found.into_iter().map(|found| found.with_first(first.clone())).collect();
            for found in found.iter().filter(|found| found.lane != Lane::Others || found.first.is_some()) {
                let key = (found.queue.clone(), found.lane.clone());
                if told.insert(key.clone()) {
                    untold.push(key);
                }
            }
            unserved.insert(queue.clone(), found);
        }
    }

    pub(super) fn first_other(&mut self, queue: &QueueName, kind: Option<Arc<str>>) {
        if kind.is_none() {
            // None is in its lane yet: it is asked again when one is.
            self.served.first.remove(queue);
        } else if let Some(first) = self.served.first.get_mut(queue) {
            *first = kind;
            self.served.touch(queue);
        }
    }

    /// Tells people of what is new; of several at a time of the first.
    fn tell_unserved(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.next_telling().is_none_or(|at| at > now.mono) {
            return;
        }
        let mut untold = std::mem::take(&mut self.served.untold);
        let still = |(queue, lane): &(QueueName, Lane)| {
            self.served.unserved.get(queue).is_some_and(|all| all.iter().any(|found| found.lane == *lane))
        };
        untold.retain(still);
        let Some((queue, lane)) = untold.first() else { return };
        let all = self.served.unserved.get(queue);
        let Some(found) = all.into_iter().flatten().find(|found| found.lane == *lane) else { return };
        let more = match untold.len() - 1 {
            0 => String::new(),
            more => format!("; {more} more like this: see `queue-work status`"),
        };
        // The master of a drain does not stay for another pool, and a single worker gets none.
        let text = match (self.drain.is_wanted(), self.is_single()) {
            (true, _) => format!("{}; the drain leaves what waits{more}", found.problem()),
            (false, true) => format!("{}; this worker leaves what waits{more}", found.problem()),
            (false, false) => format!("{found}{more}"),
        };
        self.served.told_at = Some(now.mono);
        out.push(Action::Tell(Notice::Problem { text }));
    }

    /// When to tell people of more, if there is more.
    pub(super) fn next_telling(&self) -> Option<Mono> {
        let Served { untold, told_at, .. } = &self.served;
        (!untold.is_empty()).then_some(told_at.map_or(Mono(0), |at| at + BETWEEN))
    }
}
