//! Rows of shared tables in the store in memory.

use super::state::State;
use crate::model::change::Reply;
use crate::model::table::{self, TableRow};

impl State {
    pub(super) fn keep_rows(&mut self, rows: &[TableRow]) -> Reply {
        table::update(&mut self.table_rows, rows);
        Reply::Done
    }

    pub(super) fn list_table_rows(&self) -> Vec<TableRow> {
        let row = |((table, key), columns): (&(String, String), &String)| TableRow {
            table: table.clone(),
            key: key.clone(),
            columns: Some(columns.clone()),
        };
        self.table_rows.iter().map(row).collect()
    }
}
