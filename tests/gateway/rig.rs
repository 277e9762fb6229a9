//! A gateway with workers and listeners, and the master's end of its socket pair.
//!
//! Invariants: nothing waits for a fixed time, everything for a condition with a deadline; when a rig is dropped no process of
//! it is left.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use queue_work::testing::model::service::{Declared, ServiceSettings};
use queue_work::testing::model::{PoolName, Slot, WorkerId};
use queue_work::testing::wire::gateway::{Framing, FromGateway, MOST, ToGateway};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, ftruncate, memfd_create};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, socketpair,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::clock::{self, now};

/// Longer than anything should take on a slow machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// What the master keeps of a worker.
struct Worker {
    child: Child,
    pool: PoolName,
    slot: Slot,
    stdin: OwnedFd,
    stdout: OwnedFd,
    declared: Option<Box<Declared>>,
}

/// A gateway and what belongs to it.
pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    gateway: Child,
    number: u32,
    master: OwnedFd,
    marks: OwnedFd,
    console: UnixListener,
    services: BTreeMap<PoolName, ServiceSettings>,
    workers: BTreeMap<WorkerId, Worker>,
    /// The id of the worker that was started last; no other gets it.
    pub(crate) last: WorkerId,
    listeners: BTreeMap<String, (PoolName, Framing, OwnedFd)>,
    heard: Vec<FromGateway>,
}

pub(crate) fn name(pool: &str) -> PoolName {
    PoolName::new(pool).expect("a name")
}

impl Rig {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let marks = memfd_create("marks", MemfdFlags::CLOEXEC).expect("a file in memory");
        ftruncate(&marks, 4096).expect("its size");
        let console = UnixListener::bind(folder.path().join("calls")).expect("a socket");
        let (master, gateway) = spawn(1);
        let mut rig = Self {
            folder,
            gateway,
            number: 1,
            master,
            marks,
            console,
            services: BTreeMap::new(),
            workers: BTreeMap::new(),
            last: WorkerId(0),
            listeners: BTreeMap::new(),
            heard: Vec::new(),
        };
        rig.begin();
        rig
    }

    /// Kills the gateway and starts the next one, which is told everything again.
    pub(crate) fn restart(&mut self) {
        self.gateway.kill().expect("it can be killed");
        self.gateway.wait().expect("it ends");
        self.number += 1;
        (self.master, self.gateway) = spawn(self.number);
        self.heard.clear();
        self.begin();
    }

    fn begin(&mut self) {
        self.say(&ToGateway::Begin, &[self.marks.as_fd(), self.console.as_fd()]);
        self.say(&ToGateway::Services { services: self.services.clone() }, &[]);
        for (address, (pool, framing, socket)) in &self.listeners {
            let packet = ToGateway::Listen { pool: pool.clone(), address: address.clone(), framing: *framing };
            self.say(&packet, &[socket.as_fd()]);
        }
        for (id, worker) in &self.workers {
            let Worker { pool, slot, declared, .. } = worker;
            let (pool, declared) = (pool.clone(), declared.clone());
            let packet = ToGateway::Worker { worker: *id, pool, slot: *slot, declared };
            self.say(&packet, &[worker.stdin.as_fd(), worker.stdout.as_fd()]);
        }
        self.say(&ToGateway::Told, &[]);
        self.hear(|said| matches!(said, FromGateway::Up).then_some(()));
    }

    /// A pool of kind `service`.
    pub(crate) fn service(&mut self, pool: &str, settings: ServiceSettings) {
        self.services.insert(name(pool), settings);
        self.say(&ToGateway::Services { services: self.services.clone() }, &[]);
    }

    /// A pool with one worker that declares this, ready; and a listener on a unix socket.
    pub(crate) fn with(pool: &str, declared: &Value) -> (Self, PathBuf) {
        let mut rig = Self::start();
        rig.service(pool, ServiceSettings::default());
        let worker = rig.python(pool, declared, None);
        rig.is_ready(worker);
        crate::rig::eventually("what it said has been dealt with", || !rig.is_marked(worker));
        let path = rig.listen_unix(pool, Framing::Auto);
        (rig, path)
    }

    /// Starts a worker of the fixture; what it reads is written to `log`.
    pub(crate) fn python(&mut self, pool: &str, declared: &Value, log: Option<&str>) -> WorkerId {
        let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/service.py");
        let mut command = Command::new("python3");
        command.args([fixture, &declared.to_string()]).args(log.map(|log| self.folder.path().join(log)));
        self.worker(pool, command)
    }

    /// Starts a worker.
    pub(crate) fn worker(&mut self, pool: &str, mut command: Command) -> WorkerId {
        let (their_stdin, stdin) = std::io::pipe().expect("a pipe");
        let (stdout, their_stdout) = std::io::pipe().expect("a pipe");
        let child = command.stdin(their_stdin).stdout(their_stdout).spawn().expect("a worker");
        let id = WorkerId(self.last.0 + 1);
        self.last = id;
        let slot = Slot(u32::try_from(id.0).expect("a small number"));
        let worker =
            Worker { child, pool: name(pool), slot, stdin: stdin.into(), stdout: stdout.into(), declared: None };
        let packet = ToGateway::Worker { worker: id, pool: name(pool), slot, declared: None };
        self.say(&packet, &[worker.stdin.as_fd(), worker.stdout.as_fd()]);
        self.workers.insert(id, worker);
        id
    }

    /// Waits until a worker is ready; what it declares.
    pub(crate) fn is_ready(&mut self, id: WorkerId) -> Declared {
        let declared = self.hear(|said| match said {
            FromGateway::Ready { worker, declared } if *worker == id => Some(declared.clone()),
            _ => None,
        });
        self.workers.get_mut(&id).expect("a worker").declared = Some(declared.clone());
        *declared
    }

    pub(crate) fn gateway_pid(&self) -> u32 {
        self.gateway.id()
    }

    /// Whether the gateway has left a mark of something half done with this worker.
    pub(crate) fn is_marked(&self, id: WorkerId) -> bool {
        let mut byte = [0];
        rustix::io::pread(&self.marks, &mut byte, id.0.unsigned_abs()).expect("the file of marks");
        byte[0] != 0
    }

    /// Whether the gateway has read everything that a worker has written.
    pub(crate) fn has_read_all(&self, id: WorkerId) -> bool {
        rustix::io::ioctl_fionread(&self.workers[&id].stdout).expect("a pipe") == 0
    }

    /// Kills a worker and tells the gateway, as the master does.
    pub(crate) fn kill(&mut self, id: WorkerId) {
        let mut worker = self.workers.remove(&id).expect("a worker");
        worker.child.kill().expect("it can be killed");
        worker.child.wait().expect("it ends");
        self.say(&ToGateway::Gone { worker: id, how: "it was killed by SIGKILL".to_owned() }, &[]);
    }

    /// Waits until a worker has ended by itself, and tells the gateway.
    pub(crate) fn reap(&mut self, id: WorkerId, how: &str) {
        let mut worker = self.workers.remove(&id).expect("a worker");
        worker.child.wait().expect("it ends");
        self.say(&ToGateway::Gone { worker: id, how: how.to_owned() }, &[]);
    }

    /// A listener on a unix socket.
    pub(crate) fn listen_unix(&mut self, pool: &str, framing: Framing) -> PathBuf {
        let path = self.folder.path().join(format!("{pool}-{}.sock", self.listeners.len()));
        let socket = UnixListener::bind(&path).expect("a socket");
        self.listen(pool, format!("unix:{}", path.display()), framing, socket.into());
        path
    }

    /// A listener on a port of the loopback interface.
    pub(crate) fn listen_tcp(&mut self, pool: &str, framing: Framing) -> String {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a socket");
        let address = socket.local_addr().expect("its address").to_string();
        self.listen(pool, format!("tcp:{address}"), framing, socket.into());
        address
    }

    fn listen(&mut self, pool: &str, address: String, framing: Framing, socket: OwnedFd) {
        let packet = ToGateway::Listen { pool: name(pool), address: address.clone(), framing };
        self.say(&packet, &[socket.as_fd()]);
        self.listeners.insert(address, (name(pool), framing, socket));
    }

    /// A connection for calls, as `queue-work call` makes one.
    pub(crate) fn console(&self) -> Client {
        Client::unix(&self.folder.path().join("calls"))
    }

    /// Says something to the gateway.
    pub(crate) fn say(&self, packet: &ToGateway, descriptors: &[BorrowedFd<'_>]) {
        let packet = serde_json::to_vec(packet).expect("a packet");
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        sendmsg(&self.master, &[IoSlice::new(&packet)], &mut control, SendFlags::NOSIGNAL).expect("the gateway hears");
    }

    /// Waits for something that the gateway says; the rest is kept for later.
    #[track_caller]
    pub(crate) fn hear<T>(&mut self, wanted: impl Fn(&FromGateway) -> Option<T>) -> T {
        let until = now() + DEADLINE;
        let mut seen = 0;
        loop {
            while let Some(said) = self.heard.get(seen) {
                if let Some(found) = wanted(said) {
                    self.heard.remove(seen);
                    return found;
                }
                seen += 1;
            }
            let left = until.saturating_duration_since(now());
            let wait = Timespec { tv_sec: left.as_secs().cast_signed(), tv_nsec: 0 };
            let mut fds = [PollFd::new(&self.master, PollFlags::IN)];
            poll(&mut fds, Some(&wait)).expect("it can be waited for");
            let mut packet = vec![0; MOST];
            let read = recv(&self.master, &mut packet[..], RecvFlags::DONTWAIT).map_or(0, |(bytes, _)| bytes);
            assert!(read > 0, "the gateway says nothing more; it has said {:?}", self.heard);
            self.heard.push(serde_json::from_slice(&packet[..read]).expect("a packet"));
        }
    }

    /// What was replaced, and why.
    #[track_caller]
    pub(crate) fn replaced(&mut self, id: WorkerId) -> String {
        self.hear(|said| match said {
            FromGateway::Replace { worker, why, .. } if *worker == id => Some(why.clone()),
            _ => None,
        })
    }

    /// The lines of the log of a worker, once there are as many.
    #[track_caller]
    pub(crate) fn log(&self, log: &str, lines: usize) -> Vec<Value> {
        let path = self.folder.path().join(log);
        let read = || -> Vec<Value> {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
        };
        eventually(&format!("{lines} lines in {log}"), || read().len() >= lines);
        read()
    }

    /// Closes the master's end.
    pub(crate) fn master_dies(mut self) {
        self.master =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("a pair").0;
        eventually("the gateway ends", || self.gateway.try_wait().expect("it can be asked").is_some());
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let workers = self.workers.values_mut().map(|worker| &mut worker.child);
        for child in workers.chain([&mut self.gateway]) {
            // It may have ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn spawn(number: u32) -> (OwnedFd, Child) {
    let (master, gateway) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).expect("a socket pair");
    let mut command = Command::new(env!("CARGO_BIN_EXE_queue-work"));
    command.args(["gateway", &number.to_string()]).stdin(Stdio::from(gateway));
    (master, command.spawn().expect("a gateway"))
}

/// Waits for a condition.
#[track_caller]
pub(crate) fn eventually(what: &str, is_so: impl FnMut() -> bool) {
    assert!(clock::eventually(DEADLINE, is_so), "not in time: {what}");
}

/// The client's side of a connection.
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

pub(crate) struct Client(pub(crate) BufReader<Stream>);

impl Client {
    pub(crate) fn unix(path: &std::path::Path) -> Self {
        let stream = UnixStream::connect(path).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE * 2)).expect("a deadline");
        Self(BufReader::new(Stream::Unix(stream)))
    }

    pub(crate) fn tcp(address: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(DEADLINE * 2)).expect("a deadline");
        stream.set_nodelay(true).expect("at once");
        Self(BufReader::new(Stream::Tcp(stream)))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.get_mut().write_all(bytes.as_ref()).expect("it can be written");
        self
    }

    /// Half-close.
    pub(crate) fn ends(&mut self) -> &mut Self {
        match self.0.get_ref() {
            Stream::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
        .expect("a half-close");
        self
    }

    #[track_caller]
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        assert!(line.ends_with('\n'), "no line, but {line:?}");
        line.pop();
        line
    }

    #[track_caller]
    pub(crate) fn json(&mut self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// Everything until the gateway closes the connection.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("the end");
        String::from_utf8(rest).expect("text")
    }

    /// A call as `queue-work call` makes it; the answer.
    #[track_caller]
    pub(crate) fn call(&mut self, service: &str, method: &str, args: &Value) -> Value {
        self.send(format!("{}\n", json!({"id": 1, "service": service, "method": method, "args": args})));
        self.json()
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
