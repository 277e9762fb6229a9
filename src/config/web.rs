//! The page in the browser: the table `[web]`.
//!
//! Invariant: a base path is empty or begins with `/` and does not end with it, so that a path can stand behind it.

use std::net::{Ipv4Addr, SocketAddr};
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
    Ok(Web {
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
    fn what_cannot_stand_in_a_path_or_a_host_is_refused() {
        for wrong in ["", "jobs", "//evil", "/a b", "/../x", "/a?b"] {
            assert!(check_base_path(wrong).is_err(), "{wrong}");
        }
        assert!(check_base_path("/").is_ok() && check_base_path("/team/jobs").is_ok());
        assert!(check_host("queue.example.org").is_ok() && check_host("a b").is_err() && check_host("").is_err());
        assert!(check_pattern("*a*").is_ok() && check_pattern("**").is_err() && check_pattern("").is_err());
    }
}
