//! beanstalkd as the peer: its server, and a raw client without a library in between.
//!
//! The server keeps its write-ahead log as by default (a sync every 50 ms at most) unless a case says otherwise, and is
//! reached over a Unix socket, which is faster for it than TCP. It keeps no record of runs.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::Outcome;
use crate::clock::{now_ns, until};
use crate::setting::Setting;

const DEADLINE: Duration = Duration::from_mins(5);
/// The job that ends a worker; of the lowest priority, so that it is the last.
pub(crate) const END: &[u8] = b"end!";
const LOWEST: u32 = u32::MAX;
/// Puts in one write.
const CHUNK: u64 = 1000;

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) socket: PathBuf,
    _folder: TempDir,
}

impl Server {
    /// Starts a server with its log in a folder of the repetition; `None` if it is not installed.
    pub(crate) fn start(setting: &Setting<'_>, log: &str, options: &[&str]) -> Outcome<Option<Self>> {
        let Some(program) = &setting.tools.beanstalkd else { return Ok(None) };
        let folder = tempfile::Builder::new().prefix("qwb").tempdir()?;
        let socket = folder.path().join("s");
        let mut command = Command::new(program);
        command.arg("-b").arg(setting.folder(log)?).args(options).arg("-l").arg(format!("unix:{}", socket.display()));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let server = Self { child, socket, _folder: folder };
        until("beanstalkd to listen", DEADLINE, Duration::from_millis(1), || {
            Ok(UnixStream::connect(&server.socket).is_ok())
        })?;
        Ok(Some(server))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<UnixStream>,
    line: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(socket: &Path) -> Outcome<Self> {
        let stream = UnixStream::connect(socket)?;
        Ok(Self { stream: BufReader::with_capacity(1 << 16, stream), line: Vec::new() })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Outcome<()> {
        Ok(self.stream.get_mut().write_all(bytes)?)
    }

    /// The next line, without its end.
    pub(crate) fn line(&mut self) -> Outcome<&[u8]> {
        self.line.clear();
        self.stream.read_until(b'\n', &mut self.line)?;
        self.line.strip_suffix(b"\r\n").ok_or_else(|| "beanstalkd closed the connection".into())
    }

    fn expect(&mut self, word: &str) -> Outcome<()> {
        let line = self.line()?;
        if line.starts_with(word.as_bytes()) {
            return Ok(());
        }
        Err(format!("beanstalkd said `{}` instead of `{word}`", String::from_utf8_lossy(line)).into())
    }

    /// Waits for the job that was asked for; its id and body.
    pub(crate) fn reserved(&mut self) -> Outcome<(u64, Vec<u8>)> {
        let line = String::from_utf8_lossy(self.line()?).into_owned();
        let mut words = line.split(' ');
        let (Some("RESERVED"), Some(id), Some(bytes)) = (words.next(), words.next(), words.next()) else {
            return Err(format!("beanstalkd said `{line}` instead of `RESERVED`").into());
        };
        let mut body = vec![0; bytes.parse::<usize>()? + 2];
        self.stream.read_exact(&mut body)?;
        body.truncate(body.len() - 2);
        Ok((id.parse()?, body))
    }

    /// Deletes a job and asks for the next in one write; waits for the answer to the first.
    pub(crate) fn delete_and_reserve(&mut self, id: u64) -> Outcome<()> {
        self.write(format!("delete {id}\r\nreserve\r\n").as_bytes())?;
        self.expect("DELETED")
    }

    pub(crate) fn delete(&mut self, id: u64) -> Outcome<()> {
        self.write(format!("delete {id}\r\n").as_bytes())?;
        self.expect("DELETED")
    }

    /// Adds one job and waits for the answer.
    pub(crate) fn put(&mut self, body: &[u8]) -> Outcome<()> {
        self.write(&put(0, body))?;
        self.expect("INSERTED")
    }

    /// Adds many, a thousand in one write.
    pub(crate) fn put_many(&mut self, jobs: u64, body: &[u8]) -> Outcome<()> {
        let mut left = jobs;
        while left > 0 {
            let now = left.min(CHUNK);
            self.write(&put(0, body).repeat(now as usize))?;
            for _ in 0..now {
                self.expect("INSERTED")?;
            }
            left -= now;
        }
        Ok(())
    }

    /// Adds the jobs that end so many workers.
    pub(crate) fn put_ends(&mut self, workers: u64) -> Outcome<()> {
        for _ in 0..workers {
            self.write(&put(LOWEST, END))?;
            self.expect("INSERTED")?;
        }
        Ok(())
    }

    /// Jobs that are ready or reserved.
    fn left(&mut self) -> Outcome<u64> {
        self.write(b"stats\r\n")?;
        let head = String::from_utf8_lossy(self.line()?).into_owned();
        let bytes: usize = head.strip_prefix("OK ").ok_or("beanstalkd has no stats")?.parse()?;
        let mut text = vec![0; bytes + 2];
        self.stream.read_exact(&mut text)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines = text.lines().filter_map(|line| line.split_once(": "));
        let left = lines.filter(|(name, _)| matches!(*name, "current-jobs-ready" | "current-jobs-reserved"));
        Ok(left.map(|(_, value)| value.parse::<u64>()).sum::<Result<u64, _>>()?)
    }

    /// Waits until nothing is left.
    pub(crate) fn wait_until_empty(&mut self) -> Outcome<()> {
        until("beanstalkd to be empty", DEADLINE, Duration::from_millis(1), || Ok(self.left()? == 0))
    }
}

/// One put as it is written.
pub(crate) fn put(priority: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("put {priority} 0 600 {}\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// Worker processes; killed when dropped.
#[derive(Debug)]
pub(crate) struct Workers(Vec<Child>);

impl Workers {
    /// Starts so many of them. What they print can be had from [`Workers::ended`].
    pub(crate) fn start(count: u64, mut command: impl FnMut() -> Command) -> Outcome<Self> {
        let mut workers = Self(Vec::new());
        for _ in 0..count {
            workers.0.push(command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?);
        }
        Ok(workers)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Outcome<()> {
        for child in &self.0 {
            kill(Pid::from_raw(child.id().cast_signed()), signal)?;
        }
        Ok(())
    }

    /// Waits until all have ended; what they printed.
    pub(crate) fn ended(mut self) -> Outcome<Vec<String>> {
        let mut all = Vec::new();
        for child in &mut self.0 {
            let mut text = String::new();
            if let Some(stdout) = &mut child.stdout {
                stdout.read_to_string(&mut text)?;
            }
            child.wait()?;
            all.push(text);
        }
        Ok(all)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            if matches!(child.try_wait(), Ok(None)) {
                drop(child.kill());
                drop(child.wait());
            }
        }
    }
}

/// Times how long so many workers take for so many jobs: they are warm, wait for a job and are held by SIGSTOP while
/// the queue is filled; the clock runs from SIGCONT until the last job is deleted and its worker has been given the one
/// that ends it. Jobs per second.
pub(crate) fn drain(server: &Server, jobs: u64, workers: u64, command: impl FnMut() -> Command) -> Outcome<f64> {
    let mut client = Connection::open(&server.socket)?;
    let workers_of = Workers::start(workers, command)?;
    client.put_many(48, b"noop")?;
    client.wait_until_empty()?;
    workers_of.signal(Signal::SIGSTOP)?;
    client.put_many(jobs, b"noop")?;
    client.put_ends(workers)?;
    let start = now_ns();
    workers_of.signal(Signal::SIGCONT)?;
    let stamps = workers_of.ended()?;
    let last = stamps.iter().map(|text| text.trim().parse::<u64>()).collect::<Result<Vec<_>, _>>()?;
    let end = last.into_iter().max().ok_or("no worker of beanstalkd has ended")?;
    Ok(jobs as f64 / (end.saturating_sub(start) as f64 / 1e9))
}
