//! Which worker gets a call.

use std::collections::BTreeMap;

use super::*;
use crate::model::service::{StickyKey, Strategy};

fn by(strategy: Strategy, concurrency: u32) -> ServiceSettings {
    ServiceSettings { strategy, concurrency, ..ServiceSettings::default() }
}

fn answer_all(bench: &mut Bench, requests: std::ops::RangeInclusive<u64>, worker: impl Fn(u64) -> i64) {
    for request in requests {
        bench.answer(worker(request), request, &json!(null));
    }
    bench.out.clear();
}

#[test]
fn the_least_loaded_worker_is_the_one_with_the_fewest_calls_for_its_concurrency() {
    let mut bench = Bench::plain(1, by(Strategy::LeastLoaded, 4));
    bench.declared.concurrency = Some(2);
    bench.start(2, 2);
    for id in 1..=6 {
        bench.any(id);
    }
    let mut sent = bench.sent();
    sent.sort_unstable();
    assert_eq!(sent, [1, 1, 1, 1, 2, 2]);
    bench.answer(1, 1, &json!(1));
    bench.any(7);
    assert_eq!(bench.sent(), [1]);
}

#[test]
fn idle_workers_take_turns() {
    for strategy in [Strategy::LeastLoaded, Strategy::RoundRobin] {
        let mut bench = Bench::plain(3, by(strategy, 1));
        let mut sent = Vec::new();
        for id in 1..=6 {
            bench.any(id);
            let worker = bench.sent()[0];
            bench.answer(worker, id, &json!(null));
            sent.push(worker);
        }
        assert_eq!(sent, [1, 2, 3, 1, 2, 3]);
    }
}

#[test]
fn turns_pass_over_workers_without_room() {
    let mut bench = Bench::plain(3, by(Strategy::RoundRobin, 2));
    for id in 1..=6 {
        bench.any(id);
    }
    assert_eq!(bench.sent(), [1, 2, 3, 1, 2, 3]);
    bench.answer(2, 2, &json!(null));
    bench.any(7);
    assert_eq!(bench.sent(), [2]);
}

#[test]
fn random_calls_reach_all_workers_alike_and_two_choices_keep_the_load_even() {
    let mut loads = Vec::new();
    for strategy in [Strategy::Random, Strategy::TwoChoices] {
        let mut bench = Bench::plain(10, by(strategy, 1000));
        for id in 1..=1000 {
            bench.any(id);
        }
        let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
        for worker in bench.sent() {
            *counts.entry(worker).or_default() += 1;
        }
        assert_eq!(counts.len(), 10);
        assert!(counts.values().all(|count| (60..=140).contains(count)), "{counts:?}");
        loads.push(counts.values().max().copied().unwrap_or_default());
    }
    assert!(loads[1] < loads[0], "{loads:?}");
}

#[test]
fn the_fastest_worker_gets_most_calls_and_the_others_are_tried_now_and_then() {
    let mut bench = Bench::plain(3, by(Strategy::Fastest, 1));
    let mut counts: BTreeMap<i64, u64> = BTreeMap::new();
    for id in 1..=1000 {
        bench.any(id);
        let worker = bench.sent()[0];
        *counts.entry(worker).or_default() += 1;
        bench.pass(Duration::from_millis(if worker == 2 { 1 } else { 20 }));
        bench.answer(worker, id, &json!(null));
    }
    assert!(counts[&2] > 900 && counts[&1] > 0 && counts[&3] > 0, "{counts:?}");
}

fn sticky(slots: u32) -> Bench {
    let pointer = StickyKey::Pointer("/parameters/user".into());
    let slots = (1..=slots).map(Slot).collect();
    Bench::new(ServiceSettings { sticky: pointer, slots, ..by(Strategy::Sticky, 100) }, &json!({}))
}

/// The worker that each of a hundred users is sent to.
fn workers_of_users(bench: &mut Bench, first: u64) -> Vec<i64> {
    for user in 0..100 {
        bench.call(first + user, "do", &json!({ "user": user }));
    }
    bench.sent()
}

#[test]
fn sticky_calls_stay_on_their_slot_when_its_worker_is_replaced() {
    let mut bench = sticky(4);
    for worker in 1..=4 {
        bench.start(worker, worker as u32);
    }
    let before = workers_of_users(&mut bench, 1);
    answer_all(&mut bench, 1..=100, |request| before[request as usize - 1]);
    assert_eq!(before.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
    // The next worker of slot 2 comes up before the last one is gone, that of slot 3 some time after.
    bench.start(5, 2);
    bench.drain(2);
    bench.gone(2);
    bench.gone(3);
    let now = workers_of_users(&mut bench, 101);
    let replaced = |worker: &i64| if *worker == 2 { 5 } else { *worker };
    let expected: Vec<i64> = before.iter().map(replaced).filter(|worker| *worker != 3).collect();
    assert_eq!(now, expected);
    bench.start(6, 3);
    assert_eq!(bench.sent().len(), before.iter().filter(|worker| **worker == 3).count(), "they waited for their slot");
}

#[test]
fn a_slot_more_moves_only_the_calls_that_go_to_it() {
    let mut bench = sticky(4);
    for worker in 1..=5 {
        bench.start(worker, worker as u32);
    }
    let before = workers_of_users(&mut bench, 1);
    let settings = ServiceSettings { slots: (1..=5).map(Slot).collect(), ..bench.settings.clone() };
    bench.event(CallEvent::Settings(pool(), Box::new(settings)));
    let now = workers_of_users(&mut bench, 101);
    assert!(now.contains(&5));
    assert!(before.iter().zip(&now).all(|(before, now)| before == now || *now == 5));
}

#[test]
fn without_slots_from_the_master_those_with_workers_count() {
    let mut bench = sticky(0);
    bench.call(1, "do", &json!({ "user": 1 }));
    bench.says(&["no worker of calc"]);
    bench.start(1, 1);
    bench.says(&["send 1 to 1 as 1"]);
    bench.start(2, 2);
    assert_eq!(workers_of_users(&mut bench, 101).len(), 100);
    bench.drain(1);
    assert!(workers_of_users(&mut bench, 201).iter().all(|worker| *worker == 2));
}

#[test]
fn the_key_of_a_sticky_call_is_where_the_setting_says() {
    let slot = |change: &dyn Fn(&mut Call), sticky: StickyKey| {
        let mut bench = Bench::plain(64, ServiceSettings { sticky, ..by(Strategy::Sticky, 1) });
        bench.call_as(1, "add", &json!({ "user": "ann" }), change);
        bench.sent()[0]
    };
    let pointer = |text: &str| StickyKey::Pointer(text.into());
    let keyed = |key: &'static str| move |call: &mut Call| call.key = Some(key.into());
    let ann = slot(&keyed("ann"), StickyKey::Peer);
    assert_ne!(ann, slot(&keyed("bob"), StickyKey::Peer));
    for same in ["/parameters/user", "/args/user", "/params/user"] {
        assert_eq!(ann, slot(&|_| (), pointer(same)), "{same}");
    }
    let whole = |call: &mut Call| {
        call.method = None;
        call.body = Some(raw(&json!({ "args": { "user": "ann" } })));
    };
    assert_eq!(ann, slot(&whole, pointer("/args/user")));
    let add = slot(&keyed("add"), StickyKey::Peer);
    assert_eq!(add, slot(&|_| (), pointer("/action")));
    let peer = slot(&keyed("127.0.0.1"), StickyKey::Peer);
    assert_eq!(peer, slot(&|_| (), StickyKey::Peer));
    assert_eq!(peer, slot(&|_| (), pointer("/parameters/nothing")));
    assert_eq!(peer, slot(&|call| call.body = Some(Body::Raw((*b"x").into())), pointer("/parameters/user")));
}

#[test]
fn calls_that_wait_follow_a_change_of_the_strategy() {
    let mut bench = Bench::plain(2, by(Strategy::LeastLoaded, 1));
    for id in 1..=6 {
        bench.call_as(id, "do", &json!([]), |call| call.key = Some("ann".into()));
    }
    assert_eq!(bench.sent(), [1, 2]);
    bench.event(CallEvent::Settings(pool(), Box::new(by(Strategy::Sticky, 1))));
    bench.answer(1, 1, &json!(null));
    bench.answer(2, 2, &json!(null));
    assert_eq!(bench.sent().len(), 1, "all go to one slot");
    bench.event(CallEvent::Settings(pool(), Box::new(by(Strategy::RoundRobin, 2))));
    assert_eq!(bench.sent().len(), 3);
}
