//! What a worker declares is followed: methods, arguments, answers that are kept, rate limits, and what is counted.

use super::*;

fn calc(methods: &Value) -> Bench {
    Bench::with(2, ServiceSettings::default(), methods)
}

#[test]
fn a_method_that_there_is_not_is_refused_with_those_that_there_are() {
    let mut bench = calc(&json!({ "add": {}, "sub": {}, "secret": { "public": false } }));
    bench.call(1, "mul", &json!([]));
    let error = bench.refused(1);
    assert_eq!(
        (error.code, &*error.message),
        (code::NO_SUCH_METHOD, "`calc` has no method `mul`; it has `add`, `sub`")
    );
    bench.call(2, "ad", &json!([]));
    assert_eq!(bench.refused(2).message, "`calc` has no method `ad`; did you mean `add`?");
    bench.call_as(3, "", &json!([]), |call| call.method = None);
    assert_eq!(bench.refused(3).message, "the call of `calc` names no method; it has `add`, `sub`");
    bench.call(4, "secre", &json!([]));
    assert_eq!(bench.refused(4).message, "`calc` has no method `secre`; it has `add`, `sub`");
    bench.call(5, &"x".repeat(1 << 20), &json!([]));
    assert_eq!(bench.refused(5).code, code::NO_SUCH_METHOD);
    assert!(bench.stats().methods.keys().eq(["other"]));
    let view = bench.calls.service(&pool()).expect("a service");
    assert_eq!(view.methods(true).map(|(name, _)| name).collect::<Vec<_>>(), ["add", "sub"]);
    assert_eq!(view.methods(false).count(), 3);
}

#[test]
fn a_method_that_is_not_public_is_there_for_pools_only() {
    let mut bench = calc(&json!({ "secret": { "public": false } }));
    bench.call(1, "secret", &json!([]));
    assert_eq!(bench.refused(1).message, "`calc` has no method `secret`");
    bench.call_as(2, "secret", &json!([]), |call| call.is_outside = false);
    bench.says(&["send 2 to 1 as 1"]);
}

#[test]
fn a_service_that_there_is_not_is_refused() {
    let mut bench = calc(&json!({}));
    bench.call_as(1, "add", &json!([]), |call| call.pool = PoolName::new("cal").expect("a name"));
    let error = bench.refused(1);
    assert_eq!(
        (error.code, &*error.message),
        (code::NO_SUCH_METHOD, "there is no service `cal`; did you mean `calc`?")
    );
}

#[test]
fn a_service_that_declares_no_methods_gets_everything() {
    let mut bench = calc(&json!({}));
    bench.call_as(1, "", &json!("anything"), |call| call.method = None);
    bench.call_as(2, "", &json!(0), |call| {
        call.method = None;
        call.body = Some(Body::Raw((*b"\xff\x00").into()));
    });
    bench.says(&["send 1 to 1 as 1", "send 2 to 2 as 2"]);
}

#[test]
fn calls_that_come_before_the_first_worker_is_ready_are_checked_then() {
    let methods = json!({ "add": { "rate_limit": { "limit": 1 }, "cache": { "ttl_s": 9 } } });
    let mut bench = Bench::new(ServiceSettings::default(), &methods);
    bench.call(1, "sub", &json!([]));
    bench.call(2, "add", &json!([1]));
    bench.call(3, "add", &json!([2]));
    bench.says(&["no worker of calc"]);
    bench.start(1, 1);
    bench.says(&["refuse 1: -32601", "send 2 to 1 as 1", "refuse 3: -32003"]);
}

#[test]
fn wrong_arguments_are_refused_with_their_place_and_what_was_expected() {
    let pair = json!({ "type": "array", "items": { "type": "number" }, "minItems": 2 });
    let mut bench = calc(&json!({ "add": { "params": pair } }));
    bench.call(1, "add", &json!([5, "3"]));
    let error = bench.refused(1);
    assert_eq!(error.code, code::WRONG_PARAMS);
    assert_eq!(error.message, "`add`: `/1` must be a number, not a string");
    assert_eq!(error.data, Some(json!({ "path": "/1", "expected": "a number" })));
    bench.call(2, "add", &json!([5]));
    assert_eq!(bench.refused(2).message, "`add`: the arguments must be at least 2 items long, not 1");
    bench.call_as(3, "add", &json!([]), |call| call.body = Some(Body::Raw((*b"5 3").into())));
    assert_eq!(bench.refused(3).message, "the arguments must be JSON");
    bench.call(4, "add", &json!([5, 3]));
    bench.says(&["send 4 to 1 as 1"]);
}

#[test]
fn a_method_that_takes_an_object_gets_an_empty_one_where_no_arguments_are_given_and_another_an_empty_list() {
    let methods = json!({
        "add": { "params": { "type": "array", "minItems": 1 } },
        "find": { "params": { "properties": { "name": { "type": "string" } }, "required": ["name"] } },
    });
    let mut bench = calc(&methods);
    bench.call_as(1, "add", &json!(0), |call| call.body = None);
    assert_eq!(bench.refused(1).message, "`add`: the arguments must be at least 1 items long, not 0");
    bench.call_as(2, "find", &json!(0), |call| call.body = None);
    assert_eq!(bench.refused(2).message, "`find`: `/name` is missing");
}

#[test]
fn nesting_without_end_is_refused_where_it_is_looked_into_and_passed_on_where_it_is_not() {
    let mut bench = calc(&json!({ "checked": { "params": { "type": "array" } }, "free": {} }));
    let text = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let deep = Some(Body::Json(serde_json::value::RawValue::from_string(text).expect("JSON").into()));
    bench.call_as(1, "checked", &json!(0), |call| call.body = deep.clone());
    let error = bench.refused(1);
    assert_eq!(
        (error.code, &*error.message),
        (code::WRONG_PARAMS, "the arguments are nested more than 100 levels deep")
    );
    bench.call_as(2, "free", &json!(0), |call| call.body = deep.clone());
    bench.says(&["send 2 to 1 as 1"]);
    let brackets = json!([["[".repeat(10_000), "\\\"[".repeat(1000)]]);
    bench.call(3, "checked", &brackets);
    bench.says(&["send 3 to 2 as 2"]);
}

#[test]
fn what_is_declared_and_not_understood_is_told_and_refuses_nothing() {
    let methods = json!({ "add": {
        "params": { "type": "array", "contains": {} },
        "cache": { "ttl_s": -1 }, "rate_limit": { "limit": 1, "per_s": 0 }, "timeout_s": 1e300,
    } });
    let mut bench = Bench::new(ServiceSettings::default(), &methods);
    bench.start(1, 1);
    bench.says(&["warn of 1: `params` of `add`: `/contains` is not checked; \
                  `timeout_s` of `add` makes no sense and is not followed; \
                  `cache` of `add` makes no sense and is not followed; \
                  `rate_limit` of `add` makes no sense and is not followed"]);
    bench.start(2, 2);
    bench.call(1, "add", &json!([]));
    bench.call(2, "add", &json!([]));
    bench.says(&["send 1 to 1 as 1", "send 2 to 2 as 2"]);
}

fn cached() -> Bench {
    calc(&json!({ "fib": { "cache": { "ttl_s": 60, "max": 2 } } }))
}

#[test]
fn a_cached_method_is_called_once() {
    let mut bench = cached();
    bench.call(1, "fib", &json!({ "n": 30, "m": 1 }));
    // While it is answered, and in another order of members.
    bench.call_as(2, "fib", &json!(0), |call| {
        let text = r#"{"m": 1,   "n":30}"#.to_owned();
        call.body = Some(Body::Json(serde_json::value::RawValue::from_string(text).expect("JSON").into()));
    });
    bench.says(&["send 1 to 1 as 1"]);
    bench.answer(1, 1, &json!(832_040));
    bench.says(&["reply 1: 832040", "reply 2: 832040"]);
    bench.call(3, "fib", &json!({ "m": 1, "n": 30 }));
    bench.says(&["reply 3: 832040"]);
    let stats = &bench.stats().methods["fib"];
    assert_eq!((stats.requests, stats.cache_hits, stats.errors), (3, 2, 0));
    bench.pass(60 * SECOND);
    bench.call(4, "fib", &json!({ "m": 1, "n": 30 }));
    bench.says(&["send 4 to 2 as 2"]);
}

#[test]
fn errors_are_not_kept_and_go_to_all_who_wait_for_the_same() {
    let mut bench = cached();
    bench.call(1, "fib", &json!(1));
    bench.call(2, "fib", &json!(1));
    bench.fail(1, 1);
    bench.says(&["send 1 to 1 as 1", "refuse 1: -1", "refuse 2: -1"]);
    bench.call(3, "fib", &json!(1));
    bench.says(&["send 3 to 2 as 2"]);
}

#[test]
fn numbers_of_many_digits_are_told_apart() {
    let mut bench = cached();
    for (id, text) in [(1, "12345678901234567890123"), (2, "12345678901234567890124")] {
        let body = serde_json::value::RawValue::from_string(text.to_owned()).expect("JSON");
        bench.call_as(id, "fib", &json!(0), |call| call.body = Some(Body::Json(body.into())));
    }
    bench.says(&["send 1 to 1 as 1", "send 2 to 2 as 2"]);
}

#[test]
fn a_call_that_others_follow_is_not_lost_with_its_caller() {
    let mut bench = cached();
    let soon = Some(bench.now + SECOND);
    bench.call_as(1, "fib", &json!(1), |call| call.deadline = soon);
    bench.call(2, "fib", &json!(1));
    bench.call(3, "fib", &json!(1));
    bench.event(CallEvent::Left(CallId(3)));
    bench.pass(SECOND);
    bench.says(&["send 1 to 1 as 1", "refuse 1: -32001"]);
    bench.call(4, "fib", &json!(1));
    bench.event(CallEvent::Left(CallId(2)));
    bench.says(&[]);
    bench.answer(1, 1, &json!(1));
    bench.says(&["reply 4: 1"]);
    // The same in the queue.
    bench.call(5, "fib", &json!(5));
    bench.call(6, "fib", &json!(6));
    bench.call(7, "fib", &json!(7));
    bench.call(8, "fib", &json!(7));
    bench.event(CallEvent::Left(CallId(7)));
    bench.says(&["send 5 to 2 as 2", "send 6 to 1 as 3"]);
    bench.answer(2, 2, &json!(5));
    bench.says(&["reply 5: 5", "send 8 to 2 as 4"]);
    bench.event(CallEvent::Left(CallId(8)));
    bench.says(&["cancel 4 of 2"]);
}

#[test]
fn the_number_of_calls_that_wait_for_the_same_answer_is_bounded() {
    let methods = json!({ "fib": { "cache": { "ttl_s": 60 } } });
    let mut bench = Bench::with(1, ServiceSettings { max_queue: 2, ..ServiceSettings::default() }, &methods);
    for id in 1..=4 {
        bench.call(id, "fib", &json!(1));
    }
    bench.says(&["send 1 to 1 as 1", "refuse 4: -32002"]);
    assert_eq!(bench.load().waiting, 2);
    bench.gone(1);
    bench.says(&["refuse 1: -32005", "refuse 2: -32005", "refuse 3: -32005"]);
}

#[test]
fn a_new_version_answers_anew_and_keeps_the_rate_limits() {
    let methods = json!({ "fib": { "cache": { "ttl_s": 60 }, "rate_limit": { "limit": 3, "per_s": 60 } } });
    let mut bench = calc(&methods);
    bench.call(1, "fib", &json!(1));
    bench.answer(1, 1, &json!("old"));
    bench.start(3, 1);
    bench.call(2, "fib", &json!(1));
    bench.says(&["send 1 to 1 as 1", "reply 1: \"old\"", "reply 2: \"old\""]);
    bench.declared.version = Some("2".into());
    bench.start(4, 2);
    bench.call(3, "fib", &json!(1));
    bench.call(4, "fib", &json!(1));
    bench.says(&["send 3 to 2 as 2", "refuse 4: -32003"]);
}

#[test]
fn a_rate_limit_counts_for_each_key() {
    let limit = json!({ "limit": 2, "per_s": 10, "key": "/user" });
    let mut bench = Bench::with(9, ServiceSettings::default(), &json!({ "mail": { "rate_limit": limit } }));
    for (id, user) in [(1, "ann"), (2, "ann"), (3, "bob"), (4, "ann")] {
        bench.call(id, "mail", &json!({ "user": user }));
    }
    let error = bench.refused(4);
    assert_eq!((error.code, error.data), (code::RATE_LIMITED, Some(json!({ "retry_after_s": 5.0 }))));
    bench.pass(5 * SECOND);
    bench.call(5, "mail", &json!({ "user": "ann" }));
    assert_eq!(bench.sent().len(), 1);
}

#[test]
fn calls_are_counted_by_method_with_their_times() {
    let mut bench = calc(&json!({ "add": { "timeout_s": 2 } }));
    for id in 1..=3 {
        bench.call(id, "add", &json!([]));
    }
    let load = bench.load();
    assert_eq!((load.waiting, load.running, load.busy, load.arrived), (1, 2, 2, 3));
    bench.pass(SECOND);
    let load = bench.load();
    assert_eq!((load.oldest_s, load.running_for_s), (Some(1.0), 2.0));
    bench.answer(1, 1, &json!(1));
    bench.fail(2, 2);
    bench.pass(2 * SECOND);
    let load = bench.load();
    assert_eq!((load.calls, load.errors, load.arrived, load.ended, load.took_s), (3, 2, 3, 2, 2.0));
    let stats = bench.stats();
    let add = stats.methods["add"].shown(bench.now);
    assert_eq!((add.requests, add.errors), (3, 2));
    assert!(add.p50_ms.is_some_and(|p50| (980.0..=1020.0).contains(&p50)), "{add:?}");
    assert!(stats.waits.sketch.quantile(0.99).is_some_and(|p99| (980_000.0..=1_020_000.0).contains(&p99)), "{stats:?}");
    assert_eq!(stats.refused, [(code::TIMED_OUT, 1)].into());
}

#[test]
fn times_and_rates_that_are_shown_are_those_of_the_last_minutes() {
    let mut bench = calc(&json!({ "add": {} }));
    for id in 1..=60 {
        bench.call(id, "add", &json!([]));
        let worker = bench.sent()[0];
        bench.pass(SECOND);
        bench.answer(worker, id, &json!(1));
        if id == 10 {
            // Nine seconds after the first.
            let per_s = bench.stats().methods["add"].shown(bench.now).per_s;
            assert!((1.0..=1.2).contains(&per_s), "{per_s}");
        }
    }
    let add = |bench: &Bench| bench.stats().methods["add"].shown(bench.now);
    assert!((0.9..=1.1).contains(&add(&bench).per_s), "{:?}", add(&bench));
    bench.pass(200 * SECOND);
    assert_eq!((add(&bench).per_s, add(&bench).p50_ms.is_some()), (0.0, true));
    bench.pass(200 * SECOND);
    assert_eq!((add(&bench).requests, add(&bench).p50_ms), (60, None));
}

#[test]
fn a_call_that_waits_where_there_is_no_worker_is_told_once_and_counted_once_however_it_is_checked() {
    let mut bench = Bench::new(ServiceSettings::default(), &json!({ "do": {} }));
    bench.any(1);
    bench.any(2);
    bench.says(&["no worker of calc"]);
    assert_eq!((bench.load().waiting, bench.load().arrived), (2, 2));
    bench.start(1, 1);
    bench.says(&["send 1 to 1 as 1"]);
    assert_eq!(bench.load().arrived, 2);
}

#[test]
fn methods_are_counted_by_name_up_to_two_hundred() {
    let mut bench = Bench::plain(1, ServiceSettings { max_queue: 0, ..ServiceSettings::default() });
    for id in 0..500 {
        bench.call(id, &format!("method-{id}"), &json!([]));
    }
    let stats = bench.stats();
    assert_eq!(stats.methods.len(), 201);
    assert_eq!(stats.methods["other"].requests, 299);
}
