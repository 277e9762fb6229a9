//! The worker of the rounds, compiled: this test program, started again in a role.
//!
//! Truth outside of the store: each line of the witness file is written with one write at its end, so that their
//! order is that of what happened. While a job runs its worker holds a lock on a byte of a file that the system takes
//! away at the moment of its death, and at no other: a run that cannot have the lock overlaps with another.

use std::fs::File;
use std::io::{BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;
use nix::sys::signal::{Signal, raise};
use serde_json::{Value, json};

use crate::clock;
use crate::deeds::Deed;

/// What the program is to be: `worker` or `command`.
pub(crate) const ROLE: &str = "CHAOS_ROLE";
/// The witness file; the locks are beside it.
pub(crate) const WITNESS: &str = "CHAOS_WITNESS";
/// How many jobs at a time; absent: one, and nothing is said about it.
pub(crate) const CONCURRENCY: &str = "CHAOS_CONCURRENCY";
/// Of a command: what it does, and for how long.
pub(crate) const DEED: &str = "CHAOS_DEED";
/// In milliseconds.
pub(crate) const MS: &str = "CHAOS_MS";

/// The words that start this program as a worker or a command.
pub(crate) fn command_line() -> Vec<String> {
    let exe = std::env::current_exe().expect("the path of this program");
    let exe = exe.to_str().expect("UTF-8").to_owned();
    let name = "worker::a_worker_of_the_rounds_says_what_it_does";
    [&exe, "--exact", name, "--nocapture", "--test-threads=1"].map(str::to_owned).to_vec()
}

/// The test, and the way into the roles: the harness runs it in every process that is started with this name.
#[test]
fn a_worker_of_the_rounds_says_what_it_does() {
    match std::env::var(ROLE).as_deref() {
        Ok("worker") => serve(),
        Ok("command") => obey(),
        _ => check_a_worker(),
    }
}

/// A job, as its worker sees it.
struct Job {
    id: i64,
    attempt: i64,
    deed: Deed,
    time: Duration,
}

struct Log {
    file: File,
    path: String,
}

impl Log {
    fn open() -> Self {
        let path = std::env::var(WITNESS).expect("the witness file is named");
        let file = File::options().append(true).create(true).open(&path).expect("the witness file");
        Self { file, path }
    }

    fn line(&self, text: &str) {
        let line = format!("{text} {} {}\n", std::process::id(), clock::micros());
        (&self.file).write_all(line.as_bytes()).expect("written");
    }

    fn mark(&self, word: &str, job: &Job) {
        self.line(&format!("{word} {} {}", job.id, job.attempt));
    }

    /// The lock of a job; none if somebody else has it.
    fn lock(&self, job: &Job) -> Option<File> {
        let path = format!("{}.locks", self.path);
        let file = File::options().write(true).create(true).truncate(false).open(path).expect("the file of locks");
        let byte = libc::flock {
            l_type: libc::F_WRLCK as i16,
            l_whence: libc::SEEK_SET as i16,
            l_start: job.id,
            l_len: 1,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_OFD_SETLK(&byte)).ok().map(|_| file)
    }

    /// Does the job; what became of it.
    fn work(&self, job: &Job) -> Result<(), &'static str> {
        let lock = self.lock(job);
        if lock.is_none() {
            self.mark("OVERLAP", job);
        }
        self.mark("START", job);
        match job.deed {
            Deed::Crashes => {
                self.mark("CRASH", job);
                raise(Signal::SIGKILL).expect("this is the end");
            }
            Deed::Forks => leave_a_child(),
            Deed::Loud => eprintln!("{}", "much ado about nothing ".repeat(1000)),
            Deed::Late => clock::pass(Duration::from_secs(20)),
            Deed::Well | Deed::Twice | Deed::Fails | Deed::Never => {}
        }
        clock::pass(job.time);
        self.mark("END", job);
        match job.deed {
            Deed::Twice if job.attempt == 1 => Err("as it was told"),
            Deed::Fails | Deed::Never => Err("as it was told"),
            _ => Ok(()),
        }
    }
}

/// It holds our pipes and has left our session; ended by whoever sweeps after us, or soon by itself.
fn leave_a_child() {
    let mut child = Command::new("setsid");
    child.args(["sleep", "300"]).stdin(Stdio::null()).process_group(0);
    drop(child.spawn().expect("setsid is there"));
}

/// Speaks the worker protocol on stdin and stdout.
fn serve() {
    let log = Log::open();
    let name = std::env::var("QUEUE_WORK_WORKER").expect("a worker has a name");
    // The harness has begun a line that is none of ours.
    println!();
    let out = Mutex::new(std::io::stdout());
    log.line(&format!("UP {name}"));
    let say = |message: Value| {
        let mut out = out.lock().expect("no panic");
        // Nobody listens any more: the end of stdin will say so, too.
        let _ = out.write_all(format!("{message}\n").as_bytes()).and_then(|()| out.flush());
    };
    let threads = std::env::var(CONCURRENCY).map_or(1, |n| n.parse::<usize>().expect("a number"));
    if std::env::var(CONCURRENCY).is_ok() {
        say(json!({"method": "ready", "params": {"concurrency": threads}}));
    }
    let (to, jobs) = crossbeam_channel::unbounded::<(Value, Job)>();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for (id, job) in &jobs {
                    say(match log.work(&job) {
                        Ok(()) => json!({"id": id, "result": job.deed.word()}),
                        Err(why) if job.deed == Deed::Never => {
                            json!({"id": id, "error": {"message": why, "data": {"retry": false}}})
                        }
                        Err(why) => json!({"id": id, "error": {"message": why}}),
                    });
                }
            });
        }
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let message: Value = serde_json::from_str(&line).expect("the master writes JSON");
            if message["method"] == "job" {
                to.send((message["id"].clone(), read(&message["params"]))).expect("threads that read");
            }
        }
        drop(to);
    });
}

fn read(params: &Value) -> Job {
    let number = |value: &Value| value.as_i64().unwrap_or_else(|| panic!("not a number in {params}"));
    Job {
        id: number(&params["job_id"]),
        attempt: number(&params["attempt"]),
        deed: Deed::of(params["type"].as_str().unwrap_or_default()).unwrap_or_else(|| panic!("no deed: {params}")),
        time: Duration::from_millis(params["args"]["ms"].as_u64().unwrap_or(0)),
    }
}

/// Is a command, for which the built-in worker speaks.
fn obey() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<i64>().ok()).expect("a number");
    let job = Job {
        id: number("QUEUE_WORK_JOB_ID"),
        attempt: number("QUEUE_WORK_ATTEMPT"),
        deed: std::env::var(DEED).ok().and_then(|word| Deed::of(&word)).expect("a deed"),
        time: Duration::from_millis(number(MS).unsigned_abs()),
    };
    if Log::open().work(&job).is_err() {
        raise(Signal::SIGTERM).expect("this is the end");
    }
}

fn check_a_worker() {
    let folder = tempfile::tempdir().expect("a folder");
    let witness = folder.path().join("witness");
    let words = command_line();
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env(ROLE, "worker").env(WITNESS, &witness).env("QUEUE_WORK_WORKER", "pool-1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be started");
    let jobs = [(7, "well", 1), (8, "twice", 1), (8, "twice", 2), (9, "never", 1)];
    let mut stdin = child.stdin.take().expect("a pipe");
    for (n, (id, kind, attempt)) in (1..).zip(jobs) {
        let params = json!({"job_id": id, "type": kind, "attempt": attempt, "args": {"ms": 1}});
        writeln!(stdin, "{}", json!({"id": n, "method": "job", "params": params})).expect("it reads");
    }
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let answers: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let good: Vec<bool> = answers.iter().map(|answer| answer.get("result").is_some()).collect();
    assert_eq!(good, [true, false, true, false], "{text}");
    let seen = std::fs::read_to_string(&witness).expect("a witness file");
    let words: Vec<&str> = seen.lines().map(|line| line.rsplitn(3, ' ').last().expect("three words")).collect();
    let mut expected = vec!["UP pool-1".to_owned()];
    expected.extend(jobs.iter().flat_map(|(id, _, attempt)| ["START", "END"].map(|w| format!("{w} {id} {attempt}"))));
    assert_eq!(words, expected);
}
