//! The files of the database deleted, replaced or moved away under a running master.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::oracle::{self, Found};
use crate::pusher::{Pusher, Said};
use crate::rig::Rig;
use crate::support::{Bench, DEADLINE, Master, eventually};

const WORDS: &str = "was deleted, replaced or moved away while it was in use";

/// The master ends by itself, says why, and leaves nobody behind.
#[track_caller]
fn ends(rig: &Rig, mut master: Master<'_>) {
    let code = master.wait_exit(DEADLINE).code();
    let said = master.stderr();
    assert_eq!(code, Some(1), "{said}");
    assert!(said.lines().last().is_some_and(|line| line.contains(WORDS)), "{said}");
    rig.bench.expect_no_leftovers();
}

/// Pushes until the master is gone; what it says is no `yes` once it knows.
fn push_to_the_end(pusher: &mut Pusher) -> Vec<Said> {
    let mut said = Vec::new();
    eventually(DEADLINE, || match pusher.push() {
        Some(answer) => {
            said.push(answer);
            false
        }
        None => true,
    });
    said
}

#[test]
fn a_master_whose_database_is_deleted_takes_nothing_more_and_ends() {
    let rig = Rig::new();
    let master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    assert!(matches!(pusher.push(), Some(Said::Yes(_))));
    fs::remove_file(rig.bench.database()).expect("it is there");
    let said = push_to_the_end(&mut pusher);
    assert!(!said.iter().any(|said| matches!(said, Said::Yes(_))), "{said:?}");
    ends(&rig, master);
    assert!(!rig.bench.database().exists(), "no empty one in its place");
}

#[test]
fn a_master_with_nothing_to_do_notices_too_that_its_database_is_gone() {
    let rig = Rig::new();
    let master = rig.start();
    fs::remove_file(rig.bench.database()).expect("it is there");
    ends(&rig, master);
}

#[test]
fn a_master_whose_database_is_replaced_ends_and_leaves_the_other_alone() {
    let rig = Rig::new();
    let other = Bench::new();
    let id = other.push(&["echo", "{\"n\": 7}"]);
    let master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    assert!(matches!(pusher.push(), Some(Said::Yes(_))));
    let copy = rig.bench.path().join("disk/other.db");
    fs::copy(other.database(), &copy).expect("a copy");
    fs::rename(&copy, rig.bench.database()).expect("it can be replaced");
    push_to_the_end(&mut pusher);
    ends(&rig, master);
    // The log beside it is that of the old one.
    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(rig.bench.path().join(format!("disk/q.db{ending}")));
    }
    let jobs = rig.bench.run(&["jobs", "list", "--oldest", "--json"]).expect_code(0).json();
    assert_eq!(jobs.as_array().map(|jobs| jobs.iter().map(|job| job["id"].clone()).collect()), Some(vec![id.into()]));
}

#[test]
fn a_master_whose_folder_is_moved_away_ends_and_everything_is_in_the_moved_one() {
    let rig = Rig::new();
    let master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    for _ in 0..20 {
        assert!(matches!(pusher.push(), Some(Said::Yes(_))));
    }
    let (folder, moved) = (rig.bench.path().join("disk"), rig.bench.path().join("moved"));
    fs::rename(&folder, &moved).expect("it can be moved");
    push_to_the_end(&mut pusher);
    ends(&rig, master);
    assert!(!folder.exists() || fs::read_dir(&folder).expect("a folder").count() == 0, "nothing new is made");
    let _ = fs::remove_dir(&folder);
    fs::rename(&moved, &folder).expect("it can be moved back");
    assert_eq!(oracle::settle(&rig.bench, &[pusher.journal]), Found::default());
}

fn remove(database: &Path, ending: &str) {
    let mut path = database.as_os_str().to_owned();
    path.push(ending);
    fs::remove_file(Path::new(&path)).expect("it is there while a master runs");
}

#[test]
fn a_log_that_is_deleted_under_load_is_saved_and_work_goes_on() {
    let rig = Rig::new();
    let mut master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    for ending in ["-wal", "-shm", "-wal"] {
        for n in 0..30 {
            let said = pusher.push();
            assert!(matches!(said, Some(Said::Yes(_))), "push {n} before {ending} is deleted: {said:?}");
        }
        // The reader in the master has the files open as well: who closes them next does not empty the log.
        let listed = pusher.call("jobs.list", &json!({"limit": 1})).expect("a master");
        assert_eq!(listed["result"].as_array().map(Vec::len), Some(1), "{listed}");
        remove(rig.bench.database(), ending);
        let again = eventually(DEADLINE, || matches!(pusher.push(), Some(Said::Yes(_))));
        assert!(again, "{}", rig.bench.dump());
        // Also for those who read the files: what they see is whole as soon as all have turned to the new ones.
        let stored = pusher.journal.count(|said| matches!(said, Said::Yes(_)));
        rig.bench.wait_for(&format!("{stored} jobs after {ending} was deleted"), DEADLINE, |bench| {
            let run = bench.run(&["jobs", "list", "--oldest", "--jsonl", "--limit", "1000"]);
            run.code == 0 && run.stdout.lines().count() == stored
        });
    }
    rig.wait_for_problem(None);
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", rig.bench.dump());
    assert_eq!(oracle::settle(&rig.bench, &[pusher.journal]), Found::default());
}

#[test]
fn a_log_that_is_deleted_while_nobody_does_anything_is_saved_too() {
    let rig = Rig::new();
    let mut master = rig.start();
    let mut pusher = Pusher::connect(rig.bench.database(), 0);
    for _ in 0..30 {
        assert!(matches!(pusher.push(), Some(Said::Yes(_))));
    }
    remove(rig.bench.database(), "-wal");
    let log = rig.bench.path().join("disk/q.db-wal");
    rig.bench.wait_for("a log that has a name", DEADLINE, |_| log.exists());
    master.kill9();
    assert_eq!(oracle::settle(&rig.bench, &[pusher.journal]), Found::default());
}
