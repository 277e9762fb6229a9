//! Each check over a status document.

use serde_json::json;

use super::*;
use crate::model::service::{CallLoad, HealthStatus};
use crate::model::{QueueName, QueueTotals};
use crate::report::status::{QueueStatus, UnservedStatus};

/// A master with one pool of two workers and one queue; all is well.
fn well() -> Status {
    let master = json!({
        "pid": 7, "generation": 1, "state": "running", "version": "1", "started_at": "2026-01-01T00:00:00Z",
        "uptime_s": 60.0, "database": "q.db", "durability": "full", "containment": "tree", "memory_bytes": 1,
    });
    let totals = QueueTotals { name: QueueName::new("mail").expect("a name"), ready: 1, ..QueueTotals::default() };
    Status {
        master: serde_json::from_value(master).expect("a master"),
        queues: vec![QueueStatus { oldest_ready_s: Some(90.0), ..QueueStatus::new(&totals, None, UnixMicros(0)) }],
        pools: vec![pool("mail", 2, 2, None)],
        workers: Vec::new(),
        unserved: Vec::new(),
        elsewhere: crate::model::serves::Serves::default(),
        jobs_per_s: 0.0,
    }
}

fn pool(name: &str, wanted: u32, ready: u32, problem: Option<&str>) -> PoolStatus {
    let json = json!({
        "name": name, "queues": ["mail"], "kind": "exec", "wanted": wanted, "state": if wanted == 0 { "stopped" } else { "running" }, "ready": ready, "busy": 0, "starting": 0,
        "draining": 0, "problem": problem,
    });
    serde_json::from_value(json).expect("a pool")
}

fn health(status: &Status, max_wait: Option<Duration>) -> Health {
    Health::of(Facts { status, processors: &[], max_wait, now: UnixMicros(0) })
}

/// The only check that does not pass, and the verdict.
fn wrong(status: &Status) -> (Verdict, &'static str, Mark, String) {
    let Health { status, checks } = health(status, Some(Duration::from_mins(1)));
    let mut wrong = checks.into_iter().filter(|check| check.status != Mark::Pass);
    let Check { name, status: mark, message } = wrong.next().expect("a check that does not pass");
    assert_eq!(wrong.next(), None);
    (status, name, mark, message)
}

fn patient() -> Status {
    let mut status = well();
    status.queues[0].oldest_ready_s = None;
    status
}

fn with_problem(topic: Topic, text: &str) -> Status {
    let mut status = patient();
    let master = status.master.as_mut().expect("a master");
    (master.problems, master.problem_topics) = (vec![text.to_owned()], vec![topic]);
    status
}

#[test]
fn all_is_well_where_no_check_fails_and_each_has_a_sentence() {
    let health = health(&well(), None);
    assert_eq!(health.status, Verdict::Healthy);
    let names: Vec<&str> = health.checks.iter().map(|check| check.name).collect();
    assert_eq!(names, ["master", "store", "machine", "pools", "services", "queues", "wait", "processors"]);
    assert!(health.checks.iter().all(|check| check.status == Mark::Pass && check.message.len() > 10), "{health:?}");
    let text = anstream::adapter::strip_str(&health.text()).to_string();
    assert!(text.starts_with("healthy\npass  master      master 7 runs for 1m, version 1\n"), "{text}");
    assert!(text.contains("pass  pools       1 pool, 2 of 2 workers ready\n"), "{text}");
    let json = serde_json::to_value(&health).expect("JSON");
    assert_eq!((&json["status"], &json["checks"][1]["status"]), (&"healthy".into(), &"pass".into()));
}

#[test]
fn what_an_operator_asked_for_is_not_wrong() {
    let mut status = patient();
    status.pools.push(pool("images", 0, 0, Some("cannot run `x`")));
    status.queues[0] = QueueStatus { paused: true, oldest_ready_s: Some(1e6), ..status.queues[0].clone() };
    let health = health(&status, Some(Duration::from_mins(1)));
    assert_eq!(health.status, Verdict::Healthy);
    assert_eq!(health.checks[3].message, "2 pools, 1 stopped, 2 of 2 workers ready");
    assert_eq!(health.checks[5].message, "a pool takes every job that is ready; paused: `mail`");
}

#[test]
fn a_service_is_as_well_as_its_worst_worker_and_its_circuit() {
    let said = |status| Some(crate::model::service::Health { status, message: "disk: full".to_owned() });
    let of = |circuit_open_s, health| {
        let mut status = patient();
        let calls = CallLoad { circuit_open_s, health, ..CallLoad::default() };
        status.pools.push(PoolStatus { kind: "service".to_owned(), calls: Some(calls), ..pool("calc", 1, 1, None) });
        status
    };
    assert_eq!(health(&of(None, said(HealthStatus::Healthy)), None).status, Verdict::Healthy);
    let degraded = "service `calc`: a worker says that it is degraded: disk: full".to_owned();
    assert_eq!(wrong(&of(None, said(HealthStatus::Degraded))), (Verdict::Degraded, "services", Mark::Warn, degraded));
    let open = "service `calc`: the circuit is open, as workers died or did not answer: calls are refused for 5s";
    assert_eq!(wrong(&of(Some(5.0), None)), (Verdict::Unhealthy, "services", Mark::Fail, open.to_owned()));
}

#[test]
fn a_service_without_a_worker_that_is_ready_is_unhealthy_unless_none_is_wanted() {
    let of = |wanted, ready, state: &str| {
        let mut status = patient();
        let calls = Some(CallLoad::default());
        let service = PoolStatus { kind: "service".to_owned(), calls, ..pool("calc", wanted, ready, None) };
        status.pools.push(PoolStatus { state: state.to_owned(), ..service });
        status
    };
    let text = "service `calc`: 0 of 2 workers ready".to_owned();
    assert_eq!(wrong(&of(2, 0, "running")), (Verdict::Unhealthy, "services", Mark::Fail, text));
    for (wanted, ready, state) in [(2, 1, "running"), (0, 0, "running"), (0, 0, "stopped"), (1, 0, "waiting")] {
        assert_eq!(health(&of(wanted, ready, state), None).status, Verdict::Healthy, "{wanted} {ready} {state}");
    }
}

#[test]
fn each_thing_that_is_wrong_is_named_by_its_check() {
    use Mark::{Fail, Warn};
    let late = "the first ready job of queue `mail` has waited for 1m 30s, longer than 1m";
    assert_eq!(wrong(&well()), (Verdict::Degraded, "wait", Warn, late.to_owned()));
    let none = Status { master: None, pools: Vec::new(), ..patient() };
    assert_eq!(wrong(&none), (Verdict::Unhealthy, "master", Fail, "no master runs".to_owned()));
    for (state, text) in [
        ("draining", "master 7 is draining: it ends when its jobs are done, and begins no other"),
        ("stopping", "master 7 is stopping: it ends its jobs, and begins no other"),
        (UNREACHABLE, "master 7 does not answer"),
    ] {
        let mut status = patient();
        status.master.as_mut().expect("a master").state = state.to_owned();
        assert_eq!(wrong(&status), (Verdict::Unhealthy, "master", Fail, text.to_owned()));
    }
    let full = "the disk is full";
    let of_store = with_problem(Topic::Store, full);
    assert_eq!(wrong(&of_store), (Verdict::Unhealthy, "store", Fail, full.to_owned()));
    assert_eq!(wrong(&with_problem(Topic::Log, full)), (Verdict::Degraded, "store", Warn, full.to_owned()));
    assert_eq!(wrong(&with_problem(Topic::Files, full)), (Verdict::Degraded, "machine", Warn, full.to_owned()));
    let hidden = health(&with_problem(Topic::Proc, full), None);
    assert_eq!(hidden.status, Verdict::Healthy, "as long as the machine runs it is so");
    let mut status = patient();
    status.pools = vec![pool("a", 2, 1, Some("exit status 3")), pool("b", 1, 0, Some("cannot run `x`"))];
    let text = "no worker of pool `b` is ready: cannot run `x`; 1 of 2 workers of pool `a` are ready: exit status 3";
    assert_eq!(wrong(&status), (Verdict::Unhealthy, "pools", Fail, text.to_owned()));
    let mut status = patient();
    let queue = |n: u32| QueueName::new(&format!("q{n}")).expect("a name");
    let unserved =
        |n| UnservedStatus { queue: queue(n), jobs: 1, kind: None, problem: format!("no pool serves `q{n}`") };
    status.unserved = (1..=5).map(unserved).collect();
    let text = "no pool serves `q1`; no pool serves `q2`; no pool serves `q3`; and 2 more";
    assert_eq!(wrong(&status), (Verdict::Degraded, "queues", Warn, text.to_owned()));
}

#[test]
fn a_processor_that_is_due_for_a_minute_and_does_not_run_is_overdue() {
    let status = patient();
    let of = |processor: &ProcessorStatus| {
        let now = UnixMicros(100_000_000);
        Health::of(Facts { status: &status, processors: std::slice::from_ref(processor), max_wait: None, now })
    };
    let json = json!({
        "name": "report", "description": "", "schedule": "every 1m", "enabled": true, "configured_enabled": true,
        "next_at": "1970-01-01T00:00:10Z", "skipped": 0,
    });
    let late: ProcessorStatus = serde_json::from_value(json).expect("a processor");
    let check = of(&late).checks.pop().expect("a check");
    assert_eq!((check.status, &*check.message), (Mark::Warn, "processor `report` is overdue by 1m 30s"));
    for well in [
        ProcessorStatus { next_at: Some(UnixMicros(90_000_000)), ..late.clone() },
        ProcessorStatus { enabled: false, ..late.clone() },
        ProcessorStatus { configured_enabled: None, ..late.clone() },
    ] {
        assert_eq!(of(&well).status, Verdict::Healthy, "{well:?}");
    }
}
