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
