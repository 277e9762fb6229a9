//! Cases about calls of services on record: each is there once, for a day, and there are not too many.

use super::*;
use crate::model::PoolName;
use crate::model::call_log::{CallFailure, CallSample, LoggedCall, MOST_CALLS};
use crate::store::CallFilter;

const DAY: i64 = 86_400;

/// A call of which `n` is the number.
fn call(at: UnixMicros, service: &str, n: u32) -> LoggedCall {
    let call = CallSample {
        service: PoolName::new(service).unwrap(),
        method: Some(n.to_string()),
        peer: "127.0.0.1:4711".to_owned(),
        worker: Some(format!("{service}-1")),
        waited_s: Some(0.25),
        took_s: 1.5,
        error: None,
        traceparent: Some("00-a-b-01".to_owned()),
    };
    LoggedCall { at, call }
}

/// A call that no worker had.
fn refused(at: UnixMicros, service: &str) -> LoggedCall {
    let LoggedCall { call, .. } = call(at, service, 0);
    let error = Some(CallFailure { code: -32002, message: "7 calls wait".to_owned() });
    LoggedCall { at, call: CallSample { method: None, worker: None, waited_s: None, error, traceparent: None, ..call } }
}

fn op(calls: &[LoggedCall]) -> Op {
    Change::LogCalls(calls.into()).into()
}

fn found(kit: &mut Kit, filter: &CallFilter) -> Vec<String> {
    let calls = kit.records.call_log(filter).unwrap().into_iter();
    calls.map(|record| record.logged.call.method.unwrap_or_default()).collect()
}

pub(super) fn calls_are_listed_newest_first_by_filter(kit: &mut Kit) {
    let first = [call(kit.at(), "a", 1), call(kit.at(), "b", 2)];
    let later = [refused(kit.later(10), "a"), call(kit.later(20), "a", 4)];
    kit.apply(&[op(&first), op(&later)]);
    let all = CallFilter::default();
    let records = kit.records.call_log(&all).unwrap();
    let ids: Vec<i64> = records.iter().map(|record| record.id).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    let [first, second] = first;
    let [third, fourth] = later;
    assert_eq!(records.into_iter().map(|record| record.logged).collect::<Vec<_>>(), [fourth, third, second, first]);
    let of_one = CallFilter { service: Some("a".to_owned()), ..all.clone() };
    assert_eq!(found(kit, &of_one), ["4", "", "1"]);
    assert_eq!(found(kit, &CallFilter { limit: Some(1), ..of_one.clone() }), ["4"]);
    assert_eq!(found(kit, &CallFilter { before: Some(ids[1]), ..of_one.clone() }), ["1"]);
    assert_eq!(found(kit, &CallFilter { failed: true, ..of_one }), [""]);
    let since = Some(kit.later(10));
    assert_eq!(found(kit, &CallFilter { since, ..all }), ["4", ""]);
}

pub(super) fn calls_go_after_a_day_in_small_steps(kit: &mut Kit) {
    let old: Vec<LoggedCall> = (1..=5).map(|n| call(kit.at(), "a", n)).collect();
    kit.apply(&[op(&old)]);
    kit.pass(60);
    let newer = call(kit.at(), "a", 6);
    kit.apply(&[op(&[newer])]);
    kit.pass(DAY - 60);
    let keep = Keep { limit: 2, ..kit.keep_nothing() };
    assert_eq!(kit.prune(keep), 0);
    kit.pass(1);
    let steps: Vec<u64> = (0..4).map(|_| kit.prune(keep)).collect();
    assert_eq!(steps, [2, 2, 1, 0]);
    assert_eq!(found(kit, &CallFilter::default()), ["6"]);
}

pub(super) fn of_very_many_calls_the_newest_stay(kit: &mut Kit) {
    let calls: Vec<LoggedCall> = (1..=MOST_CALLS + 3).map(|n| call(kit.at(), "a", n)).collect();
    kit.apply(&[op(&calls)]);
    let keep = Keep { limit: 2, ..kit.keep_nothing() };
    let steps: Vec<u64> = (0..3).map(|_| kit.prune(keep)).collect();
    assert_eq!(steps, [2, 1, 0]);
    let left = found(kit, &CallFilter::default());
    assert_eq!((left.len(), left.last().map(String::as_str)), (MOST_CALLS as usize, Some("4")));
}
