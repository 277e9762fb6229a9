//! Refused: local sockets of packets do not tell that the other end is gone.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

/// Why there are none.
pub(crate) const REFUSED: Option<&str> = Some("services need Linux; remove the pools of `kind = \"service\"`");

/// Refused.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Err(Errno::OPNOTSUPP.into())
}

/// Refused.
pub(crate) fn send(_socket: &impl AsFd, _bytes: &[u8], _descriptors: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    Err(Errno::OPNOTSUPP)
}

/// Refused.
pub(crate) fn receive(_socket: &impl AsFd, _buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
    Err(Errno::OPNOTSUPP.into())
}
