//! Access to a service over HTTP.
//!
//! Where the service has a token, whoever shows it. Without one a TCP listener is of this machine only, and so are those who
//! ask: a request under another name (which leads here by DNS rebinding) or from a page of another site is refused, as a
//! browser on this machine would send both. A unix socket has its permissions.

use std::net::IpAddr;

use hyper::header::{AUTHORIZATION, HOST, HeaderMap, ORIGIN};
use hyper::{StatusCode, Uri};

use crate::model::token::Token;

/// The longest origin that is named, in characters.
const SHOWN: usize = 100;

/// Why a request is refused, if it is.
pub(super) fn check(
    token: Option<&Token>,
    is_tcp: bool,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(), (StatusCode, String)> {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match token {
        Some(token) => {
            let shown = text(AUTHORIZATION).and_then(|value| value.split_once(' '));
            let shown =
                shown.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, shown)| shown.trim());
            if shown.is_some_and(|shown| token.is(shown)) {
                return Ok(());
            }
            let why = "this service wants its token; send `Authorization: Bearer TOKEN`";
            Err((StatusCode::UNAUTHORIZED, why.to_owned()))
        }
        None if is_tcp => {
            let site = |origin: &str| is_here(origin.split_once("://").map_or(origin, |(_, rest)| rest));
            let why = if !uri.host().into_iter().chain(text(HOST)).all(is_here) {
                "without a token only requests to `localhost`, 127.0.0.1 and [::1] are answered".to_owned()
            } else if let Some(origin) = text(ORIGIN).filter(|origin| !site(origin)) {
                let origin: String = origin.chars().take(SHOWN).collect();
                format!(
                    "this is asked by a page of `{origin}` (`Origin`), and without a token no page of another site is answered"
                )
            } else {
                return Ok(());
            };
            Err((StatusCode::FORBIDDEN, why))
        }
        None => Ok(()),
    }
}

/// Whether this host, with a port or without, is this machine by a name that nobody else can give it.
fn is_here(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_cannot_be_rebound_are_here() {
        for host in ["localhost", "LocalHost:80", "127.0.0.1", "127.0.0.1:9501", "127.1.2.3", "[::1]", "[::1]:80"] {
            assert!(is_here(host), "{host}");
        }
        for host in
            ["", "example.org", "localhost.example.org:80", "127.0.0.1.example.org", "10.0.0.1", "0", "null", ":80"]
        {
            assert!(!is_here(host), "{host}");
        }
    }

    #[test]
    fn who_is_refused_is_told_whether_for_the_host_or_for_the_page_that_asks() {
        let asks = |host: &'static str, origin: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            headers.extend(origin.map(|origin| (ORIGIN, origin.parse().unwrap())));
            check(None, true, &Uri::from_static("/"), &headers).err().map(|(_, why)| why)
        };
        assert_eq!(asks("localhost:80", None).or(asks("localhost:80", Some("http://127.0.0.1:3000"))), None);
        assert!(asks("example.org", Some("http://evil.example")).unwrap().contains("only requests to `localhost`"));
        for origin in ["https://evil.example", "null"] {
            let why = asks("localhost:80", Some(origin)).unwrap();
            assert!(why.starts_with(&format!("this is asked by a page of `{origin}` (`Origin`)")), "{why}");
        }
    }

    #[test]
    fn a_token_is_shown_whole_and_as_a_bearer() {
        let token = Token::new("s3cret").unwrap();
        let asks = |value: &'static str| {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())]);
            check(Some(&token), true, &Uri::from_static("/"), &headers).is_ok()
        };
        assert!(asks("Bearer s3cret") && asks("bearer s3cret"));
        for wrong in ["Bearer s3cre", "Bearer s3cret2", "Bearer ", "Basic s3cret", "s3cret", ""] {
            assert!(!asks(wrong), "{wrong}");
        }
    }
}
