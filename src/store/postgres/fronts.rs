//! Where each lane begins: whoever looks for its first rows does not look at those that are gone.
//!
//! Rows that are gone stay in the key of `ready` until they are cleared away, which a transaction of anybody that stays open keeps
//! from happening; so a look at a lane from its beginning would take longer with each job. Invariants:
//! - No ready job lies at or before the front of its lane: a claim moves it to the last row that it takes, as everything before
//!   is taken as well, and a trigger moves it back where a row enters before it, whoever writes that.
//! - A lane without a front is looked at from its beginning.
//! - Each change of a front has a new number in its key, so that the one that holds is found at the end of that.

use std::borrow::Cow;

/// Introduces a comment with the table, queue and lane of rows of which the first are looked for.
const COMMENT: &str = "/*front: ";

/// Takes the first rows (?6) out of a lane, up to one: along the key of `ready`, and at the end of that of `fronts`. A bound by the
/// values of the last row would not do: PostgreSQL reads on behind it to the end of the lane.
pub(in crate::store) const LEAVE: &str = "WITH gone AS (DELETE FROM ready WHERE ctid = ANY (ARRAY(SELECT r.ctid FROM ready r \
     WHERE r.queue = ?1 AND r.lane = ?2 /*front: r, ?1, ?2*/ ORDER BY r.nprio, r.due_at, r.id LIMIT ?6))), \
     moved AS (UPDATE fronts SET turn = nextval('turns'), nprio = ?3, due_at = ?4, id = ?5 WHERE queue = ?1 AND lane = ?2 \
     AND turn = (SELECT n.turn FROM fronts n WHERE n.queue = ?1 AND n.lane = ?2 ORDER BY n.turn DESC LIMIT 1) RETURNING 1) \
     INSERT INTO fronts (queue, lane, nprio, due_at, id) SELECT ?1, ?2, ?3, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM moved)";
/// The same of a lane of a key, which has no front, as these are very many and short.
pub(in crate::store) const LEAVE_KEY: &str = "DELETE FROM ready WHERE ctid = ANY (ARRAY(SELECT ctid FROM ready \
     WHERE queue = ?1 AND lane = ?2 ORDER BY nprio, due_at, id LIMIT ?3))";

/// Has a statement look at lanes from their fronts on, where comments say which.
pub(super) fn look_from(text: &str) -> Cow<'_, str> {
    let mut parts = text.split(COMMENT);
    let mut out = Cow::Borrowed(parts.next().unwrap_or_default());
    for part in parts {
        let (lane, rest) = part.split_once("*/").expect("BUG: a comment ends");
        let [table, queue, lane] = lane.split(", ").collect::<Vec<_>>()[..] else {
            panic!("BUG: a comment names a table, a queue and a lane, not `{lane}`");
        };
        let first = i64::MIN;
        let onward = format!(
            "AND ({table}.nprio, {table}.due_at, {table}.id) > (SELECT coalesce(f.nprio, {first}), coalesce(f.due_at, 0), \
             coalesce(f.id, 0) FROM (VALUES (1)) AS one LEFT JOIN LATERAL (SELECT n.nprio, n.due_at, n.id FROM fronts n \
             WHERE n.queue = {queue} AND n.lane = {lane} ORDER BY n.turn DESC LIMIT 1) AS f ON true){rest}"
        );
        out.to_mut().push_str(&onward);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_says_where_the_first_rows_are_looked_for() {
        let text = "SELECT id FROM ready r WHERE r.lane = ?2 /*front: r, ?1, ?2*/ ORDER BY id";
        let found = look_from(text);
        assert!(
            found.starts_with("SELECT id FROM ready r WHERE r.lane = ?2 AND (r.nprio, r.due_at, r.id) > (SELECT "),
            "{found}"
        );
        assert!(found.contains("n.queue = ?1 AND n.lane = ?2 ") && found.ends_with(" ON true) ORDER BY id"), "{found}");
        assert!(matches!(look_from("SELECT 1"), Cow::Borrowed("SELECT 1")));
    }
}
