//! The wording of events, as a table.

use super::*;
use crate::model::notice::RunFacts;
use crate::model::worker::{EndReason, Exit};
use crate::model::{Cause, Generation, JobId, Outcome, PoolName, RunId, UnixMicros};

fn dead() -> Event {
    let error = Some("exit\x1b 3\n".into());
    let of = RunFacts { run: RunId(40), attempt: 3, ..RunFacts::default() };
    let cause = Cause::MaxAttempts;
    Notice::JobDead { job: JobId(31), kind: "exec".into(), cause, error, took_s: 1.5, of }.into()
}

fn ended(reason: EndReason) -> Event {
    Notice::WorkerEnded {
        worker: "default-1".into(),
        pid: 7,
        reason,
        exit: Some(Exit::Signal(9)),
        jobs_done: 1,
        known: false,
        why: None,
    }
    .into()
}

#[test]
fn events_are_worded_in_one_line() {
    let failed = Notice::JobFailed {
        job: JobId(3),
        kind: "resize".into(),
        worker: "mail-2".into(),
        outcome: Outcome::Failed,
        cause: Cause::Error,
        error: None,
        retry_in_s: 5.0,
        took_s: 0.0,
        of: RunFacts::default(),
    };
    let replaced = Notice::WorkerEnded {
        worker: "calc-1".into(),
        pid: 7,
        reason: EndReason::JobTimeout,
        exit: Some(Exit::Code(0)),
        jobs_done: 0,
        known: false,
        why: Some("it did not answer `health` within 5 s".into()),
    };
    let started = Event::PoolStarted {
        pool: "default".into(),
        kind: "exec".into(),
        queues: vec![QueueName::default()],
        workers: 4,
        limits: BTreeMap::from([("memory".into(), "+128M".into())]),
    };
    let pool = PoolName::new("default").expect("a name");
    let table = [
        (dead(), "job 31 (`exec`) is dead (max_attempts): exit\\x1b 3; see `queue-work jobs show 31`"),
        (ended(EndReason::Exited), "worker `default-1` ended by itself after 1 job (SIGKILL)"),
        (failed.into(), "job 3 (`resize`) failed (error) on `mail-2`; due again in 5s"),
        (
            replaced.into(),
            "worker `calc-1` was replaced after 0 calls, as it did not answer `health` within 5 s (exit code 0)",
        ),
        (started, "pool `default`: 4 workers for `default`, commands as jobs; memory +128M"),
        (
            Event::Stopping { running: 2, grace_s: 30.0, ctrl_c: true },
            "stopping: 2 running jobs may go on for 30s; press Ctrl-C again to end now",
        ),
        (Event::Stopping { running: 1, grace_s: 5.0, ctrl_c: false }, "stopping: 1 running job may go on for 5s"),
        (Event::Stopping { running: 1, grace_s: 0.0, ctrl_c: false }, "stopping: ending 1 running job now"),
        (Notice::Scaled { pool, was: 4, wanted: 1 }.into(), "pool `default` goes from 4 to 1 worker"),
        (Event::Forced { running: 1 }, "ending 1 running job now"),
    ];
    for (event, text) in table {
        assert_eq!(line(&event), text);
    }
}

#[test]
fn quiet_shows_nothing_and_verbose_shows_worker_starts() {
    let start = Notice::WorkerStarted { worker: "default-1".into(), pid: 7 }.into();
    let shown = |event: &Event, verbose, quiet| event.level() >= Level::shown(verbose, quiet);
    assert!(!shown(&dead(), 0, true) && shown(&dead(), 0, false));
    assert!(!shown(&Notice::Problem { text: String::new() }.into(), 0, true));
    assert!(!shown(&start, 0, false) && shown(&start, 1, false));
    assert!(shown(&ended(EndReason::Exited), 0, false));
    assert!(!shown(&ended(EndReason::Scaled), 0, false));
    let stray = Notice::StrayAnswer { worker: "default-1".into(), request: 9 }.into();
    assert!(!shown(&stray, 0, false) && shown(&stray, 1, false));
}

#[test]
fn a_line_in_json_has_the_members_of_the_schema_and_the_rest_below_data() {
    let at = UnixMicros(0);
    let read = |event: &Event, generation| {
        let text = json(event, generation, at);
        assert!(!text.contains('\n'), "{text}");
        serde_json::from_str::<serde_json::Value>(&text).expect("JSON")
    };
    let line = serde_json::json!({
        "ts": "1970-01-01T00:00:00.000000Z", "level": "warn", "event": "job_dead",
        "msg": "job 31 (`exec`) is dead (max_attempts): exit\\x1b 3; see `queue-work jobs show 31`",
        "generation": 7, "job_id": 31, "run_id": 40, "queue": "default", "type": "exec", "attempt": 3, "duration_s": 1.5,
        "data": {"cause": "max_attempts", "error": "exit\u{1b} 3\n"},
    });
    assert_eq!(read(&dead(), Some(Generation(7))), line);
    let line = serde_json::json!({
        "ts": "1970-01-01T00:00:00.000000Z", "level": "warn", "event": "worker_ended",
        "msg": "worker `default-1` ended by itself after 1 job (SIGKILL)", "pool": "default", "worker": "default-1",
        "pid": 7, "data": {"reason": "exited", "exit": {"signal": 9}, "jobs_done": 1, "known": false},
    });
    assert_eq!(read(&ended(EndReason::Exited), None), line);
    let output = LogLine { at, worker: "a-1".into(), stream: "out".into(), job: Some(JobId(3)), text: "x".into() };
    let line = serde_json::json!({
        "ts": "1970-01-01T00:00:00.000000Z", "level": "info", "event": "output", "msg": "x", "pool": "a", "worker": "a-1",
        "job_id": 3, "data": {"stream": "out"},
    });
    assert_eq!(read(&Event::Output(output), None), line);
}
