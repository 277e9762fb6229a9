//! A way to the server that can be cut: what is sent stays on the way, in both directions, and nobody is told.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use tempfile::TempDir;

/// Name of the socket of a server in its folder.
const SOCKET: &str = ".s.PGSQL.5432";

/// The way; it is open at first.
pub(crate) struct Way {
    /// The URL of the store by this way.
    pub(crate) url: String,
    _folder: TempDir,
    cut: Arc<(Mutex<bool>, Condvar)>,
    open: Arc<Mutex<Vec<UnixStream>>>,
}

impl Way {
    /// To the server of a store, which has its socket in a folder.
    pub(crate) fn to(url: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (before, after) = url.split_once("host=").expect("a folder");
        let (server, rest) = after.split_once('&').unwrap_or((after, ""));
        let url = format!("{before}host={}&{rest}", folder.path().display());
        let server = PathBuf::from(server);
        let listener = UnixListener::bind(folder.path().join(SOCKET)).unwrap();
        let cut: Arc<(Mutex<bool>, Condvar)> = Arc::default();
        let state = Arc::clone(&cut);
        let open: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
        let clients = Arc::clone(&open);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                clients.lock().unwrap().push(client.try_clone().unwrap());
                let server = UnixStream::connect(server.join(SOCKET)).unwrap();
                let (from_client, to_client) = (client.try_clone().unwrap(), client);
                let (from_server, to_server) = (server.try_clone().unwrap(), server);
                for (from, to) in [(from_client, to_server), (from_server, to_client)] {
                    let state = Arc::clone(&state);
                    thread::spawn(move || carry(from, &to, &state));
                }
            }
        });
        Self { url, _folder: folder, cut, open }
    }

    /// Ends every connection; others can be made.
    pub(crate) fn end_all(&self) {
        for client in self.open.lock().unwrap().drain(..) {
            let _ = client.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Nothing goes through any more, or all that has waited does.
    pub(crate) fn cut(&self, is_cut: bool) {
        *self.cut.0.lock().unwrap() = is_cut;
        self.cut.1.notify_all();
    }
}

fn carry(mut from: UnixStream, mut to: &UnixStream, (cut, changed): &(Mutex<bool>, Condvar)) {
    let mut bytes = vec![0; 64 * 1024];
    let mut once = || -> io::Result<bool> {
        let read = from.read(&mut bytes)?;
        drop(changed.wait_while(cut.lock().unwrap(), |is_cut| *is_cut).unwrap());
        to.write_all(&bytes[..read])?;
        Ok(read > 0)
    };
    while once().unwrap_or(false) {}
    let _ = to.shutdown(std::net::Shutdown::Both);
}
