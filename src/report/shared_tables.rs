//! The tables that workers of services share, for people.

use serde_json::{Map, Value};

use super::tables::{Align, Column, Room, render_within};
use super::words;
use crate::model::table::TableSize;

/// A row for each table.
#[must_use]
pub fn sizes(tables: &[TableSize], width: Option<usize>) -> String {
    let columns = [
        Column("table", Align::Left),
        Column("rows", Align::Right),
        Column("size", Align::Right),
        Column("kept", Align::Left),
    ];
    let row = |table: &TableSize| {
        let kept = if table.durable { "yes" } else { "no" };
        vec![words::one_line(&table.name, 64), table.rows.to_string(), words::bytes(table.bytes), kept.to_owned()]
    };
    let room = Room { width, without: &[], cut: &[("table", 12)], leave_out: &["kept", "size"] };
    render_within(room, &columns, tables.iter().map(row).collect())
}

/// The rows of a table: a line for each, with its values by column.
#[must_use]
pub fn rows(rows: &Map<String, Value>, width: Option<usize>) -> String {
    let value = |(column, value): (&String, &Value)| format!("{column}={value}");
    let row = |(key, row): (&String, &Value)| {
        let values: Vec<String> = row.as_object().into_iter().flatten().map(value).collect();
        vec![words::one_line(key, 64), words::one_line(&values.join(" "), 4000)]
    };
    let columns = [Column("key", Align::Left), Column("values", Align::Left)];
    let room = Room { width, without: &[], cut: &[("values", 16), ("key", 12)], leave_out: &[] };
    render_within(room, &columns, rows.iter().map(row).collect())
}
