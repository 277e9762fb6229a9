//! Framings, byte by byte.

use proptest::prelude::*;

use super::*;

/// Everything that is found when the bytes come in these pieces, one word for each request.
fn found(framing: Framing, pieces: &[&[u8]], ends: bool) -> (Vec<String>, Requests) {
    let mut requests = Requests::new(framing);
    let mut all = Vec::new();
    for piece in pieces {
        requests.push(piece);
        while let Some(one) = requests.next() {
            all.push(word(one));
        }
    }
    if ends {
        all.extend(requests.ended().map(word));
    }
    (all, requests)
}

fn word(found: Found) -> String {
    match found {
        Found::Json(text) => format!("json {}", String::from_utf8_lossy(&text)),
        Found::Raw(text) => format!("raw {}", String::from_utf8_lossy(&text)),
        Found::Bad(why) => format!("bad {why}"),
    }
}

#[test]
fn a_value_without_a_newline_is_a_request_and_leaves_the_connection_undecided() {
    let (all, mut requests) = found(Framing::Auto, &[b"{\"action\":", b"\"getData\"}"], false);
    assert_eq!(all, ["json {\"action\":\"getData\"}"]);
    assert!(requests.is_undecided() && !requests.is_lines() && !requests.is_inside());
}

#[test]
fn a_newline_behind_the_value_makes_lines_also_in_a_packet_of_its_own() {
    for pieces in [&[&b"{}\n"[..]][..], &[b"{}", b"\n"], &[b"{}", b" \r", b"\n"], &[b"{}{}"]] {
        let (all, requests) = found(Framing::Auto, pieces, false);
        assert_eq!(all[0], "json {}");
        assert!(requests.is_lines(), "{pieces:?}");
    }
    let (all, _) = found(Framing::Auto, &[b"{}\n[1]\r\n\n{\"a\":\n2}\n"], false);
    assert_eq!(all, ["json {}", "json [1]", "json {\"a\":\n2}"]);
}

#[test]
fn any_other_first_byte_begins_raw_bytes() {
    let (all, mut requests) = found(Framing::Auto, &[b"PING ", b"{}\n"], false);
    assert_eq!((all.len(), requests.is_raw(), requests.is_inside()), (0, true, true));
    assert_eq!(requests.idle().map(word), Some("raw PING {}\n".to_owned()));
    assert_eq!(found(Framing::Once, &[b"\n{}"], true).0, ["raw \n{}"]);
}

#[test]
fn a_bad_line_is_said_to_be_one_and_the_next_is_read() {
    let (all, _) = found(Framing::Auto, &[b"{}\nhello\n{\"a\n[}x\n", b"{\"b\":1}\n"], false);
    assert_eq!(
        all,
        [
            "json {}",
            "bad a line is no JSON object or array",
            "bad the request is no JSON: a string has a newline in it",
            "bad the request is no JSON: a bracket is closed by one of the other kind",
            "json {\"b\":1}"
        ]
    );
    let (all, requests) = found(Framing::Auto, &[b"[}{}\n"], false);
    assert_eq!(all, ["bad the request is no JSON: a bracket is closed by one of the other kind"]);
    assert!(!requests.is_lines(), "the first request decides");
}

#[test]
fn lines_are_requests_whatever_is_in_them() {
    let (all, _) = found(Framing::Lines, &[b"\n{\"a\":1}\r\nPING\n", b"{oops\nrest"], true);
    assert_eq!(all, ["json {\"a\":1}", "raw PING", "json {oops", "raw rest"]);
}

#[test]
fn once_is_one_request_whatever_follows() {
    let (all, mut requests) = found(Framing::Once, &[b"{}\n{}\nx"], true);
    assert_eq!(all, ["json {}"]);
    assert!(!requests.is_lines() && !requests.is_undecided());
}

#[test]
fn a_request_that_never_ends_is_given_up_at_the_limit_and_at_the_end() {
    let long = vec![b' '; MAX_LINE_BYTES];
    let (all, requests) = found(Framing::Auto, &[b"{", &long], false);
    assert_eq!(all, [format!("bad the request is longer than {MAX_LINE_BYTES} bytes")]);
    assert!(requests.held_bytes() == 0);
    assert_eq!(
        found(Framing::Auto, &[b"{\"a\":"], true).0,
        ["bad the connection was closed for writing in the middle of a JSON value"]
    );
    assert!(found(Framing::Auto, &[&[b'['; 10_000]], false).0[0].contains("deeper than 128"));
}

proptest! {
    #[test]
    fn where_requests_are_cut_makes_no_difference(text in r#"[\[\]\{\}" ,:a\n\r]{0,40}"#, at in 0..40_usize, lines in any::<bool>()) {
        let framing = if lines { Framing::Lines } else { Framing::Auto };
        let at = at.min(text.len());
        let (cut, _) = found(framing, &[&text.as_bytes()[..at], &text.as_bytes()[at..]], true);
        let (whole, _) = found(framing, &[text.as_bytes()], true);
        prop_assert_eq!(cut, whole);
    }
}
