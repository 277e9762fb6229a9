//! The codec of workers: of what can be asked, a worker's job asks one thing, to push a job.

use serde_json::value::RawValue;

use super::{control, pushing};
use crate::master::heard::Asking;
use crate::master::requests::{Asker, Peer, Pushing, Question};
use crate::master::{Master, wall};
use crate::model::WorkerId;
use crate::wire::rpc::{METHOD_NOT_FOUND, RpcError};

impl Master {
    /// A worker asks for something.
    pub(in crate::master) fn worker_asks(&mut self, id: WorkerId, under: Box<RawValue>, asking: &Asking) {
        if let Some(pipes) = self.children.get_mut(id) {
            pipes.asked();
        }
        let asker = Asker { peer: Peer::Worker(id), by: None, under: under.into() };
        match push(asking) {
            Ok(mut push) => {
                for job in &mut push.jobs {
                    job.pushed_in = job.pushed_in.take().or_else(|| self.trace_of(id));
                }
                self.ask(asker, Question::Push(push));
            }
            Err(error) => self.send_to_worker(id, &control::answer(&asker.under, &Err(error))),
        }
    }

    pub(super) fn send_to_worker(&mut self, id: WorkerId, line: &[u8]) {
        if let Some(pipes) = self.children.write_to(id) {
            pipes.answer(line);
        }
    }
}

fn push(asking: &Asking) -> Result<Pushing, RpcError> {
    match asking {
        Asking::Push(params) => pushing::one(params.get(), wall()),
        Asking::Unknown(method) => {
            Err(RpcError { code: METHOD_NOT_FOUND, message: format!("no method `{method}`"), data: None })
        }
    }
}
