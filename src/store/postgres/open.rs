//! Connects to a server: who it is, whether it will do, and the tables of the store.
//!
//! Invariants: a password is in no text that is shown; a server that cannot keep what it is told is refused before anything is
//! written; the tables are made by one at a time.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr as _;
use std::time::Duration;

use ::postgres::{Client, Config};

use super::connection::Connection;
use super::tls::Tls;
use super::{error, members, passfile};
use crate::model::store_url::{self, StoreOptions};
use crate::model::units;
use crate::store::relational::conn::Conn;
use crate::store::{StoreError, moving};

/// The oldest that is known to work: it has all that the statements use.
const OLDEST: i64 = 130_000;
/// The number of the schema that this version makes and knows.
const SCHEMA: i64 = 1;
/// Where the number would be, of a store that is being moved, or was.
const CLOSED: i64 = -1;
const TABLES: &str = include_str!("../../../migrations/postgres/0001_store.sql");
/// Settings of every session: plans follow the order in which a statement is written, along keys, and do not depend on
/// statistics, which are never right for tables whose rows come and go.
const SESSION: &str = "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
     SET enable_bitmapscan = off; SET enable_material = off; SET join_collapse_limit = 1; SET from_collapse_limit = 1; \
     SET plan_cache_mode = force_generic_plan; SET jit = off; SET default_transaction_isolation = 'read committed'";
/// How long a member may live without a word, at least and at most.
const LEASES: RangeInclusive<Duration> = Duration::from_secs(5)..=Duration::from_mins(10);
/// How long a server may take to answer who wants to connect.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server, and the store on it.
#[derive(Clone)]
pub(super) struct Server {
    config: Config,
    tls: Tls,
    schema: String,
    /// The URL without a password.
    pub(super) shown: String,
    /// How long a member lives without a word.
    pub(super) lease: Duration,
    /// Takes the lock of the store.
    pub(super) lock: String,
    /// Where members give notice that there is news.
    pub(super) channel: String,
}

impl Server {
    /// `lease`: where the URL names none.
    pub(super) fn new(url: &str, lease: Duration) -> Result<Self, StoreError> {
        let shown = store_url::without_password(url);
        let cannot = |reason: String| StoreError::Cannot { doing: "open", path: shown.clone(), reason };
        let (url, StoreOptions { schema, lease: named, sslmode, sslrootcert }) = store_url::split_options(url);
        let lease = match named {
            None => lease,
            Some(text) => {
                let found = units::duration(&text).map_err(|e| cannot(format!("`lease={text}`: {e}")))?;
                if !LEASES.contains(&found) {
                    return Err(cannot(format!("`lease={text}` is not between 5s and 10m")));
                }
                found
            }
        };
        if !schema.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            || !schema.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
        {
            return Err(cannot(format!(
                "`schema={schema}` is no name of a schema: small letters, digits and `_` make one"
            )));
        }
        let mut config = Config::from_str(&url).map_err(|e| cannot(with_source(&e)))?;
        if config.get_password().is_none()
            && let Some(password) = std::env::var("PGPASSWORD").ok().or_else(|| passfile::password(&config))
        {
            config.password(password);
        }
        config.application_name("queue-work").connect_timeout(PATIENCE);
        config.tcp_user_timeout(lease / members::STUCK);
        let tls = Tls::new(sslmode.as_deref(), sslrootcert.as_deref(), &mut config).map_err(cannot)?;
        let lock = format!("SELECT pg_advisory_xact_lock(to_regclass('{schema}.store')::oid::bigint)");
        let channel = format!("\"{schema}\"");
        Ok(Self { config, tls, schema, shown, lease, lock, channel })
    }

    /// Connects for somebody who writes, to tables that are there.
    pub(super) fn connect(&self) -> Result<Connection, StoreError> {
        let stuck = (self.lease / members::STUCK).as_millis();
        self.session(&format!(
            "SET idle_in_transaction_session_timeout = {stuck}; SET lock_timeout = {stuck}; SET statement_timeout = 0"
        ))
    }

    /// Connects for somebody who reads, and waits for an answer for so long at most.
    pub(super) fn connect_to_read(&self, limit: Option<Duration>) -> Result<Connection, StoreError> {
        let limit = limit.map_or(0, |limit| limit.as_millis().max(1));
        let conn = self.session(&format!("SET statement_timeout = {limit}; SET default_transaction_read_only = on"))?;
        if self.schema_of(&conn)? == 0 {
            let reason = format!("there is no store in the schema `{}` yet; a push or a master makes it", self.schema);
            return Err(StoreError::Cannot { doing: "open", path: self.shown.clone(), reason });
        }
        Ok(conn)
    }

    /// Connects, and makes the tables if they are missing.
    pub(super) fn prepare(&self) -> Result<Connection, StoreError> {
        let conn = self.connect()?;
        let map = |e: rusqlite::Error| error::map(&self.shown, &e);
        if self.schema_of(&conn)? < SCHEMA {
            // Others may be about to do the same.
            conn.begin("SELECT pg_advisory_xact_lock(7599935010)").map_err(map)?;
            let made = self.make(&conn);
            if made.is_err() {
                let _ = conn.roll_back();
            }
            made?;
            conn.commit("").map_err(map)?;
        }
        Ok(conn)
    }

    /// Whether the tables are there.
    pub(super) fn exists(&self) -> Result<bool, StoreError> {
        Ok(self.schema_of(&self.connect()?)? > 0)
    }

    fn make(&self, conn: &Connection) -> Result<(), StoreError> {
        let map = |e: rusqlite::Error| error::map(&self.shown, &e);
        if self.schema_of(conn)? == 0 {
            conn.run(&format!("CREATE SCHEMA IF NOT EXISTS \"{}\"", self.schema)).map_err(map)?;
            conn.run(TABLES).map_err(map)?;
        }
        Ok(())
    }

    /// The number of the schema, of a store that may be used; 0: there is none.
    fn schema_of(&self, conn: &Connection) -> Result<i64, StoreError> {
        match self.number(conn)? {
            ..0 => Err(self.refusal(conn)?),
            found @ 0..=SCHEMA => Ok(found),
            found => Err(StoreError::Newer { path: self.shown.clone(), found, known: SCHEMA }),
        }
    }

    /// The number of the schema, whatever it is.
    pub(super) fn number(&self, conn: &Connection) -> Result<i64, StoreError> {
        let map = |e: rusqlite::Error| error::map(&self.shown, &e);
        let number =
            |text: &str| Conn::Postgres(conn).prepare_cached(text)?.query_row([], |row| row.get::<_, Option<i64>>(0));
        let is_there = number(&format!("SELECT to_regclass('{}.store')::oid::bigint", self.schema)).map_err(map)?;
        if is_there.is_none() {
            return Ok(0);
        }
        Ok(number("SELECT schema FROM store WHERE one = 1").map_err(map)?.unwrap_or(0))
    }

    /// Why a store whose schema has no number is not to be used.
    fn refusal(&self, conn: &Connection) -> Result<StoreError, StoreError> {
        moving::refusal(Conn::Postgres(conn), self.shown.clone()).map_err(|e| error::map(&self.shown, &e))
    }

    /// Takes the lock of the store for as long as the connection lives.
    pub(super) fn hold(&self, conn: &Connection) -> Result<(), StoreError> {
        let lock = format!("SELECT pg_advisory_lock(to_regclass('{}.store')::oid::bigint)", self.schema);
        conn.run(&lock).map_err(|e| error::map(&self.shown, &e))
    }

    fn session(&self, settings: &str) -> Result<Connection, StoreError> {
        let cannot = |reason| StoreError::Cannot { doing: "open", path: self.shown.clone(), reason };
        let client: Client = self.tls.connect(&self.config).map_err(|e| match e.as_db_error() {
            Some(said) => cannot(format!("{} (code {})", said.message(), said.code().code())),
            None => StoreError::Io(format!("`{}` does not answer: {}", self.shown, with_source(&e))),
        })?;
        let conn = Connection::new(client);
        let map = |e: rusqlite::Error| error::map(&self.shown, &e);
        conn.run(&format!("SET search_path = \"{}\"; {SESSION}; {settings}", self.schema)).map_err(map)?;
        self.refuse_unfit(&conn)?;
        Ok(conn)
    }

    /// The fate of a push that was acknowledged, and whether that is less than one would think.
    pub(super) fn promise(&self, conn: &Connection) -> Result<(&'static str, bool), StoreError> {
        const SETTINGS: &str = "SELECT current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on', \
             current_setting('synchronous_commit'), current_setting('synchronous_standby_names') <> '', \
             EXISTS (SELECT 1 FROM pg_stat_replication WHERE sync_state = 'async')";
        let map = |e: rusqlite::Error| error::map(&self.shown, &e);
        let read = Conn::Postgres(conn).prepare_cached(SETTINGS).map_err(map)?.query_row([], |row| {
            Ok((row.get::<_, bool>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?, row.get::<_, bool>(3)?))
        });
        let (is_safe, commit, waits, has_replica) = read.map_err(map)?;
        Ok(match (&*commit, waits, has_replica) {
            _ if !is_safe => {
                ("`fsync` or `full_page_writes` is off: a crash of the server's machine may lose everything", true)
            }
            ("off", ..) => ("`synchronous_commit` is off: a crash of the server may lose the last jobs", true),
            ("on" | "remote_apply", true, _) => ("what is acknowledged survives the loss of the primary", false),
            (_, false, true) => ("it survives a crash of the server, but a failover may lose the last jobs", true),
            _ => {
                ("what is acknowledged survives a crash and a power cut of the server, not the loss of its disk", false)
            }
        })
    }

    /// Refuses a server on which the statements or the promises do not hold.
    fn refuse_unfit(&self, conn: &Connection) -> Result<(), StoreError> {
        const WHO: &str = "SELECT version(), current_setting('server_version_num')::bigint, pg_is_in_recovery()";
        let map = |e: rusqlite::Error| error::map(&self.shown, &e);
        let who = Conn::Postgres(conn)
            .prepare_cached(WHO)
            .map_err(map)?
            .query_row([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?)));
        let (version, number, is_replica) = who.map_err(map)?;
        let unfit = |why: String| Err(StoreError::Unusable { path: self.shown.clone(), why });
        let other = ["CockroachDB", "Yugabyte", "Redshift"].into_iter().find(|name| version.contains(name));
        if let Some(name) = other {
            return unfit(format!("is {name}, which locks otherwise; use PostgreSQL 13 or newer"));
        }
        if number < OLDEST {
            let (major, minor) = (number / 10_000, number % 10_000);
            return unfit(format!("is PostgreSQL {major}.{minor}, which is too old; use 13 or newer"));
        }
        if is_replica {
            return unfit(
                "is a replica, which can only be read; name the primary, or several hosts with \
                 `target_session_attrs=read-write`"
                    .to_owned(),
            );
        }
        Ok(())
    }
}

/// Takes the number of the schema away, without which nobody opens the store, or gives it back.
pub(super) fn close(conn: &Connection, is_closed: bool) -> rusqlite::Result<()> {
    conn.run(&format!("UPDATE store SET schema = {} WHERE one = 1", if is_closed { CLOSED } else { SCHEMA }))
}

/// An error with what is beneath it.
fn with_source(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Server").field(&self.shown).finish()
    }
}
