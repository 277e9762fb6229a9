//! Members of the store in memory: what they tell each other, and which of them has a duty.
//!
//! Invariant: nobody is told what it did itself.

use super::state::{Place, State};
use crate::model::{Generation, JobId};
use crate::store::Duty;

impl State {
    fn is_member(&self, generation: Generation) -> bool {
        self.lives.get(&generation.0).is_some_and(|life| life.ended_at.is_none())
    }

    /// At the end of a batch of this member, or of one that is none: the others hear of it.
    pub(super) fn tell_others(&mut self, by: Option<Generation>) {
        let news = std::mem::take(&mut self.news);
        let others = self.lives.iter_mut().filter(|(number, _)| by != Some(Generation(**number)));
        for (_, life) in others.filter(|(_, life)| life.ended_at.is_none()) {
            life.news.add(news.clone());
        }
    }

    /// Where a job runs that another member runs, which is told to cancel it.
    pub(super) fn cancel_elsewhere(&mut self, id: i64, ours: Generation) -> Option<String> {
        let Place::Running(running) = self.jobs.get(&id)?.place else { return None };
        let life = self.lives.get_mut(&running.generation).filter(|life| life.ended_at.is_none())?;
        if self.lease.is_none() || running.generation == ours.0 {
            return None;
        }
        life.news.cancel.push(JobId(id));
        Some(life.master.host.clone())
    }

    /// Whether this member has a duty, which it takes if no other has.
    pub(super) fn lead(&mut self, duty: Duty, ours: Generation) -> bool {
        if self.lease.is_none() {
            return true;
        }
        let leader = self.leads.get(&duty).copied().filter(|leader| self.is_member(*leader));
        if leader.is_none() {
            self.leads.insert(duty, ours);
        }
        leader.is_none_or(|leader| leader == ours)
    }
}
