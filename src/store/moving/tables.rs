//! The tables that both kinds of store have, and their rows as they are read, written and summed up.
//!
//! The list is that of a new database. Invariants: a page takes a bounded time and space; a sum does not depend on the order
//! of rows, which the two kinds do not share for texts with U+0000.

use std::cmp::min;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Result};

use super::End;
use crate::model::digest;
use crate::store::StoreError;
use crate::store::relational::conn::{Conn, Row};
use crate::store::sqlite;

/// Of one kind only, or of one store.
const OTHERS: [&str; 3] = ["store", "seal", "sqlite_sequence"];
/// Rows of the first page, and of any.
const FIRST: usize = 100;
const MOST: usize = 10_000;
/// Bytes of a page beyond which the next one has fewer rows.
const MOST_BYTES: usize = 8 << 20;

/// The tables of a new database.
const TABLES: &str = "SELECT name FROM sqlite_schema WHERE type = ?1 ORDER BY name";
/// Their columns.
const COLUMNS: &str = "SELECT name FROM pragma_table_info(?1) ORDER BY cid";
/// Those of the key, in its order.
const KEY: &str = "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk";

/// Values of a row, or of a key.
pub(super) type Values = Vec<Value>;

/// A table.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) name: String,
    columns: Vec<String>,
    /// Those of the key, in its order.
    key: Vec<String>,
}

/// How many rows, and the sum of their digests.
pub(super) type Sum = (u64, u64);

/// The tables of a store.
pub(super) fn all() -> Result<Vec<Table>> {
    let model = sqlite::model()?;
    let mut names = list(&model, TABLES, "table")?;
    names.retain(|name| !OTHERS.contains(&&**name));
    let table =
        |name: String| Ok(Table { columns: list(&model, COLUMNS, &name)?, key: list(&model, KEY, &name)?, name });
    names.into_iter().map(table).collect()
}

fn list(model: &Connection, text: &str, of: &str) -> Result<Vec<String>> {
    model.prepare(text)?.query_map([of], |row| row.get(0))?.collect()
}

impl Table {
    /// Whether its rows have an id and nothing else as their key.
    pub(super) fn has_ids(&self) -> bool {
        self.key == ["id"]
    }

    fn key_in(&self, row: &[Value]) -> Values {
        let value =
            |name| self.columns.iter().zip(row).find(|(column, _)| *column == name).map(|(_, value)| value.clone());
        self.key.iter().filter_map(value).collect()
    }

    pub(super) fn count(&self, conn: Conn<'_>) -> Result<u64> {
        let text = format!("SELECT count(*) FROM {}", self.name);
        conn.prepare_cached(&text)?.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
    }

    /// The key of the row at this place, from 0.
    pub(super) fn key_at(&self, conn: Conn<'_>, place: u64) -> Result<Option<Values>> {
        let key = self.key.join(", ");
        let text = format!("SELECT {key} FROM {} ORDER BY {key} LIMIT 1 OFFSET ?1", self.name);
        let read = |row: &Row<'_>| (0..self.key.len()).map(|at| row.get(at)).collect();
        conn.prepare_cached(&text)?.query_row([place.cast_signed()], read).optional()
    }

    /// The statement that deletes all rows.
    pub(super) fn clear(&self) -> String {
        format!("DELETE FROM {}", self.name)
    }

    /// Shows all rows behind this key, by their key, a page at a time.
    pub(super) fn each_page(
        &self,
        end: &dyn End,
        mut after: Option<Values>,
        mut show: impl FnMut(Vec<Values>) -> std::result::Result<(), StoreError>,
    ) -> std::result::Result<(), StoreError> {
        let mut most = FIRST;
        loop {
            let page = self.page(end.conn(), after.as_deref(), most).map_err(|e| end.map(&e))?;
            let (rows, bytes) = (page.len(), page.iter().flatten().map(length).sum::<usize>());
            after = page.last().map(|row| self.key_in(row));
            show(page)?;
            if rows < most {
                return Ok(());
            }
            most = min(most * 2, (most * MOST_BYTES / bytes.max(1)).clamp(1, MOST));
        }
    }

    fn page(&self, conn: Conn<'_>, after: Option<&[Value]>, most: usize) -> Result<Vec<Values>> {
        let key = self.key.join(", ");
        let behind = after.map_or_else(String::new, |after| format!(" WHERE ({key}) > ({})", places(1..=after.len())));
        let (columns, name, most) = (self.columns.join(", "), &self.name, Value::Integer(most as i64));
        let limit = after.map_or(1, |after| after.len() + 1);
        let text = format!("SELECT {columns} FROM {name}{behind} ORDER BY {key} LIMIT ?{limit}");
        let params: Vec<&dyn rusqlite::ToSql> =
            after.unwrap_or_default().iter().chain([&most]).map(|v| v as _).collect();
        let mut found = conn.prepare_cached(&text)?;
        let mut rows = found.query(&*params)?;
        let mut page = Vec::new();
        while let Some(row) = rows.next()? {
            page.push((0..self.columns.len()).map(|at| row.get(at)).collect::<Result<Values>>()?);
        }
        Ok(page)
    }

    /// Adds rows, but those that are there.
    pub(super) fn write(&self, conn: Conn<'_>, rows: Vec<Values>) -> Result<()> {
        let places = places(1..=self.columns.len());
        let columns = self.columns.join(", ");
        let text = format!("INSERT INTO {} ({columns}) VALUES ({places}) ON CONFLICT DO NOTHING", self.name);
        match conn {
            Conn::Postgres(conn) => conn.many(&text, rows),
            Conn::Sqlite(conn) => {
                let mut insert = conn.prepare_cached(&text)?;
                rows.into_iter().try_for_each(|row| insert.execute(rusqlite::params_from_iter(row)).map(drop))
            }
        }
    }

    pub(super) fn sum(&self, end: &dyn End, said: &mut dyn FnMut(usize)) -> std::result::Result<Sum, StoreError> {
        let (mut rows, mut digests) = (0, 0);
        self.each_page(end, None, |page| {
            rows += page.len() as u64;
            digests = page.iter().map(|row| digest_of(row)).fold(digests, u64::wrapping_add);
            said(page.len());
            Ok(())
        })?;
        Ok((rows, digests))
    }
}

fn places(numbers: impl Iterator<Item = usize>) -> String {
    numbers.map(|number| format!("?{number}")).collect::<Vec<_>>().join(", ")
}

/// Bytes of a value, about.
fn length(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::Blob(bytes) => bytes.len(),
        Value::Null | Value::Integer(_) | Value::Real(_) => 8,
    }
}

/// Two rows that are not the same have another digest, but for a chance of one to 2⁶⁴.
fn digest_of(row: &[Value]) -> u64 {
    let mut bytes = Vec::new();
    for value in row {
        let (kind, content) = match value {
            Value::Null => (0, &[][..]),
            Value::Integer(number) => (1, &number.to_le_bytes()[..]),
            Value::Real(number) => (2, &number.to_bits().to_le_bytes()[..]),
            Value::Text(text) => (3, text.as_bytes()),
            Value::Blob(bytes) => (4, &**bytes),
        };
        bytes.push(kind);
        bytes.extend((content.len() as u64).to_le_bytes());
        bytes.extend(content);
    }
    digest::digest(bytes)
}
