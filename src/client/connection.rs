//! Comes to the master: connects, looks who listens there, and says who is meant.
//!
//! Invariant: nothing is sent to a process that may not be trusted with what is pushed: only our own user, root and the
//! owner of the database serve us. A member of the group of a socket may not see the database: then its owner is the one of
//! the socket's folder, if nobody else could have put that there.

use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::sockopt::SendTimeout;
use nix::sys::socket::{UnixAddr, connect, setsockopt};
use nix::sys::time::{TimeVal, TimeValLike};
use nix::unistd::Uid;

use super::ClientError;
use crate::process::sockets;
use crate::trust::{self, group};
use crate::wire::control::MAX_SOCKET_PATH_BYTES;
use crate::wire::store_name::StoreName;

/// A connection that may be used.
pub(super) struct Connection {
    pub(super) stream: UnixStream,
    /// The process that listens; 0 where it cannot be seen from here.
    pub(super) pid: u32,
    /// The store that is meant; `None`: whichever is served there.
    pub(super) store: Option<StoreName>,
}

/// Connects, waiting at most this long for a master that has too many connections, and for each answer later.
/// [`ClientError::NoMaster`] if there is no socket or nobody behind it.
pub(super) fn open(
    path: &Path,
    database: &Path,
    connecting: Duration,
    each: Duration,
) -> Result<Connection, ClientError> {
    let bytes = path.as_os_str().len();
    if bytes > MAX_SOCKET_PATH_BYTES {
        return Err(ClientError::PathTooLong { path: path.to_owned(), bytes, limit: MAX_SOCKET_PATH_BYTES });
    }
    let stream = reach(path, connecting).map_err(|source| match source.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::NotADirectory => {
            ClientError::NoMaster { path: path.to_owned() }
        }
        ErrorKind::WouldBlock => ClientError::Silent { path: path.to_owned(), pid: 0 },
        ErrorKind::PermissionDenied => ClientError::Denied { path: path.to_owned(), why: group::why_closed(path) },
        _ => ClientError::Io { doing: "connect to", path: path.to_owned(), source },
    })?;
    let failed = |source| ClientError::Io { doing: "set up", path: path.to_owned(), source };
    // Not before: the database is older than any socket of a master that serves it.
    let about = std::fs::metadata(database).ok();
    let peer = sockets::peer_of(&stream).map_err(failed)?;
    let trusted = [Some(0), Some(Uid::effective().as_raw()), about.as_ref().map(MetadataExt::uid)];
    let of_folder = || about.is_none() && group::is_in_folder_of(path, peer.uid);
    if !trusted.contains(&Some(peer.uid)) && !of_folder() {
        return Err(ClientError::Stranger { path: path.to_owned(), user: name_of(peer.uid) });
    }
    stream.set_read_timeout(Some(each)).and_then(|()| stream.set_write_timeout(Some(each))).map_err(failed)?;
    // A client that names a socket and sees no database, as from another file system, trusts the socket.
    let is_beside = path.as_os_str().as_bytes().strip_prefix(database.as_os_str().as_bytes()) == Some(b".sock");
    let store = (about.is_some() || is_beside).then(|| StoreName::new(database, about.as_ref()));
    Ok(Connection { stream, pid: peer.pid, store })
}

/// std has no limit for how long a connection may take, and a master that is stopped takes none for ever.
fn reach(path: &Path, patience: Duration) -> io::Result<UnixStream> {
    let address = UnixAddr::new(path)?;
    let socket = sockets::stream()?;
    let patience = TimeVal::microseconds(i64::try_from(patience.as_micros()).unwrap_or(i64::MAX));
    setsockopt(&socket, SendTimeout, &patience)?;
    loop {
        match connect(socket.as_raw_fd(), &address) {
            Ok(()) => return Ok(UnixStream::from(socket)),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// `mallory (1001)`, or the number alone.
fn name_of(uid: u32) -> String {
    let (name, uid) = (trust::user(uid), uid.to_string());
    if name == uid { uid } else { format!("{name} ({uid})") }
}
