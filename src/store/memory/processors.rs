//! Processors in the store in memory, and their runs.
//!
//! Invariant: the same decisions as in SQLite, which are those of [`Tick::fate`].

use std::collections::{BTreeMap, BTreeSet};

use super::state::{Place, State};
use crate::model::change::{Keep, Reply};
use crate::model::processor::{
    Armed, BeginRun, EndedRun, ForeignProcess, OnRecord, OpenRun, ProcessorRecord, ProcessorRun, ProcessorRunState,
    RunSource, SkipCause, Switch, Tick, TickFate,
};
use crate::model::run_end::RunEnd;
use crate::model::{JobId, NewJob, ProcessorName, ProcessorRunId, UnixMicros};
use crate::store::ProcessorRunFilter;

/// A run on record; while it is open, its state is `waiting` if it has a job, else `running`.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) run: ProcessorRun,
    made_at: UnixMicros,
    process: Option<ForeignProcess>,
    deadline: Option<UnixMicros>,
}

impl State {
    fn runs_of<'a>(&'a self, name: &'a ProcessorName) -> impl DoubleEndedIterator<Item = &'a Kept> {
        self.processor_runs.values().filter(move |kept| kept.run.processor == *name)
    }

    fn on_record(&self, tick: &Tick) -> Option<OnRecord> {
        let ProcessorRecord { last_tick, switch, .. } = self.processors.get(&tick.processor)?;
        let is_open = self.runs_of(&tick.processor).any(|kept| kept.run.ended_at.is_none());
        let has_run = tick.tick.is_some() && self.runs_of(&tick.processor).any(|kept| kept.run.tick == tick.tick);
        Some(OnRecord { last_tick: *last_tick, enabled: switch.enabled, is_open, has_run })
    }

    /// A processor that changes, made if it is new.
    fn processor(&mut self, name: &ProcessorName) -> &mut ProcessorRecord {
        self.news.processors.insert(name.clone());
        let new = || ProcessorRecord {
            name: name.clone(),
            schedule: String::new(),
            switch: Switch::default(),
            last_tick: None,
            next_at: None,
            skipped: 0,
            last_skip: None,
            last_run: None,
            open: Vec::new(),
        };
        self.processors.entry(name.clone()).or_insert_with(new)
    }

    pub(super) fn arm(&mut self, armed: &[Armed]) -> Reply {
        for one in armed {
            let kept = self.processors.get(&one.name).filter(|processor| processor.schedule == one.schedule);
            if kept.is_none_or(|processor| processor.next_at.is_none() && one.next_at.is_some()) {
                let processor = self.processor(&one.name);
                processor.schedule.clone_from(&one.schedule);
                processor.next_at = one.next_at;
            }
        }
        let named = armed.iter().map(|one| &one.name);
        let is_outside = |kept: &&Kept| kept.run.ended_at.is_none() && kept.run.job_id.is_none();
        let outside = self.processor_runs.values().filter(is_outside).map(|kept| &kept.run.processor);
        let others: BTreeSet<_> = outside.filter(|name| armed.iter().all(|one| one.name != **name)).collect();
        Reply::Processors(named.chain(others).filter_map(|name| self.processor_record(name)).collect())
    }

    pub(super) fn tick(&mut self, tick: &Tick, at: UnixMicros) -> Reply {
        let fate = tick.fate(self.on_record(tick));
        match fate {
            TickFate::Stale => return Reply::Stale,
            TickFate::Occupied => return Reply::Occupied,
            TickFate::Skip(_) | TickFate::Run => {}
        }
        if tick.tick.is_some() {
            let (skipped, cause) = tick.skips(fate);
            let processor = self.processor(&tick.processor);
            processor.last_tick = tick.tick;
            processor.next_at = tick.next_at;
            processor.skipped += skipped;
            processor.last_skip = cause.map(|cause| (cause, at)).or(processor.last_skip);
        }
        if let TickFate::Skip(cause) = fate {
            return Reply::Skipped(cause);
        }
        let run = self.next_processor_run();
        let job = self.push(&NewJob { unique: None, ..tick.job.clone() }, Some(run), at).id;
        let state = ProcessorRunState::Waiting;
        self.add_processor_run((run, &tick.processor), (tick.tick, tick.source, state, Some(job)), (None, None), at);
        Reply::Ticked { run, job }
    }

    fn next_processor_run(&self) -> ProcessorRunId {
        ProcessorRunId(self.processor_runs.keys().next_back().copied().unwrap_or(0) + 1)
    }

    fn add_processor_run(
        &mut self,
        (id, name): (ProcessorRunId, &ProcessorName),
        (tick, source, state, job_id): (Option<UnixMicros>, RunSource, ProcessorRunState, Option<JobId>),
        (process, deadline): (Option<ForeignProcess>, Option<UnixMicros>),
        at: UnixMicros,
    ) {
        let run = ProcessorRun {
            id,
            processor: self.processor(name).name.clone(),
            tick,
            source,
            state,
            job_id,
            started_at: (state == ProcessorRunState::Running).then_some(at),
            ended_at: None,
            duration_s: None,
            note: None,
        };
        self.processor_runs.insert(id.0, Kept { run, made_at: at, process, deadline });
    }

    pub(super) fn set_next_tick(
        &mut self,
        name: &ProcessorName,
        expected: Option<UnixMicros>,
        next_at: Option<UnixMicros>,
    ) -> Reply {
        if self.processors.get(name).is_none_or(|processor| processor.last_tick != expected) {
            return Reply::Stale;
        }
        self.processor(name).next_at = next_at;
        Reply::Done
    }

    pub(super) fn switch(&mut self, processors: &[(ProcessorName, bool)], switch: &Switch) -> Reply {
        let is_unknown =
            |(name, configured): &&(ProcessorName, bool)| !configured && !self.processors.contains_key(name);
        if let Some((unknown, _)) = processors.iter().find(is_unknown) {
            return Reply::NoProcessor(unknown.clone());
        }
        for (name, _) in processors {
            self.processor(name).switch = switch.settled();
        }
        Reply::Done
    }

    pub(super) fn begin_run(&mut self, begin: &BeginRun, at: UnixMicros) -> Reply {
        let on_record = self.processors.get(&begin.processor);
        if on_record.is_none() && begin.configured.is_none() {
            return Reply::NoProcessor(begin.processor.clone());
        }
        if on_record.and_then(|processor| processor.switch.enabled).or(begin.configured) == Some(false) {
            return Reply::Skipped(SkipCause::Disabled);
        }
        let id = self.next_processor_run();
        let foreign = (None, RunSource::Foreign, ProcessorRunState::Running, None);
        self.add_processor_run((id, &begin.processor), foreign, (begin.process.clone(), begin.deadline), at);
        Reply::RunBegun(Box::new(self.processor_run(&self.processor_runs[&id.0])))
    }

    pub(super) fn end_foreign(
        &mut self,
        id: ProcessorRunId,
        state: ProcessorRunState,
        note: Option<&str>,
        at: UnixMicros,
    ) -> Reply {
        let Some(run) = self.processor_runs.get(&id.0).map(|kept| self.processor_run(kept)) else {
            return Reply::Missing;
        };
        if run.job_id.is_some() || !run.state.is_open() {
            return Reply::RunIs(run.state);
        }
        self.end_run(id, RunEnd::waiting(state, note, at));
        Reply::RunEnded(Box::new(self.processor_run(&self.processor_runs[&id.0])))
    }

    pub(super) fn lose_run(&mut self, id: ProcessorRunId, at: UnixMicros) -> Reply {
        match self.end_foreign(id, ProcessorRunState::Lost, None, at) {
            Reply::RunEnded(_) => Reply::Done,
            _ => Reply::Stale,
        }
    }

    /// The first attempt at the job of a run has begun then, and is not the last.
    pub(super) fn run_started(&mut self, id: ProcessorRunId, at: UnixMicros) {
        if let Some(kept) = self.processor_runs.get_mut(&id.0) {
            kept.run.started_at.get_or_insert(at);
        }
    }

    /// Ends a run, unless it is over.
    pub(super) fn end_run(&mut self, id: ProcessorRunId, end: RunEnd) {
        let open = self.processor_runs.get_mut(&id.0).map(|kept| &mut kept.run).filter(|run| run.ended_at.is_none());
        let Some(run) = open else { return };
        run.state = end.state;
        run.started_at = run.started_at.or(end.started_at);
        run.ended_at = Some(end.ended_at);
        run.duration_s = run.started_at.map(|from| end.ended_at.since(from).as_secs_f64());
        run.note = end.note;
        let processor = run.processor.clone();
        self.news.processors.insert(processor.clone());
        self.ended_runs.push(EndedRun { processor, id, state: end.state, ended_at: end.ended_at });
    }

    pub(super) fn prune_processor_runs(
        &mut self,
        keep: &Keep,
        keep_runs: &BTreeMap<ProcessorName, UnixMicros>,
    ) -> usize {
        let mut old = Vec::new();
        for name in self.processors.keys() {
            let since = *keep_runs.get(name).unwrap_or(&keep.runs_since);
            let left = (keep.limit as usize).saturating_sub(old.len());
            let mut runs: Vec<&ProcessorRun> = self.runs_of(name).map(|kept| &kept.run).collect();
            runs.pop();
            if runs.iter().find_map(|run| run.ended_at).is_none_or(|at| at >= since) {
                continue;
            }
            let over = runs.into_iter().take(left).filter(|run| run.ended_at.is_some_and(|at| at < since));
            old.extend(over.map(|run| run.id.0));
        }
        self.processor_runs.retain(|id, _| !old.contains(id));
        old.len()
    }

    /// A run as it is now.
    pub(super) fn processor_run(&self, kept: &Kept) -> ProcessorRun {
        let mut run = kept.run.clone();
        let job = run.job_id.filter(|_| run.ended_at.is_none()).and_then(|job| self.jobs.get(&job.0));
        if let Some(Place::Running(running)) = job.map(|job| &job.place) {
            run.state = ProcessorRunState::Running;
            run.started_at.get_or_insert(running.started_at);
        }
        run
    }

    pub(super) fn processor_record(&self, name: &ProcessorName) -> Option<ProcessorRecord> {
        let record = self.processors.get(name)?.clone();
        let open = self.runs_of(name).filter(|kept| kept.run.ended_at.is_none()).map(|kept| OpenRun {
            id: kept.run.id,
            job: kept.run.job_id,
            process: kept.process.clone(),
            deadline: kept.deadline,
        });
        let last_run = self.runs_of(name).next_back().map(|kept| self.processor_run(kept));
        Some(ProcessorRecord { last_run, open: open.collect(), ..record })
    }

    pub(super) fn list_processor_runs(&self, filter: &ProcessorRunFilter) -> Vec<ProcessorRun> {
        let before = filter.before.map_or(i64::MAX, |id| id.0);
        let runs = self.processor_runs.range(..before).rev().map(|(_, kept)| (kept.made_at, self.processor_run(kept)));
        let is_like = |run: &ProcessorRun| {
            filter.processor.as_ref().is_none_or(|name| *name == run.processor)
                && filter.state.is_none_or(|state| state == run.state)
        };
        let like = runs.filter(|(_, run)| is_like(run));
        let young = like.take_while(|(made_at, _)| filter.since.is_none_or(|since| *made_at >= since));
        young.take(filter.limit.map_or(usize::MAX, |limit| limit as usize)).map(|(_, run)| run).collect()
    }
}
