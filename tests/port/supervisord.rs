//! supervisord itself, beside what is imported from its files and exported for it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::support::{Bench, DEADLINE, eventually};

/// A supervisord that was started by a test; ended when dropped.
struct Supervisord(Child);

impl Supervisord {
    /// Starts it with these programs; `None` where it is not installed.
    fn start(bench: &Bench, programs: &str) -> Option<Self> {
        let folder = bench.path().join("supervisor");
        fs::create_dir_all(&folder).expect("made");
        let own = folder.display().to_string().replace('%', "%%");
        let head = format!("[supervisord]\nnodaemon=true\nlogfile={own}/log\npidfile={own}/pid\nchildlogdir={own}\n");
        let file = folder.join("supervisord.conf");
        fs::write(&file, format!("{head}\n{programs}")).expect("written");
        let said = File::create(folder.join("said")).expect("a file");
        let mut command = Command::new("supervisord");
        let variables = bench.std_command();
        command.envs(variables.get_envs().filter_map(|(name, value)| Some((name, value?)))).current_dir(bench.path());
        command.arg("-n").arg("-c").arg(&file).stdin(Stdio::null()).stdout(said).stderr(Stdio::null());
        let Ok(child) = command.spawn() else {
            eprintln!("SKIPPED: supervisord is not installed (package `supervisor`)");
            return None;
        };
        Some(Self(child))
    }

    fn stop(&mut self) {
        kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM).expect("it is there");
        assert!(eventually(DEADLINE, || self.0.try_wait().expect("our child").is_some()), "supervisord does not end");
    }
}

impl Drop for Supervisord {
    fn drop(&mut self) {
        // Its children are ended with the bench.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_exported_program_is_started_again_after_a_kill_and_leaves_nothing_behind() {
    let bench = Bench::new();
    let folder = bench.path().join("my app 100%");
    fs::create_dir(&folder).expect("made");
    let config = folder.join("queue-work.toml");
    fs::write(&config, "[pools.naps]\nkind = \"opaque\"\nworkers = 2\ncommand = [\"sleep\", \"1000\"]\n")
        .expect("written");
    let program = bench.ok(&["--config", &config.to_string_lossy(), "export", "supervisor"]);
    let Some(mut supervisord) = Supervisord::start(&bench, &program) else { return };
    let pid = |bench: &Bench| bench.status()["master"]["pid"].as_i64();
    let is_up = |bench: &Bench| bench.status()["pools"][0]["ready"] == 2;
    bench.wait_for("two workers", DEADLINE, is_up);
    let first = pid(&bench).expect("a master");
    kill(Pid::from_raw(first as i32), Signal::SIGKILL).expect("it is there");
    bench.wait_for("another master with two workers", DEADLINE, |bench| pid(bench) != Some(first) && is_up(bench));
    supervisord.stop();
    bench.expect_no_leftovers();
}

/// What each process of a program has said of itself, sorted.
fn said(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let whole = files.filter(|path| path.extension().is_some_and(|ending| ending == "said"));
    let mut all: Vec<String> = whole.filter_map(|path| fs::read_to_string(path).ok()).collect();
    all.sort();
    all
}

#[test]
fn an_imported_program_runs_as_it_does_under_supervisord() {
    let bench = Bench::new();
    let path = |name: &str| bench.path().join(name);
    for name in ["there", "here"] {
        fs::create_dir(path(name)).expect("made");
    }
    let script = "#!/bin/sh\n{ echo \"$# $*\"; echo \"$GREETING|$PLACE\"; umask; } >\"$OUT/$2.new\"\nmv \"$OUT/$2.new\" \"$OUT/$2.said\"\n\
                  exec sleep 1000\n";
    fs::write(path("say.sh"), script).expect("written");
    let program = "[program:say]\ncommand=sh ../say.sh --number 80%(process_num)02d \"two  words\" ';' '$HOME' 100%%\n\
                   process_name=%(program_name)s_%(process_num)d\nnumprocs=3\nnumprocs_start=5\ndirectory=%(ENV_OUT)s\numask=027\n\
                   environment=GREETING=\"hello, ${you}\",PLACE='%(program_name)s'\nstopwaitsecs=5\n";
    fs::write(path("say.conf"), program).expect("written");
    bench.ok(&["import", "supervisor", "say.conf", "-o", "queue-work.toml"]);
    let here = path("here");
    let mut master = bench.start_with(&[], &[("OUT", here.to_str().expect("a text"))]);
    bench.wait_for("three workers that said something", DEADLINE, |_| said(&here).len() == 3);
    bench.ok(&["stop"]);
    master.wait_exit(DEADLINE);
    let first = "6 --number 8005 two  words ; $HOME 100%\nhello, ${you}|say\n0027\n";
    assert_eq!(said(&here)[0], first, "{:?}", said(&here));
    let there = path("there");
    let programs = program.replace("%(ENV_OUT)s", there.to_str().expect("a text"));
    let programs = programs.replace("environment=", &format!("environment=OUT=\"{}\",", there.display()));
    let Some(mut supervisord) = Supervisord::start(&bench, &programs) else { return };
    assert!(eventually(DEADLINE, || said(&there).len() == 3), "{:?}", said(&there));
    supervisord.stop();
    assert_eq!(said(&here), said(&there));
    bench.expect_no_leftovers();
}
