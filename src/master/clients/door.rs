//! The socket in the file system, and who may come in by it.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use mio::net::{UnixListener, UnixStream};
use nix::errno::Errno;
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};

use crate::wire::control::NEW_SOCKET_ENDING;

/// Listens at `path`, mode 0600. What is found there is replaced, unless it is no socket.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    make_room(path)?;
    // Bound under another name and made private before it can be found.
    let mut hidden = path.as_os_str().to_owned();
    hidden.push(NEW_SOCKET_ENDING);
    make_room(Path::new(&hidden))?;
    let listener = UnixListener::bind(&hidden)?;
    std::fs::set_permissions(&hidden, Permissions::from_mode(0o600))?;
    std::fs::rename(&hidden, path)?;
    Ok(listener)
}

/// Whether there are too many open files, here or on the whole machine.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE))
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
pub(super) fn may_speak(stream: &UnixStream) -> bool {
    getsockopt(stream, PeerCredentials)
        .is_ok_and(|peer| peer.uid() == 0 || peer.uid() == nix::unistd::Uid::effective().as_raw())
}
