//! The part of random operations that is about processors.

use proptest::prelude::*;

use super::processors::name;
use super::*;
use crate::model::ProcessorRunId;
use crate::model::processor::{
    Armed, BeginRun, ForeignProcess, Overlap, ProcessorRunState, RunSource, SkipCause, Switch, Tick,
};
use crate::store::ProcessorRunFilter;

/// One step; `of` is a processor, a run the n-th that there may be.
#[derive(Clone, Debug)]
pub(super) enum Deed {
    Arm { of: u8, schedule: u8, next: Option<i64> },
    Tick { of: u8, after: i64, tick: Option<i64>, how: How, skip: Option<u8>, expires: Option<i64> },
    Next { of: u8, after: i64, next: Option<i64> },
    Switch { of: u8, enabled: Option<bool> },
    Begin { of: u8, enabled: bool, known: bool },
    End { run: i64, state: usize },
    Lose(i64),
}

/// Overlap, how many ticks were passed over, enabled, forced.
type How = (u8, u64, bool, bool);

pub(super) fn deed() -> impl Strategy<Value = Deed> {
    let (of, run, maybe) = (0..2_u8, 1..12_i64, || proptest::option::of(-1..4_i64));
    prop_oneof![
        2 => (of.clone(), 0..2_u8, maybe()).prop_map(|(of, schedule, next)| Deed::Arm { of, schedule, next }),
        6 => (of.clone(), prop_oneof![4 => Just(0), 1 => -1..2_i64], maybe(), (0..4_u8, 0..3_u64, any::<bool>(), any::<bool>()),
            proptest::option::weighted(0.1, 0..3_u8), maybe())
            .prop_map(|(of, after, tick, how, skip, expires)| Deed::Tick { of, after, tick, how, skip, expires }),
        1 => (of.clone(), -1..2_i64, maybe()).prop_map(|(of, after, next)| Deed::Next { of, after, next }),
        1 => (of.clone(), any::<Option<bool>>()).prop_map(|(of, enabled)| Deed::Switch { of, enabled }),
        2 => (of, any::<bool>(), any::<bool>()).prop_map(|(of, enabled, known)| Deed::Begin { of, enabled, known }),
        2 => (run.clone(), 2..ProcessorRunState::ALL.len()).prop_map(|(run, state)| Deed::End { run, state }),
        1 => run.prop_map(Deed::Lose),
    ]
}

fn named(of: u8) -> ProcessorName {
    name(["mail", "other"][usize::from(of)])
}

/// The last tick on record, so many microseconds off; none is none.
fn last(kit: &mut Kit, of: u8, off: i64) -> Option<UnixMicros> {
    let last = kit.records.processor(&named(of)).unwrap().and_then(|processor| processor.last_tick);
    last.map(|at| UnixMicros(at.0 + off)).or((off > 0).then_some(UnixMicros(off)))
}

pub(super) fn op(kit: &mut Kit, deed: &Deed) -> Op {
    match deed {
        Deed::Arm { of, schedule, next } => {
            let schedule = ["every 1s", "@daily"][usize::from(*schedule)].into();
            Change::ArmProcessors([Armed { name: named(*of), schedule, next_at: next.map(UnixMicros) }].into()).into()
        }
        Deed::Tick { of, after, tick, how: (overlap, passed_over, enabled, force), skip, expires } => {
            let from = last(kit, *of, 0).map_or(0, |at| at.0);
            let tick = Tick {
                processor: named(*of),
                tick: tick.map(|after| UnixMicros(from + after)),
                expected: last(kit, *of, *after),
                next_at: tick.map(|after| UnixMicros(from + after + 1)),
                passed_over: (*passed_over, SkipCause::Overlap),
                skip: skip.map(|cause| SkipCause::ALL[usize::from(cause)]),
                source: RunSource::ALL[usize::from(*overlap)],
                overlap: [Overlap::Allow, Overlap::Skip, Overlap::Queue, Overlap::Replace][usize::from(*overlap)],
                enabled: *enabled,
                force: *force,
                job: NewJob { expires_at: expires.map(|s| kit.later(s)), ..job() },
            };
            let skip = tick.skip.filter(|_| tick.tick.is_some());
            Change::Tick(Box::new(Tick { skip, ..tick })).into()
        }
        Deed::Next { of, after, next } => {
            let expected = last(kit, *of, *after);
            Change::SetNextTick { processor: named(*of), expected, next_at: next.map(UnixMicros) }.into()
        }
        Deed::Switch { of, enabled } => {
            let (changed_at, changed_by) = (Some(kit.at()), Some(String::from("alice")));
            let switch = Switch { enabled: *enabled, changed_at, changed_by, reason: None };
            Request::SwitchProcessors { processors: vec![(named(*of), true)], switch }.into()
        }
        Deed::Begin { of, enabled, known } => {
            let process = ForeignProcess { host: "h".into(), pid: 7, start: 8, boot_id: "b".into() };
            let deadline = (!known).then(|| kit.later(9));
            let (processor, process) = (named(*of), known.then_some(process));
            Request::BeginRun(BeginRun { processor, configured: Some(*enabled), process, deadline }).into()
        }
        Deed::End { run, state } => {
            let (state, note) = (ProcessorRunState::ALL[*state], Some(String::from("done")));
            Request::EndRun { run: ProcessorRunId(*run), state, note }.into()
        }
        Deed::Lose(run) => Change::LoseRun(ProcessorRunId(*run)).into(),
    }
}

pub(super) fn everything(kit: &mut Kit) -> String {
    let mut text = format!("{:#?}{:#?}", kit.records.processors().unwrap(), kit.all_runs());
    let states = ProcessorRunState::ALL.into_iter().map(Some).chain([None]);
    for (state, processor) in states.flat_map(|state| [(state, None), (state, Some(named(0)))]) {
        let since = Some(kit.later(-2)).filter(|_| state.is_none());
        let filter = ProcessorRunFilter { processor, state, since, before: Some(ProcessorRunId(9)), limit: Some(3) };
        let ids = kit.records.processor_runs(&filter).unwrap().into_iter().map(|run| run.id.0);
        text.extend([format!("{filter:?}: {:?}\n", ids.collect::<Vec<_>>())]);
    }
    text
}
