//! The listening sockets of services, which are the master's: neither the death of a gateway nor that of a worker refuses a
//! connection. They are blocking until the gateway, or a worker that listens itself, makes them something else.
//!
//! Invariants: each place is bound once, whichever service listens there; a file of another process is never removed.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::unistd::Uid;

use crate::master::clients::door::Door;
use crate::model::listen::{Address, MAX_SOCKET_PATH_BYTES, Place};
use crate::process::packets;
use crate::wire::gateway::calls_path;

/// Mode of that socket.
const PRIVATE: u32 = 0o600;

/// An address at which nobody can listen.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen at `{address}`: {why}")]
pub(crate) struct CannotListen {
    address: String,
    why: String,
}

/// A socket, with its name in the file system if it has one.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) socket: Arc<OwnedFd>,
    file: Option<SocketFile>,
}

/// How a socket is to be made in the file system.
#[derive(Debug)]
struct SocketFile {
    door: Door,
    owner: Uid,
    mode: u32,
}

/// All that are open.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    open: BTreeMap<Place, Listener>,
    /// The socket of `queue-work call`.
    calls: Option<Listener>,
    calls_path: PathBuf,
}

impl Listeners {
    /// Opens those of these that are not open, and the one for calls beside `control` if that is given, for this owner; all
    /// of them or none.
    pub(super) fn open<'a>(
        &mut self,
        control: Option<&Path>,
        owner: Uid,
        wanted: impl Iterator<Item = (&'a Address, u32)>,
    ) -> Result<(), CannotListen> {
        let mut new = BTreeMap::new();
        for (address, mode) in wanted {
            let failed = |error: io::Error| CannotListen::new(address.to_string(), &error);
            match (self.open.contains_key(&address.place), &address.place) {
                (false, place) => drop(new.insert(place.clone(), bind(place, owner, mode).map_err(failed)?)),
                (true, Place::Unix(path)) => {
                    std::fs::set_permissions(path, Permissions::from_mode(mode)).map_err(failed)?;
                    let file = self.open.get_mut(&address.place).and_then(|listener| listener.file.as_mut());
                    if let Some(file) = file {
                        file.mode = mode;
                    }
                }
                (true, Place::Tcp(_)) => {}
            }
        }
        if let Some(control) = control.filter(|_| self.calls.is_none()) {
            let path = calls_path(control);
            let address = path.display().to_string();
            if let Some(why) = packets::REFUSED {
                return Err(CannotListen { address, why: why.to_owned() });
            }
            let opened = bind(&Place::Unix(path), owner, PRIVATE).map_err(|error| {
                let CannotListen { address, why } = CannotListen::new(address, &error);
                CannotListen { address, why: format!("{why}; choose another place with `--socket`") }
            });
            self.calls = Some(opened?);
            self.calls_path = calls_path(control);
        }
        self.open.append(&mut new);
        Ok(())
    }

    /// Makes sockets again whose files somebody has removed, or put something else in their place; where each is, and whether
    /// it is there again.
    pub(super) fn make_again(&mut self) -> Vec<(PathBuf, Result<(), CannotListen>)> {
        let mut made = Vec::new();
        let Self { open, calls, calls_path } = self;
        let files = open.iter_mut().filter_map(|(place, listener)| match place {
            Place::Unix(path) => Some((path, listener)),
            Place::Tcp(_) => None,
        });
        for (path, listener) in files.chain(calls.iter_mut().map(|calls| (&*calls_path, calls))) {
            let Some(SocketFile { owner, mode, .. }) = listener.file.as_ref().filter(|file| !file.door.is_there())
            else {
                continue;
            };
            let again = bind(&Place::Unix(path.clone()), *owner, *mode).map(|new| *listener = new);
            made.push((path.clone(), again.map_err(|error| CannotListen::new(path.display().to_string(), &error))));
        }
        made
    }

    pub(super) fn count(&self) -> usize {
        self.open.len()
    }

    /// Closes those that nobody listens at any more.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&Place) -> bool) {
        self.open.retain(|place, _| is_wanted(place));
    }

    /// Closes all of them.
    pub(super) fn close(&mut self) {
        *self = Self::default();
    }

    pub(super) fn socket(&self, place: &Place) -> Option<Arc<OwnedFd>> {
        self.open.get(place).map(|listener| Arc::clone(&listener.socket))
    }

    pub(super) fn of_calls(&self) -> Option<Arc<OwnedFd>> {
        self.calls.as_ref().map(|listener| Arc::clone(&listener.socket))
    }
}

impl CannotListen {
    fn new(address: String, error: &io::Error) -> Self {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "another process listens there".to_owned(),
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            io::ErrorKind::NotFound => "its folder does not exist".to_owned(),
            _ => error.to_string(),
        };
        Self { address, why }
    }
}

fn bind(place: &Place, owner: Uid, mode: u32) -> io::Result<Listener> {
    match place {
        Place::Tcp(address) => {
            // With SO_REUSEADDR: connections of a master that has ended do not keep the port.
            let listener = TcpListener::bind(address)?;
            Ok(Listener { socket: Arc::new(listener.into()), file: None })
        }
        Place::Unix(path) => {
            let bytes = path.as_os_str().len();
            if bytes > MAX_SOCKET_PATH_BYTES {
                let why = format!("the path has {bytes} bytes, a socket's may have {MAX_SOCKET_PATH_BYTES}");
                return Err(io::Error::other(why));
            }
            let (listener, door) = Door::open(path, owner, None, mode)?;
            Ok(Listener { socket: Arc::new(listener.into()), file: Some(SocketFile { door, owner, mode }) })
        }
    }
}
