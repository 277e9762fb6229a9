//! `top` on a terminal: what it shows, what its keys do, and that it leaves the terminal as it was.
#![cfg(feature = "top")]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

use super::support::{Bench, DEADLINE, eventually};

const ROWS: NonZero<u16> = NonZero::new(24).expect("not 0");
const COLUMNS: NonZero<u16> = NonZero::new(80).expect("not 0");

/// `top` on a terminal of its own.
struct Top {
    child: Child,
    keys: File,
    slave: OwnedFd,
    /// How the terminal was before.
    before: Termios,
    seen: Arc<Mutex<Seen>>,
}

/// What came out of it.
struct Seen {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

impl Top {
    fn start(bench: &Bench, env: &[(&str, &str)]) -> Self {
        let size = Winsize { ws_row: ROWS.get(), ws_col: COLUMNS.get(), ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(&size, None).expect("a terminal");
        let end = || Stdio::from(pty.slave.try_clone().expect("a descriptor"));
        let before = tcgetattr(&pty.slave).expect("its modes");
        let mut command = bench.command(&["top"]);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR").envs(env.iter().copied());
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it starts");
        let seen = Seen { screen: vt100::Parser::new(ROWS, COLUMNS, 0), bytes: Vec::new() };
        let seen = Arc::new(Mutex::new(seen));
        let keys = File::from(pty.master);
        let (mut terminal, into) = (keys.try_clone().expect("a copy"), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(read @ 1..) = terminal.read(&mut part) {
                let mut seen = into.lock().expect("nobody panics");
                seen.bytes.extend_from_slice(&part[..read]);
                seen.screen.process(&part[..read]);
            }
        });
        Self { child, keys, slave: pty.slave, before, seen }
    }

    fn screen(&self) -> String {
        self.seen.lock().expect("nobody panics").screen.screen().contents()
    }

    fn bytes(&self) -> Vec<u8> {
        self.seen.lock().expect("nobody panics").bytes.clone()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let found = eventually(DEADLINE, || self.screen().contains(text));
        assert!(found, "no {text:?} in\n{}", self.screen());
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("it reads keys");
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).expect("it is there");
    }

    /// Waits until it has ended, and looks at what it has left.
    #[track_caller]
    fn end(mut self) -> ExitStatus {
        let ended = eventually(DEADLINE, || self.child.try_wait().expect("our child").is_some());
        assert!(ended, "it goes on:\n{}", self.screen());
        let after = tcgetattr(&self.slave).expect("its modes");
        assert_eq!(after, self.before, "the modes of the terminal");
        let back = eventually(DEADLINE, || {
            let seen = self.seen.lock().expect("nobody panics");
            let screen = seen.screen.screen();
            !screen.alternate_screen() && !screen.hide_cursor() && screen.contents().trim().is_empty()
        });
        assert!(back, "left on the terminal:\n{}", self.screen());
        self.child.wait().expect("our child")
    }
}

/// A job that runs until it is cancelled, with a line of output.
fn long_job(bench: &Bench) -> i64 {
    bench.push(&["--", "sh", "-c", "echo it has begun; sleep 1000"])
}

#[test]
fn keys_pause_scale_and_cancel_and_the_terminal_is_as_it_was() {
    let bench = Bench::new();
    let job = long_job(&bench);
    let master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(job, "running");
    let mut top = Top::start(&bench, &[]);
    top.wait_for(&format!("master {} running", master.pid()));
    top.wait_for("busy    1 of 1");
    top.wait_for("worker `default-1` started");
    top.wait_for(": sh -c '");
    top.press("\t\tp");
    top.wait_for("paused `default`");
    top.wait_for("default (paused)");
    assert_eq!(bench.status()["queues"][0]["paused"], true);
    top.press("p");
    top.wait_for("resumed `default`");
    top.press("+");
    top.wait_for("scaling `default` from 1 to 2 workers");
    top.wait_for("default-2");
    top.press("\t\tl");
    top.wait_for("it has begun");
    top.press("\u{1b}");
    top.wait_for("pool ");
    top.press("k");
    top.wait_for(&format!("cancel job {job} (`exec`) on `default-1`? y/N"));
    top.press("y");
    top.wait_for("cancelled 1 job");
    bench.wait_for_job(job, "cancelled");
    top.press("q");
    assert_eq!(top.end().code(), Some(0));
}

#[test]
fn signals_and_ctrl_c_end_it_and_leave_nothing_on_the_terminal() {
    use std::os::unix::process::ExitStatusExt as _;

    let bench = Bench::new();
    long_job(&bench);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let top = Top::start(&bench, &[]);
        top.wait_for("busy    1 of 1");
        top.signal(signal);
        assert_eq!(top.end().signal(), Some(signal as i32));
    }
    let mut top = Top::start(&bench, &[]);
    top.wait_for("busy    1 of 1");
    top.press("\u{3}");
    assert_eq!(top.end().code(), Some(130));
}

#[test]
fn a_master_that_ends_is_waited_for_and_the_store_is_shown_meanwhile() {
    let bench = Bench::new();
    long_job(&bench);
    let mut top = Top::start(&bench, &[]);
    top.wait_for("no master runs on");
    top.wait_for("waiting 1");
    let mut master = bench.start(&["--workers=1", "--queue=default"]);
    top.wait_for(&format!("master {} running", master.pid()));
    master.kill9();
    top.wait_for(&format!("master {} ended; waiting", master.pid()));
    let master = bench.start(&["--workers=1", "--queue=default"]);
    top.wait_for(&format!("master {} running", master.pid()));
    top.wait_for("busy    1 of 1");
    top.press("\t\tp");
    top.wait_for("paused `default`");
    master.signal(Signal::SIGSTOP);
    top.wait_for("does not answer: it is stopped");
    master.signal(Signal::SIGCONT);
    top.wait_for(&format!("master {} running", master.pid()));
    top.press("q");
    top.end();
}

#[test]
fn without_a_terminal_it_is_status() {
    let bench = Bench::new();
    bench.push(&["--", "true"]);
    let (top, status) = (bench.run(&["top"]), bench.run(&["status"]));
    assert_eq!((top.code, top.stderr), (3, status.stderr));
    assert!(top.stdout.starts_with("queue ") && status.stdout.starts_with("queue "), "{}", top.stdout);
    assert_eq!(bench.run(&["top", "--json"]).expect_code(3).json()["queues"][0]["ready"], 1);
}

#[test]
fn nothing_that_a_worker_writes_commands_the_terminal_and_no_color_is_respected() {
    let bench = Bench::new();
    let evil = r"printf '\033]0;title\007\033[2Jgone\233\342\200\256txt\n'; printf '\033[31mbad\007\n' >&2; exit 1";
    bench.push(&["--max-attempts=1", "--", "sh", "-c", evil]);
    bench.push(&["--", "sh", "-c", &format!("{}; sleep 1000", evil.replace("exit 1", "true"))]);
    let _master = bench.start(&["--workers=1", "--queue=default"]);
    bench.wait_for_job(2, "running");
    let mut top = Top::start(&bench, &[("NO_COLOR", "1")]);
    top.wait_for("is dead");
    // Events may come before the rows that a key acts on.
    top.wait_for("busy    1 of 1");
    top.press("l");
    top.wait_for(r"\x1b[2Jgone");
    top.press("q");
    top.wait_for("pool ");
    top.press("\r");
    top.wait_for("last lines:");
    top.press("\r");
    top.wait_for("command ");
    top.press("qqf");
    top.wait_for("exit status 1");
    top.press("\r");
    top.wait_for("first seen");
    let bytes = top.bytes();
    let text = String::from_utf8_lossy(&bytes);
    for part in ["\u{1b}]", "\u{7}", "\u{1b}[31m", "\u{202e}", "\u{1b}[38;"] {
        assert!(!text.contains(part), "{part:?}");
    }
    top.press("\u{3}");
    top.end();
}
