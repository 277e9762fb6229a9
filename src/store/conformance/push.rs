//! Cases about pushing.

use std::time::Duration;

use crate::model::change::{Change, Request};

use super::*;

impl Kit {
    /// Of the jobs with one unique key at most one is unfinished, once what was pushed in bulk is opened.
    pub(super) fn check_keys(&mut self) {
        if self.has_unopened() {
            return;
        }
        let mut holders = BTreeMap::new();
        for job in self.records.jobs(&JobFilter::default()).unwrap() {
            if let (Some(key), false) = (job.unique, job.state.is_final()) {
                let other = holders.insert(key, job.id);
                assert_eq!(other, None, "it has the key of {} and is unfinished as well", job.id);
            }
        }
    }
}

pub(super) fn ids_grow_and_are_never_used_again(kit: &mut Kit) {
    let first = kit.push(vec![job(), job()]);
    assert_eq!((first[0].id, first[1].id), (JobId(1), JobId(2)));
    kit.one(Request::delete(JobId(2)));
    assert_eq!(kit.push_one(job()), JobId(3));
}

pub(super) fn a_job_keeps_everything_it_was_pushed_with(kit: &mut Kit) {
    let new = NewJob {
        kind: "käse 🧀".into(),
        args: r#"{"z": 1.10, "a": [1e400, null]}"#.into(),
        queue: queue("mail"),
        priority: -100,
        wait: None,
        due_at: Some(kit.later(-5)),
        expires_at: Some(kit.later(500)),
        timeout: Some(Duration::from_micros(1_500_001)),
        max_attempts: Some(9),
        unique: Some("k".into()),
        label: Some("nächtlich, 2".into()),
        key: Some("kunde 1".into()),
        pushed_in: None,
        after: None,
    };
    let id = kit.push_one(new.clone());
    let record = kit.job(id);
    assert_eq!((record.kind.as_str(), record.args.get()), (&*new.kind, &*new.args));
    assert_eq!((record.queue, record.priority, record.state), (new.queue, -100, JobState::Ready));
    assert_eq!((record.unique.as_deref(), record.max_attempts), (Some("k"), Some(9)));
    assert_eq!(record.label.as_deref(), new.label.as_deref());
    assert_eq!(record.timeout_s, Some(1.500_001));
    assert_eq!((record.pushed_at, Some(record.due_at), record.expires_at), (kit.at(), new.due_at, new.expires_at));
    assert_eq!(record.counters, Counters::default());
    assert!(record.result.is_none() && record.cause.is_none() && record.error.is_none());
    assert!(record.progress.is_none() && record.finished_at.is_none());
}

pub(super) fn a_label_stays_with_each_of_its_jobs(kit: &mut Kit) {
    let labelled = |label: &str| NewJob { label: Some(label.into()), ..job() };
    let pushed = kit.push(vec![labelled("a"), job(), labelled("b"), labelled("a")]);
    let bulk = super::bulk::begin(kit);
    super::bulk::stage(kit, bulk, [labelled("a"), labelled("c")]);
    let other = super::bulk::begin(kit);
    super::bulk::stage(kit, other, [labelled("d"), labelled("a")]);
    assert_eq!(super::bulk::drop_some(kit, other, 1), 1);
    super::bulk::commit(kit, bulk);
    kit.one(Request::delete(pushed[2].id));
    kit.one(Request::delete(pushed[3].id));
    kit.push(vec![labelled("b"), labelled("d")]);
    let jobs = kit.records.jobs(&JobFilter::default()).unwrap();
    let labels: Vec<_> = jobs.iter().map(|job| (job.id.0, job.label.as_deref().unwrap_or("-"))).collect();
    assert_eq!(labels, [(1, "a"), (2, "-"), (5, "a"), (6, "c"), (9, "b"), (10, "d")]);
}

pub(super) fn a_unique_key_gives_back_the_unfinished_job(kit: &mut Kit) {
    let id = kit.push_one(unique("k"));
    for other in [queue("other"), QueueName::default()] {
        let pushed = kit.push([NewJob { queue: other, ..unique("k") }]);
        assert_eq!(pushed, [Pushed { id, deduplicated: true, batch: None }]);
    }
    assert_eq!(kit.claim(9).len(), 1);
    assert!(kit.push([unique("k")])[0].deduplicated, "a running job is unfinished");
    assert!(!kit.push([unique("other")])[0].deduplicated);
}

pub(super) fn a_unique_key_is_seen_within_a_batch(kit: &mut Kit) {
    let pushed = kit.push(vec![unique("k"), unique("l"), unique("k")]);
    assert_eq!(
        pushed.iter().map(|p| (p.id.0, p.deduplicated)).collect::<Vec<_>>(),
        [(1, false), (2, false), (1, true)]
    );
}

pub(super) fn a_unique_key_is_free_after_each_ending(kit: &mut Kit) {
    for state in [JobState::Succeeded, JobState::Dead, JobState::Cancelled] {
        kit.job_in(state, unique("k"));
        assert!(!kit.push([unique("k")])[0].deduplicated, "{state:?}");
        let id = kit.push([unique("k")])[0].id;
        kit.one(Change::cancel(id));
    }
    let expiring = NewJob { expires_at: Some(kit.later(1)), ..unique("k") };
    kit.push([expiring]);
    kit.pass(2);
    kit.one(Change::Promote { limit: 9 });
    let id = kit.push_one(unique("k"));
    kit.one(Request::delete(id));
    assert!(!kit.push([unique("k")])[0].deduplicated, "deleted");
    let job = kit.claim_one();
    kit.finish(&job, Outcome::Failed, Next::RetryAt(kit.later(9)), counters(1, 0, 0));
    assert!(kit.push([unique("k")])[0].deduplicated, "a job that waits for its retry is unfinished");
}

pub(super) fn a_job_due_later_is_scheduled(kit: &mut Kit) {
    let later = kit.push_one(NewJob { due_at: Some(kit.later(1)), ..job() });
    let now = kit.push_one(NewJob { due_at: Some(kit.at()), ..job() });
    assert_eq!((kit.state(later), kit.state(now)), (Some(JobState::Scheduled), Some(JobState::Ready)));
    let totals = kit.totals();
    assert_eq!((totals.scheduled, totals.retrying, totals.ready), (1, 0, 1));
    assert_eq!(kit.claim(9).len(), 1);
}

pub(super) fn data_that_looks_odd_comes_back_unchanged(kit: &mut Kit) {
    for args in ["\"a\\u0000b\"", "18446744073709551616", "1.0", "{\"a\":1,\"a\":2}", "\"\u{1F980}\"", "\"'; --\""] {
        let id = kit.push_one(NewJob { args: args.into(), unique: Some(format!("{args}\0x").into()), ..job() });
        assert_eq!(kit.job(id).args.get(), args);
        assert_eq!(kit.job(id).unique.unwrap(), format!("{args}\0x"));
        let claimed = kit.claim_one();
        assert_eq!(&*claimed.args, args);
        let Change::Finish(mut finish) =
            kit.finish_op(&claimed, Outcome::Failed, Next::Dead(Cause::Error), counters(1, 0, 0))
        else {
            unreachable!()
        };
        finish.detail = Detail { peak_memory: Some(1 << 40), ..Detail::full() };
        kit.one(Change::Finish(finish));
        let run = kit.runs(&RunFilter { job: Some(id), ..RunFilter::default() }).remove(0);
        assert_eq!(kit.job(id).error, run.detail.error);
        assert_eq!((run.detail, run.peak_memory_bytes), (Detail::full(), Some(1 << 40)));
    }
}

pub(super) fn a_batch_tells_only_of_the_queues_that_it_touched(kit: &mut Kit) {
    let in_queue = |name: &str| NewJob { queue: queue(name), ..job() };
    kit.push((0..50).map(|n| in_queue(&format!("tenant-{n}"))).collect::<Vec<_>>());
    kit.batch += 1;
    let push = Request::Push([in_queue("tenant-7"), in_queue("new")].into()).into();
    let applied = kit.store.apply(kit.batch, &[push], kit.at()).unwrap();
    let told: Vec<(&str, u64)> = applied.changed.iter().map(|t| (t.name.as_str(), t.ready)).collect();
    assert_eq!(BTreeMap::from_iter(told), BTreeMap::from([("new", 1), ("tenant-7", 2)]));
    let nothing = Change::Promote { limit: 9 }.into();
    assert!(kit.store.apply(kit.batch + 1, &[nothing], kit.at()).unwrap().changed.is_empty());
}

pub(super) fn what_another_process_pushes_is_noticed(kit: &mut Kit) {
    kit.push_one(job());
    kit.store.news().unwrap();
    kit.push_one(job());
    assert!(kit.store.news().unwrap().is_none(), "our own commits are not news");
    let mut other = (kit.connect)();
    let pushed =
        other.apply(0, &[Request::Push([NewJob { queue: queue("new"), ..job() }].into()).into()], kit.at()).unwrap();
    assert!(matches!(&pushed.replies[0], Reply::Pushed(p) if p[0].id == JobId(3)));
    let news = kit.store.news().unwrap();
    assert!(news.anything || news.queues.contains(&queue("new")));
    assert!(kit.store.news().unwrap().is_none());
    kit.check_totals();
    let claim = Claim {
        takes: vec![(queue("new"), 9)],
        lanes: Takes::Others,
        workers: vec![],
        total: 9,
        at_once: u32::MAX,
        max_bytes: 99,
    };
    assert_eq!(kit.claim_as(claim).0.len(), 1);
}
