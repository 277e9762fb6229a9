//! What has ended is kept for a while, and then forgotten.

use super::support::{Bench, DEADLINE};
use super::{all_jobs, all_runs};

#[test]
fn succeeded_and_dead_jobs_and_runs_are_forgotten_after_their_time_and_totals_stay() {
    let bench = Bench::new();
    let text = "[keep]\nsucceeded = \"1s\"\ndead = \"1s\"\nruns = \"1s\"\n[defaults]\nmax_attempts = 1\n";
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    for command in ["true", "false"] {
        bench.push(&["--", command]);
    }
    let waiting = bench.push(&["--delay=1h", "--", "true"]);
    let cancelled = bench.push(&["--delay=1h", "--", "true"]);
    bench.ok(&["jobs", "cancel", &cancelled.to_string()]);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for("what has ended to be forgotten", DEADLINE, |b| all_jobs(b).len() == 1 && all_runs(b).is_empty());
    assert_eq!(all_jobs(&bench)[0]["id"], waiting);
    let queue = &bench.status()["queues"][0];
    assert_eq!((&queue["succeeded_total"], &queue["failed_total"], &queue["dead"]), (&1.into(), &1.into(), &0.into()));
}

#[test]
fn what_has_ended_is_kept_for_as_long_as_the_configuration_says() {
    let bench = Bench::new();
    let text = "[keep]\nsucceeded = \"1s\"\ndead = \"1h\"\nruns = \"1h\"\n[defaults]\nmax_attempts = 1\n";
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    let (good, bad) = (bench.push(&["--", "true"]), bench.push(&["--", "false"]));
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(bad, "dead");
    let gone = |b: &Bench| b.run(&["jobs", "show", &good.to_string()]).code == 4;
    bench.wait_for("the good job to be forgotten", DEADLINE, gone);
    assert_eq!(bench.job(bad)["state"], "dead");
    assert!(all_runs(&bench).iter().any(|r| r["job_id"] == bad));
}

#[test]
fn of_many_queues_those_of_no_use_are_forgotten_and_their_names_are_slips_of_the_pen_again() {
    let bench = Bench::new();
    let text = "[keep]\nsucceeded = \"1s\"\ndead = \"1s\"\nruns = \"1s\"\n";
    std::fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    // More than are looked at in one step.
    let job = |n: u32| format!("{{\"type\":\"noop\",\"queue\":\"tenant-{n}\",\"delay\":\"1h\"}}\n");
    let jobs: String = (0..700).map(job).collect();
    std::fs::write(bench.path().join("jobs.jsonl"), jobs).expect("written");
    bench.ok(&["push", "--jsonl", "--file", "jobs.jsonl"]);
    bench.push(&["--queue=done", "--", "true"]);
    bench.push(&["--queue=tenant-3", "--delay=1h", "--", "true"]);
    let names = |b: &Bench| -> Vec<String> {
        let status = b.status();
        let queues = status["queues"].as_array().expect("a list");
        queues.iter().map(|queue| queue["name"].as_str().expect("a name").to_owned()).collect()
    };
    let first = bench.start(&["--workers=1", "--queue=done"]);
    assert_eq!(names(&bench).len(), 701);
    bench
        .wait_for("the job to be done and forgotten", DEADLINE, |b| all_runs(b).is_empty() && all_jobs(b).len() == 701);
    bench.ok(&["pause", "tenant-5"]);
    let ids: Vec<String> = (1..=700).map(|id| id.to_string()).collect();
    for some in ids.chunks(100) {
        let args: Vec<&str> = ["jobs", "delete"].into_iter().chain(some.iter().map(String::as_str)).collect();
        bench.ok(&args);
    }
    bench.wait_for("all tenants but two to be forgotten", DEADLINE, |b| names(b) == ["done", "tenant-3", "tenant-5"]);
    let refused = bench.run(&["pause", "tenant-6"]);
    assert_eq!(refused.code, 4, "{}", refused.stderr);
    assert!(refused.stderr.contains("there is no queue `tenant-6`"), "{}", refused.stderr);
    bench.push(&["--queue=tenant-6", "--delay=1h", "--", "true"]);
    assert_eq!(names(&bench), ["done", "tenant-3", "tenant-5", "tenant-6"]);
    bench.ok(&["pause", "tenant-6"]);
    drop(first);
    // Nobody serves `done` any more.
    let _second = bench.start(&["--workers=1", "--queue=default"]);
    let left = ["tenant-3", "tenant-5", "tenant-6"];
    bench.wait_for("the queue that nobody serves to be forgotten", DEADLINE, |b| names(b) == left);
}
