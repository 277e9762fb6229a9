//! The plans of the statements that run in every batch: each reads about as many rows as it gives or changes, whatever the tables hold,
//! whatever the server believes that they hold, and however many rows are gone that nobody can clear away.

use ::postgres::types::Type;

use super::dialect::{for_many, translate};
use super::{Connection, PostgresStore, fronts, members, server};
use crate::store::relational::conn::Conn;
use crate::store::relational::key_lanes::KEYED;
use crate::store::relational::{lanes, run_row, sql};

/// Jobs of a batch.
const BATCH: usize = 100;
/// Pages that may be looked at: at some levels of an index for each row that is found, and more for one that is written to several.
const PAGES: usize = 5 * BATCH;
const PAGES_OF_WRITES: usize = 8 * BATCH;

/// A statement with the values that it is run with.
struct Hot {
    name: &'static str,
    sql: String,
    values: String,
}

fn one(name: &'static str, sql: &str, values: &str) -> Hot {
    Hot { name, sql: translate(sql), values: values.to_owned() }
}

/// A change of many rows, with an array for each parameter. A value that grows from row to row is named by its first.
fn many(name: &'static str, sql: &str, values: &[Many]) -> Hot {
    let (types, own) = (vec![Type::INT8; values.len()], vec![true; values.len()]);
    let values = values.iter().map(|value| array(*value)).collect::<Vec<_>>().join(", ");
    Hot { name, sql: for_many(sql, &types, &own), values }
}

#[derive(Clone, Copy)]
enum Many {
    From(usize),
    All(usize),
}

fn array(value: Many) -> String {
    let number = |nth| match value {
        Many::From(first) => first + nth,
        Many::All(one) => one,
    };
    let numbers: Vec<String> = (0..BATCH).map(|nth| number(nth).to_string()).collect();
    format!("'{{{}}}'", numbers.join(","))
}

/// The statements of batches that push, claim and finish, in the state that [`fill`] leaves: `first` is the first ready job.
fn hot(first: usize) -> Vec<Hot> {
    let last = first + BATCH - 1;
    let (all, old, new) = (Many::All, Many::From(1), Many::From(1_000_000_000));
    vec![
        one("front of one lane", &lanes::front(1, true), &format!("1, {BATCH}, 1")),
        one("front of three lanes", &lanes::front(3, true), &format!("1, {BATCH}, 0, 1, 7")),
        one("QUEUE_STATE", sql::QUEUE_STATE, "1"),
        one("LEAVE", fronts::LEAVE, &format!("1, 1, 0, {last}, {last}, {BATCH}")),
        one("LEAVE_KEY", fronts::LEAVE_KEY, &format!("1, {KEYED} + 1, {BATCH}")),
        one("QUEUE_COUNT", sql::QUEUE_COUNT, "1, 1, 0, 0, 0, 0, 0, 0, 0, 9, 9, 0, 0, 0, 0"),
        one("FOUND", members::FOUND, "1"),
        one("CURRENT", &super::connection::CURRENT.replace('$', "?"), &array(old)),
        one("JOB_HIGH", sql::JOB_HIGH, ""),
        one("RANGE_GROW", sql::RANGE_GROW, "1, 1, 1"),
        one("KINDS_OF_RANGE", sql::KINDS_OF_RANGE, &format!("1, {BATCH}")),
        one("READY_OPEN", sql::READY_OPEN, &format!("1, {BATCH}, 7")),
        one("SCHEDULED_DUE", sql::SCHEDULED_DUE, &format!("9, {BATCH}")),
        one("EXPIRING_DUE", sql::EXPIRING_DUE, &format!("9, {BATCH}")),
        one("NEXT_DUE", sql::NEXT_DUE, ""),
        one("RUNNING_TAKE", sql::RUNNING_TAKE, "1, 1"),
        one("TRIES_GET", sql::TRIES_GET, "1"),
        one("JOB_PLACE", sql::JOB_PLACE, "1"),
        many("READY_ADD", sql::READY_ADD, &[all(1), all(1), all(0), new, new, all(0)]),
        many("RUNNING_ADD", sql::RUNNING_ADD, &[new, new, all(1), all(1), all(1), all(1), all(1), all(0)]),
        many("RUNNING_DELETE", sql::RUNNING_DELETE, &[old, old]),
        many("RUNNING_ASSIGN", sql::RUNNING_ASSIGN, &[old, old, all(2)]),
        one("APPLIED", members::APPLIED, "1, 9"),
        many(
            "ADD_PLAIN",
            run_row::ADD_PLAIN,
            &[new, old, all(1), all(1), all(1), all(1), all(1), all(0), all(1), all(1), all(1), all(1)],
        ),
    ]
}

/// So many jobs: the first hundred run, the first half of the others was ready and is gone, the second half is ready.
fn fill(conn: &Connection, jobs: usize) -> usize {
    let first = BATCH + jobs / 2 + 1;
    let last = first + jobs / 2;
    let text = format!(
        "INSERT INTO queues (name) VALUES ('q'); INSERT INTO types (name) VALUES ('t'); \
         INSERT INTO applied VALUES (1, 0); \
         INSERT INTO generations (generation, pid, pid_start, boot_id, cookie, version, started_at, run_high, worker_high) \
             VALUES (1, 1, 1, '', '', '', 1, 1, 1); \
         INSERT INTO jobs (id, queue, type, args, nprio, due_at, pushed_at) \
             SELECT n, 1, 1, 'null', 0, n, n FROM generate_series(1, {last}) AS n; \
         INSERT INTO running (job_id, run_id, worker, attempt, due_at, started_at, generation, tried) \
             SELECT n, n, 1, 1, n, n, 1, 0 FROM generate_series(1, {BATCH}) AS n; \
         INSERT INTO runs (id, job_id, queue, type, generation, attempt, outcome, started_at, ended_at, waited_us, stderr_tail) \
             SELECT n, n, 1, 1, 1, 1, 0, n, n, 1, '' FROM generate_series(1, {jobs}) AS n; \
         INSERT INTO ready SELECT 1, 1, 0, n, n, 0 FROM generate_series({BATCH} + 1, {last}) AS n; \
         DELETE FROM ready WHERE id < {first}; \
         INSERT INTO ready SELECT 1, {KEYED} + 1, 0, n, n, 0 FROM generate_series(1, {jobs}) AS n; \
         INSERT INTO fronts (queue, lane, nprio, due_at, id) VALUES (1, 1, 0, {first} - 1, {first} - 1)"
    );
    conn.run(&text).unwrap();
    for _ in 0..jobs / 20 {
        // As many versions of these rows are gone as there were batches.
        conn.run("UPDATE fronts SET turn = nextval('turns'); UPDATE queues SET ready = ready + 1; UPDATE applied SET batch = batch + 1")
            .unwrap();
    }
    first
}

/// The number behind this word, the last one in the line.
fn number(line: &str, word: &str) -> Option<usize> {
    let rest = line.rsplit_once(word)?.1;
    rest[..rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len())].parse().ok()
}

/// What is wrong with how a statement was run.
fn faults(conn: &Connection, hot: &Hot) -> Vec<String> {
    let values = if hot.values.is_empty() { String::new() } else { format!("({})", hot.values) };
    conn.run(&format!("BEGIN; PREPARE hot AS {}", hot.sql)).unwrap();
    let text = format!("EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE hot{values}");
    let explain = Conn::Postgres(conn).prepare_cached(&text);
    let lines: Vec<String> = explain.unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    conn.run("ROLLBACK; DEALLOCATE hot").unwrap();
    let mut faults = Vec::new();
    let (mut read, mut pages) = (0, 0);
    for line in &lines {
        let is_scan = line.contains(" Scan") && !line.contains("Function Scan") && !line.contains("CTE Scan");
        if is_scan && let Some(rows) = number(line, "rows=") {
            read += rows * number(line, "loops=").unwrap_or(1);
        }
        // Rows that are gone are among the latter.
        read += ["Rows Removed by Filter: ", "Heap Fetches: "]
            .into_iter()
            .filter_map(|word| number(line, word))
            .sum::<usize>();
        if line.contains("Seq Scan") && !line.contains("run_ids")
            || line.trim_start().trim_start_matches("->  ").starts_with("Sort (")
        {
            faults.push(format!("{}: {}", hot.name, line.trim()));
        }
        if line.contains("Buffers: ") {
            pages = pages.max(number(line, "hit=").unwrap_or(0) + number(line, "read=").unwrap_or(0));
        }
    }
    let most = if ["ADD_PLAIN", "RUNNING_ASSIGN"].contains(&hot.name) { PAGES_OF_WRITES } else { PAGES };
    if read > 4 * BATCH || pages > most {
        faults.push(format!("{}: {read} rows read, {pages} pages looked at\n{}", hot.name, lines.join("\n")));
    }
    faults
}

#[test]
fn a_batch_reads_what_it_needs_whatever_the_tables_hold_and_the_server_believes() {
    let mut faults_found = Vec::new();
    // What there is, and how many times that the server believes in.
    for (jobs, believed) in [(0, None), (1_000, None), (1_000, Some(1)), (1_000, Some(1_000)), (100_000, None)] {
        let url = server::new_url();
        let store = PostgresStore::open(&url, super::LEASE).unwrap();
        let conn = &store.conn;
        // Nothing that is gone is cleared away, as in a server in which a transaction stays open.
        let held = PostgresStore::open(&url, super::LEASE).unwrap();
        let snapshot = held.conn.snapshot().unwrap();
        held.conn.prepare("SELECT 1 FROM store").unwrap().query(&[]).unwrap();
        let first = fill(conn, jobs);
        if let Some(times) = believed {
            let text = format!(
                "ANALYZE; UPDATE pg_class SET reltuples = reltuples * {times} WHERE relnamespace = CAST(current_schema() AS regnamespace)"
            );
            conn.run(&text).unwrap();
        }
        let found = hot(first).iter().flat_map(|hot| faults(conn, hot)).collect::<Vec<_>>();
        faults_found.extend(found.into_iter().map(|fault| format!("{jobs} jobs, {believed:?}: {fault}")));
        drop(snapshot);
    }
    assert!(faults_found.is_empty(), "{}", faults_found.join("\n"));
}
