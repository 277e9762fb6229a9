//! The guard of the page: who may ask, and in which role.
//!
//! In this order: the name by which it is asked for, as a name of others leads here by DNS rebinding (421); pages of other
//! sites, which a browser on this machine would send with the rights of its user (403); the token (401, and 429 for who tries
//! many). Tokens come as HTTP Basic, which a browser gives to this origin alone while a cookie goes to every port of a host,
//! or as Bearer. A proxy that is trusted may name the user instead.
//!
//! Invariants: a token that is right is admitted however many were wrong: an address may be shared; what a peer says of
//! users and paths counts only if the peer is trusted, and a user only if named once.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};

use super::token::{Role, Tokens};
use crate::clock;
use crate::config::{self, Trusted, Users, check_base_path};
use crate::model::listen::Place;

/// Wrong tokens of an address in a minute until it is told to wait.
const MOST_WRONG: u32 = 5;
const MINUTE: Duration = Duration::from_mins(1);
/// Addresses that are remembered.
const MOST_ADDRESSES: usize = 1024;

/// The path that a proxy has taken off.
const PREFIX: &str = "x-forwarded-prefix";
/// Characters of a user that are kept.
const LONGEST_USER: usize = 100;

/// The other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Peer {
    Address(IpAddr),
    /// At the socket, with the number of its user.
    Socket(Option<u32>),
}

impl Peer {
    pub(super) const fn address(self) -> Option<IpAddr> {
        match self {
            Self::Address(address) => Some(address),
            Self::Socket(_) => None,
        }
    }

    /// Whether it is another machine.
    pub(super) const fn is_elsewhere(self) -> bool {
        match self {
            Self::Address(address) => !address.is_loopback(),
            Self::Socket(_) => false,
        }
    }
}

/// The user or program that asks.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub role: Role,
    /// As a proxy names it; `None`: somebody with a token.
    pub user: Option<Arc<str>>,
}

impl Caller {
    /// A caller without a name or a token.
    pub(super) const NOBODY: Self = Self { role: Role::Viewer, user: None };
}

/// Refused: with this status, for this reason.
pub(super) type Refusal = (StatusCode, &'static str);

pub(super) struct Guard {
    tokens: Tokens,
    /// Names without a port.
    hosts: Vec<String>,
    read_only: bool,
    trusted: Vec<Trusted>,
    /// `None`: nobody is named by a proxy.
    users: Option<Users>,
    base: Arc<str>,
    wrong: Mutex<HashMap<Peer, (Instant, u32)>>,
}

impl Guard {
    pub(super) fn new(tokens: Tokens, at: &Place, settings: &config::Web) -> Self {
        let mut hosts: Vec<String> = ["localhost", "127.0.0.1", "[::1]"].map(str::to_owned).into();
        hosts.extend(settings.hosts.iter().map(|host| host.to_ascii_lowercase()));
        if let Place::Tcp(at) = at
            && !at.ip().is_unspecified()
        {
            hosts.push(name_of(&at.to_string()).to_owned());
        }
        Self {
            tokens,
            hosts,
            read_only: settings.read_only,
            trusted: settings.trusted.clone(),
            users: settings.by_proxy.then(|| settings.users.clone()),
            base: settings.base_path.as_str().into(),
            wrong: Mutex::default(),
        }
    }

    /// Admits the caller of this request from there, or says why not.
    pub(super) fn admit(&self, request: &Parts, peer: Peer) -> Result<Caller, Refusal> {
        self.check_host(request)?;
        check_site(&request.method, &request.headers)?;
        let mut caller = match self.user_in(&request.headers, peer) {
            Some(user) => Caller { role: self.role_of(&user)?, user: Some(user) },
            None => Caller { role: self.role_by_token(&request.headers, peer)?, user: None },
        };
        if self.read_only {
            caller.role = Role::Viewer;
        }
        Ok(caller)
    }

    /// The path below which it was asked for: that of the settings, or of a proxy that has taken it off.
    pub(super) fn base_of(&self, headers: &HeaderMap, peer: Peer) -> Arc<str> {
        let prefix = text(headers, PREFIX).filter(|prefix| self.is_trusted(peer) && check_base_path(prefix).is_ok());
        prefix.map_or_else(|| Arc::clone(&self.base), |prefix| prefix.trim_end_matches('/').into())
    }

    fn is_trusted(&self, peer: Peer) -> bool {
        self.trusted.iter().any(|trusted| match (trusted, peer) {
            (Trusted::Network(..), Peer::Address(address)) => trusted.has(address),
            (Trusted::Socket(user), Peer::Socket(peer)) => user.is_none() || *user == peer,
            _ => false,
        })
    }

    /// The user whom a trusted proxy names.
    fn user_in(&self, headers: &HeaderMap, peer: Peer) -> Option<Arc<str>> {
        let users = self.users.as_ref().filter(|_| self.is_trusted(peer))?;
        let mut named = headers.get_all(&*users.header).iter();
        // Of two, one may be what the browser itself has sent.
        let (Some(name), None) = (named.next(), named.next()) else { return None };
        let name: String = String::from_utf8_lossy(name.as_bytes()).trim().chars().take(LONGEST_USER).collect();
        (!name.is_empty()).then(|| name.into())
    }

    fn role_of(&self, user: &str) -> Result<Role, Refusal> {
        const NOBODY: Refusal = (
            StatusCode::FORBIDDEN,
            "the proxy lets you in, but you have no role here; see `admins`, `operators` and `viewers` in `[web]`",
        );
        let users = self.users.as_ref().ok_or(NOBODY)?;
        let roles = [(Role::Admin, &users.admins), (Role::Operator, &users.operators), (Role::Viewer, &users.viewers)];
        let found = roles.into_iter().find(|(_, names)| names.iter().any(|name| name == user || name == "*"));
        found.map(|(role, _)| role).ok_or(NOBODY)
    }

    fn role_by_token(&self, headers: &HeaderMap, peer: Peer) -> Result<Role, Refusal> {
        let Some(shown) = token_in(headers) else {
            return Err((
                StatusCode::UNAUTHORIZED,
                "a token is wanted; `queue-work web link` prints the address to open",
            ));
        };
        match self.tokens.role_of(&shown) {
            Some(role) => Ok(role),
            None if self.is_one_too_many(peer) => {
                Err((StatusCode::TOO_MANY_REQUESTS, "too many wrong tokens from this address; try again in a minute"))
            }
            None => Err((
                StatusCode::UNAUTHORIZED,
                "this is no token of this page; `queue-work web link` prints the address to open",
            )),
        }
    }

    /// Whether it is asked for under a name of ours.
    pub(super) fn check_host(&self, request: &Parts) -> Result<(), Refusal> {
        let host = text(&request.headers, HOST.as_str()).unwrap_or_default();
        let in_uri = request.uri.host().is_none_or(|host| self.knows(host));
        if in_uri && self.knows(host) {
            return Ok(());
        }
        Err((
            StatusCode::MISDIRECTED_REQUEST,
            "this page has another name; add this one to `hosts` of `[web]`, or use `--host`",
        ))
    }

    fn knows(&self, host: &str) -> bool {
        let name = name_of(host).to_ascii_lowercase();
        self.hosts.contains(&name)
    }

    /// Counts a wrong token.
    fn is_one_too_many(&self, peer: Peer) -> bool {
        let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock::instant();
        if wrong.len() >= MOST_ADDRESSES {
            wrong.retain(|_, (since, _)| now.duration_since(*since) < MINUTE);
        }
        if wrong.len() >= MOST_ADDRESSES {
            return true;
        }
        let (since, count) = wrong.entry(peer).or_insert((now, 0));
        if now.duration_since(*since) >= MINUTE {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count > MOST_WRONG
    }
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("\0"))
}

/// The host without its port.
fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

/// Refuses what a page of another site has made a browser send.
fn check_site(method: &Method, headers: &HeaderMap) -> Result<(), Refusal> {
    const OTHER: Refusal = (StatusCode::FORBIDDEN, "this was sent by a page of another site");
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    let header = |name| text(headers, name);
    match (header("sec-fetch-site"), changes) {
        (Some("same-origin" | "none"), _) | (None, false) => Ok(()),
        // Somebody has clicked on a link, or typed the address.
        (Some(_), false) => match (header("sec-fetch-mode"), header("sec-fetch-dest")) {
            (Some("navigate"), Some("document")) => Ok(()),
            _ => Err(OTHER),
        },
        (Some(_), true) => Err(OTHER),
        (None, true) => match header(ORIGIN.as_str()) {
            Some(origin) => {
                let origin = origin.split_once("://").map(|(_, host)| host);
                if origin.is_some() && origin == header(HOST.as_str()) { Ok(()) } else { Err(OTHER) }
            }
            // No browser, or a very old one, which does not send this by itself.
            None if scheme_is(headers, "bearer") => Ok(()),
            None => Err((StatusCode::FORBIDDEN, "a program sends the token as `Authorization: Bearer TOKEN`")),
        },
    }
}

fn scheme_is(headers: &HeaderMap, wanted: &str) -> bool {
    let scheme = text(headers, AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
    scheme.is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case(wanted))
}

/// The token that is shown: the password of HTTP Basic, or that of a bearer.
fn token_in(headers: &HeaderMap) -> Option<String> {
    let (_, shown) = text(headers, AUTHORIZATION.as_str())?.split_once(' ')?;
    if scheme_is(headers, "bearer") {
        return Some(shown.trim().to_owned());
    }
    if !scheme_is(headers, "basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(shown.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_port_does_not_belong_to_the_name() {
        let table = [("a:80", "a"), ("a", "a"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]"), ("::1", "::1"), ("", "")];
        for (host, name) in table {
            assert_eq!(name_of(host), name, "{host}");
        }
    }

    #[test]
    fn a_page_of_another_site_can_neither_change_nor_read_but_lead_here() {
        let table = [
            (Method::POST, vec![("sec-fetch-site", "same-origin")], true),
            (Method::POST, vec![("sec-fetch-site", "none")], true),
            (Method::POST, vec![("sec-fetch-site", "cross-site"), ("authorization", "Bearer x")], false),
            (Method::POST, vec![("sec-fetch-site", "same-site")], false),
            (Method::POST, vec![("origin", "http://a:1"), ("host", "a:1")], true),
            (Method::POST, vec![("origin", "http://b"), ("host", "a")], false),
            (Method::POST, vec![("origin", "null"), ("host", "null")], false),
            (Method::POST, vec![("authorization", "Bearer x")], true),
            (Method::POST, vec![("authorization", "Basic x")], false),
            (Method::DELETE, vec![], false),
            (Method::GET, vec![], true),
            (Method::GET, vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "no-cors")], false),
            (
                Method::GET,
                vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
                true,
            ),
            (
                Method::GET,
                vec![("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")],
                false,
            ),
        ];
        for (method, all, is_admitted) in table {
            assert_eq!(check_site(&method, &headers(&all)).is_ok(), is_admitted, "{method} {all:?}");
        }
    }

    #[test]
    fn a_token_comes_as_a_password_or_as_that_of_a_bearer() {
        let table = [
            ("Bearer abc", Some("abc")),
            ("bearer  abc", Some("abc")),
            ("Basic cXc6YWJj", Some("abc")),
            ("Basic cXc", None),
            ("Digest abc", None),
            ("abc", None),
        ];
        for (value, token) in table {
            assert_eq!(token_in(&headers(&[("authorization", value)])).as_deref(), token, "{value}");
        }
    }
}
