//! Pushing jobs, one or many in one request.

use super::begin::Begun;
use super::{Answer, Pushing, Refused};
use crate::core::{Event, Ticket};
use crate::master::Master;
use crate::master::store_events::Purpose;
use crate::model::QueueName;
use crate::model::change::{Reply, Request};
use crate::wire::control::PushedMany;

/// The form of the answer to a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::master) enum PushForm {
    One,
    Many { ids: bool },
}

impl Master {
    pub(super) fn push(&mut self, ticket: Ticket, Pushing { jobs, batch }: Pushing, form: PushForm) -> Begun {
        if jobs.is_empty() {
            return pushed(&Reply::Pushed(Vec::new()), form).map(Some);
        }
        self.writable()?;
        failpoint!("push.received");
        let mut queues: Vec<QueueName> = jobs.iter().map(|j| j.queue.clone()).collect();
        queues.dedup();
        let now = self.time.now();
        let jobs = jobs.into();
        let request = match batch {
            None => Request::Push(jobs),
            Some(batch) => Request::PushInto { jobs, batch: batch.into() },
        };
        self.batches.add(request, Purpose::Push { ticket, form }, true, true, now);
        // The claim that follows in the same batch sees them.
        self.feed(Event::News { queues });
        Ok(None)
    }
}

/// The answer to a push.
pub(in crate::master) fn pushed(reply: &Reply, form: PushForm) -> Result<Answer, Refused> {
    let jobs = match reply {
        Reply::Pushed(jobs) => jobs.as_slice(),
        Reply::Full(full) => return Err(Refused::Failed(1, full.to_string())),
        Reply::BadBatch(refused) => return Err(Refused::Failed(refused.exit_code(), refused.to_string())),
        Reply::BadLink(bad) => {
            let text = if form == PushForm::One { bad.why.to_string() } else { bad.to_string() };
            return Err(Refused::Failed(bad.why.exit_code(), text));
        }
        _ => &[],
    };
    match (form, jobs) {
        (PushForm::One, [pushed, ..]) => Ok(Answer::Pushed(*pushed)),
        (PushForm::One, []) => Err(Refused::Failed(1, String::from("the store does not say which job it has added"))),
        (PushForm::Many { ids }, jobs) => Ok(Answer::PushedMany(PushedMany::new(jobs, ids))),
    }
}
