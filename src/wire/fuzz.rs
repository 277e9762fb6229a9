//! Bytes nobody would write, against readers that know less and are right.
//!
//! `PROPTEST_CASES` gives the number of cases.

use proptest::prelude::*;

use super::lines::{HEAD_BYTES, Line, Lines};
use super::worker::{self, FromWorker};
use super::{control, rpc};

/// A line as a reader sees it that has the whole stream before it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Whole(Vec<u8>),
    TooLong { head: Vec<u8>, bytes: usize },
}

/// Splits at newlines. What stands behind the last one is no line.
fn naive(max: usize, stream: &[u8]) -> Vec<Seen> {
    let mut parts: Vec<&[u8]> = stream.split(|&b| b == b'\n').collect();
    parts.pop();
    let seen = |line: &[u8]| match line {
        long if long.len() > max => {
            Seen::TooLong { head: long[..long.len().min(HEAD_BYTES)].to_vec(), bytes: long.len() }
        }
        line => Seen::Whole(line.strip_suffix(b"\r").unwrap_or(line).to_vec()),
    };
    parts.into_iter().map(seen).collect()
}

/// Pieces of which messages are made, in any order.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&[u8]> = vec![
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b",",
        b"\"",
        b"\\",
        b"\n",
        b"\r",
        b" ",
        b"\0",
        b"\xff",
        b"\x1b",
        b"null",
        b"true",
        b"\"id\":",
        b"\"result\":",
        b"\"error\":",
        b"\"method\":",
        b"\"params\":",
        b"\"run\":",
        b"\"message\":",
        b"\"data\":",
        b"\"retry\":",
        b"\"seconds\":",
        b"\"percent\":",
        b"\"concurrency\":",
        b"\"type\":",
        b"\"args\":",
        b"\"push\"",
        b"\"ready\"",
        b"\"progress\"",
        b"\"extend\"",
        b"\"retire\"",
        b"\"x\"",
        b"1",
        b"-1",
        b"1.0",
        b"1e400",
        b"18446744073709551616",
        b"0.5",
        b"\"\\ud800\"",
        b"{\"id\":1,\"result\":2}",
        b"{\"id\":1,\"error\":{}}",
    ];
    let piece =
        prop_oneof![prop::sample::select(pieces).prop_map(<[u8]>::to_vec), prop::collection::vec(any::<u8>(), 0..9)];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_stream_is_split_as_one_would_who_sees_all_of_it_wherever_it_is_cut(
        stream in soup(), max in 0..40_usize, cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).chain([0, stream.len()]).collect();
        at.sort_unstable();
        let (mut lines, mut seen) = (Lines::new(max), Vec::new());
        for cut in at.windows(2) {
            lines.push(&stream[cut[0]..cut[1]], |line| seen.push(match line {
                Line::Whole(text) => Seen::Whole(text.to_vec()),
                Line::TooLong { head, bytes } => Seen::TooLong { head: head.to_vec(), bytes: bytes as usize },
            }));
        }
        prop_assert_eq!(&seen, &naive(max, &stream));
        // A fragment is held, cut if it is too long, and was never handed out.
        let rest = stream.rsplit(|&b| b == b'\n').next().unwrap_or_default();
        let kept = if rest.len() > max { &rest[..rest.len().min(HEAD_BYTES)] } else { rest };
        prop_assert_eq!(lines.rest(), kept);
        prop_assert_eq!(lines.is_inside(), !rest.is_empty());
    }

    #[test]
    fn a_line_of_a_worker_means_what_its_json_says_or_is_output(line in soup()) {
        let value = serde_json::from_slice::<serde_json::Value>(&line).ok();
        let object = value.as_ref().and_then(serde_json::Value::as_object);
        match worker::parse(&line) {
            FromWorker::Output => {}
            FromWorker::Answer { answer, .. } => {
                let object = object.expect("an answer is an object");
                prop_assert!(object.contains_key("id") && !object.contains_key("method"));
                prop_assert!(object.contains_key("result") || object.contains_key("error"));
                prop_assert!(answer.verdict.is_ok() || !object["error"].is_null());
            }
            FromWorker::NoAnswer { .. } => {
                let object = object.expect("it is an object");
                prop_assert!(object.contains_key("id") && !object.contains_key("result"));
                prop_assert!(object.get("error").is_none_or(serde_json::Value::is_null));
            }
            other => prop_assert!(line.starts_with(b"{") || line.trim_ascii_start().starts_with(b"{"), "{:?}", other),
        }
        let id = worker::id_in_head(&line);
        prop_assert!(id.is_none() || line.windows(4).any(|w| w == b"\"id\""));
    }

    #[test]
    fn an_answer_without_its_last_byte_is_no_answer(n in 1..1000_u64, cut in any::<prop::sample::Index>()) {
        let line = format!("{{\"id\":{n},\"result\":[{n}]}}\n");
        let mut lines = Lines::new(1000);
        let end = cut.index(line.len());
        lines.push(&line.as_bytes()[..end], |line| panic!("{line:?}"));
        prop_assert_eq!(lines.rest(), &line.as_bytes()[..end]);
    }

    #[test]
    fn a_request_is_an_object_with_a_method_and_everything_else_is_refused(line in soup()) {
        let value = serde_json::from_slice::<serde_json::Value>(&line).ok();
        if let Ok(request) = rpc::parse_request(&line) {
            // A number may be out of the range of a value, and still be JSON.
            if let Some(value) = value {
                prop_assert_eq!(value["method"].as_str(), Some(&*request.method));
            }
            let params = request.params.map_or("null", serde_json::value::RawValue::get);
            let _ = serde_json::from_str::<control::Scale>(params);
            let _ = serde_json::from_str::<control::SpawnPool>(params);
            let _ = serde_json::from_str::<control::Jobs>(params);
            let _ = serde_json::from_str::<control::PushJob>(params);
        }
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(rpc::id_of(&line).get()).is_ok());
    }
}
