//! Jobs that come after others, in memory.
//!
//! Invariant: children are told in the same order and in the same steps as in SQLite.

use std::collections::{BTreeMap, HashMap, VecDeque};

use super::state::{Job, Place, State};
use crate::model::after::{After, AfterFailed, BadLink, LinkError, Links, Parent, ParentResults, Standing, circle};
use crate::model::batch::REF;
use crate::model::change::Settled;
use crate::model::graph::{Link, Side};
use crate::model::processor::ProcessorRunState;
use crate::model::run_end::RunEnd;
use crate::model::{BatchId, BulkId, Cause, JobId, JobState, NewJob, Outcome, UnixMicros};
use crate::store::TOLD_AT_ONCE;

/// How a parent stands to a job.
#[derive(Clone, Debug)]
pub(super) struct Wait {
    name: Option<Box<str>>,
    open: Standing,
    failed: AfterFailed,
}

/// Which jobs come after which.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// By child and parent.
    all: BTreeMap<i64, BTreeMap<i64, Wait>>,
    /// Parents whose children are yet to be told, and after which child to go on.
    settling: BTreeMap<i64, i64>,
    /// Of the batch in hand.
    pub(super) fates: VecDeque<(i64, i64)>,
    pub(super) left: u32,
    linked: Option<bool>,
    pub(super) settled: Settled,
    now: UnixMicros,
}

/// Refs of a bulk push that is not committed.
#[derive(Clone, Debug, Default)]
pub(super) struct Refs {
    known: HashMap<Box<str>, i64>,
    later: BTreeMap<(i64, Box<str>), AfterFailed>,
}

impl Waits {
    pub(super) fn parents(&self, id: i64) -> impl Iterator<Item = (&i64, &Wait)> {
        self.all.get(&id).into_iter().flatten()
    }

    pub(super) fn failed(&self, id: i64) -> Option<AfterFailed> {
        self.parents(id).next().map(|(_, wait)| wait.failed)
    }

    pub(super) fn is_settling(&self) -> bool {
        !self.settling.is_empty()
    }

    fn children(&self, parent: i64, after: i64, limit: u32) -> Vec<(i64, Wait)> {
        let of_parent = |(&child, parents): (&i64, &BTreeMap<i64, Wait>)| Some((child, parents.get(&parent)?.clone()));
        self.all.range(after + 1..).filter_map(of_parent).take(limit as usize).collect()
    }

    fn worst(&self, id: i64) -> Option<(Standing, AfterFailed, i64)> {
        let open = self.parents(id).filter(|(_, wait)| wait.open != Standing::Done);
        open.map(|(&parent, wait)| (wait.open, wait.failed, parent)).max_by_key(|(open, ..)| *open)
    }

    fn set(&mut self, child: i64, parent: i64, open: Standing) {
        if let Some(wait) = self.all.get_mut(&child).and_then(|parents| parents.get_mut(&parent)) {
            wait.open = open;
        }
    }
}

impl State {
    pub(super) fn begin_batch(&mut self, now: UnixMicros) {
        (self.waits.left, self.waits.linked, self.waits.now) = (TOLD_AT_ONCE, None, now);
    }

    pub(super) fn take_settled(&mut self) -> Settled {
        std::mem::take(&mut self.waits.settled)
    }

    fn has_links(&mut self) -> bool {
        let any = !self.waits.all.is_empty();
        *self.waits.linked.get_or_insert(any)
    }

    pub(super) fn changes_fate(&mut self, id: i64) {
        if self.has_links() {
            self.waits.fates.push_back((id, 0));
        }
    }

    pub(super) fn settle(&mut self) {
        while let Some((parent, after)) = self.waits.fates.pop_front() {
            if parent > 0 && after == 0 {
                self.look_on(parent);
            }
            let rows = self.waits.children(parent, after, self.waits.left);
            if rows.len() < self.waits.left as usize {
                self.waits.settling.remove(&parent);
            } else {
                self.waits.settled.moved = true;
                self.waits.settling.insert(parent, rows.last().map_or(after, |(child, _)| *child));
            }
            self.waits.left -= rows.len() as u32;
            if rows.is_empty() {
                continue;
            }
            let state = if parent > 0 { self.find(parent) } else { None };
            for (child, wait) in rows {
                self.tell(parent, state, child, &wait);
            }
        }
    }

    pub(super) fn settle_on(&mut self, limit: u32) {
        self.waits.left = limit;
        while self.waits.left > 0 {
            let Some((&parent, &child)) = self.waits.settling.first_key_value() else { break };
            self.waits.fates.push_back((parent, child));
            self.settle();
        }
        self.search_on();
    }

    /// The state of a job, which is opened if it is not.
    fn find(&mut self, id: i64) -> Option<JobState> {
        self.open_one(id);
        self.jobs.get(&id).map(Job::state)
    }

    fn tell(&mut self, parent: i64, state: Option<JobState>, child: i64, wait: &Wait) {
        if wait.open == Standing::Done {
            return;
        }
        if wait.open != Standing::Gone {
            let batch = BatchId::of_parent(JobId(parent)).map(|batch| self.standing_of_batch(batch, child));
            self.waits.set(child, parent, batch.unwrap_or_else(|| Standing::of(state, wait.failed)));
        }
        if self.find(child).is_some() {
            self.put_where_it_belongs(child, wait.failed);
        }
    }

    pub(super) fn put_where_it_belongs(&mut self, id: i64, failed: AfterFailed) {
        let Some(place) = self.jobs.get(&id).map(|job| job.place.clone()) else { return };
        let waits = self.waits.worst(id).map_or(Standing::Done, |(worst, ..)| worst).is_to_wait(failed);
        match (place, waits) {
            (Place::Blocked, Some(false)) => self.free(id),
            (Place::Blocked, None) => self.cancel_after(id),
            (Place::Ended { cause: Cause::Parent, .. }, Some(waits)) if self.come_back(id) && !waits => self.free(id),
            _ => {}
        }
    }

    fn cancel_after(&mut self, id: i64) {
        let Some(mut job) = self.take(id) else { return };
        let at = self.waits.now;
        self.let_go(id, &job, || RunEnd::waiting(ProcessorRunState::Cancelled, None, at));
        job.place =
            Place::Ended { state: JobState::Cancelled, cause: Cause::Parent, error: None, fingerprint: None, at };
        self.put(id, job);
        self.changes_fate(id);
        self.waits.settled.ended.push(JobId(id));
    }

    fn come_back(&mut self, id: i64) -> bool {
        let Some(mut job) = self.jobs.get(&id).cloned() else { return false };
        if let Some(key) = &job.new.unique {
            if self.uniques.contains_key(&**key) {
                return false;
            }
            self.uniques.insert(key.to_string(), id);
        }
        self.take(id);
        job.place = Place::Blocked;
        self.put(id, job);
        self.reopens(id);
        self.changes_fate(id);
        true
    }

    fn free(&mut self, id: i64) {
        let Some(mut job) = self.take(id) else { return };
        let now = self.waits.now;
        job.due_at = job.due_at.max(now);
        if job.due_at > now {
            job.place = Place::Scheduled;
            self.waits.settled.moved = true;
        } else {
            job.place = Place::Ready;
            if self.waits.settled.freed.last() != Some(&job.new.queue) {
                self.waits.settled.freed.push(job.new.queue.clone());
            }
        }
        self.put(id, job);
    }

    /// For a job that is to wait again: whether it comes after another that is not done; or the one that has failed.
    pub(super) fn is_held(&mut self, id: i64) -> Result<bool, (JobId, bool)> {
        let Some((worst, failed, parent)) = self.waits.worst(id).filter(|_| self.has_links()) else { return Ok(false) };
        worst.is_to_wait(failed).ok_or((JobId(parent), worst == Standing::Gone))
    }

    pub(super) fn check_links(&mut self, jobs: &[NewJob], is_whole: bool) -> Result<Vec<Vec<Standing>>, BadLink> {
        Links::check(jobs, is_whole)?;
        let mut all = Vec::new();
        for (nth, job) in jobs.iter().enumerate() {
            let standings = job.after.as_ref().map_or_else(|| Ok(Vec::new()), |after| self.standings(after));
            all.push(standings.map_err(|why| BadLink { nth, why })?);
        }
        Ok(all)
    }

    fn standings(&mut self, after: &After) -> Result<Vec<Standing>, LinkError> {
        let standing = |parent: &Parent| {
            let Parent::Job(id) = parent else { return Ok(Standing::Open) };
            let state = self.find(id.0).ok_or(LinkError::Unknown(*id))?;
            let standing = Standing::of(Some(state), after.failed);
            if standing.is_to_wait(after.failed).is_some() { Ok(standing) } else { Err(LinkError::Failed(*id, state)) }
        };
        after.parents.iter().map(standing).collect()
    }

    pub(super) fn link<'a>(
        &mut self,
        id: i64,
        after: &'a After,
        standings: &[Standing],
        refs: &HashMap<Box<str>, i64>,
    ) -> Vec<&'a str> {
        self.waits.linked = Some(true);
        let mut unknown = Vec::new();
        for (parent, standing) in after.parents.iter().zip(standings) {
            match parent {
                Parent::Job(parent) => self.link_one(id, parent.0, None, *standing, after.failed),
                Parent::Ref(name) => match refs.get(name) {
                    Some(&parent) => self.link_one(id, parent, Some(name), *standing, after.failed),
                    None => unknown.push(&**name),
                },
            }
        }
        unknown
    }

    fn link_one(&mut self, id: i64, parent: i64, name: Option<&str>, open: Standing, failed: AfterFailed) {
        let wait = self.waits.all.entry(id).or_default().entry(parent);
        let wait = wait.or_insert_with(|| Wait { name: None, open, failed });
        wait.name = name.map(Into::into).or_else(|| wait.name.take());
    }

    /// A job that comes after a batch is pushed.
    pub(super) fn link_batch(&mut self, id: i64, batch: BatchId, name: &str, failed: AfterFailed) {
        self.waits.linked = Some(true);
        self.link_one(id, batch.as_parent().0, Some(name), Standing::Open, failed);
    }

    pub(super) fn results_for(&mut self, id: i64) -> Option<Box<ParentResults>> {
        let mut results: Option<Box<ParentResults>> = None;
        for (parent, wait) in self.waits.parents(id) {
            if let Some(batch) = BatchId::of_parent(JobId(*parent)) {
                results.get_or_insert_default().add(REF, self.batch_end(batch).as_deref());
                continue;
            }
            let last =
                self.runs.values().rev().find(|run| run.job == *parent).filter(|run| run.outcome == Outcome::Succeeded);
            let result = last.and_then(|run| run.detail.result.as_deref()).unwrap_or("null");
            let name = wait.name.clone().unwrap_or_else(|| parent.to_string().into());
            let is_there = self.jobs.contains_key(parent);
            results.get_or_insert_default().add(&name, Some(result).filter(|_| is_there));
        }
        results
    }

    pub(super) fn links(&self, id: i64, side: Side, limit: u32) -> Vec<Link> {
        let all = self
            .waits
            .all
            .iter()
            .flat_map(|(job, parents)| parents.iter().map(move |(after, wait)| (job, after, wait)));
        let of = all.filter(|(job, after, _)| **after > 0 && id == if side == Side::Parents { **job } else { **after });
        let mut of: Vec<_> = of.collect();
        // What is open comes first, and is told apart.
        let order = |open: Standing| (open == Standing::Done, open);
        of.sort_by_key(|(_, _, wait)| (side == Side::Parents).then(|| order(wait.open)));
        let link = |(job, after, wait): (&i64, &i64, &Wait)| Link {
            job: JobId(*job),
            after: JobId(*after),
            name: wait.name.as_deref().map(str::to_owned),
            is_open: wait.open != Standing::Done,
        };
        of.into_iter().take(limit as usize).map(link).collect()
    }

    pub(super) fn unlink(&mut self, id: i64) {
        if self.has_links() {
            self.waits.all.remove(&id);
        }
    }

    pub(super) fn adopt(&mut self, id: i64, holder: i64) {
        if !self.has_links() {
            return;
        }
        let mut above: Vec<i64> = vec![holder];
        let mut at = 0;
        while let Some(&node) = above.get(at) {
            let open = self.waits.parents(node).filter(|(_, wait)| wait.open != Standing::Done);
            let new: Vec<i64> = open.map(|(parent, _)| *parent).filter(|parent| !above.contains(parent)).collect();
            above.extend(new);
            at += 1;
        }
        for (child, parents) in &mut self.waits.all {
            if let Some(wait) = parents.get_mut(&id).filter(|_| above.contains(child)) {
                wait.open = Standing::Gone;
            }
            if parents.get(&id).is_some_and(|wait| wait.open < Standing::Gone)
                && let Some(wait) = parents.remove(&id)
            {
                parents.insert(holder, wait);
            }
        }
        self.waits.fates.extend([(id, 0), (holder, 0)]);
    }

    pub(super) fn check_staged(&mut self, bulk: BulkId, jobs: &[NewJob]) -> Result<Vec<Vec<Standing>>, BadLink> {
        let refs = &self.bulks[&bulk.0].refs.known;
        for (nth, job) in jobs.iter().enumerate() {
            if let Some(name) = job.after.as_ref().and_then(|after| after.name.clone())
                && refs.contains_key(&name)
            {
                return Err(BadLink { nth, why: LinkError::Twice(name) });
            }
        }
        self.check_links(jobs, false)
    }

    pub(super) fn link_staged(&mut self, bulk: BulkId, first: i64, jobs: &[NewJob], standings: &[Vec<Standing>]) {
        let mut refs = self.bulks.get_mut(&bulk.0).map(|bulk| std::mem::take(&mut bulk.refs)).unwrap_or_default();
        for (id, job) in (first..).zip(jobs) {
            refs.known.extend(job.after.as_ref().and_then(|after| after.name.clone()).map(|name| (name, id)));
        }
        for ((id, job), standings) in (first..).zip(jobs).zip(standings) {
            let Some(after) = &job.after else { continue };
            for name in self.link(id, after, standings, &refs.known) {
                refs.later.insert((id, name.into()), after.failed);
            }
        }
        if let Some(bulk) = self.bulks.get_mut(&bulk.0) {
            bulk.refs = refs;
        }
    }

    pub(super) fn resolve_staged(&mut self, bulk: BulkId) -> Result<(), BadLink> {
        let Some(staged) = self.bulks.get(&bulk.0) else { return Ok(()) };
        let nth = |job: i64| staged.jobs.range(..job).count();
        let Refs { known, later } = staged.refs.clone();
        let unknown = later.keys().find(|(_, name)| !known.contains_key(name));
        if let Some((job, name)) = unknown {
            return Err(BadLink { nth: nth(*job), why: LinkError::UnknownRef(name.clone()) });
        }
        if !later.is_empty() {
            let mut parents: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
            for job in staged.jobs.keys() {
                parents.entry(*job).or_default().extend(self.waits.parents(*job).map(|(parent, _)| *parent));
            }
            for (job, name) in later.keys() {
                parents.entry(*job).or_default().push(known[name]);
            }
            parents.retain(|_, parents| !parents.is_empty());
            if let Some((job, parent)) = circle(&parents) {
                let name = later.keys().find(|(of, name)| *of == job && known[name] == parent);
                let name = name.map_or_else(|| parent.to_string().into(), |(_, name)| name.clone());
                return Err(BadLink { nth: nth(job), why: LinkError::Circle(name) });
            }
        }
        for ((job, name), failed) in later {
            self.waits.linked = Some(true);
            self.link_one(job, known[&name], Some(&name), Standing::Open, failed);
        }
        if let Some(bulk) = self.bulks.get_mut(&bulk.0) {
            bulk.refs = Refs::default();
        }
        Ok(())
    }
}
