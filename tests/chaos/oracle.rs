//! Holds the records against what pushers and workers know. Does not look into the master.
//!
//! Jobs are checked once, when they have ended and nothing runs; what was checked only counts from then on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use queue_work::testing::model::{Cause, JobRecord, JobState, Outcome, RunRecord};

use crate::deeds::Deed;
use crate::findings::{Findings, Kind};
use crate::ledger::Ledger;
use crate::records::{self, Records};
use crate::ticks::Ticks;
use crate::witness::{Seen, Witness};

/// How much later a job may be seen to have ended than its key was free again: times are taken by several processes.
const CLOCKS_APART_US: i64 = 5_000_000;

/// What was checked so far.
#[derive(Default)]
pub(crate) struct Oracle {
    acks_seen: usize,
    acks_checked: usize,
    overlaps_told: usize,
    last_job: i64,
    last_run: i64,
    /// Every job that was checked, by its tag.
    tags: HashMap<String, Vec<i64>>,
    succeeded: u64,
    dead: u64,
    failed_runs: u64,
    /// Runs that did the work of a job that had been done before, or was interrupted.
    pub(crate) repeated: u64,
    /// Runs that were given back.
    pub(crate) released: u64,
    /// Those of the processor, up to the last full look.
    pub(crate) ticks: Ticks,
}

/// What an oracle looks at.
pub(crate) struct Evidence<'a> {
    pub(crate) database: &'a Path,
    pub(crate) ledger: &'a Ledger,
    pub(crate) witness: &'a mut Witness,
    /// Workers that were killed from outside.
    pub(crate) killed: &'a BTreeSet<i32>,
}

impl Oracle {
    /// After each round: everything acknowledged is there, and no runs overlap.
    pub(crate) fn quick(&mut self, evidence: &mut Evidence<'_>, findings: &mut Findings) {
        let acks = evidence.ledger.acks_since(self.acks_seen);
        self.acks_seen += acks.len();
        let mut records = Records::open(evidence.database);
        for ack in &acks {
            let found = records.job(ack.id);
            let is_it = found.as_ref().is_some_and(|job| job.unique.as_deref() == Some(&ack.tag));
            findings.expect(is_it, Kind::Lost, || format!("{ack:?} was acknowledged, on record is {found:?}"));
        }
        let overlaps = &evidence.witness.read().overlaps;
        for overlap in &overlaps[self.overlaps_told..] {
            findings.add(Kind::Overlapping, overlap);
        }
        self.overlaps_told = overlaps.len();
    }

    /// When nothing waits, runs or is pushed, and no master runs: everything.
    pub(crate) fn full(&mut self, evidence: &mut Evidence<'_>, findings: &mut Findings) {
        self.quick(evidence, findings);
        self.check_ticks(evidence.database, findings);
        let mut records = Records::open(evidence.database);
        let jobs = records.jobs_after(self.last_job);
        let mut runs: BTreeMap<i64, Vec<RunRecord>> = BTreeMap::new();
        for run in records.runs_after(self.last_run) {
            self.last_run = run.id.0;
            runs.entry(run.job_id.0).or_default().push(run);
        }
        for job in &jobs {
            let seen = evidence.witness.jobs.remove(&job.id.0).unwrap_or_default();
            let runs = runs.remove(&job.id.0).unwrap_or_default();
            let case = Case { job, runs: &runs, seen: &seen, evidence };
            case.check(findings);
            self.count(job, &runs, &seen);
            self.check_tag(job, evidence.ledger, findings);
        }
        self.last_job = jobs.last().map_or(self.last_job, |job| job.id.0);
        for (job, runs) in runs {
            findings.add(Kind::Duplicated, format!("job {job} had ended before these runs: {runs:?}"));
        }
        for (job, seen) in std::mem::take(&mut evidence.witness.jobs) {
            findings.add(Kind::Duplicated, format!("job {job} is not on record or had ended before: {seen:?}"));
        }
        let acks = evidence.ledger.acks_since(self.acks_checked);
        self.acks_checked += acks.len();
        for ack in &acks {
            let known = self.tags.get(&ack.tag).is_some_and(|ids| ids.contains(&ack.id));
            findings.expect(known, Kind::Lost, || format!("{ack:?} was acknowledged and is not on record"));
        }
        self.check_totals(&mut records, findings);
        let living: Vec<_> = records.workers(500).into_iter().filter(|worker| worker.ended_at.is_none()).collect();
        findings.expect(living.is_empty(), Kind::Other, || format!("workers without an end on record: {living:?}"));
        let integrity = records::integrity(evidence.database);
        findings.expect(integrity == "ok", Kind::Other, || format!("integrity_check: {integrity}"));
    }

    fn count(&mut self, job: &JobRecord, runs: &[RunRecord], seen: &[Seen]) {
        self.succeeded += u64::from(job.state == JobState::Succeeded);
        self.dead += u64::from(job.state == JobState::Dead);
        let failed = |run: &&RunRecord| matches!(run.outcome, Outcome::Failed | Outcome::TimedOut | Outcome::Crashed);
        self.failed_runs += runs.iter().filter(failed).count() as u64;
        self.released += runs.iter().filter(|run| run.outcome == Outcome::Released).count() as u64;
        // What failed, timed out or was to die with its worker had to run again.
        let needed = runs.iter().filter(|run| run.outcome != Outcome::Released && run.outcome != Outcome::Crashed);
        self.repeated += (seen.len() as u64).saturating_sub(needed.count() as u64);
    }

    fn check_ticks(&mut self, database: &Path, findings: &mut Findings) {
        let ticks = Ticks::read(database);
        findings.expect(ticks.missing == 0 && ticks.skipped == 0, Kind::Lost, || format!("{ticks:?}"));
        findings.expect(ticks.double == 0, Kind::Duplicated, || format!("{ticks:?}"));
        findings.expect(ticks.open == 0, Kind::Other, || format!("runs of processors that are not over: {ticks:?}"));
        self.ticks = ticks;
    }

    fn check_tag(&mut self, job: &JobRecord, ledger: &Ledger, findings: &mut Findings) {
        let Some(tag) = job.unique.clone() else {
            let is_of_tick = self.ticks.jobs.contains(&job.id.0);
            return findings.expect(is_of_tick, Kind::Other, || format!("nobody pushed {job:?}"));
        };
        let tries = ledger.tries(&tag) as usize;
        let ids = self.tags.entry(tag).or_default();
        ids.push(job.id.0);
        findings.expect(tries > 0, Kind::Other, || format!("nobody pushed {job:?}"));
        findings.expect(ids.len() <= tries.max(1), Kind::Duplicated, || {
            format!("{:?} was pushed {tries} times and is on record as {ids:?}", job.unique)
        });
    }

    fn check_totals(&self, records: &mut Records, findings: &mut Findings) {
        let totals = records.totals();
        let sum = |of: fn(&queue_work::testing::model::QueueTotals) -> u64| totals.iter().map(of).sum::<u64>();
        let waiting = sum(|t| t.ready + t.scheduled + t.retrying + t.running);
        let counted = (sum(|t| t.succeeded_total), sum(|t| t.dead), sum(|t| t.failed_total));
        let found = (self.succeeded, self.dead, self.failed_runs);
        findings.expect(waiting == 0 && counted == found, Kind::Other, || {
            format!("the totals (succeeded, dead, failed runs) say {counted:?}, the records {found:?}: {totals:?}")
        });
    }

    /// Jobs that were checked.
    pub(crate) fn checked(&self) -> u64 {
        self.succeeded + self.dead
    }

    /// Whether two jobs of one key were ever there at a time.
    pub(crate) fn check_keys(&self, database: &Path, findings: &mut Findings) {
        let mut records = Records::open(database);
        for (tag, ids) in self.tags.iter().filter(|(_, ids)| ids.len() > 1) {
            let jobs: Vec<JobRecord> = ids.iter().filter_map(|&id| records.job(id)).collect();
            let apart = jobs
                .windows(2)
                .all(|pair| pair[0].finished_at.is_some_and(|end| end.0 <= pair[1].pushed_at.0 + CLOCKS_APART_US));
            findings.expect(apart, Kind::Duplicated, || format!("key {tag} was held by two at a time: {jobs:?}"));
        }
    }
}

/// A job that should have ended, with all that is known of it.
struct Case<'a> {
    job: &'a JobRecord,
    /// In the order of their ids.
    runs: &'a [RunRecord],
    seen: &'a [Seen],
    evidence: &'a Evidence<'a>,
}

impl Case<'_> {
    fn check(&self, findings: &mut Findings) {
        let Self { job, runs, seen, .. } = self;
        let mut expect = |holds: bool, kind: Kind, what: &str| {
            findings.expect(holds, kind, || format!("{what}: {job:?}\n  runs {runs:?}\n  seen {seen:?}"));
        };
        // That of a tick has no tag.
        let deed = job.unique.as_deref().map_or_else(|| Deed::of(&job.kind), Deed::of_tag);
        let is_command = job.kind == "exec";
        let Some((last, before)) = runs.split_last() else {
            return expect(false, Kind::Lost, "a job that ended without a run");
        };
        let is_final = |run: &RunRecord| run.outcome == Outcome::Succeeded;
        expect(job.state.is_final() && job.state != JobState::Cancelled, Kind::Lost, "a job that did not end");
        expect(!before.iter().any(is_final), Kind::Duplicated, "a job that ended more than once");
        expect(is_final(last) == (job.state == JobState::Succeeded), Kind::Other, "its last run is not its end");
        expect(self.counters_add_up(), Kind::Other, "counters and runs do not add up");
        expect(self.end_is_right(deed), Kind::Charged, "an end that the job did not deserve");
        for run in *runs {
            let allowed = match run.outcome {
                Outcome::Failed => deed.is_some_and(|d| d.may_fail() || (is_command && d == Deed::Crashes)),
                Outcome::TimedOut => deed == Some(Deed::Late),
                Outcome::Crashed => run.pid.is_some_and(|pid| self.was_killed(pid.cast_signed())),
                Outcome::Succeeded | Outcome::Released => true,
                Outcome::Cancelled => false,
            };
            expect(allowed, Kind::Charged, &format!("run {} is not the job's fault", run.id));
            expect(run.ended_at >= run.started_at, Kind::Other, "a run that ended before it began");
        }
        // A run that was claimed need not have begun when its master died, but none begins unrecorded.
        expect(seen.len() <= runs.len(), Kind::Other, "more starts than runs");
        let done = seen.iter().any(|run| run.end.is_some() && run.attempt == i64::from(last.attempt));
        expect(!is_final(last) || done, Kind::Other, "no worker did what is recorded as done");
    }

    fn was_killed(&self, pid: i32) -> bool {
        self.evidence.killed.contains(&pid) || self.evidence.witness.suicides.contains(&pid)
    }

    fn counters_add_up(&self) -> bool {
        let count =
            |outcomes: &[Outcome]| self.runs.iter().filter(|run| outcomes.contains(&run.outcome)).count() as u32;
        let counters = self.job.counters;
        let mut charged = 0;
        let attempts_are_right = self.runs.iter().all(|run| {
            let right = run.attempt == charged + 1;
            charged += u32::from(matches!(run.outcome, Outcome::Failed | Outcome::TimedOut));
            right
        });
        attempts_are_right
            && counters.attempts == count(&[Outcome::Failed, Outcome::TimedOut])
            && counters.crashes == count(&[Outcome::Crashed])
            && counters.releases == count(&[Outcome::Released])
    }

    fn end_is_right(&self, deed: Option<Deed>) -> bool {
        let (job, Some(deed)) = (self.job, deed) else { return false };
        let is_command = job.kind == "exec";
        match (job.state, job.cause) {
            (JobState::Succeeded, _) => deed.succeeds(),
            (JobState::Dead, Some(Cause::Poison)) => job.counters.crashes >= 3,
            (JobState::Dead, Some(Cause::NoRetry)) => deed == Deed::Never,
            (JobState::Dead, Some(Cause::MaxAttempts)) => {
                let fails = matches!(deed, Deed::Fails | Deed::Late) || (is_command && deed == Deed::Crashes);
                fails && job.counters.attempts == 2
            }
            _ => false,
        }
    }
}
