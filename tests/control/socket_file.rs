//! The socket as a file: others remove it, replace it, or use it already.

use std::fs;
use std::io::BufRead as _;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use serde_json::Value;

use crate::peer::{Peer, socket};
use crate::support::{Bench, DEADLINE, now};

/// The period of the look, and as much again for a slow machine.
const SOON: Duration = Duration::from_secs(2);

#[test]
fn a_socket_that_was_removed_is_made_again_within_a_second() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    let path = socket(&bench);
    let mut before = Peer::new(&bench);
    for _ in 0..2 {
        fs::remove_file(&path).expect("removed");
        let begun = now();
        bench.wait_for("the socket", DEADLINE, |_| path.exists());
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        assert_eq!(bench.ok(&["push", "--wait", "--", "echo", "heard"]), "heard\n");
    }
    // Those who had come in by the old one stay.
    before.call("ping", &Value::Null);
    // The verb waits for it.
    fs::remove_file(&path).expect("removed");
    bench.ok(&["stop"]);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn what_somebody_put_in_the_place_of_the_socket_is_left_there_and_the_socket_comes_back_after_it() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    let path = socket(&bench);
    fs::remove_file(&path).expect("removed");
    fs::write(&path, "mine").expect("written");
    bench.wait_for("the master to say so", DEADLINE, |_| master.stderr().contains("exists and is no socket"));
    let run = bench.run(&["scale", "1"]).expect_code(1);
    let pid = master.pid().to_string();
    assert!(run.stderr.contains(&pid) && run.stderr.contains("is no socket"), "{}", run.stderr);
    assert_eq!(fs::read_to_string(&path).expect("a file"), "mine");
    fs::remove_file(&path).expect("removed");
    bench.wait_for("the socket", DEADLINE, |_| path.symlink_metadata().is_ok_and(|f| f.file_type().is_socket()));
    // A socket of somebody who answers stays as well, also when the master ends.
    fs::remove_file(&path).expect("removed");
    let others = UnixListener::bind(&path).expect("a socket");
    let inode = || path.symlink_metadata().expect("it is there").ino();
    let made = inode();
    bench.wait_for("the master to say so", DEADLINE, |_| master.stderr().contains("is in use by process"));
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    assert_eq!(inode(), made);
    drop(others);
}

#[test]
fn a_master_that_ends_after_another_took_its_name_removes_nothing() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    let path = socket(&bench);
    // Nobody answers there: it is nevertheless not the one that was made.
    fs::remove_file(&path).expect("removed");
    fs::write(&path, "mine").expect("written");
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    assert_eq!(fs::read_to_string(&path).expect("a file"), "mine");
}

#[test]
fn a_socket_in_use_is_refused_and_a_stale_one_is_replaced() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    let path = socket(&bench);
    let place = path.to_str().expect("UTF-8");
    for words in [&["--database", "b.db", "--socket", place][..], &["--database", "b.db", "start", "--socket", place]] {
        let run = bench.run(&[words, &["--workers", "1"]].concat()).expect_code(5);
        assert!(run.stderr.contains(&format!("process {} answers", master.pid())), "{}", run.stderr);
    }
    bench.push(&["--queue", "nobody", "t"]);
    bench.ok(&["scale", "1"]);
    master.kill9();
    assert!(path.exists(), "it is stale now");
    let mut next = bench.launch(&["--database", "b.db", "--socket", place, "--workers", "1"]);
    let other = ["--database", "b.db", "--socket", place];
    bench.wait_for("it to run", DEADLINE, |b| b.run(&[&other[..], &["status"]].concat()).code == 0);
    // Who means the database of the first is told whose socket it is now.
    for words in [&["push", "t"][..], &["status"], &["stop"], &["jobs", "wait", "1"]] {
        let refused = bench.run(words).expect_code(5).stderr;
        assert!(refused.contains("b.db`, not `") && refused.contains("q.db`"), "{words:?}: {refused}");
    }
    bench.ok(&[&other[..], &["stop"]].concat());
    assert_eq!(next.wait_exit(DEADLINE).code(), Some(0));
}

#[test]
fn who_sees_the_socket_and_not_the_database_is_served_or_told_how() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers", "1"]);
    let path = socket(&bench);
    let place = path.to_str().expect("UTF-8");
    let push = ["push", "--wait", "--", "echo", "heard"];
    assert_eq!(bench.ok(&[&["--database", "unseen.db", "--socket", place][..], &push].concat()), "heard\n");
    assert!(!bench.path().join("unseen.db").exists());
    // At the place where the socket of that database would be, another is probably not meant.
    std::os::unix::fs::symlink(&path, bench.path().join("unseen.db.sock")).expect("a link");
    let refused = bench.run(&["--database", "unseen.db", "push", "t"]).expect_code(5).stderr;
    let database = bench.database();
    let next = format!("give `--database {}` beside `--socket`", database.display());
    assert!(refused.contains("unseen.db`, and no such file is seen here") && refused.contains(&next), "{refused}");
    let named = ["--database", database.to_str().expect("UTF-8"), "--socket", "unseen.db.sock"];
    assert_eq!(bench.ok(&[&named[..], &push].concat()), "heard\n");
}

#[test]
fn a_client_that_cannot_see_the_file_of_that_name_is_believed_while_the_master_sees_it() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    let database = bench.database();
    let name = std::fs::canonicalize(database).expect("it is there");
    let asked = |name: &std::path::Path| {
        let store = serde_json::json!({"database": name, "file": null});
        let line = serde_json::json!({"jsonrpc": "2.0", "id": 1, "store": store, "method": "ping"});
        let mut peer = Peer::new(&bench);
        peer.say(format!("{line}\n"));
        peer
    };
    let ask = |name: &std::path::Path| asked(name).hear();
    assert_eq!(ask(&name)["method"], "store");
    assert!(ask(&name.with_extension("other"))["error"]["message"].as_str().is_some_and(|text| text.contains("not `")));
    fs::rename(database, database.with_extension("away")).expect("renamed");
    let mut peer = asked(&name);
    let mut line = String::new();
    let read = std::io::BufReader::new(peer.stream()).read_line(&mut line);
    match read.ok().filter(|length| *length > 0).and_then(|_| serde_json::from_str::<serde_json::Value>(&line).ok()) {
        Some(said) => {
            assert!(said["error"]["message"].as_str().is_some_and(|t| t.contains("no longer there")), "{said}");
        }
        // The master has seen it first, and has ended.
        None => assert_eq!(master.wait_exit(DEADLINE).code(), Some(1), "{}", master.stderr()),
    }
    fs::rename(database.with_extension("away"), database).expect("renamed");
}
