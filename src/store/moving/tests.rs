//! Moves between a file and a server: every table, every point at which one can stop, every id.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use super::tables::Values;
use super::*;
use crate::model::change::{Op, Request};
use crate::model::store_url::ServerUrl;
use crate::model::{NewJob, UnixMicros};
use crate::store::Store;

const ALLOW: Allow = Allow { network_fs: false, shared_folder: true };
const ROWS: i64 = 250;

/// A file, a server, and another file.
struct Places {
    dir: TempDir,
    file: StoreUrl,
    server: StoreUrl,
}

impl Places {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = StoreUrl::File(dir.path().join("q.db"));
        let server = StoreUrl::Postgres(ServerUrl::new(&postgres::server::new_url(), dir.path()));
        drop(guest(&file).unwrap());
        Self { dir, file, server }
    }

    fn other(&self) -> StoreUrl {
        StoreUrl::File(self.dir.path().join("other.db"))
    }
}

fn moving_to(to: &StoreUrl) -> Move<'_> {
    let holder = Holder { pid: 1, started_at: UnixMicros(0), socket: None };
    Move { to, allow: ALLOW, holder, dry_run: false }
}

fn guest(url: &StoreUrl) -> Result<Box<dyn Store>, StoreError> {
    crate::store::open(url).as_guest(ALLOW)
}

fn said(url: &StoreUrl) -> String {
    guest(url).err().map_or_else(String::new, |error| error.to_string())
}

fn go(from: &StoreUrl, plan: &Move<'_>) -> Result<Moved, StoreError> {
    run(from, plan, &mut |_, _| {})
}

fn file(url: &StoreUrl) -> &Path {
    url.file().unwrap()
}

/// Fills all tables of a file with rows of every kind of value.
fn fill(path: &Path) {
    let conn = Connection::open(path).unwrap();
    conn.execute_batch("BEGIN; DELETE FROM pruned").unwrap();
    for table in tables::all().unwrap() {
        let mut types = conn.prepare("SELECT name, type FROM pragma_table_info(?1)").unwrap();
        let types = types.query_map([&table.name], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let types: Vec<(String, String)> = types.map(Result::unwrap).collect();
        // Two tables have one row.
        let rows = if ["pruned", "sorting"].contains(&&*table.name) { 1 } else { ROWS };
        let row = |n: i64| -> Values {
            let value = |(at, (name, kind)): (usize, &(String, String))| match &**kind {
                // What refers to other rows finds them.
                "INTEGER" if at == 0 || ["id", "queue", "type"].contains(&&**name) => Value::Integer(n),
                "INTEGER" => Value::Integer(n * 1000 + at as i64),
                "TEXT" => Value::Text(format!("{}{n}\0ä\u{10ffff}0\u{10ffff}", if n % 2 == 0 { "\0" } else { "z" })),
                "REAL" => Value::Real(n as f64 / 3.0),
                "BLOB" => Value::Blob(vec![0, n as u8, 255]),
                other => panic!("{other}"),
            };
            types.iter().enumerate().map(value).collect()
        };
        table.write((&conn).into(), (1..=rows).map(row).collect()).unwrap();
    }
    conn.execute_batch("COMMIT").unwrap();
}

fn contents(path: &Path) -> BTreeMap<String, Vec<Values>> {
    let conn = Connection::open(path).unwrap();
    let all = |name: &str| {
        let mut rows = conn.prepare(&format!("SELECT * FROM {name}")).unwrap();
        let width = rows.column_count();
        rows.query_map([], |row| (0..width).map(|at| row.get(at)).collect()).unwrap().map(Result::unwrap).collect()
    };
    tables::all().unwrap().into_iter().map(|table| (table.name.clone(), all(&table.name))).collect()
}

#[test]
fn every_table_has_a_key_and_those_whose_ids_are_given_once_are_known() {
    for table in tables::all().unwrap() {
        assert!(table.key_at((&sqlite::model().unwrap()).into(), 0).is_ok(), "{}", table.name);
    }
    let model = sqlite::model().unwrap();
    let mut found =
        model.prepare("SELECT name FROM sqlite_schema WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY name").unwrap();
    let found: Vec<String> = found.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(found, counters::GIVEN_ONCE);
}

#[test]
fn every_row_of_every_table_goes_to_a_server_and_comes_back() {
    let places = Places::new();
    fill(file(&places.file));
    let before = contents(file(&places.file));
    let there = go(&places.file, &moving_to(&places.server)).unwrap();
    assert!(!there.resumed && there.tables.len() == before.len(), "{there:?}");
    assert!(said(&places.file).contains(" was moved to `postgres://"), "{}", said(&places.file));
    let other = places.other();
    let back = go(&places.server, &moving_to(&other)).unwrap();
    assert_eq!(there, back);
    let mut after = contents(file(&other));
    // A file is alone: its last master goes on from the highest of all.
    let high = |rows: &BTreeMap<String, Vec<Values>>| rows["generations"].last().unwrap()[9].clone();
    assert_eq!(high(&before), high(&after));
    after.get_mut("generations").unwrap().clone_from(&before["generations"]);
    assert!(before == after);
    assert!(said(&places.server).contains("other.db`; use `--database"), "{}", said(&places.server));
    let refused = go(&places.server, &moving_to(&other)).unwrap_err();
    assert!(matches!(refused, StoreError::Moved { .. }), "{refused}");
}

#[test]
fn a_move_that_is_stopped_goes_on_also_where_the_source_has_changed() {
    let places = Places::new();
    fill(file(&places.file));
    let plan = moving_to(&places.server);
    let all = tables::all().unwrap();
    for _ in 0..2 {
        let (source, target) = (source(&places.file, &plan).unwrap(), target(&plan).unwrap().unwrap());
        begin((&*source, &places.file), (&*target, &plan), &all).unwrap();
        copy(&all[..all.len() / 2], &*source, &*target, &mut |_| {}).unwrap();
        drop((source, target));
        let words = said(&places.server);
        let next = format!("--database '{}' migrate --to '{}'`", places.file, places.server);
        assert!(words.contains("is the target of a move that is not over") && words.contains(&next), "{words}");
        // What was copied is not what is there any more.
        let conn = Connection::open(file(&places.file)).unwrap();
        conn.execute_batch(
            "UPDATE audit SET verb = verb || '!'; DELETE FROM batches WHERE id > 200;
             UPDATE failures SET id = id + 1000 WHERE id < 10;
             INSERT OR IGNORE INTO failures (id, fingerprint, queue, type, first_at, last_at, runs, dead, sample_run)
                 VALUES (0, 1, 1, 1, 1, 1, 1, 1, 1)",
        )
        .unwrap();
    }
    let before = contents(file(&places.file));
    assert!(go(&places.file, &plan).unwrap().resumed);
    let other = places.other();
    go(&places.server, &moving_to(&other)).unwrap();
    let after = contents(file(&other));
    for table in ["audit", "failures", "jobs"] {
        assert!(before[table] == after[table], "{table}");
    }
    assert_eq!(after["batches"].len(), 200);
    let last: i64 = Connection::open(file(&other))
        .and_then(|conn| conn.query_row("SELECT seq FROM sqlite_sequence WHERE name = 'batches'", [], |row| row.get(0)))
        .unwrap();
    assert_eq!(last, ROWS, "the id of a batch that is gone is not given again");
}

#[test]
fn between_source_and_target_one_at_most_can_be_used_and_the_move_can_be_ended() {
    let mut places = Places::new();
    let job = |store: &mut dyn Store| {
        let push = Op::Request(Request::Push(vec![NewJob::new("t", "{}")].into()));
        store.apply(0, &[push], UnixMicros(1))
    };
    let other = places.other();
    for (from, to) in [(places.file.clone(), places.server.clone()), (places.server.clone(), other.clone())] {
        let plan = moving_to(&to);
        job(&mut *guest(&from).unwrap()).unwrap();
        let mut open = match &from {
            StoreUrl::File(path) => Box::new(sqlite::SqliteStore::open(path).unwrap()),
            StoreUrl::Postgres(_) => guest(&from).unwrap(),
        };
        let (source, target) = (source(&from, &plan).unwrap(), target(&plan).unwrap().unwrap());
        let all = tables::all().unwrap();
        begin((&*source, &from), (&*target, &plan), &all).unwrap();
        copy(&all, &*source, &*target, &mut |_| {}).unwrap();
        target.change(|conn| counters::go_on(source.conn(), conn, &all)).unwrap();
        close(&*source, &to).unwrap();
        drop((source, target));
        let refused = job(&mut *open).unwrap_err().to_string();
        drop(open);
        assert!(refused.contains("this store was moved") || refused.contains("this_store_was_moved"), "{refused}");
        assert!(matches!(guest(&from), Err(StoreError::Moved { .. })));
        if to.file().is_none() {
            assert!(said(&to).contains("is not over"), "{}", said(&to));
        } else {
            assert!(!file(&to).exists());
        }
        assert!(go(&from, &plan).unwrap().resumed);
        assert!(matches!(go(&from, &plan), Err(StoreError::Moved { .. })));
        places.file = from;
    }
    job(&mut *guest(&other).unwrap()).unwrap();
    assert_eq!(contents(file(&other))["jobs"].len(), 3);
}

#[test]
fn what_is_not_new_or_of_another_move_is_no_target() {
    let places = Places::new();
    let busy = Places::new();
    drop(guest(&busy.server).unwrap());
    assert!(!go(&places.file, &Move { dry_run: true, ..moving_to(&busy.server) }).unwrap().resumed);
    assert_eq!(said(&places.file), "", "nothing was done");
    let plan = moving_to(&busy.server);
    let (from, to) = (source(&busy.file, &plan).unwrap(), target(&plan).unwrap().unwrap());
    begin((&*from, &busy.file), (&*to, &plan), &tables::all().unwrap()).unwrap();
    drop((from, to));
    let refused = go(&places.file, &moving_to(&busy.server)).unwrap_err().to_string();
    assert!(refused.contains("is the target of another move, of `"), "{refused}");
    let refused = go(&places.server, &moving_to(&busy.server)).unwrap_err().to_string();
    assert!(refused.contains("there is no store in the schema"), "{refused}");
    let other = places.other();
    let refused = go(&places.file, &moving_to(&other)).unwrap_err().to_string();
    assert!(refused.contains("both are files"), "{refused}");
}
