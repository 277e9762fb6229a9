//! `metrics` where something is wrong: a master without numbers, a wrong configuration, a file that cannot be written.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;

use super::exposition::Scrape;
use super::support::Bench;

/// The file that was written.
fn written(bench: &Bench, name: &str) -> Scrape {
    Scrape::read(&fs::read_to_string(bench.path().join(name)).expect("there"), false)
}

#[test]
fn a_master_that_answers_and_has_no_numbers_is_up_and_the_store_tells_the_rest() {
    let bench = Bench::new();
    bench.push(&["--queue=odd", "t"]);
    let listener = UnixListener::bind(bench.path().join("q.db.sock")).expect("a socket");
    let answers = std::thread::spawn(move || {
        for answer in ["\"error\":{\"code\":-32601,\"message\":\"no\"}", "\"result\":{}", "nonsense"] {
            let (mut stream, _) = listener.accept().expect("a client");
            BufReader::new(&stream).read_line(&mut String::new()).expect("a request");
            writeln!(stream, "{{\"jsonrpc\":\"2.0\",\"id\":1,{answer}}}").expect("it listens");
        }
    });
    for _ in 0..3 {
        let run = bench.run(&["metrics", "--output=q.prom"]).expect_code(0);
        assert!(!run.stderr.is_empty(), "{run:?}");
        let found = written(&bench, "q.prom");
        assert_eq!(found.get("queue_work_up", &[]), Some(1.0), "{run:?}");
        assert_eq!(found.get("queue_work_jobs", &[("queue", "odd"), ("state", "ready")]), Some(1.0));
    }
    answers.join().expect("all were asked");
}

#[test]
fn a_wrong_configuration_is_no_reason_to_tell_nothing_of_a_database_that_was_named() {
    let bench = Bench::new();
    bench.push(&["t"]);
    let _master = bench.start(&["--workers=1", "--queue=elsewhere"]);
    fs::write(bench.path().join("queue-work.toml"), "nonsense = 1\n").expect("written");
    let run = bench.run(&["metrics", "--output=q.prom"]).expect_code(0);
    assert!(run.stderr.contains("nonsense") && run.stderr.contains("the database that was named"), "{run:?}");
    let found = written(&bench, "q.prom");
    assert_eq!(found.get("queue_work_up", &[]), Some(1.0));
    assert!(found.has("queue_work_workers"), "it is asked: {found:?}");
}

#[test]
fn everybody_may_read_the_file_whatever_the_umask_and_what_cannot_be_written_is_named_with_a_next_step() {
    let bench = Bench::new();
    let shell = ["sh", "-c", "umask 077; exec \"$0\" \"$@\""].map(str::to_owned);
    let status = bench.command_as(&shell, &["metrics", "--output=q.prom"]).status().expect("it runs");
    assert!(status.success());
    let mode = fs::metadata(bench.path().join("q.prom")).expect("there").permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
    let run = bench.run(&["metrics", "--output=none/q.prom"]).expect_code(1);
    let expected = "cannot write `none/q.prom`: entity not found; `--output` wants a file in a folder that is there";
    assert!(run.stderr.contains(expected) && !run.stderr.contains(".tmp"), "{run:?}");
}
