//! The socket pair to the gateway: packets with descriptors one way, packets the other.
//!
//! Invariants: nothing here waits; what the gateway does not take is kept in order.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

use crate::process::packets;
use crate::wire::gateway::{FromGateway, MOST, ToGateway};

/// Packets that are heard before others have their turn.
const BUDGET: usize = 64;

/// A packet, and what goes beside it.
#[derive(Debug)]
struct Packet {
    bytes: Vec<u8>,
    descriptors: Vec<Arc<OwnedFd>>,
}

/// Our end.
#[derive(Debug)]
pub(super) struct Link {
    socket: OwnedFd,
    waiting: VecDeque<Packet>,
    buffer: Box<[u8]>,
}

/// Packets that were heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    pub(super) packets: Vec<FromGateway>,
    /// There may be more, and no edge will tell.
    pub(super) more: bool,
}

impl Link {
    /// A pair, of which the other end is for the gateway.
    pub(super) fn pair(registry: &Registry, token: Token) -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = packets::pair()?;
        registry.register(&mut SourceFd(&ours.as_raw_fd()), token, Interest::READABLE | Interest::WRITABLE)?;
        let buffer = vec![0; MOST].into();
        Ok((Self { socket: ours, waiting: VecDeque::new(), buffer }, theirs))
    }

    /// Says it when the gateway takes it; [`Link::flush`] writes.
    pub(super) fn say(&mut self, what: &ToGateway, descriptors: Vec<Arc<OwnedFd>>) {
        match serde_json::to_vec(what) {
            Ok(bytes) if bytes.len() <= MOST => self.waiting.push_back(Packet { bytes, descriptors }),
            Ok(bytes) => log::error!("a packet of {} bytes is too long for the gateway", bytes.len()),
            Err(error) => log::error!("the gateway cannot be told: {error}"),
        }
    }

    /// Writes what goes now; an error if the gateway is gone.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        while let Some(packet) = self.waiting.front() {
            let descriptors: Vec<BorrowedFd<'_>> = packet.descriptors.iter().map(|fd| fd.as_fd()).collect();
            match packets::send(&self.socket, &packet.bytes, &descriptors) {
                Ok(()) => drop(self.waiting.pop_front()),
                Err(Errno::INTR) => {}
                // Also more descriptors on their way than we may have open.
                Err(Errno::AGAIN | Errno::TOOMANYREFS) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Says nothing more: the gateway hears that this is the end.
    pub(super) fn close(&self) {
        if let Err(error) = shutdown(&self.socket, Shutdown::Write) {
            log::debug!("the link to the gateway cannot be closed: {error}");
        }
    }

    /// Takes in what the gateway has said.
    pub(super) fn hear(&mut self) -> Heard {
        let mut heard = Heard { more: true, ..Heard::default() };
        for _ in 0..BUDGET {
            match recv(&self.socket, &mut *self.buffer, RecvFlags::DONTWAIT) {
                // The other end is closed: the exit of the gateway is told, too.
                Ok((_, 0)) => return Heard { more: false, ..heard },
                Ok((_, bytes)) => match serde_json::from_slice(&self.buffer[..bytes.min(MOST)]) {
                    Ok(packet) => heard.packets.push(packet),
                    Err(error) => log::error!("a packet of the gateway is not understood: {error}"),
                },
                Err(Errno::INTR) => {}
                Err(_) => return Heard { more: false, ..heard },
            }
        }
        heard
    }
}
