//! A limit on the size of files: what is beyond it fails as on a full disk, and kills nobody.

use std::fs;

use rustix::process::{Resource, Rlimit, prlimit};
use serde_json::json;

use crate::support::{Bench, DEADLINE, Master};

/// Lets the master write as much as the hard limit allows.
fn raise(master: &Master<'_>) {
    let pid = rustix::process::Pid::from_raw(master.pid());
    prlimit(pid, Resource::Fsize, Rlimit { current: None, maximum: None }).expect("our child");
}

#[test]
fn a_file_at_its_limit_refuses_pushes_and_kills_nobody_and_work_goes_on_when_it_is_raised() {
    let bench = Bench::new();
    let mut master = bench.start_after("ulimit -Sf 1200", &["--workers", "1", "--queue", "default"]);
    let ballast = json!("x".repeat(40_000)).to_string();
    let mut acknowledged = Vec::new();
    let refused = loop {
        let run = bench.run(&["push", "--queue", "later", "ballast", &ballast]);
        if run.code != 0 {
            break run;
        }
        acknowledged.push(run.stdout.trim().parse::<i64>().expect("an id"));
        assert!(acknowledged.len() < 1000, "the limit is not felt");
    };
    assert_eq!(refused.code, 1, "{refused:?}");
    let words = "has reached the limit on the size of files";
    assert!(refused.stderr.contains(words) && refused.stderr.contains("prlimit"), "{refused:?}");
    assert!(!master.has_ended(), "{}", bench.dump());
    assert!(master.stderr().contains(words), "{}", bench.dump());
    raise(&master);
    let id = bench.push(&["--", "true"]);
    bench.wait_for_job(id, "succeeded");
    for id in acknowledged {
        assert_eq!(bench.job(id)["state"], "ready", "job {id}");
    }
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", bench.dump());
}

#[test]
fn without_a_master_a_push_beyond_the_limit_is_refused_and_not_killed() {
    let bench = Bench::new();
    let push = |limit: &str, args: &str| {
        let script = format!("ulimit -f {limit}; exec \"$0\" push {args}");
        let out = bench.command_as(&["bash", "-c", &script].map(str::to_owned), &[]).output().expect("started");
        (out.status.code(), String::from_utf8_lossy(&out.stderr).into_owned())
    };
    let (code, said) = push("8", "-- true");
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(push("unlimited", "-- true").0, Some(0));
    let (code, said) = push("100", &format!("t '\"{}\"'", "x".repeat(120_000)));
    assert!(code == Some(1) && said.contains("limit on the size of files"), "{code:?} {said}");
    assert_eq!(push("unlimited", "-- true").0, Some(0));
}

#[test]
fn the_output_of_a_worker_beyond_the_limit_is_counted_and_kills_nobody() {
    let bench = Bench::new();
    let mut master = bench.start_after("ulimit -Sf 1200", &["--workers", "1"]);
    let flood = "import sys\nfor n in range(40000): print('line %d of a long output' % n, file=sys.stderr)";
    let id = bench.push(&["--", "python3", "-c", flood]);
    bench.wait_for_job(id, "succeeded");
    raise(&master);
    let log = bench.path().join("q.db.logs/default-1.log");
    bench.wait_for("what was lost to be counted", DEADLINE, |b| {
        let id = b.push(&["--", "sh", "-c", "echo more >&2"]);
        b.wait_for_job(id, "succeeded");
        fs::read_to_string(&log).unwrap_or_default().contains("dropped: the log")
    });
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", bench.dump());
}
