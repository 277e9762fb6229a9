//! Tables that all workers share: rows by key, with columns.
//!
//! | request | params | result |
//! | --- | --- | --- |
//! | `table.set` | `{"table", "key", "values": {COLUMN: VALUE}}`, or `"column"` and `"value"` | `true` |
//! | `table.incr` | `{"table", "key", "column", "by"?: 1}` | the new number |
//! | `table.get` | `{"table", "key", "column"?}` | the row or the value, `null` if there is none |
//! | `table.del` | `{"table", "key", "column"?}` | whether there was one |
//! | `table.list` | `{"table"?}` | all rows by key, or the names of all tables |
//!
//! Values are numbers, texts, booleans and `null`. Rows that have changed are told to the master, which keeps them; those of a
//! table that was begun with `"durable": false` are not. Invariant: at most 64 tables of 1,024 rows of 64 columns, 48 KiB a row
//! and 64 MiB in all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Number, Value, json};

use crate::model::json_text;
use crate::model::service::{CallError, code};
use crate::model::table::{MOST_ROW_BYTES, TableRow, TableSize, sizes};
use crate::wire::object;
use crate::wire::rpc::FAILED;

const MOST_TABLES: usize = 64;
const MOST_ROWS: usize = 1024;
const MOST_COLUMNS: usize = 64;
const MOST_BYTES: usize = 64 * 1024 * 1024;
/// The longest name of a table, key or column, in bytes.
const MOST_NAME_BYTES: usize = 200;

type Row = Map<String, Value>;

/// All tables.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    all: BTreeMap<String, BTreeMap<String, Row>>,
    /// Of texts in them.
    bytes: usize,
    /// Tables that nobody keeps.
    volatile: BTreeSet<String>,
    /// Rows that the master does not know as they are.
    changed: BTreeSet<(String, String)>,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    table: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    column: Option<String>,
    #[serde(default)]
    values: Row,
    #[serde(default)]
    value: Value,
    #[serde(default)]
    by: Option<Number>,
    #[serde(default = "durable")]
    durable: bool,
}

const fn durable() -> bool {
    true
}

impl Tables {
    /// Answers a request.
    pub(crate) fn answer(&mut self, method: &str, params: &RawValue) -> Result<Arc<RawValue>, CallError> {
        let params = object::read(params.get())
            .map_err(|error| wrong(&format!("the params are not understood: {}", json_text::words(&error))))?;
        let result = self.result(method, params)?;
        let text = to_raw_value(&result).map_err(|error| wrong(&error.to_string()))?;
        Ok(text.into())
    }

    /// All rows of a table; `None`: there is no such table.
    pub(crate) fn rows(&self, table: &str) -> Option<Value> {
        self.all.get(table).map(|rows| json!(rows))
    }

    fn names(&self) -> Value {
        self.all.keys().cloned().collect()
    }

    pub(crate) fn sizes(&self) -> Vec<TableSize> {
        let rows = self.all.iter().flat_map(|(table, rows)| {
            rows.iter().map(move |(key, row)| (table.as_str(), key.as_str(), json_of(row).len()))
        });
        sizes(rows, |table| !self.volatile.contains(table))
    }

    /// Takes in a row that was kept.
    pub(super) fn restore(&mut self, row: TableRow) {
        let TableRow { table, key, columns } = row;
        let columns: Option<Row> = columns.and_then(|columns| serde_json::from_str(&columns).ok());
        if let Some(columns) = columns {
            self.bytes += columns.values().map(bytes_of).sum::<usize>();
            self.all.entry(table).or_default().insert(key, columns);
        }
    }

    /// Rows that have changed since the last call, of durable tables.
    pub(super) fn take_changed(&mut self) -> Vec<TableRow> {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let row = |(table, key): (String, String)| {
            let row = self.all.get(&table).and_then(|rows| rows.get(&key));
            TableRow { columns: row.map(json_of), table, key }
        };
        changed.map(row).collect()
    }

    fn result(&mut self, method: &str, params: Params) -> Result<Value, CallError> {
        let Params { table, key, column, mut values, value, by, durable } = params;
        if method == "table.list" {
            return Ok(table.map_or_else(|| self.names(), |table| self.rows(&table).unwrap_or_else(|| json!({}))));
        }
        let table = table.ok_or_else(|| wrong("`table` is missing"))?;
        let key = key.ok_or_else(|| wrong("`key` is missing"))?;
        match method {
            "table.set" => {
                values.extend(column.map(|column| (column, value)));
                self.set(table, key, values, durable).map(|()| true.into())
            }
            "table.incr" => {
                let column = column.ok_or_else(|| wrong("`column` is missing"))?;
                let sum = sum(self.get(&table, &key, &column), by)?;
                let values = Row::from_iter([(column, sum.clone())]);
                self.set(table, key, values, durable).map(|()| sum)
            }
            "table.get" => Ok(match column {
                Some(column) => self.get(&table, &key, &column).cloned().unwrap_or_default(),
                None => {
                    self.all.get(&table).and_then(|rows| rows.get(&key)).cloned().map_or(Value::Null, Value::Object)
                }
            }),
            "table.del" => Ok(self.delete(&table, &key, column.as_deref()).into()),
            _ => Err(CallError {
                code: code::NO_SUCH_METHOD,
                message: format!("there is no `{method}`; there are `table.set`, `incr`, `get`, `del` and `list`"),
                data: None,
            }),
        }
    }

    fn get(&self, table: &str, key: &str, column: &str) -> Option<&Value> {
        self.all.get(table)?.get(key)?.get(column)
    }

    fn set(&mut self, table: String, key: String, values: Row, durable: bool) -> Result<(), CallError> {
        if values.values().any(|value| value.is_array() || value.is_object()) {
            return Err(wrong("a value is a number, a text, a boolean or null"));
        }
        if values.keys().chain([&table, &key]).any(|name| name.is_empty() || name.len() > MOST_NAME_BYTES) {
            return Err(wrong(&format!("names of tables, keys and columns have 1 to {MOST_NAME_BYTES} bytes")));
        }
        let rows = self.all.get(&table);
        let row = rows.and_then(|rows| rows.get(&key));
        let new = values.keys().filter(|column| row.is_none_or(|row| !row.contains_key(*column))).count();
        if row.map_or(0, Row::len) + new > MOST_COLUMNS {
            return Err(full(&format!("a row has at most {MOST_COLUMNS} columns")));
        }
        if row.is_none() && rows.is_some_and(|rows| rows.len() >= MOST_ROWS) {
            return Err(full(&format!("table `{table}` has {MOST_ROWS} rows, which is the most")));
        }
        if rows.is_none() && self.all.len() >= MOST_TABLES {
            return Err(full(&format!("there are {MOST_TABLES} tables, which is the most")));
        }
        let after = || row.cloned().unwrap_or_default().into_iter().chain(values.clone()).collect::<Row>();
        if row.map_or(0, |row| json_of(row).len()) + json_of(&values).len() > MOST_ROW_BYTES
            && json_of(&after()).len() > MOST_ROW_BYTES
        {
            return Err(full(&format!("a row has at most {MOST_ROW_BYTES} bytes")));
        }
        let more: usize = values.values().map(bytes_of).sum();
        let less: usize = values.keys().filter_map(|column| row?.get(column)).map(bytes_of).sum();
        if self.bytes - less + more > MOST_BYTES {
            return Err(full(&format!("the texts of all tables would have more than {MOST_BYTES} bytes")));
        }
        self.bytes = self.bytes - less + more;
        if rows.is_none() && !durable {
            self.volatile.insert(table.clone());
        }
        self.all.entry(table.clone()).or_default().entry(key.clone()).or_default().extend(values);
        self.has_changed(table, key);
        Ok(())
    }

    fn has_changed(&mut self, table: String, key: String) {
        if !self.volatile.contains(&table) {
            self.changed.insert((table, key));
        }
    }

    fn delete(&mut self, table: &str, key: &str, column: Option<&str>) -> bool {
        let Some(rows) = self.all.get_mut(table) else { return false };
        let gone: Vec<Value> = match column {
            Some(column) => rows.get_mut(key).and_then(|row| row.remove(column)).into_iter().collect(),
            None => match rows.remove(key) {
                Some(row) => row.into_iter().map(|(_, value)| value).chain([Value::Null]).collect(),
                None => Vec::new(),
            },
        };
        let is_empty = rows.is_empty();
        self.has_changed(table.to_owned(), key.to_owned());
        if is_empty {
            self.all.remove(table);
            self.volatile.remove(table);
        }
        self.bytes -= gone.iter().map(bytes_of).sum::<usize>();
        !gone.is_empty()
    }
}

/// Whole numbers stay whole, as long as they fit.
fn sum(held: Option<&Value>, by: Option<Number>) -> Result<Value, CallError> {
    let by = by.unwrap_or_else(|| 1.into());
    let held = match held {
        None | Some(Value::Null) => 0.into(),
        Some(Value::Number(held)) => held.clone(),
        Some(_) => return Err(wrong("the column has no number in it")),
    };
    let whole = held.as_i64().zip(by.as_i64()).and_then(|(held, by)| held.checked_add(by));
    let sum = whole.map(Number::from).or_else(|| Number::from_f64(held.as_f64()? + by.as_f64()?));
    sum.map(Value::Number).ok_or_else(|| wrong("the sum is too large"))
}

fn json_of(row: &Row) -> String {
    serde_json::to_string(row).unwrap_or_default()
}

fn bytes_of(value: &Value) -> usize {
    value.as_str().map_or(0, str::len)
}

fn wrong(message: &str) -> CallError {
    CallError { code: code::WRONG_PARAMS, message: message.to_owned(), data: None }
}

fn full(message: &str) -> CallError {
    CallError { code: FAILED, message: message.to_owned(), data: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(tables: &mut Tables, method: &str, params: &Value) -> String {
        let params = to_raw_value(params).unwrap();
        match tables.answer(method, &params) {
            Ok(result) => result.get().to_owned(),
            Err(error) => error.message,
        }
    }

    #[test]
    fn rows_are_set_counted_read_and_deleted() {
        let tables = &mut Tables::default();
        let row = json!({"table": "stats", "key": "a", "column": "n"});
        assert_eq!(ask(tables, "table.incr", &row), "1");
        assert_eq!(ask(tables, "table.incr", &json!({"table": "stats", "key": "a", "column": "n", "by": 4})), "5");
        assert_eq!(ask(tables, "table.incr", &json!({"table": "stats", "key": "a", "column": "n", "by": 0.5})), "5.5");
        assert_eq!(ask(tables, "table.set", &json!({"table": "stats", "key": "a", "values": {"who": "me"}})), "true");
        assert_eq!(ask(tables, "table.get", &json!({"table": "stats", "key": "a"})), r#"{"n":5.5,"who":"me"}"#);
        assert_eq!(ask(tables, "table.get", &row), "5.5");
        assert_eq!(
            ask(tables, "table.incr", &json!({"table": "stats", "key": "a", "column": "who"})),
            "the column has no number in it"
        );
        assert_eq!(ask(tables, "table.list", &json!({})), r#"["stats"]"#);
        assert_eq!(ask(tables, "table.del", &row), "true");
        assert_eq!(ask(tables, "table.del", &json!({"table": "stats", "key": "a"})), "true");
        assert_eq!(ask(tables, "table.del", &json!({"table": "stats", "key": "a"})), "false");
        assert_eq!((ask(tables, "table.list", &json!({"table": "stats"})), tables.bytes), ("{}".to_owned(), 0));
    }

    #[test]
    fn tables_are_bounded() {
        let tables = &mut Tables::default();
        for key in 0..MOST_ROWS {
            assert_eq!(ask(tables, "table.incr", &json!({"table": "t", "key": key.to_string(), "column": "n"})), "1");
        }
        let more = ask(tables, "table.incr", &json!({"table": "t", "key": "more", "column": "n"}));
        assert_eq!(more, "table `t` has 1024 rows, which is the most");
        let wide: Row = (0..=MOST_COLUMNS).map(|n| (n.to_string(), Value::Null)).collect();
        assert_eq!(
            ask(tables, "table.set", &json!({"table": "u", "key": "k", "values": wide})),
            "a row has at most 64 columns"
        );
        assert_eq!(
            ask(tables, "table.set", &json!({"table": "u", "key": "k", "column": "c", "value": []})),
            "a value is a number, a text, a boolean or null"
        );
    }
}
