//! Databases that cannot be used: what is said, with which code, and that nothing is harmed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::support::{Bench, fixture};

/// Verbs that write, read, and run a master.
const VERBS: [&[&str]; 7] = [
    &["push", "t"],
    &["status"],
    &["jobs", "list", "--oldest"],
    &["runs"],
    &["errors"],
    &["jobs", "cancel", "1"],
    &["--workers=1", "--drain"],
];

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    for content in [&b"not a database, just some text of mine"[..], b"x", &[0; 4096]] {
        fs::write(bench.database(), content).expect("written");
        for words in VERBS {
            let run = bench.run(words).expect_code(1);
            assert!(run.stderr.contains("is not a queue-work database"), "{words:?}: {}", run.stderr);
        }
        assert_eq!(fs::read(bench.database()).expect("a file"), content);
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    let other = rusqlite::Connection::open(bench.database()).expect("a database");
    other.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1);").expect("written");
    drop(other);
    let before = fs::read(bench.database()).expect("a file");
    for words in VERBS {
        let run = bench.run(words).expect_code(1);
        assert!(run.stderr.contains("is not a queue-work database"), "{words:?}: {}", run.stderr);
    }
    assert_eq!(fs::read(bench.database()).expect("a file"), before);
}

#[test]
fn a_database_of_a_newer_schema_is_refused_and_left_as_it_is() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let newer = rusqlite::Connection::open(bench.database()).expect("a database");
    newer.execute_batch("PRAGMA user_version = 99; PRAGMA wal_checkpoint(TRUNCATE);").expect("written");
    drop(newer);
    for words in VERBS {
        let run = bench.run(words).expect_code(1);
        assert!(run.stderr.contains("schema 99") && run.stderr.contains("newer"), "{words:?}: {}", run.stderr);
    }
}

/// The tables of 0.1.0.
const FIRST: &str = include_str!("../../migrations/0001_core.sql");

fn make_old(bench: &Bench, tables: &str) {
    let old = rusqlite::Connection::open(bench.database()).expect("a database");
    old.execute_batch(tables).expect("tables");
    old.execute_batch("PRAGMA user_version = 1; PRAGMA journal_mode = WAL;").expect("written");
}

#[test]
fn a_database_of_a_development_version_is_named_as_that_by_every_verb_and_left_as_it_is() {
    let bench = Bench::new();
    let other =
        FIRST.replace("runs_seen INTEGER NOT NULL,\n    job_high INTEGER NOT NULL", "runs_seen INTEGER NOT NULL");
    let other = other.replace("(id, runs_seen, job_high) VALUES (1, 0, 0)", "(id, runs_seen) VALUES (1, 0)");
    assert_ne!(other, FIRST);
    make_old(&bench, &other);
    let before = fs::read(bench.database()).expect("a file");
    for words in VERBS.iter().filter(|words| words[0] != "jobs" || words[1] == "list") {
        let run = bench.run(words).expect_code(1);
        assert!(run.stderr.contains("older development version"), "{words:?}: {}", run.stderr);
        assert!(run.stderr.contains("VACUUM INTO") && !run.stderr.contains(".recover"), "{}", run.stderr);
    }
    assert_eq!(fs::read(bench.database()).expect("a file"), before);
}

#[test]
fn a_database_of_an_older_release_is_brought_up_to_date_by_whatever_verb_comes_first() {
    for first in [&["status"][..], &["jobs", "list", "--oldest"], &["push", "--", "true"], &["--workers=1", "--drain"]]
    {
        let bench = Bench::new();
        make_old(&bench, FIRST);
        let code = bench.run(first).code;
        assert!(code == 0 || first == ["status"] && code == 3, "{first:?}");
        let kept = bench.path().join("q.db.schema-1");
        let kept = rusqlite::Connection::open(kept).expect("a copy from before");
        let schema: i64 = kept.query_row("PRAGMA user_version", [], |row| row.get(0)).expect("a database");
        assert_eq!(schema, 1, "{first:?}");
        let id = bench.push(&["--", "true"]);
        bench.ok(&["--workers=1", "--drain"]);
        assert_eq!(bench.job(id)["state"], "succeeded");
    }
}

#[test]
fn beside_a_master_of_an_older_release_nothing_is_changed_and_what_is_said_is_true() {
    let bench = Bench::new();
    make_old(&bench, FIRST);
    // It holds this lock only, and answers without saying which store it serves.
    let lock = fs::File::create(bench.path().join("q.db.lock")).expect("a file");
    lock.lock().expect("nobody has it");
    let before = fs::read(bench.database()).expect("a file");
    for words in
        [&["jobs", "list", "--oldest"][..], &["runs"], &["status"], &["jobs", "cancel", "1"], &["pause", "default"]]
    {
        let run = bench.run(words).expect_code(1);
        let us = std::process::id();
        assert!(run.stderr.contains(&format!("end it with `kill {us}`, and start it again")), "{words:?}: {run:?}");
    }
    assert_eq!(fs::read(bench.database()).expect("a file"), before);
    let listener = UnixListener::bind(bench.path().join("q.db.sock")).expect("a socket");
    let answers = std::thread::spawn(move || {
        for answer in ["\"result\":{\"id\":1,\"deduplicated\":false}", "\"error\":{\"code\":-32601,\"message\":\"no\"}"]
        {
            let (mut stream, _) = listener.accept().expect("a client");
            BufReader::new(&stream).read_line(&mut String::new()).expect("a request");
            writeln!(stream, "{{\"jsonrpc\":\"2.0\",\"id\":1,{answer}}}").expect("it listens");
        }
    });
    for words in [&["push", "t"][..], &["push", "t"]] {
        let run = bench.run(words).expect_code(1);
        assert!(run.stderr.contains("of an older version") && run.stderr.contains("unknown whether"), "{run:?}");
    }
    answers.join().expect("both were asked");
    assert_eq!(fs::read(bench.database()).expect("a file"), before);
}

#[test]
fn a_database_in_a_folder_that_does_not_exist_is_refused_by_who_would_write_it() {
    let bench = Bench::new();
    let path = bench.path().join("no/such/q.db");
    let path = path.to_str().expect("UTF-8");
    for words in [&["push", "t"][..], &["--workers=1", "--drain"], &["start", "--drain"]] {
        let run = bench.run(&[words, &["--database", path]].concat()).expect_code(1);
        let (folder, _) = path.rsplit_once('/').expect("a folder");
        let next = format!("the folder `{folder}` does not exist; make it with `mkdir -p '{folder}'`");
        assert!(run.stderr.contains(&next), "{words:?}: {}", run.stderr);
    }
    bench.run(&["status", "--database", path]).expect_code(3);
    assert!(!bench.path().join("no").exists());
}

#[test]
fn a_path_too_long_for_a_socket_is_refused_unless_the_socket_is_elsewhere() {
    let bench = Bench::new();
    let folder = bench.path().join("d".repeat(120));
    fs::create_dir(&folder).expect("a folder");
    let path = folder.join("q.db");
    let path = path.to_str().expect("UTF-8");
    for words in [&["push", "t"][..], &["status"], &["--workers=1", "--drain"]] {
        let run = bench.run(&[words, &["--database", path]].concat()).expect_code(2);
        assert!(run.stderr.contains("--socket") && run.stderr.contains("bytes"), "{words:?}: {}", run.stderr);
    }
    let socket = bench.path().join("s");
    let elsewhere = ["--database", path, "--socket", socket.to_str().expect("UTF-8")];
    bench.run(&[&["push"], &elsewhere[..], &["--", "true"]].concat()).expect_code(0);
    bench.run(&[&["--workers=1", "--drain"], &elsewhere[..]].concat()).expect_code(0);
}

#[test]
fn the_longest_path_that_a_master_takes_is_the_longest_that_a_client_takes() {
    let bench = Bench::new();
    let base = bench.path().to_str().expect("UTF-8").len();
    for (bytes, code) in [(103, 0), (104, 2)] {
        let socket = bench.path().join("s".repeat(bytes - base - 1));
        let socket = ["--socket", socket.to_str().expect("UTF-8")];
        bench.run(&[&["--workers=1", "--drain"], &socket[..]].concat()).expect_code(code);
        bench.run(&[&["push", "t", "--queue=x"], &socket[..]].concat()).expect_code(code);
    }
}

#[test]
fn something_at_the_place_of_the_socket_is_not_removed() {
    let bench = Bench::new();
    let path = bench.path().join("precious");
    for (place, named) in [(path.clone(), "precious"), (bench.path().join("precious.new"), "precious")] {
        fs::write(&place, "mine").expect("written");
        let run = bench.run(&["--workers=1", "--drain", "--socket", path.to_str().expect("UTF-8")]).expect_code(2);
        assert!(run.stderr.contains(named), "{}", run.stderr);
        assert_eq!(fs::read_to_string(&place).expect("a file"), "mine");
        fs::remove_file(place).expect("removed");
    }
}

#[test]
fn a_directory_is_no_database() {
    let bench = Bench::new();
    fs::create_dir(bench.database()).expect("a folder");
    for words in VERBS {
        let run = bench.run(words).expect_code(1);
        assert!(
            run.stderr.contains("directory") || run.stderr.contains("not a queue-work"),
            "{words:?}: {}",
            run.stderr
        );
    }
}

#[test]
fn a_database_that_may_only_be_read_can_be_read() {
    if nix::unistd::geteuid().is_root() {
        // Root may write whatever the mode says; the same path through the code is in `store::sqlite::open_tests`.
        return;
    }
    let bench = Bench::new();
    bench.push(&["t"]);
    fs::set_permissions(bench.database(), PermissionsExt::from_mode(0o400)).expect("permitted");
    let run = bench.run(&["push", "t"]).expect_code(1);
    assert!(run.stderr.contains("read-only"), "{}", run.stderr);
    assert_eq!(bench.run(&["jobs", "list", "--oldest", "--json"]).json().as_array().map(Vec::len), Some(1));
}

#[test]
fn the_default_database_is_made_in_the_state_folder_for_its_owner_alone() {
    let bench = Bench::new();
    let mut command = bench.command(&["push", "t"]);
    command.env_remove("QUEUE_WORK_DATABASE");
    assert!(command.output().expect("it runs").status.success());
    let folder = bench.path().join(".local/state/queue-work");
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join("queue-work.db"))), (0o700, 0o600));
    let mut command = bench.command(&["push", "t"]);
    command.env_remove("QUEUE_WORK_DATABASE").env("XDG_STATE_HOME", bench.path().join("state"));
    assert!(command.output().expect("it runs").status.success());
    assert!(bench.path().join("state/queue-work/queue-work.db").exists());
}

/// Runs the binary with these arguments where `remote` is a file system over FUSE; `None`: there can be none.
fn beside_a_remote_folder(bench: &Bench, args: &[&str]) -> Option<(i32, String)> {
    fs::create_dir_all(bench.path().join("remote")).expect("a folder");
    let own = bench.command(args);
    let mut command = std::process::Command::new("unshare");
    command.arg("-m").args(fixture("fuse.py")).arg("remote").arg(own.get_program()).args(args);
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let out = command.current_dir(bench.path()).stdin(std::process::Stdio::null()).output().ok()?;
    let mountable = nix::unistd::geteuid().is_root() && out.status.code() != Some(77);
    mountable.then(|| (out.status.code().unwrap_or(-1), String::from_utf8_lossy(&out.stderr).into_owned()))
}

#[test]
fn a_database_on_a_file_system_of_the_network_is_refused_unless_that_is_allowed() {
    let bench = Bench::new();
    for verb in [&["push", "t"][..], &["start", "--workers", "1"]] {
        let args = [&["--database", "remote/q.db", "--allow-shared-folder"], verb].concat();
        let Some((code, said)) = beside_a_remote_folder(&bench, &args) else {
            println!("skipped: no file system can be mounted here");
            return;
        };
        assert_eq!(code, 1, "{said}");
        assert!(said.contains("(FUSE)") && said.contains("--allow-network-fs"), "{said}");
        // Allowed, it comes as far as that this one is good for nothing.
        let args = [&["--allow-network-fs"], &args[..]].concat();
        let (code, said) = beside_a_remote_folder(&bench, &args).expect("as before");
        assert!(code == 1 && !said.contains("FUSE") && said.contains("remote/q.db"), "{said}");
    }
    fs::write(bench.path().join("queue-work.toml"), "network_fs = \"allow\"\n").expect("a configuration");
    let args = ["--database", "remote/q.db", "--allow-shared-folder", "push", "t"];
    let (_, said) = beside_a_remote_folder(&bench, &args).expect("as before");
    assert!(!said.contains("FUSE"), "{said}");
}

#[test]
fn a_database_in_memory_or_on_a_local_disk_is_accepted() {
    let bench = Bench::new();
    bench.push(&["t"]);
    if Path::new("/dev/shm").is_dir() {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
        let database = folder.path().join("q.db");
        bench.ok(&["--database", database.to_str().expect("UTF-8"), "push", "t"]);
    }
}

#[test]
fn a_database_named_by_a_url_is_the_file_and_one_of_a_kind_that_is_not_known_is_refused_without_its_password() {
    let bench = Bench::new();
    let url = format!("sqlite:{}", bench.database().display());
    bench.ok(&["--database", &url, "push", "--", "sh", "-c", "test -f \"$QUEUE_WORK_DATABASE\""]);
    bench.ok(&["--database", &url, "--workers", "1", "--drain"]);
    assert!(
        bench.ok(&["jobs", "show", "1"]).contains("succeeded"),
        "the same database by its path, in the job as well"
    );
    for words in VERBS {
        let run = bench.run(&[&["--database", "mysql://me:secret@db/work"], words].concat()).expect_code(2);
        assert!(run.stderr.contains("`mysql://` is no kind of store that is known"), "{words:?}: {}", run.stderr);
        assert!(!run.stderr.contains("secret"), "{words:?}: {}", run.stderr);
    }
    assert!(!bench.path().join("mysql:").exists());
}
