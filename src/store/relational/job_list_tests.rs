//! Lists of jobs: that a search in slices is the list, that a count stops, and what each list costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rusqlite::Connection;

use super::job_list::{count, jobs, search};
use super::walk::FIRST;
use crate::model::{ArgsFilter, Fingerprint, JobId, JobState, QueueName, States};
use crate::store::sqlite::{SqliteStore, functions};
use crate::store::{ErrorFilter, JobFilter};

const JOBS: u64 = 50_000;
/// Instructions of SQLite's machine between two counts.
const PACE: u64 = 10;

/// Of 50,000 jobs the first tenth is ready in two queues, the last twentieth dead; the others have succeeded.
fn store() -> (tempfile::TempDir, Connection) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("q.db");
    drop(SqliteStore::open(&path).unwrap());
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch(&format!(
        "INSERT INTO queues (id, name) VALUES (1, 'a'), (2, 'b');
         INSERT INTO types (id, name) VALUES (1, 'resize'), (2, 'mail');
         WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < {JOBS})
         INSERT INTO jobs (id, queue, type, args, nprio, due_at, pushed_at) SELECT id, 1 + id % 2, 1 + id % 2, '1', 0, id, id FROM n;
         INSERT INTO ready (queue, lane, nprio, due_at, id, tried) SELECT queue, 1, 0, id, id, 0 FROM jobs WHERE id <= {JOBS} / 10;
         INSERT INTO ended (job_id, queue, type, state, cause, ended_at, fingerprint)
         SELECT id, queue, type, 4, 1, id, id % 5 FROM jobs WHERE id > {JOBS} * 19 / 20;"
    ))
    .unwrap();
    (dir, conn)
}

/// Counts what SQLite does from now on.
fn counted_steps(conn: &Connection) -> Arc<AtomicU64> {
    let steps = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&steps);
    let count = move || {
        counted.fetch_add(PACE, Ordering::Relaxed);
        false
    };
    conn.progress_handler(PACE as i32, Some(count)).unwrap();
    steps
}

#[test]
fn a_search_in_slices_finds_each_job_once_in_the_order_of_the_list() {
    let (_dir, conn) = store();
    functions::prepare(&conn).unwrap();
    conn.execute("UPDATE jobs SET args = '{\"n\":\"' || id % 1000 || '\"}', unique_key = id % 7", []).unwrap();
    let of = |states: &[JobState]| JobFilter { states: States::of(states), ..JobFilter::default() };
    let text = |text: &str| Some(ArgsFilter { text: vec![text.to_owned()], ..ArgsFilter::default() });
    let member = ArgsFilter { members: [("n".to_owned(), "999".to_owned())].into(), ..ArgsFilter::default() };
    let ids =
        Some(vec![(JobId(10), JobId(4000)), (JobId(30_000), JobId(30_010)), (JobId(49_000), JobId(49_999))].into());
    for filter in [
        JobFilter { args: text("999"), ..JobFilter::default() },
        JobFilter { args: Some(member), ..JobFilter::default() },
        JobFilter { args: text("99"), kind: Some("mail".into()), ..of(&[JobState::Ready]) },
        JobFilter { args: text("99"), unique: Some("3".into()), ..of(&[JobState::Dead, JobState::Running]) },
        JobFilter { args: text("99"), ids, ..JobFilter::default() },
        JobFilter { args: text("nosuch"), ..JobFilter::default() },
        JobFilter { kind: Some("mail".into()), ..of(&[JobState::Ready]) },
    ] {
        for newest in [false, true] {
            let mut filter = JobFilter { newest, ..filter.clone() };
            let whole: Vec<JobId> = jobs((&conn).into(), &filter).unwrap().iter().map(|job| job.id).collect();
            filter.limit = Some(7);
            let (mut found, mut slices) = (Vec::new(), 0);
            loop {
                let slice = search((&conn).into(), &filter, Duration::ZERO).unwrap();
                found.extend(slice.found.iter().map(|job| job.id));
                slices += 1;
                let cursor = if newest { &mut filter.before } else { &mut filter.after };
                *cursor = slice.next;
                if cursor.is_none() {
                    break;
                }
            }
            assert_eq!(found, whole, "{filter:?}");
            assert!(slices > 1 && slices < 2_000, "{slices}: {filter:?}");
        }
    }
}

#[test]
fn a_count_stops_in_time_and_says_whether_it_is_whole() {
    let (_dir, conn) = store();
    let ready = JobFilter { states: States::of(&[JobState::Ready]), ..JobFilter::default() };
    let few = JobFilter { limit: Some(10), ..ready.clone() };
    let (counted, is_whole) = count((&conn).into(), &ready, Duration::ZERO).unwrap();
    assert!((1..2 * u64::from(FIRST)).contains(&counted) && !is_whole, "{counted}");
    assert_eq!(count((&conn).into(), &ready, Duration::from_mins(1)).unwrap(), (JOBS / 10, true));
    assert_eq!(count((&conn).into(), &few, Duration::from_mins(1)).unwrap(), (10, false));
}

#[test]
fn no_list_by_state_type_or_error_walks_over_what_is_not_in_it() {
    let (_dir, conn) = store();
    let steps = counted_steps(&conn);
    let of = |states: &[JobState]| JobFilter { states: States::of(states), ..JobFilter::default() };
    let named = |name: &str| QueueName::new(name).ok();
    let (ready, dead) = (of(&[JobState::Ready]), of(&[JobState::Dead]));
    let fingerprint = |n| Some(ErrorFilter::Fingerprint(Fingerprint::from_number(n)));
    for (filter, found) in [
        (JobFilter::default(), 10),
        (ready.clone(), 10),
        (JobFilter { queue: named("b"), before: Some(JobId(3000)), ..ready.clone() }, 10),
        (JobFilter { kind: Some("nosuch".into()), ..ready.clone() }, 0),
        (of(&[JobState::Scheduled]), 0),
        (of(&[JobState::Running]), 0),
        (dead.clone(), 10),
        (JobFilter { kind: Some("mail".into()), ..dead.clone() }, 10),
        (JobFilter { kind: Some("nosuch".into()), ..dead.clone() }, 0),
        (JobFilter { queue: named("a"), ..dead.clone() }, 10),
        (JobFilter { queue: named("nosuch"), ..dead.clone() }, 0),
        (JobFilter { error: fingerprint(3), ..JobFilter::default() }, 10),
        (JobFilter { error: fingerprint(7), ..JobFilter::default() }, 0),
        (
            JobFilter {
                ids: Some(vec![(JobId(7), JobId(9)), (JobId(40_000), JobId(40_000))].into()),
                ..JobFilter::default()
            },
            4,
        ),
    ] {
        for newest in [false, true] {
            let filter = JobFilter { newest, limit: Some(10), ..filter.clone() };
            steps.store(0, Ordering::Relaxed);
            assert_eq!(jobs((&conn).into(), &filter).unwrap().len(), found, "{filter:?}");
            let took = steps.load(Ordering::Relaxed);
            assert!(took < 10_000, "{took} steps: {filter:?}");
        }
    }
}

#[test]
fn a_range_of_ids_takes_no_longer_than_a_walk_over_all() {
    let (_dir, conn) = store();
    let steps = counted_steps(&conn);
    for newest in [false, true] {
        let all = JobFilter { kind: Some("nosuch".into()), newest, ..JobFilter::default() };
        let range = JobFilter { ids: Some(vec![(JobId(1), JobId(JOBS as i64))].into()), ..all.clone() };
        let took = [&all, &range].map(|filter| {
            steps.store(0, Ordering::Relaxed);
            assert_eq!(jobs((&conn).into(), filter).unwrap().len(), 0);
            steps.load(Ordering::Relaxed)
        });
        assert!(took[1] < took[0] * 3 / 2, "{took:?}");
    }
}

#[test]
fn ready_jobs_of_very_many_keys_are_listed_key_by_key_each_once_at_the_cost_of_those_that_are_shown() {
    let (_dir, conn) = store();
    functions::prepare(&conn).unwrap();
    // Each tenth job has a key of its own, and is due in the order of its id.
    conn.execute_batch(
        "UPDATE jobs SET key = 'k' || id WHERE id <= 5000 AND id % 2 = 0;
         INSERT INTO key_lanes (id, queue, lane, nprio, key, waiting, vtime, state)
         SELECT id, queue, 1, 0, key, 1, 0, 1 FROM jobs WHERE key IS NOT NULL;
         UPDATE ready SET lane = 1099511627776 + id WHERE id % 2 = 0;",
    )
    .unwrap();
    let filter = |queue: &str| JobFilter {
        queue: Some(QueueName::new(queue).unwrap()),
        states: States::of(&[JobState::Ready]),
        limit: Some(50),
        ..JobFilter::default()
    };
    let all: Vec<i64> = (1..=2500).map(|n| 2 * n).collect();
    for newest in [false, true] {
        let mut found: Vec<i64> = Vec::new();
        loop {
            let cursor = found.last().copied().map(JobId);
            let (after, before) = if newest { (None, cursor) } else { (cursor, None) };
            let page = jobs((&conn).into(), &JobFilter { after, before, newest, ..filter("a") }).unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page.iter().map(|job| job.id.0));
        }
        if newest {
            found.reverse();
        }
        assert_eq!(found, all);
    }
    let text = ArgsFilter { text: vec!["nothing like it".to_owned()], ..ArgsFilter::default() };
    let (mut slices, mut after) = (0, None);
    loop {
        let filter = JobFilter { args: Some(text.clone()), after, ..filter("a") };
        let slice = search((&conn).into(), &filter, Duration::ZERO).unwrap();
        assert!(slice.found.is_empty());
        slices += 1;
        after = slice.next;
        if after.is_none() {
            break;
        }
    }
    assert!(slices > 1000, "{slices}");
    assert_eq!(super::job_list::ids((&conn).into(), &JobFilter { limit: None, ..filter("a") }).unwrap().len(), 2500);
    let steps = counted_steps(&conn);
    jobs((&conn).into(), &filter("a")).unwrap();
    let keyed = steps.load(Ordering::Relaxed);
    assert!(keyed < 60_000, "{keyed}");
}
