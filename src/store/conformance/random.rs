//! Random operations on both stores at once: the same answers, the same records.

use proptest::prelude::*;

use super::*;
use crate::model::after::AfterFailed;
use crate::model::bulk::BulkStep;
use crate::model::change::{Change, Request};
use crate::model::graph::Side;
use crate::model::job::Progress;
use crate::model::limit_record::{Override, PausedKey};
use crate::model::{BulkId, JobAction, Setting};
use crate::store::{BatchFilter, FailureFilter, WorkerFilter};

/// Queue and type, due, expiry and unique key of a job.
type Rough = ((u8, u8), Option<i64>, Option<i64>, Option<u8>);
/// Jobs, each with those that it comes after: by their ids, or where it is below zero by their place in the push; and what
/// becomes of it if they fail.
type Linked = Vec<(Rough, Vec<i64>, u8)>;

/// One step, in terms of "the n-th job or claim so far".
#[derive(Clone, Debug)]
pub(super) enum Step {
    Push {
        queue: (u8, u8),
        priority: i8,
        due: Option<i64>,
        expires: Option<i64>,
        unique: Option<u8>,
    },
    Claim {
        takes: Vec<(u8, u32)>,
        lanes: u8,
        total: u32,
        at_once: u32,
        max_bytes: usize,
    },
    Finish {
        claim: usize,
        how: u8,
    },
    Unclaim {
        claim: usize,
    },
    Progress {
        claim: usize,
    },
    Promote {
        limit: u32,
    },
    Cancel(i64),
    Retry(i64),
    Delete(i64),
    Set {
        id: i64,
        waits: u8,
        priority: Option<i8>,
        queue: Option<u8>,
        due: Option<i64>,
    },
    Pause {
        queue: u8,
        paused: bool,
    },
    PauseKey {
        queue: u8,
        key: u8,
        paused: bool,
    },
    /// Limits of a queue, of the configuration or set until a time.
    Limit {
        set: bool,
        queue: u8,
        limits: usize,
        until: Option<i64>,
    },
    NameType(u8),
    Sort,
    Prune {
        succeeded: i64,
        dead: i64,
        runs: i64,
        limit: u32,
        served: Vec<u8>,
    },
    PushLinked(Linked),
    PushInto(Linked, u8),
    Stage {
        bulk: i64,
        jobs: Linked,
    },
    Bulk {
        bulk: i64,
        how: u8,
        limit: u32,
    },
    Shift {
        expiry: bool,
        by: i64,
        limit: u32,
    },
    Processor(super::random_processors::Deed),
    Pass(i64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let id = 1..30_i64;
    prop_oneof![
        6 => ((0..3_u8, 0..4_u8), -2..3_i8, near(), near(), proptest::option::of(0..3_u8)).prop_map(
            |(queue, priority, due, expires, unique)| Step::Push { queue, priority, due, expires, unique }
        ),
        6 => (proptest::collection::vec((0..4_u8, 0..4_u32), 1..4), 0..3_u8, 0..6_u32, 0..5_u32, 0..9_usize)
            .prop_map(|(takes, lanes, total, at_once, max_bytes)| Step::Claim { takes, lanes, total, at_once, max_bytes }),
        2 => (any::<bool>(), 0..3_u8, 0..9_usize, proptest::option::of(0..9_i64))
            .prop_map(|(set, queue, limits, until)| Step::Limit { set, queue, limits, until }),
        1 => (0..4_u8).prop_map(Step::NameType),
        2 => Just(Step::Sort),
        8 => (0..40_usize, 0..7_u8).prop_map(|(claim, how)| Step::Finish { claim, how }),
        1 => (0..40_usize).prop_map(|claim| Step::Unclaim { claim }),
        1 => (0..40_usize).prop_map(|claim| Step::Progress { claim }),
        3 => (1..4_u32).prop_map(|limit| Step::Promote { limit }),
        1 => id.clone().prop_map(Step::Cancel),
        1 => id.clone().prop_map(Step::Retry),
        1 => id.clone().prop_map(Step::Delete),
        2 => (id, 0..3_u8, proptest::option::of(-2..3_i8), proptest::option::of(0..4_u8), near())
            .prop_map(|(id, waits, priority, queue, due)| Step::Set { id, waits, priority, queue, due }),
        1 => (0..4_u8, any::<bool>()).prop_map(|(queue, paused)| Step::Pause { queue, paused }),
        2 => (0..4_u8, 0..3_u8, any::<bool>()).prop_map(|(queue, key, paused)| Step::PauseKey { queue, key, paused }),
        2 => (0..9_i64, 0..9_i64, 0..9_i64, 1..5_u32, proptest::collection::vec(0..4_u8, 0..2)).prop_map(
            |(succeeded, dead, runs, limit, served)| Step::Prune { succeeded, dead, runs, limit, served }
        ),
        4 => linked().prop_map(Step::PushLinked),
        5 => (linked(), 0..12_u8).prop_map(|(jobs, batch)| Step::PushInto(jobs, batch)),
        3 => (0..4_i64, linked()).prop_map(|(bulk, jobs)| Step::Stage { bulk, jobs }),
        6 => (1..4_i64, 0..6_u8, 1..4_u32).prop_map(|(bulk, how, limit)| Step::Bulk { bulk, how, limit }),
        2 => (any::<bool>(), -5..6_i64, 0..4_u32).prop_map(|(expiry, by, limit)| Step::Shift { expiry, by, limit }),
        9 => super::random_processors::deed().prop_map(Step::Processor),
        3 => (0..4_i64).prop_map(Step::Pass),
        1 => Just(Step::Restart),
    ]
}

fn linked() -> impl Strategy<Value = Linked> {
    let rough = ((0..3_u8, 0..4_u8), near(), near(), proptest::option::of(0..3_u8));
    proptest::collection::vec((rough, proptest::collection::vec(-7..20_i64, 0..3), 0..3_u8), 1..5)
}

fn near() -> impl Strategy<Value = Option<i64>> {
    proptest::option::of(-3..6_i64)
}

pub(super) fn named(n: u8) -> QueueName {
    queue(["default", "a", "b", "c"][usize::from(n)])
}

/// A type; one in two has none of its own.
pub(super) fn kind(n: u8) -> &'static str {
    ["resize", "resize", "exec", "mail"][usize::from(n)]
}

fn op(kit: &mut Kit, claims: &[Arc<Claimed>], step: &Step) -> Option<Op> {
    let current = |n: usize| claims.get(n % claims.len().max(1));
    Some(match step {
        Step::Push { queue, priority, due, expires, unique } => Request::Push(Arc::new([NewJob {
            priority: *priority,
            wait: due.filter(|s| *s > 0 && s % 2 == 0).map(|s| std::time::Duration::from_secs(s.unsigned_abs())),
            ..rough(kit, &(*queue, *due, *expires, *unique))
        }]))
        .into(),
        Step::Limit { set, queue, limits, until } => limit(kit, *set, *queue, *limits, *until),
        Step::PushLinked(jobs) => Request::Push(with_links(kit, jobs, 0)).into(),
        Step::PushInto(jobs, n) => super::batches::push_op(kit, with_links(kit, jobs, 0), *n),
        Step::NameType(n) => Change::NameTypes(Arc::new([kind(*n).into()].into())).into(),
        Step::Sort => Change::Sort { limit: 1000 }.into(),
        Step::Claim { takes, lanes, total, at_once, max_bytes } => Change::Claim(Claim {
            takes: takes.iter().map(|(n, most)| (named(*n), *most)).collect(),
            lanes: [Takes::Commands, Takes::Others, Takes::named(["mail"])][usize::from(*lanes)].clone(),
            workers: vec![WorkerId(1)],
            total: *total,
            at_once: *at_once,
            max_bytes: *max_bytes,
        })
        .into(),
        Step::Finish { claim, how } => {
            let job = current(*claim)?;
            let mut c = job.counters;
            c.attempts += 1;
            let (outcome, next) = end_of_run(kit, *how);
            kit.finish_op(job, outcome, next, c).into()
        }
        Step::Unclaim { claim } => current(*claim).map(|c| Change::Unclaim { job: c.id, run: c.run })?.into(),
        Step::Progress { claim } => {
            let c = current(*claim)?;
            let progress =
                Progress { percent: Some(c.run.0 as f64), message: None, state: Some(c.run.0.to_string().into()) };
            Change::Progress { job: c.id, run: c.run, progress }.into()
        }
        Step::Promote { limit } => Change::Promote { limit: *limit }.into(),
        Step::Cancel(id) => Change::cancel(JobId(*id)).into(),
        Step::Retry(id) => Request::retry(JobId(*id)).into(),
        Step::Delete(id) => Request::delete(JobId(*id)).into(),
        Step::Set { id, waits, priority, queue, due } => {
            let states = [&[JobState::Ready][..], &[JobState::Scheduled], &JobState::ALL][usize::from(*waits)];
            let due = due.map(|s| (kit.later(s), (s > 0).then(|| Duration::from_secs(s as u64))));
            let setting = Setting { priority: *priority, queue: queue.map(named), due };
            let action = JobAction::Set(Arc::new(setting));
            Request::Act { job: JobId(*id), only: States::of(states), action }.into()
        }
        Step::PauseKey { queue, key, paused } => pause_key(kit, *queue, *key, *paused),
        Step::Pause { queue, paused } => Request::Pause { queue: named(*queue), paused: *paused }.into(),
        Step::Prune { succeeded, dead, runs, limit, served } => {
            let [succeeded_since, dead_since, runs_since] = [succeeded, dead, runs].map(|ago| kit.later(-ago));
            let keep = Keep { succeeded_since, dead_since, runs_since, audit_since: runs_since, limit: *limit };
            let served = Arc::new(served.iter().copied().map(named).collect());
            Change::Prune { keep, served, keep_runs: Arc::default() }.into()
        }
        Step::Stage { bulk: 0, .. } => Request::Bulk(BulkStep::Begin(super::bulk::owner())).into(),
        Step::Stage { bulk, jobs } => {
            let jobs = with_links(kit, jobs, *bulk);
            Request::Bulk(BulkStep::Stage { bulk: BulkId(*bulk), jobs }).into()
        }
        Step::Bulk { bulk, how, limit } => Request::Bulk(bulk_step(kit, BulkId(*bulk), *how, *limit)).into(),
        Step::Shift { expiry, by, limit } => Change::Shift(shift(kit, *expiry, *by, *limit)).into(),
        Step::Processor(deed) => super::random_processors::op(kit, deed),
        Step::Pass(_) | Step::Restart => return None,
    })
}

fn end_of_run(kit: &Kit, how: u8) -> (Outcome, Next) {
    match how {
        0..=2 => (Outcome::Succeeded, Next::Succeeded),
        3 => (Outcome::Crashed, Next::Ready),
        4 => (Outcome::Failed, Next::RetryAt(kit.later(2))),
        5 => (Outcome::TimedOut, Next::Dead(Cause::MaxAttempts)),
        _ => (Outcome::Cancelled, Next::Cancelled(Cause::Cancelled)),
    }
}

fn pause_key(kit: &Kit, queue: u8, key: u8, paused: bool) -> Op {
    let pause = PausedKey { by: None, at: kit.at() };
    let key = format!("key {key}").into();
    Request::PauseKey { queue: named(queue), key, pause: paused.then_some(pause) }.into()
}

fn limit(kit: &Kit, set: bool, queue: u8, limits: usize, until: Option<i64>) -> Op {
    let table: [&[(&str, &str)]; 9] = [
        &[],
        &[("concurrency", "1")],
        &[("rate", "2/s"), ("rate_burst", "2")],
        &[("max_ready", "2"), ("rate", "1/s")],
        &[("concurrency", "off"), ("rate", "off")],
        &[("fair", "jobs"), ("weights", r#"{"key 1": 3}"#)],
        &[("fair", "time")],
        &[("concurrency_per_key", "1")],
        &[("rate_per_key", "1/s"), ("fair", "jobs")],
    ];
    let (queue, limits) = (named(queue), super::limits::said(table[limits]));
    if !set {
        return Request::ConfigureQueues(Arc::new([(queue, limits)].into())).into();
    }
    let until = until.map(|seconds| kit.later(seconds));
    let set = Override { limits, by: None, at: kit.at(), until };
    Request::SetLimits { queue, set: Some(Box::new(set)).filter(|set| !set.limits.is_empty()) }.into()
}

fn rough(kit: &Kit, ((queue, of), due, expires, unique): &Rough) -> NewJob {
    NewJob {
        queue: named(*queue),
        kind: kind(*of).into(),
        due_at: due.map(|s| kit.later(s)),
        expires_at: expires.map(|s| kit.later(s)),
        unique: unique.map(|key| key.to_string().into()),
        key: unique.map(|key| format!("key {key}").into()),
        label: expires.map(|s| s.to_string().into()),
        ..job()
    }
}

/// Jobs of a step have refs by their place; those of a bulk push may name some of later steps.
fn with_links(kit: &Kit, jobs: &Linked, bulk: i64) -> Arc<[NewJob]> {
    let linked = jobs.iter().enumerate().map(|(nth, (job, parents, failed))| {
        let parents = parents.iter().map(|&n| match n {
            1.. => Parent::Job(JobId(n)),
            _ if bulk == 0 => Parent::Ref(format!("n{}", n.unsigned_abs() as usize % jobs.len()).into()),
            _ => Parent::Ref(format!("n{}", n.unsigned_abs()).into()),
        });
        let name = if bulk == 0 { nth as i64 } else { kit.batch as i64 % 8 + nth as i64 };
        let failed = AfterFailed::ALL[usize::from(*failed)];
        let after = After { name: Some(format!("n{name}").into()), parents: parents.collect(), failed };
        NewJob { after: Some(Box::new(after)), ..rough(kit, job) }
    });
    linked.collect()
}

fn bulk_step(kit: &Kit, bulk: BulkId, how: u8, limit: u32) -> BulkStep {
    match how {
        0 => BulkStep::Begin(super::bulk::owner()),
        1 => BulkStep::Drop { bulk, limit },
        2 => BulkStep::Commit { bulk, batch: super::batches::into(kit, limit as u8 * 2 - 2) },
        _ => BulkStep::Open { bulk, limit },
    }
}

fn shift(kit: &Kit, expiry: bool, by: i64, limit: u32) -> Shift {
    let waits = if expiry { Waits::Expiry } else { Waits::Due };
    Shift { waits, by: by * SECOND, from: kit.later(-1), after: None, limit }
}

/// `limited`: queues whose jobs may wait by key, of which the oldest is not known.
fn everything(kit: &mut Kit, limited: &BTreeSet<QueueName>) -> String {
    let jobs = kit.records.jobs(&JobFilter::default()).unwrap();
    let runs = kit.runs(&RunFilter::default());
    let workers = kit.records.workers(&WorkerFilter::default()).unwrap();
    let (mut totals, due) = (kit.records.queue_totals().unwrap(), kit.store.next_due().unwrap());
    totals.iter_mut().filter(|of| limited.contains(&of.name)).for_each(|of| of.oldest_ready_at = None);
    let bulks = kit.store.bulks().unwrap();
    let processors = super::random_processors::everything(kit);
    let links: Vec<_> = jobs
        .iter()
        .flat_map(|job| [(job.id, Side::Parents), (job.id, Side::Children)])
        .map(|(id, side)| kit.records.links(id, side, 5).unwrap())
        .collect();
    let batches = kit.records.batches(&BatchFilter::default()).unwrap();
    let now = kit.at();
    let failures = kit.records.failures(&FailureFilter::default(), now).unwrap();
    format!(
        "{failures:#?}{jobs:#?}{runs:#?}{workers:#?}{totals:#?}{due:?}{bulks:?}{links:?}{batches:#?}{processors}{}",
        super::random_lists::lists(kit, &jobs)
    )
}

pub(super) fn agree((mut a, mut b): (Kit, Kit), steps: &[Step]) {
    let mut claims: Vec<Arc<Claimed>> = Vec::new();
    let limited = |step: &Step| match step {
        Step::Limit { queue, .. } | Step::PauseKey { queue, .. } => Some(named(*queue)),
        _ => None,
    };
    let limited = steps.iter().filter_map(limited).collect();
    for step in steps {
        match step {
            Step::Pass(seconds) => [&mut a, &mut b].into_iter().for_each(|kit| kit.pass(*seconds)),
            Step::Restart => {
                for kit in [&mut a, &mut b] {
                    kit.join(9);
                    kit.recover();
                }
            }
            step => {
                let Some(op) = op(&mut a, &claims, step) else { continue };
                let (left, right) = (a.one(op.clone()), b.one(op));
                assert_eq!(format!("{left:?}"), format!("{right:?}"), "{step:?}");
                assert_eq!(a.settled, b.settled, "{step:?}");
                if let Reply::Claimed { jobs, .. } = left {
                    claims.extend(jobs.into_iter().map(Arc::new));
                }
            }
        }
        assert_eq!(everything(&mut a, &limited), everything(&mut b, &limited), "{step:?}");
        a.check_keys();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_leave_the_same_records_in_both_stores(steps in proptest::collection::vec(step(), 1..60)) {
        agree((kits::sqlite(), kits::memory()), &steps);
    }
}

proptest! {
    // Each step of each is a hundred ways to the server.
    #![proptest_config(ProptestConfig { cases: 4, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_leave_the_same_records_on_a_server(steps in proptest::collection::vec(step(), 1..60)) {
        agree((kits::postgres(), kits::sqlite()), &steps);
    }
}
