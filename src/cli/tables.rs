//! `tables`: the tables that workers of services share, as the gateway has them; without one, as they were kept.

use serde_json::{Map, Value};

use super::args::services::TablesArgs;
use super::context::Context;
use super::{call, output};
use crate::client::ClientError;
use crate::client::calls::{Calls, Request, Tables};
use crate::error::{Code, Error};
use crate::model::service::code;
use crate::model::table::{TableRow, TableSize, sizes};
use crate::report::shared_tables;
use crate::wire::gateway::calls_path;

/// Rows by key, each with its columns.
type Rows = Map<String, Value>;

pub(crate) fn run(context: &Context, args: &TablesArgs) -> Result<Code, Error> {
    if let Some(name) = &args.name {
        let missing = || Error::NotFound(format!("there is no table `{name}`; see `queue-work tables`"));
        let rows = rows(context, name)?.ok_or_else(missing)?;
        if context.global.json {
            output::json(&rows)?;
        } else {
            output::print(&shared_tables::rows(&rows, output::width()))?;
        }
        return Ok(Code::DONE);
    }
    let tables = all(context)?;
    if context.global.json {
        output::json(&tables)?;
    } else if tables.is_empty() {
        context.warn("there is no table; workers of services write them by `table.set` and `table.incr`");
    } else {
        output::print(&shared_tables::sizes(&tables, output::width()))?;
    }
    Ok(Code::DONE)
}

fn all(context: &Context) -> Result<Vec<TableSize>, Error> {
    if let Some(tables) = ask(context, Tables::All(true))? {
        return serde_json::from_value(tables).map_err(|error| ClientError::Garbled(error.to_string()).into());
    }
    let rows = kept(context)?;
    let rows = rows.iter().filter_map(|row| Some((&*row.table, &*row.key, row.columns.as_ref()?.len())));
    Ok(sizes(rows, |_| true))
}

/// The rows of a table; `None`: there is none of this name.
fn rows(context: &Context, name: &str) -> Result<Option<Rows>, Error> {
    match ask(context, Tables::One(name))? {
        Some(Value::Object(rows)) => Ok(Some(rows)),
        Some(_) => Ok(None),
        None => {
            let rows = kept(context)?.into_iter().filter(|row| row.table == name);
            let row = |row: TableRow| Some((row.key, serde_json::from_str(&row.columns?).ok()?));
            let rows: Rows = rows.filter_map(row).collect();
            Ok(Some(rows).filter(|rows| !rows.is_empty()))
        }
    }
}

/// The answer of the gateway, if there is one; `null` where it has no such table.
fn ask(context: &Context, tables: Tables<'_>) -> Result<Option<Value>, Error> {
    let paths = context.paths()?;
    let answer = Calls::connect(&calls_path(&paths.socket), paths.database.local())
        .and_then(|mut calls| calls.ask(&Request { tables: Some(tables), ..Request::default() }));
    match answer {
        Ok(Ok(answer)) => {
            let value = serde_json::from_str(answer.get());
            value.map(Some).map_err(|error| ClientError::Garbled(error.to_string()).into())
        }
        Ok(Err(error)) if error.code == code::NO_SUCH_METHOD => Ok(Some(Value::Null)),
        Ok(Err(error)) => Err(call::worded(&error)),
        Err(ClientError::NoMaster { .. } | ClientError::Closed | ClientError::Unheard) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn kept(context: &Context) -> Result<Vec<TableRow>, Error> {
    let rows = context.records()?.map(|mut records| records.table_rows()).transpose()?;
    Ok(rows.unwrap_or_default())
}
