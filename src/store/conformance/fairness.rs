//! Cases about turns of keys, and limits per key.

use super::limits::{configure, take};
use super::*;
use crate::model::limit_record::PausedKey;

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

fn pause(kit: &mut Kit, key: &str, paused: bool) {
    let pause = paused.then(|| PausedKey { by: Some("anna".to_owned()), at: kit.at() });
    let request = Request::PauseKey { queue: queue("default"), key: key.into(), pause };
    assert!(matches!(kit.one(request), Reply::Sorted { .. }));
}

fn sort(kit: &mut Kit, limit: u32) {
    while !matches!(kit.one(Change::Sort { limit }), Reply::Sorted { more: false, .. }) {}
}

pub(super) fn no_job_of_a_key_that_is_paused_starts_and_the_others_keep_their_order(kit: &mut Kit) {
    push_keys(kit, &[("a", 3), ("b", 1), ("a", 1), ("c", 1)]);
    pause(kit, "a", true);
    assert_eq!(kit.totals().limits.unwrap().paused["a"].by.as_deref(), Some("anna"));
    assert_eq!(keys_of(kit, 1), ["b"]);
    push_keys(kit, &[("a", 1)]);
    assert_eq!((kit.totals().ready, kit.totals().parked), (6, 4), "of which one is not known yet");
    kit.one(Change::cancel(JobId(2)));
    assert_eq!(keys_of(kit, 9), ["c"]);
    assert_eq!((kit.totals().ready, kit.totals().parked), (4, 4));
    pause(kit, "a", true);
    pause(kit, "a", false);
    assert!(kit.totals().limits.is_none());
    sort(kit, 2);
    let (jobs, _) = take(kit, 9, 9);
    assert_eq!(jobs.iter().map(|job| job.id.0).collect::<Vec<_>>(), [1, 3, 5, 7]);
    assert_eq!((kit.totals().ready, kit.totals().parked), (0, 0));
}

pub(super) fn a_key_can_be_paused_where_keys_take_turns_and_have_limits(kit: &mut Kit) {
    configure(kit, &[("concurrency_per_key", "1")]);
    push_keys(kit, &[("a", 3), ("b", 3)]);
    pause(kit, "a", true);
    let (jobs, held) = take(kit, 9, 9);
    assert_eq!((jobs.len(), held.closed), (1, vec![(queue("default"), None)]));
    push_keys(kit, &[("a", 1)]);
    kit.succeed(&jobs[0]);
    // Other limits open all that they have closed, but not this one.
    configure(kit, &[("concurrency_per_key", "2")]);
    assert_eq!(keys_of(kit, 9), ["b", "b"]);
    configure(kit, &[]);
    sort(kit, 1);
    assert_eq!(keys_of(kit, 9), [""; 0]);
    assert_eq!((kit.totals().ready, kit.totals().parked), (4, 4));
    configure(kit, &[("concurrency_per_key", "2")]);
    sort(kit, 1);
    assert_eq!(keys_of(kit, 9), [""; 0]);
    pause(kit, "a", false);
    assert_eq!(keys_of(kit, 9), ["a", "a"], "its own limit holds still");
    pause(kit, "a", true);
    pause(kit, "a", false);
    assert_eq!(keys_of(kit, 9), [""; 0]);
}

pub(super) fn a_claim_that_moves_many_jobs_out_of_the_way_says_so(kit: &mut Kit) {
    push_keys(kit, &[("a", 1500), ("b", 1)]);
    pause(kit, "a", true);
    let claim = |kit: &mut Kit| {
        let (jobs, more) = kit.claim_as(super::limits::claim(9, 9));
        (jobs.len(), more)
    };
    assert_eq!(claim(kit), (0, true));
    assert_eq!(claim(kit), (1, false));
}

pub(super) fn jobs_that_wait_are_moved_to_the_lanes_of_their_keys_and_back(kit: &mut Kit) {
    push_keys(kit, &[("a", 4), ("b", 2)]);
    configure(kit, &[("fair", "jobs")]);
    assert_eq!(keys_of(kit, 9), [""; 0]);
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
    kit.one(Request::Bulk(BulkStep::Commit { bulk, batch: Arc::default() }));
    kit.one(Request::Bulk(BulkStep::Open { bulk, limit: 9 }));
    assert_eq!(keys_of(kit, 9), ["a", "b", "a", "a"]);
    assert_eq!(kit.totals().ready, 0);
}
