//! Cases about a clock that is set: lengths of time stay lengths, points in time stay points.

use std::time::Duration;

use crate::model::change::{Change, Request};

use super::*;

/// Moves everything that is a length, `limit` rows a step; how many steps that took.
fn shift(kit: &mut Kit, by: i64, limit: u32) -> usize {
    let from = kit.at();
    let mut steps = 0;
    for waits in [Waits::Due, Waits::Expiry] {
        let mut after = None;
        loop {
            let reply = kit.one(Change::Shift(Shift { waits, by: by * SECOND, from, after, limit }));
            let Reply::Shifted { next } = reply else { panic!("{reply:?}") };
            steps += 1;
            after = next;
            if next.is_none() {
                break;
            }
        }
    }
    steps
}

fn delayed(kit: &Kit, seconds: i64) -> NewJob {
    let wait = Some(Duration::from_secs(seconds.unsigned_abs()));
    NewJob { due_at: Some(kit.later(seconds)), wait, ..job() }
}

/// A delay of a minute, a retry in 30 s, one that expires in 200 s, and a job that is due at a point in time.
fn some_of_each(kit: &mut Kit) -> [JobId; 4] {
    let retried = kit.push_one(job());
    let claimed = kit.claim_one();
    let Change::Finish(mut finish) =
        kit.finish_op(&claimed, Outcome::Failed, Next::RetryAt(kit.later(30)), counters(1, 0, 0))
    else {
        panic!("no finish");
    };
    finish.ended_at = kit.at();
    kit.one(Change::Finish(finish));
    let delay = kit.push_one(delayed(kit, 60));
    let expiring = kit.push_one(NewJob { expires_at: Some(kit.later(200)), ..job() });
    let at = kit.push_one(NewJob { due_at: Some(kit.later(60)), ..job() });
    [retried, delay, expiring, at]
}

fn times(kit: &mut Kit, [retried, delay, expiring, at]: [JobId; 4]) -> [i64; 4] {
    let now = kit.now;
    let left = |time: UnixMicros| (time.0 - now) / SECOND;
    let due = |kit: &mut Kit, id| left(kit.job(id).due_at);
    [due(kit, retried), due(kit, delay), left(kit.job(expiring).expires_at.unwrap()), due(kit, at)]
}

pub(super) fn what_waits_for_a_length_of_time_goes_with_the_clock_and_a_point_in_time_stays(kit: &mut Kit) {
    for limit in [1, 2, 100] {
        for by in [5000, -5000] {
            let jobs = some_of_each(kit);
            kit.pass(10);
            assert_eq!(times(kit, jobs), [20, 50, 190, 50]);
            kit.pass(by);
            let steps = shift(kit, by, limit);
            assert!(limit > 1 || steps >= 4, "{steps} steps");
            assert_eq!(times(kit, jobs), [20, 50, 190, 50 - by], "by {by}, {limit} a step");
            kit.one(Change::Promote { limit: 100 });
            let states = jobs.map(|id| kit.state(id).unwrap());
            let at = if by > 0 { JobState::Ready } else { JobState::Scheduled };
            assert_eq!(states, [JobState::Scheduled, JobState::Scheduled, JobState::Ready, at]);
            // Waits that began after the clock was set are left alone by a step that comes late.
            let new = kit.push_one(delayed(kit, 60));
            let from = UnixMicros(kit.now - SECOND);
            kit.one(Change::Shift(Shift { waits: Waits::Due, by: by * SECOND, from, after: None, limit: 1000 }));
            assert_eq!((kit.job(new).due_at.0 - kit.now) / SECOND, 60);
            for id in jobs.into_iter().chain([new]) {
                kit.one(Request::delete(id));
            }
        }
    }
}

pub(super) fn a_clock_that_is_set_again_and_again_leaves_lengths_as_they_were(kit: &mut Kit) {
    let jobs = some_of_each(kit);
    for (by, passed) in [-100_000, 100_000, 900_000, -900_000, 50, -7].into_iter().zip(1..) {
        kit.pass(1);
        kit.pass(by);
        shift(kit, by, 2);
        assert_eq!(
            times(kit, jobs)[..3].iter().map(|left| left + passed).collect::<Vec<_>>(),
            [30, 60, 200],
            "by {by}"
        );
    }
}

pub(super) fn nothing_waits_for_longer_than_it_was_to_wait_in_all(kit: &mut Kit) {
    kit.pass(1_000_000);
    let jobs = some_of_each(kit);
    // The clock was wrong, and is set right while nobody looks.
    kit.pass(-1_000_000);
    assert_eq!(times(kit, jobs), [1_000_030, 1_000_060, 1_000_200, 1_000_060]);
    shift(kit, 0, 2);
    assert_eq!(times(kit, jobs), [30, 60, 200, 1_000_060]);
    let before = times(kit, jobs);
    kit.pass(5);
    shift(kit, 0, 2);
    assert_eq!(times(kit, jobs).map(|left| left + 5), before, "nothing is moved that need not be");
}
