//! Answers in gzip, for those who understand it.
//!
//! Invariants: an answer says what it depends on, compressed or not; only a whole one of a moderate size is compressed:
//! lines that come as they are written are not held back, and no document holds up everybody for long.

use std::io::Write as _;

use axum::body::{Body, HttpBody as _, to_bytes};
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, HeaderValue, VARY};
use hyper::{HeaderMap, StatusCode};

use super::answer::{self, Response};

/// Below this, in bytes, one packet carries it anyhow.
const LEAST: u64 = 1024;
/// Above this it would take some 10 ms of the one thread.
const MOST: u64 = 512 * 1024;
/// More takes twice the time for a twentieth of the size.
const LEVEL: Compression = Compression::new(4);

/// Whether gzip is among what the client accepts (RFC 9110, section 12.5.3).
pub(super) fn is_accepted(headers: &HeaderMap) -> bool {
    let lists = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|list| list.to_str().ok());
    lists.flat_map(|list| list.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f64>().ok());
        name.trim().eq_ignore_ascii_case("gzip") && weight != Some(0.0)
    })
}

/// Compresses an answer, where that pays.
pub(super) async fn compress(mut response: Response, is_accepted: bool) -> Response {
    let size = response.body().size_hint().exact();
    if !size.is_some_and(|size| (LEAST..=MOST).contains(&size)) {
        return response;
    }
    response.headers_mut().append(VARY, HeaderValue::from_static("Accept-Encoding"));
    if !is_accepted {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(whole) = to_bytes(body, MOST as usize).await else {
        return answer::refused(StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be read; ask again");
    };
    let mut encoder = GzEncoder::new(Vec::with_capacity(whole.len() / 3), LEVEL);
    match encoder.write_all(&whole).and_then(|()| encoder.finish()) {
        Ok(compressed) => {
            // Of the whole; the server counts again.
            parts.headers.remove(CONTENT_LENGTH);
            parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            Response::from_parts(parts, Body::from(compressed))
        }
        Err(_) => Response::from_parts(parts, Body::from(whole)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_accepted_where_it_is_named_and_not_refused() {
        for (list, accepted) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate , gzip ; q=1", true),
            ("gzip;q=0", false),
            ("br, gzip; q=0.000", false),
            ("x-gzip2", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(list))]);
            assert_eq!(is_accepted(&headers), accepted, "{list}");
        }
        assert!(!is_accepted(&HeaderMap::new()));
    }
}
