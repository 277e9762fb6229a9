//! Jobs that come after others.

use super::*;
use crate::model::JobAction;
use crate::model::Setting;
use crate::model::after::{AfterFailed, BadLink, LinkError};
use crate::model::bulk::BulkStep;
use crate::model::graph::Side;
use crate::model::{BulkId, UNFINISHED};

fn id(job: JobId) -> Parent {
    Parent::Job(job)
}

fn name(name: &str) -> Parent {
    Parent::Ref(name.into())
}

/// A job with this ref, after these.
fn linked(name: &str, parents: &[Parent], failed: AfterFailed) -> NewJob {
    let name = (!name.is_empty()).then(|| name.into());
    NewJob { after: Some(Box::new(After { name, parents: parents.into(), failed })), ..job() }
}

fn after(parents: &[Parent]) -> NewJob {
    linked("", parents, AfterFailed::Cancel)
}

fn why(reply: Reply) -> (usize, LinkError) {
    match reply {
        Reply::BadLink(BadLink { nth, why }) => (nth, why),
        other => panic!("{other:?}"),
    }
}

fn die(kit: &mut Kit, job: &Arc<Claimed>) {
    kit.finish(job, Outcome::Failed, Next::Dead(Cause::MaxAttempts), counters(1, 0, 0));
}

fn states(kit: &mut Kit, jobs: &[JobId]) -> Vec<JobState> {
    jobs.iter().map(|id| kit.state(*id).unwrap()).collect()
}

impl Kit {
    /// Everything that is due by now.
    pub(super) fn promote(&mut self) {
        for _ in 0..1_000 {
            if self.store.next_due().unwrap().is_none_or(|due| due > self.at()) {
                return;
            }
            self.one(Change::Promote { limit: 2 });
        }
        panic!("what is due has no end");
    }
}

pub(super) fn a_job_is_blocked_until_all_that_it_comes_after_have_succeeded(kit: &mut Kit) {
    let [a, b] = [kit.push_one(job()), kit.push_one(job())];
    let child = kit.push_one(after(&[id(a), id(b)]));
    assert_eq!((kit.state(child), kit.totals().blocked, kit.totals().ready), (Some(JobState::Blocked), 1, 2));
    let record = kit.job(child);
    assert_eq!((record.after, record.after_failed), (vec![a, b], Some(AfterFailed::Cancel)));
    let jobs: Vec<_> = kit.claim(9).into_iter().map(Arc::new).collect();
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), [a, b]);
    kit.succeed(&jobs[1]);
    assert_eq!((kit.state(child), &kit.settled), (Some(JobState::Blocked), &Settled::default()));
    kit.pass(60);
    kit.succeed(&jobs[0]);
    assert_eq!(kit.settled.freed, [QueueName::default()]);
    // The job could run since now: nobody has kept it waiting before.
    assert_eq!((kit.state(child), kit.job(child).due_at), (Some(JobState::Ready), kit.at()));
    let later = NewJob { due_at: Some(kit.later(60)), ..after(&[id(a)]) };
    let later = kit.push_one(later);
    assert_eq!(kit.state(later), Some(JobState::Scheduled), "its parent is done already");
    let links = kit.records.links(child, Side::Parents, 9).unwrap();
    assert!(links.iter().all(|link| !link.is_open), "{links:?}");
    assert_eq!(kit.records.links(a, Side::Children, 1).unwrap()[0].job, child);
    let graph = kit.records.graph(b, 9).unwrap();
    let ids: Vec<JobId> = graph.jobs.iter().map(|job| job.id).collect();
    assert_eq!((ids, graph.links.len(), graph.more), (vec![a, b, child, later], 3, false));
    assert!(kit.records.graph(b, 2).unwrap().more);
}

pub(super) fn a_push_names_jobs_of_its_own_and_what_cannot_be_is_refused_whole(kit: &mut Kit) {
    let dead = kit.job_in(JobState::Dead, job());
    let before = kit.totals();
    let mut push = |jobs: &[NewJob]| why(kit.one(Request::Push(jobs.into())));
    assert_eq!(push(&[job(), after(&[id(JobId(99))])]), (1, LinkError::Unknown(JobId(99))));
    assert_eq!(push(&[after(&[id(dead)])]), (0, LinkError::Failed(dead, JobState::Dead)));
    let cancel = AfterFailed::Cancel;
    let circle = [linked("a", &[name("b")], cancel), linked("b", &[name("a")], cancel)];
    assert!(matches!(push(&circle), (_, LinkError::Circle(_))));
    assert!(matches!(push(&[linked("a", &[name("a")], cancel)]), (0, LinkError::Circle(_))));
    assert!(matches!(push(&[after(&[name("x")])]), (0, LinkError::UnknownRef(_))));
    assert!(matches!(push(&[linked("a", &[], cancel), linked("a", &[], cancel)]), (1, LinkError::Twice(_))));
    assert_eq!(kit.totals(), before, "nothing was added");
    let first = kit.push([linked("last", &[name("first")], cancel), linked("first", &[], cancel)]);
    let [last, first] = [first[0].id, first[1].id];
    assert_eq!(states(kit, &[last, first]), [JobState::Blocked, JobState::Ready]);
    let link = kit.records.links(last, Side::Parents, 9).unwrap().remove(0);
    assert_eq!((link.after, link.name.as_deref(), link.is_open), (first, Some("first"), true));
    for failed in [AfterFailed::Continue, AfterFailed::Wait] {
        let child = kit.push_one(linked("", &[id(dead)], failed));
        let waits = failed == AfterFailed::Wait;
        assert_eq!(kit.state(child), Some(if waits { JobState::Blocked } else { JobState::Ready }));
    }
}

pub(super) fn what_becomes_of_the_children_of_a_job_that_failed_is_as_they_say(kit: &mut Kit) {
    for succeeds_later in [false, true] {
        let parent = kit.push_one(NewJob { priority: 9, ..job() });
        let children = AfterFailed::ALL.map(|failed| kit.push_one(linked("", &[id(parent)], failed)));
        let grandchild = kit.push_one(after(&[id(children[0])]));
        let run = kit.claim_one();
        die(kit, &run);
        kit.promote();
        assert_eq!(states(kit, &children), [JobState::Cancelled, JobState::Ready, JobState::Blocked]);
        assert_eq!(
            (kit.state(grandchild), kit.job(grandchild).cause),
            (Some(JobState::Cancelled), Some(Cause::Parent))
        );
        if succeeds_later {
            kit.one(Request::retry(parent));
            kit.promote();
            assert_eq!(states(kit, &children), [JobState::Blocked, JobState::Ready, JobState::Blocked]);
            let run = kit.claim_one();
            kit.succeed(&run);
            kit.promote();
            assert_eq!(states(kit, &children), [JobState::Ready; 3]);
        } else {
            kit.one(Change::cancel(children[1]));
            kit.one(Change::cancel(children[2]));
            assert_eq!(kit.totals().blocked, 0);
        }
    }
}

pub(super) fn what_was_cancelled_comes_back_with_its_parent_down_the_line(kit: &mut Kit) {
    let (cancel, top) = (AfterFailed::Cancel, kit.push_one(job()));
    let other = kit.push_one(NewJob { due_at: Some(kit.later(600)), ..job() });
    let line = kit.push([
        NewJob { unique: Some("k".into()), ..linked("a", &[id(top)], cancel) },
        linked("b", &[name("a"), id(other)], cancel),
        NewJob { expires_at: Some(kit.later(30)), ..linked("c", &[name("b")], cancel) },
    ]);
    let line: Vec<JobId> = line.iter().map(|pushed| pushed.id).collect();
    kit.one(Change::cancel(top));
    kit.promote();
    assert_eq!(states(kit, &line), [JobState::Cancelled; 3]);
    let Reply::ParentFailed { parent, is_gone: false } = kit.one(Request::retry(line[1])) else { panic!() };
    assert_eq!(parent, line[0]);
    let holder = kit.push_one(unique("k"));
    kit.one(Request::retry(top));
    kit.promote();
    assert_eq!(states(kit, &line), [JobState::Cancelled; 3], "another has the key of the first of them");
    kit.one(Change::cancel(holder));
    assert!(matches!(kit.one(Request::retry(line[0])), Reply::Changed { .. }));
    kit.promote();
    assert_eq!(states(kit, &line), [JobState::Blocked; 3]);
    kit.pass(31);
    kit.promote();
    assert_eq!(kit.job(line[2]).cause, Some(Cause::Expired), "it lapses while it is blocked");
    kit.one(Change::cancel(other));
    kit.promote();
    assert_eq!(states(kit, &line), [JobState::Blocked, JobState::Cancelled, JobState::Cancelled]);
}

pub(super) fn a_job_that_was_deleted_undone_cancels_its_children_for_good(kit: &mut Kit) {
    let parent = kit.push_one(job());
    let [cancelled, goes_on, waits] = AfterFailed::ALL.map(|failed| kit.push_one(linked("", &[id(parent)], failed)));
    kit.one(Request::delete(parent));
    kit.promote();
    let found = states(kit, &[cancelled, goes_on, waits]);
    assert_eq!(found, [JobState::Cancelled, JobState::Ready, JobState::Cancelled], "it cannot be retried any more");
    let Reply::ParentFailed { is_gone: true, .. } = kit.one(Request::retry(waits)) else { panic!() };
    kit.one(Request::delete(cancelled));
    assert_eq!(kit.records.links(cancelled, Side::Parents, 9).unwrap(), []);
    let old = kit.job_in(JobState::Dead, NewJob { priority: 9, ..job() });
    let child = kit.push_one(linked("", &[id(old)], AfterFailed::Wait));
    kit.prune(kit.keep_nothing());
    kit.promote();
    assert_eq!(
        (kit.state(old), kit.state(child)),
        (None, Some(JobState::Cancelled)),
        "so it is when records are removed"
    );
}

pub(super) fn very_many_children_are_told_in_steps_that_survive_the_master(kit: &mut Kit) {
    let parent = kit.push_one(job());
    let children: Vec<JobId> = (0..10).map(|_| kit.push_one(after(&[id(parent)]))).collect();
    let run = kit.claim_one();
    kit.succeed(&run);
    let freed = |kit: &mut Kit| states(kit, &children).iter().filter(|state| **state == JobState::Ready).count();
    assert_eq!((freed(kit), kit.settled.moved), (3, true), "the end of the parent does not wait for all");
    assert_eq!(kit.store.next_due().unwrap(), Some(UnixMicros(0)));
    kit.join(2);
    kit.recover();
    kit.one(Change::Promote { limit: 4 });
    assert_eq!(freed(kit), 7);
    let order: Vec<JobId> = kit.claim(99).iter().map(|job| job.id).collect();
    assert_eq!(order, children[..7]);
    kit.promote();
    assert_eq!((freed(kit), kit.store.next_due().unwrap()), (3, None));
    let next = kit.push_one(job());
    let children: Vec<JobId> = (0..8).map(|_| kit.push_one(after(&[id(next)]))).collect();
    kit.one(Change::cancel(next));
    assert_eq!(kit.settled.ended, children[..3]);
    // What it is now is what the others hear.
    kit.one(Request::retry(next));
    kit.promote();
    assert_eq!(states(kit, &children), [JobState::Blocked; 8]);
}

pub(super) fn a_blocked_job_can_be_changed_cancelled_and_expires(kit: &mut Kit) {
    let parent = kit.push_one(job());
    let child = kit.push_one(after(&[id(parent)]));
    let setting = Setting { priority: Some(7), queue: Some(queue("a")), due: Some((kit.later(60), None)) };
    let action = JobAction::Set(Arc::new(setting));
    let reply = kit.one(Request::Act { job: child, only: States::ALL, action });
    assert!(matches!(reply, Reply::Changed { was: JobState::Blocked, .. }), "{reply:?}");
    let record = kit.job(child);
    assert_eq!((record.state, record.priority, record.queue.as_str()), (JobState::Blocked, 7, "a"));
    kit.prune(kit.keep_nothing());
    assert!(kit.store.totals().unwrap().iter().any(|totals| totals.name.as_str() == "a"), "its queue is of use");
    let run = kit.claim_one();
    kit.succeed(&run);
    assert_eq!(kit.state(child), Some(JobState::Scheduled), "it is due later");
    assert!(kit.settled.moved);
    let parent = kit.push_one(job());
    let [cancelled, lapses] =
        [None, Some(kit.later(5))].map(|expires_at| kit.push_one(NewJob { expires_at, ..after(&[id(parent)]) }));
    assert!(matches!(kit.one(Request::retry(cancelled)), Reply::Changed { was: JobState::Blocked, .. }));
    kit.one(Change::cancel(cancelled));
    kit.pass(6);
    kit.promote();
    assert_eq!((kit.state(cancelled), kit.job(lapses).cause), (Some(JobState::Cancelled), Some(Cause::Expired)));
    kit.one(Request::retry(cancelled));
    assert_eq!(kit.state(cancelled), Some(JobState::Blocked), "it waits again");
    let unfinished = JobFilter { states: UNFINISHED, ..JobFilter::default() };
    assert_eq!(kit.records.job_ids(&unfinished).unwrap().len(), 3);
    let blocked = JobFilter { states: States::of(&[JobState::Blocked]), ..JobFilter::default() };
    assert_eq!(kit.records.jobs(&blocked).unwrap()[0].id, cancelled);
    kit.one(Request::delete(cancelled));
    assert_eq!(kit.totals().blocked, 0);
}

pub(super) fn the_results_of_parents_come_with_the_claim_also_when_they_are_gone(kit: &mut Kit) {
    let cancel = AfterFailed::Cancel;
    let pushed = kit.push([linked("a", &[], cancel), linked("b", &[], cancel)]);
    let [a, b] = [pushed[0].id, pushed[1].id];
    let dead = kit.push_one(NewJob { priority: -1, ..job() });
    let child = linked("", &[id(a), id(b), id(dead)], AfterFailed::Continue);
    kit.push_one(child);
    for _ in 0..2 {
        let run = kit.claim_one();
        assert_eq!(run.parents, None);
        kit.succeed(&run);
    }
    let run = kit.claim_one();
    die(kit, &run);
    kit.one(Request::delete(b));
    let run = kit.claim_one();
    let members = run.parents.as_ref().unwrap().members();
    assert_eq!(members, format!(r#""parents":{{"{a}":[1],"{dead}":null}},"parents_left_out":["{b}"]"#));
    kit.one(Change::Unclaim { job: run.id, run: run.run });
    assert_eq!(kit.claim_one().parents, run.parents);
    let named = kit.push([linked("x", &[name("y")], cancel), linked("y", &[], cancel)]);
    let run = kit.claim_one();
    assert_eq!(run.id, named[1].id);
    kit.succeed(&run);
    assert_eq!(kit.claim_one().parents.as_ref().unwrap().members(), r#""parents":{"y":[1]}"#);
}

fn begin(kit: &mut Kit) -> BulkId {
    match kit.one(Request::Bulk(BulkStep::Begin(super::bulk::owner()))) {
        Reply::Begun(bulk) => bulk,
        other => panic!("{other:?}"),
    }
}

fn stage(kit: &mut Kit, bulk: BulkId, jobs: &[NewJob]) -> Reply {
    kit.one(Request::Bulk(BulkStep::Stage { bulk, jobs: jobs.into() }))
}

fn commit_and_open(kit: &mut Kit, bulk: BulkId, limit: u32) {
    assert!(matches!(kit.one(Request::Bulk(BulkStep::Commit { bulk, batch: Arc::default() })), Reply::Committed(_)));
    while let Reply::Opened(opened) = kit.one(Request::Bulk(BulkStep::Open { bulk, limit })) {
        if !opened.more {
            break;
        }
    }
    kit.promote();
}

pub(super) fn a_bulk_push_has_refs_forward_and_back_and_circles_are_refused(kit: &mut Kit) {
    let cancel = AfterFailed::Cancel;
    let bulk = begin(kit);
    assert!(matches!(stage(kit, bulk, &[linked("a", &[name("z")], cancel), job()]), Reply::Staged { first: JobId(1) }));
    assert_eq!(why(stage(kit, bulk, &[job(), linked("a", &[], cancel)])), (1, LinkError::Twice("a".into())));
    stage(kit, bulk, &[linked("y", &[name("a")], cancel), after(&[name("later")])]);
    let commit = |kit: &mut Kit| why(kit.one(Request::Bulk(BulkStep::Commit { bulk, batch: Arc::default() })));
    assert_eq!(commit(kit).1, LinkError::UnknownRef("z".into()));
    stage(kit, bulk, &[linked("z", &[], cancel)]);
    assert_eq!(commit(kit), (3, LinkError::UnknownRef("later".into())));
    stage(kit, bulk, &[linked("later", &[], cancel)]);
    commit_and_open(kit, bulk, 2);
    let (blocked, ready) = (JobState::Blocked, JobState::Ready);
    assert_eq!(states(kit, &[1, 2, 3, 4, 5, 6].map(JobId)), [blocked, ready, blocked, blocked, ready, ready]);
    let bulk = begin(kit);
    stage(kit, bulk, &[linked("a", &[name("b")], cancel), linked("b", &[name("c")], cancel)]);
    stage(kit, bulk, &[linked("c", &[name("a")], cancel)]);
    let (_, why_not) = why(kit.one(Request::Bulk(BulkStep::Commit { bulk, batch: Arc::default() })));
    assert!(matches!(why_not, LinkError::Circle(_)), "{why_not:?}");
    while matches!(kit.one(Request::Bulk(BulkStep::Drop { bulk, limit: 2 })), Reply::Count(2)) {}
    assert_eq!(kit.totals().blocked, 3);
    assert_eq!(kit.records.links(JobId(7), Side::Children, 9).unwrap(), []);
}

pub(super) fn a_bulk_push_that_is_opened_looks_at_what_became_of_parents_meanwhile(kit: &mut Kit) {
    let parents: Vec<JobId> = (0..3).map(|_| kit.push_one(job())).collect();
    let bulk = begin(kit);
    let jobs: Vec<NewJob> = parents.iter().map(|parent| after(&[id(*parent)])).collect();
    stage(kit, bulk, &jobs);
    let [first, second] = [kit.claim_one(), kit.claim_one()];
    kit.succeed(&first);
    die(kit, &second);
    let children = [4, 5, 6].map(JobId);
    assert_eq!(kit.records.job(children[0]).unwrap().map(|job| job.id), None, "it is not there yet");
    kit.one(Request::Bulk(BulkStep::Commit { bulk, batch: Arc::default() }));
    assert_eq!(states(kit, &children), [JobState::Blocked; 3], "counted, and not opened");
    while matches!(kit.one(Request::Bulk(BulkStep::Open { bulk, limit: 1 })), Reply::Opened(opened) if opened.more) {}
    assert_eq!(states(kit, &children), [JobState::Ready, JobState::Cancelled, JobState::Blocked]);
}

pub(super) fn who_comes_after_a_job_that_was_there_already_comes_after_that_one(kit: &mut Kit) {
    let (cancel, holder) = (AfterFailed::Cancel, kit.push_one(unique("k")));
    let keyed = |job: NewJob| NewJob { unique: Some("k".into()), ..job };
    let pushed = kit.push([keyed(linked("a", &[], cancel)), after(&[name("a")])]);
    assert_eq!(pushed[0].id, holder);
    let child = pushed[1].id;
    assert_eq!(kit.records.links(child, Side::Parents, 9).unwrap()[0].after, holder);
    let bulk = begin(kit);
    stage(kit, bulk, &[keyed(linked("a", &[], cancel)), after(&[name("a")])]);
    commit_and_open(kit, bulk, 9);
    let run = kit.claim_one();
    kit.succeed(&run);
    kit.promote();
    assert_eq!((kit.totals().blocked, kit.totals().ready), (0, 2));
    let bulk = begin(kit);
    stage(kit, bulk, &[keyed(linked("a", &[name("b")], cancel))]);
    stage(kit, bulk, &[linked("b", &[name("c")], cancel)]);
    stage(kit, bulk, &[keyed(linked("c", &[], cancel))]);
    commit_and_open(kit, bulk, 9);
    assert_eq!(kit.totals().blocked, 0, "two that are one in the end would wait for one another for ever");
}

pub(super) fn what_is_free_is_claimed_within_the_same_batch(kit: &mut Kit) {
    let parent = kit.push_one(job());
    let child = kit.push_one(after(&[id(parent)]));
    let run = kit.claim_one();
    let finish = kit.finish_op(&run, Outcome::Succeeded, Next::Succeeded, run.counters);
    let takes = vec![(QueueName::default(), 1)];
    let claim = Claim { takes, lanes: Takes::Others, workers: vec![], total: 1, at_once: 1, max_bytes: usize::MAX };
    let replies = kit.apply(&[finish.into(), Change::Claim(claim).into()]);
    let Reply::Claimed { jobs, .. } = &replies[1] else { panic!("{replies:?}") };
    assert_eq!(jobs[0].id, child);
}
