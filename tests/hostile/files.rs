//! Too few descriptors, too few processes: said clearly and once, paid with waiting and not with work.

use std::fs;
use std::time::Duration;

use nix::unistd::Uid;
use serde_json::Value;

use crate::help::{a_job_is_done, cpu, open_files, problems, status_is_prompt, wait_for_workers};
use crate::peer::Peer;
use crate::support::{Bench, DEADLINE, eventually};

/// Soft and hard limit on open files.
fn limits(pid: i32) -> (String, String) {
    let text = fs::read_to_string(format!("/proc/{pid}/limits")).expect("it lives");
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files")).expect("there is such a limit");
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().expect("a number"), words.next().expect("a number"))
}

#[test]
fn a_soft_limit_on_open_files_is_raised_as_far_as_is_needed() {
    let bench = Bench::new();
    let master = bench.start_after("ulimit -Sn 50; ulimit -Hn 5000", &["--workers", "20"]);
    wait_for_workers(&bench, "default", 20);
    assert_eq!(limits(master.pid()), ("1228".into(), "5000".into()));
    assert_eq!(problems(&bench), "");
    // And again when more workers are wanted.
    bench.ok(&["scale", "60"]);
    assert_eq!(limits(master.pid()), ("1428".into(), "5000".into()));
    assert_eq!(problems(&bench), "");
}

#[test]
fn a_hard_limit_that_is_too_low_is_named_once_and_jobs_go_on_and_clients_are_heard() {
    let bench = Bench::new();
    let master = bench.start_after("ulimit -n 100", &["--workers", "40"]);
    bench.wait_for("it to be said", DEADLINE, |b| problems(b).contains("no more workers can be started"));
    let said = problems(&bench);
    assert!(said.contains("at most 100 files may be open, 40 workers and their clients need 278"), "{said}");
    assert!(said.contains("Too many open files") && said.contains("LimitNOFILE"), "{said}");
    let pool = bench.status()["pools"][0].clone();
    assert!(pool["ready"].as_u64() > Some(2) && pool["ready"].as_u64() < Some(40), "{pool:#}");
    assert!(pool["problem"].as_str().expect("a problem").contains("Too many open files"), "{pool:#}");
    // Nobody is blamed: no worker has died, none backs off.
    let workers = bench.status()["workers"].as_array().expect("workers").clone();
    assert!(workers.iter().all(|w| w["restarts"] == 0), "{workers:#?}");
    let silent: Vec<Peer> = (0..200).map(|_| Peer::new(&bench)).collect();
    status_is_prompt(&bench, "descriptors are scarce and 200 clients say nothing");
    for _ in 0..5 {
        a_job_is_done(&bench);
    }
    let used = cpu(master.pid(), Duration::from_secs(2));
    println!("master without descriptors: {used:.1} % of a processor, {} files open", open_files(master.pid()));
    assert!(used < 15.0, "{used} %");
    drop(silent);
    a_job_is_done(&bench);
    let stderr = master.stderr();
    assert!(stderr.lines().filter(|l| l.starts_with("problem:")).count() <= 4, "{stderr}");
}

#[test]
fn workers_come_up_when_there_is_room_again() {
    let bench = Bench::new();
    let _master = bench.start_after("ulimit -n 100", &["--workers", "40"]);
    bench.wait_for("it to be said", DEADLINE, |b| problems(b).contains("no more workers can be started"));
    bench.ok(&["scale", "4"]);
    wait_for_workers(&bench, "default", 4);
    bench.wait_for("it to be over", DEADLINE, |b| problems(b).is_empty());
    assert_eq!(bench.status()["pools"][0]["problem"], Value::Null);
}

#[test]
fn a_machine_without_processes_to_give_blames_no_worker_and_gives_later() {
    if !Uid::effective().is_root() {
        println!("skipped: to count the processes of another user takes root");
        return;
    }
    // As a user that has nothing else on this machine, as the limit counts all processes and threads of a user.
    let bench = Bench::new();
    std::os::unix::fs::chown(bench.path(), Some(64_123), Some(64_123)).expect("we are root");
    let own = bench.command(&["--workers", "12", "--max-time", "1h"]);
    let mut words = vec!["prlimit --nproc=20:1000 setpriv --reuid=64123 --regid=64123 --clear-groups".to_owned()];
    words.extend(std::iter::once(own.get_program()).chain(own.get_args()).map(|w| w.to_str().expect("UTF-8").into()));
    let program = std::path::Path::new(own.get_program());
    let reachable = program.ancestors().skip(1).all(|folder| {
        fs::metadata(folder).is_ok_and(|m| std::os::unix::fs::PermissionsExt::mode(&m.permissions()) & 1 == 1)
    });
    if !reachable {
        println!("skipped: another user cannot reach {}", program.display());
        return;
    }
    let script = format!("exec {} # ", words.join(" "));
    let _master = bench.start_after(&script, &[]);
    bench.wait_for("it to be said", DEADLINE, |b| problems(b).contains("no more workers can be started"));
    assert!(problems(&bench).contains("Resource temporarily unavailable"), "{}", problems(&bench));
    let ready = |b: &Bench| b.status()["pools"][0]["ready"].as_u64().unwrap_or_default();
    let before = ready(&bench);
    assert!(before < 12, "{before}");
    // Where a death would have been waited for longer and longer, this is tried at the same pace.
    assert!(!eventually(Duration::from_secs(2), || ready(&bench) == 12));
    let status = bench.status();
    let pid = status["master"]["pid"].as_i64().expect("a pid");
    assert!(status["workers"].as_array().expect("workers").iter().all(|w| w["restarts"] == 0), "{status:#}");
    let mut raise = std::process::Command::new("setpriv");
    raise.args(["--reuid=64123", "--regid=64123", "--clear-groups", "prlimit", "--nproc=1000:1000", "--pid"]);
    assert!(raise.arg(pid.to_string()).status().expect("setpriv").success());
    bench.wait_for("all workers", Duration::from_secs(5), |b| ready(b) == 12);
    assert_eq!(problems(&bench), "");
}
