//! Moves a store from a file to a server, from a server to a file, or from one server to another.
//!
//! Both kinds have the same tables, so rows go over table by table in the order of their keys; then all rows of both ends are
//! compared. Invariants:
//! - Of source and target one at most can be used: the target is refused to others until the source is.
//! - A target is released only after a comparison without a difference, of rows that are on its disk.
//! - Whatever point a move was killed at, the same move goes on from there.

mod counters;
mod tables;
#[cfg(test)]
mod tests;

use rusqlite::{OptionalExtension as _, Result as SqlResult};

use self::tables::Table;
use super::location::Allow;
use super::relational::conn::Conn;
use super::relational::generations::unended;
use super::relational::read::store_id;
use super::{Holder, StoreError, postgres, sqlite};
use crate::model::StoreUrl;

/// Where to, and how.
#[derive(Clone, Debug)]
pub struct Move<'a> {
    pub to: &'a StoreUrl,
    pub allow: Allow,
    /// Who keeps masters out meanwhile.
    pub holder: Holder,
    /// Only find out whether it can be done.
    pub dry_run: bool,
}

/// What was moved, or would be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Rows of each table that has any.
    pub tables: Vec<(String, u64)>,
    /// A move that was stopped went on.
    pub resumed: bool,
}

/// Hears how many rows are copied and compared by now, and of how many.
pub(super) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// One end of a move. Nobody else writes to it as long as it lives.
pub(super) trait End {
    fn conn(&self) -> Conn<'_>;
    /// Words an error.
    fn map(&self, error: &rusqlite::Error) -> StoreError;
    fn begin(&self) -> Result<(), StoreError>;
    /// What is committed is on the disk.
    fn commit(&self) -> Result<(), StoreError>;
    /// Refuses a source to everybody from the commit on, also to who has it open.
    fn close_source(&self) -> Result<(), StoreError>;
    /// Refuses a target to others from the commit on, where it has its name already.
    fn close_target(&self) -> SqlResult<()> {
        Ok(())
    }
    /// Lets others use a target that is whole.
    fn release(self: Box<Self>) -> Result<(), StoreError>;
}

impl dyn End + '_ {
    fn ask<T>(&self, question: impl FnOnce(Conn<'_>) -> SqlResult<T>) -> Result<T, StoreError> {
        question(self.conn()).map_err(|e| self.map(&e))
    }

    /// What fails ends the move, and with it the transaction.
    fn change(&self, work: impl FnOnce(Conn<'_>) -> SqlResult<()>) -> Result<(), StoreError> {
        self.begin()?;
        self.ask(work)?;
        self.commit()
    }
}

/// The state of a move: in its target where it comes from, in a source that was moved where to.
const STATE: &str = "CREATE TABLE IF NOT EXISTS moving (what TEXT PRIMARY KEY, value TEXT NOT NULL)";
/// `moving.what`.
const SAID: &str = "SELECT value FROM moving WHERE what = ?1";
/// `moving.what`.
const SAY: &str = "INSERT INTO moving (what, value) VALUES (?1, ?2)";
/// One row.
const STORE_TAKE: &str = "UPDATE store SET id = ?1 WHERE one = 1";
/// One row, with which tables are made.
const PRUNED_CLEAR: &str = "DELETE FROM pruned";

/// Moves a store.
pub(super) fn run(from: &StoreUrl, plan: &Move<'_>, said: Progress<'_>) -> Result<Moved, StoreError> {
    refuse_same(from, plan.to)?;
    let source = match source(from, plan) {
        Err(StoreError::Moved { path, to }) if to == plan.to.to_string() && !plan.dry_run => {
            return finish(plan, StoreError::Moved { path, to });
        }
        opened => opened?,
    };
    refuse_used(&*source, from)?;
    let all = source.ask(|_| tables::all())?;
    let tables = counts(&all, &*source)?;
    let Some(target) = target(plan)? else { return Ok(Moved { tables, resumed: false }) };
    let resumed = begin((&*source, from), (&*target, plan), &all)?;
    if plan.dry_run {
        return Ok(Moved { tables, resumed });
    }
    let (mut done, total) = (0, 3 * tables.iter().map(|(_, rows)| rows).sum::<u64>());
    let mut progress = |rows: usize| {
        done += rows as u64;
        said(done, total);
    };
    copy(&all, &*source, &*target, &mut progress)?;
    let mut different = compare(&all, &*source, &*target, &mut progress)?;
    if resumed && different.is_some() {
        // The source has changed since the move was stopped.
        target.change(|conn| all.iter().try_for_each(|table| execute(conn, &table.clear(), &[])))?;
        copy(&all, &*source, &*target, &mut progress)?;
        different = compare(&all, &*source, &*target, &mut progress)?;
    }
    if let Some(table) = different {
        let why = format!("the rows of `{table}` in `{}` are not those in `{from}`; nothing was switched", plan.to);
        return Err(StoreError::Other(why));
    }
    target.change(|conn| counters::go_on(source.conn(), conn, &all))?;
    close(&*source, plan.to)?;
    target.release()?;
    Ok(Moved { tables, resumed })
}

/// Releases the target of a source that is closed already.
fn finish(plan: &Move<'_>, moved: StoreError) -> Result<Moved, StoreError> {
    let is_over = match plan.to {
        StoreUrl::File(path) => path.exists(),
        StoreUrl::Postgres(server) => !matches!(postgres::records(server, None), Err(StoreError::Refused(_))),
    };
    let target = if is_over { None } else { target(&Move { dry_run: true, ..plan.clone() })? };
    let Some(target) = target else { return Err(moved) };
    let tables = counts(&target.ask(|_| tables::all())?, &*target)?;
    target.release()?;
    Ok(Moved { tables, resumed: true })
}

fn source(from: &StoreUrl, plan: &Move<'_>) -> Result<Box<dyn End>, StoreError> {
    match from {
        StoreUrl::File(path) => sqlite::source(path, plan.allow, &plan.holder),
        StoreUrl::Postgres(server) => postgres::source(server),
    }
}

/// `None`: there is nothing, and nothing is to be made.
fn target(plan: &Move<'_>) -> Result<Option<Box<dyn End>>, StoreError> {
    match plan.to {
        StoreUrl::File(path) => sqlite::target(path, plan.allow, &plan.holder, !plan.dry_run),
        StoreUrl::Postgres(server) => postgres::target(server, !plan.dry_run),
    }
}

fn refuse_same(from: &StoreUrl, to: &StoreUrl) -> Result<(), StoreError> {
    if from.local() == to.local() {
        return Err(StoreError::Refused(format!("the store is in `{to}` already")));
    }
    if from.file().is_some() && to.file().is_some() {
        let why = "both are files; stop the master, then move the file, or copy it with `queue-work backup FILE`";
        return Err(StoreError::Refused(why.to_owned()));
    }
    Ok(())
}

/// Refuses a source whose masters have not ended, or that were killed and have left something to recover.
fn refuse_used(source: &dyn End, from: &StoreUrl) -> Result<(), StoreError> {
    let Some(last) = source.ask(unended)?.pop() else { return Ok(()) };
    Err(StoreError::Refused(format!(
        "a master (pid {}) of `{from}` has not ended; stop it with `queue-work --database '{from}' stop`, on its host; if it was \
         killed, start one first, which gives back what that one held",
        last.master.pid
    )))
}

/// Rows of each table that has any.
fn counts(all: &[Table], end: &dyn End) -> Result<Vec<(String, u64)>, StoreError> {
    let count = |table: &Table| Ok((table.name.clone(), end.ask(|conn| table.count(conn))?));
    let counts = all.iter().map(count).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(counts.into_iter().filter(|(_, rows)| *rows > 0).collect())
}

/// Makes an empty store the target of this move; whether it was that already.
fn begin(
    (source, from): (&dyn End, &StoreUrl),
    (target, plan): (&dyn End, &Move<'_>),
    all: &[Table],
) -> Result<bool, StoreError> {
    let (id, to) = (source.ask(store_id)?, plan.to);
    target.begin()?;
    target.ask(|conn| execute(conn, STATE, &[]))?;
    let state = |what| target.ask(|conn| state(conn, what));
    if let Some(elsewhere) = state("to")? {
        return Err(StoreError::Moved { path: to.to_string(), to: elsewhere });
    }
    let resumed = match state("store")? {
        Some(other) if other != id => {
            let whose = state("from")?.unwrap_or_default();
            return Err(StoreError::Refused(format!(
                "`{to}` is the target of another move, of `{whose}`; name another"
            )));
        }
        found => found.is_some(),
    };
    // Each new store has a row there.
    let filled = counts(all, target)?.into_iter().find(|(name, _)| name != "pruned");
    if let (false, Some((name, _))) = (resumed, filled) {
        return Err(StoreError::Refused(format!(
            "`{to}` is not empty: there is something in `{name}`; name another place, such as another `schema=` of the server"
        )));
    }
    if !resumed {
        target.ask(|conn| {
            execute(conn, STORE_TAKE, &[&id])?;
            execute(conn, PRUNED_CLEAR, &[])?;
            execute(conn, SAY, &[&"store", &id])?;
            execute(conn, SAY, &[&"from", &from.to_string()])?;
            target.close_target()
        })?;
    }
    // What is not committed is rolled back when the target is dropped.
    if plan.dry_run { Ok(()) } else { target.commit() }.map(|()| resumed)
}

/// Brings over what is not there yet. Pages are whole, so as many rows of the source are there as there are rows.
fn copy(all: &[Table], source: &dyn End, target: &dyn End, said: &mut dyn FnMut(usize)) -> Result<(), StoreError> {
    for table in all {
        let after = match target.ask(|conn| table.count(conn))? {
            0 => None,
            there => match source.ask(|conn| table.key_at(conn, there - 1))? {
                // The source has fewer by now: the comparison finds it.
                None => continue,
                last => last,
            },
        };
        table.each_page(source, after, |page| {
            said(page.len());
            target.change(|conn| table.write(conn, page))
        })?;
    }
    Ok(())
}

/// The first table whose rows are not the same at both ends.
fn compare<'a>(
    all: &'a [Table],
    source: &dyn End,
    target: &dyn End,
    said: &mut dyn FnMut(usize),
) -> Result<Option<&'a str>, StoreError> {
    for table in all {
        if table.sum(source, said)? != table.sum(target, said)? {
            return Ok(Some(&table.name));
        }
    }
    Ok(None)
}

/// Closes the source, with the address of the target.
fn close(source: &dyn End, to: &StoreUrl) -> Result<(), StoreError> {
    source.begin()?;
    source.ask(|conn| execute(conn, STATE, &[]).and_then(|()| execute(conn, SAY, &[&"to", &to.to_string()])))?;
    source.close_source()?;
    source.commit()
}

/// What a store that is not to be used says of its move.
pub(super) fn refusal(conn: Conn<'_>, path: String) -> SqlResult<StoreError> {
    if let Some(to) = state(conn, "to")? {
        return Ok(StoreError::Moved { path, to });
    }
    let from = state(conn, "from")?.unwrap_or_default();
    Ok(StoreError::Refused(format!(
        "`{path}` is the target of a move that is not over; go on with `queue-work --database '{from}' migrate --to '{path}'`"
    )))
}

fn state(conn: Conn<'_>, what: &str) -> SqlResult<Option<String>> {
    conn.prepare_cached(SAID)?.query_row([what], |row| row.get(0)).optional()
}

fn execute(conn: Conn<'_>, text: &str, params: &[&dyn rusqlite::ToSql]) -> SqlResult<()> {
    conn.prepare_cached(text)?.execute(params).map(drop)
}
