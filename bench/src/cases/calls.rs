//! Calls of services: how long one takes, how many there are in a second, and what services cost that nobody calls.
//!
//! The worker is the example that does nothing and declares nothing, so its result is the whole answer. Held against the
//! same worker at the end of a plain pipe, and against a server that answers each request on a socket by itself: no
//! queue, no choice, no limit.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use super::commands::{TRUE, millis};
use super::drain::both;
use super::{Case, idle};
use crate::Outcome;
use crate::clock::{now_ns, pause, seconds_since};
use crate::figures::{Row, Samples, Target, Unit, percentile};
use crate::least::{self, Least};
use crate::ours::{Master, queue_work};
use crate::pushers::{self, Request};
use crate::setting::Setting;

const PIPE: &str = "plain pipe";
const SOCKET: &str = "plain socket server";
const ANY: &str = "any process (/bin/true)";
const REQUEST: Request<'_> = Request { bytes: b"{\"action\":\"noop\",\"parameters\":[5,3]}\n", good: b"null" };
const CLIENTS: usize = 4;
/// Services, and workers of each, that nobody calls.
const SERVICES: u32 = 10;

/// Calls over a unix socket, on connections that stay.
pub(crate) static CALL: Case = Case {
    name: "call",
    about: "calls of a service over a unix socket, against a plain pipe and a plain socket server",
    rows: &[
        row("p50", "call over unix, 1 client, 2 workers, p50", Unit::Micros, Target::AtMost(40.0)),
        row("p99", "… p99", Unit::Micros, Target::AtMost(150.0)),
        row("rate", "calls, 4 clients, 2 workers", Unit::PerSecond, Target::AtLeast(40_000.0)),
    ],
    once: call,
};

/// A call from a script.
pub(crate) static PROCESS: Case = Case {
    name: "call-process",
    about: "`queue-work call` as a process",
    rows: &[Row {
        key: "call",
        what: "`queue-work call` as a process",
        unit: Unit::Millis,
        target: Target::AtMost(5.0),
        peers: &[ANY],
    }],
    once: process,
};

/// CPU of the master, its guardian and the gateway.
pub(crate) static IDLE: Case = Case {
    name: "services-idle",
    about: "CPU of the master and the gateway with 10 idle services of 10 workers",
    rows: &[
        Row::alone("cpu", "CPU while idle, 10 services × 10 workers", Unit::Percent, Target::AtMost(0.02)),
        Row::alone("gateway", "… of the gateway alone", Unit::Percent, Target::None),
    ],
    once: idle_services,
};

const fn row(key: &'static str, what: &'static str, unit: Unit, target: Target) -> Row {
    Row { key, what, unit, target, peers: &[PIPE, SOCKET] }
}

/// A master with services, whose sockets are in a folder with a short path.
struct Services {
    master: Master,
    folder: TempDir,
}

impl Services {
    fn start(setting: &Setting<'_>, services: u32, workers: u32) -> Outcome<Self> {
        let folder = tempfile::Builder::new().prefix("qwb").tempdir()?;
        let mut text = String::new();
        for n in 0..services {
            let (program, socket) = (setting.tools.noop.display(), folder.path().join(n.to_string()));
            writeln!(text, "[pools.noop{n}]\nkind = \"service\"\nready = \"spawned\"\nworkers = {workers}")?;
            writeln!(text, "command = [\"{program}\"]\nlisten = \"unix:{}\"", socket.display())?;
        }
        fs::write(setting.dir.join("queue-work.toml"), text)?;
        let mut master = Master::launch(setting, &setting.dir.join("q.db"), &[], &[] as &[OsString])?;
        master.wait_until_ready(services * workers)?;
        Ok(Self { master, folder })
    }

    /// The socket of the first of them.
    fn socket(&self) -> PathBuf {
        self.folder.path().join("0")
    }
}

fn call(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let ours = |samples: &mut Samples| {
        let services = Services::start(setting, 1, 2)?;
        let figures = Figures::of_socket(setting, &services.socket(), REQUEST)?;
        figures.each(|key, value| samples.ours(key, value));
        services.master.stop()
    };
    let peers = |samples: &mut Samples| {
        let server = Least::calls(setting)?;
        Figures::of_socket(setting, &server.socket, REQUEST)?.each(|key, value| samples.peer(key, SOCKET, value));
        of_pipe(setting)?.each(|key, value| samples.peer(key, PIPE, value));
        Ok(())
    };
    both(setting, samples, ours, peers)
}

struct Figures {
    p50_us: f64,
    p99_us: f64,
    per_second: f64,
}

impl Figures {
    fn of_socket(setting: &Setting<'_>, socket: &Path, request: Request<'_>) -> Outcome<Self> {
        let stream = UnixStream::connect(socket)?;
        let (p50_us, p99_us) = round_trips(setting, &stream, &stream, request)?;
        let per_second = pushers::rate(socket, CLIENTS, setting.n(5, 1) as f64, request)?;
        Ok(Self { p50_us, p99_us, per_second })
    }

    fn each(&self, mut take: impl FnMut(&'static str, f64)) {
        take("p50", self.p50_us);
        take("p99", self.p99_us);
        take("rate", self.per_second);
    }
}

/// The same worker without anything between.
fn of_pipe(setting: &Setting<'_>) -> Outcome<Figures> {
    let mut child = Command::new(&setting.tools.noop).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("a worker without pipes".into());
    };
    let (p50_us, p99_us) = round_trips(setting, stdout, stdin, Request { bytes: least::JOB, good: b"\"result\"" })?;
    child.wait()?;
    Ok(Figures { p50_us, p99_us, per_second: least::pipes(setting, setting.n(200_000, 1_000))? })
}

/// One request after the other; the middle one and the 99th percentile, in millionths of a second.
fn round_trips(
    setting: &Setting<'_>,
    input: impl Read,
    mut output: impl Write,
    request: Request<'_>,
) -> Outcome<(f64, f64)> {
    let (mut input, mut line, mut times) = (BufReader::new(input), Vec::new(), Vec::new());
    let warm_up = setting.n(1_000, 10);
    for n in 0..warm_up + setting.n(50_000, 100) {
        line.clear();
        let start = now_ns();
        output.write_all(request.bytes)?;
        input.read_until(b'\n', &mut line)?;
        let took_us = seconds_since(start) * 1e6;
        pushers::check(&line, request)?;
        if n >= warm_up {
            times.push(took_us);
        }
    }
    let of = |percent| percentile(&times, percent).ok_or("nothing was called");
    Ok((of(50.0)?, of(99.0)?))
}

fn process(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let Services { master, folder: _folder } = Services::start(setting, 1, 2)?;
    let (mut any, mut call) = (Vec::new(), Vec::new());
    for _ in 0..setting.n(200, 10) {
        let mut command = Command::new(TRUE);
        any.push(millis(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))?);
        let mut command = queue_work(setting);
        command.arg("--database").arg(&master.database).arg("--socket").arg(&master.socket);
        call.push(millis(command.args(["call", "noop0", "noop", "[5, 3]"]).stdout(Stdio::null()))?);
    }
    master.stop()?;
    let median = |times: &[f64]| percentile(times, 50.0).ok_or("nothing was started");
    samples.peer("call", ANY, median(&any)?);
    samples.ours("call", median(&call)?);
    Ok(())
}

fn idle_services(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let services = Services::start(setting, SERVICES, SERVICES)?;
    let stream = UnixStream::connect(services.socket())?;
    round_trips(setting, &stream, &stream, REQUEST)?;
    drop(stream);
    // New workers are looked at more often, and each proves once, after half a minute, that it is of use: a service is idle
    // when nobody has called it for a minute.
    pause(Duration::from_secs(setting.n(70, 2)));
    let master = &services.master;
    let gateway = master.helper("gateway")?.ok_or("there is no gateway")?;
    let others: Vec<u32> = [Some(master.pid()), master.helper("guardian")?].into_iter().flatten().collect();
    let [gateway, others] = idle::percent(setting, [&[gateway], &others])?;
    samples.ours("cpu", gateway + others);
    samples.ours("gateway", gateway);
    services.master.stop()
}
