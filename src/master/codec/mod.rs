//! Codecs: a listener's bytes become questions, and answers become the bytes that its peer understands.
//!
//! Each kind of peer has one: clients of the control socket (`control`), and workers on their pipes (`worker`). Another
//! listener brings another codec and another [`Peer`]; what is asked, and what it waits for, is the same
//! (`master/requests`).

pub(super) mod control;
pub(super) mod long_lines;
mod pushing;
mod worker;

use super::Master;
use super::requests::{Answer, Asker, Peer, Refused};
use crate::model::done::Awaited;
use crate::wire::rpc::{self, RpcError};

impl Master {
    /// Sends the answer of a request, which is no longer in the table.
    pub(super) fn send_answer(&mut self, asker: &Asker, answer: Result<Answer, Refused>) {
        let answer = answer.map_err(RpcError::from);
        match asker.peer {
            Peer::Client(id) => self.clients.answer(id, &control::answer(&asker.under, &answer)),
            Peer::Worker(id) => self.send_to_worker(id, &control::answer(&asker.under, &answer)),
            Peer::Order(id) => self.answer_order(id, &control::answer(&asker.under, &answer)),
        }
    }

    /// Says to people what is special about the answer that follows.
    pub(super) fn send_note(&mut self, peer: Peer, text: &str) {
        match peer {
            Peer::Client(id) => self.clients.tell(id, &control::note(text)),
            Peer::Worker(_) | Peer::Order(_) => {}
        }
    }

    /// Says which jobs an answer waits for.
    pub(super) fn send_awaited(&mut self, peer: Peer, awaited: Awaited) {
        match peer {
            Peer::Client(id) => self.clients.tell_first(id, &control::awaited(awaited)),
            Peer::Worker(_) | Peer::Order(_) => {}
        }
    }
}

impl From<Refused> for RpcError {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Params(text) => Self::params(text),
            Refused::Failed(exit_code, text) => Self::failed(exit_code, text),
            Refused::Unavailable(text) => Self { code: rpc::UNAVAILABLE, ..Self::failed(1, text) },
        }
    }
}
