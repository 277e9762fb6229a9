//! A file of the manual as a session of a shell: its own folder, its own database, its commands one after the other.
//!
//! Does not know Markdown. Invariant: what a session has started is gone when it ends.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::fits::fits;
use super::support::{Bench, DEADLINE, eventually, undated};

/// Where queue-work keeps its database if nothing is said.
const DATABASE: &str = ".local/state/queue-work/queue-work.db";
/// Commands that change nothing: they are run again until the output is as shown.
const ONLY_LOOK: [&str; 9] = [
    "queue-work status",
    "queue-work runs",
    "queue-work workers",
    "queue-work autoscale",
    "queue-work services",
    "queue-work logs",
    "queue-work jobs list",
    "queue-work jobs show",
    "cat ",
];

/// How the line ends that a verb says after five seconds.
const STILL_WAITS: &str = "has not done it yet; waiting for it, Ctrl-C gives up";

/// A command and the output that is shown below it.
#[derive(Debug, Default)]
struct Step {
    command: String,
    shown: String,
}

/// A command that goes on running.
struct Running {
    child: Child,
    output: PathBuf,
}

/// A shell in a folder of its own.
pub(crate) struct Session {
    bench: Bench,
    running: Vec<Running>,
    /// The exit code of the last command, and where it stands.
    last: (i32, String),
}

impl Session {
    pub(crate) fn new() -> Self {
        Self { bench: Bench::with_database(DATABASE), running: Vec::new(), last: (0, String::new()) }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.bench.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder().join(name), text).expect("a file can be written");
    }

    /// Runs each command of a block and compares what it prints.
    #[track_caller]
    pub(crate) fn run(&mut self, at: &str, block: &str) {
        for step in steps(at, block) {
            let command = &step.command;
            assert!(self.last.0 == 0 || command == "echo $?", "{}", self.last.1);
            let only_looks = ONLY_LOOK.iter().any(|begin| command.starts_with(begin));
            let (mut code, mut output) = self.shell(command);
            if only_looks && !fits(&step.shown, &output, false) {
                eventually(DEADLINE, || {
                    (code, output) = self.shell(command);
                    fits(&step.shown, &output, false)
                });
            }
            let shown = &step.shown;
            assert!(fits(shown, &output, false), "{at}: {command}\nshown:\n{shown}\nprinted:\n{output}{}", self.dump());
            self.last = (code, format!("{at}: {command}\nexits with {code}, which the manual does not show\n{output}"));
        }
    }

    /// Starts the only command of a block and leaves it running, once it has printed what is shown.
    #[track_caller]
    pub(crate) fn start(&mut self, at: &str, block: &str) {
        let steps = steps(at, block);
        let [step] = &steps[..] else { panic!("{at}: one command can stay, not {}", steps.len()) };
        let output = self.folder().join(format!(".output-{}", self.running.len()));
        let file = File::create(&output).expect("a file can be written");
        let mut command = self.bash(&format!("exec 2>&1; exec {}", step.command));
        let child = command.stdin(Stdio::null()).stdout(file).process_group(0).spawn().expect("bash can be started");
        self.running.push(Running { child, output: output.clone() });
        let printed = || undated(&fs::read_to_string(&output).unwrap_or_default());
        let shown = eventually(DEADLINE, || fits(&step.shown, &printed(), true));
        assert!(shown, "{at}: {}\nshown:\n{}\nprinted:\n{}", step.command, step.shown, printed());
    }

    /// The configuration is one that is taken.
    #[track_caller]
    pub(crate) fn check_configuration(&self, at: &str, name: &str) {
        let (code, output) = self.shell(&format!("queue-work --config {name} config check"));
        assert_eq!(code, 0, "{at}: {output}");
    }

    /// Ends what still runs; the last command must have ended as shown.
    #[track_caller]
    pub(crate) fn end(mut self) {
        assert_eq!(self.last.0, 0, "{}", self.last.1);
        self.end_running();
        self.bench.expect_no_leftovers();
    }

    fn end_running(&mut self) {
        for Running { child, .. } in &mut self.running {
            if matches!(child.try_wait(), Ok(None)) {
                let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
                if !eventually(DEADLINE, || !matches!(child.try_wait(), Ok(None))) {
                    drop(child.kill());
                }
            }
            drop(child.wait());
        }
    }

    /// The exit code of a command, and all it printed.
    fn shell(&self, command: &str) -> (i32, String) {
        let script = format!("exec 2>&1\n(exit {})\n{command}", self.last.0);
        let run = assert_cmd::Command::from_std(self.bash(&script)).timeout(2 * DEADLINE).output();
        let run = run.expect("bash can be run");
        let output = undated(&String::from_utf8_lossy(&run.stdout));
        // On a slow machine a verb may say that it still waits.
        let lines = output.lines().filter(|line| !line.ends_with(STILL_WAITS));
        (run.status.code().unwrap_or(-1), lines.fold(String::new(), |all, line| all + line + "\n"))
    }

    /// The environment of a person who has just installed the binary.
    fn bash(&self, script: &str) -> Command {
        let words = ["bash", "-c", script].map(str::to_owned);
        let mut command = self.bench.command_as(&words, &[]);
        let binary = Path::new(env!("CARGO_BIN_EXE_queue-work")).parent().expect("a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", binary.display())).env("LC_ALL", "C.UTF-8");
        // By the one, queue-work finds its database; by the other, this test its leftovers.
        command.env_remove("QUEUE_WORK_DATABASE").env("BENCH", self.folder());
        command
    }

    /// The output of commands that go on running, for a panic.
    fn dump(&self) -> String {
        let texts = self.running.iter().map(|r| fs::read_to_string(&r.output).unwrap_or_default());
        texts.fold(String::new(), |all, text| all + "\nprinted by what goes on running:\n" + &text)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end_running();
    }
}

/// The commands of a block: `$ ` begins one, `> ` goes on with it, the rest is its output.
fn steps(at: &str, block: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), shown: String::new() });
            continue;
        }
        let step = steps.last_mut().unwrap_or_else(|| panic!("{at}: a block of `console` begins with `$ `"));
        match line.strip_prefix("> ") {
            Some(more) if step.shown.is_empty() => step.command = format!("{}\n{more}", step.command),
            Some(_) | None => step.shown.extend([line, "\n"]),
        }
    }
    steps
}
