//! The codec of workers: of what can be asked, a worker's job asks one thing, to push a job.

use serde_json::value::RawValue;

use super::control;
use crate::master::heard::Asking;
use crate::master::requests::{Asker, Peer, Question};
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
        match question(asking) {
            Ok(Question::Push(mut job)) => {
                job.pushed_in = job.pushed_in.or_else(|| self.trace_of(id));
                self.ask(asker, Question::Push(job));
            }
            Ok(question) => self.ask(asker, question),
            Err(error) => self.send_to_worker(id, &control::answer(&asker.under, &Err(error))),
        }
    }

    pub(super) fn send_to_worker(&mut self, id: WorkerId, line: &[u8]) {
        if let Some(pipes) = self.children.write_to(id) {
            pipes.answer(line);
        }
    }
}

fn question(asking: &Asking) -> Result<Question, RpcError> {
    match asking {
        Asking::Push(params) => control::push(params.get(), wall()).map(Question::Push),
        Asking::Unknown(method) => {
            Err(RpcError { code: METHOD_NOT_FOUND, message: format!("no method `{method}`"), data: None })
        }
    }
}
