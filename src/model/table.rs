//! Rows of the tables that workers of services share, as they are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The longest row, in bytes of its JSON text: one packet has room for it.
pub const MOST_ROW_BYTES: usize = 48 * 1024;

/// A row as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableRow {
    pub table: String,
    pub key: String,
    /// Values by column, a JSON object; `None`: the row is gone.
    pub columns: Option<String>,
}

/// Rows by table and key.
pub type TableRows = BTreeMap<(String, String), String>;

/// Takes in rows as they are now.
pub fn update(rows: &mut TableRows, changed: &[TableRow]) {
    for TableRow { table, key, columns } in changed {
        let place = (table.clone(), key.clone());
        match columns {
            Some(columns) => drop(rows.insert(place, columns.clone())),
            None => drop(rows.remove(&place)),
        }
    }
}

/// A table in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSize {
    pub name: String,
    pub rows: u64,
    /// Of keys and values, as JSON.
    pub bytes: u64,
    /// Kept across restarts.
    pub durable: bool,
}

/// The tables that these rows are of.
#[must_use]
pub fn sizes<'a>(
    rows: impl Iterator<Item = (&'a str, &'a str, usize)>,
    is_durable: impl Fn(&str) -> bool,
) -> Vec<TableSize> {
    let mut tables: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for (table, key, bytes) in rows {
        let (rows, sum) = tables.entry(table).or_default();
        (*rows, *sum) = (*rows + 1, *sum + (key.len() + bytes) as u64);
    }
    let size =
        |(name, (rows, bytes)): (&str, _)| TableSize { name: name.to_owned(), rows, bytes, durable: is_durable(name) };
    tables.into_iter().map(size).collect()
}
