//! Cases on runs of processors: what ends them, what does not, how they are listed and forgotten.

use super::processors::{armed, begin, name, now, tick};
use super::*;
use crate::model::ProcessorRunId;
use crate::model::processor::{BeginRun, ForeignProcess, ProcessorRun, ProcessorRunState, RunSource, Tick};
use crate::store::ProcessorRunFilter;

fn claim_and_finish(kit: &mut Kit, outcome: Outcome, next: Next) {
    let job = kit.claim_one();
    kit.finish(&job, outcome, next, counters(1, 0, 0));
}

/// Something that ends a job.
#[derive(Clone, Copy, Debug)]
enum Way {
    Run(Outcome, Next),
    Cancel,
    Delete,
    ExpirySeenByPromotion,
    ExpirySeenByClaim,
    CancelBeforeRetry,
}

fn go(kit: &mut Kit, job: JobId, way: Way) {
    match way {
        Way::Run(outcome, next) => claim_and_finish(kit, outcome, next),
        Way::Cancel => drop(kit.one(Change::cancel(job))),
        Way::Delete => drop(kit.one(Request::delete(job))),
        Way::ExpirySeenByPromotion => {
            kit.pass(60);
            kit.one(Change::Promote { limit: 9 });
        }
        Way::ExpirySeenByClaim => {
            kit.pass(60);
            assert!(kit.claim(1).is_empty());
        }
        Way::CancelBeforeRetry => {
            let later = kit.later(5);
            claim_and_finish(kit, Outcome::Failed, Next::RetryAt(later));
            kit.one(Change::cancel(job));
        }
    }
}

pub(super) fn every_way_a_job_ends_ends_its_run_once(kit: &mut Kit) {
    let dead = |outcome| Way::Run(outcome, Next::Dead(Cause::MaxAttempts));
    let cancelled = Way::Run(Outcome::Cancelled, Next::Cancelled(Cause::Cancelled));
    let ways = [
        (Way::Run(Outcome::Succeeded, Next::Succeeded), ProcessorRunState::Succeeded, ""),
        (dead(Outcome::Failed), ProcessorRunState::Failed, "run "),
        (dead(Outcome::TimedOut), ProcessorRunState::TimedOut, "run "),
        (dead(Outcome::Crashed), ProcessorRunState::Crashed, "run "),
        (cancelled, ProcessorRunState::Cancelled, "run "),
        (Way::Cancel, ProcessorRunState::Cancelled, ""),
        (Way::Delete, ProcessorRunState::Cancelled, "deleted"),
        (Way::ExpirySeenByPromotion, ProcessorRunState::Cancelled, "expired"),
        (Way::ExpirySeenByClaim, ProcessorRunState::Cancelled, "expired"),
        (Way::CancelBeforeRetry, ProcessorRunState::Cancelled, ""),
    ];
    for (way, state, note) in ways {
        let expires_at = Some(kit.later(60));
        let (id, job) = kit.ticked(Tick { job: NewJob { expires_at, ..job() }, ..now() });
        go(kit, job, way);
        let run = kit.run_of(id);
        assert_eq!((run.state, run.ended_at.is_some()), (state, true), "{way:?}");
        let noted = run.note.as_deref().unwrap_or_default();
        assert!(noted.starts_with(note) && noted.is_empty() == note.is_empty(), "{way:?}: {noted}");
        // The later fate of the job is no matter of the run.
        kit.one(Request::retry(job));
        if kit.state(job) == Some(JobState::Ready) {
            claim_and_finish(kit, Outcome::Succeeded, Next::Succeeded);
        }
        kit.one(Request::delete(job));
        assert_eq!(kit.run_of(id), run, "{way:?}");
    }
}

pub(super) fn a_run_stays_open_while_its_job_is_tried_again(kit: &mut Kit) {
    let (id, job) = kit.ticked(now());
    let state = |kit: &mut Kit| (kit.run_of(id).state, kit.run_of(id).started_at);
    let waits = (ProcessorRunState::Waiting, None);
    let claimed = kit.claim_one();
    kit.one(Change::Unclaim { job, run: claimed.run });
    assert_eq!(state(kit), waits);
    let (begun, later) = (Some(kit.at()), kit.later(5));
    go(kit, job, Way::Run(Outcome::Failed, Next::RetryAt(later)));
    let waits = (ProcessorRunState::Waiting, begun);
    assert_eq!(state(kit), waits, "it began with its first attempt");
    kit.pass(5);
    kit.one(Change::Promote { limit: 9 });
    claim_and_finish(kit, Outcome::Released, Next::Ready);
    assert_eq!(state(kit), waits);
    kit.claim_one();
    assert_eq!(state(kit), (ProcessorRunState::Running, begun));
    kit.join(2);
    assert_eq!((kit.recover(), state(kit)), (1, waits));
    kit.pass(3);
    let claimed = kit.claim_one();
    assert_eq!(claimed.holds.run, Some(id));
    kit.succeed(&claimed);
    assert_eq!(state(kit), (ProcessorRunState::Succeeded, begun));
    assert_eq!(kit.all_runs().len(), 1, "one run, whatever the attempts");
}

pub(super) fn a_run_outside_ends_once(kit: &mut Kit) {
    let process = ForeignProcess { host: "h".into(), pid: 7, start: u64::MAX, boot_id: "b".into() };
    let begin = BeginRun { process: Some(process.clone()), deadline: Some(kit.later(60)), ..begin() };
    let Reply::RunBegun(first) = kit.one(Request::BeginRun(begin)) else { panic!() };
    let id = first.id;
    let open = kit.mail().open.remove(0);
    assert_eq!((open.id, open.process, open.deadline, open.job), (id, Some(process), Some(kit.later(60)), None));
    let run = kit.run_of(id);
    assert_eq!(run, *first);
    assert_eq!(
        (run.state, run.source, run.started_at),
        (ProcessorRunState::Running, RunSource::Foreign, Some(kit.at()))
    );
    kit.pass(3);
    let end = |run, state| Request::EndRun { run, state, note: Some("12 mails".into()) };
    let Reply::RunEnded(ended) = kit.one(end(id, ProcessorRunState::Succeeded)) else { panic!() };
    let run = kit.run_of(id);
    assert_eq!(run, *ended);
    assert_eq!(
        (run.state, run.duration_s, run.note.as_deref()),
        (ProcessorRunState::Succeeded, Some(3.0), Some("12 mails"))
    );
    assert!(matches!(kit.one(end(id, ProcessorRunState::Failed)), Reply::RunIs(ProcessorRunState::Succeeded)));
    assert!(matches!(kit.one(Change::LoseRun(id)), Reply::Stale));
    assert_eq!(kit.run_of(id), run);
    assert!(matches!(kit.one(end(ProcessorRunId(99), ProcessorRunState::Failed)), Reply::Missing));
    let (of_job, _) = kit.ticked(now());
    assert!(matches!(kit.one(end(of_job, ProcessorRunState::Failed)), Reply::RunIs(ProcessorRunState::Waiting)));
    assert!(matches!(kit.one(Change::LoseRun(of_job)), Reply::Stale));
    let lost = kit.begun();
    assert!(matches!(kit.one(Change::LoseRun(lost)), Reply::Done));
    assert_eq!(kit.run_of(lost).state, ProcessorRunState::Lost);
}

pub(super) fn the_newest_run_and_those_that_are_open_stay(kit: &mut Kit) {
    let open = kit.begun();
    let ended: Vec<ProcessorRunId> = (0..5).map(|_| kit.begun()).collect();
    for &run in &ended {
        kit.one(Request::EndRun { run, state: ProcessorRunState::Succeeded, note: None });
        kit.pass(1);
    }
    let left = |kit: &mut Kit| kit.all_runs().iter().map(|run| run.id).collect::<Vec<_>>();
    let keep = Keep { runs_since: kit.later(-3), limit: 2, ..kit.keep_nothing() };
    assert_eq!((kit.prune(keep), left(kit).len()), (1, 5), "a step looks at two of them, and the first is open");
    let keep = Keep { limit: 9, ..keep };
    let longer = [(name("mail"), kit.later(-99))].into();
    let prune = Change::Prune { keep, served: served(&[]), keep_runs: Arc::new(longer) };
    assert!(matches!(kit.one(prune), Reply::Count(0)), "they are kept for longer");
    let shorter = [(name("mail"), kit.later(9)), (name("other"), kit.later(-99))].into();
    let prune = Change::Prune { keep, served: served(&[]), keep_runs: Arc::new(shorter) };
    assert!(matches!(kit.one(prune), Reply::Count(3)));
    assert_eq!(left(kit), [ended[4], open]);
    assert_eq!(kit.prune(kit.keep_nothing()), 0);
    assert_eq!(kit.begun(), ProcessorRunId(ended[4].0 + 1), "no id is given twice");
}

pub(super) fn runs_of_processors_are_listed_by_filter(kit: &mut Kit) {
    kit.one(armed("every 1s", Some(10)));
    let (first, _) = kit.ticked(tick(None, 10));
    kit.pass(1);
    let Reply::RunBegun(other) = kit.one(Request::BeginRun(BeginRun { processor: name("other"), ..begin() })) else {
        panic!()
    };
    let other = other.id;
    let (second, _) = kit.ticked(tick(Some(10), 11));
    kit.pass(1);
    let (third, _) = kit.ticked(tick(Some(11), 12));
    claim_and_finish(kit, Outcome::Succeeded, Next::Succeeded);
    kit.claim_one();
    let all = ProcessorRunFilter::default();
    let of = |state| ProcessorRunFilter { state: Some(state), ..ProcessorRunFilter::default() };
    let mail = Some(name("mail"));
    let table = [
        (all.clone(), vec![third, second, other, first]),
        (ProcessorRunFilter { limit: Some(2), ..all.clone() }, vec![third, second]),
        (ProcessorRunFilter { before: Some(second), ..all.clone() }, vec![other, first]),
        (ProcessorRunFilter { processor: mail.clone(), before: Some(third), ..all.clone() }, vec![second, first]),
        (ProcessorRunFilter { processor: Some(name("none")), ..all.clone() }, vec![]),
        (ProcessorRunFilter { since: Some(kit.later(-1)), ..all.clone() }, vec![third, second, other]),
        (ProcessorRunFilter { since: Some(kit.at()), processor: mail.clone(), ..all }, vec![third]),
        (of(ProcessorRunState::Succeeded), vec![first]),
        (of(ProcessorRunState::Running), vec![second, other]),
        (of(ProcessorRunState::Waiting), vec![third]),
        (of(ProcessorRunState::Failed), vec![]),
        (ProcessorRunFilter { processor: mail.clone(), ..of(ProcessorRunState::Running) }, vec![second]),
        (ProcessorRunFilter { processor: mail, ..of(ProcessorRunState::Succeeded) }, vec![first]),
    ];
    for (filter, ids) in table {
        let found: Vec<ProcessorRun> = kit.records.processor_runs(&filter).unwrap();
        assert_eq!(found.iter().map(|run| run.id).collect::<Vec<_>>(), ids, "{filter:?}");
        for run in found {
            assert_eq!(kit.run_of(run.id), run);
        }
    }
}
