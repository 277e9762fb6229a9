//! The calls that go on record.

use super::*;
use crate::model::call_log::{CallFailure, MOST_A_MINUTE};
use crate::model::service::code;

#[test]
fn a_call_goes_on_record_if_it_failed_or_was_slow() {
    let mut bench = Bench::plain(1, ServiceSettings { slow_call: 2 * SECOND, ..ServiceSettings::default() });
    bench.any(1);
    bench.pass(Duration::from_micros(1_999_999));
    bench.answer(1, 1, &json!("in time"));
    assert_eq!(bench.logged, []);
    bench.any(2);
    bench.any(3);
    bench.pass(SECOND);
    bench.fail(1, 2);
    bench.pass(SECOND);
    bench.answer(1, 3, &json!("slow"));
    let [failed, slow] = &bench.logged[..] else { panic!("{:?}", bench.logged) };
    let error = CallFailure { code: -1, message: "division by zero".to_owned() };
    assert_eq!(failed.error.as_ref(), Some(&error));
    assert_eq!((failed.took_s, failed.waited_s, failed.worker.as_deref()), (1.0, Some(0.0), Some("calc-1")));
    assert_eq!((slow.took_s, slow.waited_s, &slow.error), (2.0, Some(1.0), &None));
    assert_eq!((slow.method.as_deref(), slow.peer.as_str()), (Some("do"), "127.0.0.1"));
}

#[test]
fn calls_that_no_worker_had_are_on_record_as_well() {
    let settings = ServiceSettings { max_queue: 1, max_queue_time: 3 * SECOND, ..ServiceSettings::default() };
    let mut bench = Bench::with(1, settings, &json!({ "do": {} }));
    bench.any(1);
    bench.any(2);
    bench.any(3);
    let long = "x".repeat(1000) + "é";
    bench.call(4, &long, &json!([]));
    bench.pass(3 * SECOND);
    let seen: Vec<_> = bench
        .logged
        .iter()
        .map(|call| (call.error.as_ref().map(|error| error.code), call.waited_s, call.worker.as_deref()))
        .collect();
    let refused = |code| (Some(code), None, None);
    assert_eq!(seen, [refused(code::QUEUE_FULL), refused(code::NO_SUCH_METHOD), refused(code::QUEUE_FULL)]);
    assert_eq!(bench.logged[1].method.as_ref().map(String::len), Some(200));
}

#[test]
fn of_many_failed_calls_some_go_on_record_each_minute_and_slow_ones_keep_their_place() {
    let mut bench =
        Bench::with(1, ServiceSettings { slow_call: SECOND, ..ServiceSettings::default() }, &json!({ "do": {} }));
    for id in 0..1000 {
        bench.call(id, "nothing", &json!([]));
    }
    assert_eq!(bench.logged.len(), MOST_A_MINUTE as usize / 2);
    bench.any(1000);
    bench.pass(SECOND);
    bench.answer(1, 1, &json!("slow"));
    assert_eq!(bench.logged.len(), MOST_A_MINUTE as usize / 2 + 1);
    bench.pass(60 * SECOND);
    for id in 1001..2000 {
        bench.call(id, "nothing", &json!([]));
    }
    assert_eq!(bench.logged.len(), MOST_A_MINUTE as usize + 1);
    // A share for each service.
    bench.event(CallEvent::Settings(PoolName::new("other").unwrap(), Box::default()));
    bench.pass(60 * SECOND);
    bench.logged.clear();
    for id in 2001..3000 {
        bench.call(id, "nothing", &json!([]));
    }
    assert_eq!(bench.logged.len(), MOST_A_MINUTE as usize / 4);
}
