//! `SO_PEERCRED` tells who is at the other end of a local socket; a socket gets its mode before it has a name.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::path::Path;

use nix::sys::socket::sockopt::PeerCredentials;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, getsockopt, socket};
use nix::sys::stat::{Mode, fchmod};

/// The process at the other end, as it connected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// 0 where it cannot be seen from here.
    pub(crate) pid: u32,
    pub(crate) uid: u32,
}

/// Who is at the other end of a local socket.
pub(crate) fn peer_of(socket: &impl AsFd) -> io::Result<Peer> {
    let peer = getsockopt(socket, PeerCredentials)?;
    Ok(Peer { pid: peer.pid().unsigned_abs(), uid: peer.uid() })
}

/// A local stream socket, which nobody that we start inherits.
pub(crate) fn stream() -> io::Result<OwnedFd> {
    Ok(socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?)
}

/// Gives the socket a file for its owner alone: there is no moment in which others find it open.
pub(crate) fn bind_private(socket: &OwnedFd, path: &Path) -> io::Result<()> {
    // The file takes its mode from here.
    fchmod(socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    Ok(bind(socket.as_raw_fd(), &UnixAddr::new(path)?)?)
}

/// The address of a socket that has a name and no file.
pub(in crate::process) fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    SocketAddr::from_abstract_name(name)
}

/// Gives a connection up when what was written to it is not received for so long.
pub(crate) fn give_up_unreceived(stream: &impl AsFd, milliseconds: u32) {
    // A connection without it works, too.
    let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds);
}
