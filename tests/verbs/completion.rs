//! Tab, pressed in real shells on a terminal of their own.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::pty::openpty;

use super::support::{Bench, DEADLINE, eventually};

/// A shell on a terminal. What it runs as `queue-work` notes its arguments, but for the questions of the completion.
struct Shell {
    child: Child,
    terminal: File,
    noted: PathBuf,
}

impl Shell {
    /// `None` where the shell is not installed.
    fn start(bench: &Bench, name: &str) -> Option<Self> {
        let (program, arguments, load): (_, &[&str], _) = match name {
            "bash" => ("/bin/bash", &["--norc", "--noprofile", "-i"], "source <(queue-work completions bash)"),
            "zsh" => (
                "/usr/bin/zsh",
                &["-f", "-i"],
                "autoload -U compinit; compinit -u -D; source <(queue-work completions zsh)",
            ),
            _ => ("/usr/bin/fish", &["--no-config", "-i"], "queue-work completions fish | source"),
        };
        if !PathBuf::from(program).exists() {
            let note = format!("skipped: {name} is not installed, so Tab was not pressed in it\n");
            // Past the capture of the test harness: it is to be read.
            std::io::stderr().write_all(note.as_bytes()).expect("told");
            return None;
        }
        let (bin, noted) = (bench.path().join("bin"), bench.path().join(format!("noted-{name}")));
        std::fs::create_dir_all(&bin).expect("a folder");
        let wrapper = format!(
            "#!/bin/sh\n[ -n \"$QUEUE_WORK_COMPLETE\" ] || [ \"$1\" = completions ] && exec '{}' \"$@\"\n\
             printf '%s\\n' \"$*\" >>\"$NOTED\"\n",
            env!("CARGO_BIN_EXE_queue-work"),
        );
        std::fs::write(bin.join("queue-work"), wrapper).expect("a program");
        std::fs::set_permissions(bin.join("queue-work"), PermissionsExt::from_mode(0o755)).expect("it can be run");

        let pty = openpty(None, None).expect("a terminal");
        let own = |end: &OwnedFd| Stdio::from(end.try_clone().expect("a copy"));
        // The shell is the leader of a session whose terminal this is.
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program).args(arguments);
        command.stdin(own(&pty.slave)).stdout(own(&pty.slave)).stderr(own(&pty.slave));
        command.env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("TERM", "xterm");
        command.env("HOME", bench.path()).env("NOTED", &noted).env("QUEUE_WORK_DATABASE", bench.database());
        let child = command.current_dir(bench.path()).spawn().expect("setsid is installed");
        let terminal = File::from(pty.master);
        let mut reader = terminal.try_clone().expect("a copy");
        // A shell whose screen nobody reads stops.
        std::thread::spawn(move || {
            let mut screen = [0; 4096];
            while reader.read(&mut screen).is_ok_and(|read| read > 0) {}
        });
        let mut shell = Self { child, terminal, noted };
        shell.type_in(&format!("{load}\n"));
        // Until it reads lines with Tab in them: before, what is typed may be lost.
        shell.expect("lo\t", "logs");
        Some(shell)
    }

    fn type_in(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).expect("typed");
    }

    /// Types `queue-work` and `keys`, where `\t` is Tab, then Enter, and expects the command to be called with `words`.
    fn expect(&mut self, keys: &str, words: &str) {
        let mut lines = 0;
        let mut last = String::new();
        let found = eventually(DEADLINE, || {
            self.type_in(&format!("queue-work {keys}\n"));
            lines += 1;
            let called = eventually(DEADLINE / 4, || {
                let noted = std::fs::read_to_string(&self.noted).unwrap_or_default();
                noted.lines().last().unwrap_or_default().trim_end().clone_into(&mut last);
                noted.lines().count() >= lines
            });
            called && last == words
        });
        assert!(found, "`queue-work {keys:?}` became `{last}` and not `{words}`");
        std::fs::write(&self.noted, "").expect("emptied");
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn tab_completes_verbs_options_states_and_the_names_on_record_in_every_shell() {
    let bench = Bench::new();
    let id = bench.push(&["--queue", "default", "--", "true"]);
    bench.push(&["--queue", "invoices", "some-type"]);
    let file = "[processors.ocr-at-night]\nevery = \"1h\"\ncommand = [\"true\"]\n";
    std::fs::write(bench.path().join("queue-work.toml"), file).expect("written");
    let _master = bench.start(&["--workers", "1", "--queue", "default"]);
    bench.wait_for_job(id, "succeeded");
    for name in ["bash", "zsh", "fish"] {
        let Some(mut shell) = Shell::start(&bench, name) else { continue };
        shell.expect("stat\t", "status");
        shell.expect("jobs sho\t", "jobs show");
        shell.expect("jobs show \t", &format!("jobs show {id}"));
        shell.expect("jobs list --sta\tde\t", "jobs list --state dead");
        shell.expect("push --queue inv\tsome-type", "push --queue invoices some-type");
        shell.expect("runs --outcome=suc\t", "runs --outcome=succeeded");
        shell.expect("pause inv\t", "pause invoices");
        shell.expect("workers --pool d\t", "workers --pool default");
        shell.expect("restart def\t", "restart default-1");
        shell.expect("status inv\t", "status invoices");
        shell.expect("status default-\t", "status default-1");
        shell.expect("man compl\t", "man completions");
        shell.expect("debug of\t", "debug off");
        shell.expect("processors disable oc\t", "processors disable ocr-at-night");
        shell.expect("processors runs --state su\t", "processors runs --state succeeded");
    }
}

#[test]
fn tab_completes_an_error_that_is_muted_so_that_it_can_be_listed_again() {
    let bench = Bench::new();
    bench.push(&["--max-attempts=1", "--", "false"]);
    bench.run(&["--workers=1", "--queue=default", "--drain"]).expect_code(1);
    let error = bench.job(1)["fingerprint"].as_str().expect("a fingerprint").to_owned();
    bench.ok(&["errors", &error, "--mute", "3d"]);
    if let Some(mut shell) = Shell::start(&bench, "bash") {
        shell.expect(&format!("errors {}\t--unmute", &error[..4]), &format!("errors {error} --unmute"));
    }
}

#[test]
fn a_tab_where_nothing_is_on_record_makes_no_database_and_says_nothing() {
    let bench = Bench::new();
    for words in
        [&["jobs", "show", ""][..], &["push", "--queue", ""], &["restart", "x"], &["no", "such", "verb", ""], &[]]
    {
        let asked = bench.verb(&[&["--", "queue-work"], words].concat()).env("QUEUE_WORK_COMPLETE", "fish").run();
        assert!(asked.stderr.is_empty(), "{words:?}: {}", asked.stderr);
    }
    assert!(!bench.database().exists());
}
