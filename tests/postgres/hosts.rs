//! Two hosts: they share the jobs, and what one of them held goes on at the other when it is gone.

use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use super::server::new_url;
use super::way::Way;
use super::{Host, eventually};

/// Two hosts of one store, where a host that is silent is dead after five seconds.
fn two() -> (Host, Host) {
    let url = format!("{}&lease=5s", new_url());
    (Host::new(&url), Host::new(&url))
}

#[test]
fn each_job_runs_once_on_one_of_them() {
    let (mut a, mut b) = two();
    a.start(&["--workers=2"]);
    b.start(&["--workers=2"]);
    for host in [&a, &b] {
        let jobs: String = (0..100).map(|_| "{\"type\": \"exec\", \"args\": {\"argv\": [\"true\"]}}\n").collect();
        let file = host.home.path().join("jobs.jsonl");
        std::fs::write(&file, jobs).unwrap();
        host.ok(&["push", "--jsonl", "--file", file.to_str().unwrap()]);
    }
    let done = |host: &Host| host.json(&["queues", "--json"])[0]["succeeded_total"].as_u64();
    eventually("all have run", || done(&a) == Some(200));
    let runs = a.json(&["runs", "--limit", "500", "--json"]);
    let runs = runs.as_array().unwrap();
    let jobs: std::collections::BTreeSet<_> = runs.iter().map(|run| run["job_id"].as_u64()).collect();
    assert_eq!((runs.len(), jobs.len()), (200, 200));
    let hosts = a.json(&["status", "--json"])["hosts"].clone();
    let hosts: Vec<_> =
        hosts.as_array().unwrap().iter().map(|host| (host["state"].as_str(), host["workers"].as_u64())).collect();
    assert_eq!(hosts, [(Some("running"), Some(2)); 2]);
    let by = |generation: u64| runs.iter().filter(|run| run["generation"] == generation).count();
    assert!(by(1) > 0 && by(2) > 0, "{} {}", by(1), by(2));
}

#[test]
fn what_becomes_of_a_queue_is_seen_at_a_host_that_does_not_serve_it() {
    let (mut a, mut b) = two();
    a.start(&["--workers=1", "--queue=a"]);
    b.start(&["--workers=1", "--queue=b"]);
    let go = a.home.path().join("go");
    a.ok(&["push", "--queue", "a", "--", "sh", "-c", "until [ -e \"$0\" ]; do sleep 0.05; done", go.to_str().unwrap()]);
    let seen = |key: &str| b.json(&["status", "--json"])["queues"][0][key].as_u64();
    eventually("it is seen to run", || seen("running") == Some(1));
    std::fs::write(go, "").unwrap();
    eventually("it is seen to be done", || seen("succeeded_total") == Some(1));
}

#[test]
fn what_one_pushes_cancels_pauses_and_waits_for_the_other_does() {
    let (mut a, mut b) = two();
    a.start(&["--workers=1", "--queue=a"]);
    b.start(&["--workers=1", "--queue=b"]);
    a.ok(&["push", "--queue", "b", "--wait", "--", "true"]);
    let long = a.ok(&["push", "--queue", "b", "--", "sleep", "600"]);
    eventually("it runs at the other", || a.state(long.trim()) == "running");
    a.ok(&["jobs", "cancel", long.trim()]);
    assert_eq!(a.state(long.trim()), "cancelled");
    a.ok(&["pause", "b"]);
    let held = a.ok(&["push", "--queue", "b", "--", "true"]);
    b.ok(&["push", "--queue", "a", "--wait", "--", "true"]);
    assert_eq!(a.state(held.trim()), "ready");
    b.ok(&["resume", "b"]);
    eventually("it goes on", || a.state(held.trim()) == "succeeded");
}

#[test]
fn a_queue_that_another_host_serves_is_served_until_that_is_gone() {
    let (mut a, mut b) = two();
    a.start(&["--workers=1", "--queue=a"]);
    b.start(&["--workers=1", "--queue=b"]);
    let long = a.ok(&["push", "--queue", "b", "--", "sleep", "600"]);
    eventually("it runs at the other", || a.state(long.trim()) == "running");
    let next = a.ok(&["push", "--queue", "b", "--", "true"]);
    let status = || a.json(&["status", "--json"]);
    eventually("it is known that the other serves it", || status()["elsewhere"]["b"] == serde_json::json!(["exec"]));
    assert_eq!(status()["unserved"], serde_json::json!([]));
    assert_eq!(status()["hosts"][1]["serves"], serde_json::json!({"b": ["exec"]}));
    let clock = status()["hosts"][1]["clock_ahead_s"].as_f64();
    assert!(clock.is_some_and(|ahead| ahead.abs() < 60.0), "both are on this machine: {clock:?}");
    let why = |host: &Host| host.run(&["why", next.trim()]).0;
    assert!(!why(&a).contains("no pool serves"), "{}", why(&a));
    b.ok(&["spawn", "--queue", "c", "--workers", "1"]);
    eventually("a pool that is added is heard of", || status()["elsewhere"]["c"] == serde_json::json!(["exec"]));
    b.ok(&["stop", "--timeout", "0s"]);
    eventually("nobody serves it any more", || status()["unserved"][0]["queue"] == "b");
    assert!(why(&a).contains("no pool serves queue `b`"), "{}", why(&a));
    b.master.take().unwrap().wait().unwrap();
}

#[test]
fn the_output_of_another_host_is_said_to_be_there() {
    let (mut a, mut b) = two();
    a.start(&["--workers=1", "--queue=a"]);
    b.start(&["--workers=1", "--queue=b"]);
    let (job, own) =
        (b.ok(&["push", "--queue", "b", "--", "echo", "hello"]), a.ok(&["push", "--queue", "a", "--", "true"]));
    eventually("both are over", || [&job, &own].iter().all(|id| a.state(id.trim()) == "succeeded"));
    assert!(b.ok(&["logs", "--job", job.trim()]).contains("hello"));
    for args in [&["logs", "--job", job.trim()][..], &["logs", "b-1"]] {
        let (out, said, code) = a.run(args);
        assert_eq!((&*out, code), ("", 1), "{said}");
        assert!(said.contains("where it was printed"), "{said}");
    }
    let (out, said, code) = a.run(&["logs", "--job", own.trim()]);
    assert_eq!((&*out, code, said.contains("nothing yet")), ("", 0, true), "it ran here, and printed nothing: {said}");
}

#[test]
fn the_jobs_of_a_host_that_is_killed_run_at_another_after_its_lease() {
    let (mut a, mut b) = two();
    let job = a.ok(&["push", "--", "sleep", "600"]);
    a.start(&["--workers=1"]);
    eventually("it runs", || a.state(job.trim()) == "running");
    b.start(&["--workers=1"]);
    a.kill();
    eventually("it runs at the other", || {
        let runs = b.json(&["runs", "--json"]);
        runs[0]["cause"] == "master_lost" && b.state(job.trim()) == "running"
    });
    assert_eq!(b.json(&["jobs", "show", job.trim(), "--json"])["attempts"], 0, "its attempt was given back");
    // The host comes back, as another member.
    a.start(&["--workers=1"]);
    assert_eq!(a.json(&["status", "--json"])["master"]["generation"], 3);
}

#[test]
fn the_workers_of_a_host_that_stands_still_are_dead_before_its_jobs_run_elsewhere() {
    let (mut a, mut b) = two();
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Tells of itself as long as it lives, under its own number.
    let script = format!("while :; do echo $$ >> {}; sleep 0.02; done", at("alive").display());
    let job = a.ok(&["push", "--", "sh", "-c", &script]);
    a.start(&["--workers=1"]);
    eventually("it runs", || at("alive").exists());
    b.start(&["--workers=1"]);
    a.signal(Signal::SIGSTOP);
    let told = || -> Vec<String> {
        std::fs::read_to_string(at("alive")).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    let first = told()[0].clone();
    eventually("it runs at the other", || told().last() != Some(&first));
    let all = told();
    let last_of_first = all.iter().rposition(|pid| *pid == first).unwrap();
    let first_of_second = all.iter().position(|pid| *pid != first).unwrap();
    assert!(last_of_first < first_of_second, "two runs of one job at the same time");
    assert_eq!(b.state(job.trim()), "running");
    a.signal(Signal::SIGCONT);
    let pid = u64::from(a.master.as_ref().unwrap().id());
    eventually("the same process serves again, as another member", || master(&a) == (Some(pid), Some(3)));
    let said = std::fs::read_to_string(a.log()).unwrap();
    assert!(said.contains("had said nothing for its lease; it begins anew"), "{said}");
    b.ok(&["jobs", "cancel", job.trim()]);
    b.ok(&["stop"]);
    assert_eq!(a.ok(&["push", "--wait", "--", "echo", "again"]).trim(), "again");
    assert_eq!(zombies(pid), 0, "nothing of the life before is left");
}

/// The process and the generation of a master that answers.
fn master(host: &Host) -> (Option<u64>, Option<u64>) {
    let master =
        serde_json::from_str::<Value>(&host.run(&["status", "--json"]).0).unwrap_or_default()["master"].clone();
    (master["pid"].as_u64(), master["generation"].as_u64())
}

/// Children of a process that have ended and were not reaped.
fn zombies(parent: u64) -> usize {
    let stats = std::fs::read_dir("/proc").unwrap().flatten();
    let stats = stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let is_one = |stat: &String| stat.split(") ").last().is_some_and(|rest| rest.starts_with(&format!("Z {parent} ")));
    stats.filter(is_one).count()
}

#[test]
fn a_host_that_is_cut_off_begins_none_of_the_jobs_that_it_has_claimed_ahead() {
    const JOBS: usize = 12;
    let url = format!("{}&lease=5s", new_url());
    let way = Way::to(&url);
    let (mut a, mut b) = (Host::new(&way.url), Host::new(&url));
    let folder = tempfile::tempdir().unwrap();
    let file_of = |job: usize| folder.path().join(format!("alive-{job}"));
    let script = |job| {
        format!(
            "echo $HOME >> {}; while :; do echo $$ >> {}; sleep 0.02; done",
            folder.path().join("hosts").display(),
            file_of(job).display()
        )
    };
    let command = |argv: &[&str]| format!("{}\n", serde_json::json!({"type": "exec", "args": {"argv": argv}}));
    // A host that has done many short jobs claims some ahead.
    let mut jobs = command(&["true"]).repeat(200);
    jobs.extend((0..JOBS).map(|job| command(&["sh", "-c", &script(job)])));
    let file = folder.path().join("jobs.jsonl");
    std::fs::write(&file, jobs).unwrap();
    b.ok(&["push", "--jsonl", "--file", file.to_str().unwrap()]);
    a.start(&["--workers=3", "--prefetch=1"]);
    eventually("a long one runs", || (0..JOBS).any(|job| file_of(job).exists()));
    let host = |host: &Host, at: usize| host.json(&["status", "--json"])["hosts"][at].clone();
    assert!(host(&a, 0)["busy"].as_u64() > Some(3), "none was claimed ahead: {}", host(&a, 0));
    b.start(&["--workers=12"]);
    way.cut(true);
    let by_a = || {
        let hosts = std::fs::read_to_string(folder.path().join("hosts")).unwrap();
        hosts.lines().filter(|home| Path::new(home) == a.home.path()).count()
    };
    let before = by_a();
    let says = || std::fs::read_to_string(a.log()).unwrap().contains("no job is begun until it does");
    eventually("the host says that it is cut off", says);
    eventually("the others run at the other host", || b.json(&["status", "--json"])["queues"][0]["running"] == JOBS);
    let told = |job| -> Vec<String> {
        std::fs::read_to_string(file_of(job)).unwrap_or_default().lines().map(str::to_owned).collect()
    };
    let of_b = |job: usize| move |_: &Host| told(job).len();
    eventually("all of them have said so", || (0..JOBS).all(|job| of_b(job)(&b) > 0));
    let runs = |job: usize| {
        let mut runs = told(job);
        runs.dedup();
        runs
    };
    assert_eq!(by_a(), before, "begun at a host that is cut off");
    for runs in (0..JOBS).map(runs) {
        let pids: std::collections::BTreeSet<_> = runs.iter().collect();
        assert_eq!(pids.len(), runs.len(), "two runs of a job at the same time");
    }
    way.cut(false);
    let pid = u64::from(a.master.as_ref().unwrap().id());
    eventually("the host that was cut off begins anew, in the same process", || master(&a) == (Some(pid), Some(3)));
}
