//! One database under several names: links are followed once, and nobody writes to one file by two names.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::support::{Bench, DEADLINE};

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A bench whose database is a file below `real`, and other names for it that are as good.
fn linked() -> (Bench, Vec<String>) {
    let bench = Bench::with_database("real/q.db");
    let folder = bench.path().canonicalize().expect("a folder");
    symlink("real/q.db", folder.join("link.db")).expect("a link");
    symlink("real", folder.join("folder")).expect("a link");
    symlink(folder.join("link.db"), folder.join("twice.db")).expect("a link");
    let names = ["link.db", "folder/q.db", "twice.db", "real/../folder/./q.db"].map(str::to_owned).to_vec();
    (bench, names)
}

fn entries(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = names.map(|name| name.into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

#[test]
fn a_master_is_the_same_by_every_link_and_whatever_it_writes_lies_beside_the_file() {
    let (bench, names) = linked();
    bench.push(&["--", "true"]);
    for name in &names {
        let mut master = bench.start(&["--database", name, "--workers", "1"]);
        for other in names.iter().map(String::as_str).chain([text(bench.database())]) {
            let run = bench.run(&["push", "--wait", "--database", other, "--", "sh", "-c", "echo out; echo err >&2"]);
            assert_eq!(run.expect_code(0).stdout, "out\n");
            bench.run(&["--database", other, "--workers", "1"]).expect_code(5);
            assert!(bench.ok(&["status", "--database", other]).contains(&master.pid().to_string()));
        }
        master.signal(nix::sys::signal::Signal::SIGTERM);
        assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", master.stderr());
    }
    let real = entries(&bench.path().join("real"));
    assert!(real.contains(&"q.db.lock".to_owned()) && real.contains(&"q.db.logs".to_owned()), "{real:?}");
    let beside = entries(bench.path());
    assert!(!beside.iter().any(|name| name.contains(".db-") || name.contains(".db.")), "{beside:?}");
    assert_eq!(bench.ok(&["jobs", "list", "--oldest", "--jsonl"]).lines().count(), 1 + names.len() * (names.len() + 1));
}

#[test]
fn a_new_database_by_a_linked_folder_lies_in_the_folder() {
    let (bench, _) = linked();
    let added = bench.run(&["push", "--database", "folder/q.db", "--", "true"]).expect_code(0);
    assert_eq!(added.stdout, "1\n");
    bench.ok(&["--workers", "1", "--drain"]);
    assert_eq!(bench.job(1)["state"], "succeeded");
}

#[test]
fn a_link_that_points_to_nothing_is_refused_with_what_it_points_to_and_left_as_it_is() {
    let (bench, _) = linked();
    for words in [&["push", "t"][..], &["status"], &["--workers=1", "--drain"], &["jobs", "list", "--oldest"]] {
        let run = bench.run(&[words, &["--database", "link.db"]].concat()).expect_code(2);
        assert!(run.stderr.contains("is a link to `real/q.db`, which does not exist"), "{words:?}: {}", run.stderr);
    }
    assert_eq!(entries(&bench.path().join("real")), [""; 0]);
}

#[test]
fn a_file_with_two_names_is_refused_by_every_verb() {
    let bench = Bench::new();
    bench.push(&["t"]);
    fs::hard_link(bench.database(), bench.path().join("other.db")).expect("a second name");
    for name in ["q.db", "other.db"] {
        for words in [&["push", "t"][..], &["status"], &["--workers=1", "--drain"], &["jobs", "list", "--oldest"]] {
            let run = bench.run(&[words, &["--database", name]].concat()).expect_code(5);
            assert!(run.stderr.contains("has 2 names (hard links)"), "{words:?}: {}", run.stderr);
        }
    }
    assert_eq!(entries(bench.path()), ["other.db", "q.db"]);
    fs::remove_file(bench.path().join("other.db")).expect("it is there");
    assert_eq!(bench.push(&["t"]), 2);
}

#[test]
fn a_second_name_that_is_made_while_a_master_runs_leads_to_nobody_but_it() {
    let bench = Bench::new();
    let mut master = bench.start(&["--workers", "1"]);
    // One name again, and not the one that the master knows: only the lock on the file is left.
    let other = bench.path().join("other.db");
    fs::hard_link(bench.database(), &other).expect("a second name");
    for words in [&["push", "t"][..], &["--workers=1", "--drain"]] {
        let run = bench.run(&[words, &["--database", "other.db"]].concat()).expect_code(5);
        assert!(run.stderr.contains("2 names"), "{}", run.stderr);
    }
    bench.run(&["push", "--wait", "--", "true"]).expect_code(0);
    let moved = bench.path().join("moved.db");
    fs::rename(bench.database(), &moved).expect("it can be moved");
    fs::remove_file(&other).expect("it is there");
    let run = bench.run(&["push", "t", "--database", "moved.db"]);
    // Until it has seen that its file has another name, the master holds it; then it ends.
    assert!(run.code == 5 && run.stderr.contains(&master.pid().to_string()) || run.code == 0, "{run:?}");
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1), "{}", master.stderr());
}

/// Runs a script of the shell, in which `$0` is the binary, with mounts of its own. False where that is not allowed.
fn with_mounts(bench: &Bench, script: &str) -> bool {
    let allowed = std::process::Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|o| o.status.success());
    if !allowed {
        eprintln!("skipped: no mounts of our own here");
        return false;
    }
    let program = ["unshare", "-m", "sh", "-euc", script].map(str::to_owned);
    let output = bench.command_as(&program, &[]).output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    true
}

#[test]
fn a_file_that_is_mounted_by_itself_is_refused_and_a_mounted_folder_is_not() {
    let bench = Bench::with_database("host/q.db");
    let id = bench.push(&["--", "true"]);
    let script = "mkdir cont folder; touch cont/q.db; mount --bind host/q.db cont/q.db; mount --bind host folder
        for verb in 'push t' 'status' '--workers 1 --drain' 'jobs list'; do
            code=0; $0 $verb --database cont/q.db 2>said || code=$?; cat said
            test $code = 5; grep -q 'is mounted as a single file' said; grep -q 'mount the folder' said
        done
        $0 --workers 1 --drain --database folder/q.db";
    if with_mounts(&bench, script) {
        assert_eq!(bench.job(id)["state"], "succeeded");
        let left: Vec<String> = entries(&bench.path().join("cont")).into_iter().filter(|name| name != "q.db").collect();
        assert_eq!(left, [""; 0], "nothing beside the mounted file");
    }
}

#[test]
fn a_master_on_a_file_that_is_mounted_elsewhere_meanwhile_stays_the_only_one() {
    let bench = Bench::with_database("host/q.db");
    let master = bench.start(&["--workers", "1"]);
    let script = "mkdir cont; touch cont/q.db; mount --bind host/q.db cont/q.db
        code=0; $0 push t --database cont/q.db || code=$?; test $code = 5
        code=0; $0 --workers 1 --drain --database cont/q.db || code=$?; test $code = 5";
    with_mounts(&bench, script);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    drop(master);
}

#[test]
fn what_is_no_file_is_refused_at_once_by_every_verb() {
    let bench = Bench::new();
    nix::unistd::mkfifo(&bench.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("a pipe");
    let _socket = std::os::unix::net::UnixListener::bind(bench.path().join("sock")).expect("a socket");
    fs::create_dir(bench.path().join("dir")).expect("a folder");
    for (name, is) in [("pipe", "a pipe"), ("sock", "a socket"), ("/dev/null", "a device"), ("dir", "a directory")] {
        for words in [&["push", "t"][..], &["status"], &["--workers=1", "--drain"], &["jobs", "list", "--oldest"]] {
            let run = bench.run(&[words, &["--database", name, "--socket", "none.sock"]].concat()).expect_code(1);
            assert!(run.stderr.contains(&format!("it is {is}")), "{words:?}: {}", run.stderr);
        }
    }
}

#[test]
fn a_database_on_a_file_system_that_is_mounted_read_only_is_refused_with_the_reason() {
    let bench = Bench::with_database("host/q.db");
    bench.push(&["--", "true"]);
    let script = "mkdir folder; mount --bind host folder; mount -o remount,bind,ro folder
        for verb in 'push t' 'status' '--workers 1 --drain' 'jobs list'; do
            code=0; \"$0\" $verb --database folder/q.db 2> said || code=$?
            [ $code = 1 ] && grep -qi 'read-only' said || { echo \"$verb: $code\"; cat said; exit 9; } >&2
        done";
    if with_mounts(&bench, script) {
        assert_eq!(bench.push(&["t"]), 2);
    }
}
