//! Members of the store in memory: what they tell each other, and which of them has a duty.
//!
//! Invariant: nobody is told what it did itself.

use std::collections::BTreeMap;

use super::state::{Place, State};
use crate::model::change::Reply;
use crate::model::order::{self, Fate, Order, Tell};
use crate::model::{Generation, JobId, OrderId, States};
use crate::store::Duty;

/// Orders that are not answered, each with the member that gave it, and the last one.
#[derive(Debug, Default)]
pub(super) struct Given {
    open: BTreeMap<OrderId, Generation>,
    last: i64,
}

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

    /// Of a job that another member runs: where that is, and the order by which it is told to cancel it.
    pub(super) fn cancel_elsewhere(&mut self, (job, only): (JobId, States), ours: Generation) -> Option<Reply> {
        let Place::Running(running) = self.jobs.get(&job.0)?.place else { return None };
        let life = self.lives.get_mut(&running.generation).filter(|life| life.ended_at.is_none())?;
        if self.lease.is_none() || running.generation == ours.0 {
            return None;
        }
        self.given.last += 1;
        let id = OrderId(self.given.last);
        life.orders.asked.push(Order { id, who: None, request: order::cancel(job, only) });
        self.given.open.insert(id, ours);
        Some(Reply::Elsewhere(life.master.host.clone(), id))
    }

    /// The member that has asked hears of the answer, and all of what is served.
    pub(super) fn tell_hosts(&mut self, tell: &Tell) -> Reply {
        match tell {
            Tell::Answer { order, answer } => {
                let asker = self.given.open.remove(order).and_then(|asker| self.lives.get_mut(&asker.0));
                if let Some(life) = asker {
                    life.orders.ended.push((*order, Fate::Answered(answer.clone())));
                }
            }
            Tell::Serves(serves) => self.news.serves = Some(serves.clone()),
            // Here everybody is always told.
            Tell::HearsEnds(_) => {}
        }
        Reply::Done
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
