//! Reasons by the facts: what comes first where several hold a job.

use serde_json::json;

use super::*;

fn job(state: &str, kind: &str) -> JobRecord {
    let json = json!({
        "id": 7, "type": kind, "queue": "mail", "state": state, "args": null, "priority": 0, "unique": null, "attempts": 0,
        "crashes": 0, "releases": 0, "max_attempts": 3, "timeout_s": null, "result": null, "cause": null, "error": null,
        "progress": null, "pushed_at": "1970-01-01T00:00:00Z", "due_at": "1970-01-01T00:01:00Z", "expires_at": null,
        "finished_at": null,
    });
    serde_json::from_value(json).expect("a job")
}

/// A pool for the queue `mail`: its name, what it takes, its wanted, ready and busy workers, its problem.
type Pool<'a> = (&'a str, &'a str, u32, u32, u32, Option<&'a str>);

/// A master with these pools.
fn status(pools: &[Pool<'_>]) -> Status {
    let pool = |&(name, takes, wanted, ready, busy, problem): &Pool<'_>| {
        json!({
            "name": name, "queues": ["mail"], "kind": "exec", "takes": [takes], "wanted": wanted, "ready": ready,
            "busy": busy, "state": if wanted == 0 { "stopped" } else { "running" }, "starting": 0, "draining": 0, "problem": problem,
        })
    };
    let json = json!({
        "master": {
            "pid": 9, "generation": 1, "state": "running", "version": "1", "started_at": "1970-01-01T00:00:00Z",
            "uptime_s": 1.0, "database": "q.db", "durability": "full", "containment": "tree", "memory_bytes": 1,
        },
        "queues": [], "pools": pools.iter().map(pool).collect::<Vec<_>>(), "workers": [], "unserved": [], "jobs_per_s": 0.0,
    });
    serde_json::from_value(json).expect("a status")
}

fn codes(job: &JobRecord, status: &Status, absent: Option<&Reason>) -> Vec<&'static str> {
    let why = Why::of(Facts { job, runs: &[], around: &Around::default(), status, absent, now: UnixMicros(0) });
    assert!(why.reasons.iter().all(|reason| !reason.text().is_empty() && !reason.text().ends_with('.')));
    why.reasons.iter().map(Reason::code).collect()
}

#[test]
fn the_first_reason_is_that_without_which_the_job_would_go_on_to_the_next() {
    let ready = job("ready", "exec");
    let ours = |wanted, ready, busy, problem| [("a", "exec", wanted, ready, busy, problem)];
    let table: [(&[_], &[&str]); 8] = [
        (&[], &["unserved"]),
        (&[("a", "*", 1, 1, 0, None)], &["unserved"]),
        (&ours(0, 0, 0, Some("old")), &["pool_stopped"]),
        (&ours(2, 0, 0, Some("exit status 3")), &["no_worker"]),
        (&ours(2, 0, 0, None), &["starting"]),
        (&ours(2, 2, 2, None), &["busy"]),
        (&ours(2, 1, 1, Some("exit status 3")), &["busy"]),
        (&ours(2, 2, 1, None), &["begins"]),
    ];
    for (pools, expected) in table {
        assert_eq!(codes(&ready, &status(pools), None), expected, "{pools:?}");
    }
    let stuck_beside_busy = [("a", "exec", 1, 0, 0, Some("no")), ("b", "exec", 1, 1, 1, None)];
    assert_eq!(codes(&ready, &status(&stuck_beside_busy), None), ["busy"]);
}

#[test]
fn everything_else_that_holds_a_job_comes_behind() {
    let mut held = status(&[("a", "exec", 2, 0, 0, Some("exit status 3"))]);
    let master = held.master.as_mut().expect("a master");
    master.state = "draining".to_owned();
    (master.problems, master.problem_topics) =
        (vec!["full".to_owned(), "x".to_owned()], vec![Topic::Store, Topic::Files]);
    let totals = json!({
        "name": "mail", "paused": true, "ready": 1, "scheduled": 0, "running": 0, "dead": 0, "oldest_ready_s": 1.0,
        "succeeded_total": 0, "failed_total": 0,
    });
    held.queues = vec![serde_json::from_value(totals).expect("a queue")];
    let mut ready = job("ready", "exec");
    (ready.unique, ready.expires_at) = (Some("k".to_owned()), Some(UnixMicros(5_000_000)));
    assert_eq!(codes(&ready, &held, None), ["draining", "store", "paused", "no_worker", "expires", "unique"]);
    let waits = job("scheduled", "exec");
    let due = JobRecord { due_at: UnixMicros(0), ..waits.clone() };
    assert_eq!(codes(&due, &held, None)[0], "draining", "a job that is due waits for no time");
    assert_eq!(codes(&waits, &held, None), ["scheduled", "draining", "store", "paused", "no_worker"]);
    let none = Reason::NoMaster { error: "no master runs on `q.db`; start one with `queue-work`".to_owned() };
    let store = Status { master: None, pools: Vec::new(), ..held };
    assert_eq!(codes(&ready, &store, Some(&none)), ["no_master", "paused", "expires", "unique"]);
    assert_eq!(codes(&job("running", "exec"), &store, Some(&none)), ["lost_master"]);
    assert_eq!(codes(&job("running", "exec"), &status(&[]), None), ["at_worker"]);
    assert_eq!(
        (none.text().as_str(), none.next().as_deref()),
        ("no master runs on `q.db`", Some("start one with `queue-work`"))
    );
}

#[test]
fn a_reason_has_a_code_a_sentence_and_a_next_step_in_json() {
    let why = Why::of(Facts {
        job: &job("ready", "mail"),
        runs: &[],
        around: &Around::default(),
        status: &status(&[]),
        absent: None,
        now: UnixMicros(0),
    });
    let reason = json!({
        "code": "unserved", "text": "no pool serves queue `mail` (0 ready, the first of type `mail`)",
        "next": "add one with `queue-work spawn --queue mail --workers 1 -- CMD`",
    });
    let expected = json!({"job": 7, "state": "ready", "reasons": [reason]});
    assert_eq!(serde_json::to_value(&why).expect("JSON"), expected);
    let gone = Why::gone(JobId(7), Some(JobId(6)));
    assert_eq!(serde_json::to_value(&gone).expect("JSON")["state"], "gone");
}
