//! One host: every verb works as on a file, and a master that is killed is followed by another at once.

use super::server::new_url;
use super::{Host, eventually};

#[test]
fn verbs_work_with_a_master_and_without_one() {
    let mut host = Host::new(&new_url());
    let (out, said, code) = host.run(&["jobs", "list"]);
    assert_eq!((&*out, code), ("", 0));
    assert!(said.starts_with("queue-work: no jobs yet; add one with "), "{said}");
    let one = host.ok(&["push", "--", "echo", "hello"]);
    let late = host.ok(&["push", "--delay", "1h", "--", "echo", "late"]);
    host.ok(&["jobs", "cancel", late.trim()]);
    assert_eq!(host.state(late.trim()), "cancelled");
    host.start(&["--workers=2"]);
    eventually("the job has run", || host.state(one.trim()) == "succeeded");
    assert_eq!(host.ok(&["push", "--wait", "--", "echo", "waited"]).trim(), "waited");
    host.ok(&["scale", "3"]);
    let status = host.json(&["status", "--json"]);
    assert_eq!(status["workers"].as_array().unwrap().len(), 3);
    assert_eq!(status["master"]["generation"], 1);
    assert!(host.ok(&["runs"]).contains("succeeded"));
    let (_, said, code) = host.run(&["jobs", "list", "--text", "waited"]);
    assert_eq!(code, 0, "{said}");
    host.ok(&["pause", "default"]);
    assert_eq!(host.json(&["queues", "--json"])[0]["paused"], true);
    host.ok(&["resume", "default"]);
    host.ok(&["stop"]);
    assert!(host.master.take().unwrap().wait().unwrap().success());
}

#[test]
fn what_a_killed_master_held_runs_again_as_soon_as_the_next_one_starts() {
    let mut host = Host::new(&new_url());
    let job = host.ok(&["push", "--", "sleep", "600"]);
    host.start(&["--workers=1"]);
    eventually("it runs", || host.state(job.trim()) == "running");
    host.kill();
    host.start(&["--workers=1"]);
    eventually("it runs again", || host.state(job.trim()) == "running");
    let runs = host.json(&["runs", "--json"]);
    assert_eq!((runs[0]["outcome"].as_str(), runs[0]["cause"].as_str()), (Some("released"), Some("master_lost")));
    assert_eq!(host.json(&["jobs", "show", job.trim(), "--json"])["attempts"], 0, "its attempt was given back");
}

#[test]
fn a_second_master_of_one_place_is_refused() {
    let mut host = Host::new(&new_url());
    host.start(&["--workers=1"]);
    let (_, said, code) = host.run(&["--workers=1"]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("another master (pid "), "{said}");
}
