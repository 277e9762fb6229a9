//! Listening sockets, and the connections that come from them.
//!
//! Invariant: a listener has at most [`MOST`] connections. The next one takes the place of the oldest that has never sent a byte;
//! if all have, it is told so and closed.

mod answers;
mod connection;
mod framing;
mod guard;
mod http;
mod http_stream;
mod json;
mod outside;
pub(super) mod stream;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::{AddressFamily, getsockname};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::sleep;

use self::stream::Stream;
use super::shell::Shell;
use crate::model::PoolName;
use crate::wire::gateway::Framing;

/// The most connections of one listener.
const MOST: usize = 1000;
/// After an accept that failed, for want of descriptors as a rule.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// A listening socket, whatever its kind.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Socket {
    pub(super) fn new(descriptor: OwnedFd) -> io::Result<Self> {
        if getsockname(&descriptor)?.address_family() == AddressFamily::UNIX {
            let listener = std::os::unix::net::UnixListener::from(descriptor);
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener).map(Self::Unix)
        } else {
            let listener = std::net::TcpListener::from(descriptor);
            listener.set_nonblocking(true)?;
            TcpListener::from_std(listener).map(Self::Tcp)
        }
    }

    /// The next connection, and its address over TCP.
    pub(super) async fn accept(&self) -> (Stream, Option<SocketAddr>) {
        loop {
            let accepted = match self {
                Self::Tcp(listener) => listener.accept().await.map(|(stream, peer)| (Stream::Tcp(stream), Some(peer))),
                Self::Unix(listener) => listener.accept().await.map(|(stream, _)| (Stream::Unix(stream), None)),
            };
            match accepted {
                Ok(accepted) => return accepted,
                Err(error) => {
                    log::warn!("a connection cannot be accepted: {error}");
                    sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}

/// A listener of a service.
#[derive(Debug)]
pub(super) struct Listener {
    pool: PoolName,
    framing: Framing,
    /// By number, the oldest first.
    members: RefCell<BTreeMap<u64, Rc<Member>>>,
    task: RefCell<Option<AbortHandle>>,
}

/// A connection, as its listener sees it.
#[derive(Debug, Default)]
struct Member {
    /// Has sent a byte.
    has_spoken: Cell<bool>,
    /// Another connection takes its place.
    is_evicted: Cell<bool>,
    /// The listener is closed.
    is_closing: Cell<bool>,
    /// Something has changed that its task is to look at.
    wake: Notify,
}

/// Begins to listen.
pub(super) fn start(
    shell: &Rc<Shell>,
    pool: &PoolName,
    address: &str,
    framing: Framing,
    descriptor: OwnedFd,
) -> io::Result<Rc<Listener>> {
    let socket = Socket::new(descriptor)?;
    let listener =
        Rc::new(Listener { pool: pool.clone(), framing, members: RefCell::default(), task: RefCell::default() });
    let task = spawn_local(accept(Rc::clone(shell), Rc::clone(&listener), socket, Arc::from(address)));
    *listener.task.borrow_mut() = Some(task.abort_handle());
    Ok(listener)
}

async fn accept(shell: Rc<Shell>, listener: Rc<Listener>, socket: Socket, address: Arc<str>) {
    let mut number = 0;
    loop {
        let (stream, peer) = socket.accept().await;
        let peer = peer.map_or_else(|| Arc::clone(&address), |peer| Arc::from(peer.ip().to_string()));
        if !listener.has_room() {
            spawn_local(connection::turn_away(stream, listener.framing));
            continue;
        }
        number += 1;
        let member = Rc::new(Member::default());
        listener.members.borrow_mut().insert(number, Rc::clone(&member));
        let (shell, listener) = (Rc::clone(&shell), Rc::clone(&listener));
        spawn_local(async move {
            if listener.framing == Framing::Http {
                http::serve(&shell, &listener, &member, stream, peer).await;
            } else {
                connection::serve(&shell, &listener, &member, stream, peer).await;
            }
            listener.members.borrow_mut().remove(&number);
        });
    }
}

impl Listener {
    /// No connection is accepted any more; those that are open end when they have their answers.
    pub(super) fn close(&self) {
        self.task.borrow_mut().take().inspect(AbortHandle::abort);
        for member in self.members.borrow().values() {
            member.is_closing.set(true);
            member.wake.notify_one();
        }
    }

    /// Makes room for one more, if it can be made.
    fn has_room(&self) -> bool {
        let members = self.members.borrow();
        if members.len() < MOST {
            return true;
        }
        let silent = members.values().find(|member| !member.has_spoken.get() && !member.is_evicted.get());
        silent.inspect(|member| {
            member.is_evicted.set(true);
            member.wake.notify_one();
        });
        // Connections that were told to go are about to.
        silent.is_some() && members.len() < 2 * MOST
    }
}
