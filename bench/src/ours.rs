//! A master of queue-work, as a user would start it, and the time until its jobs are done.
//!
//! A drain is timed from just before `resume` of a paused queue, whose jobs are all pushed and synced and whose workers
//! are up and warm, until the last completion is committed **and synced**: the totals of `status` are those of the last
//! commit; once they say that all is done, one more change is made that is answered only after a sync of the log, which
//! covers every commit before it. That change and the request are in the time; nothing is looked at before the job
//! pushed last has ended, so that looking costs the master nothing.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use queue_work::testing::client::{Client, ClientError, NONE, Patience};
use queue_work::testing::report::{Status, status::QueueStatus};
use queue_work::testing::wire::control::{PushMany, PushedMany, Queues};
use serde::de::IgnoredAny;
use serde_json::json;
use tempfile::TempDir;

use crate::Outcome;
use crate::clock::{now_ns, seconds_since, until};
use crate::proc;
use crate::setting::Setting;

/// Nothing here takes longer.
const DEADLINE: Duration = Duration::from_mins(10);
/// Jobs before the clock starts, so that nothing is done for the first time.
const WARM_UP: u64 = 48;
/// The queue of all cases.
pub(crate) const QUEUE: &str = "default";
/// A queue that nobody serves.
const BARRIER: &str = "barrier";
/// Jobs in one request.
const CHUNK: usize = 1000;

/// A running master; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Master {
    child: Child,
    pub(crate) database: PathBuf,
    pub(crate) socket: PathBuf,
    stderr: PathBuf,
    /// The socket is in a folder of its own: its path must be short.
    _folder: TempDir,
}

/// How a drain went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drained {
    pub(crate) jobs: u64,
    pub(crate) seconds: f64,
    /// CPU time of all threads of the master.
    pub(crate) cpu_ns: u64,
}

impl Drained {
    pub(crate) fn per_second(&self) -> f64 {
        self.jobs as f64 / self.seconds
    }

    pub(crate) fn cpu_us_per_job(&self) -> f64 {
        self.cpu_ns as f64 / 1e3 / self.jobs as f64
    }
}

/// queue-work with the environment of nobody.
pub(crate) fn queue_work(setting: &Setting<'_>) -> Command {
    at(setting, &setting.dir)
}

/// The same, of somebody with this home.
fn at(setting: &Setting<'_>, home: &Path) -> Command {
    let mut command = Command::new(&setting.tools.queue_work);
    let own = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("QUEUE_WORK_"));
    own.for_each(|(name, _)| {
        command.env_remove(name);
    });
    command.env("HOME", home).env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME").env_remove("RUST_LOG");
    command.current_dir(&setting.dir).stdin(Stdio::null());
    command
}

impl Master {
    /// Starts a master in a folder of its own; does not wait.
    pub(crate) fn launch(setting: &Setting<'_>, database: &Path, args: &[&str], worker: &[OsString]) -> Outcome<Self> {
        Self::launched(queue_work(setting), database, args, worker)
    }

    fn launched(mut command: Command, database: &Path, args: &[&str], worker: &[OsString]) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("qwb").tempdir()?;
        let socket = folder.path().join("s");
        let stderr = folder.path().join("err");
        command.arg("--database").arg(database).arg("--socket").arg(&socket).args(args);
        if !worker.is_empty() {
            command.arg("--").args(worker);
        }
        command.stdout(Stdio::null()).stderr(File::create(&stderr)?);
        let child = command.spawn()?;
        Ok(Self { child, database: database.to_owned(), socket, stderr, _folder: folder })
    }

    /// Starts a master as if it were on another host, whose home is this, and waits until its workers are ready.
    pub(crate) fn start_at(
        setting: &Setting<'_>,
        home: &Path,
        database: &Path,
        workers: u32,
        worker: &[OsString],
    ) -> Outcome<Self> {
        let number = workers.to_string();
        let args = ["--queue", QUEUE, "--workers", &number];
        let mut master = Self::launched(at(setting, home), database, &args, worker)?;
        master.wait_until_ready(workers)?;
        Ok(master)
    }

    /// Starts a master with so many workers and waits until they are ready.
    pub(crate) fn start(
        setting: &Setting<'_>,
        database: &Path,
        workers: u32,
        args: &[&str],
        worker: &[OsString],
    ) -> Outcome<Self> {
        let number = workers.to_string();
        let all: Vec<&str> = ["--queue", QUEUE, "--workers", &number].iter().chain(args).copied().collect();
        let mut master = Self::launch(setting, database, &all, worker)?;
        master.wait_until_ready(workers)?;
        Ok(master)
    }

    /// Waits until so many workers are ready.
    pub(crate) fn wait_until_ready(&mut self, workers: u32) -> Outcome<()> {
        let mut client = None;
        until(&format!("{workers} workers to be ready"), DEADLINE, Duration::from_millis(1), || {
            if let Some(status) = self.child.try_wait()? {
                let said = fs::read_to_string(&self.stderr).unwrap_or_default();
                return Err(format!("the master ended with {status}: {said}").into());
            }
            if client.is_none() {
                client = match Client::connect(&self.socket, &self.database, Patience::Limited(DEADLINE)) {
                    Ok(client) => Some(client),
                    Err(ClientError::NoMaster { .. }) => return Ok(false),
                    Err(error) => return Err(error.into()),
                };
            }
            let Some(client) = &mut client else { return Ok(false) };
            let status: Status = client.call("status", &NONE)?;
            Ok(status.pools.iter().map(|p| p.ready).sum::<u32>() >= workers)
        })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn client(&self) -> Outcome<Client> {
        Ok(Client::connect(&self.socket, &self.database, Patience::Limited(DEADLINE))?)
    }

    /// Its children that run this program.
    pub(crate) fn workers(&self, program: &OsStr) -> Outcome<Vec<u32>> {
        let program = program.to_string_lossy();
        Ok(proc::children(self.pid())?.into_iter().filter(|pid| proc::program(*pid) == program).collect())
    }

    /// Its guardian or gateway: the child that is the same program as it is and no worker.
    pub(crate) fn helper(&self, verb: &str) -> Outcome<Option<u32>> {
        let is = |pid: &u32| {
            let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(verb)
        };
        Ok(proc::children(self.pid())?.into_iter().find(is))
    }

    /// Pushes so many jobs; they are synced when this returns. `args` is the JSON of the n-th job's args.
    pub(crate) fn push(&self, jobs: u64, kind: &str, args: impl Fn(u64) -> String) -> Outcome<Option<i64>> {
        let mut client = self.client()?;
        let mut last = None;
        let numbers: Vec<u64> = (0..jobs).collect();
        for chunk in numbers.chunks(CHUNK) {
            let jobs = chunk.iter().map(|n| {
                let args: Box<serde_json::value::RawValue> = serde_json::from_str(&args(*n))?;
                Ok(serde_json::from_value(json!({ "type": kind })).map(
                    |mut job: queue_work::testing::wire::control::PushJob| {
                        job.args = Some(args);
                        job
                    },
                )?)
            });
            let many = PushMany { jobs: jobs.collect::<Outcome<_>>()?, ids: false, batch: None };
            let pushed: PushedMany = client.call("push_many", &many)?;
            last = pushed.last_id.map(|id| id.0);
        }
        Ok(last)
    }

    /// Pushes jobs in JSON lines, by `queue-work push`.
    pub(crate) fn push_lines(&self, setting: &Setting<'_>, lines: &str) -> Outcome<()> {
        let file = self.database.with_extension("jsonl");
        fs::write(&file, lines)?;
        let mut push = queue_work(setting);
        push.arg("--database").arg(&self.database).arg("--socket").arg(&self.socket);
        let pushed = push.args(["push", "-q", "--jsonl", "--file"]).arg(&file).output()?;
        if pushed.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&pushed.stderr).into()) }
    }

    /// Runs some jobs, so that nothing is done for the first time later.
    pub(crate) fn warm_up(&self, kind: &str, args: &str) -> Outcome<()> {
        let before = succeeded(&mut self.client()?)?;
        self.push(WARM_UP, kind, |_| args.to_owned())?;
        self.wait_until_done(before + WARM_UP)
    }

    /// Waits until so many jobs of the queue have succeeded.
    pub(crate) fn wait_until_done(&self, jobs: u64) -> Outcome<()> {
        let mut client = self.client()?;
        until(&format!("{jobs} jobs to be done"), DEADLINE, Duration::from_micros(500), || {
            Ok(succeeded(&mut client)? >= jobs)
        })
    }

    /// Pauses the queue.
    pub(crate) fn pause(&self) -> Outcome<()> {
        pause_or_resume(&mut self.client()?, "pause", QUEUE)
    }

    /// Warms up, fills the paused queue, and times how long it takes to drain it.
    pub(crate) fn drain(&self, jobs: u64, kind: &str, args: &str) -> Outcome<Drained> {
        self.warm_up(kind, args)?;
        self.pause()?;
        let last = self.push(jobs, kind, |_| args.to_owned())?;
        self.timed(jobs, last)
    }

    /// Times from `resume` until `jobs` more have succeeded. Nothing is looked at before the job `last` has ended; without
    /// it the totals are looked at every 2 ms, as the queue is not to be empty at the end.
    pub(crate) fn timed(&self, jobs: u64, last: Option<i64>) -> Outcome<Drained> {
        let (mut client, mut waiter) = (self.client()?, self.client()?);
        let before = succeeded(&mut client)?;
        let failed = queue(&mut client)?.map_or(0, |q| q.failed_total);
        let cpu = proc::cpu_ns(self.pid())?;
        let start = now_ns();
        pause_or_resume(&mut client, "resume", QUEUE)?;
        if let Some(id) = last {
            let _: IgnoredAny = waiter.call("jobs.wait", &json!({ "id": id }))?;
        }
        let interval = Duration::from_micros(if last.is_some() { 200 } else { 2000 });
        let mut done = 0;
        until(&format!("{jobs} jobs to be done"), DEADLINE, interval, || {
            done = succeeded(&mut client)? - before;
            Ok(done >= jobs)
        })?;
        pause_or_resume(&mut client, "resume", BARRIER)?;
        let seconds = seconds_since(start);
        let cpu_ns = proc::cpu_ns(self.pid())? - cpu;
        let failed = queue(&mut client)?.map_or(0, |q| q.failed_total + q.dead) - failed;
        if failed > 0 {
            return Err(format!("{failed} jobs failed").into());
        }
        Ok(Drained { jobs: done, seconds, cpu_ns })
    }

    /// The same, and the rate of the last fifth.
    pub(crate) fn timed_with_end(&self, jobs: u64) -> Outcome<(Drained, f64)> {
        let mut client = self.client()?;
        let (before, cpu, start) = (succeeded(&mut client)?, proc::cpu_ns(self.pid())?, now_ns());
        pause_or_resume(&mut client, "resume", QUEUE)?;
        let mut done = 0;
        // Rarely: the totals of a store on a server are asked for there.
        let interval = Duration::from_millis(20);
        until("most jobs to be done", DEADLINE, interval, || {
            done = succeeded(&mut client)? - before;
            Ok(done >= jobs / 5 * 4)
        })?;
        let (most, then) = (done, seconds_since(start));
        until("all jobs to be done", DEADLINE, interval, || {
            done = succeeded(&mut client)? - before;
            Ok(done >= jobs)
        })?;
        let seconds = seconds_since(start);
        let cpu_ns = proc::cpu_ns(self.pid())? - cpu;
        Ok((Drained { jobs: done, seconds, cpu_ns }, (done - most) as f64 / (seconds - then)))
    }

    /// Ends it in order.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM)?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("the master ended with {status}").into()) }
    }
}

impl Drop for Master {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // The guardian ends the workers.
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

/// The queue of all cases as `status` has it.
fn queue(client: &mut Client) -> Outcome<Option<QueueStatus>> {
    let status: Status = client.call("status", &NONE)?;
    Ok(status.queues.into_iter().find(|q| q.name.as_str() == QUEUE))
}

/// Jobs of it that have succeeded, as of the last commit.
pub(crate) fn succeeded(client: &mut Client) -> Outcome<u64> {
    Ok(queue(client)?.map_or(0, |q| q.succeeded_total))
}

/// Answered after it is synced.
fn pause_or_resume(client: &mut Client, verb: &str, queue: &str) -> Outcome<()> {
    let _: IgnoredAny = client.call(verb, &Queues { queues: vec![queue.to_owned()], key: None, force: true })?;
    Ok(())
}
