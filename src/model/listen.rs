//! Addresses at which a service listens: `unix:/run/calc.sock`, `tcp:127.0.0.1:9501`, `http:…`, `http+unix:…`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// The longest path of a socket, in bytes: the system takes 107, and the socket is made under a name with `.new` at its end
/// first.
pub const MAX_SOCKET_PATH_BYTES: usize = 107 - NEW_SOCKET_ENDING.len();
/// End of the name of a socket until it is private and may be found.
pub const NEW_SOCKET_ENDING: &str = ".new";

/// An address, and whether HTTP is spoken there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    pub place: Place,
    pub http: bool,
}

/// A place that one process can listen at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

impl Address {
    /// Reads what was written; a path is as it was written. Why it is no address, if so.
    pub fn read(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text.split_once(':').unwrap_or_default();
        let (unix, http) = match scheme {
            "unix" => (true, false),
            "tcp" => (false, false),
            "http" => (false, true),
            "http+unix" => (true, true),
            _ => {
                return Err(format!("`{text}` is no address; write `unix:PATH`, `tcp:HOST:PORT` or `http:HOST:PORT`"));
            }
        };
        let place = if unix { Place::Unix(path(rest)?) } else { Place::Tcp(socket(scheme, rest)?) };
        Ok(Self { place, http })
    }

    /// The word before its first colon.
    #[must_use]
    pub const fn scheme(&self) -> &'static str {
        match (&self.place, self.http) {
            (Place::Unix(_), false) => "unix",
            (Place::Unix(_), true) => "http+unix",
            (Place::Tcp(_), false) => "tcp",
            (Place::Tcp(_), true) => "http",
        }
    }

    /// Whether HTTP is spoken where other machines can reach it.
    #[must_use]
    pub fn is_http_for_all(&self) -> bool {
        matches!(self.place, Place::Tcp(at) if self.http && !at.ip().is_loopback())
    }

    /// Whether the system takes its path; if not, why.
    pub fn check_length(&self) -> Result<(), String> {
        let Place::Unix(path) = &self.place else { return Ok(()) };
        match path.as_os_str().len() {
            0..=MAX_SOCKET_PATH_BYTES => Ok(()),
            bytes => {
                Err(format!("`{}` has {bytes} bytes, a socket's path may have {MAX_SOCKET_PATH_BYTES}", path.display()))
            }
        }
    }

    /// The same, with its path below this folder if that is relative.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        match self.place {
            Place::Unix(path) => Self { place: Place::Unix(folder.join(path)), ..self },
            Place::Tcp(_) => self,
        }
    }
}

fn path(text: &str) -> Result<PathBuf, String> {
    match text {
        "" => Err("there is no path behind `unix:`".to_owned()),
        text if text.starts_with('~') => Err(format!("`~` is not expanded in `{text}`; write the whole path")),
        text if text.contains('\0') => Err("a path cannot contain a zero byte".to_owned()),
        text => Ok(PathBuf::from(text)),
    }
}

/// Names are not looked up, but for `localhost`. Without a host it is this machine only.
fn socket(scheme: &str, text: &str) -> Result<SocketAddr, String> {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    let example = || format!("write `{scheme}:127.0.0.1:9501`");
    let ip: IpAddr = match host {
        "" | "localhost" => Ipv4Addr::LOCALHOST.into(),
        host => {
            let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
            bare.parse().map_err(|_| format!("`{host}` is no IP address; {}", example()))?
        }
    };
    match port.parse() {
        Ok(port @ 1..) => Ok(SocketAddr::new(ip, port)),
        Ok(0) | Err(_) => Err(format!("`{port}` is no port from 1 to 65535; {}", example())),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix(path) => write!(f, "{}:{}", self.scheme(), path.display()),
            Place::Tcp(at) => write!(f, "{}:{at}", self.scheme()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_and_shown_in_full() {
        let table = [
            ("unix:/run/c.sock", "unix:/run/c.sock"),
            ("http+unix:c.sock", "http+unix:/etc/c.sock"),
            ("tcp:127.0.0.1:9501", "tcp:127.0.0.1:9501"),
            ("tcp:9501", "tcp:127.0.0.1:9501"),
            ("tcp:0.0.0.0:9501", "tcp:0.0.0.0:9501"),
            ("http:localhost:80", "http:127.0.0.1:80"),
            ("http:[::1]:80", "http:[::1]:80"),
        ];
        for (written, shown) in table {
            assert_eq!(Address::read(written).map(|at| at.below(Path::new("/etc")).to_string()), Ok(shown.to_owned()));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        let table = [
            ("/run/c.sock", "`/run/c.sock` is no address; write `unix:PATH`, `tcp:HOST:PORT` or `http:HOST:PORT`"),
            ("udp:1", "`udp:1` is no address; write `unix:PATH`, `tcp:HOST:PORT` or `http:HOST:PORT`"),
            ("unix:", "there is no path behind `unix:`"),
            ("unix:~/c", "`~` is not expanded in `~/c`; write the whole path"),
            ("tcp:example.org:80", "`example.org` is no IP address; write `tcp:127.0.0.1:9501`"),
            ("tcp:0", "`0` is no port from 1 to 65535; write `tcp:127.0.0.1:9501`"),
            ("http:::1:99999", "`99999` is no port from 1 to 65535; write `http:127.0.0.1:9501`"),
        ];
        for (written, why) in table {
            assert_eq!(Address::read(written), Err(why.to_owned()));
        }
    }
}
