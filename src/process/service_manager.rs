//! Messages to the service manager that has started this process (systemd), by the protocol of `sd_notify(3)`.
//!
//! Knows nothing of what is said. Invariants: nothing here waits; the variables that name the socket are for this process alone,
//! and whoever starts another takes [`VARIABLES`] out.

use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use super::system::sockets::abstract_address;

const SOCKET: &str = "NOTIFY_SOCKET";
const WATCHDOG_TIMEOUT: &str = "WATCHDOG_USEC";
const WATCHDOG_PROCESS: &str = "WATCHDOG_PID";

/// The variables of the protocol.
pub const VARIABLES: [&str; 3] = [SOCKET, WATCHDOG_TIMEOUT, WATCHDOG_PROCESS];

/// The socket of the service manager.
#[derive(Debug)]
pub struct ServiceManager {
    socket: UnixDatagram,
    to: SocketAddr,
    /// How often this process must say that it is alive.
    pub watchdog: Option<Duration>,
}

impl ServiceManager {
    /// The one that the environment names, if it does.
    #[must_use]
    pub fn of_environment() -> Option<Self> {
        let name = std::env::var_os(SOCKET).filter(|name| !name.is_empty())?;
        let said = |name| std::env::var(name).ok();
        let watchdog =
            watchdog(said(WATCHDOG_TIMEOUT).as_deref(), said(WATCHDOG_PROCESS).as_deref(), std::process::id());
        Self::connect(&name, watchdog)
            .inspect_err(|e| log::warn!("the service manager cannot be told of anything: `{}`: {e}", name.display()))
            .ok()
    }

    fn connect(name: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let to = match name.as_bytes() {
            [b'@', rest @ ..] => abstract_address(rest)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(ErrorKind::Unsupported.into()),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, to, watchdog })
    }

    /// Says it, a message a line; false: it did not get through, and may later.
    #[must_use]
    pub fn tell(&self, text: &str) -> bool {
        self.socket.send_to_addr(text.as_bytes(), &self.to).is_ok()
    }
}

/// The timeout, where it is meant for this process.
fn watchdog(timeout: Option<&str>, process: Option<&str>, pid: u32) -> Option<Duration> {
    let is_ours = process.is_none_or(|process| process.parse() == Ok(pid));
    let micros = timeout.filter(|_| is_ours)?.parse().ok().filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_with_a_path_and_one_with_an_abstract_name_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let abstract_name = format!("queue-work-test-{}", std::process::id());
        let at = abstract_address(abstract_name.as_bytes()).unwrap();
        for (heard, name) in [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
            (UnixDatagram::bind_addr(&at).unwrap(), format!("@{abstract_name}")),
        ] {
            let manager = ServiceManager::connect(OsStr::new(&name), None).unwrap();
            assert!(manager.tell("READY=1\n"));
            let mut bytes = [0; 32];
            let length = heard.recv(&mut bytes).unwrap();
            assert_eq!(&bytes[..length], b"READY=1\n");
        }
        assert!(ServiceManager::connect(OsStr::new("relative"), None).is_err());
    }

    #[test]
    fn a_manager_that_reads_nothing_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _unread = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::connect(path.as_os_str(), None).unwrap();
        assert!((0..100_000).any(|_| !manager.tell("STATUS=1\n")), "the queue of a datagram socket is short");
    }

    #[test]
    fn the_watchdog_of_another_process_is_not_ours() {
        let timeout = Some(Duration::from_secs(2));
        assert_eq!(watchdog(Some("2000000"), None, 7), timeout);
        assert_eq!(watchdog(Some("2000000"), Some("7"), 7), timeout);
        assert_eq!(
            [watchdog(Some("2000000"), Some("8"), 7), watchdog(Some("0"), None, 7), watchdog(None, None, 7)],
            [None; 3]
        );
    }
}
