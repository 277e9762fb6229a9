//! The socket in the file system: how it is made and found again, and who may come in by it.
//!
//! Invariants: a socket behind which somebody answers is never removed, nor is one of another user, nor what is no socket;
//! what is removed at the end is what was made here, by device and inode.

use std::fs::{Metadata, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mio::net::{UnixListener, UnixStream};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{Backlog, listen};
use nix::unistd::{Gid, Uid};

use crate::clock::pause;
use crate::process::sockets::{self, peer_of};
use crate::wire::control::NEW_SOCKET_ENDING;

/// What others than the owner and the group may do.
const OTHERS: u32 = 0o007;
/// How long a master that was killed may take to give back its socket.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(10);

/// A socket with a name, which goes with it.
#[derive(Debug)]
pub(in crate::master) struct Door {
    path: PathBuf,
    /// Device and inode: not given to another file as long as the socket is open.
    file: (u64, u64),
}

impl Door {
    /// Listens at `path` for this owner and group. A stale socket that is found there is replaced.
    pub(in crate::master) fn open(
        path: &Path,
        owner: Uid,
        group: Option<Gid>,
        mode: u32,
    ) -> io::Result<(UnixListener, Self)> {
        clear(path, owner)?;
        failpoint!("socket.unlinked");
        // Bound under another name. It lets nobody in before it has its group and mode.
        let mut hidden = path.as_os_str().to_owned();
        hidden.push(NEW_SOCKET_ENDING);
        let hidden = PathBuf::from(hidden);
        clear(&hidden, owner)?;
        failpoint!("socket.bind", Errno::EADDRINUSE.into());
        let socket = sockets::stream()?;
        sockets::bind_private(&socket, &hidden)?;
        failpoint!("socket.bound");
        if let Some(group) = group {
            lchown(&hidden, None, Some(group.as_raw()))?;
        }
        std::fs::set_permissions(&hidden, Permissions::from_mode(mode))?;
        if owner != Uid::effective() {
            lchown(&hidden, Some(owner.as_raw()), None)?;
        }
        listen(&socket, Backlog::MAXCONN)?;
        let listener = std::os::unix::net::UnixListener::from(socket);
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener);
        let file = std::fs::symlink_metadata(&hidden).map(|about| file_of(&about))?;
        name(&hidden, path)?;
        failpoint!("socket.named");
        Ok((listener, Self { path: path.to_owned(), file }))
    }

    /// Whether nobody but the owner, root and this group can have come in: somebody may have opened it since it was made.
    pub(super) fn is_for(&self, group: Gid) -> bool {
        let found = std::fs::symlink_metadata(&self.path);
        found.is_ok_and(|found| found.gid() == group.as_raw() && found.mode() & OTHERS == 0)
    }

    /// Whether the socket is still where it was made.
    pub(in crate::master) fn is_there(&self) -> bool {
        std::fs::symlink_metadata(&self.path).is_ok_and(|about| file_of(&about) == self.file)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if self.is_there() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Gives a socket its name, unless somebody has taken that meanwhile: a rename would remove what stands there.
fn name(hidden: &Path, path: &Path) -> io::Result<()> {
    match std::fs::hard_link(hidden, path) {
        // Some file systems know one name of a file only.
        Err(e) if matches!(e.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) => {
            std::fs::rename(hidden, path)
        }
        linked => linked.and(std::fs::remove_file(hidden)),
    }
}

fn file_of(about: &Metadata) -> (u64, u64) {
    (about.dev(), about.ino())
}

/// Whether the other end was closed for good; one that only says that it asks for no more still hears us.
pub(super) fn has_hung_up(stream: &UnixStream) -> bool {
    let mut about = [PollFd::new(stream.as_fd(), PollFlags::empty())];
    let asked = poll(&mut about, PollTimeout::ZERO);
    asked.is_ok() && about[0].revents().is_some_and(|events| events.contains(PollFlags::POLLHUP))
}

/// The process that answers at `path` and goes on to do so: the lock of a master that was killed may be free a moment
/// before its socket.
pub(in crate::master) fn occupant_for_good(path: &Path) -> Option<u32> {
    for _ in 0..LOOKS {
        occupant(path)?;
        pause(BETWEEN_LOOKS);
    }
    occupant(path)
}

/// The process that answers at `path`; 0 where the system does not say.
fn occupant(path: &Path) -> Option<u32> {
    match UnixStream::connect(path) {
        Ok(stream) => Some(pid_of(&stream)),
        // More have knocked than are waited for: somebody is there, and busy.
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Some(0),
        Err(_) => None,
    }
}

/// `process 12`, or what can be said of one that the system does not name.
pub(in crate::master) fn name_of(pid: u32) -> String {
    if pid == 0 { "another process".to_owned() } else { format!("process {pid}") }
}

/// Removes a stale socket of ours; whatever else is there stays, and is an error.
fn clear(path: &Path, owner: Uid) -> io::Result<()> {
    let taken = |why: String| Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("`{}` {why}", path.display())));
    let found = match std::fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(e) => return Err(e),
    };
    if !found.file_type().is_socket() {
        return taken("exists and is no socket".to_owned());
    }
    if ![Uid::effective().as_raw(), owner.as_raw(), 0].contains(&found.uid()) {
        return taken(format!("is a socket of user {}", found.uid()));
    }
    if let Some(pid) = occupant(path) {
        return taken(format!("is in use by {}", name_of(pid)));
    }
    match std::fs::symlink_metadata(path) {
        Ok(still) if file_of(&still) == file_of(&found) => std::fs::remove_file(path),
        Ok(_) => taken("has just been made by somebody else".to_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}

/// Whether there are too many open files, here or on the whole machine.
pub(super) fn is_out_of_files(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EMFILE | Errno::ENFILE))
}

/// The process at the other end, as it connected; 0 where it cannot be seen from here.
pub(super) fn pid_of(stream: &UnixStream) -> u32 {
    peer_of(stream).map_or(0, |peer| peer.pid)
}

pub(super) fn is_root(stream: &UnixStream) -> bool {
    peer_of(stream).is_ok_and(|peer| peer.uid == 0)
}

/// Whether the other end is our own user, the owner of the database, or root.
pub(super) fn is_owner(stream: &UnixStream, owner: Uid) -> bool {
    let known = [0, owner.as_raw(), Uid::effective().as_raw()];
    peer_of(stream).is_ok_and(|peer| known.contains(&peer.uid))
}
