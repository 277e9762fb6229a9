//! Deeds: putting on record who has changed what, listing it, and forgetting the old ones.
//!
//! Invariant: there are no more than [`MOST_DEEDS`] for long.

use rusqlite::{Result, params};

use super::batch::Batch;
use super::conn::{Conn, Row};
use super::read::Query;
use super::{codes, names};
use crate::model::audit::{Deed, DeedRecord, MOST_DEEDS, Via};
use crate::model::change::{Keep, Reply};
use crate::model::{OperationId, UnixMicros};
use crate::store::AuditFilter;

const ADD: &str = "INSERT INTO audit (at, who, via, role, address, verb, target, affected, outcome, operation) \
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
/// `audit.id`, downwards: a deed that ends is among the newest.
const END: &str = "UPDATE audit SET affected = ?4, outcome = ?5, operation = ?6 WHERE id = (SELECT id FROM audit \
     WHERE at = ?1 AND verb = ?2 AND target = ?3 ORDER BY id DESC LIMIT 1)";
/// `audit_by_who` or `audit_by_verb`, else `audit.id`, downwards.
const DEEDS: &str =
    "SELECT id, at, who, via, role, address, verb, target, affected, outcome, operation FROM audit WHERE true";
/// `audit.id`: of the oldest few those that are past their time, or too many.
const PRUNE: &str = "DELETE FROM audit WHERE id IN (SELECT id FROM audit ORDER BY id LIMIT ?1) \
     AND (at < ?2 OR id <= (SELECT max(id) FROM audit) - ?3)";

impl Batch<'_> {
    pub(in crate::store) fn log_deed(&self, deed: &Deed) -> Result<Reply> {
        let row = params![
            deed.at.0,
            deed.who,
            deed.via as i64,
            deed.role,
            deed.address,
            deed.verb,
            deed.target,
            deed.affected.map(|n| n as i64),
            deed.outcome,
            deed.operation.map(|id| id.0)
        ];
        self.run(ADD, row)?;
        Ok(Reply::Done)
    }

    pub(in crate::store) fn end_deed(&self, deed: &Deed) -> Result<Reply> {
        let Deed { at, verb, target, affected, outcome, operation, .. } = deed;
        self.run(END, params![at.0, verb, target, affected.map(|n| n as i64), outcome, operation.map(|id| id.0)])?;
        Ok(Reply::Done)
    }

    pub(in crate::store) fn prune_audit(&self, keep: &Keep) -> Result<usize> {
        self.run(PRUNE, (keep.limit, keep.audit_since.0, MOST_DEEDS))
    }
}

pub(in crate::store) fn list(conn: Conn<'_>, filter: &AuditFilter) -> Result<Vec<DeedRecord>> {
    let query = Query::new(DEEDS.to_owned())
        .and("who =", filter.who.as_deref())
        .and("verb =", filter.verb.as_deref())
        .and("at >=", filter.since.map(|at| at.0))
        .and("id <", filter.before);
    query.read(conn, "ORDER BY id DESC", filter.limit, record)
}

fn record(row: &Row<'_>) -> Result<DeedRecord> {
    let deed = Deed {
        at: UnixMicros(row.get(1)?),
        who: names::maybe_text(row, 2)?,
        via: codes::word(&Via::ALL, row.get(3)?)?,
        role: names::maybe_text(row, 4)?,
        address: names::maybe_text(row, 5)?,
        verb: names::text(row, 6)?,
        target: names::text(row, 7)?,
        affected: row.get::<_, Option<i64>>(8)?.map(i64::unsigned_abs),
        outcome: names::text(row, 9)?,
        operation: row.get::<_, Option<i64>>(10)?.map(OperationId),
    };
    Ok(DeedRecord { id: row.get(0)?, deed })
}
