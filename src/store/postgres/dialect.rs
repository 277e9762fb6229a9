//! Statements written for SQLite, as PostgreSQL words them.
//!
//! Statements keep to what both have; this translates the few things that one of them words in a way of its own:
//! parameters (`?1`), hints (`CROSS JOIN … ON`, `INDEXED BY`; a session of ours joins in the order that is written), `max` and
//! `min` of several values, and `instr`. A comment says where the first rows of a lane are looked for (see [`fronts`]). Invariant:
//! what stands between quotes is never touched.

use ::postgres::types::Type;

use super::fronts;

/// Translates a statement.
pub(super) fn translate(text: &str) -> String {
    rest_of(&fronts::look_from(text))
}

fn rest_of(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' => copy(&mut out, rest, rest[1..].find('\'').map_or(rest.len(), |end| end + 2)),
            '?' => {
                out.push('$');
                1
            }
            first if first.is_ascii_alphabetic() || first == '_' => word(&mut out, rest),
            first => copy(&mut out, rest, first.len_utf8()),
        };
        rest = &rest[taken..];
    }
    out
}

fn copy(out: &mut String, rest: &str, bytes: usize) -> usize {
    out.push_str(&rest[..bytes]);
    bytes
}

/// Translates what begins with a word; how many bytes that was.
fn word(out: &mut String, rest: &str) -> usize {
    let length = length(rest);
    let hint = ["INDEXED BY ", "NOT INDEXED"].into_iter().find(|hint| rest.starts_with(hint));
    if let Some(hint) = hint {
        return hint.len() + self::length(&rest[hint.len()..]);
    }
    let other = match &rest[..length] {
        "CROSS" => "",
        "max" if has_several(&rest[length..]) => "greatest",
        "min" if has_several(&rest[length..]) => "least",
        "instr" => "strpos",
        _ => return copy(out, rest, length),
    };
    out.push_str(other);
    length
}

fn length(rest: &str) -> usize {
    rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len())
}

/// Whether what follows the name of a function is more than one argument.
fn has_several(arguments: &str) -> bool {
    let mut depth = 0;
    for c in arguments.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return false,
            ')' => depth -= 1,
            ',' if depth == 1 => return true,
            _ => {}
        }
        if depth == 0 {
            return false;
        }
    }
    false
}

/// The form of a change of one row that makes it for many. `own`: which values each row has of its own, and are arrays.
pub(super) fn for_many(text: &str, types: &[Type], own: &[bool]) -> String {
    let arrays = (1..).zip(types).zip(own).filter(|(_, own)| **own).map(|(column, _)| column);
    let (arrays, names): (Vec<String>, Vec<String>) =
        arrays.map(|(at, ty)| (format!("${at}::{ty}[]"), format!("a{at}"))).unzip();
    let rows = format!("unnest({}) AS v({})", arrays.join(", "), names.join(", "));
    let text = each_row(&translate(text), types, own);
    if let Some((before, values)) = text.split_once(" VALUES (") {
        let (values, rest) = values.rsplit_once(')').unwrap_or((values, ""));
        return format!("{before} SELECT {values} FROM {rows}{rest}");
    }
    let (before, found) = text.split_once(" WHERE ").expect("BUG: a change that is put off names its row");
    let from = if before.starts_with("DELETE") { "USING" } else { "FROM" };
    format!("{before} {from} {rows} WHERE {found}")
}

/// Has the parameters of a change stand for values of a row.
fn each_row(text: &str, types: &[Type], own: &[bool]) -> String {
    let mut parts = text.split('$');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let (number, rest) = part.split_at(digits);
        let at = number.parse::<usize>().map_or(0, |number| number - 1);
        let one = if own[at] { format!("v.a{number}") } else { format!("${number}::{}", types[at]) };
        out += &one;
        out += rest;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_sqlite_says_is_worded_anew() {
        let said = [
            ("SELECT max(a) FROM t WHERE b = ?12", "SELECT max(a) FROM t WHERE b = $12"),
            ("SELECT max(coalesce(a, 0), min(b, (c))) FROM t", "SELECT greatest(coalesce(a, 0), least(b, (c))) FROM t"),
            ("FROM a CROSS JOIN b ON b.x = a.x", "FROM a  JOIN b ON b.x = a.x"),
            ("FROM waits INDEXED BY waits_open WHERE x", "FROM waits  WHERE x"),
            ("FROM k NOT INDEXED WHERE x", "FROM k  WHERE x"),
            ("SELECT instr(a, ?1)", "SELECT strpos(a, $1)"),
            ("SELECT '? max(1, 2)', b", "SELECT '? max(1, 2)', b"),
        ];
        for (sqlite, postgres) in said {
            assert_eq!(translate(sqlite), postgres);
        }
    }

    #[test]
    fn a_change_of_one_row_becomes_one_of_many() {
        let for_many = |text: &str, types: &[Type]| super::for_many(text, types, &vec![true; types.len()]);
        assert_eq!(
            for_many("INSERT INTO t (a, b) VALUES (?1, coalesce(?2, 0))", &[Type::INT8, Type::TEXT]),
            "INSERT INTO t (a, b) SELECT v.a1, coalesce(v.a2, 0) FROM unnest($1::int8[], $2::text[]) AS v(a1, a2)"
        );
        assert_eq!(
            for_many("INSERT INTO t (a) VALUES (?1) ON CONFLICT DO NOTHING", &[Type::INT8]),
            "INSERT INTO t (a) SELECT v.a1 FROM unnest($1::int8[]) AS v(a1) ON CONFLICT DO NOTHING"
        );
        assert_eq!(
            for_many("DELETE FROM t WHERE a = ?1 AND b = ?2", &[Type::INT8, Type::INT8]),
            "DELETE FROM t USING unnest($1::int8[], $2::int8[]) AS v(a1, a2) WHERE a = v.a1 AND b = v.a2"
        );
    }

    #[test]
    fn what_all_rows_have_in_common_is_sent_once() {
        assert_eq!(
            for_many(
                "INSERT INTO t (a, b, c) VALUES (?1, ?2, ?3)",
                &[Type::INT8, Type::TEXT, Type::INT8],
                &[true, false, true]
            ),
            "INSERT INTO t (a, b, c) SELECT v.a1, $2::text, v.a3 FROM unnest($1::int8[], $3::int8[]) AS v(a1, a3)"
        );
    }
}
