//! The page in the browser: the table `[web]`.
//!
//! Invariant: a base path is empty or begins with `/` and does not end with it, so that a path can stand behind it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use config::ValueKind;

use super::document::Table;
use super::paths::absolute;
use super::raw;
use crate::model::listen::{Address, Place};

/// How the page is served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Web {
    /// Where a master has it listen; `None`: it starts none.
    pub listen: Option<Place>,
    /// Names under which browsers ask for it, beside those that nobody else can have.
    pub hosts: Vec<String>,
    /// In front of every path.
    pub base_path: String,
    /// Nobody can change anything.
    pub read_only: bool,
    /// Names of members that are not shown below the role of an admin, `*` stands for anything.
    pub redact: Vec<String>,
    /// Peers that are believed which path and which user they ask for.
    pub trusted: Vec<Trusted>,
    /// Trusted peers name users, beside tokens.
    pub by_proxy: bool,
    pub users: Users,
}

/// Users as a proxy names them, `*` is everybody whom it lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    /// The header with the name.
    pub header: String,
    pub admins: Vec<String>,
    pub operators: Vec<String>,
    pub viewers: Vec<String>,
}

/// A peer that is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// Addresses that begin with so many bits of this one.
    Network(IpAddr, u32),
    /// At the socket: whoever may connect, or only this user of the system.
    Socket(Option<u32>),
}

impl Trusted {
    /// Reads `127.0.0.1`, `10.0.0.0/8`, `unix`, `unix:33`.
    fn read(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no peer; write \"127.0.0.1\", \"10.0.0.0/8\", \"unix\", or \"unix:33\" with the number of a user"
            )
        };
        if text == "unix" {
            return Ok(Self::Socket(None));
        }
        if let Some(user) = text.strip_prefix("unix:") {
            return user.parse().map(|user| Self::Socket(Some(user))).map_err(|_| wrong());
        }
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = most_bits(address);
        let bits = bits.map_or(Ok(most), str::parse).ok().filter(|bits| *bits <= most).ok_or_else(wrong)?;
        Ok(Self::Network(address, bits))
    }

    /// Whether a peer of this address is meant.
    #[must_use]
    pub fn has(self, peer: IpAddr) -> bool {
        match (self, peer.to_canonical()) {
            (Self::Network(IpAddr::V4(of), bits), IpAddr::V4(peer)) => {
                (of.to_bits() ^ peer.to_bits()).leading_zeros() >= bits
            }
            (Self::Network(IpAddr::V6(of), bits), IpAddr::V6(peer)) => {
                (of.to_bits() ^ peer.to_bits()).leading_zeros() >= bits
            }
            (Self::Network(..) | Self::Socket(_), _) => false,
        }
    }
}

impl fmt::Display for Trusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(address, bits) if *bits == most_bits(*address) => address.fmt(f),
            Self::Network(address, bits) => write!(f, "{address}/{bits}"),
            Self::Socket(None) => f.write_str("unix"),
            Self::Socket(Some(user)) => write!(f, "unix:{user}"),
        }
    }
}

/// Bits of such an address.
const fn most_bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Web {
    /// Where it listens, as it is written.
    #[must_use]
    pub fn shown_listen(&self) -> Option<String> {
        self.listen.as_ref().map(shown)
    }

    pub(super) fn shown_base(&self) -> &str {
        if self.base_path.is_empty() { "/" } else { &self.base_path }
    }
}

/// A place as it is written.
fn shown(place: &Place) -> String {
    match place {
        Place::Tcp(at) => at.to_string(),
        Place::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// Reads the table; relative paths begin in `folder`.
pub(super) fn read(table: &Table, folder: &Path) -> Result<Web, String> {
    let place = Some(raw::text(table, "listen")?).filter(|text| *text != "off").map(listen).transpose()?;
    let listen = place.map(|place| match place {
        Place::Unix(path) => Place::Unix(absolute(folder, &path)),
        place @ Place::Tcp(_) => place,
    });
    let trusted = texts(table, "trusted").iter().map(|text| Trusted::read(text)).collect::<Result<_, _>>()?;
    let header = raw::text(table, "user_header")?.to_owned();
    let [admins, operators, viewers] = ["admins", "operators", "viewers"].map(|key| texts(table, key));
    Ok(Web {
        trusted,
        by_proxy: raw::text(table, "auth")? == "proxy",
        users: Users { header, admins, operators, viewers },
        listen,
        hosts: texts(table, "hosts"),
        base_path: raw::text(table, "base_path")?.trim_end_matches('/').to_owned(),
        read_only: raw::text(table, "read_only")? == "true",
        redact: texts(table, "redact"),
    })
}

fn texts(table: &Table, key: &str) -> Vec<String> {
    let Some(ValueKind::Array(all)) = table.get(key).map(|value| &value.kind) else { return Vec::new() };
    all.iter().filter_map(|value| value.clone().into_string().ok()).collect()
}

/// `127.0.0.1:8787`, `localhost:8787`, `8787`, `unix:PATH`; a port of 0 is any that is free.
pub fn listen(text: &str) -> Result<Place, String> {
    if text.starts_with("unix:") {
        return Address::read(text).map(|address| address.place);
    }
    let (host, port) = text.rsplit_once(':').unwrap_or(("localhost", text));
    let full = if host == "localhost" { format!("{}:{port}", Ipv4Addr::LOCALHOST) } else { text.to_owned() };
    full.parse::<SocketAddr>()
        .map(Place::Tcp)
        .map_err(|_| format!("`{text}` is no address; write \"127.0.0.1:8787\" or \"unix:/run/queue-work/web.sock\""))
}

/// A name without a port.
pub fn check_host(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '[' | ']' | ':');
    if name.is_empty() || !name.chars().all(fits) {
        return Err(format!("`{name}` is no name of a host; write \"queue.example.org\""));
    }
    Ok(())
}

/// A peer.
pub(super) fn check_trusted(text: &str) -> Result<(), String> {
    Trusted::read(text).map(drop)
}

/// A name of a header, which no browser can be made to send.
pub(super) fn check_header(name: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || !name.chars().all(fits) {
        return Err(format!("`{name}` is no header; write \"X-Forwarded-User\""));
    }
    Ok(())
}

/// A user as a proxy names one.
pub(super) fn check_user(name: &str) -> Result<(), String> {
    if name.trim().is_empty() {
        return Err("a user has a name; `*` is everybody whom the proxy lets through".to_owned());
    }
    Ok(())
}

/// A path without a query, of characters that stand for themselves.
pub fn check_base_path(path: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.' | '~');
    if !path.starts_with('/') || path.contains("//") || path.contains("/.") || !path.chars().all(fits) {
        return Err(format!("`{path}` is no path; write \"/jobs\""));
    }
    Ok(())
}

/// A name of a member, with `*` for any part of it.
pub fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.trim_matches('*').is_empty() && pattern != "*" {
        return Err("a pattern is the name of a member, with `*` for any part, such as \"*password*\"".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_of_this_machine_unless_it_says_otherwise() {
        let table = [
            ("8787", "127.0.0.1:8787"),
            ("localhost:0", "127.0.0.1:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
            ("unix:/run/w", "unix:/run/w"),
        ];
        for (text, full) in table {
            assert_eq!(listen(text).map(|place| shown(&place)), Ok(full.to_owned()));
        }
        for wrong in ["", "off", "host:80", "127.0.0.1", "127.0.0.1:99999", "unix:"] {
            assert!(listen(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_peer_is_believed_by_its_address_or_its_network() {
        let table = [
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.2", false),
            ("127.0.0.1", "::ffff:127.0.0.1", true),
            ("10.0.0.0/8", "10.9.9.9", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("0.0.0.0/0", "9.9.9.9", true),
            ("0.0.0.0/0", "::1", false),
            ("fd00::/8", "fd12::1", true),
            ("unix", "127.0.0.1", false),
        ];
        for (text, peer, is_believed) in table {
            let trusted = Trusted::read(text).unwrap();
            assert_eq!(
                (trusted.has(peer.parse().unwrap()), trusted.to_string()),
                (is_believed, text.to_owned()),
                "{peer}"
            );
        }
        assert_eq!(Trusted::read("unix:33"), Ok(Trusted::Socket(Some(33))));
        for wrong in ["", "localhost", "10.0.0.0/33", "unix:www", "10.0.0.0/x"] {
            assert!(check_trusted(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_stand_in_a_path_or_a_host_is_refused() {
        for wrong in ["", "jobs", "//evil", "/a b", "/../x", "/a?b"] {
            assert!(check_base_path(wrong).is_err(), "{wrong}");
        }
        assert!(check_base_path("/").is_ok() && check_base_path("/team/jobs").is_ok());
        assert!(check_host("queue.example.org").is_ok() && check_host("a b").is_err() && check_host("").is_err());
        assert!(check_pattern("*a*").is_ok() && check_pattern("**").is_err() && check_pattern("").is_err());
    }
}
