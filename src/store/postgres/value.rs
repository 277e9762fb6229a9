//! Values of SQLite as the types of PostgreSQL that a statement has, and back.
//!
//! Invariants: a number that does not fit its type is an error, never another number; a text comes back as it was. U+0000, which
//! PostgreSQL has in no text, is kept as U+10FFFF and a `0`, and U+10FFFF, which stands for no character, as itself and a `1`.

use std::borrow::Cow;
use std::error::Error as StdError;

use ::postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};
use bytes::BytesMut;
use rusqlite::types::{ToSqlOutput, Value};
use rusqlite::{Error, Result};

use crate::store::relational::conn::Params;

type Boxed = Box<dyn StdError + Sync + Send>;

/// Values of parameters.
pub(super) fn owned(params: &impl Params) -> Result<Vec<Value>> {
    let mut values = Vec::new();
    params.each(&mut |value| {
        values.push(match value.to_sql()? {
            ToSqlOutput::Borrowed(value) => value.try_into().map_err(|e| Error::ToSqlConversionFailure(Box::new(e)))?,
            ToSqlOutput::Owned(value) => value,
            _ => return Err(Error::ToSqlConversionFailure("a value that only SQLite has".into())),
        });
        Ok(())
    })?;
    Ok(values)
}

/// A value on its way to a parameter of any type.
#[derive(Debug)]
pub(super) struct Bound(pub(super) Value);

impl ToSql for Bound {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Boxed> {
        match (&self.0, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Integer(n), &Type::INT8) => n.to_sql(ty, out),
            (Value::Integer(n), &Type::INT4) => i32::try_from(*n)?.to_sql(ty, out),
            (Value::Integer(n), &Type::INT2) => i16::try_from(*n)?.to_sql(ty, out),
            (Value::Integer(n), &Type::BOOL) => (*n != 0).to_sql(ty, out),
            (Value::Integer(n), &Type::FLOAT8) => (*n as f64).to_sql(ty, out),
            (Value::Integer(n), &Type::TEXT) => n.to_string().to_sql(ty, out),
            (Value::Real(n), &Type::FLOAT8) => n.to_sql(ty, out),
            (Value::Text(text), _) if <&str as ToSql>::accepts(ty) => escaped(text).to_sql(ty, out),
            (Value::Blob(bytes), &Type::BYTEA) => bytes.to_sql(ty, out),
            (value, ty) => Err(format!("{value:?} is no {ty}").into()),
        }
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// Says that a digit follows that tells which character was meant.
const ESCAPE: char = '\u{10ffff}';

fn escaped(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return text.into();
    }
    text.replace(ESCAPE, "\u{10ffff}1").replace('\0', "\u{10ffff}0").into()
}

fn unescaped(text: &str) -> String {
    if !text.contains(ESCAPE) {
        return text.to_owned();
    }
    text.replace("\u{10ffff}0", "\0").replace("\u{10ffff}1", "\u{10ffff}")
}

/// A parameter of a change of many rows.
pub(super) type Parameter = Box<dyn ToSql + Sync>;

/// Which columns of rows differ from row to row; one does at least, so that there is a row for each.
pub(super) fn own(rows: &[Vec<Value>]) -> Vec<bool> {
    let Some((first, rest)) = rows.split_first() else { return Vec::new() };
    let mut own: Vec<bool> = (0..first.len()).map(|at| rest.iter().any(|row| row[at] != first[at])).collect();
    if !own.contains(&true)
        && let Some(own) = own.first_mut()
    {
        *own = true;
    }
    own
}

/// The columns of rows: arrays, where each row has a value of its own, or the value that all have.
pub(super) fn columns(own: &[bool], rows: Vec<Vec<Value>>) -> Vec<Parameter> {
    let most = rows.len();
    let mut columns: Vec<Vec<Bound>> = own.iter().map(|own| Vec::with_capacity(if *own { most } else { 1 })).collect();
    for row in rows {
        for ((column, value), own) in columns.iter_mut().zip(row).zip(own) {
            if *own || column.is_empty() {
                column.push(Bound(value));
            }
        }
    }
    let parameter = |(mut column, own): (Vec<Bound>, &bool)| -> Parameter {
        if *own { Box::new(column) } else { Box::new(column.pop().expect("BUG: there is a row")) }
    };
    columns.into_iter().zip(own).map(parameter).collect()
}

/// A value that a server has sent.
pub(super) struct Cell(pub(super) Value);

impl<'a> FromSql<'a> for Cell {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> std::result::Result<Self, Boxed> {
        Ok(Self(match *ty {
            Type::INT8 => Value::Integer(i64::from_sql(ty, raw)?),
            Type::INT4 => Value::Integer(i32::from_sql(ty, raw)?.into()),
            Type::INT2 => Value::Integer(i16::from_sql(ty, raw)?.into()),
            Type::BOOL => Value::Integer(bool::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => Value::Real(f64::from_sql(ty, raw)?),
            Type::BYTEA => Value::Blob(Vec::from_sql(ty, raw)?),
            _ if <&str as FromSql<'_>>::accepts(ty) => Value::Text(unescaped(<&str>::from_sql(ty, raw)?)),
            _ => return Err(format!("a value of the type {ty}, which no statement asks for").into()),
        }))
    }

    fn from_sql_null(_ty: &Type) -> std::result::Result<Self, Boxed> {
        Ok(Self(Value::Null))
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }
}
