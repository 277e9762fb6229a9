//! Waiting: its order and its bounds, and workers that come, drain and go.

use super::*;

fn short_queue(max_queue: u32) -> ServiceSettings {
    ServiceSettings { max_queue, ..ServiceSettings::default() }
}

#[test]
fn calls_are_answered_in_order_of_arrival() {
    let mut bench = Bench::plain(1, ServiceSettings::default());
    for id in 1..=3 {
        bench.any(id);
    }
    bench.says(&["send 1 to 1 as 1"]);
    bench.answer(1, 1, &json!(10));
    bench.says(&["reply 1: 10", "send 2 to 1 as 2"]);
    bench.fail(1, 2);
    bench.says(&["refuse 2: -1", "send 3 to 1 as 3"]);
    assert_eq!(bench.calls.calls_done(WorkerId(1)), 2);
}

#[test]
fn a_full_queue_refuses_at_once() {
    let mut bench = Bench::plain(1, short_queue(2));
    for id in 1..=3 {
        bench.any(id);
    }
    bench.pass(2 * SECOND);
    bench.said();
    bench.any(4);
    let error = bench.refused(4);
    assert_eq!(error.code, code::QUEUE_FULL);
    let text = "2 calls wait for a worker of `calc` and `max_queue` is 2; call again later, raise it or add workers";
    assert_eq!(error.message, text);
    assert_eq!(error.data, Some(json!({ "retry_after_s": 2.0 })));
    bench.answer(1, 1, &json!(null));
    bench.says(&["reply 1: null", "send 2 to 1 as 2"]);
    bench.any(5);
    bench.says(&[]);
}

#[test]
fn a_queue_of_none_still_uses_free_workers() {
    let mut bench = Bench::plain(1, short_queue(0));
    bench.any(1);
    bench.any(2);
    bench.says(&["send 1 to 1 as 1", "refuse 2: -32002"]);
}

#[test]
fn a_call_waits_no_longer_than_it_may() {
    let mut bench = Bench::plain(1, ServiceSettings { max_queue_time: 5 * SECOND, ..ServiceSettings::default() });
    bench.any(1);
    bench.any(2);
    bench.pass(4 * SECOND);
    bench.any(3);
    bench.says(&["send 1 to 1 as 1"]);
    bench.pass(SECOND);
    let error = bench.refused(2);
    assert_eq!(error.code, code::QUEUE_FULL);
    assert_eq!(error.message, "no worker of `calc` was free for 5s (`max_queue_time`); 2 calls wait");
    bench.answer(1, 1, &json!(1));
    bench.says(&["reply 1: 1", "send 3 to 1 as 2"]);
}

#[test]
fn a_caller_that_left_is_taken_out_of_the_queue() {
    let mut bench = Bench::plain(1, short_queue(1));
    bench.any(1);
    bench.any(2);
    bench.event(CallEvent::Left(CallId(2)));
    bench.any(3);
    bench.answer(1, 1, &json!(1));
    bench.says(&["send 1 to 1 as 1", "reply 1: 1", "send 3 to 1 as 2"]);
}

#[test]
fn a_worker_that_is_not_ready_gets_no_call() {
    let mut bench = Bench::new(ServiceSettings::default(), &json!({}));
    bench.any(1);
    bench.event(CallEvent::Started { worker: WorkerId(1), pool: pool(), slot: Slot(1) });
    bench.says(&["no worker of calc"]);
    bench.ready(1);
    bench.says(&["send 1 to 1 as 1"]);
    assert_eq!(bench.calls.service(&pool()).expect("a service").ready, 1);
}

#[test]
fn a_worker_takes_as_many_calls_as_it_says() {
    let mut bench = Bench::new(ServiceSettings { concurrency: 2, ..ServiceSettings::default() }, &json!({}));
    bench.start(1, 1);
    for id in 1..=3 {
        bench.any(id);
    }
    bench.says(&["send 1 to 1 as 1", "send 2 to 1 as 2"]);
    bench.declared.concurrency = Some(3);
    bench.ready(1);
    bench.says(&["send 3 to 1 as 3"]);
    bench.declared.concurrency = Some(0);
    bench.start(2, 2);
    bench.any(4);
    bench.any(5);
    bench.says(&["send 4 to 2 as 4"]);
}

#[test]
fn a_worker_that_drains_gets_no_new_call_and_says_when_it_has_none() {
    let mut bench = Bench::plain(2, ServiceSettings::default());
    bench.any(1);
    bench.any(2);
    bench.says(&["send 1 to 1 as 1", "send 2 to 2 as 2"]);
    bench.any(3);
    bench.drain(1);
    bench.says(&[]);
    bench.answer(1, 1, &json!(1));
    bench.says(&["reply 1: 1", "drained 1"]);
    bench.gone(1);
    bench.answer(2, 2, &json!(2));
    bench.says(&["reply 2: 2", "send 3 to 2 as 3"]);
    bench.drain(2);
    bench.drain(2);
    bench.answer(2, 3, &json!(3));
    bench.drain(2);
    bench.says(&["reply 3: 3", "drained 2"]);
}

#[test]
fn a_restart_of_every_worker_loses_no_call() {
    let mut bench = Bench::plain(4, ServiceSettings::default());
    let mut called = 0;
    let mut replies = 0;
    let mut running = Vec::new();
    let mut settle = |bench: &mut Bench, running: &mut Vec<(i64, u64)>| {
        for action in std::mem::take(&mut bench.out) {
            match action {
                CallAction::Send { worker, request, .. } => running.push((worker.0, request)),
                CallAction::Reply { answer: Ok(_), .. } => replies += 1,
                CallAction::Drained(worker) => bench.gone(worker.0),
                other => panic!("{}", line(&other)),
            }
        }
    };
    for old in 1..=4 {
        for _ in 0..5 {
            called += 1;
            bench.any(called);
        }
        bench.start(10 + old, old as u32);
        settle(&mut bench, &mut running);
        bench.drain(old);
        while let Some((worker, request)) = running.pop() {
            bench.answer(worker, request, &json!(null));
            settle(&mut bench, &mut running);
        }
    }
    assert_eq!((called, replies), (20, 20));
    assert_eq!(bench.calls.service(&pool()).expect("a service").ready, 4);
}

#[test]
fn nothing_is_taken_while_stopping_and_what_waits_is_served_as_long_as_there_are_workers() {
    let mut bench = Bench::plain(1, ServiceSettings::default());
    for id in 1..=3 {
        bench.any(id);
    }
    bench.event(CallEvent::Stop);
    bench.any(4);
    bench.says(&["send 1 to 1 as 1", "refuse 4: -32006"]);
    bench.answer(1, 1, &json!(1));
    bench.says(&["reply 1: 1", "send 2 to 1 as 2"]);
    bench.drain(1);
    bench.says(&["refuse 3: -32006"]);
    bench.answer(1, 2, &json!(2));
    bench.says(&["reply 2: 2", "drained 1"]);
}

#[test]
fn calls_of_a_pool_that_is_gone_are_refused() {
    let mut bench = Bench::plain(1, ServiceSettings::default());
    bench.any(1);
    bench.any(2);
    bench.event(CallEvent::Forgotten(pool()));
    bench.says(&["send 1 to 1 as 1", "refuse 1: -32006", "refuse 2: -32006"]);
    bench.answer(1, 1, &json!(1));
    bench.gone(1);
    bench.any(3);
    assert_eq!(bench.refused(3).message, "there is no service `calc`");
    assert_eq!((bench.calls.next_deadline(), bench.calls.loads(bench.now).len()), (None, 0));
}

#[test]
fn a_lower_concurrency_takes_no_call_back() {
    let mut bench = Bench::plain(1, ServiceSettings { concurrency: 2, ..ServiceSettings::default() });
    bench.any(1);
    bench.any(2);
    let settings = ServiceSettings { concurrency: 1, ..bench.settings.clone() };
    bench.event(CallEvent::Settings(pool(), Box::new(settings)));
    bench.any(3);
    bench.answer(1, 1, &json!(1));
    bench.says(&["send 1 to 1 as 1", "send 2 to 1 as 2", "reply 1: 1"]);
    bench.answer(1, 2, &json!(2));
    bench.says(&["reply 2: 2", "send 3 to 1 as 3"]);
}
