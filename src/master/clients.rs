//! The control socket: connections, lines in, lines out. Never blocks, and never lets a client slow the master.
//!
//! Knows nothing of methods. Invariants: only our own user and root may speak; a client that does not read is dropped
//! once `MAX_UNREAD` bytes wait for it; a client with many unanswered requests is not read further; one that has hung
//! up is read to its end (what it asked for is done) and then forgotten, whatever it still waits for; of a line over the
//! limit nothing is held but its beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Permissions;
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mio::net::{UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::model::payload::MAX_LINE_BYTES;
use crate::wire::control::{Follow, NEW_SOCKET_ENDING};
use crate::wire::lines::{Line, Lines};

/// Connections at most; further ones are closed at once.
const MAX_CLIENTS: usize = 1000;
/// Bytes that may wait for a client.
const MAX_UNREAD: usize = 64 * 1024 * 1024;
/// Bytes of log lines that may wait for a client that follows; further lines are dropped for it.
const MAX_UNREAD_LOG: usize = 1024 * 1024;
/// Requests of one client that may be unanswered before it is read further.
const MAX_PENDING: usize = 1024;
/// Bytes read per client and turn.
const BUDGET: usize = 256 * 1024;

/// A connection, for the life of the master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ClientId(pub(super) usize);

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    lines: Lines,
    out: Vec<u8>,
    sent: usize,
    pending: usize,
    follows: Option<Follow>,
    /// Log lines dropped since the last one that was sent.
    dropped: u64,
    /// No more requests come; it goes when everything is answered and written.
    ended: bool,
    /// Nobody hears the answers any more; it goes when everything it said was read.
    gone: bool,
}

/// The listener and its connections.
#[derive(Debug)]
pub(super) struct Clients {
    listener: UnixListener,
    path: PathBuf,
    all: BTreeMap<ClientId, Client>,
    next: usize,
    /// Those with bytes to write.
    dirty: BTreeSet<ClientId>,
    /// Those that may have more to read although no edge will tell.
    again: BTreeSet<ClientId>,
    followers: usize,
    /// Somebody knocks who could not be let in; no edge will tell again.
    knocked: bool,
    /// Somebody was dropped since [`Clients::take_dropped`].
    dropped: bool,
}

impl Clients {
    /// Listens at `path`, mode 0600. Only to be called by who holds the lock of the store: what is found there is
    /// stale and is replaced, unless it is no socket.
    pub(super) fn listen(path: &Path, registry: &Registry, token: Token) -> io::Result<Self> {
        make_room(path)?;
        failpoint!("socket.unlinked");
        // Bound under another name and made private before it can be found.
        let mut hidden = path.as_os_str().to_owned();
        hidden.push(NEW_SOCKET_ENDING);
        make_room(Path::new(&hidden))?;
        failpoint!("socket.bind", nix::errno::Errno::EADDRINUSE.into());
        let mut listener = UnixListener::bind(&hidden)?;
        failpoint!("socket.bound");
        std::fs::set_permissions(&hidden, Permissions::from_mode(0o600))?;
        std::fs::rename(&hidden, path)?;
        failpoint!("socket.named");
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            all: BTreeMap::new(),
            next: 0,
            dirty: BTreeSet::new(),
            again: BTreeSet::new(),
            followers: 0,
            knocked: false,
            dropped: false,
        })
    }

    /// Takes in who knocks; `token` names a connection.
    pub(super) fn accept(&mut self, registry: &Registry, token: impl Fn(ClientId) -> Token) {
        self.knocked = false;
        loop {
            let accepted = faulty!("client.accept", Err(nix::errno::Errno::EMFILE.into()), self.listener.accept());
            let mut stream = match accepted {
                Ok((stream, _)) => stream,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => {
                    if e.kind() != io::ErrorKind::WouldBlock {
                        log::warn!("cannot accept a control connection: {e}");
                        self.knocked = true;
                    }
                    return;
                }
            };
            if !may_speak(&stream) || self.all.len() >= MAX_CLIENTS {
                continue;
            }
            let id = ClientId(self.next);
            self.next += 1;
            let interest = Interest::READABLE | Interest::WRITABLE;
            if registry.register(&mut stream, token(id), interest).is_ok() {
                let client = Client {
                    stream,
                    lines: Lines::new(MAX_LINE_BYTES),
                    out: Vec::new(),
                    sent: 0,
                    pending: 0,
                    follows: None,
                    dropped: 0,
                    ended: false,
                    gone: false,
                };
                self.all.insert(id, client);
            }
        }
    }

    /// Whether [`Clients::accept`] is to be tried again in a moment: too many files were open.
    pub(super) const fn has_knocked(&self) -> bool {
        self.knocked
    }

    /// Reads what a client says; `each` gets every line. A line over the limit comes as `None`.
    pub(super) fn read(&mut self, id: ClientId, scratch: &mut [u8], mut each: impl FnMut(Option<&[u8]>)) {
        let Some(client) = self.all.get_mut(&id) else { return };
        let mut left = BUDGET;
        while client.is_heard() {
            match client.stream.read(scratch) {
                Ok(0) => client.ended = true,
                Ok(n) => {
                    let pending = &mut client.pending;
                    client.lines.push(&scratch[..n], |line| {
                        *pending += 1;
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

    /// Those to be read again this turn, although no edge told.
    pub(super) fn take_again(&mut self) -> Vec<ClientId> {
        let all = &self.all;
        let (now, later) = std::mem::take(&mut self.again)
            .into_iter()
            .filter(|id| all.contains_key(id))
            .partition(|id| all[id].is_heard());
        self.again = later;
        Vec::from_iter::<BTreeSet<_>>(now)
    }

    /// Whether somebody is to be read again.
    pub(super) fn has_again(&self) -> bool {
        self.again.iter().any(|id| self.all.get(id).is_some_and(Client::is_heard))
    }

    /// Answers one request of a client.
    pub(super) fn answer(&mut self, id: ClientId, line: &[u8]) {
        if let Some(client) = self.all.get_mut(&id) {
            client.pending = client.pending.saturating_sub(1);
            client.out.extend_from_slice(line);
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

    /// From now on the client gets the log lines that match.
    pub(super) fn follow(&mut self, id: ClientId, which: Follow) {
        if let Some(client) = self.all.get_mut(&id) {
            self.followers += usize::from(client.follows.is_none());
            client.follows = Some(which);
        }
    }

    /// Whether anybody follows the log.
    pub(super) fn has_followers(&self) -> bool {
        self.followers > 0
    }

    /// Sends a log line to who follows and wants it.
    pub(super) fn publish(&mut self, wants: impl Fn(&Follow) -> bool, line: &[u8]) {
        for (&id, client) in &mut self.all {
            if !client.follows.as_ref().is_some_and(&wants) {
                continue;
            }
            if client.out.len() - client.sent > MAX_UNREAD_LOG {
                client.dropped += 1;
                continue;
            }
            let dropped = std::mem::take(&mut client.dropped);
            if dropped > 0 {
                let note =
                    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"dropped\",\"params\":{{\"lines\":{dropped}}}}}\n");
                client.out.extend_from_slice(note.as_bytes());
            }
            client.out.extend_from_slice(line);
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

    /// Whether it is still there.
    pub(super) fn has(&self, id: ClientId) -> bool {
        self.all.contains_key(&id)
    }

    /// Writes what can be written now.
    pub(super) fn flush(&mut self) {
        for id in std::mem::take(&mut self.dirty) {
            let Some(client) = self.all.get_mut(&id) else { continue };
            // Nobody takes what would be written to one that is gone, but its requests are still to be read.
            let written = client.gone || client.write();
            if !written || (client.ended && (client.gone || (client.out.is_empty() && client.pending == 0))) {
                self.drop_client(id);
            }
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
        }
    }
}

impl Client {
    /// Whether more requests are taken from it now.
    const fn is_heard(&self) -> bool {
        !self.ended && (self.gone || self.pending < MAX_PENDING)
    }

    /// Writes what the socket takes; false if the client is to be dropped.
    fn write(&mut self) -> bool {
        while self.sent < self.out.len() {
            let left = &self.out[self.sent..];
            match faulty!("client.write", Err(io::ErrorKind::BrokenPipe.into()), self.stream.write(left)) {
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return self.out.len() - self.sent <= MAX_UNREAD,
                Err(_) => return false,
            }
        }
        if self.sent > 0 {
            failpoint!("client.written");
        }
        self.sent = 0;
        self.out.clear();
        if self.out.capacity() > 256 * 1024 {
            self.out = Vec::new();
        }
        true
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        // We hold the lock of the store: what is at this path is ours.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Removes a stale socket; whatever else is there stays, and is an error.
fn make_room(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => {
            let text = format!("`{}` exists and is no socket", path.display());
            Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Whether the other end is our own user or root.
fn may_speak(stream: &UnixStream) -> bool {
    getsockopt(stream, PeerCredentials)
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == nix::unistd::Uid::effective().as_raw())
}
