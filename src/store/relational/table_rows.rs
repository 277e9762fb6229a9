//! Rows of the tables that workers of services share.
//!
//! Invariant: a row is there as it was told last; who tells them bounds their number and size.

use rusqlite::Result;

use super::batch::Batch;
use super::conn::Conn;
use super::names;
use crate::model::change::Reply;
use crate::model::table::TableRow;

/// `table_rows` by its key.
const KEEP: &str = "INSERT INTO table_rows (name, key, columns) VALUES (?1, ?2, ?3) \
     ON CONFLICT (name, key) DO UPDATE SET columns = excluded.columns";
/// The same.
const FORGET: &str = "DELETE FROM table_rows WHERE name = ?1 AND key = ?2";
/// All of `table_rows`.
const ALL: &str = "SELECT name, key, columns FROM table_rows ORDER BY name, key";

impl Batch<'_> {
    pub(in crate::store) fn keep_rows(&self, rows: &[TableRow]) -> Result<Reply> {
        for TableRow { table, key, columns } in rows {
            match columns {
                Some(columns) => self.run(KEEP, (table, key, columns))?,
                None => self.run(FORGET, (table, key))?,
            };
        }
        Ok(Reply::Done)
    }
}

pub(in crate::store) fn list(conn: Conn<'_>) -> Result<Vec<TableRow>> {
    let mut read = conn.prepare_cached(ALL)?;
    let rows = read.query_map([], |row| {
        Ok(TableRow { table: names::text(row, 0)?, key: names::text(row, 1)?, columns: Some(names::text(row, 2)?) })
    })?;
    rows.collect()
}
