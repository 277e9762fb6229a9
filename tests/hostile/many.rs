//! A thousand workers, up and down.

use std::fs;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit};
use serde_json::json;

use crate::help::{alone_with_processes, cpu, memory, open_files, problems, status_takes, wait_for_workers};
use crate::support::{Bench, DEADLINE, now};

/// A worker that costs next to nothing: it reads a line, answers, and ends with its stdin.
const CHEAP: &str =
    r#"while read -r line; do id=${line#*\"id\":}; id=${id%%,*}; echo "{\"id\":$id,\"result\":null}"; done"#;

/// How many this machine allows.
fn affordable() -> u64 {
    let can = |what, each: u64, rest: u64| getrlimit(what).map_or(0, |(_, hard)| hard.saturating_sub(rest) / each);
    let (processes, files) = (can(Resource::RLIMIT_NPROC, 2, 500), can(Resource::RLIMIT_NOFILE, 5, 200));
    let threads: u64 =
        fs::read_to_string("/proc/sys/kernel/threads-max").ok().and_then(|t| t.trim().parse().ok()).unwrap_or(0);
    if processes.min(files).min(threads / 4) >= 1000 { 1000 } else { 300 }
}

#[test]
fn a_thousand_workers_come_up_do_jobs_and_go() {
    let _alone = alone_with_processes();
    let many = affordable();
    let bench = Bench::new();
    let command = json!(["/bin/sh", "-c", CHEAP]);
    let text = format!("[pools.default]\nworkers = {many}\nmax_time = \"10h\"\ncommand = {command}\n");
    fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    let begun = now();
    let mut master = bench.start(&[]);
    // It is heard while they are being started, which takes all processors there are.
    let took = status_takes(&bench, &format!("{many} workers start"));
    assert!(took[20] < Duration::from_secs(5), "{took:?}");
    wait_for_workers(&bench, "default", many);
    println!("{many} workers ready after {:?}", begun.elapsed());
    let jobs = "{\"type\":\"t\"}\n".repeat(5000);
    let begun = now();
    bench.verb(&["push", "--jsonl"]).stdin(jobs).run().expect_code(0);
    bench.wait_for("5,000 jobs", 2 * DEADLINE, |b| b.status()["queues"][0]["succeeded_total"] == 5000);
    println!("5,000 jobs by {many} workers in {:?}", begun.elapsed());
    status_takes(&bench, &format!("{many} workers are idle"));
    println!(
        "master of {many} idle workers: {:.1} % of a processor, {} MiB, {} files",
        cpu(master.pid(), Duration::from_secs(3)),
        memory(&bench) >> 20,
        open_files(master.pid())
    );
    // Nobody was restarted or left to wait on the way.
    let status = bench.status();
    assert!(status["workers"].as_array().expect("workers").iter().all(|w| w["restarts"] == 0));
    assert_eq!(problems(&bench), "");
    let begun = now();
    bench.ok(&["scale", "2"]);
    wait_for_workers(&bench, "default", 2);
    println!("{many} workers down to 2 in {:?}", begun.elapsed());
    let begun = now();
    bench.ok(&["scale", &many.to_string()]);
    println!("and up again in {:?}", begun.elapsed());
    let begun = now();
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(2 * DEADLINE).code(), Some(0));
    println!("stopped in {:?}", begun.elapsed());
    bench.expect_no_leftovers();
}
