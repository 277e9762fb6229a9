//! The database or its log written over in place under a running master: by a copy, an end that is cut off, other bytes.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::pusher::{Pusher, Said};
use crate::rig::Rig;
use crate::support::{DEADLINE, Master, eventually};

const WORDS: &str = "while it was in use";

/// So many pushes that something was moved to the database.
const PUSHES: usize = 60;

fn log_of(database: &Path) -> PathBuf {
    database.with_file_name("q.db-wal")
}

fn fill(pusher: &mut Pusher) {
    for _ in 0..PUSHES {
        let said = pusher.push();
        assert!(matches!(said, Some(Said::Yes(_))), "{said:?}");
    }
}

/// Waits until nothing is written to the database any more.
fn rest(database: &Path) {
    let written = || fs::metadata(database).and_then(|found| found.modified()).expect("a file");
    let (mut last, mut looks) = (written(), 0);
    let rests = eventually(DEADLINE, || {
        let now = written();
        looks = if now == last { looks + 1 } else { 0 };
        last = now;
        looks > 40
    });
    assert!(rests, "something goes on writing");
}

/// The master takes nothing more, ends by itself and says why.
#[track_caller]
fn ends(rig: &Rig, mut master: Master<'_>, pusher: &mut Pusher) {
    let mut said = Vec::new();
    eventually(DEADLINE, || match pusher.push() {
        Some(answer) => {
            said.push(answer);
            false
        }
        None => true,
    });
    assert!(!said.iter().any(|said| matches!(said, Said::Yes(_))), "{said:?}");
    ended(rig, &mut master);
}

#[track_caller]
fn ended(rig: &Rig, master: &mut Master<'_>) {
    let code = master.wait_exit(DEADLINE).code();
    let said = master.stderr();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.contains(WORDS)), "{said}");
    rig.bench.expect_no_leftovers();
}

fn ids(rig: &Rig) -> Vec<i64> {
    let listed = rig.bench.ok(&["jobs", "list", "--oldest", "--jsonl", "--limit", "100000"]);
    let id = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["id"].as_i64().expect("an id");
    let mut ids: Vec<i64> = listed.lines().map(id).collect();
    ids.sort_unstable();
    ids
}

fn is_sound(database: &Path) -> bool {
    let conn = rusqlite::Connection::open(database).expect("the database");
    conn.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).is_ok_and(|found| found == "ok")
}

/// Does something to the database.
type Harm<'a> = &'a dyn Fn(&Path);

/// A backup of the database, as `cp` makes it while nobody uses it.
fn backup(rig: &Rig) -> PathBuf {
    rig.bench.push(&["echo", "{\"n\": 1000}"]);
    let copy = rig.bench.path().join("copy.db");
    let database = rusqlite::Connection::open(rig.bench.database()).expect("the database");
    database.execute("VACUUM INTO ?1", [copy.to_str()]).expect("a copy");
    copy
}

#[test]
fn a_copy_that_is_put_back_in_place_ends_the_master_and_is_left_whole() {
    for under_load in [true, false] {
        let rig = Rig::new();
        let copy = backup(&rig);
        let mut master = rig.start();
        let mut pusher = Pusher::connect(rig.bench.database(), 0);
        fill(&mut pusher);
        fs::copy(&copy, rig.bench.database()).expect("put back");
        if under_load {
            ends(&rig, master, &mut pusher);
        } else {
            ended(&rig, &mut master);
        }
        assert_eq!(fs::read(&copy).expect("a file"), fs::read(rig.bench.database()).expect("a file"));
        assert!(is_sound(rig.bench.database()));
        assert_eq!(ids(&rig), [1]);
        drop(rig.start());
        assert!(is_sound(rig.bench.database()));
    }
}

#[test]
fn a_database_that_is_cut_or_written_over_in_any_way_takes_nothing_more() {
    let cut = |path: &Path, length: u64| {
        OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(length)).expect("cut");
    };
    let other_bytes = |path: &Path| {
        let bytes = vec![7; fs::metadata(path).expect("a file").len() as usize];
        let mut file = OpenOptions::new().write(true).open(path).expect("a file");
        std::io::Write::write_all(&mut file, &bytes).expect("written");
    };
    let ways: [(&str, Harm<'_>); 6] = [
        ("emptied", &|database| cut(database, 0)),
        ("cut to one page", &|database| cut(database, 4096)),
        ("without its last page", &|database| cut(database, fs::metadata(database).expect("a file").len() - 4096)),
        ("other bytes", &|database| other_bytes(database)),
        ("an emptied log", &|database| cut(&log_of(database), 0)),
        ("other bytes in the log", &|database| other_bytes(&log_of(database))),
    ];
    for (name, harm) in ways {
        eprintln!("{name}");
        let rig = Rig::new();
        let master = rig.start();
        let mut pusher = Pusher::connect(rig.bench.database(), 0);
        fill(&mut pusher);
        // What is cut while the log is moved may be in the log still, and come back.
        rest(rig.bench.database());
        harm(rig.bench.database());
        ends(&rig, master, &mut pusher);
    }
}

#[test]
fn a_database_that_others_touch_read_or_change_by_sql_is_not_taken_for_overwritten() {
    let rig = Rig::new();
    let mut master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    let others = rusqlite::Connection::open(rig.bench.database()).expect("the database");
    others.busy_timeout(DEADLINE).expect("a wait");
    let sql: [&str; 5] = [
        "CREATE TABLE notes (text); INSERT INTO notes VALUES (zeroblob(3000000));",
        "PRAGMA wal_checkpoint(PASSIVE);",
        "PRAGMA wal_checkpoint(TRUNCATE);",
        "DELETE FROM notes; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);",
        "ANALYZE;",
    ];
    for sql in sql {
        fill(&mut pusher);
        others.execute_batch(sql).expect(sql);
        let touched = Command::new("touch").args(["-d", "2001-01-01"]).arg(rig.bench.database()).status();
        assert!(touched.expect("touch").success());
        fill(&mut pusher);
    }
    drop(others);
    fill(&mut pusher);
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", master.stderr());
    assert!(is_sound(rig.bench.database()));
}
