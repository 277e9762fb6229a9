//! A connection to a PostgreSQL server, with the statements it has prepared and the changes it has put off.
//!
//! Knows nothing of jobs. Invariants: a change that was put off is sent before any other statement; what a transaction put
//! off is forgotten when that is rolled back.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::postgres::Client;
use fallible_iterator::FallibleIterator as _;
use rusqlite::types::{FromSql, FromSqlError, Value, ValueRef};
use rusqlite::{Error, Result};

use super::dialect;
use super::error::wrap;
use super::value::{self, Bound};
use crate::store::relational::conn::Params;

/// Statements that are kept prepared; lists of jobs have very many forms.
const MOST_PREPARED: usize = 500;
/// Rows of a change that is put off at most.
const MOST_PUT_OFF: usize = 5_000;

/// Key of `running`.
pub(super) const CURRENT: &str = "SELECT job_id, run_id FROM running WHERE job_id = ANY ($1)";

/// The connection.
pub(in crate::store) struct Connection {
    client: RefCell<Client>,
    prepared: RefCell<HashMap<String, ::postgres::Statement>>,
    put_off: RefCell<Vec<PutOff>>,
    in_transaction: Cell<bool>,
}

/// A change of one row that is to be made for each of these.
struct PutOff {
    text: &'static str,
    rows: Vec<Vec<Value>>,
}

impl Connection {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client: RefCell::new(client),
            prepared: RefCell::default(),
            put_off: RefCell::default(),
            in_transaction: Cell::new(false),
        }
    }

    /// Prepares a statement written for SQLite.
    pub(in crate::store) fn prepare(&self, text: &str) -> Result<Statement<'_>> {
        let prepared = self.prepared(text, || dialect::translate(text))?;
        Ok(Statement { conn: self, prepared, text: text.to_owned() })
    }

    fn prepared(&self, key: &str, text: impl FnOnce() -> String) -> Result<::postgres::Statement> {
        if let Some(found) = self.prepared.borrow().get(key) {
            return Ok(found.clone());
        }
        let text = text();
        let statement = self.client.borrow_mut().prepare(&text).map_err(|e| wrap(e, &text))?;
        let mut prepared = self.prepared.borrow_mut();
        if prepared.len() >= MOST_PREPARED {
            prepared.clear();
        }
        prepared.insert(key.to_owned(), statement.clone());
        Ok(statement)
    }

    /// Runs statements without parameters, as PostgreSQL words them.
    pub(super) fn run(&self, text: &str) -> Result<()> {
        self.client.borrow_mut().batch_execute(text).map_err(|e| wrap(e, text))
    }

    /// Begins a transaction, and does this in the same breath.
    pub(super) fn begin(&self, first: &str) -> Result<()> {
        self.in_transaction.set(true);
        self.run(&format!("BEGIN; {first}"))
    }

    /// Commits, and does this afterwards in the same breath.
    pub(super) fn commit(&self, then: &str) -> Result<()> {
        self.commit_with("", then)
    }

    /// The same, and does something before.
    pub(super) fn commit_with(&self, before: &str, then: &str) -> Result<()> {
        self.flush()?;
        self.in_transaction.set(false);
        self.run(&format!("{before}COMMIT{then}"))
    }

    pub(super) fn roll_back(&self) -> Result<()> {
        self.put_off.borrow_mut().clear();
        if self.in_transaction.replace(false) { self.run("ROLLBACK") } else { Ok(()) }
    }

    pub(in crate::store) fn is_in_transaction(&self) -> bool {
        self.in_transaction.get()
    }

    /// All statements see the same rows until it is dropped.
    pub(in crate::store) fn snapshot(&self) -> Result<Snapshot<'_>> {
        self.in_transaction.set(true);
        self.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        Ok(Snapshot(self))
    }

    /// Takes in a change of one row, to be made together with others of its text.
    pub(in crate::store) fn put_off(&self, text: &'static str, params: &impl Params) -> Result<()> {
        let row = value::owned(params)?;
        let mut put_off = self.put_off.borrow_mut();
        let known = put_off.iter().position(|known| known.text == text).unwrap_or_else(|| {
            put_off.push(PutOff { text, rows: Vec::new() });
            put_off.len() - 1
        });
        put_off[known].rows.push(row);
        let is_full = put_off[known].rows.len() >= MOST_PUT_OFF;
        drop(put_off);
        if is_full { self.flush() } else { Ok(()) }
    }

    /// Makes the changes that were put off, in the order in which the first of each text came.
    pub(super) fn flush(&self) -> Result<()> {
        if self.put_off.borrow().is_empty() {
            return Ok(());
        }
        for PutOff { text, rows } in self.put_off.take() {
            self.many(text, rows)?;
        }
        Ok(())
    }

    /// Makes a change of one row for each of these.
    pub(in crate::store) fn many(&self, text: &str, mut rows: Vec<Vec<Value>>) -> Result<()> {
        let single = self.prepared(text, || dialect::translate(text))?;
        if rows.len() < 2 {
            let Some(row) = rows.pop() else { return Ok(()) };
            let bound: Vec<Bound> = row.into_iter().map(Bound).collect();
            let mut client = self.client.borrow_mut();
            return client.execute(&single, &refs(&bound)).map_err(|e| wrap(e, text)).map(drop);
        }
        let (types, own) = (single.params(), value::own(&rows));
        let form: String = own.iter().map(|own| if *own { '1' } else { '0' }).collect();
        let many = self.prepared(&format!("{form}: {text}"), || dialect::for_many(text, types, &own))?;
        let columns = value::columns(&own, rows);
        let params: Vec<&(dyn ::postgres::types::ToSql + Sync)> = columns.iter().map(AsRef::as_ref).collect();
        self.client.borrow_mut().execute(&many, &params).map_err(|e| wrap(e, text)).map(drop)
    }

    /// The current runs of these jobs, as pairs of job and run.
    pub(in crate::store) fn current(&self, jobs: impl Iterator<Item = i64>) -> Result<HashSet<(i64, i64)>> {
        let jobs: Vec<i64> = jobs.collect();
        if jobs.is_empty() {
            return Ok(HashSet::new());
        }
        let statement = self.prepared(CURRENT, || CURRENT.to_owned())?;
        let found = self.client.borrow_mut().query(&statement, &[&jobs]).map_err(|e| wrap(e, CURRENT))?;
        Ok(found.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Waits for a notice from others, for so long at most; whether one came.
    pub(super) fn hears(&self, within: Duration) -> Result<bool> {
        let mut client = self.client.borrow_mut();
        let mut notices = client.notifications();
        let heard = notices.timeout_iter(within).next().map_err(|e| wrap(e, "LISTEN"))?.is_some();
        // Notices that came with the first are told with that.
        while heard && notices.iter().next().map_err(|e| wrap(e, "LISTEN"))?.is_some() {}
        Ok(heard)
    }

    /// Whether the server is still there, as far as is known here.
    pub(super) fn is_closed(&self) -> bool {
        self.client.borrow().is_closed()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// A statement of a connection.
pub(in crate::store) struct Statement<'c> {
    conn: &'c Connection,
    prepared: ::postgres::Statement,
    /// For errors.
    text: String,
}

impl Statement<'_> {
    /// The types of its parameters.
    #[cfg(test)]
    pub(super) fn types(&self) -> &[::postgres::types::Type] {
        self.prepared.params()
    }

    pub(in crate::store) fn execute(&self, params: &impl Params) -> Result<usize> {
        self.conn.flush()?;
        let bound = bound(params)?;
        let mut client = self.conn.client.borrow_mut();
        let changed = client.execute(&self.prepared, &refs(&bound)).map_err(|e| wrap(e, &self.text))?;
        Ok(usize::try_from(changed).unwrap_or(usize::MAX))
    }

    pub(in crate::store) fn query(&self, params: &impl Params) -> Result<Rows> {
        self.conn.flush()?;
        let bound = bound(params)?;
        let mut client = self.conn.client.borrow_mut();
        let found = client.query(&self.prepared, &refs(&bound)).map_err(|e| wrap(e, &self.text))?;
        let names: Names = self.prepared.columns().iter().map(|column| column.name().to_owned()).collect();
        Ok(Rows { names, found: found.into_iter(), row: None })
    }
}

fn bound(params: &impl Params) -> Result<Vec<Bound>> {
    Ok(value::owned(params)?.into_iter().map(Bound).collect())
}

fn refs(bound: &[Bound]) -> Vec<&(dyn ::postgres::types::ToSql + Sync)> {
    bound.iter().map(|value| value as _).collect()
}

/// Names of the columns of a row.
type Names = Arc<[String]>;

/// Rows that a server has sent.
pub(in crate::store) struct Rows {
    names: Names,
    found: std::vec::IntoIter<::postgres::Row>,
    row: Option<Row>,
}

impl Rows {
    pub(in crate::store) fn next(&mut self) -> Result<Option<&Row>> {
        self.row = None;
        let Some(row) = self.found.next() else { return Ok(None) };
        let values = (0..row.len()).map(|at| row.try_get::<_, value::Cell>(at).map(|cell| cell.0));
        let values = values.collect::<std::result::Result<_, _>>().map_err(|e| wrap(e, "an answer"))?;
        Ok(Some(self.row.insert(Row { names: Arc::clone(&self.names), values })))
    }
}

/// A row that a server has sent.
pub(in crate::store) struct Row {
    names: Names,
    values: Vec<Value>,
}

impl Row {
    pub(in crate::store) fn number(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|known| known == name)
    }

    pub(in crate::store) fn get_ref(&self, column: usize) -> Result<ValueRef<'_>> {
        self.values.get(column).map(ValueRef::from).ok_or(Error::InvalidColumnIndex(column))
    }

    /// Fails as `rusqlite` does.
    pub(in crate::store) fn get<T: FromSql>(&self, column: usize) -> Result<T> {
        let value = self.get_ref(column)?;
        T::column_result(value).map_err(|error| match error {
            FromSqlError::InvalidType => {
                let name = self.names.get(column).cloned().unwrap_or_default();
                Error::InvalidColumnType(column, name, value.data_type())
            }
            FromSqlError::OutOfRange(number) => Error::IntegralValueOutOfRange(column, number),
            other => Error::FromSqlConversionFailure(column, value.data_type(), Box::new(other)),
        })
    }
}

/// See [`Connection::snapshot`].
pub(in crate::store) struct Snapshot<'c>(&'c Connection);

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // A connection that fails here fails at its next statement.
        let _ = self.0.roll_back();
    }
}
