//! The least that could be done: programs that do what the machine demands of everybody, and nothing else. They have no
//! queue, keep no record and survive nothing; what they take, no queue on this machine can go below.
//!
//! - A server that takes a push, hands it to a worker, writes six pages to a file, syncs and answers, in one thread.
//! - A supervisor that waits for the exit of a child and starts another.
//! - Four pipes to four workers, with one line on its way in each.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mio::net::{UnixListener, UnixStream};
use mio::unix::pipe::{Receiver, Sender};
use mio::{Events, Interest, Poll, Token};
use tempfile::TempDir;

use crate::Outcome;
use crate::clock::{now_ns, seconds_since, until};
use crate::pushers::Request;
use crate::roles::{self, ROLE};
use crate::setting::Setting;

/// The name of these as peers.
pub(crate) const LEAST: &str = "least possible";
/// A push to the server.
pub(crate) const PUSH: Request<'_> = Request { bytes: b"push 0\n", good: b"ok" };
/// About what a push and its claim change in a database.
const PAGES: usize = 6 * 4096;
/// The file is written from the start again after so many writes, as a log is after a checkpoint.
const WRITES: u64 = 60;
/// As long as the line of a job of ours that does nothing.
pub(crate) const JOB: &[u8] = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"job\",\"params\":{\"job\":1,\"run\":1,\"type\":\"noop\",\"args\":null,\
    \"queue\":\"default\",\"attempt\":1,\"max_attempts\":5,\"timeout\":\"5m\",\"deadline\":\"2026-01-01T00:00:00.000000Z\",\
    \"pushed_at\":\"2026-01-01T00:00:00.000000Z\"}}\n";
const DEADLINE: Duration = Duration::from_mins(1);
const PIPES: usize = 4;
const LISTENER: Token = Token(usize::MAX);

/// A running server or supervisor; killed when dropped.
#[derive(Debug)]
pub(crate) struct Least {
    child: Child,
    /// Of the server.
    pub(crate) socket: PathBuf,
    _folder: TempDir,
}

impl Least {
    /// Starts a server; with `stamps` its worker stamps the pushes.
    pub(crate) fn server(setting: &Setting<'_>, stamps: Option<&Path>) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("qwb").tempdir()?;
        let socket = folder.path().join("s");
        let mut command = role(setting, "least-server");
        command.arg(&socket).arg(setting.folder("least")?.join("log")).args(stamps);
        let least = Self { child: command.spawn()?, socket, _folder: folder };
        least.wait_until_it_listens()?;
        Ok(least)
    }

    /// Starts a server that answers calls by itself.
    pub(crate) fn calls(setting: &Setting<'_>) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("qwb").tempdir()?;
        let socket = folder.path().join("s");
        let least = Self { child: role(setting, "least-calls").arg(&socket).spawn()?, socket, _folder: folder };
        least.wait_until_it_listens()?;
        Ok(least)
    }

    fn wait_until_it_listens(&self) -> Outcome<()> {
        until("the least server to listen", DEADLINE, Duration::from_millis(1), || {
            Ok(std::os::unix::net::UnixStream::connect(&self.socket).is_ok())
        })
    }

    /// Starts a supervisor of so many workers.
    pub(crate) fn supervisor(setting: &Setting<'_>, workers: usize) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("qwb").tempdir()?;
        let mut command = role(setting, "least-supervisor");
        command.arg(&setting.tools.noop).arg(workers.to_string());
        let least = Self { child: command.spawn()?, socket: PathBuf::new(), _folder: folder };
        until("the least supervisor", DEADLINE, Duration::from_millis(1), || {
            Ok(crate::proc::children(least.pid())?.len() == workers)
        })?;
        Ok(least)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Least {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn role(setting: &Setting<'_>, name: &str) -> Command {
    let mut command = Command::new(&setting.tools.own);
    command.args([ROLE, name]).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Starts children, and a new one for each that ends; until it is killed.
pub(crate) fn supervise(program: &Path, workers: usize) -> Outcome<()> {
    let start = || Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut children = (0..workers).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
    loop {
        let ended = nix::sys::wait::wait()?.pid().map(|pid| pid.as_raw().cast_unsigned());
        children.push(start()?);
        children.retain(|child| Some(child.id()) != ended);
    }
}

struct Client {
    stream: UnixStream,
    waits: bool,
}

/// Serves until it is killed. All pushes that are there share a write and a sync.
pub(crate) fn serve(socket: &Path, log: &Path, stamps: Option<&Path>) -> Outcome<()> {
    let mut worker = stamps.map(stamping).transpose()?;
    let log = OpenOptions::new().create(true).truncate(true).write(true).open(log)?;
    let mut writes = 0;
    let mut poll = Poll::new()?;
    let mut listener = UnixListener::bind(socket)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients: Vec<Client> = Vec::new();
    let mut events = Events::with_capacity(64);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            match clients.get_mut(event.token().0) {
                Some(client) => take(client, &mut worker)?,
                None => accept(&listener, &mut clients, &poll)?,
            }
        }
        if clients.iter().any(|client| client.waits) {
            write(&log, writes)?;
            writes += 1;
            for client in clients.iter_mut().filter(|client| client.waits) {
                client.waits = false;
                // Whoever has gone hears nothing.
                let _ = client.stream.write_all(b"ok\n");
            }
        }
    }
}

/// Answers each request by itself, until it is killed.
pub(crate) fn answer(socket: &Path) -> Outcome<()> {
    let mut poll = Poll::new()?;
    let mut listener = UnixListener::bind(socket)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut clients = Vec::new();
    let mut events = Events::with_capacity(64);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            match clients.get_mut(event.token().0) {
                Some(client) => {
                    take(client, &mut None)?;
                    if std::mem::take(&mut client.waits) {
                        client.stream.write_all(b"null\n")?;
                    }
                }
                None => accept(&listener, &mut clients, &poll)?,
            }
        }
    }
}

fn stamping(stamps: &Path) -> Outcome<std::process::ChildStdin> {
    let mut command = Command::new(std::env::current_exe()?);
    let child = roles::stamp_into(&mut command, stamps).stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    child.stdin.ok_or_else(|| "a worker without stdin".into())
}

fn accept(listener: &UnixListener, clients: &mut Vec<Client>, poll: &Poll) -> Outcome<()> {
    loop {
        match listener.accept() {
            Ok((mut stream, _)) => {
                poll.registry().register(&mut stream, Token(clients.len()), Interest::READABLE)?;
                clients.push(Client { stream, waits: false });
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e.into()),
        }
    }
}

/// A client has one push on its way, `push <number>`: one read is all of it.
fn take(client: &mut Client, worker: &mut Option<std::process::ChildStdin>) -> Outcome<()> {
    let mut bytes = [0; 4096];
    let Ok(n @ 1..) = client.stream.read(&mut bytes) else { return Ok(()) };
    client.waits = true;
    if let (Some(worker), Some(number)) = (worker, std::str::from_utf8(&bytes[..n])?.trim().strip_prefix("push ")) {
        worker.write_all(format!("{{\"id\":1,\"args\":[{number},0]}}\n").as_bytes())?;
    }
    Ok(())
}

fn write(log: &File, writes: u64) -> Outcome<()> {
    static BYTES: [u8; PAGES] = [b'x'; PAGES];
    log.write_all_at(&BYTES, writes % WRITES * PAGES as u64)?;
    Ok(log.sync_data()?)
}

/// Lines per second through four workers, one line on its way to each.
pub(crate) fn pipes(setting: &Setting<'_>, lines: u64) -> Outcome<f64> {
    let mut poll = Poll::new()?;
    let mut workers = Vec::new();
    for n in 0..PIPES {
        let mut child = Command::new(&setting.tools.noop).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a worker without pipes".into());
        };
        let (stdin, mut stdout) = (Sender::from(stdin), Receiver::from(stdout));
        stdout.set_nonblocking(true)?;
        poll.registry().register(&mut stdout, Token(n), Interest::READABLE)?;
        workers.push((child, stdin, stdout));
    }
    let start = now_ns();
    for (_, stdin, _) in &mut workers {
        stdin.write_all(JOB)?;
    }
    let (mut events, mut bytes, mut done) = (Events::with_capacity(PIPES), [0; 4096], 0);
    while done < lines {
        poll.poll(&mut events, None)?;
        for event in &events {
            let Some((_, stdin, stdout)) = workers.get_mut(event.token().0) else { continue };
            // An answer is written at once and is short.
            if let Ok(1..) = stdout.read(&mut bytes) {
                done += 1;
                stdin.write_all(JOB)?;
            }
        }
    }
    let rate = done as f64 / seconds_since(start);
    for (mut child, stdin, _) in workers {
        drop(stdin);
        child.wait()?;
    }
    Ok(rate)
}
