//! Workers that write as fast as they can.

use std::fs;
use std::time::Duration;

use serde_json::json;

use crate::help::{from_env, memory, open_files, rate_of, status_is_prompt, watch};
use crate::support::{Bench, DEADLINE, fixture};

#[test]
fn a_worker_that_floods_both_streams_leaves_status_prompt_and_others_at_their_pace() {
    let time = Duration::from_secs(from_env("HOSTILE_SECONDS", 3));
    let bench = Bench::new();
    let script = "import os, threading\n\
                  def flood(fd):\n while True: os.write(fd, b'a line of no interest\\n' * 3000)\n\
                  threading.Thread(target=flood, args=(2,), daemon=True).start()\n\
                  open('floods', 'w').close()\nflood(1)";
    let flood = json!(["/usr/bin/python3", "-S", "-c", script]);
    let quiet = json!(fixture("echo.py"));
    let config = format!(
        "log_file_size = \"1M\"\n[pools.quiet]\nworkers = 1\ncommand = {quiet}\n[pools.flood]\nworkers = 1\n\
         command = {flood}\ngrace = \"0s\"\nkill_after = \"1s\"\n"
    );
    fs::write(bench.path().join("queue-work.toml"), config).expect("written");
    let master = bench.start(&[]);
    bench.wait_for("the flood", DEADLINE, |b| b.path().join("floods").exists());
    let during = rate_of(&bench, "quiet", time);
    status_is_prompt(&bench, "a worker floods stdout and stderr");
    let (memory_before, files_before) = (memory(&bench), open_files(master.pid()));
    watch(time);
    let (memory_after, files_after) = (memory(&bench), open_files(master.pid()));
    assert!(memory_after < memory_before + (32 << 20), "from {memory_before} to {memory_after} bytes");
    assert!(files_after <= files_before + 2, "from {files_before} to {files_after} files");
    bench.ok(&["stop", "flood-1", "--no-wait"]);
    bench.wait_for("the flood to end", DEADLINE, |b| {
        b.status()["workers"].as_array().is_some_and(|w| w.iter().all(|w| w["id"] != "flood-1"))
    });
    let alone = rate_of(&bench, "quiet", time);
    println!("jobs one after the other beside a flood: {during:.0}/s, without it {alone:.0}/s");
    // Three busy processes on two processors, in a debug build: a third of the pace is a share, a standstill is not.
    assert!(during > alone / 20.0, "{during}/s beside {alone}/s");
    let kept: u64 = fs::read_dir(bench.path().join("q.db.logs"))
        .expect("logs")
        .map(|f| f.expect("a file").metadata().expect("a size").len())
        .sum();
    assert!(kept < 12 << 20, "{kept} bytes of logs");
}
