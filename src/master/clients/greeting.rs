//! Client and master say whose they are: which store is meant, and which is served.
//!
//! Invariant: nothing is done for a client that means another store, nor for one of ours that has given up.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use mio::net::{UnixListener, UnixStream};
use nix::unistd::{Gid, Uid};

use super::door::Door;
use super::{ClientId, Clients, door};
use crate::trust;
use crate::wire::store_name::StoreName;

/// The store that is served. Names are looked up once, before the loop, which must not wait for it.
#[derive(Debug)]
pub(in crate::master) struct Served {
    pub(super) store: StoreName,
    /// Whose its files are: whoever runs as root works for the owner of the database.
    pub(super) owner: Uid,
    owner_name: String,
    pub(super) members: Option<Members>,
}

/// The group whose members may use the socket too.
#[derive(Debug)]
pub(in crate::master) struct Members {
    gid: Gid,
    pub(in crate::master) group: String,
}

impl Served {
    pub(in crate::master) fn new(database: &Path, group: Option<u32>) -> io::Result<Self> {
        let (about, us) = (std::fs::metadata(database)?, Uid::effective());
        let owner = if us.is_root() { Uid::from_raw(about.uid()) } else { us };
        let owner_name = trust::user(owner.as_raw());
        let members = group.map(|gid| Members { gid: Gid::from_raw(gid), group: trust::group::name(gid) });
        Ok(Self { store: StoreName::new(database, Some(&about)), owner, owner_name, members })
    }

    /// The group of the socket.
    pub(super) fn group(&self) -> Option<Gid> {
        self.members.as_ref().map(|members| members.gid)
    }

    /// Listens for the owner alone, or for the group as well.
    pub(super) fn open(&self, path: &Path) -> io::Result<(UnixListener, Door)> {
        let group = self.group();
        Door::open(path, self.owner, group, if group.is_some() { 0o660 } else { 0o600 })
    }

    /// Whether a client means this store. One that cannot see the file means the one of that name, if it is there.
    fn is_meant(&self, meant: &StoreName) -> bool {
        let unseen = meant.file.is_none() && meant.database == self.store.database;
        meant.is_same(&self.store) || (unseen && self.is_there())
    }

    /// Whether the file still stands where it was.
    fn is_there(&self) -> bool {
        let database = Path::new(&self.store.database);
        StoreName::new(database, std::fs::metadata(database).ok().as_ref()).is_same(&self.store)
    }
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speaker {
    /// Our own user, the owner of the database, or root.
    Owner,
    /// One of the group of the socket.
    Member,
}

/// How far a client and the master know each other.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// The client has not said which store it means.
    Unsaid,
    /// The client means our store; the greeting goes before the first answer to a request.
    Due,
    /// The client was greeted.
    Done,
    /// The client means another store, of this name.
    Stranger(StoreName),
}

impl Clients {
    /// Tells a client something before its answer. One that has not said which store it means is a program that takes the
    /// next line for the answer.
    pub(in crate::master) fn tell_first(&mut self, id: ClientId, line: &[u8]) {
        if self.all.get(&id).is_some_and(|client| client.greeting != Greeting::Unsaid) {
            self.tell(id, line);
        }
    }

    /// Who has come; `None`: nobody who may speak. But for the owner, the mode of the socket lets in members alone.
    pub(super) fn speaker(&self, stream: &UnixStream) -> Option<Speaker> {
        if door::is_owner(stream, self.served.owner) {
            return Some(Speaker::Owner);
        }
        self.served.group().filter(|group| self.door.is_for(*group)).map(|_| Speaker::Member)
    }

    /// A client says which store it means.
    pub(in crate::master) fn greet(&mut self, id: ClientId, meant: StoreName) {
        let Some(client) = self.all.get_mut(&id) else { return };
        client.greeting = match client.greeting {
            _ if !self.served.is_meant(&meant) => Greeting::Stranger(meant),
            Greeting::Done => Greeting::Done,
            Greeting::Unsaid | Greeting::Due | Greeting::Stranger(_) => Greeting::Due,
        };
    }

    /// Why nothing is done for a client that means another store.
    pub(in crate::master) fn refusal(&self, id: ClientId) -> Option<String> {
        match &self.all.get(&id)?.greeting {
            Greeting::Stranger(meant) if meant.database == self.served.store.database && !self.served.is_there() => {
                Some(self.served.store.gone())
            }
            Greeting::Stranger(meant) => Some(self.served.store.instead_of(meant)),
            Greeting::Unsaid | Greeting::Due | Greeting::Done => None,
        }
    }

    /// The user whose store it is.
    pub(in crate::master) fn owner(&self) -> &str {
        &self.served.owner_name
    }

    /// The user at the other end, if that is not a member.
    pub(in crate::master) fn user_of(&self, id: ClientId) -> Option<&str> {
        let client = self.all.get(&id).filter(|client| client.speaker == Speaker::Owner)?;
        Some(if door::is_root(&client.stream) { "root" } else { self.owner() })
    }

    /// The group that a client is one of, unless it is the owner or root.
    pub(in crate::master) fn member(&self, id: ClientId) -> Option<&Members> {
        self.served
            .members
            .as_ref()
            .filter(|_| self.all.get(&id).is_some_and(|client| client.speaker == Speaker::Member))
    }

    /// The master was held up: what waits from this client has waited for long.
    pub(in crate::master) fn late(&mut self, id: ClientId) {
        if let Some(client) = self.all.get_mut(&id) {
            client.late = true;
        }
    }

    /// Whether the client was there and gave up. One of ours always waits for its answer; others may leave it to us, unless
    /// that was long ago.
    pub(in crate::master) fn has_given_up(&self, id: ClientId) -> bool {
        self.all.get(&id).is_some_and(|c| (c.late || c.greeting != Greeting::Unsaid) && door::has_hung_up(&c.stream))
    }
}
