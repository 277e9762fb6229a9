//! A bulk push that ends before its end, in every way: all of its jobs are there, or none, and what is said is true.

use std::fmt::Write as _;
use std::fs::File;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rusqlite::{Connection, OpenFlags};

use crate::support::{Bench, DEADLINE, Master, eventually};

/// Lines, so many that a push can be caught in the middle.
const LINES: u64 = 60_000;

/// A bulk push on its way.
struct Push<'a> {
    bench: &'a Bench,
    child: Child,
}

fn begin<'a>(bench: &'a Bench, options: &[&str]) -> Push<'a> {
    begin_as(bench, &[], options)
}

/// The same by another program.
fn begin_as<'a>(bench: &'a Bench, program: &[&str], options: &[&str]) -> Push<'a> {
    let text = (1..=LINES).fold(String::new(), |mut text, n| {
        let _ = writeln!(text, "{n}");
        text
    });
    std::fs::write(bench.path().join("lines"), text).expect("written");
    let stderr = File::create(bench.path().join("said")).expect("a file");
    let program: Vec<String> = program.iter().map(|&word| word.to_owned()).collect();
    let args = [&["push", "--lines", "--file=lines"], options, &["t"]].concat();
    let mut command = if program.is_empty() { bench.command(&args) } else { bench.command_as(&program, &args) };
    let child = command.stdout(Stdio::null()).stderr(stderr).spawn().expect("the binary can be started");
    let push = Push { bench, child };
    bench.wait_for("some jobs to be staged", DEADLINE, |bench| staged(bench) > 0);
    push
}

impl Push<'_> {
    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it is there");
    }

    /// Its exit code, and what it said.
    #[track_caller]
    fn end(&mut self) -> (i32, String) {
        let mut status = None;
        let ended = eventually(2 * DEADLINE, || {
            status = self.child.try_wait().expect("our child");
            status.is_some()
        });
        assert!(ended, "the push does not end\n{}", self.bench.dump());
        let said = std::fs::read_to_string(self.bench.path().join("said")).expect("what it said");
        (status.and_then(|status| status.code()).unwrap_or(-1), said)
    }
}

impl Drop for Push<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A number from the database itself; 0 while there is none.
fn number(bench: &Bench, sql: &str) -> i64 {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let read = || Connection::open_with_flags(bench.database(), flags)?.query_row(sql, [], |row| row.get(0));
    read().unwrap_or(0)
}

fn staged(bench: &Bench) -> i64 {
    number(bench, "SELECT coalesce(sum(last_id - first_id + 1), 0) FROM bulk_ranges")
}

/// How many jobs anybody can see.
fn seen(bench: &Bench) -> usize {
    bench.ok(&["jobs", "list", "--oldest", "--jsonl", "--limit", "1000000"]).lines().count()
}

fn master(bench: &Bench) -> Master<'_> {
    bench.start(&["--workers=1", "--queue=elsewhere"])
}

#[track_caller]
fn expect_nothing_left(bench: &Bench, jobs: i64) {
    bench.wait_for("what was staged to be removed", DEADLINE, |bench| {
        number(bench, "SELECT count(*) FROM jobs") == jobs && number(bench, "SELECT count(*) FROM bulks") == 0
    });
}

#[test]
fn a_client_that_is_killed_or_told_to_end_adds_nothing_through_a_master() {
    let bench = Bench::new();
    let _master = master(&bench);
    for (signal, code) in [(Signal::SIGKILL, -1), (Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let mut push = begin(&bench, &[]);
        push.signal(signal);
        let (ended, said) = push.end();
        assert_eq!(ended, code, "{said}");
        assert_eq!(said.contains("nothing was added"), signal != Signal::SIGKILL, "{said}");
        assert_eq!(seen(&bench), 0);
        expect_nothing_left(&bench, 0);
    }
    let mut push = begin(&bench, &["--ids"]);
    assert_eq!(push.end().0, 0, "and the master goes on as ever");
    assert_eq!(seen(&bench) as u64, LINES);
}

#[test]
fn a_client_that_is_killed_or_told_to_end_adds_nothing_without_a_master() {
    let bench = Bench::new();
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGKILL, -1)] {
        let mut push = begin(&bench, &[]);
        push.signal(signal);
        let (ended, said) = push.end();
        assert_eq!(ended, code, "{said}");
        assert_eq!(seen(&bench), 0);
        if signal != Signal::SIGKILL {
            assert!(said.ends_with("queue-work: nothing was added\n"), "{said}");
            expect_nothing_left(&bench, 0);
        }
    }
    assert!(number(&bench, "SELECT count(*) FROM jobs") > 0, "what was staged is still to be removed");
    bench.push(&["t"]);
    expect_nothing_left(&bench, 1);
    assert_eq!(seen(&bench), 1);
}

#[test]
fn what_a_client_left_is_removed_by_the_next_master() {
    let bench = Bench::new();
    let push = begin(&bench, &[]);
    push.signal(Signal::SIGKILL);
    drop(push);
    let _master = master(&bench);
    expect_nothing_left(&bench, 0);
}

#[test]
fn a_push_that_loses_its_master_adds_everything_once_or_nothing_and_says_which() {
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let bench = Bench::new();
        let mut master = master(&bench);
        let mut push = begin(&bench, &[]);
        master.signal(signal);
        master.wait_exit(DEADLINE);
        let (code, said) = push.end();
        let seen = seen(&bench) as u64;
        match code {
            0 => assert_eq!(seen, LINES, "{said}"),
            _ => assert!(seen == 0 && said.contains("nothing was added"), "{seen} jobs: {said}"),
        }
        assert_eq!(number(&bench, "SELECT count(*) FROM bulks"), 0, "{said}");
        assert_eq!(number(&bench, "SELECT count(*) FROM jobs") as u64, seen);
    }
}

#[test]
fn a_master_that_starts_while_a_push_is_on_its_way_into_the_store_takes_it_over() {
    let bench = Bench::new();
    let mut push = begin(&bench, &[]);
    let _master = master(&bench);
    let (code, said) = push.end();
    assert_eq!(code, 0, "{said}");
    assert_eq!(seen(&bench) as u64, LINES);
    let ready: u64 =
        bench.status()["queues"].as_array().expect("queues").iter().filter_map(|q| q["ready"].as_u64()).sum();
    assert_eq!(ready, LINES);
    expect_nothing_left(&bench, i64::try_from(LINES).expect("few"));
}

#[test]
fn others_are_not_held_up_by_a_bulk_push_and_see_nothing_of_it() {
    let bench = Bench::new();
    let _master = bench.start(&["--workers=2"]);
    let mut push = begin(&bench, &["--priority=100", "--queue=bulk"]);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    assert!(staged(&bench) > 0, "the push is still on its way");
    assert_eq!(seen(&bench), 1);
    bench.run(&["jobs", "show", "1"]).expect_code(4);
    push.signal(Signal::SIGKILL);
    push.end();
    expect_nothing_left(&bench, 1);
}

#[test]
fn what_a_process_of_another_namespace_pushes_is_dropped_by_no_guest_but_by_a_master() {
    let unshare = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"];
    let works = Command::new(unshare[0]).args(&unshare[1..]).arg("true").output().is_ok_and(|out| out.status.success());
    if !works {
        println!("skipped: namespaces of processes cannot be made here");
        return;
    }
    let bench = Bench::new();
    let mut push = begin_as(&bench, &unshare, &[]);
    push.child.kill().expect("it is there");
    push.child.wait().expect("our child");
    // Its own end gives the locks back.
    bench.push(&["one"]);
    let left = staged(&bench);
    assert!(left > 0);
    bench.push(&["one"]);
    assert!(staged(&bench) >= left, "it may live, as far as can be seen from here");
    let mut master = master(&bench);
    bench.wait_for("the master to drop it", DEADLINE, |bench| staged(bench) == 0);
    assert_eq!(seen(&bench), 2);
    master.kill9();
}
