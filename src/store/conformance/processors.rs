//! Cases on processors: a tick has one run, whichever comes first, and a run ends once, with its job or by itself.

use super::*;
use crate::model::ProcessorRunId;
use crate::model::processor::{
    Armed, BeginRun, EndedRun, Overlap, ProcessorRecord, ProcessorRun, ProcessorRunState, RunSource, SkipCause, Switch,
    Tick,
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
pub(super) fn now() -> Tick {
    Tick { tick: None, next_at: None, source: RunSource::Now, ..tick(None, 0) }
}

pub(super) fn begin() -> BeginRun {
    BeginRun { processor: name("mail"), configured: Some(true), process: None, deadline: None }
}

pub(super) fn off() -> Request {
    let (enabled, changed_at, by) = (Some(false), Some(UnixMicros(5)), Some("alice".to_owned()));
    let switch = Switch { enabled, changed_at, changed_by: by, reason: Some("moving".into()) };
    switch_to(switch)
}

fn switch_to(switch: Switch) -> Request {
    Request::SwitchProcessors { processors: vec![(name("mail"), true)], switch }
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

    pub(super) fn begun(&mut self) -> ProcessorRunId {
        match self.one(Request::BeginRun(begin())) {
            Reply::RunBegun(run) => run.id,
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

    pub(super) fn open_runs(&mut self) -> BTreeSet<ProcessorRunId> {
        let all = self.records.processors().unwrap();
        all.iter().flat_map(|processor| &processor.open).map(|open| open.id).collect()
    }

    /// A batch tells of every run that it has ended, once; a run with a job is open for as long as that is unfinished.
    pub(super) fn check_runs(&mut self, open: &BTreeSet<ProcessorRunId>, ended: &[EndedRun]) {
        let ids: BTreeSet<ProcessorRunId> = ended.iter().map(|ended| ended.id).collect();
        let now = self.open_runs();
        assert_eq!(ids.len(), ended.len(), "told twice: {ended:?}");
        assert!(open.difference(&now).all(|id| ids.contains(id)), "not told: {open:?} {now:?} {ended:?}");
        assert!(ids.is_disjoint(&now), "told, and open: {now:?} {ended:?}");
        for EndedRun { processor, id, state, ended_at } in ended {
            let run = self.run_of(*id);
            assert_eq!((&run.processor, run.state, run.ended_at), (processor, *state, Some(*ended_at)));
            assert!(!state.is_open(), "{run:?}");
        }
        for run in now.into_iter().map(|id| self.run_of(id)).collect::<Vec<_>>() {
            let job = run.job_id.map(|job| self.state(job).is_some_and(|state| !state.is_final()));
            assert!(job != Some(false), "open, and its job is over: {run:?}");
        }
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
    assert_eq!((kit.all_runs(), kit.mail().next_at), (runs, Some(UnixMicros(11))));
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
    let of_new = |configured| Request::BeginRun(BeginRun { processor: name("new"), configured, ..begin() });
    assert!(disabled(kit.one(of_new(Some(false)))));
    assert!(matches!(kit.one(of_new(None)), Reply::NoProcessor(new) if new == name("new")));
    let switch = Switch { enabled: Some(true), ..Switch::default() };
    let both = Request::SwitchProcessors { processors: vec![(name("mail"), true), (name("new"), false)], switch };
    assert!(matches!(kit.one(both), Reply::NoProcessor(new) if new == name("new")));
    assert_eq!((kit.mail(), kit.all_runs(), kit.records.processors().unwrap().len()), (before, vec![], 1));
    assert_eq!(kit.store.totals().unwrap(), [], "and no job");
    kit.ticked(Tick { force: true, ..now() });
}

pub(super) fn a_run_that_is_open_decides_by_the_overlap(kit: &mut Kit) {
    kit.one(armed("every 1s", Some(10)));
    let (_, first) = kit.ticked(tick(None, 10));
    let before = (kit.mail(), kit.totals());
    for overlap in [Overlap::Queue, Overlap::Replace] {
        assert!(matches!(kit.tick(Tick { overlap, ..tick(Some(10), 11) }), Reply::Occupied));
        assert!(matches!(kit.tick(Tick { overlap, ..now() }), Reply::Occupied));
    }
    let skip = Tick { overlap: Overlap::Skip, ..now() };
    assert!(matches!(kit.tick(skip.clone()), Reply::Skipped(SkipCause::Overlap)));
    assert_eq!((kit.mail(), kit.totals()), before);
    assert!(matches!(
        kit.tick(Tick { overlap: Overlap::Skip, ..tick(Some(10), 11) }),
        Reply::Skipped(SkipCause::Overlap)
    ));
    let mail = kit.mail();
    assert_eq!((mail.last_tick, mail.skipped), (Some(UnixMicros(11)), 1));
    assert_eq!(mail.last_skip, Some((SkipCause::Overlap, kit.at())));
    kit.ticked(tick(Some(11), 12));
    assert_eq!(kit.mail().open.len(), 2, "both run");
    let claimed: Vec<_> = kit.claim(2).into_iter().map(Arc::new).collect();
    assert_eq!(claimed[0].id, first);
    for job in &claimed {
        kit.succeed(job);
    }
    let outside = kit.begun();
    assert!(matches!(kit.tick(skip.clone()), Reply::Skipped(SkipCause::Overlap)), "a run outside is one");
    kit.one(Change::LoseRun(outside));
    kit.ticked(skip);
}

pub(super) fn ticks_that_were_missed_are_counted(kit: &mut Kit) {
    kit.one(armed("every 1s", Some(10)));
    kit.ticked(Tick { passed_over: (4, SkipCause::Missed), source: RunSource::Missed, ..tick(None, 14) });
    assert_eq!((kit.mail().skipped, kit.mail().last_skip), (4, Some((SkipCause::Missed, kit.at()))));
    kit.ticked(tick(Some(14), 15));
    kit.pass(1);
    assert_eq!(kit.mail().skipped, 4);
    let skip = Some(SkipCause::Missed);
    let passed = kit.tick(Tick { passed_over: (2, SkipCause::Missed), skip, enabled: false, ..tick(Some(15), 18) });
    assert!(matches!(passed, Reply::Skipped(SkipCause::Missed)), "whatever else");
    let mail = kit.mail();
    assert_eq!((mail.skipped, mail.last_tick), (7, Some(UnixMicros(18))));
    assert_eq!((mail.last_skip, kit.all_runs().len()), (Some((SkipCause::Missed, kit.at())), 2));
}

pub(super) fn a_schedule_that_changed_begins_anew(kit: &mut Kit) {
    let next = |kit: &mut Kit| (kit.mail().last_tick.map(|at| at.0), kit.mail().next_at.map(|at| at.0));
    kit.one(armed("every 1s", None));
    assert_eq!(next(kit), (None, None));
    kit.one(armed("every 1s", Some(10)));
    assert_eq!(next(kit), (None, Some(10)), "there was none");
    kit.one(armed("every 1s", Some(20)));
    kit.one(armed("every 1s", None));
    assert_eq!(next(kit), (None, Some(10)), "where it is the same, what is on record counts");
    kit.ticked(tick(None, 10));
    kit.one(armed("@hourly", Some(3600)));
    assert_eq!(next(kit), (Some(10), Some(3600)));
    kit.one(armed("every 2s", None));
    assert_eq!(next(kit), (Some(10), None));
    let other = Armed { name: name("other"), schedule: String::new(), next_at: None };
    let Reply::Processors(records) = kit.one(Change::ArmProcessors([other].into())) else { panic!() };
    assert_eq!(records.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["other"], "of those named");
    kit.one(Request::BeginRun(begin()));
    let Reply::Processors(records) = kit.one(armed("every 2s", None)) else { panic!() };
    assert_eq!((records.len(), records[0].open.len()), (1, 2), "of a tick, and outside");
    let other = Armed { name: name("other"), schedule: String::new(), next_at: None };
    let Reply::Processors(records) = kit.one(Change::ArmProcessors([other].into())) else { panic!() };
    let found: Vec<_> = records.iter().map(|record| (record.name.as_str(), record.open.len())).collect();
    assert_eq!(found, [("other", 0), ("mail", 2)], "and of those that somebody outside runs");
    let all = kit.records.processors().unwrap();
    assert_eq!(all.iter().map(|record| record.name.as_str()).collect::<Vec<_>>(), ["mail", "other"]);
}

pub(super) fn the_word_of_an_operator_stays_until_it_is_taken_back(kit: &mut Kit) {
    kit.one(off());
    let Request::SwitchProcessors { switch, .. } = off() else { panic!() };
    assert_eq!((kit.mail().switch, kit.mail().schedule.as_str()), (switch.clone(), ""), "before a master has armed it");
    kit.one(armed("every 1s", Some(10)));
    kit.join(2);
    assert_eq!((kit.mail().switch, kit.mail().next_at), (switch.clone(), Some(UnixMicros(10))));
    let switch = Switch { enabled: Some(true), reason: None, ..switch };
    kit.one(switch_to(switch.clone()));
    assert_eq!(kit.mail().switch, switch);
    kit.ticked(Tick { enabled: false, ..tick(None, 10) });
    kit.one(switch_to(Switch { enabled: None, ..switch }));
    assert_eq!(kit.mail().switch, Switch::default());
    assert!(matches!(kit.tick(Tick { enabled: false, ..now() }), Reply::Skipped(SkipCause::Disabled)));
}

pub(super) fn a_tick_that_was_applied_is_not_applied_again(kit: &mut Kit) {
    kit.one(armed("every 1s", Some(10)));
    kit.ticked(tick(None, 10));
    let (at, before) = (kit.at(), (kit.mail(), kit.all_runs()));
    let again = Change::Tick(Box::new(tick(Some(10), 11)));
    let result = kit.store.apply(kit.batch, &[again.into()], at);
    assert!(matches!(result, Err(crate::store::StoreError::AlreadyApplied)));
    assert_eq!((kit.mail(), kit.all_runs()), before);
}
