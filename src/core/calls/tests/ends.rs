//! Calls that do not go well: deadlines, callers that leave, deaths, and the circuit.

use super::*;
use crate::model::service::Circuit;

fn many(concurrency: u32) -> ServiceSettings {
    ServiceSettings { concurrency, ..ServiceSettings::default() }
}

#[test]
fn a_worker_past_its_timeout_is_ended() {
    let mut bench = Bench::plain(1, ServiceSettings { timeout: 3 * SECOND, ..ServiceSettings::default() });
    bench.any(1);
    bench.any(2);
    bench.pass(2 * SECOND);
    bench.says(&["send 1 to 1 as 1"]);
    bench.pass(SECOND);
    assert_eq!(bench.out.iter().map(line).collect::<Vec<_>>(), ["cancel 1 of 1", "refuse 1: -32001", "replace 1"]);
    assert_eq!(bench.refused(1).message, "a worker of `calc` did not answer in 3s (`timeout`)");
    bench.answer(1, 1, &json!("late"));
    bench.says(&[]);
    bench.start(2, 1);
    bench.says(&["send 2 to 2 as 2"]);
}

#[test]
fn a_worker_with_other_calls_has_five_seconds_to_answer_one_that_timed_out() {
    let methods = json!({ "slow": { "timeout_s": 60 }, "fast": { "timeout_s": 1 } });
    for answers in [true, false] {
        let mut bench = Bench::with(1, many(2), &methods);
        bench.call(1, "slow", &json!([]));
        bench.call(2, "fast", &json!([]));
        bench.said();
        bench.pass(SECOND);
        bench.says(&["cancel 2 of 1", "refuse 2: -32001"]);
        if answers {
            bench.fail(1, 2);
            bench.pass(10 * SECOND);
            bench.says(&[]);
            bench.call(3, "fast", &json!([]));
            bench.says(&["send 3 to 1 as 3"]);
        } else {
            bench.pass(5 * SECOND);
            bench.says(&["replace 1"]);
            bench.answer(1, 1, &json!("in time"));
            bench.says(&["reply 1: \"in time\""]);
        }
    }
}

#[test]
fn the_deadline_of_a_caller_ends_the_call_but_not_the_worker() {
    let mut bench = Bench::plain(1, ServiceSettings::default());
    let soon = Some(bench.now + SECOND);
    bench.call_as(1, "do", &json!([]), |call| call.deadline = soon);
    bench.call_as(2, "do", &json!([]), |call| call.deadline = soon);
    assert!(matches!(bench.out[0], CallAction::Send { deadline, .. } if Some(deadline) == soon));
    bench.said();
    bench.pass(SECOND);
    bench.says(&["cancel 1 of 1", "refuse 1: -32001", "refuse 2: -32001"]);
    bench.any(3);
    bench.call_as(4, "do", &json!([]), |call| call.deadline = soon);
    bench.says(&["refuse 4: -32001"]);
    bench.answer(1, 1, &json!("late"));
    bench.says(&["send 3 to 1 as 2"]);
}

#[test]
fn a_worker_that_goes_on_for_nobody_is_ended_after_its_timeout() {
    let mut bench = Bench::plain(1, ServiceSettings { timeout: 3 * SECOND, ..ServiceSettings::default() });
    bench.any(1);
    bench.event(CallEvent::Left(CallId(1)));
    bench.event(CallEvent::Left(CallId(1)));
    bench.says(&["send 1 to 1 as 1", "cancel 1 of 1"]);
    bench.pass(3 * SECOND);
    bench.says(&["replace 1"]);
    bench.drain(1);
    bench.says(&["drained 1"]);
}

#[test]
fn a_call_is_refused_at_once_when_its_worker_dies() {
    let mut bench = Bench::plain(2, ServiceSettings::default());
    for id in 1..=3 {
        bench.any(id);
    }
    bench.said();
    bench.gone(1);
    let error = bench.refused(1);
    assert_eq!(error.code, code::WORKER_DIED);
    assert_eq!(error.message, "a worker of `calc` died in the call: exit code 1");
    bench.answer(1, 1, &json!("late"));
    bench.answer(2, 2, &json!(2));
    bench.says(&["reply 2: 2", "send 3 to 2 as 3"]);
}

#[test]
fn an_idempotent_call_is_tried_once_more_by_another_worker() {
    let methods = json!({ "read": { "idempotent": true }, "write": {} });
    let mut bench = Bench::with(2, ServiceSettings::default(), &methods);
    bench.call(1, "read", &json!([]));
    bench.call(2, "write", &json!([]));
    bench.call(3, "write", &json!([]));
    bench.says(&["send 1 to 1 as 1", "send 2 to 2 as 2"]);
    bench.gone(1);
    bench.says(&[]);
    bench.gone(2);
    bench.says(&["refuse 2: -32005"]);
    bench.start(3, 1);
    bench.says(&["send 1 to 3 as 3"]);
    bench.gone(3);
    bench.says(&["refuse 1: -32005"]);
}

fn with_circuit(probes: u32) -> Bench {
    let circuit = Some(Circuit { failures: 2, open: 10 * SECOND, probes });
    Bench::plain(1, ServiceSettings { circuit, ..ServiceSettings::default() })
}

#[test]
fn deaths_in_a_row_open_the_circuit_and_probes_close_it() {
    let mut bench = with_circuit(2);
    bench.gone(1);
    bench.start(2, 1);
    bench.any(1);
    bench.answer(2, 1, &json!(1));
    bench.gone(2);
    bench.any(2);
    bench.says(&["send 1 to 2 as 1", "reply 1: 1", "no worker of calc"]);
    bench.gone(9);
    bench.start(3, 1);
    bench.says(&["send 2 to 3 as 2"]);
    bench.any(3);
    bench.gone(3);
    bench.says(&["refuse 2: -32005", "refuse 3: -32004"]);
    bench.start(4, 1);
    bench.pass(4 * SECOND);
    bench.any(4);
    let error = bench.refused(4);
    assert_eq!((error.code, error.data), (code::CIRCUIT_OPEN, Some(json!({ "retry_after_s": 6.0 }))));
    bench.pass(6 * SECOND);
    for id in 5..=7 {
        bench.any(id);
    }
    bench.says(&["send 5 to 4 as 3", "refuse 7: -32004"]);
    bench.answer(4, 3, &json!(5));
    bench.fail(4, 4);
    bench.any(8);
    bench.says(&["reply 5: 5", "send 6 to 4 as 4", "refuse 6: -1", "send 8 to 4 as 5"]);
}

#[test]
fn a_probe_that_fails_opens_the_circuit_again_and_one_that_leaves_is_given_back() {
    let mut bench = with_circuit(1);
    bench.gone(1);
    bench.start(2, 1);
    bench.gone(2);
    bench.pass(10 * SECOND);
    bench.any(1);
    bench.any(2);
    bench.event(CallEvent::Left(CallId(1)));
    bench.start(3, 1);
    bench.any(3);
    bench.says(&["no worker of calc", "refuse 2: -32004", "send 3 to 3 as 1"]);
    bench.pass(30 * SECOND);
    bench.says(&["cancel 1 of 3", "refuse 3: -32001", "replace 3"]);
    bench.any(4);
    bench.says(&["refuse 4: -32004"]);
}

#[test]
fn errors_of_the_method_and_deaths_that_were_asked_for_open_no_circuit() {
    let mut bench = with_circuit(1);
    for round in 0..5 {
        bench.any(round as u64);
        bench.fail(round + 1, round as u64 + 1);
        bench.drain(round + 1);
        bench.gone(round + 1);
        bench.start(round + 2, 1);
    }
    bench.said();
    bench.any(9);
    bench.says(&["send 9 to 6 as 6"]);
}
