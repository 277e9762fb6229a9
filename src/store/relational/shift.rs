//! Moving what waits for a length of time when the clock was set.
//!
//! Invariant: a step looks at a bounded number of rows, and none is moved twice for one setting of the clock.

use rusqlite::Result;

use super::batch::{Batch, Waiting};
use super::sql;
use crate::model::change::Reply;
use crate::model::shift::{FIXED_US, LONGEST_RETRY_US, Shift, Waits};
use crate::model::{JobId, UnixMicros};

impl Batch<'_> {
    pub(in crate::store) fn shift(&mut self, shift: &Shift) -> Result<Reply> {
        if shift.after.is_none() {
            self.doubt_openings()?;
        }
        let looked_at = match shift.waits {
            Waits::Due => self.shift_due(shift)?,
            Waits::Expiry => self.shift_expiry(shift)?,
        };
        let whole = looked_at.len() == shift.limit as usize;
        Ok(Reply::Shifted { next: looked_at.last().copied().filter(|_| whole) })
    }

    fn shift_due(&mut self, shift: &Shift) -> Result<Vec<(UnixMicros, JobId)>> {
        let text = if shift.by > 0 { sql::SCHEDULED_DOWN } else { sql::SCHEDULED_UP };
        let (at, id) = shift.cursor();
        let rows: Vec<(Waiting, Option<i64>, Option<i64>)> = self
            .conn
            .prepare_cached(text)?
            .query_map((at.0, id.0, shift.limit), |row| {
                let (due_at, id, tried) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let lane = self.names.lane_of(self.conn, row.get(7)?)?;
                let waiting = Waiting { queue: row.get(4)?, lane, nprio: row.get(5)?, due_at, id, tried };
                Ok((waiting, row.get(3)?, row.get(6)?))
            })?
            .collect::<Result<_>>()?;
        for &(waiting, wait, delay) in &rows {
            let length = if waiting.tried { Some(wait.unwrap_or(LONGEST_RETRY_US)) } else { delay };
            let Some(length) = length.filter(|&length| length != FIXED_US) else { continue };
            let due_at = shift.moved(UnixMicros(waiting.due_at), length, self.at).0;
            if due_at != waiting.due_at {
                self.leave_scheduled(waiting)?;
                self.run(if waiting.tried { sql::TRIES_DUE } else { sql::JOB_DUE }, (waiting.id, due_at))?;
                self.enter_scheduled(Waiting { due_at, ..waiting }, wait)?;
            }
        }
        Ok(rows.iter().map(|(w, ..)| (UnixMicros(w.due_at), JobId(w.id))).collect())
    }

    fn shift_expiry(&mut self, shift: &Shift) -> Result<Vec<(UnixMicros, JobId)>> {
        let text = if shift.by > 0 { sql::EXPIRING_DOWN } else { sql::EXPIRING_UP };
        let (at, id) = shift.cursor();
        let rows: Vec<(i64, i64, i64)> = self
            .conn
            .prepare_cached(text)?
            .query_map((at.0, id.0, shift.limit), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_>>()?;
        for &(at, job, length) in &rows {
            let expires_at = shift.moved(UnixMicros(at), length, self.at).0;
            if expires_at != at {
                self.run(sql::EXPIRING_DELETE, (at, job))?;
                self.run(sql::JOB_EXPIRES, (job, expires_at))?;
                self.run(sql::EXPIRING_ADD, (expires_at, job))?;
            }
        }
        Ok(rows.iter().map(|&(at, job, _)| (UnixMicros(at), JobId(job))).collect())
    }
}
