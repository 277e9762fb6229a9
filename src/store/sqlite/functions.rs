//! What statements of lists ask SQLite to look into, row by row: whether args, or what a run has said, fit a filter.

use std::error::Error as StdError;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::{Connection, Result};

use crate::model::{ArgsFilter, ArgsSearch};

/// Makes them known to a connection.
pub(in crate::store) fn prepare(conn: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    let filter_of = |call: &Context<'_>, at| {
        call.get_or_create_aux(at, |text| -> std::result::Result<ArgsSearch, Box<dyn StdError + Send + Sync>> {
            Ok(serde_json::from_str::<ArgsFilter>(text.as_str()?)?.into())
        })
    };
    conn.create_scalar_function("args_fit", 2, flags, move |call| {
        let filter = filter_of(call, 1)?;
        Ok(call.get_raw(0).as_str().is_ok_and(|args| filter.fits(args)))
    })?;
    conn.create_scalar_function("run_says", 5, flags, move |call| {
        let text = |at: usize| call.get_raw(at).as_str().unwrap_or_default();
        Ok(filter_of(call, 4)?.fits_one_of(&[text(0), text(1), text(2)], text(3)))
    })
}
