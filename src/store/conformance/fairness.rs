//! Cases about turns of keys, and limits per key.

use super::limits::{configure, take};
use super::*;

fn keyed(key: &str) -> NewJob {
    NewJob { key: Some(key.into()), ..job() }
}

/// Pushes so many jobs of each key.
fn push_keys(kit: &mut Kit, keys: &[(&str, usize)]) {
    for (key, jobs) in keys {
        kit.push(vec![keyed(key); *jobs]);
    }
}

/// The keys of jobs that a claim takes, in their order.
fn keys_of(kit: &mut Kit, total: u32) -> Vec<String> {
    let (jobs, _) = take(kit, total, total);
    jobs.iter().map(|claimed| kit.job(claimed.id).key.unwrap_or_default()).collect()
}

pub(super) fn keys_take_turns_and_who_comes_late_waits_for_nobody(kit: &mut Kit) {
    configure(kit, &[("fair", "jobs")]);
    push_keys(kit, &[("a", 200)]);
    assert_eq!(keys_of(kit, 3), ["a"; 3]);
    push_keys(kit, &[("b", 10)]);
    let keys = keys_of(kit, 190);
    let last = keys.iter().rposition(|key| key == "b").unwrap();
    assert!(keys.iter().filter(|key| *key == "b").count() == 10 && last < 20, "{keys:?}");
    push_keys(kit, &[("c", 2)]);
    assert_eq!(keys_of(kit, 4), ["c", "c", "a", "a"], "it begins where the others are, give or take a turn");
}

pub(super) fn priority_comes_first_and_a_key_has_its_own_order(kit: &mut Kit) {
    configure(kit, &[("fair", "jobs")]);
    let of = |key: &str, priority| NewJob { priority, ..keyed(key) };
    kit.push(vec![of("a", 0), of("a", 5), of("b", 0), of("a", 5), job()]);
    let (jobs, _) = take(kit, 9, 9);
    let ids: Vec<i64> = jobs.iter().map(|job| job.id.0).collect();
    assert_eq!(ids, [2, 4, 5, 1, 3]);
}

pub(super) fn weights_are_shares_of_jobs_and_time_is_charged_when_it_is_known(kit: &mut Kit) {
    configure(kit, &[("fair", "jobs"), ("weights", r#"{"vip": 3}"#)]);
    push_keys(kit, &[("a", 9), ("vip", 9)]);
    assert_eq!(keys_of(kit, 8).iter().filter(|key| *key == "vip").count(), 6);
    configure(kit, &[("fair", "time")]);
    let (jobs, _) = take(kit, 1, 1);
    let slow = kit.job(jobs[0].id).key.unwrap();
    // It took two seconds, and a claim charges for one.
    kit.succeed(&jobs[0]);
    assert_ne!(keys_of(kit, 1), [slow]);
}

pub(super) fn a_key_at_its_limit_is_passed_over_until_one_of_it_has_ended(kit: &mut Kit) {
    configure(kit, &[("concurrency_per_key", "2")]);
    push_keys(kit, &[("a", 5), ("b", 3)]);
    let (jobs, held) = take(kit, 9, 9);
    assert_eq!((jobs.len(), held.closed), (4, vec![(queue("default"), None)]));
    assert_eq!(keys_of(kit, 9), [""; 0]);
    push_keys(kit, &[("c", 1), ("a", 1)]);
    assert_eq!(keys_of(kit, 9), ["c"]);
    let a = jobs.iter().find(|claimed| kit.job(claimed.id).key.as_deref() == Some("a")).cloned().unwrap();
    kit.finish(&a, Outcome::Failed, Next::RetryAt(kit.later(60)), counters(1, 0, 0));
    assert_eq!(keys_of(kit, 9), ["a"]);
    kit.join(2);
    assert_eq!(kit.recover(), 5);
    let mut keys = keys_of(kit, 9);
    keys.sort();
    assert_eq!(keys, ["a", "a", "b", "b", "c"], "no slot is lost with a master");
}

pub(super) fn a_rate_of_a_key_holds_that_key_alone(kit: &mut Kit) {
    configure(kit, &[("rate_per_key", "1/s")]);
    push_keys(kit, &[("a", 3), ("b", 1)]);
    let (jobs, held) = take(kit, 9, 9);
    let second = kit.later(1);
    assert_eq!((jobs.len(), held.closed), (2, vec![(queue("default"), Some(second))]));
    kit.pass(1);
    assert_eq!(keys_of(kit, 9), ["a"]);
    kit.now -= 3600 * SECOND;
    kit.one(Change::Shift(Shift { waits: Waits::Due, by: -1, from: kit.at(), after: None, limit: 9 }));
    assert_eq!(keys_of(kit, 9), [""; 0]);
    kit.pass(1);
    assert_eq!(keys_of(kit, 9), ["a"], "a clock that is set holds nothing for longer");
}

pub(super) fn jobs_that_wait_are_moved_to_the_lanes_of_their_keys_and_back(kit: &mut Kit) {
    push_keys(kit, &[("a", 4), ("b", 2)]);
    configure(kit, &[("fair", "jobs")]);
    assert_eq!(keys_of(kit, 9), [""; 0]);
    let sort = |kit: &mut Kit, limit| loop {
        match kit.one(Change::Sort { limit }) {
            Reply::Sorted { more: true, .. } => {}
            Reply::Sorted { more: false, .. } => return,
            other => panic!("{other:?}"),
        }
    };
    sort(kit, 2);
    assert_eq!(keys_of(kit, 3), ["a", "b", "a"]);
    kit.one(Change::cancel(JobId(3)));
    configure(kit, &[]);
    sort(kit, 2);
    push_keys(kit, &[("c", 1)]);
    assert_eq!(keys_of(kit, 9), ["a", "b", "c"]);
}

pub(super) fn what_is_pushed_in_bulk_is_opened_in_the_lanes_of_keys(kit: &mut Kit) {
    use crate::model::bulk::BulkStep;
    configure(kit, &[("fair", "jobs")]);
    let Reply::Begun(bulk) = kit.one(Request::Bulk(BulkStep::Begin(super::bulk::owner()))) else { panic!() };
    let jobs: Vec<NewJob> = ["a", "a", "a", "b"].map(keyed).into();
    kit.one(Request::Bulk(BulkStep::Stage { bulk, jobs: jobs.into() }));
    kit.one(Request::Bulk(BulkStep::Commit(bulk)));
    kit.one(Request::Bulk(BulkStep::Open { bulk, limit: 9 }));
    assert_eq!(keys_of(kit, 9), ["a", "b", "a", "a"]);
    assert_eq!(kit.totals().ready, 0);
}
