//! Processors: their ticks, their runs, and what an operator says of them.
//!
//! Invariants: a tick has at most one run, which comes with its job in the same transaction; a run ends once.

use rusqlite::{OptionalExtension, Result, params};

use super::batch::Batch;
use super::names::text;
use super::prune::highest;
use super::{codes, processor_row};
use crate::model::change::Reply;
use crate::model::processor::{
    Armed, BeginRun, EndedRun, ForeignProcess, ProcessorRun, ProcessorRunState, RunSource, SkipCause, Switch, Tick,
    TickFate,
};
use crate::model::run_end::RunEnd;
use crate::model::{JobId, NewJob, ProcessorName, ProcessorRunId, UnixMicros};

/// `processors.name`.
const ARM: &str = "INSERT INTO processors (name, schedule, next_at) VALUES (?1, ?2, ?3) \
     ON CONFLICT (name) DO UPDATE SET schedule = excluded.schedule, \
     next_at = CASE WHEN processors.schedule = excluded.schedule \
     THEN coalesce(processors.next_at, excluded.next_at) ELSE excluded.next_at END \
     WHERE processors.schedule <> excluded.schedule OR processors.next_at IS NULL AND excluded.next_at IS NOT NULL";
/// `processors.name`; appends if it is new.
const ADD: &str = "INSERT INTO processors (name) VALUES (?1) ON CONFLICT (name) DO NOTHING";
/// `processors.name`.
const SWITCH: &str =
    "UPDATE processors SET enabled = ?2, changed_at = ?3, changed_by = ?4, reason = ?5 WHERE name = ?1";
/// `processors.name`, if the last tick is still this one.
const TICK: &str = "UPDATE processors SET last_tick = ?3, next_at = ?4, skipped = skipped + ?5, \
     skip_cause = coalesce(?6, skip_cause), skip_at = CASE WHEN ?6 IS NULL THEN skip_at ELSE ?7 END \
     WHERE name = ?1 AND last_tick IS NOT DISTINCT FROM ?2";
/// `processors.name`, if the last tick is still this one.
const NEXT: &str = "UPDATE processors SET next_at = ?3 WHERE name = ?1 AND last_tick IS NOT DISTINCT FROM ?2";
/// The last row of `processor_runs`.
const RUN_HIGH: &str = "SELECT max(id) FROM processor_runs";
/// `processors.name`; appends.
const RUN_ADD: &str = "INSERT INTO processor_runs (id, processor, tick, source, state, made_at, \
     job_id, started_at, host, pid, pid_start, boot_id, deadline) \
     SELECT ?2, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13 FROM processors WHERE name = ?1";
/// `processor_runs.id`; changes nothing if it is over.
const RUN_END: &str = "UPDATE processor_runs SET state = ?2, \
     started_at = coalesce(started_at, ?3), ended_at = ?4, note = ?5 WHERE id = ?1 AND ended_at IS NULL \
     RETURNING (SELECT name FROM processors WHERE id = processor)";

/// `processor_runs.id`; only of the first attempt.
const RUN_STARTED: &str = "UPDATE processor_runs SET started_at = ?2 WHERE id = ?1 AND started_at IS NULL";

/// A run that begins.
struct NewRun<'a> {
    processor: &'a ProcessorName,
    tick: Option<UnixMicros>,
    source: RunSource,
    state: ProcessorRunState,
    job: Option<JobId>,
    process: Option<&'a ForeignProcess>,
    deadline: Option<UnixMicros>,
}

impl Batch<'_> {
    fn tell_of(&mut self, processor: &ProcessorName) {
        self.tell(|news| _ = news.processors.insert(processor.clone()));
    }

    pub(in crate::store) fn arm(&mut self, armed: &[Armed]) -> Result<Reply> {
        let mut records = Vec::with_capacity(armed.len());
        for one in armed {
            if self.run(ARM, (one.name.as_str(), &one.schedule, one.next_at.map(|at| at.0)))? > 0 {
                self.tell_of(&one.name);
            }
            records.extend(processor_row::processors(self.conn, Some(&one.name))?);
        }
        for name in processor_row::with_runs_outside(self.conn)? {
            if armed.iter().all(|one| one.name != name) {
                records.extend(processor_row::processors(self.conn, Some(&name))?);
            }
        }
        Ok(Reply::Processors(records))
    }

    pub(in crate::store) fn tick(&mut self, tick: &Tick) -> Result<Reply> {
        let fate = tick.fate(processor_row::on_record(self.conn, &tick.processor, tick.tick)?);
        match fate {
            TickFate::Stale => return Ok(Reply::Stale),
            TickFate::Occupied => return Ok(Reply::Occupied),
            TickFate::Skip(_) | TickFate::Run => self.move_tick(tick, fate)?,
        }
        if let TickFate::Skip(cause) = fate {
            return Ok(Reply::Skipped(cause));
        }
        let run = self.next_processor_run()?;
        let job = NewJob { unique: None, ..tick.job.clone() };
        let job = self.push_one(&job, Some(run))?.id;
        let (processor, state) = (&tick.processor, ProcessorRunState::Waiting);
        let (tick, source) = (tick.tick, tick.source);
        self.add_processor_run(
            run,
            &NewRun { processor, tick, source, state, job: Some(job), process: None, deadline: None },
        )?;
        Ok(Reply::Ticked { run, job })
    }

    fn move_tick(&mut self, tick: &Tick, fate: TickFate) -> Result<()> {
        self.tell_of(&tick.processor);
        let Some(at) = tick.tick else { return Ok(()) };
        let (skipped, cause) = tick.skips(fate);
        self.run(
            TICK,
            params![
                tick.processor.as_str(),
                tick.expected.map(|at| at.0),
                at.0,
                tick.next_at.map(|at| at.0),
                i64::try_from(skipped).unwrap_or(i64::MAX),
                cause.map(codes::skip),
                self.at.0
            ],
        )
        .map(drop)
    }

    fn next_processor_run(&self) -> Result<ProcessorRunId> {
        Ok(ProcessorRunId(highest(self.conn, RUN_HIGH, 0)? + 1))
    }

    /// The processor gets a row if it has none.
    fn add_processor_run(&mut self, id: ProcessorRunId, run: &NewRun<'_>) -> Result<()> {
        self.tell_of(run.processor);
        self.run(ADD, [run.processor.as_str()])?;
        let process = run.process;
        let started_at = (run.state == ProcessorRunState::Running).then_some(self.at.0);
        self.run(
            RUN_ADD,
            params![
                run.processor.as_str(),
                id.0,
                run.tick.map(|at| at.0),
                codes::source(run.source),
                codes::processor_run_state(run.state),
                self.at.0,
                run.job.map(|job| job.0),
                started_at,
                process.map(|process| &process.host),
                process.map(|process| process.pid),
                process.map(|process| process.start as i64),
                process.map(|process| &process.boot_id),
                run.deadline.map(|at| at.0)
            ],
        )
        .map(drop)
    }

    pub(in crate::store) fn set_next_tick(
        &mut self,
        processor: &ProcessorName,
        expected: Option<UnixMicros>,
        next_at: Option<UnixMicros>,
    ) -> Result<Reply> {
        let times = (expected.map(|at| at.0), next_at.map(|at| at.0));
        let changed = self.run(NEXT, (processor.as_str(), times.0, times.1))?;
        if changed == 1 {
            self.tell_of(processor);
        }
        Ok(if changed == 1 { Reply::Done } else { Reply::Stale })
    }

    pub(in crate::store) fn switch(&mut self, processors: &[(ProcessorName, bool)], switch: &Switch) -> Result<Reply> {
        for (name, configured) in processors {
            if !configured && processor_row::on_record(self.conn, name, None)?.is_none() {
                return Ok(Reply::NoProcessor(name.clone()));
            }
        }
        let Switch { enabled, changed_at, changed_by, reason } = switch.settled();
        let changed_at = changed_at.map(|at| at.0);
        for (name, _) in processors {
            self.tell_of(name);
            self.run(ADD, [name.as_str()])?;
            self.run(SWITCH, (name.as_str(), enabled, changed_at, &changed_by, &reason))?;
        }
        Ok(Reply::Done)
    }

    pub(in crate::store) fn begin_run(&mut self, begin: &BeginRun) -> Result<Reply> {
        let on_record = processor_row::on_record(self.conn, &begin.processor, None)?;
        if on_record.is_none() && begin.configured.is_none() {
            return Ok(Reply::NoProcessor(begin.processor.clone()));
        }
        if on_record.and_then(|found| found.enabled).or(begin.configured) == Some(false) {
            return Ok(Reply::Skipped(SkipCause::Disabled));
        }
        let id = self.next_processor_run()?;
        let BeginRun { processor, process, deadline, .. } = begin;
        let (source, state) = (RunSource::Foreign, ProcessorRunState::Running);
        let (process, deadline) = (process.as_ref(), *deadline);
        self.add_processor_run(id, &NewRun { processor, tick: None, source, state, job: None, process, deadline })?;
        self.as_recorded(id, Reply::RunBegun)
    }

    pub(in crate::store) fn end_foreign(
        &mut self,
        id: ProcessorRunId,
        state: ProcessorRunState,
        note: Option<&str>,
    ) -> Result<Reply> {
        let Some(run) = processor_row::run(self.conn, id)? else { return Ok(Reply::Missing) };
        if run.job_id.is_some() || !run.state.is_open() {
            return Ok(Reply::RunIs(run.state));
        }
        self.end_run(id, &RunEnd::waiting(state, note, self.at))?;
        self.as_recorded(id, Reply::RunEnded)
    }

    pub(in crate::store) fn lose_run(&mut self, id: ProcessorRunId) -> Result<Reply> {
        match self.end_foreign(id, ProcessorRunState::Lost, None)? {
            Reply::RunEnded(_) => Ok(Reply::Done),
            _ => Ok(Reply::Stale),
        }
    }

    fn as_recorded(&self, id: ProcessorRunId, reply: fn(Box<ProcessorRun>) -> Reply) -> Result<Reply> {
        Ok(processor_row::run(self.conn, id)?.map_or(Reply::Missing, |run| reply(Box::new(run))))
    }

    /// The first attempt at the job of a run has begun then, and is not the last.
    pub(in crate::store) fn run_started(&self, id: ProcessorRunId, at: UnixMicros) -> Result<()> {
        self.run(RUN_STARTED, (id.0, at.0)).map(drop)
    }

    /// Ends a run, unless it is over.
    pub(in crate::store) fn end_run(&mut self, id: ProcessorRunId, end: &RunEnd) -> Result<()> {
        let RunEnd { state, started_at, ended_at, note } = end;
        let ended = self
            .conn
            .prepare_cached(RUN_END)?
            .query_row((id.0, codes::processor_run_state(*state), started_at.map(|at| at.0), ended_at.0, note), |row| {
                processor_row::name_of(&text(row, 0)?)
            })
            .optional()?;
        if let Some(processor) = &ended {
            self.tell_of(processor);
        }
        self.ended_runs.extend(ended.map(|processor| EndedRun { processor, id, state: *state, ended_at: *ended_at }));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::change::{Change, Claim, Keep, Op};
    use crate::model::processor::Overlap;
    use crate::model::{QueueName, Takes};
    use crate::store::sqlite::damage_tests::master;
    use crate::store::sqlite::{SqliteRecords, SqliteStore};
    use crate::store::{Records, Store};

    fn opened() -> (tempfile::TempDir, SqliteStore, SqliteRecords) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        let mut store = SqliteStore::open(&path).unwrap();
        store.join(&master(), UnixMicros(1)).unwrap();
        let armed = Armed { name: name(), schedule: "every 1s".into(), next_at: Some(UnixMicros(10)) };
        store.apply(1, &[Change::ArmProcessors(Arc::new([armed])).into()], UnixMicros(2)).unwrap();
        (dir, store, SqliteRecords::open(&path).unwrap())
    }

    fn name() -> ProcessorName {
        ProcessorName::new("mail").unwrap()
    }

    fn tick() -> Op {
        let tick = Tick {
            processor: name(),
            tick: Some(UnixMicros(10)),
            expected: None,
            next_at: None,
            passed_over: (1, SkipCause::Missed),
            skip: None,
            source: RunSource::Missed,
            overlap: Overlap::Skip,
            enabled: true,
            force: false,
            job: NewJob::new("t", "1"),
        };
        Change::Tick(Box::new(tick)).into()
    }

    #[test]
    fn a_tick_that_fails_halfway_is_not_taken() {
        let (_dir, mut store, mut records) = opened();
        let before = records.processors().unwrap();
        for table in ["processor_runs", "ready"] {
            let trigger = format!("CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT raise(ABORT, 'no'); END");
            store.conn.execute_batch(&trigger).unwrap();
            assert!(store.apply(2, &[tick()], UnixMicros(11)).is_err(), "{table}");
            assert_eq!((records.processors().unwrap(), store.totals().unwrap()), (before.clone(), vec![]), "{table}");
            store.conn.execute_batch("DROP TRIGGER no").unwrap();
        }
        let replies = store.apply(2, &[tick()], UnixMicros(11)).unwrap().replies;
        assert!(matches!(replies[..], [Reply::Ticked { .. }]), "late, not lost");
    }

    #[test]
    fn a_job_that_is_set_aside_ends_its_run() {
        let (_dir, mut store, mut records) = opened();
        store.apply(2, &[tick()], UnixMicros(11)).unwrap();
        store.conn.execute_batch("UPDATE jobs SET args = CAST(x'7b22ff' AS TEXT)").unwrap();
        let takes = vec![(QueueName::default(), 1)];
        let claim = Claim { takes, lanes: Takes::Others, workers: vec![], total: 1, at_once: u32::MAX, max_bytes: 9 };
        let applied = store.apply(3, &[Change::Claim(claim).into()], UnixMicros(12)).unwrap();
        let (id, state) = (ProcessorRunId(1), ProcessorRunState::Failed);
        let ended = EndedRun { processor: name(), id, state, ended_at: UnixMicros(12) };
        assert_eq!(applied.ended_runs, [ended]);
        let run = records.processor_run(ProcessorRunId(1)).unwrap().unwrap();
        assert_eq!(run.state, ProcessorRunState::Failed);
        assert!(run.note.unwrap().contains("damaged"));
    }

    #[test]
    fn of_thousands_of_processors_some_are_looked_at_in_each_step_of_removal_and_all_in_the_end() {
        let (_dir, mut store, _records) = opened();
        let fill = "WITH RECURSIVE n(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 2001)
             INSERT INTO processors (id, name) SELECT i, 'p' || i FROM n;
             INSERT INTO processor_runs (processor, source, state, made_at, ended_at)
             SELECT id, 0, 2, 5, 5 FROM processors, (VALUES (1), (2)) WHERE id > 1;";
        store.conn.execute_batch(fill).unwrap();
        let mut left = |at: i64| {
            let before = UnixMicros(100);
            let keep = Keep {
                succeeded_since: before,
                dead_since: before,
                runs_since: before,
                audit_since: before,
                limit: 500,
            };
            let prune = Change::Prune { keep, served: Arc::default(), keep_runs: Arc::default() };
            store.apply(at as u64, &[prune.into()], UnixMicros(at)).unwrap();
            store.conn.query_row("SELECT count(*) FROM processor_runs", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert!((3800..4000).contains(&left(2)), "a part of them, in one step");
        assert_eq!((3..40).map(left).last(), Some(2000), "the newest of each stays");
    }
}
