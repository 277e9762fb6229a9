//! A wall clock that is set forward and back under a running master. The monotonic clock goes on as it did.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::help::{a_job_is_done, cpu};
use crate::support::{Bench, DEADLINE, Master, eventually, fixture, now};

/// Adds the seconds that stand in a file to what the wall clock says, to whoever asks the C library.
const SHIM: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(which, now);
    const char *path = getenv("CLOCK_OFFSET");
    if (which != CLOCK_REALTIME || !path) return result;
    char text[32] = {0};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) > 0) now->tv_sec += atol(text);
        close(file);
    }
    return result;
}
"#;

/// The library with the shim; `None` where there is no compiler.
fn shim(bench: &Bench) -> Option<String> {
    let (source, library) = (bench.path().join("clock.c"), bench.path().join("clock.so"));
    fs::write(&source, SHIM).expect("written");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).arg("-ldl");
    let built = cc.output().is_ok_and(|out| out.status.success());
    built.then(|| library.to_str().expect("UTF-8").to_owned())
}

/// Sets the wall clock of the master, by seconds.
fn set(bench: &Bench, seconds: i64) {
    let new = bench.path().join("offset.new");
    fs::write(&new, seconds.to_string()).expect("written");
    fs::rename(new, bench.path().join("offset")).expect("in its place");
}

fn start<'a>(bench: &'a Bench, config: &str) -> Option<Master<'a>> {
    let Some(library) = shim(bench) else {
        println!("skipped: no C compiler to make a clock that lies");
        return None;
    };
    set(bench, 0);
    fs::write(bench.path().join("queue-work.toml"), config).expect("written");
    let offset = bench.path().join("offset");
    let env = [("LD_PRELOAD", library.as_str()), ("CLOCK_OFFSET", offset.to_str().expect("UTF-8"))];
    Some(bench.start_with(&[], &env))
}

#[test]
fn a_clock_that_is_set_an_hour_forward_makes_due_what_is_due_by_then_and_ends_nothing() {
    let bench = Bench::new();
    let Some(master) = start(&bench, "[pools.default]\nworkers = 2\ntimeout = \"30m\"\n") else { return };
    let long = bench.push(&["--", "sh", "-c", "while [ ! -e go ]; do sleep 0.05; done"]);
    bench.wait_for_job(long, "running");
    let in_50_minutes = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(50);
    let soon = bench.push(&["--at", &in_50_minutes.to_string(), "--", "true"]);
    let length = bench.push(&["--delay", "50m", "--", "true"]);
    let later = bench.push(&["--delay", "3h", "--", "true"]);
    a_job_is_done(&bench);
    set(&bench, 3600);
    let begun = now();
    bench.wait_for_job(soon, "succeeded");
    println!("a job that became due as the clock was set was done after {:?}", begun.elapsed());
    assert_eq!(bench.job(later)["state"], "scheduled");
    assert_eq!(bench.job(length)["state"], "scheduled", "50 minutes are not over");
    // Its timeout of half an hour is not over.
    assert_eq!(bench.job(long)["state"], "running");
    let used = cpu(master.pid(), Duration::from_secs(1));
    assert!(used < 30.0, "{used} %");
    fs::write(bench.path().join("go"), "").expect("written");
    let job = bench.wait_for_job(long, "succeeded");
    assert_eq!((&job["attempts"], &job["releases"]), (&json!(0), &json!(0)));
    // What it took is known by the clock that was not set.
    let took = bench.runs(long)[0]["duration_s"].as_f64().expect("seconds");
    assert!(took < 600.0, "{took} s");
}

#[test]
fn a_clock_that_is_set_an_hour_back_holds_up_nothing_that_runs_or_waits_for_a_worker() {
    let bench = Bench::new();
    let command = json!(fixture("fail.py"));
    let config = format!(
        "[pools.default]\nworkers = 1\ntimeout = \"1s\"\nkill_after = \"200ms\"\nmax_attempts = 1\n\
         [pools.bad]\nworkers = 1\ncommand = [\"/bin/false\"]\n[pools.fails]\nworkers = 1\ncommand = {command}\n"
    );
    let Some(master) = start(&bench, &config) else { return };
    a_job_is_done(&bench);
    let stuck = bench.push(&["--", "sleep", "1000"]);
    bench.wait_for_job(stuck, "running");
    set(&bench, -3600);
    // A timeout is one of the clock that goes on.
    let begun = now();
    bench.wait_for_job(stuck, "dead");
    println!("a timeout of 1 s was kept after {:?}, the clock an hour back", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(20));
    assert_eq!(bench.runs(stuck)[0]["outcome"], "timed_out");
    a_job_is_done(&bench);
    // Workers that die are tried again in their time.
    let restarts = |b: &Bench| {
        let workers = b.status()["workers"].as_array().cloned().unwrap_or_default();
        workers.iter().find(|w| w["pool"] == "bad").map_or(0, |w| w["restarts"].as_u64().unwrap_or(0))
    };
    let before = restarts(&bench);
    bench.wait_for("another try", DEADLINE, |b| restarts(b) > before);
    let used = cpu(master.pid(), Duration::from_secs(1));
    assert!(used < 30.0, "{used} %");
    // Forward and back, again and again: it answers, and works.
    for n in 0..6 {
        set(&bench, if n % 2 == 0 { 3600 } else { -3600 });
        a_job_is_done(&bench);
    }
    assert!(eventually(DEADLINE, || bench.status()["master"]["state"] == "running"));
}

const YEAR: i64 = 365 * 24 * 3600;

#[test]
fn a_retry_waits_as_long_as_it_was_to_though_the_clock_was_a_year_ahead_when_it_began() {
    let bench = Bench::new();
    let config = "[pools.default]\nworkers = 1\nbackoff = \"4s\"\n";
    let Some(master) = start(&bench, config) else { return };
    set(&bench, YEAR);
    let job = bench.push(&["--max-attempts=2", "--", "false"]);
    bench.wait_for_job(job, "scheduled");
    let begun = now();
    set(&bench, 0);
    bench.wait_for_job(job, "dead");
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let said = master.stderr();
    // A moment less where the clock went on between the two looks at it.
    assert!(said.contains("the clock was set 365d back") || said.contains("the clock was set 364d 23h back"), "{said}");
}

#[test]
fn a_wait_of_a_master_whose_clock_was_wrong_is_not_longer_under_the_next_one() {
    let bench = Bench::new();
    let config = "[pools.default]\nworkers = 1\nbackoff = \"4s\"\n";
    let Some(mut master) = start(&bench, config) else { return };
    set(&bench, YEAR);
    let job = bench.push(&["--max-attempts=2", "--", "false"]);
    let delayed = bench.push(&["--delay=6s", "--", "true"]);
    bench.wait_for_job(job, "scheduled");
    master.kill9();
    drop(master);
    bench.expect_no_leftovers();
    let _master = bench.start(&[]);
    bench.wait_for_job(job, "dead");
    bench.wait_for_job(delayed, "succeeded");
}

#[test]
fn a_clock_that_is_years_ahead_for_a_moment_expires_nothing_and_forgets_nothing() {
    let bench = Bench::new();
    let config = "[pools.default]\nworkers = 1\n[keep]\nruns = \"10d\"\nsucceeded = \"10d\"\n";
    let Some(_master) = start(&bench, config) else { return };
    let old = bench.push(&["--", "true"]);
    bench.wait_for_job(old, "succeeded");
    bench.ok(&["pause", "default"]);
    let waits = bench.push(&["--expires=1h", "--", "true"]);
    let delayed = bench.push(&["--delay=2h", "--", "true"]);
    for offset in [3 * YEAR, 0, -YEAR, 0] {
        set(&bench, offset);
        // A push is answered by a master that has looked at its clock.
        let other = bench.push(&["--queue=other", "--delay=1h", "x"]);
        bench.wait_for("two looks at the clock", DEADLINE, |b| {
            let other = b.job(other);
            other["state"] == "scheduled" && b.status()["master"]["uptime_s"].as_f64() > Some(1.0)
        });
        assert_eq!((&bench.job(waits)["state"], &bench.job(delayed)["state"]), (&json!("ready"), &json!("scheduled")));
        assert_eq!(bench.runs(old).len(), 1, "its history is forgotten");
    }
    bench.ok(&["resume", "default"]);
    bench.wait_for_job(waits, "succeeded");
}
