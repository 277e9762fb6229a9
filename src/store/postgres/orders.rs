//! Orders: a request to a member that somebody writes into the store, and the answer that the member writes beside it.
//!
//! Invariants: an order is begun by the life of the member that it names, once, and only before its time is over, which the
//! server decides by its own clock; from then on, or when that life is over, it is void. So a host that was frozen, and comes
//! back late, does nothing that nobody waits for.

use std::time::Duration;

use rusqlite::{OptionalExtension as _, Result};

use super::PostgresStore;
use super::transaction::Found;
use crate::clock;
use crate::model::order::{self, Fate, Order, Orders};
use crate::model::serves::Serves;
use crate::model::{Generation, JobId, OrderId, States};
use crate::store::StoreError;
use crate::store::relational::conn::{Conn, Row};

/// How soon a member that lives begins.
pub(in crate::store) const BEGINS_WITHIN: Duration = Duration::from_secs(10);

/// Appends, for a member that lives, by the key of `generations`.
const ADD: &str = "INSERT INTO orders (member, by, who, request, until) SELECT generation, ?2, ?3, ?4, \
     clock_timestamp() + CAST(?5 AS BIGINT) * interval '1 microsecond' FROM generations \
     WHERE generation = ?1 AND ended_at IS NULL AND taken = 0 RETURNING id";
/// The few rows of `orders`; once a day would do.
const PRUNE: &str = "DELETE FROM orders WHERE until < clock_timestamp() - interval '7 days'";
/// One step into each key of `orders`.
const ANY: &str = "SELECT EXISTS (SELECT 1 FROM orders WHERE member = ?1 AND begun_at IS NULL), \
     EXISTS (SELECT 1 FROM orders WHERE by = ?1)";
/// `orders_to_begin`.
const BEGIN: &str = "UPDATE orders SET begun_at = clock_timestamp() WHERE member = ?1 AND begun_at IS NULL \
     AND until > clock_timestamp() RETURNING id, who, request";
/// The same: void, and never looked at again by who was asked.
const LATE: &str = "UPDATE orders SET begun_at = until, answer = '' WHERE member = ?1 AND begun_at IS NULL \
     AND until <= clock_timestamp()";
/// `orders_of_members`, and each with `generations.generation`.
const ENDED: &str = "DELETE FROM orders WHERE by = ?1 AND (answer IS NOT NULL \
     OR begun_at IS NULL AND until <= clock_timestamp() OR NOT EXISTS (SELECT 1 FROM generations \
     WHERE generation = orders.member AND ended_at IS NULL AND taken = 0)) RETURNING id, answer, begun_at IS NOT NULL";
/// `orders.id`, then `generations.generation`.
const LOOK: &str = "SELECT answer, begun_at IS NOT NULL, until <= clock_timestamp(), EXISTS (SELECT 1 FROM generations \
     WHERE generation = orders.member AND ended_at IS NULL AND taken = 0) FROM orders WHERE id = ?1";
/// `orders.id`.
const DELETE: &str = "DELETE FROM orders WHERE id = ?1";
/// `orders.id`.
const ANSWER: &str = "UPDATE orders SET answer = ?2 WHERE id = ?1 RETURNING by";
/// `generations.generation`.
const LEFT: &str = "SELECT EXISTS (SELECT 1 FROM generations WHERE generation = ?1 AND ended_at IS NOT NULL)";

/// `generations.generation`; when its pools change.
const SERVE: &str = "UPDATE generations SET serves = ?2 WHERE generation = ?1";
/// `generations.generation`.
const HEAR_ENDS: &str = "UPDATE generations SET hears_ends = ?2 WHERE generation = ?1";

/// The other members, asked by who has nothing but the URL.
#[derive(Debug)]
pub struct OrderDesk(PostgresStore);

impl OrderDesk {
    pub(super) const fn new(store: PostgresStore) -> Self {
        Self(store)
    }

    /// Asks a member; `None`: its life is over.
    pub fn give(
        &mut self,
        member: Generation,
        who: &str,
        request: &str,
    ) -> std::result::Result<Option<OrderId>, StoreError> {
        let check = |_: Found| Ok(());
        let given = self.0.transaction(clock::wall(), check, |batch| {
            batch.run(PRUNE, [])?;
            let given = add(batch.conn, member.0, (None, Some(who)), request)?;
            batch.news.rung.extend(given.map(|_| member.0));
            Ok(given)
        })?;
        self.0.commit()?;
        Ok(given)
    }

    /// The end of an order, once it has one; then it is forgotten.
    pub fn fate(&mut self, order: OrderId) -> std::result::Result<Option<Fate>, StoreError> {
        if self.0.broken || self.0.conn.is_closed() {
            self.0.conn = self.0.server.connect()?;
            self.0.broken = false;
        }
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?));
        let found: Option<(Option<String>, bool, bool, bool)> =
            self.0.read(|conn| conn.prepare_cached(LOOK)?.query_row([order.0], read).optional())?;
        let fate = match found {
            None => Some(Fate::Over { is_begun: true }),
            Some((answer, is_begun, _, true)) if answer.is_some() || is_begun => answer.map(ended),
            Some((_, false, is_late, true)) => is_late.then_some(Fate::Late),
            Some((answer, is_begun, _, _)) => Some(answer.map_or(Fate::Over { is_begun }, ended)),
        };
        if fate.is_some() {
            self.0.read(|conn| conn.prepare_cached(DELETE)?.execute([order.0]))?;
        }
        Ok(fate)
    }

    /// Whether a member has left, or another has taken over from it.
    pub fn has_left(&self, member: Generation) -> std::result::Result<bool, StoreError> {
        self.0.read(|conn| conn.prepare_cached(LEFT)?.query_row([member.0], |row| row.get(0)))
    }
}

impl PostgresStore {
    /// Begins what this member is asked to do, and takes out what it has asked others and is over.
    pub(super) fn take_orders(&mut self) -> std::result::Result<Orders, StoreError> {
        let ours = self.generation.unwrap_or_default().0;
        let any = |row: &Row<'_>| Ok((row.get::<_, bool>(0)?, row.get::<_, bool>(1)?));
        let (is_asked, has_asked) = self.read(|conn| conn.prepare_cached(ANY)?.query_row([ours], any))?;
        if !is_asked && !has_asked {
            return Ok(Orders::default());
        }
        let generation = self.generation;
        let orders = self.transaction(
            clock::wall(),
            |found| Self::refuse(generation, found, 0),
            |batch| {
                let mut orders = Orders::default();
                if is_asked {
                    batch.run(LATE, [ours])?;
                    orders.asked =
                        batch.conn.prepare_cached(BEGIN)?.query_map([ours], begun)?.collect::<Result<_>>()?;
                    orders.asked.sort_unstable_by_key(|order| order.id);
                }
                if has_asked {
                    orders.ended = batch.conn.prepare_cached(ENDED)?.query_map([ours], fate)?.collect::<Result<_>>()?;
                }
                Ok(orders)
            },
        )?;
        // Before anything is done about them: one whose begin is not known to be on record is not carried out.
        self.commit()?;
        Ok(orders)
    }
}

fn begun(row: &Row<'_>) -> Result<Order> {
    Ok(Order { id: OrderId(row.get(0)?), who: row.get(1)?, request: row.get::<_, String>(2)?.into() })
}

fn fate(row: &Row<'_>) -> Result<(OrderId, Fate)> {
    let (answer, is_begun): (Option<String>, bool) = (row.get(1)?, row.get(2)?);
    let fate = match answer {
        Some(answer) => ended(answer),
        None if is_begun => Fate::Over { is_begun },
        None => Fate::Late,
    };
    Ok((OrderId(row.get(0)?), fate))
}

/// Of what is on record as the answer; nothing: the time was over before the member came to it.
fn ended(answer: String) -> Fate {
    if answer.is_empty() { Fate::Late } else { Fate::Answered(answer.into()) }
}

fn add(conn: Conn<'_>, member: i64, (by, who): (Option<i64>, Option<&str>), request: &str) -> Result<Option<OrderId>> {
    let within = BEGINS_WITHIN.as_micros() as i64;
    let mut add = conn.prepare_cached(ADD)?;
    add.query_row((member, by, who, request, within), |row| row.get(0).map(OrderId)).optional()
}

/// Asks the member that runs a job to cancel it; `by`: 0 for who is no member.
pub(in crate::store) fn cancel(
    conn: Conn<'_>,
    member: i64,
    by: i64,
    (job, only): (JobId, States),
) -> Result<Option<OrderId>> {
    add(conn, member, ((by != 0).then_some(by), None), &order::cancel(job, only))
}

/// Keeps an answer; the member that waits for it, if one does.
pub(in crate::store) fn answer(conn: Conn<'_>, order: OrderId, answer: &str) -> Result<Option<i64>> {
    conn.prepare_cached(ANSWER)?.query_row((order.0, answer), |row| row.get(0)).optional().map(Option::flatten)
}

/// Keeps what a member serves.
pub(in crate::store) fn serve(conn: Conn<'_>, ours: i64, serves: &Serves) -> Result<()> {
    let text = serde_json::to_string(serves).map_err(|e| rusqlite::Error::ToSqlConversionFailure(Box::new(e)))?;
    conn.prepare_cached(SERVE)?.execute((ours, text)).map(drop)
}

/// Keeps whether a member is told of jobs that end.
pub(in crate::store) fn hear_ends(conn: Conn<'_>, ours: i64, hears: bool) -> Result<()> {
    conn.prepare_cached(HEAR_ENDS)?.execute((ours, i64::from(hears))).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::change::{Change, Reply, Request};
    use crate::model::order::Tell;
    use crate::model::{NewJob, UnixMicros};
    use crate::store::postgres::{LEASE, news, server};
    use crate::store::{Master, Store as _};

    const SCALE: &str = r#"{"id":1,"method":"scale"}"#;

    fn member(url: &str, pid: u32) -> (PostgresStore, Generation) {
        let mut store = PostgresStore::open(url, LEASE).unwrap();
        let (host, boot_id) = (format!("host-{pid}"), String::new());
        let master = Master { host, pid, pid_start: 1, boot_id, cookie: String::new(), version: String::new() };
        let generation = store.join(&master, UnixMicros(0)).unwrap().generation;
        (store, generation)
    }

    #[test]
    fn who_does_not_wait_for_a_job_is_not_told_of_its_end() {
        let url = server::new_url();
        let ((mut ours, _), (mut theirs, _)) = (member(&url, 1), member(&url, 2));
        let told = |theirs: &mut PostgresStore| news::last(Conn::Postgres(&theirs.conn)).unwrap();
        let mut number = 0;
        let mut end_one = |ours: &mut PostgresStore| {
            number += 1;
            let push = Request::Push(vec![NewJob::new("noop", "{}")].into());
            let Reply::Pushed(pushed) = ours.apply(number, &[push.into()], UnixMicros(1)).unwrap().replies.remove(0)
            else {
                panic!()
            };
            let before = told(ours);
            number += 1;
            ours.apply(number, &[Change::cancel(pushed[0].id).into()], UnixMicros(2)).unwrap();
            told(ours) - before
        };
        assert_eq!(end_one(&mut ours), 0);
        theirs.apply(1, &[Request::Tell(Box::new(Tell::HearsEnds(true))).into()], UnixMicros(1)).unwrap();
        assert_eq!(end_one(&mut ours), 1);
        theirs.apply(2, &[Request::Tell(Box::new(Tell::HearsEnds(false))).into()], UnixMicros(1)).unwrap();
        assert_eq!(end_one(&mut ours), 0);
    }

    #[test]
    fn an_order_is_begun_once_in_its_time_and_in_the_life_that_it_names() {
        let url = server::new_url();
        let (mut host, generation) = member(&url, 1);
        let mut desk = OrderDesk::new(PostgresStore::open(&url, LEASE).unwrap());
        let give = |desk: &mut OrderDesk| desk.give(generation, "ann@laptop", SCALE).unwrap();

        let order = give(&mut desk).unwrap();
        assert_eq!(desk.fate(order).unwrap(), None);
        let asked = host.orders().unwrap().asked;
        assert_eq!(asked, [Order { id: order, who: Some("ann@laptop".into()), request: SCALE.into() }]);
        assert!(host.orders().unwrap().is_empty());
        assert_eq!(desk.fate(order).unwrap(), None, "it is begun, and not answered");

        let late = give(&mut desk).unwrap();
        desk.0.conn.run("UPDATE orders SET until = clock_timestamp() WHERE begun_at IS NULL").unwrap();
        assert!(host.orders().unwrap().is_empty());
        assert_eq!(desk.fate(late).unwrap(), Some(Fate::Late));

        let unheard = give(&mut desk).unwrap();
        assert!(!desk.has_left(generation).unwrap());
        host.leave(UnixMicros(1)).unwrap();
        assert!(desk.has_left(generation).unwrap());
        assert_eq!(desk.fate(order).unwrap(), Some(Fate::Over { is_begun: true }));
        assert_eq!(desk.fate(unheard).unwrap(), Some(Fate::Over { is_begun: false }));
        assert_eq!(give(&mut desk), None, "its life is over");
        let (mut again, _) = member(&url, 1);
        assert!(again.orders().unwrap().is_empty(), "it is another life");
    }
}
