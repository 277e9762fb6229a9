//! `LOCAL_PEERCRED` and `LOCAL_PEERPID` tell who is at the other end of a local socket; a socket gets its mode from the umask.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::SocketAddr;
use std::path::Path;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::socket::sockopt::{LocalPeerCred, LocalPeerPid};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, getsockopt, socket};
use nix::sys::stat::{Mode, umask};

/// The process at the other end, as it connected.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// 0 where it cannot be seen from here.
    pub(crate) pid: u32,
    pub(crate) uid: u32,
}

/// Who is at the other end of a local socket.
pub(crate) fn peer_of(socket: &impl AsFd) -> io::Result<Peer> {
    let uid = getsockopt(socket, LocalPeerCred)?.uid();
    let pid = getsockopt(socket, LocalPeerPid).map_or(0, i32::unsigned_abs);
    Ok(Peer { pid, uid })
}

/// A local stream socket, which nobody that we start inherits, but for one that another thread starts in this moment.
pub(crate) fn stream() -> io::Result<OwnedFd> {
    let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None)?;
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
    Ok(socket)
}

/// Gives the socket a file for its owner alone: there is no moment in which others find it open.
pub(crate) fn bind_private(socket: &OwnedFd, path: &Path) -> io::Result<()> {
    let address = UnixAddr::new(path)?;
    // What another thread makes in this moment is for its owner alone, too.
    let before = umask(Mode::S_IXUSR | Mode::S_IRWXG | Mode::S_IRWXO);
    let bound = bind(socket.as_raw_fd(), &address);
    umask(before);
    Ok(bound?)
}

/// Refused: each socket has a file here.
pub(in crate::process) fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing: the kernel decides by itself when to give a connection up.
pub(crate) fn give_up_unreceived(_stream: &impl AsFd, _milliseconds: u32) {}
