//! Cases about lanes: a claim gives nothing but what it is for, whatever stands before it.

use super::*;

fn of(kind: &str) -> NewJob {
    NewJob::new(kind, "null")
}

fn claim(kit: &mut Kit, lanes: Takes) -> Vec<i64> {
    let takes = vec![(QueueName::default(), 99)];
    let (jobs, _) =
        kit.claim_as(Claim { takes, lanes, workers: vec![], total: 99, at_once: u32::MAX, max_bytes: usize::MAX });
    jobs.into_iter().map(|job| job.id.0).collect()
}

/// By lane, as people would say it.
fn lanes(kit: &mut Kit) -> Vec<String> {
    kit.totals().lanes().map(|(lane, jobs)| format!("{jobs} {lane:?}")).collect()
}

fn name(kit: &mut Kit, types: &[&str]) -> bool {
    let types = types.iter().map(|kind| Arc::from(*kind)).collect();
    let Reply::Sorted { more, .. } = kit.one(Change::NameTypes(Arc::new(types))) else { panic!() };
    more
}

fn sort(kit: &mut Kit, limit: u32) -> (Vec<QueueName>, bool) {
    let Reply::Sorted { queues, more } = kit.one(Change::Sort { limit }) else { panic!() };
    (queues, more)
}

pub(super) fn commands_and_other_jobs_are_claimed_apart_each_in_its_order(kit: &mut Kit) {
    let first = |kind| NewJob { priority: 1, ..of(kind) };
    kit.push([of("mail"), of("exec"), of("sms"), first("exec"), first("mail"), of("exec")]);
    assert_eq!(lanes(kit), ["3 Commands", "3 Others"]);
    assert_eq!(claim(kit, Takes::Commands), [4, 2, 6]);
    assert_eq!(claim(kit, Takes::Commands), [0; 0]);
    assert_eq!(lanes(kit), ["3 Others"]);
    assert_eq!(claim(kit, Takes::Others), [5, 1, 3]);
    assert_eq!((lanes(kit), kit.totals().oldest_ready_at), (vec![], None));
}

pub(super) fn a_job_that_comes_back_waits_in_its_lane_again(kit: &mut Kit) {
    kit.push([of("exec"), of("mail")]);
    let all = |kit: &mut Kit, lanes| {
        let takes = vec![(QueueName::default(), 9)];
        kit.claim_as(Claim { takes, lanes, workers: vec![], total: 9, at_once: u32::MAX, max_bytes: usize::MAX }).0
    };
    for round in 0..3 {
        let jobs: Vec<Arc<Claimed>> =
            [Takes::Commands, Takes::Others].into_iter().flat_map(|takes| all(kit, takes)).map(Arc::new).collect();
        assert_eq!(jobs.iter().map(|job| job.id.0).collect::<Vec<_>>(), [1, 2], "round {round}");
        for job in jobs {
            match round {
                0 => drop(kit.one(Change::Unclaim { job: job.id, run: job.run })),
                1 => drop(kit.finish(&job, Outcome::Released, Next::Ready, counters(0, 0, 1))),
                _ => {
                    let next = Next::RetryAt(kit.later(5));
                    kit.finish(&job, Outcome::Failed, next, counters(1, 0, 1));
                }
            }
        }
    }
    assert_eq!((kit.totals().retrying, kit.totals().retrying_commands), (2, 1));
    kit.pass(5);
    kit.one(Change::Promote { limit: 9 });
    assert_eq!(lanes(kit), ["1 Commands", "1 Others"]);
    assert_eq!(all(kit, Takes::Commands).len(), 1);
    kit.join(2);
    kit.recover();
    assert_eq!(lanes(kit), ["1 Commands", "1 Others"]);
    let dead = all(kit, Takes::Commands).pop().map(Arc::new).unwrap();
    kit.finish(&dead, Outcome::Failed, Next::Dead(Cause::MaxAttempts), counters(2, 0, 1));
    kit.one(Request::retry(dead.id));
    assert_eq!(claim(kit, Takes::Commands), [1]);
}

pub(super) fn a_type_that_is_named_gets_a_lane_and_its_jobs_are_moved_in_steps(kit: &mut Kit) {
    kit.push([of("mail"), of("resize"), of("mail"), of("exec"), of("mail")]);
    assert_eq!(claim(kit, Takes::named(["mail"])), [0; 0], "nobody has named it yet");
    assert!(name(kit, &["mail", "exec"]));
    assert_eq!(lanes(kit), ["1 Commands", "4 Others"]);
    // Those that come now are where they belong at once.
    kit.push_one(of("mail"));
    assert_eq!(claim(kit, Takes::named(["mail"])), [6]);
    let (queues, more) = sort(kit, 1);
    assert!(more && queues.len() <= 1, "{queues:?}");
    while sort(kit, 1).1 {}
    assert_eq!(lanes(kit), ["1 Commands", "1 Others", "3 Type(\"mail\")"]);
    assert_eq!(kit.records.first_other(&QueueName::default()).unwrap().as_deref(), Some("resize"));
    assert!(!name(kit, &["mail"]), "there is nothing to move");
    assert_eq!(claim(kit, Takes::named(["mail", "never seen"])), [1, 3, 5]);
    assert_eq!(lanes(kit), ["1 Commands", "1 Others"]);
    assert_eq!(claim(kit, Takes::Commands), [4]);
}

pub(super) fn who_takes_every_type_takes_the_lanes_of_types_in_the_order_of_the_queue(kit: &mut Kit) {
    name(kit, &["mail", "sms"]);
    while sort(kit, 9).1 {}
    let first = |kind| NewJob { priority: 1, ..of(kind) };
    kit.push([of("mail"), of("resize"), of("sms"), first("sms"), of("mail"), first("resize"), of("exec")]);
    assert_eq!(kit.totals().typed.len(), 2);
    assert_eq!(claim(kit, Takes::Others), [4, 6, 1, 2, 3, 5]);
    assert_eq!((lanes(kit), kit.totals().oldest_ready_at), (vec!["1 Commands".to_owned()], Some(kit.at())));
}

pub(super) fn a_job_is_found_wherever_it_waits(kit: &mut Kit) {
    kit.push([of("mail"), of("mail"), of("exec")]);
    name(kit, &["mail"]);
    for id in [1, 3] {
        assert_eq!(kit.state(JobId(id)), Some(JobState::Ready));
        kit.one(Change::cancel(JobId(id)));
        assert_eq!(kit.state(JobId(id)), Some(JobState::Cancelled));
    }
    while sort(kit, 9).1 {}
    assert_eq!(kit.state(JobId(2)), Some(JobState::Ready));
    assert_eq!(lanes(kit), ["1 Type(\"mail\")"]);
    kit.one(Request::delete(JobId(2)));
    assert_eq!((lanes(kit), kit.totals().ready), (vec![], 0));
}

pub(super) fn what_was_pushed_in_bulk_is_counted_and_opened_in_its_lanes(kit: &mut Kit) {
    use crate::model::bulk::BulkStep;
    for named in [false, true] {
        if named {
            name(kit, &["mail"]);
            while sort(kit, 9).1 {}
        }
        let Reply::Begun(bulk) = kit.one(Request::Bulk(BulkStep::Begin(super::bulk::owner()))) else { panic!() };
        let jobs = Arc::new([of("mail"), of("exec"), of("resize"), of("exec")]);
        kit.one(Request::Bulk(BulkStep::Stage { bulk, jobs }));
        kit.one(Request::Bulk(BulkStep::Commit { bulk, batch: Arc::default() }));
        assert_eq!((kit.totals().ready, kit.totals().commands), (4, 2));
        while let Reply::Opened(opened) = kit.one(Request::Bulk(BulkStep::Open { bulk, limit: 3 })) {
            if !opened.more {
                break;
            }
        }
        let first = if named { 5 } else { 1 };
        assert_eq!(kit.totals().typed.len(), usize::from(named));
        assert_eq!(claim(kit, Takes::Commands), [first + 1, first + 3]);
        assert_eq!(claim(kit, Takes::Others), [first, first + 2]);
        assert_eq!(lanes(kit), [""; 0]);
    }
}

pub(super) fn the_walk_goes_through_every_queue_and_a_queue_that_is_forgotten_takes_its_lanes_along(kit: &mut Kit) {
    let names = ["a", "b", "c"];
    kit.push(names.map(|name| NewJob { queue: queue(name), ..of("mail") }));
    name(kit, &["mail"]);
    let mut seen = Vec::new();
    loop {
        let (queues, more) = sort(kit, 2);
        seen.extend(queues);
        if !more {
            break;
        }
    }
    assert_eq!(seen, names.map(queue));
    for id in 1..=3 {
        kit.one(Request::delete(JobId(id)));
    }
    kit.pass(10);
    let keep = kit.keep_nothing();
    while kit.prune_serving(keep, &[]) > 0 {}
    assert!(kit.store.totals().unwrap().is_empty());
    kit.push([NewJob { queue: queue("b"), ..of("mail") }]);
    assert_eq!(kit.store.totals().unwrap()[0].typed.values().sum::<u64>(), 1);
}

pub(super) fn a_claim_from_many_lanes_comes_to_its_end(kit: &mut Kit) {
    let types: Vec<String> = (0..40).map(|n| format!("t{n}")).collect();
    let names: Vec<&str> = types.iter().map(String::as_str).collect();
    name(kit, &names);
    while sort(kit, 100).1 {}
    let lanes = Takes::Types(Arc::new(types.iter().map(|kind| Arc::from(kind.as_str())).collect()));
    let step = |kit: &mut Kit| {
        let takes = vec![(QueueName::default(), 9)];
        let claim =
            Claim { takes, lanes: lanes.clone(), workers: vec![], total: 9, at_once: u32::MAX, max_bytes: usize::MAX };
        let Reply::Claimed { jobs, more, .. } = kit.one(Change::Claim(claim)) else { panic!() };
        (jobs.len(), more)
    };
    assert_eq!(step(kit), (0, false), "nothing waits");
    kit.push(names.iter().map(|kind| of(kind)).collect::<Vec<_>>());
    let mut taken = 0;
    for _ in 0..=names.len() {
        let (jobs, more) = step(kit);
        taken += jobs;
        if jobs < 9 && !more {
            break;
        }
    }
    assert_eq!((taken, step(kit)), (40, (0, false)));
}
