//! A job as it is read: the columns, the tables they come from, and the record made of a row.
//!
//! Invariant: a record is read in one statement, hence from one snapshot; where a job is, is found by point look-ups in keys.

use rusqlite::types::Type;
use rusqlite::{Error, Result};
use serde_json::value::RawValue;

use super::conn::{Conn, Row};
use super::names::maybe_text;
use super::read::{Query, time};
use super::walk::ListRow;
use super::{claim, codes, names};
use crate::model::after::AfterFailed;
use crate::model::job::Progress;
use crate::model::{
    ArgsFilter, ArgsSearch, BatchId, Cause, Counters, Fingerprint, JobId, JobRecord, JobState, QueueName, States,
    UnixMicros,
};
use crate::store::{ErrorFilter, JobFilter};

/// `place` is the number of [`JobState`].
const JOB: &str = "SELECT j.id, t.name, q.name, j.args, j.nprio, j.unique_key, \
     coalesce(x.attempts, 0), coalesce(x.crashes, 0), coalesce(x.releases, 0), \
     coalesce(j.max_attempts, x.max_attempts), j.timeout_us, \
     {place} AS place, \
     l.result, l.cause, l.error, l.ended_at, e.cause, e.error, e.ended_at, p.job_id, p.percent, p.message, \
     j.pushed_at, coalesce(x.due_at, j.due_at), j.expires_at, l.error_type, l.error_code, l.backtrace, e.fingerprint, \
     (SELECT name FROM labels WHERE id = j.label), j.trace, p.state, j.key, \
     (SELECT string_agg(CAST(parent AS TEXT), ',') FROM (SELECT parent FROM waits WHERE job = j.id AND parent > 0 ORDER BY parent LIMIT 100) AS parents), \
     (SELECT after_failed FROM waits WHERE job = j.id AND parent > 0 LIMIT 1), \
     (SELECT -parent FROM waits WHERE job = j.id AND parent < 0 LIMIT 1), \
     (SELECT CASE WHEN last_id >= j.id THEN batch END FROM batch_ranges WHERE first_id <= j.id ORDER BY first_id DESC LIMIT 1)";
/// The number of the [`JobState`].
const PLACE: &str = "CASE WHEN e.state IS NOT NULL THEN e.state WHEN r.job_id IS NOT NULL THEN 2 \
       WHEN EXISTS (SELECT 1 FROM ready WHERE queue = j.queue AND lane IN (t.lane, 1, \
         1099511627776 + (SELECT id FROM key_lanes WHERE queue = j.queue AND key = coalesce(j.key, '') AND lane = t.lane \
         AND nprio = j.nprio), \
         1099511627776 + (SELECT id FROM key_lanes WHERE queue = j.queue AND key = coalesce(j.key, '') AND lane = 1 \
         AND nprio = j.nprio)) AND nprio = j.nprio \
         AND due_at = coalesce(x.due_at, j.due_at) AND id = j.id) THEN 1 \
       WHEN EXISTS (SELECT 1 FROM scheduled WHERE due_at = coalesce(x.due_at, j.due_at) AND id = j.id) THEN 0 \
       WHEN EXISTS (SELECT 1 FROM blocked WHERE job_id = j.id) THEN 6 \
       WHEN (SELECT last_id FROM bulk_ranges WHERE first_id <= j.id ORDER BY first_id DESC LIMIT 1) >= j.id \
         THEN CASE WHEN EXISTS (SELECT 1 FROM waits WHERE job = j.id) THEN 6 \
         WHEN j.due_at <= j.pushed_at THEN 1 ELSE 0 END \
       ELSE 3 END";
/// The error that is shown, where `place` is known.
const ERROR: &str = "CASE WHEN e.state IS NULL THEN l.error ELSE e.error END";
/// When the job ended, else when it was pushed; `place` is [`PLACE`].
const AT: &str = "CASE WHEN e.state IS NOT NULL THEN e.ended_at WHEN ({place}) = 3 THEN coalesce(l.ended_at, j.pushed_at) \
     ELSE j.pushed_at END";
/// Whether a job is not one of a bulk push that is not committed; one step into a table that is empty as a rule.
const THERE: &str = "coalesce((SELECT g.last_id < j.id OR b.committed = 1 FROM bulk_ranges g CROSS JOIN bulks b \
     ON b.id = g.bulk WHERE g.first_id <= j.id ORDER BY g.first_id DESC LIMIT 1), true)";
/// Every table by its key; `l` is the last run, by `runs_by_job`.
const JOINS: &str = " CROSS JOIN types t ON t.id = j.type CROSS JOIN queues q ON q.id = j.queue \
     LEFT JOIN tries x ON x.job_id = j.id LEFT JOIN running r ON r.job_id = j.id \
     LEFT JOIN ended e ON e.job_id = j.id LEFT JOIN progress p ON p.job_id = j.id \
     LEFT JOIN runs l ON l.id = (SELECT max(id) FROM runs WHERE job_id = j.id)";

impl ListRow for JobRecord {
    type Filter = JobFilter;

    fn query<'a>(from: &str, filter: &'a JobFilter, searches: bool) -> Query<'a> {
        filtered(query(&whole(), from), filter, searches)
    }

    fn search(filter: &JobFilter) -> Option<ArgsFilter> {
        filter.args.clone()
    }

    fn fits(row: &Row<'_>, search: &ArgsSearch) -> Result<bool> {
        Ok(search.fits(&names::text(row, 3)?))
    }

    fn read(row: &Row<'_>) -> Result<Self> {
        read(row)
    }

    fn id(&self) -> i64 {
        self.id.0
    }

    fn due_at(&self) -> UnixMicros {
        self.due_at
    }
}

impl ListRow for (JobId, JobState) {
    type Filter = JobFilter;

    fn query<'a>(from: &str, filter: &'a JobFilter, searches: bool) -> Query<'a> {
        let args = if searches { "" } else { ", j.args" };
        filtered(query(&format!("SELECT j.id, {PLACE} AS place{args}"), from), filter, searches)
    }

    fn search(filter: &JobFilter) -> Option<ArgsFilter> {
        filter.args.clone()
    }

    fn fits(row: &Row<'_>, search: &ArgsSearch) -> Result<bool> {
        Ok(search.fits(&names::text(row, 2)?))
    }

    fn read(row: &Row<'_>) -> Result<Self> {
        Ok((JobId(row.get(0)?), codes::word(&codes::STATES, row.get(1)?)?))
    }

    fn id(&self) -> i64 {
        self.0.0
    }
}

fn at() -> String {
    AT.replace("{place}", PLACE)
}

fn whole() -> String {
    JOB.replace("{place}", PLACE)
}

/// A statement for these columns, of which one is `place`, from these tables, of which one is `jobs j`; without a job that is
/// not there yet.
fn query<'a>(columns: &str, from: &str) -> Query<'a> {
    Query::new(format!("{columns} FROM {from} {JOINS} WHERE {THERE}"))
}

/// With the conditions of a filter that no key serves.
fn filtered<'a>(query: Query<'a>, filter: &'a JobFilter, searches: bool) -> Query<'a> {
    let mut query = query
        .and("q.name =", filter.queue.as_ref().map(QueueName::as_str))
        .and("t.name =", filter.kind.as_deref())
        .and("j.unique_key =", filter.unique.as_deref())
        .and("j.key =", filter.key.as_deref())
        .and(&format!("{} >=", at()), filter.since.map(|at| at.0))
        .and(&format!("{} <", at()), filter.until.map(|at| at.0));
    if let Some(args) = filter.args.as_ref().filter(|_| searches).and_then(|args| serde_json::to_string(args).ok()) {
        query = query.and("args_fit(j.args,", Some(args)).plus(")");
    }
    if let Some(label) = &filter.label {
        query = query.and("j.label = (SELECT id FROM labels WHERE name =", Some(label)).plus(")");
    }
    if let Some(ErrorFilter::Text(text)) = &filter.error {
        query = query.and(&format!("instr({ERROR},"), Some(text)).plus(") > 0");
    }
    if filter.states == States::ALL {
        return query;
    }
    let states: Vec<String> = filter.states.iter().map(|state| codes::state(state).to_string()).collect();
    query.plus(&format!(" AND ({PLACE}) IN ({})", states.join(", ")))
}

/// One job.
pub(in crate::store) fn find(conn: Conn<'_>, id: JobId) -> Result<Option<JobRecord>> {
    query(&whole(), "jobs j").and("j.id =", Some(id.0)).read(conn, "", None, read).map(|mut found| found.pop())
}

pub(in crate::store) fn seconds(micros: i64) -> f64 {
    micros as f64 / 1e6
}

fn read(row: &Row<'_>) -> Result<JobRecord> {
    let state = codes::word(&codes::STATES, row.get(11)?)?;
    // Last words about a job: of its last run, or of its end without one.
    let (why, finished) = if matches!(state, JobState::Dead | JobState::Cancelled) { (16, true) } else { (13, false) };
    let result = if state == JobState::Succeeded { maybe_text(row, 12)? } else { None };
    let progress = match row.get::<_, Option<i64>>(19)? {
        Some(_) => Some(Progress {
            percent: row.get(20)?,
            message: maybe_text(row, 21)?,
            state: maybe_text(row, 31)?.map(Into::into),
        }),
        None => None,
    };
    let error = maybe_text(row, why + 1)?;
    let pushed_in = claim::pushed_in(row, 30)?;
    // One that ended without a run has no error of its own, and what the last run said is not its reason.
    let told = error.is_some();
    Ok(JobRecord {
        id: JobId(row.get(0)?),
        kind: names::text(row, 1)?,
        queue: names::queue_name(&row.get::<_, String>(2)?)?,
        state,
        args: json(names::text(row, 3)?)?,
        priority: -row.get::<_, i8>(4)?,
        unique: maybe_text(row, 5)?,
        label: maybe_text(row, 29)?,
        key: maybe_text(row, 32)?,
        traceparent: pushed_in.as_deref().map(ToString::to_string),
        tracestate: pushed_in.and_then(|context| context.state).map(Into::into),
        after: parents(maybe_text(row, 33)?.as_deref().unwrap_or_default()),
        after_batch: row.get::<_, Option<i64>>(35)?.map(BatchId),
        batch: row.get::<_, Option<i64>>(36)?.map(BatchId),
        after_failed: codes::maybe_word(&AfterFailed::ALL, row.get(34)?)?,
        counters: Counters {
            attempts: row.get(6)?,
            crashes: row.get(7)?,
            releases: row.get(8)?,
            ..Counters::default()
        },
        max_attempts: row.get(9)?,
        timeout_s: row.get::<_, Option<i64>>(10)?.map(seconds),
        result: result.map(json).transpose()?,
        cause: codes::maybe_word(&Cause::ALL, row.get(why)?)?,
        error,
        error_type: if told { maybe_text(row, 25)? } else { None },
        error_code: if told { row.get(26)? } else { None },
        backtrace: if told { maybe_text(row, 27)? } else { None },
        fingerprint: row.get::<_, Option<i64>>(28)?.map(Fingerprint::from_number),
        progress,
        pushed_at: UnixMicros(row.get(22)?),
        due_at: UnixMicros(row.get(23)?),
        expires_at: time(row, 24)?,
        finished_at: if finished || state == JobState::Succeeded { time(row, why + 2)? } else { None },
    })
}

/// Ids with commas between them.
fn parents(text: &str) -> Vec<JobId> {
    text.split(',').filter_map(|id| id.parse().ok().map(JobId)).collect()
}

/// JSON as it was stored; what is none any more is shown as a text.
fn json(text: String) -> Result<Box<RawValue>> {
    let shown = |text: &str| serde_json::to_string(text).and_then(RawValue::from_string);
    let value =
        if serde_json::from_str::<&RawValue>(&text).is_ok() { RawValue::from_string(text) } else { shown(&text) };
    value.map_err(|e| Error::FromSqlConversionFailure(0, Type::Text, Box::new(e)))
}
