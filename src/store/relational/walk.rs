//! A walk over jobs or runs along keys, in steps of so many rows that each takes a moment.
//!
//! A list that a key serves whole is one step. Any other looks at row after row: first where the step ends, then which of its
//! rows are like the filter. Invariants: a walk finds each row once; each step is read from one snapshot, and no snapshot
//! is kept from one step to the next, unless a transaction is there already.

use std::collections::BTreeSet;
use std::time::Duration;

use rusqlite::types::Value;
use rusqlite::{ErrorCode, Result};

use super::conn::{Conn, Row};
use super::read::Query;
use crate::clock;
use crate::model::{ArgsFilter, ArgsSearch, UnixMicros};
use crate::store::Slice;

/// Rows of the first step, and of any.
pub(in crate::store) const FIRST: u32 = 1_000;
const LEAST: f64 = 100.0;
const MOST: f64 = 20_000.0;
/// How long a step is to take.
const STEP: Duration = Duration::from_millis(5);

/// Where a row is in an order: when it is due, where that counts, and its id.
pub(in crate::store) type Place = (i64, i64);

/// A row of a list.
pub(in crate::store) trait ListRow: Sized {
    type Filter;
    /// A statement for rows from these tables, with the conditions of the filter that no key serves; `searches`: also those on
    /// what stands in a text, which only SQLite can look into. Else these are left to [`ListRow::fits`].
    fn query<'a>(from: &str, filter: &'a Self::Filter, searches: bool) -> Query<'a>;
    /// What is to be looked for in texts.
    fn search(filter: &Self::Filter) -> Option<ArgsFilter>;
    /// Whether it is there, in a row of a statement that does not search.
    fn fits(row: &Row<'_>, search: &ArgsSearch) -> Result<bool>;
    fn read(row: &Row<'_>) -> Result<Self>;
    fn id(&self) -> i64;
    /// When it is due, where that is an order.
    fn due_at(&self) -> UnixMicros {
        UnixMicros(0)
    }
}

/// The order of the rows of a source.
#[derive(Clone, Copy)]
pub(in crate::store) enum Axis {
    /// The id, in this column.
    Id(&'static str),
    /// `d.due_at` and `d.id`.
    Due,
}

/// Rows that a key has in order.
pub(in crate::store) struct Source {
    pub table: &'static str,
    /// Joins the table of the rows, where that is another.
    pub join: &'static str,
    pub axis: Axis,
    /// Other columns of the key, with their values.
    pub keys: Vec<(&'static str, Value)>,
}

impl Source {
    fn within<'a>(&self, mut query: Query<'a>, bounds: Bounds) -> Query<'a> {
        for (key, value) in &self.keys {
            query = query.and(&format!("{key} ="), Some(value.clone()));
        }
        let Bounds { after, before, last, newest: _ } = bounds;
        // Each end has one bound: of two, SQLite goes as far as the first.
        let (after, before) = match last {
            (">=", Some(_)) => (None, before),
            ("<=", Some(_)) => (after, None),
            _ => (after, before),
        };
        let all = [(">", after), ("<", before), last];
        for (comes, place) in all.into_iter().filter_map(|(comes, place)| Some((comes, place?))) {
            query = match self.axis {
                Axis::Id(column) => query.and(&format!("{column} {comes}"), Some(place.1)),
                Axis::Due => query.and_pair(&format!("(d.due_at, d.id) {comes}"), place),
            };
        }
        query
    }

    fn order(&self, newest: bool) -> String {
        let order = if newest { "DESC" } else { "ASC" };
        match self.axis {
            Axis::Id(column) => format!("ORDER BY {column} {order}"),
            Axis::Due => format!("ORDER BY d.due_at {order}, d.id {order}"),
        }
    }

    /// The row after so many others.
    fn nth(&self, conn: Conn<'_>, bounds: Bounds, n: u32) -> Result<Option<Place>> {
        let (columns, read): (_, fn(&Row<'_>) -> Result<Place>) = match self.axis {
            Axis::Id(column) => (format!("0, {column}"), |row| Ok((0, row.get(1)?))),
            Axis::Due => ("d.due_at, d.id".to_owned(), |row| Ok((row.get(0)?, row.get(1)?))),
        };
        let query = Query::new(format!("SELECT {columns} FROM {} WHERE true", self.table));
        self.within(query, bounds).nth(conn, &self.order(bounds.newest), n, read)
    }

    fn count(&self, conn: Conn<'_>, bounds: Bounds) -> Result<u64> {
        let query = Query::new(format!("SELECT count(*) FROM {} WHERE true", self.table));
        let counts = self.within(query, bounds).read(conn, "", None, |row| row.get::<_, i64>(0))?;
        Ok(counts.iter().sum::<i64>() as u64)
    }

    fn place(&self, row: &impl ListRow) -> Place {
        match self.axis {
            Axis::Id(_) => (0, row.id()),
            Axis::Due => (row.due_at().0, row.id()),
        }
    }
}

/// From where to where in ascending order, neither included; the end of a step with how it is compared; and from which end.
#[derive(Clone, Copy)]
pub(in crate::store) struct Bounds {
    pub after: Option<Place>,
    pub before: Option<Place>,
    last: (&'static str, Option<Place>),
    newest: bool,
}

impl Bounds {
    pub(in crate::store) const fn new(after: Option<Place>, before: Option<Place>, newest: bool) -> Self {
        Self { after, before, last: ("=", None), newest }
    }

    fn until(self, last: Option<Place>) -> Self {
        Self { last: (if self.newest { ">=" } else { "<=" }, last), ..self }
    }

    fn beyond(self, place: Place) -> Self {
        let (after, before) = if self.newest { (self.after, Some(place)) } else { (Some(place), self.before) };
        Self::new(after, before, self.newest)
    }
}

/// How far a walk may go, and how it has gone.
pub(in crate::store) struct Pace {
    /// Whether a key serves the list whole.
    pub is_whole: bool,
    /// In steps also where a key serves the list: so many rows of one that no step takes long.
    pub is_stepwise: bool,
    until: Option<u64>,
    rows: u32,
    searched: u64,
    /// Whether a step was made: a walk that is to go on somewhere makes one at least.
    has_begun: bool,
}

impl Pace {
    pub(in crate::store) fn new(within: Option<Duration>) -> Self {
        let until = within.map(|within| clock::monotonic_micros() + within.as_micros() as u64);
        Self { is_whole: false, is_stepwise: false, until, rows: FIRST, searched: 0, has_begun: false }
    }

    pub(in crate::store) fn is_over(&self) -> bool {
        self.has_begun && self.until.is_some_and(|until| clock::monotonic_micros() >= until)
    }

    /// Sizes the next step by the time of the last.
    fn adapt(&mut self, began: u64) {
        let took = clock::monotonic_micros().saturating_sub(began).max(1);
        let faster = (STEP.as_micros() as f64 / took as f64).clamp(0.1, 4.0);
        self.rows = (f64::from(self.rows) * faster).clamp(LEAST, MOST) as u32;
    }
}

/// Rows that a walk has found, in order.
pub(in crate::store) struct Walked<T> {
    pub found: Vec<T>,
    /// The id at which it ended, if not at the end.
    pub next: Option<i64>,
}

impl<T> Walked<T> {
    pub(in crate::store) fn into_slice<I>(self, pace: &Pace, id: fn(i64) -> I) -> Slice<T, I> {
        Slice { searched: pace.searched.max(self.found.len() as u64), found: self.found, next: self.next.map(id) }
    }
}

/// Walks along sources of one order, side by side.
pub(in crate::store) fn walk<T: ListRow>(
    conn: Conn<'_>,
    filter: &T::Filter,
    sources: &[Source],
    mut bounds: Bounds,
    pace: &mut Pace,
    limit: Option<u32>,
) -> Result<Walked<T>> {
    let mut found: Vec<T> = Vec::new();
    let mut seen = BTreeSet::new();
    loop {
        let left = limit.map(|limit| limit - found.len() as u32);
        if left == Some(0) {
            return Ok(Walked { next: found.last().map(T::id), found });
        }
        if pace.is_over() {
            return Ok(Walked { found, next: reached(bounds) });
        }
        let began = clock::monotonic_micros();
        let is_first = !pace.has_begun;
        let snapshot = if sources.len() > 1 || !pace.is_whole { conn.snapshot()? } else { None };
        pace.has_begun = true;
        let end = if pace.is_whole { None } else { end_of_step(conn, sources, bounds, pace)? };
        let mut of_step = match step(conn, filter, sources, bounds.until(end), left) {
            // Cut short: what was found before is an answer, and the step is made again by who goes on.
            Err(e) if !is_first && pace.until.is_some() && is_interrupted(&e) => {
                return Ok(Walked { found, next: reached(bounds) });
            }
            of_step => of_step?,
        };
        drop(snapshot);
        // A row that has come to another place meanwhile is where it was seen first.
        of_step.retain(|row: &T| pace.is_whole || seen.insert(row.id()));
        found.extend(of_step);
        let Some(last) = end else {
            let is_full = limit.is_some_and(|limit| found.len() >= limit as usize);
            return Ok(Walked { next: found.last().map(T::id).filter(|_| is_full), found });
        };
        bounds = bounds.beyond(last);
        pace.adapt(began);
    }
}

/// The cursor of a walk that has come so far.
fn reached(bounds: Bounds) -> Option<i64> {
    let place = if bounds.newest { bounds.before } else { bounds.after };
    place.map(|(_, id)| id)
}

fn is_interrupted(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

/// Where the next step ends; `None`: with the sources.
fn end_of_step(conn: Conn<'_>, sources: &[Source], bounds: Bounds, pace: &mut Pace) -> Result<Option<Place>> {
    let mut end: Option<Place> = None;
    for source in sources {
        end = source.nth(conn, bounds.until(end), pace.rows - 1)?.or(end);
    }
    if let ([_], Some(_)) = (sources, end) {
        pace.searched += u64::from(pace.rows);
    } else {
        for source in sources {
            pace.searched += source.count(conn, bounds.until(end))?;
        }
    }
    Ok(end)
}

/// The rows of a step, in order.
fn step<T: ListRow>(
    conn: Conn<'_>,
    filter: &T::Filter,
    sources: &[Source],
    mut bounds: Bounds,
    limit: Option<u32>,
) -> Result<Vec<T>> {
    let newest = bounds.newest;
    let mut found: Vec<T> = Vec::new();
    for source in sources {
        let search = T::search(filter).filter(|_| conn.is_remote()).map(ArgsSearch::from);
        let query = T::query(&format!("{}{}", source.table, source.join), filter, search.is_none());
        let read = |row: &Row<'_>| match &search {
            Some(search) if !T::fits(row, search)? => Ok(None),
            _ => T::read(row).map(Some),
        };
        let limit = limit.filter(|_| search.is_none());
        found
            .extend(source.within(query, bounds).read(conn, &source.order(newest), limit, read)?.into_iter().flatten());
        found.sort_unstable_by_key(|row| source.place(row));
        if newest {
            found.reverse();
        }
        // Of the other sources only what comes before the last of those that are shown.
        if let Some(limit) = limit.filter(|&limit| limit > 0 && found.len() >= limit as usize) {
            found.truncate(limit as usize);
            bounds = bounds.until(found.last().map(|row| source.place(row)));
        }
    }
    Ok(found)
}
