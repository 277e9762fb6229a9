//! The control socket: connections, lines in, lines out. Never blocks, and never lets a client slow the master.
//!
//! Knows nothing of methods. Invariants: only our own user, the owner of the database, root and members of the group of
//! the socket may speak; a client that does not read is dropped
//! once `MAX_UNREAD` bytes wait for it, or `MAX_UNREAD_OF_ALL` for all together, or after a while
//! ([`Clients::lose_patience`]); so is one that does not come to the end of a request; a client with many unanswered
//! requests is not read further; one that has hung up is read to its end and then forgotten,
//! whatever it still waits for (what it asked for is done, but for [`Clients::has_given_up`]); one that means another
//! store gets nothing but a refusal; of a line over the limit nothing is held but its beginning; when there is no room for a
//! newcomer, the one that has been silent for longest and waits for nothing makes way.

mod client;
pub(super) mod door;
mod followers;
mod greeting;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::net::UnixListener;
use mio::{Interest, Registry, Token};
use nix::unistd::Uid;

use super::codec::control;
use super::codec::long_lines::LineReader;
use crate::model::Mono;
use crate::wire::lines::Line;
use client::Client;
use door::Door;
pub(super) use door::{name_of, occupant_for_good};
use greeting::Greeting;
pub(super) use greeting::Served;

/// Connections at most, where the limit on open files allows as many.
pub(super) const MAX_CLIENTS: usize = 1000;
/// Bytes that may wait for a client.
const MAX_UNREAD: usize = 64 * 1024 * 1024;
/// Bytes that may wait for all clients together; beyond, the one for which most wait is dropped.
const MAX_UNREAD_OF_ALL: usize = 256 * 1024 * 1024;
/// How long a client may take from the first byte of a request to its last, and to read anything of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Requests of one client that may be unanswered before it is read further.
const MAX_PENDING: usize = 1024;
/// Bytes of requests that may be with their reader before no further long one is taken in.
const MOST_IN_HAND: usize = 64 * 1024 * 1024;
/// Bytes read in one go.
const SCRATCH: usize = 64 * 1024;
/// Bytes read per client and turn.
const BUDGET: usize = 256 * 1024;

/// A connection, for the life of the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClientId(pub(super) usize);

/// The listener and its connections.
#[derive(Debug)]
pub(super) struct Clients {
    listener: UnixListener,
    /// The name of the listener.
    door: Door,
    path: PathBuf,
    served: Served,
    line_reader: LineReader,
    scratch: Box<[u8]>,
    all: BTreeMap<ClientId, Client>,
    next: usize,
    /// Clients with bytes to write.
    dirty: BTreeSet<ClientId>,
    /// Clients that may have more to read although no edge will tell.
    again: BTreeSet<ClientId>,
    followers: usize,
    /// For those who follow and were too slow.
    lines_dropped: u64,
    /// Connections that may be open at a time.
    room: usize,
    /// Bytes that wait for all together.
    unsent: usize,
    /// Bytes of requests that are being read elsewhere.
    in_hand: usize,
    /// Counts what clients say, to know who has been silent for longest.
    said: u64,
    /// A connection could not be accepted, and why; no edge will tell again.
    knocked: Option<String>,
    /// A client was dropped since [`Clients::take_dropped`].
    dropped: bool,
}

impl Clients {
    /// Listens at `path`. Only to be called by who holds the lock of the store. What is found there is replaced
    /// if it is a stale socket.
    pub(super) fn listen(
        path: &Path,
        served: Served,
        line_reader: LineReader,
        registry: &Registry,
        token: Token,
    ) -> io::Result<Self> {
        let (mut listener, door) = served.open(path)?;
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Self {
            listener,
            door,
            path: path.to_owned(),
            served,
            line_reader,
            scratch: vec![0; SCRATCH].into(),
            all: BTreeMap::new(),
            next: 0,
            dirty: BTreeSet::new(),
            again: BTreeSet::new(),
            followers: 0,
            lines_dropped: 0,
            room: MAX_CLIENTS,
            unsent: 0,
            in_hand: 0,
            said: 0,
            knocked: None,
            dropped: false,
        })
    }

    /// To whom sockets belong.
    pub(super) const fn owner_id(&self) -> Uid {
        self.served.owner
    }

    /// Whether the socket still has its name.
    pub(super) fn is_reachable(&self) -> bool {
        self.door.is_there()
    }

    /// Makes a socket that has lost its name anew. To be called when everybody who had found the old one was let in.
    pub(super) fn listen_again(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let (mut listener, door) = self.served.open(&self.path)?;
        registry.register(&mut listener, token, Interest::READABLE)?;
        (self.listener, self.door) = (listener, door);
        Ok(())
    }

    /// Has at most so many connections from now on.
    pub(super) const fn set_room(&mut self, room: usize) {
        self.room = room;
    }

    /// Takes in who knocks, while the master is on time or late; `token` names a connection.
    pub(super) fn accept(&mut self, registry: &Registry, late: bool, token: impl Fn(ClientId) -> Token) {
        self.knocked = None;
        loop {
            let accepted = faulty!("client.accept", Err(nix::errno::Errno::EMFILE.into()), self.listener.accept());
            let mut stream = match accepted {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(e) if door::is_out_of_files(&e) && self.drop_idlest() => continue,
                Err(e) => {
                    self.knocked = Some(e.to_string());
                    return;
                }
            };
            let Some(speaker) = self.speaker(&stream) else { continue };
            if self.all.len() >= self.room && !self.drop_idlest() {
                continue;
            }
            let id = ClientId(self.next);
            self.next += 1;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut stream, token(id), interest).is_ok() {
                self.said += 1;
                self.all.insert(id, Client::new(stream, speaker, self.said, late));
            }
        }
    }

    /// Why somebody could not be let in, who is to be let in in a moment.
    pub(super) const fn knocked(&self) -> Option<&String> {
        self.knocked.as_ref()
    }

    /// Reads what a client says; `each` gets every line. A line over the limit comes as `None`.
    pub(super) fn read(&mut self, id: ClientId, mut each: impl FnMut(Option<&[u8]>)) {
        let Some(client) = self.all.get_mut(&id) else { return };
        let mut left = BUDGET;
        self.said += 1;
        client.heard = self.said;
        let crowded = self.in_hand >= MOST_IN_HAND;
        while client.is_heard(crowded) {
            match client.stream.read(&mut self.scratch) {
                Ok(0) => client.ended = true,
                Ok(n) => {
                    let pending = &mut client.pending;
                    let half_since = &mut client.half_since;
                    client.lines.push(&self.scratch[..n], |line| {
                        *pending += 1;
                        *half_since = None;
                        each(match line {
                            Line::Whole(text) => Some(text),
                            Line::TooLong { .. } => None,
                        });
                    });
                    left = left.saturating_sub(n);
                    if left == 0 {
                        break;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.drop_client(id);
                    return;
                }
            }
        }
        if client.ended {
            self.dirty.insert(id);
        } else {
            self.again.insert(id);
        }
    }

    /// Has a line read elsewhere.
    pub(super) fn give_to_reader(&mut self, id: ClientId, line: Option<Vec<u8>>) {
        if let Some(client) = self.all.get_mut(&id) {
            client.being_read += 1;
        }
        self.in_hand += line.as_ref().map_or(0, Vec::len);
        self.line_reader.read(id, line);
    }

    /// The request was read.
    pub(super) fn take_from_reader(&mut self, id: ClientId, bytes: usize) {
        self.in_hand -= bytes;
        if let Some(client) = self.all.get_mut(&id) {
            client.being_read = client.being_read.saturating_sub(1);
            self.dirty.insert(id);
        }
    }

    /// Whether a request of this client is being read.
    pub(super) fn is_being_read(&self, id: ClientId) -> bool {
        self.all.get(&id).is_some_and(|client| client.being_read > 0)
    }

    /// Memory that the unfinished request of a client takes.
    pub(super) fn unfinished(&self, id: ClientId) -> usize {
        self.all.get(&id).map_or(0, |client| client.lines.held_bytes())
    }

    /// The same of every client.
    pub(super) fn all_unfinished(&self) -> impl Iterator<Item = (ClientId, usize)> {
        self.all.iter().map(|(&id, client)| (id, client.lines.held_bytes()))
    }

    /// Drops one that is in the middle of a request; if it takes that, it knows why, else it does not listen anyway.
    pub(super) fn refuse_rest(&mut self, id: ClientId, why: &str) {
        if let Some(client) = self.all.get_mut(&id) {
            let _ = client.stream.write(&control::give_up(why));
        }
        self.drop_client(id);
    }

    /// Clients to be read again this turn, although no edge told.
    pub(super) fn take_again(&mut self) -> Vec<ClientId> {
        let crowded = self.in_hand >= MOST_IN_HAND;
        let all = &self.all;
        let (now, later) = std::mem::take(&mut self.again)
            .into_iter()
            .filter(|id| all.contains_key(id))
            .partition(|id| all[id].is_heard(crowded));
        self.again = later;
        Vec::from_iter::<BTreeSet<_>>(now)
    }

    /// Whether somebody is to be read again.
    pub(super) fn has_again(&self) -> bool {
        let crowded = self.in_hand >= MOST_IN_HAND;
        self.again.iter().any(|id| self.all.get(id).is_some_and(|client| client.is_heard(crowded)))
    }

    /// Answers one request of a client.
    pub(super) fn answer(&mut self, id: ClientId, line: &[u8]) {
        if let Some(client) = self.all.get_mut(&id) {
            client.pending = client.pending.saturating_sub(1);
        }
        self.tell(id, line);
    }

    /// The process behind a connection; 0 where it cannot be seen from here.
    pub(super) fn pid_of(&self, id: ClientId) -> u32 {
        self.all.get(&id).map_or(0, |client| door::pid_of(&client.stream))
    }

    /// Tells a client something.
    pub(super) fn tell(&mut self, id: ClientId, line: &[u8]) {
        if let Some(client) = self.all.get_mut(&id) {
            if client.greeting == Greeting::Due {
                client.greeting = Greeting::Done;
                let welcome = control::greeting(&self.served.store);
                client.out.extend_from_slice(&welcome);
                self.unsent += welcome.len();
            }
            client.out.extend_from_slice(line);
            self.unsent += line.len();
            self.dirty.insert(id);
        }
    }

    /// A request that is not answered (a notification) is done.
    pub(super) fn no_answer(&mut self, id: ClientId) {
        if let Some(client) = self.all.get_mut(&id) {
            client.pending = client.pending.saturating_sub(1);
            self.dirty.insert(id);
        }
    }

    /// The client's socket takes bytes again.
    pub(super) fn writable(&mut self, id: ClientId) {
        self.dirty.insert(id);
    }

    /// The other end was closed for good.
    pub(super) fn hung_up(&mut self, id: ClientId) {
        if let Some(client) = self.all.get_mut(&id) {
            client.gone = true;
            self.dirty.insert(id);
        }
    }

    /// Whether anybody was dropped since the last call.
    pub(super) const fn take_dropped(&mut self) -> bool {
        std::mem::replace(&mut self.dropped, false)
    }

    /// Whether the client has hung up, or was dropped.
    pub(super) fn has_left(&self, id: ClientId) -> bool {
        self.all.get(&id).is_none_or(|client| client.gone)
    }

    /// Whether the client is still there.
    pub(super) fn has(&self, id: ClientId) -> bool {
        self.all.contains_key(&id)
    }

    /// Writes what can be written now.
    pub(super) fn flush(&mut self) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(client) = self.all.get_mut(&id) else { continue };
            let before = client.unsent();
            // A client that is gone takes no answers, but its requests are still to be read.
            let written = client.gone || client.write();
            self.unsent -= before - client.unsent();
            let is_read = client.ended && client.being_read == 0;
            if !written || (is_read && (client.gone || client.has_all())) {
                self.drop_client(id);
            }
        }
        while self.unsent > MAX_UNREAD_OF_ALL {
            let Some((&id, _)) = self.all.iter().max_by_key(|(_, c)| c.unsent()) else { return };
            self.drop_client(id);
        }
    }

    /// Drops those that take too long to say or to hear anything. To be called every second or so.
    pub(super) fn lose_patience(&mut self, now: Mono) {
        let slow: Vec<ClientId> =
            self.all.iter_mut().filter_map(|(&id, c)| c.is_slow(now, PATIENCE).then_some(id)).collect();
        for id in slow {
            self.drop_client(id);
        }
    }

    /// Whether bytes wait for anybody.
    pub(super) fn has_unsent(&self) -> bool {
        self.all.values().any(|c| !c.out.is_empty())
    }

    fn drop_client(&mut self, id: ClientId) {
        if let Some(client) = self.all.remove(&id) {
            self.dropped = true;
            self.followers -= usize::from(client.follows.is_some());
            self.unsent -= client.unsent();
        }
    }
}
