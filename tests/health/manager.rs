//! Messages to a service manager, by a socket of the test's own: which, in which order, and when there are none.

use std::cell::RefCell;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use nix::sys::signal::Signal::{SIGCONT, SIGHUP, SIGSTOP, SIGTERM};

use crate::shim::{Kind, Shim};
use crate::support::{Bench, DEADLINE, eventually};

/// Half of it is the interval of the watchdog.
const WATCHDOG: (&str, &str) = ("WATCHDOG_USEC", "400000");
/// Longer than a master is silent that is alive, by far.
const SILENCE: Duration = Duration::from_secs(2);

/// The socket that `NOTIFY_SOCKET` names, and what came.
struct Manager {
    socket: UnixDatagram,
    path: String,
    heard: RefCell<Vec<String>>,
}

impl Manager {
    fn new(bench: &Bench) -> Self {
        let path = bench.path().join("notify");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        socket.set_nonblocking(true).expect("set");
        Self { socket, path: path.to_str().expect("UTF-8").to_owned(), heard: RefCell::default() }
    }

    fn env(&self) -> (&str, &str) {
        ("NOTIFY_SOCKET", &self.path)
    }

    /// All lines until now.
    fn heard(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        while let Ok(length) = self.socket.recv(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
            self.heard.borrow_mut().extend(text.lines().map(str::to_owned));
        }
        self.heard.borrow().clone()
    }

    fn count(&self, line: &str) -> usize {
        self.heard().iter().filter(|heard| heard.starts_with(line)).count()
    }

    #[track_caller]
    fn wait_for(&self, line: &str, times: usize) {
        let came = eventually(DEADLINE, || self.count(line) >= times);
        assert!(came, "no {line}, {times} times, in {:?}", self.heard());
    }

    /// Whether this comes once more before long.
    fn hears_another(&self, line: &str) -> bool {
        let before = self.count(line);
        eventually(SILENCE, || self.count(line) > before)
    }

    /// What came, without what follows `=` in it, each once in a row.
    fn order(&self) -> Vec<String> {
        let mut names: Vec<String> =
            self.heard().iter().map(|line| line.split('=').next().unwrap_or_default().to_owned()).collect();
        names.dedup();
        names
    }
}

#[test]
fn a_master_is_ready_when_its_workers_are_says_its_status_and_is_given_time_to_stop() {
    let bench = Bench::new();
    let manager = Manager::new(&bench);
    let worker = "while [ ! -e up ]; do sleep 0.02; done; echo '{\"method\":\"ready\"}'; exec cat";
    let file = format!(
        "[pools.slow]\nready = \"message\"\nworkers = 1\ncommand = [\"sh\", \"-c\", {worker:?}]\n\
         [pools.default]\nworkers = 1\ngrace = \"60s\"\n"
    );
    fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    let mut master = bench.start_with(&[], &[manager.env()]);
    let held = bench.push(&["--", "sh", "-c", "env > told; while [ ! -e go ]; do sleep 0.02; done"]);
    bench.wait_for_job(held, "running");
    assert_eq!(manager.heard(), [""; 0], "the slow worker is not ready yet");
    fs::write(bench.path().join("up"), "").expect("written");
    manager.wait_for("STATUS=", 1);
    let heard = manager.heard();
    assert_eq!(heard[0], "READY=1");
    assert!(heard[1].starts_with("STATUS=2 workers (1 busy), 0 jobs ready, "), "{heard:?}");

    for process in children(master.pid()) {
        let environ = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&environ).contains("NOTIFY_SOCKET"), "{process}");
    }
    bench.wait_for("the environment of the job", DEADLINE, |b| b.path().join("told").exists());
    assert!(!fs::read_to_string(bench.path().join("told")).expect("told").contains("NOTIFY_SOCKET"));

    master.signal(SIGTERM);
    manager.wait_for("EXTEND_TIMEOUT_USEC=15000000", 2);
    fs::write(bench.path().join("go"), "").expect("written");
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    let order = manager.order();
    assert_eq!(order[..4], ["READY", "STATUS", "STOPPING", "EXTEND_TIMEOUT_USEC"], "{:?}", manager.heard());
    assert_eq!((manager.count("READY"), manager.count("STOPPING"), manager.count("WATCHDOG")), (1, 1, 0));
    let stopping = manager.heard().iter().position(|line| line == "STOPPING=1").expect("said");
    assert!(manager.heard()[stopping + 2].starts_with("STATUS=stopping: "), "{:?}", manager.heard());
}

/// Every process below this one.
fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("this is Linux");
    let own: Vec<i32> = text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
    assert!(own.len() >= 2, "the guardian and workers: {text}");
    own
}

#[test]
fn a_master_is_said_to_be_alive_while_its_loop_turns() {
    let bench = Bench::new();
    let manager = Manager::new(&bench);
    let master = bench.start_with(&["--workers=1", "--queue=default"], &[manager.env(), WATCHDOG]);
    manager.wait_for("WATCHDOG=1", 3);
    master.signal(SIGSTOP);
    let stopped = || fs::read_to_string(format!("/proc/{}/stat", master.pid())).unwrap_or_default().contains(") T ");
    bench.wait_for("the master to stand still", DEADLINE, |_| stopped());
    assert!(!manager.hears_another("WATCHDOG"), "{:?}", manager.heard());
    master.signal(SIGCONT);
    assert!(manager.hears_another("WATCHDOG"), "{:?}", manager.heard());
}

#[test]
fn a_master_whose_writer_hangs_is_not_said_to_be_alive_and_one_whose_disk_is_full_is() {
    let bench = Bench::by_its_own_path();
    let (manager, shim) = (Manager::new(&bench), Shim::new(bench.path()));
    let env = shim.env();
    let shimmed = env.iter().map(|(name, value)| (*name, value.as_str()));
    let env: Vec<(&str, &str)> = shimmed.chain([manager.env(), WATCHDOG]).collect();
    let mut master = bench.start_with(&["--workers=1", "--queue=default"], &env);
    shim.fail(Kind::Write, "ENOSPC", (1, 0), "*");
    bench.run(&["push", "--", "true"]).expect_code(1);
    assert!(manager.hears_another("WATCHDOG") && manager.hears_another("WATCHDOG"), "{:?}", manager.heard());
    shim.fail(Kind::Write, "HANG", (1, 0), "*");
    bench.wait_for("a write that hangs", DEADLINE, |_| shim.hits().0 > 0);
    // The one for what was done before.
    manager.hears_another("WATCHDOG");
    assert!(!manager.hears_another("WATCHDOG"), "{:?}", manager.heard());
    assert_eq!(bench.status()["master"]["state"], "running", "the loop goes on");
    master.kill9();
}

#[test]
fn a_reload_is_said_when_it_begins_and_when_it_is_over_also_if_it_is_refused() {
    let bench = Bench::new();
    let manager = Manager::new(&bench);
    let file = |workers: i32| {
        let text = format!("[signals]\nhup = \"reload\"\n[pools.default]\nworkers = {workers}\n");
        fs::write(bench.path().join("queue-work.toml"), text).expect("written");
    };
    file(1);
    let master = bench.start_with(&[], &[manager.env()]);
    manager.wait_for("READY=1", 1);
    for (times, workers) in [(1, 2), (2, -1)] {
        file(workers);
        master.signal(SIGHUP);
        manager.wait_for("READY=1", times + 1);
    }
    file(1);
    bench.ok(&["reload"]);
    manager.wait_for("READY=1", 4);
    bench.ok(&["reload", "--dry-run"]);
    let heard: Vec<String> = manager.heard().into_iter().filter(|line| !line.starts_with("STATUS")).collect();
    let times: Vec<u64> = heard.iter().filter_map(|line| line.strip_prefix("MONOTONIC_USEC=")?.parse().ok()).collect();
    assert!(times.len() == 3 && times.is_sorted() && times[0] > 0, "{heard:?}");
    let names: Vec<&str> = heard.iter().filter_map(|line| line.split('=').next()).collect();
    let reload = ["RELOADING", "MONOTONIC_USEC", "READY"];
    assert_eq!(names, [&["READY"][..], &reload, &reload, &reload].concat());
}
