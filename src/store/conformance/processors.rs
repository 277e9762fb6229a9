//! Cases on processors: a tick has one run, whichever comes first, and a run ends once, with its job or by itself.

use super::*;
use crate::model::ProcessorRunId;
use crate::model::processor::{
    Armed, BeginRun, ForeignProcess, Overlap, ProcessorRecord, ProcessorRun, ProcessorRunState, RunSource, SkipCause,
    Switch, Tick,
};
use crate::store::ProcessorRunFilter;

pub(super) fn name(text: &str) -> ProcessorName {
    ProcessorName::new(text).unwrap()
}

pub(super) fn armed(schedule: &str, next_at: Option<i64>) -> Change {
    let armed = Armed { name: name("mail"), schedule: schedule.into(), next_at: next_at.map(UnixMicros) };
    Change::ArmProcessors([armed].into())
}

/// The tick at a second, after the one at another.
pub(super) fn tick(after: Option<i64>, at: i64) -> Tick {
    Tick {
        processor: name("mail"),
        tick: Some(UnixMicros(at)),
        expected: after.map(UnixMicros),
        next_at: Some(UnixMicros(at + 1)),
        passed_over: (0, SkipCause::Missed),
        skip: None,
        source: RunSource::Schedule,
        overlap: Overlap::Allow,
        enabled: true,
        force: false,
        job: job(),
    }
}

/// A run without a tick.
fn now() -> Tick {
    Tick { tick: None, next_at: None, source: RunSource::Now, ..tick(None, 0) }
}

fn begin() -> BeginRun {
    BeginRun { processor: name("mail"), enabled: true, process: None, deadline: None }
}

fn off() -> Request {
    let (enabled, changed_at, by) = (Some(false), Some(UnixMicros(5)), Some("alice".to_owned()));
    let switch = Switch { enabled, changed_at, changed_by: by, reason: Some("moving".into()) };
    Request::SwitchProcessor { processor: name("mail"), switch }
}

impl Kit {
    pub(super) fn tick(&mut self, tick: Tick) -> Reply {
        self.one(Change::Tick(Box::new(tick)))
    }

    pub(super) fn ticked(&mut self, tick: Tick) -> (ProcessorRunId, JobId) {
        match self.tick(tick) {
            Reply::Ticked { run, job } => (run, job),
            other => panic!("{other:?}"),
        }
    }

    fn begun(&mut self) -> ProcessorRunId {
        match self.one(Request::BeginRun(begin())) {
            Reply::RunBegun(run) => run,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn mail(&mut self) -> ProcessorRecord {
        self.records.processor(&name("mail")).unwrap().unwrap()
    }

    pub(super) fn run_of(&mut self, id: ProcessorRunId) -> ProcessorRun {
        self.records.processor_run(id).unwrap().unwrap()
    }

    pub(super) fn all_runs(&mut self) -> Vec<ProcessorRun> {
        self.records.processor_runs(&ProcessorRunFilter::default()).unwrap()
    }
}

pub(super) fn a_tick_puts_a_run_on_record_and_pushes_its_job(kit: &mut Kit) {
    let Reply::Processors(records) = kit.one(armed("every 1s", Some(10))) else { panic!() };
    assert_eq!(records, [kit.mail()]);
    assert_eq!((kit.mail().last_tick, kit.mail().next_at), (None, Some(UnixMicros(10))));
    let (id, job) = kit.ticked(Tick { job: unique("k"), ..tick(None, 10) });
    let mail = kit.mail();
    assert_eq!((mail.last_tick, mail.next_at, mail.skipped), (Some(UnixMicros(10)), Some(UnixMicros(11)), 0));
    let run = kit.run_of(id);
    assert_eq!((run.processor.as_str(), run.tick, run.source), ("mail", Some(UnixMicros(10)), RunSource::Schedule));
    assert_eq!((run.state, run.job_id, run.started_at), (ProcessorRunState::Waiting, Some(job), None));
    assert_eq!((mail.last_run.as_ref(), mail.open[0].id, mail.open[0].job), (Some(&run), id, Some(job)));
    assert_eq!(kit.job(job).unique, None);

    let claimed = kit.claim_one();
    assert_eq!((claimed.id, claimed.holds.run), (job, Some(id)));
    let run = kit.run_of(id);
    assert_eq!((run.state, run.started_at), (ProcessorRunState::Running, Some(kit.at())));
    let (started_at, ended_at) = (kit.at(), kit.later(2));
    kit.succeed(&claimed);
    let run = kit.run_of(id);
    assert_eq!(
        (run.state, run.started_at, run.ended_at),
        (ProcessorRunState::Succeeded, Some(started_at), Some(ended_at))
    );
    assert_eq!((run.duration_s, kit.mail().open), (Some(2.0), vec![]));
}

pub(super) fn a_tick_that_somebody_else_has_taken_changes_nothing(kit: &mut Kit) {
    assert!(matches!(kit.tick(tick(None, 10)), Reply::Stale), "it is not on record");
    kit.one(armed("every 1s", Some(10)));
    kit.ticked(tick(None, 10));
    let before = (kit.mail(), kit.all_runs(), kit.totals());
    for (after, at) in [(None, 10), (None, 11), (Some(9), 11)] {
        assert!(matches!(kit.tick(tick(after, at)), Reply::Stale), "{after:?} {at}");
    }
    let next = |expected: Option<i64>| Change::SetNextTick {
        processor: name("mail"),
        expected: expected.map(UnixMicros),
        next_at: Some(UnixMicros(50)),
    };
    assert!(matches!(kit.one(next(None)), Reply::Stale));
    assert_eq!((kit.mail(), kit.all_runs(), kit.totals()), before);
    assert!(matches!(kit.one(next(Some(10))), Reply::Done));
    assert_eq!(kit.mail().next_at, Some(UnixMicros(50)));
    let runs = kit.all_runs();
    assert!(matches!(kit.tick(tick(Some(10), 10)), Reply::Skipped(SkipCause::Overlap)), "it has its run");
    assert_eq!(kit.all_runs(), runs);
}

pub(super) fn a_disabled_tick_is_passed_over_without_a_run(kit: &mut Kit) {
    kit.one(armed("every 1s", Some(10)));
    let disabled = |reply| matches!(reply, Reply::Skipped(SkipCause::Disabled));
    assert!(disabled(kit.tick(Tick { enabled: false, ..tick(None, 10) })));
    let mail = kit.mail();
    assert_eq!((mail.last_tick, mail.next_at, mail.skipped), (Some(UnixMicros(10)), Some(UnixMicros(11)), 1));
    assert_eq!((mail.last_skip, mail.last_run), (Some((SkipCause::Disabled, kit.at())), None));
    kit.one(off());
    assert!(disabled(kit.tick(Tick { passed_over: (3, SkipCause::Missed), ..tick(Some(10), 11) })));
    assert_eq!(kit.mail().skipped, 5);
    let before = kit.mail();
    assert!(disabled(kit.tick(now())), "without a tick");
    assert!(disabled(kit.one(Request::BeginRun(begin()))));
    assert!(disabled(kit.one(Request::BeginRun(BeginRun { processor: name("new"), enabled: false, ..begin() }))));
    assert_eq!((kit.mail(), kit.all_runs(), kit.records.processors().unwrap().len()), (before, vec![], 1));
    assert_eq!(kit.store.totals().unwrap(), [], "and no job");
    kit.ticked(Tick { force: true, ..now() });
}

pub(super) fn a_run_outside_ends_once(kit: &mut Kit) {
    let process = ForeignProcess { host: "h".into(), pid: 7, start: u64::MAX, boot_id: "b".into() };
    let begin = BeginRun { process: Some(process.clone()), deadline: Some(kit.later(60)), ..begin() };
    let Reply::RunBegun(id) = kit.one(Request::BeginRun(begin)) else { panic!() };
    let open = kit.mail().open.remove(0);
    assert_eq!((open.id, open.process, open.deadline, open.job), (id, Some(process), Some(kit.later(60)), None));
    let run = kit.run_of(id);
    assert_eq!(
        (run.state, run.source, run.started_at),
        (ProcessorRunState::Running, RunSource::Foreign, Some(kit.at()))
    );
    kit.pass(3);
    let end = |run, state| Request::EndRun { run, state, note: Some("12 mails".into()) };
    assert!(matches!(kit.one(end(id, ProcessorRunState::Succeeded)), Reply::Done));
    let run = kit.run_of(id);
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
