//! `debug`: steps of the master, to who follows them and as long as it is on.

use std::fs::File;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::support::{Bench, DEADLINE, fixture};

/// `events -f --jsonl`, which writes to a file.
struct Follower(Child, std::path::PathBuf);

impl Follower {
    fn start(bench: &Bench) -> Self {
        let to = bench.path().join("steps");
        let mut command = bench.std_command();
        command.args(["events", "-f", "--jsonl"]).stdout(File::create(&to).expect("a file")).stderr(Stdio::null());
        let follower = Self(command.spawn().expect("started"), to);
        bench.wait_for("it to follow", DEADLINE, |_| !follower.heard().is_empty());
        follower
    }

    fn heard(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(&self.1).expect("a file");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// Steps of this kind, with what is in `data`.
    fn steps(&self, kind: &str) -> Vec<Value> {
        let of_kind = |event: &Value| event["event"] == kind && event["level"] == "debug";
        self.heard().into_iter().filter(of_kind).collect()
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start<'b>(bench: &'b Bench, program: &str) -> crate::support::Master<'b> {
    let program = fixture(program);
    let words: Vec<&str> = program.iter().map(String::as_str).collect();
    bench.start(&[&["--workers", "1", "--queue", "default", "--"], &words[..]].concat())
}

#[test]
fn each_step_is_told_while_debug_is_on_and_none_before_or_after() {
    let bench = Bench::new();
    bench.run(&["debug"]).expect_code(3);
    let _master = start(&bench, "echo.py");
    let follower = Follower::start(&bench);
    let before = bench.push(&["t", "\"first\""]);
    bench.wait_for_job(before, "succeeded");
    assert_eq!(bench.status()["master"]["debug_until"], Value::Null);

    let until = bench.run(&["debug", "--json"]).expect_code(0).json();
    assert_eq!(bench.status()["master"]["debug_until"], until["until"]);
    let status = bench.run(&["status"]).expect_code(0).stdout;
    assert!(status.contains("debug until ") && status.contains("`queue-work debug off` ends it"), "{status}");
    let long = format!("{{\"text\":\"{}\"}}", "é".repeat(3000));
    let job = bench.push(&["t", &long]);
    bench.wait_for_job(job, "succeeded");
    bench.ok(&["restart", "default-1"]);
    let kinds = ["claims", "claimed", "dispatched", "sent", "received", "decided", "spawned", "turns"];
    bench.wait_for("each kind of step", DEADLINE, |_| kinds.iter().all(|kind| !follower.steps(kind).is_empty()));
    let of_job = |kind: &str| {
        let steps = follower.steps(kind);
        steps.into_iter().find(|step| step["job_id"] == job).unwrap_or_else(|| panic!("no {kind} of the job"))
    };
    assert_eq!(of_job("dispatched")["worker"], "default-1");
    assert_eq!(
        (&of_job("decided")["outcome"], &of_job("decided")["data"]["next"]),
        (&json!("succeeded"), &json!("succeeded"))
    );
    let sent = &follower.steps("sent")[0];
    let (bytes, text) =
        (sent["data"]["bytes"].as_u64().expect("a size"), sent["data"]["detail"].as_str().expect("a text"));
    assert!(bytes > 6000 && text.len() < 2100 && text.starts_with("{\"jsonrpc\"") && text.ends_with("é…"), "{sent}");
    assert!(!sent["msg"].as_str().expect("words").contains('é'), "{sent}");
    let spawned = &follower.steps("spawned")[0];
    assert!(spawned["data"]["detail"].as_str().expect("a command").contains("echo.py"), "{spawned}");
    assert!(!follower.heard().iter().any(|event| event["level"] == "debug" && event.to_string().contains("first")));
    let kept = bench.run(&["events", "--json"]).expect_code(0).json();
    assert!(kept.as_array().expect("a list").iter().all(|event| event["level"] != "debug"), "{kept}");

    assert_eq!(bench.ok(&["debug", "off"]), "debug is off\n");
    bench.wait_for("the end to be told", DEADLINE, |_| follower.steps("debug_ended").len() == 1);
    let after = bench.push(&["--max-attempts", "1", "t", "\"last\""]);
    bench.wait_for_job(after, "succeeded");
    bench.ok(&["scale", "2"]);
    bench.wait_for("the other worker to be told", DEADLINE, |_| {
        follower.heard().iter().any(|event| event["worker"] == "default-2")
    });
    assert!(!follower.heard().iter().any(|event| event.to_string().contains("last")));
    assert_eq!(bench.status()["master"]["debug_until"], Value::Null);

    let deeds = bench.run(&["audit", "--verb", "debug", "--json"]).expect_code(0).json();
    let targets: Vec<&Value> = deeds.as_array().expect("a list").iter().map(|deed| &deed["target"]).collect();
    assert_eq!(targets, ["off", "for 10m"]);
}

#[test]
fn debug_ends_by_itself_and_is_on_for_an_hour_at_most() {
    let bench = Bench::new();
    let _master = start(&bench, "echo.py");
    let follower = Follower::start(&bench);
    bench.ok(&["debug", "200ms"]);
    bench.wait_for("the end to be told", DEADLINE, |_| follower.steps("debug_ended").len() == 1);
    assert_eq!(bench.status()["master"]["debug_until"], Value::Null);
    for wrong in ["61m", "-1s", "on"] {
        bench.run(&["debug", wrong]).expect_code(2);
    }
    let mut peer = Peer::new(&bench);
    for wrong in [json!({"seconds": 3601}), json!({"seconds": -1}), json!({}), json!({"seconds": 1, "level": 3})] {
        let answer = peer.exchange("debug", &wrong);
        assert_eq!(answer["error"]["code"], -32602, "{wrong}: {answer}");
    }
    assert_eq!(bench.run(&["audit", "--verb", "debug", "--json"]).json().as_array().expect("a list").len(), 1);
}

#[test]
fn who_does_not_read_steps_holds_up_nobody_and_is_told_how_many_are_missing() {
    let bench = Bench::new();
    let _master = start(&bench, "echo.py");
    let mut deaf = Peer::new(&bench);
    deaf.ask(&json!(1), "events.follow", &json!({"debug": true}));
    bench.ok(&["debug"]);
    let args = "x".repeat(1000);
    let jobs = format!("{{\"type\":\"t\",\"args\":\"{args}\"}}\n").repeat(1500);
    bench.verb(&["push", "--jsonl"]).stdin(jobs).run().expect_code(0);
    bench.wait_for_job(1500, "succeeded");
    let missed = |bench: &Bench| -> u64 {
        let text = bench.ok(&["metrics"]);
        let line = text.lines().find(|line| line.starts_with("queue_work_events_dropped_total ")).expect("it is there");
        line.rsplit(' ').next().expect("a number").parse().expect("a number")
    };
    let missing = missed(&bench);
    assert!(missing > 100, "{missing}");
    let (mut told, mut last) = (0, 0);
    while told == 0 {
        let line = deaf.hear();
        told = line["params"]["lines"].as_u64().unwrap_or(0);
        last += 1;
        if last % 500 == 0 {
            // What was left out is told with what comes next.
            bench.push(&["t"]);
        }
    }
    assert!(told > 100, "{told}");
}
