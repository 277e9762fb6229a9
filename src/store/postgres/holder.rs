//! Who keeps the server from clearing away rows that are gone: said in the log of the master, so that somebody ends that.
//!
//! Claims do not read such rows, but the tables grow. What other users do is seen by a role with `pg_read_all_stats` only.

use std::time::Duration;

use rusqlite::Result;

use crate::store::relational::conn::Conn;

/// How often this is looked at.
pub(super) const LOOK: Duration = Duration::from_mins(1);
/// Transactions that are open for less do no harm.
const OLD: Duration = Duration::from_mins(1);
/// So few rows that are gone do no harm.
const MANY: u64 = 100_000;

/// The transactions that see the oldest rows, where so many (?2) are gone, of those older than this (?1, in microseconds): a name for
/// each, and words. The views of the server, once a minute.
const OLDEST: &str = "SELECT h.who, h.words FROM (SELECT 'process ' || pid AS who, age(backend_xmin) AS age, \
     'process ' || pid || ' of user `' || coalesce(usename, '?') || '` (application `' || application_name || '`) in database `' || \
     coalesce(datname, '?') || '`, open for ' || CAST(extract(epoch FROM clock_timestamp() - xact_start) AS BIGINT) || \
     ' s; `SELECT pg_terminate_backend(' || pid || ')` ends it' AS words \
     FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid() AND backend_type = 'client backend' \
     AND xact_start < clock_timestamp() - CAST(?1 AS BIGINT) * INTERVAL '1 microsecond' \
     UNION ALL SELECT 'prepared ' || gid, age(transaction), 'the prepared transaction `' || gid || '` of user `' || owner || '` in \
     database `' || database || '`; `COMMIT PREPARED` or `ROLLBACK PREPARED` ends it' FROM pg_prepared_xacts \
     WHERE prepared < clock_timestamp() - CAST(?1 AS BIGINT) * INTERVAL '1 microsecond' \
     UNION ALL SELECT 'slot ' || slot_name, age(xmin), 'the replication slot `' || slot_name || \
     '`; a replica that catches up moves it on, `pg_drop_replication_slot` takes it away' FROM pg_replication_slots \
     WHERE xmin IS NOT NULL AND active_pid IS NULL) AS h \
     WHERE (SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE schemaname = current_schema()) > CAST(?2 AS BIGINT) \
     ORDER BY h.age DESC LIMIT 1000";

/// A transaction that is to be named, and was.
#[derive(Debug, Default)]
pub(super) struct Holder {
    named: Option<String>,
}

impl Holder {
    /// Looks for one, and names it in the log, once.
    pub(super) fn look(&mut self, conn: Conn<'_>) -> Result<()> {
        let found = find(conn, OLD, MANY)?.into_iter().next();
        if let Some((who, words)) = &found
            && self.named.as_ref() != Some(who)
        {
            log::warn!("the server cannot clear away rows that are gone, and tables grow, because of {words}");
        }
        self.named = found.map(|(who, _)| who);
        Ok(())
    }
}

fn find(conn: Conn<'_>, old: Duration, many: u64) -> Result<Vec<(String, String)>> {
    let limits = (old.as_micros() as i64, many.cast_signed());
    conn.prepare_cached(OLDEST)?.query_map(limits, |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;
    use crate::store::postgres::{LEASE, PostgresStore, server};

    #[test]
    fn a_transaction_that_is_open_while_rows_go_is_named() {
        let url = server::new_url();
        let open = || PostgresStore::open(&url, LEASE).unwrap();
        let (store, held) = (open(), open());
        let pid: i64 = {
            let ask = Conn::Postgres(&held.conn).prepare_cached("SELECT CAST(pg_backend_pid() AS BIGINT)");
            ask.unwrap().query_row([], |row| row.get(0)).unwrap()
        };
        // Other tests have transactions of their own on this server.
        let found = |old, many| {
            let all = find(Conn::Postgres(&store.conn), old, many).unwrap();
            all.into_iter().find(|(who, _)| *who == format!("process {pid}")).map(|(_, words)| words)
        };
        let snapshot = held.conn.snapshot().unwrap();
        held.conn.prepare("SELECT 1 FROM store").unwrap().query(&[]).unwrap();
        let other = open();
        other.conn.run("INSERT INTO blocked SELECT n FROM generate_series(1, 100) AS n; DELETE FROM blocked").unwrap();
        // The server counts them at the end of its session.
        drop(other);
        let deadline = clock::monotonic_micros() + 30_000_000;
        while found(Duration::ZERO, 99).is_none() {
            assert!(clock::monotonic_micros() < deadline, "nobody is named");
        }
        let words = found(Duration::ZERO, 99).unwrap();
        let is_whole = words.contains(" of user `test` ") && words.contains(&format!("pg_terminate_backend({pid})"));
        assert!(is_whole, "{words}");
        assert_eq!(found(Duration::from_hours(1), 99), None, "not that old");
        assert_eq!(found(Duration::ZERO, 1_000_000), None, "not that many");
        drop(snapshot);
        assert_eq!(found(Duration::ZERO, 99), None, "it has ended");
    }
}
