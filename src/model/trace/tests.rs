//! Contexts as the specification has them, and the spans of runs.

use std::collections::HashSet;

use super::*;
use crate::model::{Counters, Holds, JobId, QueueName, RunId};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";
const PUSHED_AT: UnixMicros = UnixMicros(1_700_000_000_000_000);

fn context(flags: &str) -> TraceContext {
    TraceContext::new(&format!("00-{TRACE}-{SPAN}-{flags}"), Some("a=1,b@c=2")).unwrap()
}

fn job(id: i64, run: i64, pushed_in: Option<TraceContext>) -> Claimed {
    Claimed {
        id: JobId(id),
        run: RunId(run),
        queue: QueueName::default(),
        kind: "t".into(),
        args: "1".into(),
        counters: Counters::default(),
        pushed_at: PUSHED_AT,
        due_at: PUSHED_AT,
        timeout: None,
        max_attempts: None,
        holds: Holds::default(),
        is_new: true,
        pushed_in: pushed_in.map(Box::new),
        state: None,
        parents: None,
        trace: None,
    }
}

fn spans(sample: f64) -> Spans {
    Spans::new("00112233445566778899aabbccddeeff", sample)
}

#[test]
fn a_traceparent_is_taken_as_the_specification_has_it() {
    let table = [
        (format!("00-{TRACE}-{SPAN}-01"), Some(format!("00-{TRACE}-{SPAN}-01"))),
        (format!("00-{TRACE}-{SPAN}-00"), Some(format!("00-{TRACE}-{SPAN}-00"))),
        (format!("00-{TRACE}-{SPAN}-ff"), Some(format!("00-{TRACE}-{SPAN}-03"))),
        (format!("01-{TRACE}-{SPAN}-ff"), Some(format!("00-{TRACE}-{SPAN}-01"))),
        (format!("cc-{TRACE}-{SPAN}-01-what-comes"), Some(format!("00-{TRACE}-{SPAN}-01"))),
        (format!("cc-{TRACE}-{SPAN}-01-"), Some(format!("00-{TRACE}-{SPAN}-01"))),
        (format!("cc-{TRACE}-{SPAN}-01."), None),
        (format!("00-{TRACE}-{SPAN}-01-"), None),
        (format!("00-{TRACE}-{SPAN}-01-more"), None),
        (format!("ff-{TRACE}-{SPAN}-01"), None),
        (format!("0-{TRACE}-{SPAN}-01"), None),
        (format!("0G-{TRACE}-{SPAN}-01"), None),
        (format!("00-{}-{SPAN}-01", TRACE.to_uppercase()), None),
        (format!("00-{TRACE}-{}-01", SPAN.to_uppercase()), None),
        (format!("00-{TRACE}-{SPAN}-0A"), None),
        (format!("00-{}-{SPAN}-01", "0".repeat(32)), None),
        (format!("00-{TRACE}-{}-01", "0".repeat(16)), None),
        (format!("00-{TRACE}0-{SPAN}-01"), None),
        (format!("00-{TRACE}-{SPAN}"), None),
        (format!("00-{TRACE}-{SPAN}-1"), None),
        (format!("00-+{}-{SPAN}-01", &TRACE[1..]), None),
        (format!(" 00-{TRACE}-{SPAN}-01"), None),
        (String::new(), None),
    ];
    for (text, taken) in table {
        assert_eq!(TraceContext::new(&text, None).ok().map(|context| context.to_string()), taken, "{text}");
    }
}

#[test]
fn a_tracestate_is_a_list_of_members_and_within_its_bounds() {
    let parent = format!("00-{TRACE}-{SPAN}-01");
    let many = |count: usize| (0..count).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    for good in ["a=1", "\ta=1,\tb=2", "rojo=00f067,congo=t61 rc", "a@b=:;~ x", " a=1 , b=2 ", "1*_-/=!", &many(32), ""]
    {
        let context = TraceContext::new(&parent, Some(good)).unwrap();
        assert_eq!(context.state.as_deref().unwrap_or_default(), good.trim(), "{good}");
        assert_eq!(TraceContext::from_text(&context.to_text()), Some(context), "{good}");
    }
    let long = format!("a={}", "v".repeat(MOST_STATE_BYTES));
    let blanks = ["a=1\n", "a=\n1", "\r\na=1", "a=1,\r\nb=2", "a=1\u{a0}", "a=1,\u{2003}b=2", "a=1,\n"];
    let bad = ["a", "=1", "a=", "A=1", "a@b@c=1", "a=ü", "a=1=2", "a b=1", &many(33), &long];
    for bad in bad.into_iter().chain(blanks) {
        assert_eq!(TraceContext::new(&parent, Some(bad)), Err(TraceError::State), "{bad}");
    }
}

#[test]
fn the_first_attempt_continues_the_trace_of_the_push_and_any_other_run_begins_one_with_a_link() {
    let (soon, late) = (PUSHED_AT.plus(SOON), PUSHED_AT.plus(SOON + Duration::from_micros(1)));
    let first = spans(0.0).of(&job(7, 9, Some(context("01"))), soon).unwrap();
    assert!(first.is_child());
    assert_eq!((first.push.trace_id.to_string(), first.pushed_in.unwrap().to_string()), (TRACE.into(), SPAN.into()));
    assert_eq!(first.run.state.as_deref(), Some("a=1,b@c=2"));
    let retried = job(7, 9, Some(context("01")));
    let retried = Claimed { counters: Counters { attempts: 1, ..Counters::default() }, ..retried };
    for other in [spans(0.0).of(&job(7, 9, Some(context("01"))), late).unwrap(), spans(0.0).of(&retried, soon).unwrap()]
    {
        assert!(!other.is_child() && other.run.is_sampled());
        assert_eq!((other.push, other.run.state), (first.push.clone(), None), "what it is linked to");
    }
    // A job that was given back has had no attempt.
    let released = job(7, 10, Some(context("01")));
    let released = Claimed { counters: Counters { releases: 1, ..Counters::default() }, ..released };
    assert!(spans(0.0).of(&released, soon).unwrap().is_child());
}

#[test]
fn a_context_that_nobody_wants_to_see_stays_so() {
    for at in [PUSHED_AT, PUSHED_AT.plus(SOON * 2)] {
        let run = spans(1.0).of(&job(7, 9, Some(context("00"))), at).unwrap();
        assert!(!run.run.is_sampled() && !run.push.is_sampled());
    }
}

#[test]
fn every_span_has_an_id_of_its_own_and_keeps_it() {
    let of = |spans: Spans, id, run, context| spans.of(&job(id, run, context), PUSHED_AT).unwrap();
    let mut seen = HashSet::new();
    for n in 1..5_000 {
        let run = of(spans(1.0), n, n, Some(context("01")));
        assert_eq!(run, of(spans(0.0), n, n, Some(context("01"))));
        assert!(seen.insert(run.run.span_id.0) && seen.insert(run.push.span_id.0), "{n}");
    }
    let elsewhere = of(Spans::new("another", 0.0), 1, 1, Some(context("01")));
    assert!(!seen.contains(&elsewhere.run.span_id.0) && !seen.contains(&elsewhere.push.span_id.0));
}

#[test]
fn of_jobs_that_were_pushed_in_no_context_a_share_begins_a_trace() {
    let begin = |share: f64| (0..10_000).filter(|&n| spans(share).of(&job(n, n, None), PUSHED_AT).is_some()).count();
    assert_eq!((begin(0.0), begin(1.0)), (0, 10_000));
    assert!((2_300..2_700).contains(&begin(0.25)), "{}", begin(0.25));
    let run = spans(1.0).of(&job(7, 9, None), PUSHED_AT).unwrap();
    assert!(run.is_child() && run.run.is_sampled() && run.pushed_in.is_none());
    // Every run of a job has the same push.
    let later = spans(1.0).of(&job(7, 99, None), PUSHED_AT.plus(SOON * 2)).unwrap();
    assert_eq!((later.is_child(), &later.push), (false, &run.push));
}
