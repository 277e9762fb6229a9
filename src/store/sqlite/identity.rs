//! Which store a database is: a random id, and the file that it belongs to.
//!
//! A copy carries the id of its original, and the generations of its masters. It is told by its file, and becomes a store
//! of its own when its first master starts. Does not know which processes live. Invariant: only a master gives a new id,
//! in the transaction that also takes the original's living masters off the record.

use rusqlite::Result;

use super::files::Identity;
use super::sql;
use crate::store::relational::conn::{Conn, Row};

/// The file it belongs to, as it is written down.
fn file(conn: Conn<'_>) -> Result<Identity> {
    let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)? as u64, row.get::<_, i64>(1)? as u64));
    conn.prepare_cached(sql::STORE_FILE)?.query_row([], row)
}

/// Whether the database was copied from another file since a master last ran on it, or was moved to another file system.
pub(super) fn is_copy(conn: Conn<'_>, ours: Identity) -> Result<bool> {
    Ok(file(conn)? != ours)
}

/// Writes down the file of a database that is new, or that was made before this was kept.
pub(super) fn belong(conn: Conn<'_>, ours: Identity) -> Result<()> {
    if file(conn)? == (0, 0) {
        set_file(conn, ours)?;
    }
    Ok(())
}

fn set_file(conn: Conn<'_>, (device, inode): Identity) -> Result<()> {
    conn.prepare_cached(sql::STORE_BELONGS)?.execute((device as i64, inode as i64)).map(drop)
}

/// Makes a copy a store of its own. What the `living` masters of the original started is not ours.
pub(super) fn renew(conn: Conn<'_>, ours: Identity, living: &[String]) -> Result<()> {
    conn.prepare_cached(sql::STORE_RENEW)?.execute([])?;
    set_file(conn, ours)?;
    for cookie in living {
        conn.prepare_cached(sql::GENERATION_DISOWN)?.execute([cookie])?;
    }
    Ok(())
}
