//! Pools that come after others, through the real binary: `needs` and `sidecars`.

use std::fs;

use serde_json::{Value, json};

use crate::help::{end, expect, pid, pool, wait_ready, workers};
use crate::support::{Bench, DEADLINE};

/// A script that writes down when it begins and ends.
const NOTES: &str = "echo begin $QUEUE_WORK_WORKER >> journal; trap 'echo end $QUEUE_WORK_WORKER >> journal; exit 0' TERM; \
                     while :; do sleep 0.02; done";

/// An opaque pool of so many workers that run this script, with these further lines.
fn table(name: &str, workers: u32, script: &str, more: &str) -> String {
    let command = json!(["sh", "-c", script]);
    format!("[pools.{name}]\nkind = \"opaque\"\ncommand = {command}\nworkers = {workers}\n{more}\n")
}

fn write(bench: &Bench, tables: &[String]) {
    fs::write(bench.path().join("queue-work.toml"), tables.concat()).expect("a configuration");
}

fn read(bench: &Bench, name: &str) -> String {
    fs::read_to_string(bench.path().join(name)).unwrap_or_default()
}

#[test]
fn a_pool_begins_after_those_that_it_needs_and_ends_before_them() {
    let bench = Bench::new();
    let held = "until test -e go; do sleep 0.02; done; echo '{\"method\":\"ready\"}'; cat > /dev/null; echo end database >> journal";
    let database =
        format!("[pools.database]\ncommand = {}\nworkers = 1\nready = \"message\"\n", json!(["sh", "-c", held]));
    write(&bench, &[table("app", 1, NOTES, "needs = [\"database\"]"), database]);
    let master = bench.launch(&[]);
    bench.wait_for("the pool to wait", DEADLINE, |b| pool(b, "app")["state"] == "waiting");
    expect(&pool(&bench, "app"), &json!({"waits_for": ["database"], "problem": "waits for `database`", "ready": 0}));
    assert!(bench.ok(&["status"]).contains("app (waits for `database`)"), "{}", bench.ok(&["status"]));
    let health = bench.run(&["health"]);
    assert!(health.stdout.contains("pool `app`: waits for `database`"), "{health:?}");
    assert_eq!(read(&bench, "journal"), "");
    fs::write(bench.path().join("go"), "").expect("a file");
    wait_ready(&bench, 2);
    assert!(pool(&bench, "app")["waits_for"].is_null());
    bench.wait_for("the pool to begin", DEADLINE, |b| read(b, "journal") == "begin app-1\n");
    end(&bench, master);
    assert_eq!(read(&bench, "journal"), "begin app-1\nend app-1\nend database\n");
}

#[test]
fn a_job_whose_pool_waits_for_another_is_told_so() {
    let bench = Bench::new();
    let database = "[pools.database]\ncommand = [\"cat\"]\nworkers = 1\nready = \"message\"\n".to_owned();
    let app = "[pools.app]\ncommand = [\"cat\"]\nworkers = 1\nneeds = \"database\"\n".to_owned();
    write(&bench, &[app, database]);
    let master = bench.launch(&[]);
    let job = bench.push(&["x", "--queue", "app"]);
    let why = |b: &Bench, of: &str| b.run(&["why", of]).stdout;
    let said = "pool `app` waits for `database`; see `queue-work";
    bench.wait_for("the reason", DEADLINE, |b| why(b, &job.to_string()).contains(said));
    assert!(why(&bench, "app").contains(said), "{}", why(&bench, "app"));
    end(&bench, master);
}

/// What a sidecar was told, in order.
#[test]
fn a_drain_is_given_up_where_a_pool_waits_for_one_that_cannot_be_started() {
    let bench = Bench::new();
    let database = "[pools.database]\ncommand = [\"/nowhere/database\"]\nworkers = 1\n".to_owned();
    let app = "[pools.app]\ncommand = [\"cat\"]\nworkers = 1\nneeds = \"database\"\n".to_owned();
    write(&bench, &[app, database]);
    bench.push(&["x", "--queue", "app"]);
    let mut master = bench.launch(&["--drain"]);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(1));
    let said = master.stderr();
    assert!(said.contains("pool `database`") && said.contains("/nowhere/database"), "{said}");
}

fn told(bench: &Bench) -> Vec<Value> {
    read(bench, "told").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn pids_of(bench: &Bench, name: &str) -> Vec<i32> {
    let of_pool = |worker: &&Value| worker["pool"] == name && worker["pid"].is_number();
    let mut pids: Vec<i32> = workers(bench).iter().filter(of_pool).map(pid).collect();
    pids.sort_unstable();
    pids
}

#[test]
fn a_sidecar_lives_as_long_as_its_pool_and_is_told_its_processes() {
    for kind in ["opaque", "protocol"] {
        let bench = Bench::new();
        let script = "echo $QUEUE_WORK_SIDECAR_OF > of; exec cat >> told";
        let sidecar = table("side", 1, script, "").replace("opaque", kind);
        write(&bench, &[table("main", 2, NOTES, "sidecars = [\"side\"]"), sidecar]);
        let master = bench.start(&[]);
        wait_ready(&bench, 3);
        let is_told = |b: &Bench| {
            let pids = pids_of(b, "main");
            let last = told(b).last().cloned().unwrap_or_default();
            last == json!({"method": "main", "params": {"pool": "main", "pids": pids}}) && !pids.is_empty()
        };
        bench.wait_for("it to be told", DEADLINE, is_told);
        assert_eq!(read(&bench, "of"), "main\n");
        let side = pids_of(&bench, "side");
        bench.ok(&["restart", "main-1"]);
        bench.wait_for("it to be told of the new one", DEADLINE, is_told);
        assert_eq!(pids_of(&bench, "side"), side, "it is not touched");
        // Its death is its own.
        let mains = pids_of(&bench, "main");
        bench.ok(&["restart", "--pool", "side"]);
        bench.wait_for("the new one to be told", DEADLINE, is_told);
        assert_eq!(pids_of(&bench, "main"), mains);

        bench.ok(&["scale", "0", "--pool", "main"]);
        bench.wait_for("it to leave", DEADLINE, |b| workers(b).is_empty());
        expect(
            &pool(&bench, "side"),
            &json!({"state": "waiting", "waits_for": ["main"], "wanted": 1, "problem": null}),
        );
        bench.ok(&["scale", "1", "--pool", "main"]);
        bench.wait_for("it to be there again", DEADLINE, |b| pids_of(b, "side").len() == 1 && is_told(b));
        end(&bench, master);
    }
}

#[test]
fn a_sidecar_that_closes_its_input_lives_on() {
    let bench = Bench::new();
    let script = "exec < /dev/null; echo > closed; trap 'exit 0' TERM; while :; do sleep 0.02; done";
    write(&bench, &[table("main", 1, NOTES, "sidecars = \"side\""), table("side", 1, script, "")]);
    let master = bench.start(&[]);
    bench.wait_for("it to close its input", DEADLINE, |b| b.path().join("closed").exists());
    let side = pids_of(&bench, "side");
    bench.ok(&["scale", "2", "--pool", "main"]);
    bench.wait_for("both", DEADLINE, |b| pids_of(b, "main").len() == 2);
    assert_eq!(pids_of(&bench, "side"), side);
    end(&bench, master);
}

#[test]
fn circles_and_pools_that_there_are_not_are_refused_at_the_start_and_by_a_reload() {
    let bench = Bench::new();
    let app = |more: &str| [table("app", 1, NOTES, more), table("other", 1, NOTES, "needs = \"app\"")];
    write(&bench, &app("needs = \"other\""));
    let refused = bench.run(&[]).expect_code(2);
    assert!(refused.stderr.contains("`app` begins before itself: `app` → `other` → `app`"), "{refused:?}");
    write(&bench, &app(""));
    let master = bench.start(&[]);
    write(&bench, &app("needs = \"nobody\""));
    let refused = bench.run(&["reload"]).expect_code(2);
    assert!(refused.stderr.contains("`needs` names `nobody`, and there is no such pool"), "{refused:?}");
    end(&bench, master);
}
