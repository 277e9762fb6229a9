//! Pushing jobs for clients and workers: one at a time, or many in one request.

use super::Master;
use super::methods::parse;
use super::replies::{Answered, Origin, PushAnswer};
use super::requests::to_job;
use crate::core::Event;
use crate::model::change::{Reply, Request};
use crate::model::{NewJob, Pushed, QueueName};
use crate::wire::control::{PushJob, PushedMany};

impl Master {
    /// Pushes a job for a client or a worker.
    pub(super) fn push_one(&mut self, origin: Origin, params: &str, how: PushAnswer) {
        let now = self.clock.now().wall;
        let job = parse::<PushJob>(params).and_then(|p| to_job(&p, now));
        match job {
            Ok(job) => self.push(origin, vec![job], how),
            Err(error) => self.answer(&origin, Err(error)),
        }
    }

    pub(super) fn push_many(&mut self, origin: &Origin, jobs: Vec<NewJob>, ids: bool) -> Option<String> {
        let how = PushAnswer::Many { ids };
        if jobs.is_empty() {
            return Some(pushed(&Reply::Pushed(Vec::new()), how));
        }
        self.push(origin.clone(), jobs, how);
        None
    }

    pub(super) fn push(&mut self, origin: Origin, jobs: Vec<NewJob>, how: PushAnswer) {
        if let Err(error) = self.writable() {
            self.answer(&origin, Err(error));
            return;
        }
        failpoint!("push.received");
        let mut queues: Vec<QueueName> = jobs.iter().map(|j| j.queue.clone()).collect();
        queues.dedup();
        let now = self.clock.now();
        self.batches.add(Request::Push(jobs.into()), Answered::Pushed { origin, how }, true, true, now);
        // The claim that follows in the same batch sees them.
        self.feed(Event::News { queues });
    }
}

/// The answer to a push, as JSON.
pub(super) fn pushed(reply: &Reply, how: PushAnswer) -> String {
    let Reply::Pushed(jobs) = reply else { return String::from("null") };
    let json = match how {
        PushAnswer::One => serde_json::to_string(&jobs.first()),
        PushAnswer::Worker => {
            let id = jobs.first().map_or(0, |p: &Pushed| p.id.0);
            let again = jobs.first().is_some_and(|p| p.deduplicated);
            Ok(format!("{{\"job_id\":{id},\"deduplicated\":{again}}}"))
        }
        PushAnswer::Many { ids } => serde_json::to_string(&PushedMany {
            count: jobs.len() as u64,
            deduplicated: jobs.iter().filter(|p| p.deduplicated).count() as u64,
            first_id: jobs.iter().map(|p| p.id).min(),
            last_id: jobs.iter().map(|p| p.id).max(),
            ids: ids.then(|| jobs.iter().map(|p| p.id).collect()),
        }),
    };
    json.unwrap_or_else(|_| String::from("null"))
}
