//! Lines of a worker as the master understands them.

use std::sync::Arc;

use super::*;
use crate::model::{Claimed, Counters, Holds, JobId, QueueName, RunId, RunTrace, TraceContext, UnixMicros};

fn verdict(line: &str) -> Result<Option<String>, Box<RunError>> {
    match parse(line.as_bytes()) {
        FromWorker::Answer { request: 1, answer } => answer.verdict,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn answers_are_taken_leniently() {
    assert_eq!(verdict(r#"{"id":1,"result":null}"#), Ok(None));
    assert_eq!(verdict(r#" {"jsonrpc":"2.0","result":[1, 2],"id":1,"x":0}"#), Ok(Some("[1, 2]".into())));
    let error = verdict(r#"{"id":1,"error":{"message":"no","data":{"type":"E","retry":2.5}}}"#).unwrap_err();
    assert_eq!(error.retry, Retry::After(Duration::from_millis(2500)));
    assert_eq!((error.message.as_str(), error.kind.as_deref()), ("no", Some("E")));
    assert_eq!(verdict(r#"{"id":1,"error":"boom"}"#).unwrap_err().message, "boom");
    let error = verdict(r#"{"id":1,"error":{"code":3,"data":{"retry":false}}}"#).unwrap_err();
    assert_eq!((error.retry, error.code), (Retry::Never, Some(3)));
}

#[test]
fn ids_that_went_through_a_float_or_a_string_are_taken() {
    for id in ["1", "1.0", "1e0", r#""1""#] {
        assert_eq!(verdict(&format!(r#"{{"id":{id},"result":7}}"#)), Ok(Some("7".into())), "{id}");
        let extend = format!(r#"{{"method":"extend","params":{{"id":{id},"seconds":9}}}}"#);
        assert!(matches!(parse(extend.as_bytes()), FromWorker::Extend { request: 1, .. }), "{id}");
    }
    for id in ["1.5", "-1", "1e300", "null", "true", "[1]", "\"\"", r#""+1""#, r#""1.0""#] {
        let line = format!(r#"{{"id":{id},"result":7}}"#);
        assert!(matches!(parse(line.as_bytes()), FromWorker::Output), "{id}");
    }
}

#[test]
fn what_an_answer_tells_of_the_run_does_not_spoil_it() {
    for run in ["[]", "7", "null", r#"{"exit_code":"x"}"#, r#"{"peak_memory_bytes":-1}"#] {
        assert_eq!(verdict(&format!(r#"{{"id":1,"result":7,"run":{run}}}"#)), Ok(Some("7".into())), "{run}");
    }
    let detail = |run: &str| match parse(format!(r#"{{"id":1,"result":7,"run":{run}}}"#).as_bytes()) {
        FromWorker::Answer { answer, .. } => answer.detail,
        other => panic!("{other:?}"),
    };
    assert_eq!(detail(r#"{"exit_code":3}"#).exit_code, Some(3));
    assert_eq!(detail(r#"{"note":"12 mails"}"#).note.as_deref(), Some("12 mails"));
    let long = detail(&format!(r#"{{"note":"{}"}}"#, "n".repeat(MOST_NOTE_BYTES + 1)));
    assert_eq!(long.note.map(|note| note.len()), Some(MOST_NOTE_BYTES));
    assert_eq!(detail(r#"{"signal":"SIGRTMIN+3"}"#).signal.as_deref(), Some("SIGRTMIN+3"));
    for signal in ["\\u001b]0;x", "9", "sigterm", "SIGX\\n", "SIGAAAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(detail(&format!(r#"{{"signal":"{signal}"}}"#)).signal, None, "{signal}");
    }
}

#[test]
fn an_id_with_neither_result_nor_error_is_told_from_an_answer_whose_result_is_null() {
    for line in
        [r#"{"id":1}"#, r#"{"id":1,"resul":1}"#, r#"{"id":1,"error":null}"#, r#"{"id":"1","method":null,"x":{}}"#]
    {
        assert!(matches!(parse(line.as_bytes()), FromWorker::NoAnswer { request: 1 }), "{line}");
    }
    for line in [r#"{"id":1,"result":null}"#, r#"{"id":1,"result":null,"error":null}"#] {
        assert_eq!(verdict(line), Ok(None), "{line}");
    }
    let error = answer_missing(b" {\"id\":1}\r").verdict.unwrap_err();
    assert_eq!(error.message, "the worker answered without `result` or `error`: {\"id\":1}");
    assert_eq!((error.kind.as_deref(), error.retry), (Some("protocol"), Retry::Policy));
    assert!(answer_missing("ä".repeat(1000).as_bytes()).verdict.unwrap_err().message.len() < 300);
}

#[test]
fn what_is_no_message_is_output() {
    for line in
        ["hello", "", "{", "[1]", r#"{"level":"info"}"#, r#"{"id":"a"}"#, r#"{"id":"a","result":1}"#, "\u{1b}[31m{"]
    {
        assert!(matches!(parse(line.as_bytes()), FromWorker::Output), "{line}");
    }
    assert!(matches!(parse(&[b'{', 0xff, b'}']), FromWorker::Output));
    assert!(matches!(parse("[".repeat(100_000).as_bytes()), FromWorker::Output));
}

#[test]
fn messages_are_read() {
    assert!(matches!(
        parse(br#"{"method":"ready","params":{"concurrency":3}}"#),
        FromWorker::Ready { concurrency: 3, types: None }
    ));
    assert!(matches!(parse(br#"{"method":"ready"}"#), FromWorker::Ready { concurrency: 1, types: None }));
    let types =
        |written: &str| match parse(format!(r#"{{"method":"ready","params":{{"types":{written}}}}}"#).as_bytes()) {
            FromWorker::Ready { types, .. } => types,
            other => panic!("{other:?}"),
        };
    assert_eq!(types(r#"["mail","sms"]"#), Some(vec!["mail".to_owned(), "sms".to_owned()]));
    assert_eq!(types("[]"), Some(Vec::new()));
    let many = serde_json::to_string(&vec!["t"; 101]).expect("JSON");
    for none in ["null", "\"mail\"", "[1]", "[\"\"]", "[\"a\\u0007\"]", "{}", &many] {
        assert_eq!(types(none), None, "{none}");
    }
    assert!(matches!(parse(br#"{"method":"retire","params":{}}"#), FromWorker::Retire));
    assert!(matches!(parse(br#"{"method":"extend","params":{"id":4,"seconds":-1}}"#), FromWorker::Output));
    let by = Duration::from_secs(9);
    assert!(
        matches!(parse(br#"{"method":"extend","params":{"id":4,"seconds":9}}"#), FromWorker::Extend { request: 4, by: b } if b == by)
    );
    assert!(matches!(parse(br#"{"method":"note","params":{"id":4}}"#), FromWorker::Output));
    let long = format!(r#"{{"method":"note","params":{{"id":"4","text":"{}"}}}}"#, "é".repeat(MOST_NOTE_BYTES));
    let FromWorker::Note { request: 4, text } = parse(long.as_bytes()) else { panic!() };
    assert_eq!(text.len(), MOST_NOTE_BYTES);
    assert!(matches!(parse(br#"{"id":"x","method":"push","params":{"type":"a"}}"#), FromWorker::Push { .. }));
    assert!(matches!(parse(br#"{"id":7,"method":"fly"}"#), FromWorker::Unknown { .. }));
}

#[test]
fn a_result_over_the_limit_is_cut_and_marked() {
    let long = format!(r#"{{"id":1,"result":"{}"}}"#, "é".repeat(MAX_RESULT_BYTES));
    let kept = verdict(&long).unwrap().unwrap();
    assert!(kept.len() <= MAX_RESULT_BYTES && kept.contains("cut: "), "{}", kept.len());
    assert!(serde_json::from_str::<String>(&kept).is_ok());
}

#[test]
fn the_id_is_found_in_the_head_of_a_line_over_the_limit() {
    assert_eq!(id_in_head(br#"{"jsonrpc":"2.0","id": 31,"result":"xxxx"#), Some(31));
    assert_eq!(id_in_head(b"xxxxxxxx"), None);
    assert_eq!(id_in_head(br#"{"result":"xxxx"#), None);
}

#[test]
fn only_the_id_of_the_message_itself_is_found_in_the_head() {
    assert_eq!(id_in_head(br#"{"result":{"id":3,"x":"xxxx"#), None);
    assert_eq!(id_in_head(br#"{"result":[{"id":3,"x":[]}],"id":4,"x":"xxxx"#), Some(4));
    assert_eq!(id_in_head(br#"{"x":"\"id\":3,","y":"\\","z":"id","id" : 5 ,"result":"xxxx"#), Some(5));
    assert_eq!(id_in_head(br#"{"x":"{[","id":"6","result":"xxxx"#), Some(6));
    assert_eq!(id_in_head(br#"{"id":12"#), None, "the number may go on");
}

fn claimed() -> Claimed {
    Claimed {
        id: JobId(31),
        run: RunId(1),
        queue: QueueName::default(),
        kind: Arc::from("a\"b"),
        args: "{\"x\":\n1e400}".into(),
        counters: Counters { attempts: 1, ..Counters::default() },
        pushed_at: UnixMicros(1_000_000),
        due_at: UnixMicros(1_000_000),
        timeout: None,
        max_attempts: None,
        holds: Holds::default(),
        is_new: false,
        pushed_in: None,
        state: None,
        parents: None,
        trace: None,
    }
}

#[test]
fn a_job_is_one_line_with_its_members_in_order() {
    let job = claimed();
    let timeout = Duration::from_millis(1500);
    let mut out = Vec::new();
    let mut lines = JobLines::default();
    let terms = JobTerms { request: 2, max_attempts: 3, timeout, deadline: UnixMicros(2_500_999) };
    lines.write(&mut out, &job, &terms);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"job\",\"params\":{\"job_id\":31,\"type\":\"a\\\"b\",\
         \"args\":{\"x\": 1e400},\"queue\":\"default\",\"attempt\":2,\"max_attempts\":3,\"timeout_s\":1.5,\
         \"deadline\":\"1970-01-01T00:00:02.500Z\",\"pushed_at\":\"1970-01-01T00:00:01.000Z\"}}\n"
    );
    // The next one, which shares nothing with it.
    let mut out = Vec::new();
    let job = Claimed { args: "[]".into(), pushed_at: UnixMicros(3_001_000), ..job };
    let terms = JobTerms { timeout: Duration::from_hours(1), deadline: UnixMicros(2_501_000), ..terms };
    lines.write(&mut out, &job, &terms);
    assert!(String::from_utf8(out).unwrap().ends_with(
        "\"args\":[],\"queue\":\"default\",\"attempt\":2,\"max_attempts\":3,\"timeout_s\":3600,\
             \"deadline\":\"1970-01-01T00:00:02.501Z\",\"pushed_at\":\"1970-01-01T00:00:03.001Z\"}}\n"
    ));
}

#[test]
fn a_job_in_a_trace_says_which_span_its_run_is() {
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let written = |state| {
        let run = TraceContext::new(parent, state).unwrap();
        let trace = RunTrace { push: run.clone(), run, pushed_in: None };
        let job = Claimed { args: "[]".into(), trace: Some(Box::new(trace)), ..claimed() };
        let (timeout, deadline) = (Duration::from_secs(1), UnixMicros(1));
        let (mut out, terms) = (Vec::new(), JobTerms { request: 2, max_attempts: 3, timeout, deadline });
        JobLines::default().write(&mut out, &job, &terms);
        serde_json::from_slice::<serde_json::Value>(&out).unwrap()["params"].clone()
    };
    let (with, without) = (written(Some("a=\"1,b=2")), written(None));
    assert_eq!((&with["traceparent"], &with["tracestate"]), (&parent.into(), &"a=\"1,b=2".into()));
    assert_eq!((&without["traceparent"], without.get("tracestate")), (&parent.into(), None));
}
