//! Calls of services that were slow or failed: putting them on record, listing them, and forgetting the old ones.
//!
//! Invariant: there are no more than [`MOST_CALLS`] for long.

use rusqlite::types::Type;
use rusqlite::{Error, Result, params};

use super::batch::Batch;
use super::conn::{Conn, Row};
use super::job_row::seconds;
use super::names;
use super::read::Query;
use crate::model::call_log::{CALLS_KEPT_FOR, CallFailure, CallRecord, CallSample, LoggedCall, MOST_CALLS};
use crate::model::change::{Keep, Reply};
use crate::model::{PoolName, UnixMicros};
use crate::store::CallFilter;

const ADD: &str = "INSERT INTO call_log (at, service, method, peer, worker, waited_us, took_us, code, message, traceparent) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
/// `call_log.id`, downwards; all of them where they are few of a service or of a time, which is bounded.
const CALLS: &str = "SELECT id, at, service, method, peer, worker, waited_us, took_us, code, message, traceparent \
     FROM call_log WHERE true";
/// `call_log.id`: of the oldest few those that are past their time, or too many.
const PRUNE: &str = "DELETE FROM call_log WHERE id IN (SELECT id FROM call_log ORDER BY id LIMIT ?1) \
     AND (at < ?2 OR id <= (SELECT max(id) FROM call_log) - ?3)";

impl Batch<'_> {
    pub(in crate::store) fn log_calls(&self, calls: &[LoggedCall]) -> Result<Reply> {
        for LoggedCall { at, call } in calls {
            let row = params![
                at.0,
                call.service.as_str(),
                call.method,
                call.peer,
                call.worker,
                call.waited_s.map(micros),
                micros(call.took_s),
                call.error.as_ref().map(|error| error.code),
                call.error.as_ref().map(|error| &error.message),
                call.traceparent
            ];
            self.run(ADD, row)?;
        }
        Ok(Reply::Done)
    }

    pub(in crate::store) fn prune_call_log(&self, keep: &Keep) -> Result<usize> {
        self.run(PRUNE, (keep.limit, self.at.minus(CALLS_KEPT_FOR).0, MOST_CALLS))
    }
}

pub(in crate::store) fn list(conn: Conn<'_>, filter: &CallFilter) -> Result<Vec<CallRecord>> {
    let query = Query::new(CALLS.to_owned())
        .and("service =", filter.service.as_deref())
        .and("at >=", filter.since.map(|at| at.0))
        .and("id <", filter.before)
        .plus(if filter.failed { " AND code IS NOT NULL" } else { "" });
    query.read(conn, "ORDER BY id DESC", filter.limit, record)
}

fn record(row: &Row<'_>) -> Result<CallRecord> {
    let unreadable = |column, error| Error::FromSqlConversionFailure(column, Type::Text, error);
    let call = CallSample {
        service: PoolName::new(&names::text(row, 2)?).map_err(|error| unreadable(2, error.into()))?,
        method: names::maybe_text(row, 3)?,
        peer: names::text(row, 4)?,
        worker: names::maybe_text(row, 5)?,
        waited_s: row.get::<_, Option<i64>>(6)?.map(seconds),
        took_s: seconds(row.get(7)?),
        error: match row.get(8)? {
            Some(code) => Some(CallFailure { code, message: names::text(row, 9)? }),
            None => None,
        },
        traceparent: names::maybe_text(row, 10)?,
    };
    Ok(CallRecord { id: row.get(0)?, logged: LoggedCall { at: UnixMicros(row.get(1)?), call } })
}

fn micros(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}
