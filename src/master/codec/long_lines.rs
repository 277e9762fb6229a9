//! Lines of clients, read: short ones in the loop, long ones by a thread of their own.
//!
//! Invariant: requests of one client are carried out in the order in which they came: what comes after a long one is read
//! by the same thread.

use std::io;

use crossbeam_channel::{Sender, unbounded};
use serde_json::value::RawValue;

use super::control::{self, Message};
use crate::master::clients::ClientId;
use crate::master::requests::{Asker, Peer, Question};
use crate::master::{Master, wall};
use crate::wire::rpc::RpcError;

/// A longer line is read elsewhere; this one takes about a third of a millisecond.
pub(in crate::master) const LONG: usize = 64 * 1024;

/// The handle on the thread. It ends with the handle.
#[derive(Debug)]
pub(in crate::master) struct LineReader(Sender<(ClientId, Option<Vec<u8>>)>);

impl LineReader {
    pub(in crate::master) fn start(
        mut notify: impl FnMut(ClientId, usize, Message) + Send + 'static,
    ) -> io::Result<Self> {
        let (lines, inbox) = unbounded::<(ClientId, Option<Vec<u8>>)>();
        std::thread::Builder::new().name("requests".to_owned()).spawn(move || {
            for (client, line) in inbox {
                let bytes = line.as_ref().map_or(0, Vec::len);
                notify(client, bytes, control::read(line.as_deref(), wall()));
            }
        })?;
        Ok(Self(lines))
    }

    /// Has a line read.
    pub(in crate::master) fn read(&self, client: ClientId, line: Option<Vec<u8>>) {
        // Fails only when the thread has panicked, which ends the process.
        let _ = self.0.send((client, line));
    }
}

impl Master {
    /// Reads a client; does what it asks, or has its lines read.
    pub(in crate::master) fn read_client(&mut self, id: ClientId) {
        let mut lines: Vec<Option<Vec<u8>>> = Vec::new();
        if self.time.is_late() {
            self.clients.late(id);
        }
        self.clients.read(id, |line| lines.push(line.map(<[u8]>::to_vec)));
        self.bound_unfinished_of_client(id);
        for line in lines {
            let bytes = line.as_ref().map_or(0, Vec::len);
            if bytes <= LONG && !self.clients.is_being_read(id) {
                self.client_says(id, control::read(line.as_deref(), wall()));
                continue;
            }
            self.clients.give_to_reader(id, line);
        }
    }

    /// A long line of so many bytes was read, or one that came after it.
    pub(in crate::master) fn line_was_read(&mut self, id: ClientId, bytes: usize, message: Message) {
        self.clients.take_from_reader(id, bytes);
        self.client_says(id, message);
    }

    fn client_says(&mut self, id: ClientId, message: Message) {
        let (store, by, under, question) = match message {
            Message::Nothing => return self.clients.no_answer(id),
            Message::Malformed(under, error) => return self.clients.answer(id, &control::refuse(&under, &error)),
            Message::Request { store, by, id, question } => (store, by, id, question),
        };
        if let Err(error) = self.let_in(id, store.as_deref()) {
            return self.clients.answer(id, &control::refuse(under.as_deref().unwrap_or("null"), &error));
        }
        if self.clients.has_given_up(id) {
            return self.clients.no_answer(id);
        }
        let Some(under) = under else {
            // A notification: nothing of ours is one, except the nudge.
            if matches!(question, Ok(Question::Ping)) {
                self.nudge();
            }
            return self.clients.no_answer(id);
        };
        match question {
            Ok(question) => self.ask(Asker { peer: Peer::Client(id), by, under }, question),
            Err(error) => self.clients.answer(id, &control::refuse(&under, &error)),
        }
    }

    /// Nothing is done for a client that means another store.
    fn let_in(&mut self, id: ClientId, store: Option<&RawValue>) -> Result<(), RpcError> {
        if let Some(store) = store {
            let bad = |e| RpcError::params(format!("`store` does not fit: {e}"));
            self.clients.greet(id, serde_json::from_str(store.get()).map_err(bad)?);
        }
        self.clients.refusal(id).map_or(Ok(()), |text| Err(RpcError::failed(5, text)))
    }
}
