//! A job that says where it is goes on there, whoever was killed in between.

use std::fs;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::help::{end, expect, pid, wait_ready};
use crate::support::{Bench, DEADLINE, Master};

fn lines(word: &str) -> String {
    (0..30).map(|n| [word, " ", &n.to_string(), "\n"].concat()).collect()
}

/// A master whose worker imports files line by line, and a job for it.
fn start(bench: &Bench) -> (Master<'_>, i64) {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/long_import.py");
    let words = json!(["python3", example]);
    let text = format!("[pools.default]\ncommand = {words}\nworkers = 1\nbackoff = \"10ms\"\nmax_attempts = 9\n");
    fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
    fs::write(bench.path().join("in"), lines("line")).expect("a file");
    let master = bench.start(&[]);
    let job = bench.push(&["import", r#"{"file": "in", "into": "out", "seconds": 0.05}"#]);
    (master, job)
}

/// Waits until the store has a state of at least so many bytes; gives the bytes.
fn wait_state(bench: &Bench, job: i64, least: u64) -> u64 {
    let read = |bench: &Bench| bench.job(job)["progress"]["state"]["written"].as_u64();
    bench.wait_for(&format!("{least} bytes to be on record"), DEADLINE, |bench| read(bench) >= Some(least));
    read(bench).expect("a state")
}

/// What the attempts said they go on after.
fn began(bench: &Bench) -> Vec<u64> {
    let log = bench.run(&["logs", "--json"]).expect_code(0).json();
    let told =
        |line: &Value| line["text"].as_str()?.strip_prefix("goes on after ")?.strip_suffix(" bytes")?.parse().ok();
    log.as_array().expect("an array").iter().filter_map(told).collect()
}

#[test]
fn a_job_goes_on_where_it_was_after_its_worker_and_after_its_master_was_killed() {
    let bench = Bench::new();
    let (mut master, job) = start(&bench);
    let at_worker = wait_state(&bench, job, 20);
    kill(Pid::from_raw(pid(&wait_ready(&bench, 1)[0])), Signal::SIGKILL).expect("a signal");
    let at_master = wait_state(&bench, job, at_worker + 20);
    master.kill9();
    let master = bench.start(&[]);
    bench.wait_for_job(job, "succeeded");
    let lines = lines("LINE");
    assert_eq!(fs::read_to_string(bench.path().join("out")).expect("the result"), lines, "each line once");
    let began = began(&bench);
    assert!(began[0] == 0 && began.len() == 3, "{began:?}");
    assert!(began[1] >= at_worker && began[2] >= at_master, "{began:?}: {at_worker}, {at_master}");
    expect(&bench.job(job), &json!({"crashes": 1, "releases": 1, "result": lines.len()}));
    let text = bench.ok(&["jobs", "show", &job.to_string()]);
    assert!(text.contains("\ngoes on at    {\"read\": 2"), "{text}");
    end(&bench, master);
}

#[test]
fn a_state_lasts_until_an_operator_retries_the_job_and_one_alone_hides_no_message() {
    let bench = Bench::new();
    let script = "import json, sys\n\
        for line in sys.stdin:\n    \
            job = json.loads(line)\n    \
            state = job['params'].get('state')\n    \
            say = lambda **p: print(json.dumps({'method': 'progress', 'params': {'id': job['id'], **p}}), flush=True)\n    \
            if state: print(json.dumps({'id': job['id'], 'result': state}), flush=True); continue\n    \
            say(percent=50, message='half'); say(state=['x' * 70000]); say(state={'page': 3}); say(state=None)\n    \
            print(json.dumps({'id': job['id'], 'error': {'message': 'lost', 'data': {'retry': False}}}), flush=True)\n";
    fs::write(bench.path().join("worker.py"), script).expect("a worker");
    let job = bench.push(&["t"]);
    let master = bench.start(&["--workers=1", "--queue=default", "--", "python3", "worker.py"]);
    let dead = bench.wait_for_job(job, "dead");
    assert_eq!(dead["progress"], json!({"percent": 50.0, "message": "half", "state": {"page": 3}}));
    // A state that is too long is output, and takes the place of nothing.
    assert!(bench.ok(&["logs"]).contains("xxxxxxxxxx"));
    bench.ok(&["jobs", "retry", &job.to_string()]);
    assert_eq!(bench.wait_for_job(job, "succeeded")["result"], json!({"page": 3}));
    end(&bench, master);
}
