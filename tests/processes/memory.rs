//! What counts as a worker's memory, what it costs to know it, and what is said when there is none left.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::help::{can, children, end, noted, refs, signal, status_of, with_fixture, workers};
use crate::support::{Bench, DEADLINE, fixture};

const MIB: u64 = 1 << 20;
/// Those that are measured while it is watched what is read for it.
const WORKERS: usize = 20;

fn resident(pid: i32, what: &str) -> u64 {
    let value = status_of(pid, what).unwrap_or_default();
    value.trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1024
}

#[test]
fn a_file_that_workers_map_is_nobodys_memory_and_costs_no_worker() {
    let bench = Bench::new();
    // It takes no room on the disk.
    fs::File::create(bench.path().join("big")).and_then(|file| file.set_len(192 * MIB)).expect("a file");
    let args = with_fixture(&["--workers", "2", "--memory", "+16M", "--memory-max", "100M"], "maps.py");
    let master = bench.start(&refs(&args));
    let done = |job: i64| bench.wait_for_job(job, "succeeded")["result"]["pid"].as_i64().expect("a pid") as i32;
    let mut pids: Vec<i32> = (0..6).map(|_| bench.push(&["x"])).collect::<Vec<_>>().into_iter().map(done).collect();
    pids.sort_unstable();
    pids.dedup();
    bench.wait_for("every worker to be measured with its map", DEADLINE, |b| {
        let workers = workers(b);
        let mapped = |w: &&Value| resident(w["pid"].as_i64().expect("a pid") as i32, "RssFile") > 150 * MIB;
        let with_map = workers.iter().filter(mapped).count();
        with_map == pids.len() && workers.iter().all(|w| w["memory_bytes"].is_u64())
    });
    // More jobs, so that a worker over a limit would be replaced.
    let again: Vec<i32> = (0..6).map(|_| bench.push(&["x"])).collect::<Vec<_>>().into_iter().map(done).collect();
    for worker in workers(&bench) {
        let memory = worker["memory_bytes"].as_u64().expect("measured");
        assert!(memory < 60 * MIB, "{worker}");
    }
    let ended = bench.run(&["workers", "--json"]).expect_code(0).json();
    assert!(ended.as_array().is_some_and(|all| all.iter().all(|w| w["ended_at"].is_null())), "{ended:#} {again:?}");
    end(&bench, master);
}

#[test]
fn memory_of_a_daemon_that_a_command_left_counts_for_its_worker() {
    let bench = Bench::new();
    let master = bench.start(&["--workers", "1", "--memory", "1G"]);
    let id = bench.push(&[["--"].as_slice(), &refs(&fixture("hoards.py"))].concat());
    bench.wait_for_job(id, "succeeded");
    let daemon = noted(&bench.path().join("pids"));
    assert_eq!(daemon.len(), 1);
    bench.wait_for("it to be counted", DEADLINE, |b| {
        workers(b)[0]["memory_bytes"].as_u64().is_some_and(|bytes| bytes > 64 * MIB)
    });
    end(&bench, master);
    assert!(!daemon[0].is_alive());
}

#[test]
fn a_worker_over_memory_max_before_its_first_job_is_tried_again_with_backoff_and_the_limit_is_named() {
    let bench = Bench::new();
    let args = with_fixture(&["--workers", "1", "--memory-max", "1M"], "echo.py");
    let master = bench.start(&refs(&args));
    let mut problem = String::new();
    bench.wait_for("the backoff to be said", 2 * DEADLINE, |b| {
        problem = b.status()["pools"][0]["problem"].as_str().unwrap_or_default().to_owned();
        problem.contains("memory_max")
    });
    println!("{problem}");
    let said = master.stderr();
    assert!(said.contains("memory_max"), "{said}");
    end(&bench, master);
}

/// Every process that is read by the sampler, and how often, while all workers are busy.
#[test]
fn only_processes_of_its_own_are_read_to_measure_them() {
    let options = ["-f", "-qq", "-e", "trace=openat"];
    if !can("a trace of what is read", "strace", &[&options[..], &["-o", "/dev/null", "true"]].concat()) {
        return;
    }
    let bench = Bench::new();
    let master = bench.start(&["--workers", &WORKERS.to_string()]);
    for _ in 0..WORKERS {
        bench.push(&["--", "sleep", "1000"]);
    }
    let own = || {
        let workers: Vec<i32> =
            workers(&bench).iter().filter_map(|w| w["pid"].as_i64()).map(|pid| pid as i32).collect();
        let commands: Vec<i32> = workers.iter().flat_map(|&pid| children(pid)).collect();
        [workers, commands].concat()
    };
    bench.wait_for("all commands", DEADLINE, |_| own().len() == 2 * WORKERS);
    let own = own();
    let trace = bench.path().join("trace");
    let mut strace = Command::new("strace")
        .args(options)
        .args(["-o", trace.to_str().expect("UTF-8"), "-p", &master.pid().to_string()])
        .stderr(Stdio::null())
        .spawn()
        .expect("started");
    let opened = || fs::read_to_string(&trace).unwrap_or_default();
    let read = |text: &str| -> BTreeMap<i32, usize> {
        let pids =
            text.lines().filter_map(|line| line.split("\"/proc/").nth(1)?.split(['/', '"']).next()?.parse().ok());
        pids.fold(BTreeMap::new(), |mut all, pid| {
            *all.entry(pid).or_default() += 1;
            all
        })
    };
    // Each of them at least twice.
    bench.wait_for("two samples of everybody", 2 * DEADLINE, |_| {
        let read = read(&opened());
        own.iter().all(|pid| read.get(pid).is_some_and(|&count| count >= 10))
    });
    signal(strace.id().cast_signed(), Signal::SIGINT);
    strace.wait().expect("our child");
    let read = read(&opened());
    let foreign: Vec<&i32> = read.keys().filter(|pid| !own.contains(pid) && **pid != master.pid()).collect();
    println!("{} files of {} processes were opened", read.values().sum::<usize>(), read.len());
    assert!(foreign.is_empty(), "processes of others were read: {foreign:?}\n{}", opened());
    end_busy(&bench, master);
}

/// Ends a master whose jobs would go on.
fn end_busy(bench: &Bench, mut master: crate::support::Master<'_>) {
    bench.ok(&["stop", "--timeout", "0s"]);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    bench.expect_no_leftovers();
}

/// A memory group with 48 MiB, removed when dropped; `None` where none can be made.
struct Group(PathBuf);

impl Group {
    fn new() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = |line: &str| line.rsplit(':').next().map(|path| path.trim_start_matches('/').to_owned());
        let first = own.lines().find(|line| line.split(':').nth(1) == Some("memory")).and_then(path);
        let second = own.lines().find(|line| line.starts_with("0::")).and_then(path);
        let name = format!("queue-work-test-{}", std::process::id());
        let try_at = |root: &str, below: Option<String>, file: &str| {
            let folder = Path::new(root).join(below?).join(&name);
            fs::create_dir(&folder).ok()?;
            let group = Self(folder);
            fs::write(group.0.join(file), (48 * MIB).to_string()).ok()?;
            // Without it the group would just swap.
            let _ = fs::write(group.0.join("memory.swap.max"), "0");
            let _ = fs::write(group.0.join("memory.swappiness"), "0");
            Some(group)
        };
        try_at("/sys/fs/cgroup/memory", first, "memory.limit_in_bytes")
            .or_else(|| try_at("/sys/fs/cgroup", second, "memory.max"))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        crate::support::eventually(DEADLINE, || fs::remove_dir(&self.0).is_ok());
    }
}

/// Deaths for want of memory on the whole machine; others may be at such tests, too.
fn kills() -> Option<u64> {
    let text = fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.parse().ok()
}

#[test]
fn a_death_for_want_of_memory_is_called_one_and_the_master_lives() {
    let Some(group) = Group::new() else {
        println!("skipped: no memory group can be made here");
        return;
    };
    let bench = Bench::new();
    let words = fixture("oom.py");
    fs::write(
        bench.path().join("queue-work.toml"),
        format!(
            "[pools.commands]\nworkers = 1\n\n\
             [pools.workers]\nworkers = 1\nmax_crashes = 1\ncommand = {}\n",
            json!(words)
        ),
    )
    .expect("written");
    let master = bench.start_with(&[], &[("CGROUP", group.0.to_str().expect("UTF-8"))]);
    let of_worker = bench.push(&["--queue", "workers", "x"]);
    let command = [&["--queue", "commands", "--max-attempts", "1", "--"], &refs(&words)[..], &["now"]].concat();
    let of_command = bench.push(&command);
    for id in [of_worker, of_command] {
        bench.wait_for_job(id, "dead");
        let run = &bench.runs(id)[0];
        assert_eq!(run["signal"], "SIGKILL", "{run}");
        let told = format!("{}{}", run["error"], run["stderr_tail"]);
        assert!(told.contains("out of memory"), "{run:#}");
    }
    assert_eq!(bench.runs(of_worker)[0]["outcome"], "crashed");
    // A SIGKILL from somebody else is not called so; the deaths of before are a while ago.
    let before = kills();
    let id = bench.push(&["--queue", "commands", "--max-attempts", "1", "--", "sh", "-c", "sleep 0.2; kill -KILL $$"]);
    bench.wait_for_job(id, "dead");
    let run = &bench.runs(id)[0];
    let called_so = run["error"].as_str().is_some_and(|error| error.contains("memory"));
    assert!(!called_so || kills() > before, "{run:#}");
    end(&bench, master);
}
