//! Shared by the tests of processes: waiting for a condition, a test in a process of its own, a family to kill.
//!
//! Invariant: nothing waits longer than [`DEADLINE`].

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::identity::Identity;
use super::sweep::COOKIE_VARIABLE;

/// The longest a condition may take on a loaded machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for a condition; panics with `what` when it does not come true.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let end = crate::clock::instant() + DEADLINE;
    while !condition() {
        assert!(crate::clock::instant() < end, "did not happen in time: {what}");
        crate::clock::pause(Duration::from_millis(2));
    }
}

/// True inside the process made for the test `name`; otherwise makes it, runs the test there and returns false.
/// For tests that wait for any child, which would disturb those that run beside them.
pub(crate) fn in_own_process(name: &str) -> bool {
    const MARK: &str = "QUEUE_WORK_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let out = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(MARK, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{text}\n{}", String::from_utf8_lossy(&out.stderr));
    assert!(text.contains("1 passed"), "no test is called {name}");
    false
}

/// A process that leads a group of its own, a child of it, and a grandchild in a session of its own. All are killed at
/// the end of the test, however that ends.
pub(crate) struct Family {
    pub(crate) leader: Child,
    pub(crate) children: [Identity; 2],
}

impl Family {
    /// Starts it with this value of the cookie's variable; returns when all three run their programs.
    pub(crate) fn start(cookie: &str) -> Self {
        let script = "sleep 1000 >&2 & echo $!; setsid sh -c 'echo $$; exec sleep 1000 >&2' & wait";
        let mut leader = Command::new("/bin/sh")
            .args(["-c", script])
            .env(COOKIE_VARIABLE, cookie)
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(leader.stdout.take().unwrap()).lines();
        let mut next = || Identity::of(lines.next().unwrap().unwrap().parse().unwrap()).unwrap();
        let family = Self { children: [next(), next()], leader };
        let runs_sleep = |child: &Identity| {
            std::fs::read(format!("/proc/{}/cmdline", child.pid)).is_ok_and(|line| line.starts_with(b"sleep"))
        };
        wait_until("the children run their program", || family.children.iter().all(runs_sleep));
        family
    }

    pub(crate) fn children_live(&self) -> [bool; 2] {
        [self.children[0].is_alive(), self.children[1].is_alive()]
    }
}

impl Drop for Family {
    fn drop(&mut self) {
        for child in self.children.iter().filter(|child| child.is_alive()) {
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(child.pid as i32), nix::sys::signal::SIGKILL);
        }
        let _ = self.leader.kill();
        let _ = self.leader.wait();
    }
}
