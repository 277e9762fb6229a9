//! Cases about failed runs by fingerprint.

use super::*;
use crate::model::failure::{Failure, FailureNote, MOST_PER_TYPE};
use crate::model::{FailureRecord, Fingerprint};
use crate::store::FailureFilter;

impl Kit {
    /// Each dead job is counted with its error.
    pub(super) fn check_failures(&mut self) {
        let mut dead = BTreeMap::<Fingerprint, u64>::new();
        for job in self.records.jobs(&JobFilter::default()).unwrap() {
            if let Some(fingerprint) = job.fingerprint {
                *dead.entry(fingerprint).or_default() += 1;
            }
        }
        let of = |muted| FailureFilter { muted, ..FailureFilter::default() };
        let mut counted = |muted| self.records.failures(&of(muted), UnixMicros(self.now)).unwrap();
        let counted = counted(false).into_iter().chain(counted(true));
        let counted = counted.filter(|seen| seen.dead_now > 0).map(|seen| (seen.fingerprint, seen.dead_now));
        assert_eq!(counted.collect::<BTreeMap<_, _>>(), dead);
    }
}

fn of(kind: &str, error: &str) -> Fingerprint {
    Fingerprint::of(kind, Cause::Error, None, Some(error))
}

/// Pushes a job, which fails at once.
fn fail(kit: &mut Kit, new: NewJob, error: &str, next: Next) -> JobId {
    let queue = new.queue.clone();
    kit.push_one(NewJob { priority: 100, ..new });
    let claim = Claim {
        takes: vec![(queue, 1)],
        lanes: Takes::Others,
        workers: vec![WorkerId(1)],
        total: 1,
        at_once: u32::MAX,
        max_bytes: usize::MAX,
    };
    let claimed = Arc::new(kit.claim_as(claim).0.remove(0));
    fail_again(kit, &claimed, error, next);
    claimed.id
}

fn fail_again(kit: &mut Kit, claimed: &Arc<Claimed>, error: &str, next: Next) {
    let mut op = kit.finish_op(claimed, Outcome::Failed, next, counters(1, 0, 0));
    let Change::Finish(finish) = &mut op else { panic!("{op:?}") };
    finish.detail.error = Some(error.to_owned());
    kit.one(op);
}

const DEAD: Next = Next::Dead(Cause::MaxAttempts);

fn list(kit: &mut Kit, filter: &FailureFilter) -> Vec<FailureRecord> {
    let now = kit.at();
    kit.records.failures(filter, now).unwrap()
}

fn all(kit: &mut Kit) -> Vec<FailureRecord> {
    list(kit, &FailureFilter::default())
}

fn only(kit: &mut Kit) -> FailureRecord {
    let mut found = all(kit);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

pub(super) fn failed_runs_are_counted_by_error_also_those_that_are_tried_again(kit: &mut Kit) {
    let first = kit.later(2);
    kit.job_in(JobState::Succeeded, job());
    kit.job_in(JobState::Cancelled, job());
    assert!(all(kit).is_empty());
    let id = fail(kit, job(), "smtp 10.0.0.1 is away", Next::RetryAt(kit.later(9)));
    kit.pass(3600);
    kit.one(Change::Promote { limit: 9 });
    let claimed = kit.claim_one();
    fail_again(kit, &claimed, "smtp 10.0.0.2 is away", Next::Ready);
    let seen = only(kit);
    assert_eq!((seen.fingerprint, seen.message.as_str()), (of("resize", "smtp 10.9.9.9 is away"), "smtp … is away"));
    assert_eq!((seen.runs, seen.runs_1h, seen.runs_24h, seen.dead_now), (2, 1, 2, 0));
    assert_eq!((seen.first_at, seen.last_at, seen.sample_run), (first, kit.later(2), Some(claimed.run)));
    assert_eq!((seen.trend[22], seen.trend[23]), (1, 1));
    // A run that is no longer the current one counts nothing.
    fail_again(kit, &claimed, "smtp 10.0.0.2 is away", DEAD);
    assert_eq!(only(kit), seen);
    let again = kit.claim_one();
    assert_eq!(again.id, id);
    kit.succeed(&again);
    assert_eq!(only(kit), seen, "it was tried again and succeeded");
    kit.pass(24 * 3600);
    assert_eq!((only(kit).runs, only(kit).runs_24h), (2, 0));
}

pub(super) fn a_batch_counts_its_failed_runs_once_however_often_it_is_sent(kit: &mut Kit) {
    kit.push((0..3).map(|_| job()).collect::<Vec<_>>());
    let ops: Vec<Op> = kit
        .claim(3)
        .into_iter()
        .map(|claimed| kit.finish_op(&Arc::new(claimed), Outcome::Crashed, DEAD, counters(1, 1, 0)).into())
        .collect();
    kit.apply(&ops);
    let again = kit.store.apply(kit.batch, &ops, kit.at());
    assert!(matches!(again, Err(crate::store::StoreError::AlreadyApplied)), "{again:?}");
    kit.join(2);
    kit.recover();
    assert_eq!((only(kit).runs, only(kit).dead_now), (3, 3));
}

pub(super) fn dead_jobs_are_counted_with_their_error_until_they_leave(kit: &mut Kit) {
    let ids: Vec<JobId> = (0..4).map(|n| fail(kit, job(), &format!("lost {n}"), DEAD)).collect();
    assert_eq!((only(kit).runs, only(kit).dead_now), (4, 4));
    assert_eq!(kit.job(ids[0]).fingerprint, Some(only(kit).fingerprint));
    kit.one(Request::retry(ids[0]));
    kit.one(Request::delete(ids[1]));
    assert_eq!((only(kit).runs, only(kit).dead_now), (4, 2));
    assert_eq!(kit.records.dead_groups(None, 9).unwrap().0[0].jobs, 2);
    let both = [Request::delete(ids[2]).into(), Request::retry(ids[3]).into()];
    kit.apply(&both);
    assert_eq!((only(kit).runs, only(kit).dead_now), (4, 0));
    assert!(kit.records.dead_groups(None, 9).unwrap().0.is_empty());
}

pub(super) fn errors_past_the_bound_of_a_type_are_one(kit: &mut Kit) {
    let word = |n: usize| -> String { format!("{n:04}").bytes().map(|b| char::from(b - b'0' + b'a')).collect() };
    let ids: Vec<JobId> = (0..MOST_PER_TYPE + 5).map(|n| fail(kit, job(), &word(n), DEAD)).collect();
    fail(kit, NewJob { kind: "mail".into(), ..job() }, "another type", DEAD);
    fail(kit, NewJob { queue: queue("mail"), ..job() }, "another queue", DEAD);
    let found = all(kit);
    assert_eq!(found.len(), MOST_PER_TYPE + 3);
    let others = Fingerprint::of_others("resize");
    assert_eq!((found[0].fingerprint, found[0].runs, found[0].dead_now), (others, 5, 5));
    assert!(found[0].message.starts_with("other errors"), "{}", found[0].message);
    assert_eq!(kit.job(ids[MOST_PER_TYPE + 4]).fingerprint, Some(others));
    assert_eq!(kit.job(ids[MOST_PER_TYPE]).fingerprint, Some(others));
    // Room for one more does not take from the others what was counted there.
    kit.one(Request::delete(ids[0]));
    kit.pass(60);
    let since = kit.later(-1);
    kit.prune(Keep {
        runs_since: since,
        dead_since: UnixMicros(0),
        succeeded_since: since,
        audit_since: since,
        limit: 1000,
    });
    let late = fail(kit, job(), &word(MOST_PER_TYPE), DEAD);
    assert_eq!(kit.job(late).fingerprint, Some(of("resize", &word(MOST_PER_TYPE))));
    kit.one(Request::delete(ids[MOST_PER_TYPE]));
    let of_others = list(kit, &FailureFilter { fingerprint: Some(others), ..FailureFilter::default() });
    assert_eq!((of_others[0].runs, of_others[0].dead_now), (5, 4));
}

pub(super) fn errors_go_in_small_steps_once_no_job_is_dead_of_them(kit: &mut Kit) {
    let words = ["a", "b", "c", "d"];
    let ids = words.map(|word| fail(kit, job(), word, DEAD));
    kit.pass(60);
    fail(kit, job(), "e", Next::Ready);
    let since = kit.later(-30);
    let keep =
        Keep { succeeded_since: since, dead_since: UnixMicros(0), runs_since: since, audit_since: since, limit: 2 };
    for id in &ids[..3] {
        kit.one(Request::delete(*id));
    }
    let mut left = Vec::new();
    for _ in 0..4 {
        kit.prune(keep);
        let mut messages: Vec<String> = all(kit).into_iter().map(|seen| seen.message).collect();
        messages.sort();
        left.push(messages.concat());
    }
    assert_eq!(left, ["cde", "de", "de", "de"], "one has a dead job, one is young");
    kit.one(Request::delete(ids[3]));
    kit.prune(keep);
    assert_eq!(only(kit).message, "e");
}

pub(super) fn errors_are_listed_by_filter(kit: &mut Kit) {
    let mail = || NewJob { queue: queue("mail"), kind: "mail".into(), ..job() };
    fail(kit, mail(), "lost", Next::RetryAt(kit.later(99)));
    fail(kit, NewJob { queue: queue("mail"), ..job() }, "lost", DEAD);
    kit.pass(60);
    fail(kit, job(), "lost", DEAD);
    fail(kit, job(), "rare", DEAD);
    let filter = FailureFilter::default;
    let mut found = |filter: &FailureFilter| -> Vec<(String, String, u64)> {
        list(kit, filter).into_iter().map(|seen| (seen.kind, seen.message, seen.dead_now)).collect()
    };
    let row = |kind: &str, message: &str, dead| (kind.to_owned(), message.to_owned(), dead);
    let (both, rare, of_mail) = (row("resize", "lost", 2), row("resize", "rare", 1), row("mail", "lost", 0));
    assert_eq!(found(&filter()), [both.clone(), rare.clone(), of_mail.clone()]);
    assert_eq!(found(&FailureFilter { limit: Some(1), ..filter() }), std::slice::from_ref(&both));
    assert_eq!(found(&FailureFilter { kind: Some("mail".into()), ..filter() }), std::slice::from_ref(&of_mail));
    assert_eq!(
        found(&FailureFilter { queue: Some(queue("mail")), ..filter() }),
        [row("resize", "lost", 1), of_mail.clone()]
    );
    let one = Some(of("resize", "rare"));
    assert_eq!(found(&FailureFilter { fingerprint: one, ..filter() }), std::slice::from_ref(&rare));
    assert!(found(&FailureFilter { queue: Some(queue("never")), ..filter() }).is_empty());
    assert!(found(&FailureFilter { kind: Some("never".into()), ..filter() }).is_empty());
    let since = Some(kit.later(-30));
    let young = list(kit, &FailureFilter { since, ..filter() });
    assert_eq!(young.iter().map(|seen| seen.message.as_str()).collect::<Vec<_>>(), ["lost", "rare"]);
    let queues: Vec<&str> = young[0].queues.iter().map(QueueName::as_str).collect();
    assert_eq!((queues, young[0].runs), (vec!["default", "mail"], 2));
}

pub(super) fn what_is_said_of_an_error_stays_until_it_is_forgotten(kit: &mut Kit) {
    let say = |kit: &mut Kit, note: Option<&str>, muted_until| {
        let said = FailureNote { note: note.map(str::to_owned), muted_until };
        kit.one(Request::NoteFailure { fingerprint: of("resize", "lost"), said })
    };
    assert!(matches!(say(kit, Some("early"), None), Reply::Missing));
    let dead = fail(kit, job(), "lost", DEAD);
    assert_eq!(only(kit).said, FailureNote::default());
    assert!(matches!(say(kit, Some("disk of web3"), None), Reply::Done));
    let until = Some(kit.later(60));
    say(kit, None, until);
    let muted = FailureFilter { muted: true, ..FailureFilter::default() };
    let said = FailureNote { note: Some("disk of web3".to_owned()), muted_until: until };
    assert!(all(kit).is_empty());
    assert_eq!(list(kit, &muted)[0].said, said, "one does not take the place of the other");
    // Also what fails in a queue that had no record before.
    fail(kit, NewJob { queue: queue("mail"), ..job() }, "lost", Next::RetryAt(kit.later(99)));
    assert!(all(kit).is_empty());
    let named = FailureFilter { fingerprint: Some(of("resize", "lost")), ..FailureFilter::default() };
    assert_eq!(list(kit, &named)[0].said, said, "one that is named is found all the same");
    kit.pass(60);
    assert_eq!(only(kit).said, FailureNote { muted_until: None, ..said.clone() }, "its time is over");
    assert!(list(kit, &muted).is_empty());
    say(kit, Some(""), Some(kit.later(60)));
    say(kit, None, Some(UnixMicros(0)));
    assert_eq!(only(kit).said, FailureNote::default());
    say(kit, Some("again"), None);
    kit.one(Request::delete(dead));
    kit.pass(60);
    let since = kit.later(-30);
    let keep =
        Keep { succeeded_since: since, dead_since: UnixMicros(0), runs_since: since, audit_since: since, limit: 1 };
    kit.prune(keep);
    assert_eq!(only(kit).said.note.as_deref(), Some("again"), "another queue has it still");
    kit.prune(keep);
    assert!(all(kit).is_empty());
    fail(kit, job(), "lost", DEAD);
    assert_eq!(only(kit).said, FailureNote::default(), "it is another story now");
}

pub(super) fn a_failure_without_a_message_is_told_by_its_cause(kit: &mut Kit) {
    kit.push_one(job());
    let claimed = kit.claim_one();
    let mut op = kit.finish_op(&claimed, Outcome::TimedOut, Next::Dead(Cause::MaxAttempts), counters(1, 0, 0));
    let Change::Finish(finish) = &mut op else { panic!("{op:?}") };
    finish.detail.error = None;
    let expected = Failure::of(finish).unwrap().fingerprint();
    kit.one(op);
    assert_eq!((only(kit).fingerprint, only(kit).message.as_str()), (expected, "no message (max_attempts)"));
    assert_eq!(kit.job(claimed.id).fingerprint, Some(expected));
}
