//! A connection to a database of either kind, as the shared statements see it.
//!
//! Statements are written in the words of SQLite; what PostgreSQL says otherwise is translated in
//! [`postgres::dialect`](crate::store::postgres). Values and errors are those of `rusqlite` for both. Knows nothing of jobs.
//! Invariants: a statement on SQLite costs what it costs there without this; what was put off ([`Conn::later`]) is done
//! before the next statement of the connection is.

use rusqlite::types::{FromSql, ToSql, ValueRef};
use rusqlite::{CachedStatement, Error, OptionalExtension as _, Result, RowIndex, Transaction};

use crate::store::postgres;

/// The connection.
#[derive(Clone, Copy)]
pub(in crate::store) enum Conn<'c> {
    Sqlite(&'c rusqlite::Connection),
    Postgres(&'c postgres::Connection),
}

/// A statement that is prepared.
pub(in crate::store) enum Statement<'c> {
    Sqlite(CachedStatement<'c>),
    Postgres(postgres::Statement<'c>),
}

/// Rows as they come.
pub(in crate::store) enum Rows<'s> {
    Sqlite(rusqlite::Rows<'s>),
    Postgres(postgres::Rows),
}

/// One row.
pub(in crate::store) enum Row<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a postgres::Row),
}

/// Until it is dropped all statements see the same rows.
pub(in crate::store) enum Snapshot<'c> {
    Sqlite(#[expect(dead_code, reason = "held for its end")] Transaction<'c>),
    Postgres(#[expect(dead_code, reason = "held for its end")] postgres::Snapshot<'c>),
}

/// Values for the parameters of a statement.
pub(in crate::store) trait Params: rusqlite::Params {
    /// Shows each in turn.
    fn each(&self, show: &mut dyn FnMut(&dyn ToSql) -> Result<()>) -> Result<()>;
}

impl<'c> Conn<'c> {
    /// Prepares a statement, or finds it prepared.
    pub(in crate::store) fn prepare_cached(self, text: &str) -> Result<Statement<'c>> {
        match self {
            Self::Sqlite(conn) => conn.prepare_cached(text).map(Statement::Sqlite),
            Self::Postgres(conn) => conn.prepare(text).map(Statement::Postgres),
        }
    }

    /// Does a change of one row whose outcome does not matter: at once, with the statement in `slot`, or where a statement
    /// costs a way to a server, together with others of this text.
    pub(in crate::store) fn later(
        self,
        slot: &mut Option<Statement<'c>>,
        text: &'static str,
        params: impl Params,
    ) -> Result<()> {
        if let Self::Postgres(conn) = self {
            return conn.put_off(text, &params);
        }
        self.kept(slot, text)?.execute(params).map(drop)
    }

    /// Prepares a statement at its first use, and keeps it in `slot`.
    pub(in crate::store) fn kept<'a>(
        self,
        slot: &'a mut Option<Statement<'c>>,
        text: &str,
    ) -> Result<&'a mut Statement<'c>> {
        match slot {
            Some(statement) => Ok(statement),
            None => Ok(slot.insert(self.prepare_cached(text)?)),
        }
    }

    /// All statements see the same rows, each in one state, until it is dropped; `None` where that is so already.
    pub(in crate::store) fn snapshot(self) -> Result<Option<Snapshot<'c>>> {
        match self {
            Self::Sqlite(conn) if conn.is_autocommit() => conn.unchecked_transaction().map(Snapshot::Sqlite).map(Some),
            Self::Postgres(conn) if !conn.is_in_transaction() => conn.snapshot().map(Snapshot::Postgres).map(Some),
            Self::Sqlite(_) | Self::Postgres(_) => Ok(None),
        }
    }

    /// Whether it is to a server, so that each statement costs a way there and back.
    pub(in crate::store) const fn is_remote(self) -> bool {
        matches!(self, Self::Postgres(_))
    }
}

impl<'c> From<&'c rusqlite::Connection> for Conn<'c> {
    fn from(conn: &'c rusqlite::Connection) -> Self {
        Self::Sqlite(conn)
    }
}

impl Statement<'_> {
    /// How many rows it changed.
    pub(in crate::store) fn execute(&mut self, params: impl Params) -> Result<usize> {
        match self {
            Self::Sqlite(statement) => statement.execute(params),
            Self::Postgres(statement) => statement.execute(&params),
        }
    }

    /// The rows that it finds.
    pub(in crate::store) fn query(&mut self, params: impl Params) -> Result<Rows<'_>> {
        match self {
            Self::Sqlite(statement) => statement.query(params).map(Rows::Sqlite),
            Self::Postgres(statement) => statement.query(&params).map(Rows::Postgres),
        }
    }

    /// The first row; an error if there is none.
    pub(in crate::store) fn query_row<T>(
        &mut self,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T>,
    ) -> Result<T> {
        let mut rows = self.query(params)?;
        let row = rows.next()?.ok_or(Error::QueryReturnedNoRows)?;
        read(&row)
    }

    /// What is read of each row.
    pub(in crate::store) fn query_map<T, F: FnMut(&Row<'_>) -> Result<T>>(
        &mut self,
        params: impl Params,
        read: F,
    ) -> Result<Mapped<'_, F>> {
        Ok(Mapped { rows: self.query(params)?, read })
    }

    /// Whether it finds anything.
    pub(in crate::store) fn exists(&mut self, params: impl Params) -> Result<bool> {
        Ok(self.query_row(params, |_| Ok(())).optional()?.is_some())
    }
}

impl Rows<'_> {
    pub(in crate::store) fn next(&mut self) -> Result<Option<Row<'_>>> {
        match self {
            Self::Sqlite(rows) => Ok(rows.next()?.map(Row::Sqlite)),
            Self::Postgres(rows) => Ok(rows.next()?.map(Row::Postgres)),
        }
    }
}

/// See [`Statement::query_map`].
pub(in crate::store) struct Mapped<'s, F> {
    rows: Rows<'s>,
    read: F,
}

impl<T, F: FnMut(&Row<'_>) -> Result<T>> Iterator for Mapped<'_, F> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Self::Item> {
        let row = self.rows.next().transpose()?;
        Some(row.and_then(|row| (self.read)(&row)))
    }
}

impl Row<'_> {
    /// A column, as the type that is wanted.
    pub(in crate::store) fn get<I: Column, T: FromSql>(&self, column: I) -> Result<T> {
        match self {
            Self::Sqlite(row) => row.get(column),
            Self::Postgres(row) => row.get(column.number(row)?),
        }
    }

    /// A column as it is.
    pub(in crate::store) fn get_ref(&self, column: impl Column) -> Result<ValueRef<'_>> {
        match self {
            Self::Sqlite(row) => row.get_ref(column),
            Self::Postgres(row) => row.get_ref(column.number(row)?),
        }
    }
}

/// The number or the name of a column.
pub(in crate::store) trait Column: RowIndex {
    fn number(&self, row: &postgres::Row) -> Result<usize>;
}

impl Column for usize {
    fn number(&self, _row: &postgres::Row) -> Result<usize> {
        Ok(*self)
    }
}

impl Column for &str {
    fn number(&self, row: &postgres::Row) -> Result<usize> {
        row.number(self).ok_or_else(|| Error::InvalidColumnName((*self).to_owned()))
    }
}

impl Params for [&(dyn ToSql + Send + Sync); 0] {
    fn each(&self, _show: &mut dyn FnMut(&dyn ToSql) -> Result<()>) -> Result<()> {
        Ok(())
    }
}

impl<T: ToSql> Params for [T; 1] {
    fn each(&self, show: &mut dyn FnMut(&dyn ToSql) -> Result<()>) -> Result<()> {
        show(&self[0])
    }
}

impl Params for &[&dyn ToSql] {
    fn each(&self, show: &mut dyn FnMut(&dyn ToSql) -> Result<()>) -> Result<()> {
        self.iter().try_for_each(|value| show(value))
    }
}

macro_rules! tuples {
    ($($name:ident)+, $($at:tt)+) => {
        impl<$($name: ToSql),+> Params for ($($name,)+) {
            fn each(&self, show: &mut dyn FnMut(&dyn ToSql) -> Result<()>) -> Result<()> {
                $(show(&self.$at)?;)+
                Ok(())
            }
        }
    };
}

tuples!(A B, 0 1);
tuples!(A B C, 0 1 2);
tuples!(A B C D, 0 1 2 3);
tuples!(A B C D E, 0 1 2 3 4);
tuples!(A B C D E F, 0 1 2 3 4 5);
tuples!(A B C D E F G, 0 1 2 3 4 5 6);
tuples!(A B C D E F G H, 0 1 2 3 4 5 6 7);
tuples!(A B C D E F G H I, 0 1 2 3 4 5 6 7 8);
tuples!(A B C D E F G H I J, 0 1 2 3 4 5 6 7 8 9);
tuples!(A B C D E F G H I J K, 0 1 2 3 4 5 6 7 8 9 10);
tuples!(A B C D E F G H I J K L, 0 1 2 3 4 5 6 7 8 9 10 11);
