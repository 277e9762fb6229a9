//! The socket pair to the master: packets with descriptors one way, packets the other.
//!
//! Invariants: nothing here blocks; the master may keep up or not: what it must know waits in order, up to [`MOST_WAITING`]
//! packets, and what workers printed is dropped beyond [`ROOM`], and counted.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::Notify;

use crate::process::packets;
use crate::wire::gateway::{FromGateway, MOST, ToGateway};

/// Packets that may wait before what can be done without is dropped.
const ROOM: usize = 256;
/// Packets that may wait; a master that has not read that many has stopped.
const MOST_WAITING: usize = 100_000;

/// Our end of the socket pair.
#[derive(Debug)]
pub(super) struct Channel {
    /// Of packets: the type is only how the runtime knows sockets.
    socket: UnixStream,
    waiting: RefCell<VecDeque<Vec<u8>>>,
    /// Something waits.
    wake: Notify,
    dropped: Cell<u64>,
}

impl Channel {
    pub(super) fn new(socket: OwnedFd) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        let socket = UnixStream::from_std(socket)?;
        Ok(Self { socket, waiting: RefCell::default(), wake: Notify::new(), dropped: Cell::new(0) })
    }

    /// The next packet of the master and the descriptors beside it; `None`: the master is gone.
    pub(super) async fn next(&self, buffer: &mut [u8]) -> io::Result<Option<(ToGateway, Vec<OwnedFd>)>> {
        let (bytes, descriptors) =
            self.socket.async_io(Interest::READABLE, || packets::receive(&self.socket, buffer)).await?;
        if bytes == 0 {
            return Ok(None);
        }
        let packet = serde_json::from_slice(&buffer[..bytes])
            .map_err(|error| io::Error::other(format!("a packet of the master is not understood: {error}")))?;
        Ok(Some((packet, descriptors)))
    }

    /// Tells the master what it has to know.
    pub(super) fn say(&self, what: &FromGateway) {
        match serde_json::to_vec(what) {
            Ok(packet) if packet.len() <= MOST => self.send(packet),
            Ok(packet) => log::error!("a packet of {} bytes is too long for the master", packet.len()),
            Err(error) => log::error!("the master cannot be told: {error}"),
        }
    }

    /// Tells the master, unless it does not keep up.
    pub(super) fn say_if_room(&self, what: &FromGateway) {
        if self.waiting.borrow().len() < ROOM {
            self.say(what);
        } else {
            self.dropped.set(self.dropped.get() + 1);
        }
    }

    /// Packets that were dropped since this was asked last.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.take()
    }

    /// Writes what waits as the master takes it, for ever; an error if the master does not.
    pub(super) async fn write(&self) -> io::Error {
        loop {
            let Some(packet) = self.waiting.borrow_mut().pop_front() else {
                self.wake.notified().await;
                continue;
            };
            if let Err(error) = self.socket.async_io(Interest::WRITABLE, || self.transmit(&packet)).await {
                return error;
            }
            if self.waiting.borrow().len() > MOST_WAITING {
                return io::Error::other("the master reads nothing");
            }
        }
    }

    fn send(&self, packet: Vec<u8>) {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.is_empty() && self.transmit(&packet).is_ok() {
            return;
        }
        waiting.push_back(packet);
        self.wake.notify_one();
    }

    fn transmit(&self, packet: &[u8]) -> io::Result<()> {
        Ok(packets::send(&self.socket, packet, &[])?)
    }
}
