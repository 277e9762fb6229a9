//! Cases about rows of shared tables.

use super::*;
use crate::model::table::TableRow;

fn row(table: &str, key: &str, columns: Option<&str>) -> TableRow {
    TableRow { table: table.to_owned(), key: key.to_owned(), columns: columns.map(str::to_owned) }
}

pub(super) fn rows_of_tables_are_kept_as_they_were_told_last(kit: &mut Kit) {
    assert_eq!(kit.records.table_rows().unwrap(), []);
    let rows = [row("b", "x", Some("{\"n\":1}")), row("a", "é", Some("{\"n\":2}")), row("a", "b", Some("{}"))];
    kit.one(Change::KeepRows(rows.clone().into()));
    kit.one(Change::KeepRows([row("b", "x", Some("{\"n\":3}")), row("a", "b", None), row("a", "none", None)].into()));
    assert_eq!(kit.records.table_rows().unwrap(), [rows[1].clone(), row("b", "x", Some("{\"n\":3}"))]);
    kit.join(2);
    kit.recover();
    assert_eq!(kit.records.table_rows().unwrap().len(), 2, "another master finds them");
}
