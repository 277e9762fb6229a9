//! Findings that a test cannot set up for real: a full disk, a master that leaves its workers idle, a machine without room.

use serde_json::json;

use super::*;
use crate::config::{Environment, Flags, Inputs};
use crate::report::health::Mark;

fn facts() -> Facts {
    let flags = Flags { database: Some("/x/q.db".into()), queue: vec!["mail".to_owned()], ..Flags::default() };
    let inputs = Inputs { flags, env: Environment::default(), cwd: Some("/x".into()) };
    let config = inputs.load().expect("a configuration").config;
    Facts {
        now: UnixMicros(1_000_000_000),
        version: "1.0.0",
        configuration: Ok(Setup { config, warnings: Vec::new(), changed: None }),
        store: Some(Stored { path: "/x/q.db".to_owned(), exam: Some(Ok(Exam::default())), ..Stored::default() }),
        status: Status { master: None, ..status("", &[], &[]) },
        has_answered: false,
        processors: Vec::new(),
        start: "queue-work".to_owned(),
        pools: Vec::new(),
        units: Vec::new(),
        machine: Machine { files: u64::MAX, ..Machine::default() },
    }
}

/// With a master of this version.
fn status(version: &str, queues: &[serde_json::Value], pools: &[serde_json::Value]) -> Status {
    let master = json!({"pid": 7, "generation": 1, "state": "running", "version": version, "started_at": "2026-01-01T00:00:00Z",
        "uptime_s": 60.0, "database": "/x/q.db", "durability": "full", "containment": "cgroup", "memory_bytes": 0});
    let all = json!({"master": master, "queues": queues, "pools": pools, "workers": [], "jobs_per_s": 0.0});
    serde_json::from_value(all).expect("a status")
}

/// All that is wrong, by name.
fn wrong(facts: &Facts) -> Vec<(&'static str, Mark, String)> {
    let checks = examine(facts).checks.into_iter().filter(|check| check.status != Mark::Pass);
    checks.map(|check| (check.name, check.status, check.message)).collect()
}

#[track_caller]
fn expect(facts: &Facts, name: &str, mark: Mark, part: &str) {
    let found = wrong(facts);
    assert!(matches!(&found[..], [(n, m, text)] if *n == name && *m == mark && text.contains(part)), "{found:?}");
}

#[test]
fn where_nothing_is_wrong_every_check_passes_and_none_has_the_name_of_another() {
    assert_eq!(wrong(&facts()), []);
    let mut names: Vec<&str> =
        examine(&Facts { has_answered: true, ..facts() }).checks.iter().map(|check| check.name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!((names.len(), all >= 30), (all, true), "{names:?}");
}

#[test]
fn room_on_the_disk_is_scarce_before_it_is_gone() {
    let with = |free_bytes, free_files| {
        let mut facts = facts();
        let room = Room { free_bytes, bytes: 1 << 40, free_files, files: 1_000_000 };
        facts.store = facts.store.map(|stored| Stored { room: Some(room), ..stored });
        facts
    };
    assert_eq!(wrong(&with(1 << 30, 5_000)), []);
    expect(&with(100 << 20, 5_000), "space", Mark::Warn, "only 100M of 1T are free there; see `df -h /x/q.db`");
    expect(&with(1 << 20, 5_000), "space", Mark::Fail, "only 1M");
    expect(&with(1 << 30, 7), "inodes", Mark::Warn, "only 7 files more");
}

#[test]
fn a_ready_job_beside_idle_workers_fails_only_where_all_of_its_pools_have_some() {
    let pool = |name: &str, ready: u32, busy: u32| {
        json!({"name": name, "queues": ["mail"], "kind": "exec", "wanted": ready, "ready": ready, "busy": busy, "starting": 0,
            "draining": 0})
    };
    let with = |waits: f64, pools: Vec<serde_json::Value>| {
        let queue = json!({"name": "mail", "paused": false, "ready": 3, "scheduled": 0, "running": 0, "dead": 0,
            "oldest_ready_s": waits, "succeeded_total": 0, "failed_total": 0});
        Facts { status: status("1.0.0", &[queue], &pools), ..facts() }
    };
    assert_eq!(wrong(&with(4.0, vec![pool("a", 2, 0)])), [], "it may be on its way");
    assert_eq!(wrong(&with(9.0, vec![pool("a", 2, 2)])), []);
    assert_eq!(wrong(&with(9.0, vec![pool("a", 2, 0), pool("b", 1, 1)])), [], "it may be for the other");
    expect(&with(9.0, vec![pool("a", 2, 0)]), "idle", Mark::Fail, "although 2 workers that serve it have none");
}

#[test]
fn limits_of_the_machine_are_held_against_the_workers() {
    let with = |machine| Facts { machine, ..facts() };
    let machine = || Machine { files: u64::MAX, ..Machine::default() };
    expect(&with(Machine { files: 64, files_needed: 80, ..machine() }), "files", Mark::Warn, "at most 64 files");
    expect(&with(Machine { processes: Some(3), ..machine() }), "processes", Mark::Warn, "at most 3 processes");
    let why = Some("nothing is mounted".to_owned());
    expect(&with(Machine { no_groups: why, ..machine() }), "containment", Mark::Warn, "(nothing is mounted)");
    expect(&with(Machine { hides_processes: true, ..machine() }), "proc", Mark::Warn, "hidepid");
    expect(&with(Machine { oom_kills: 2, ..machine() }), "oom", Mark::Warn, "killed 2 processes");
}

#[test]
fn a_pool_whose_workers_are_replaced_after_a_job_or_two_is_named() {
    let with = |replaced_soon| {
        let pools = vec![PoolHistory { name: "mail".to_owned(), workers: 20, replaced_soon, ..PoolHistory::default() }];
        Facts { pools, ..facts() }
    };
    assert_eq!(wrong(&with(4)), []);
    expect(&with(12), "recycling", Mark::Warn, "12 of the last 20 workers of pool `mail`");
}

#[test]
fn another_machines_disk_and_a_master_of_another_version_are_named() {
    let mut remote = facts();
    let dangers = Dangers { remote: Some("its file system (NFS) may be elsewhere".to_owned()), shared: None };
    remote.store = remote.store.map(|stored| Stored { dangers, ..stored });
    expect(&remote, "file_system", Mark::Fail, "NFS");
    let other = Facts { status: status("0.9.0", &[], &[]), ..facts() };
    expect(&other, "version", Mark::Warn, "`queue-work stop`");
}
