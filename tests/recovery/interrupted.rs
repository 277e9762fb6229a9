//! System calls that are interrupted (EINTR), again and again, in the master and in all that it starts.

use std::process::{Command, Stdio};

use crate::support::{Bench, DEADLINE, eventually, fixture};

const JOBS: usize = 300;

#[test]
fn calls_that_are_interrupted_all_the_time_change_nothing() {
    let bench = Bench::new();
    let lines: Vec<_> = (0..JOBS).map(|n| serde_json::json!({"type": "echo", "args": n}).to_string()).collect();
    bench.verb(&["push", "--jsonl"]).stdin(lines.join("\n")).run().expect_code(0);
    for n in 0..20 {
        bench.push(&["--queue", "commands", "--", "echo", &n.to_string()]);
    }
    let config = format!(
        "[pools.default]\nworkers = 2\ncommand = {}\n[pools.commands]\nworkers = 1\n",
        serde_json::json!(fixture("echo.py"))
    );
    std::fs::write(bench.path().join("queue-work.toml"), config).expect("a configuration");
    let own = bench.command(&[]);
    let mut command = Command::new("strace");
    // Each third call fails. Reads only later: the loader of programs does not try again. Not `sendto`: no kernel
    // interrupts the one byte that a signal handler sends without waiting.
    let calls = "write,poll,ppoll,epoll_wait,epoll_pwait,recvfrom,recvmsg,wait4,waitid,pwrite64";
    let (all, reads) = (format!("trace=read,pread64,{calls}"), "inject=read,pread64:error=EINTR:when=60+3");
    let calls = format!("inject={calls}:error=EINTR:when=2+3");
    command.args(["-f", "-qq", "-o", "trace", "-e", &all, "-e", &calls, "-e", reads]);
    command.arg(own.get_program()).arg("--drain").current_dir(bench.path());
    for (name, value) in own.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let probe = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        println!("skipped: there is no strace, or it may not trace");
        return;
    }
    let said = std::fs::File::create(bench.path().join("said")).expect("a file");
    let mut tracer = command.stdin(Stdio::null()).stderr(said).spawn().expect("started");
    let mut status = None;
    let ended = eventually(2 * DEADLINE, || {
        status = tracer.try_wait().expect("our child");
        status.is_some()
    });
    if !ended {
        tracer.kill().expect("our child");
        tracer.wait().expect("our child");
    }
    let said = std::fs::read_to_string(bench.path().join("said")).expect("text");
    assert_eq!(status.and_then(|status| status.code()), Some(0), "{said}\n{}", bench.dump());
    let trace = std::fs::read_to_string(bench.path().join("trace")).expect("a trace");
    let injected = trace.lines().filter(|line| line.contains("(INJECTED)")).count();
    assert!(injected > 100, "the test is not what it seems: {injected}");
    println!("{injected} calls were interrupted");
    let jobs = bench.run(&["jobs", "list", "--oldest", "--json", "--limit", "1000"]).expect_code(0).json();
    let jobs = jobs.as_array().expect("an array");
    assert_eq!(jobs.len(), JOBS + 20);
    for job in jobs {
        assert_eq!((&job["state"], &job["attempts"], &job["crashes"]), (&"succeeded".into(), &0.into(), &0.into()));
    }
    for n in [1, 150, 300] {
        assert_eq!(bench.job(n)["result"], n - 1);
    }
    let runs = bench.run(&["runs", "--json", "--limit", "1000"]).expect_code(0).json();
    assert_eq!(runs.as_array().map(Vec::len), Some(JOBS + 20), "each ran once");
}
