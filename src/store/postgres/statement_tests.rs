//! The statements: that PostgreSQL takes each, and finds its rows by a key, whatever it believes of the tables.

use ::postgres::types::Type;

use super::{PostgresStore, server};
use crate::store::relational::statement_tests::all;

#[test]
fn postgres_takes_every_statement() {
    let store = PostgresStore::open(&server::new_url(), super::LEASE).unwrap();
    let mut refused = Vec::new();
    for (name, sql) in all() {
        match store.conn.prepare(&sql) {
            Err(error) => refused.push(format!("{name}: {error}: {sql}")),
            // A number of ours has 64 bits; what fewer are enough for is not known to PostgreSQL.
            Ok(statement) => {
                let small =
                    statement.types().iter().position(|ty| [Type::INT4, Type::INT2, Type::NUMERIC].contains(ty));
                refused.extend(small.map(|at| format!("{name}: parameter {} is small: {sql}", at + 1)));
            }
        }
    }
    assert!(refused.is_empty(), "{} refused:\n{}", refused.len(), refused.join("\n"));
}
