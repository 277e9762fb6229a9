//! What the list of errors costs with very many dead jobs, and the errors of a database from before there were records.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::super::ended;
use super::super::failures::{list, write_those_of_dead};
use crate::model::failure::MOST_PER_TYPE;
use crate::model::{Cause, Fingerprint, QueueName, UnixMicros};
use crate::store::FailureFilter;
use crate::store::sqlite::migrate;

/// Instructions of SQLite's machine between two counts.
const PACE: u64 = 10;

/// A database with dead jobs in two queues, each with one of so many errors; the records of it are made as they are for an
/// older one.
fn store(dead: i64, errors: i64) -> Connection {
    let mut conn = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut conn, std::path::Path::new("q.db")).unwrap();
    let word = |n: i64| format!("{n:03}").bytes().map(|b| char::from(b - b'0' + b'a')).collect::<String>();
    conn.execute_batch(
        "INSERT INTO queues (id, name) VALUES (1, 'a'), (2, 'b'); INSERT INTO types (id, name) VALUES (1, 'resize');",
    )
    .unwrap();
    let of = |n: i64| Fingerprint::of("resize", Cause::MaxAttempts, None, Some(&word(n))).number();
    let mut add = conn
        .prepare(
            "WITH RECURSIVE n(id) AS (SELECT ?1 UNION ALL SELECT id + ?2 FROM n WHERE id + ?2 <= ?3)
             INSERT INTO ended (job_id, queue, type, state, cause, error, ended_at, fingerprint)
             SELECT id, 1 + id % 7 / 6, 1, 4, 0, ?4, id, ?5 FROM n",
        )
        .unwrap();
    for n in 0..errors {
        add.execute((n + 1, errors, dead, word(n), of(n))).unwrap();
    }
    drop(add);
    write_those_of_dead((&conn).into()).unwrap();
    conn
}

#[test]
fn no_list_of_errors_walks_over_dead_jobs() {
    let conn = store(50_000, 90);
    conn.execute_batch(
        "INSERT INTO failure_rollups SELECT f.id, n.at, 1 FROM failures f,
         (WITH RECURSIVE n(at) AS (SELECT 0 UNION ALL SELECT at + 1 FROM n WHERE at < 143) SELECT at FROM n) n",
    )
    .unwrap();
    let now = UnixMicros(144 * 600 * 1_000_000 - 1);
    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    let count = move || {
        counted.fetch_add(PACE, Ordering::Relaxed);
        false
    };
    conn.progress_handler(PACE as i32, Some(count)).unwrap();
    let took = || steps.swap(0, Ordering::Relaxed);
    let all = FailureFilter { limit: Some(50), ..FailureFilter::default() };
    let found = list((&conn).into(), &all, now).unwrap();
    assert_eq!((found.len(), found[0].dead_now, found[0].runs_24h), (50, 556, 288));
    let most = took();
    // Two slots of each ten minutes of a day for 50 errors; at 20 ns each a fraction of 20 ms.
    assert!(most < 150_000, "{most} steps");
    for filter in [
        FailureFilter { fingerprint: Some(found[0].fingerprint), ..all.clone() },
        FailureFilter { queue: QueueName::new("b").ok(), limit: Some(1), ..all.clone() },
        FailureFilter { kind: Some("nosuch".into()), ..all },
    ] {
        list((&conn).into(), &filter, now).unwrap();
        let steps = took();
        assert!(steps < 5_000, "{steps} steps: {filter:?}");
    }
    assert_eq!(ended::groups((&conn).into(), None).unwrap().len(), 90);
    let steps = took();
    assert!(steps < 10_000, "{steps} steps for the errors that `status` names");
}

#[test]
fn dead_jobs_of_an_older_database_are_counted_and_the_rarest_of_too_many_errors_share_a_record() {
    let conn = store(1_000, 130);
    let count = |text: &str| conn.query_row(text, [], |row| row.get::<_, i64>(0)).unwrap();
    let (queue, other) =
        (FailureFilter { queue: QueueName::new("a").ok(), ..FailureFilter::default() }, "ended WHERE queue = 1");
    let found = list((&conn).into(), &queue, UnixMicros(0)).unwrap();
    assert_eq!(found.len(), MOST_PER_TYPE + 1);
    assert_eq!(
        found.iter().map(|seen| seen.dead_now as i64).sum::<i64>(),
        count(&format!("SELECT count(*) FROM {other}"))
    );
    assert_eq!(found[0].fingerprint, Fingerprint::of_others("resize"), "the most dead");
    for seen in &found {
        let dead = count(&format!("SELECT count(*) FROM {other} AND fingerprint = {}", seen.fingerprint.number()));
        assert_eq!((seen.dead_now as i64, seen.runs), (dead, seen.dead_now), "{seen:?}");
    }
    let own = found.iter().find(|seen| seen.message == "aaa").unwrap();
    assert_eq!(own.fingerprint, Fingerprint::of("resize", Cause::MaxAttempts, None, Some("aaa")));
}
