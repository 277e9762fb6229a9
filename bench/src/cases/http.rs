//! Services in Python over HTTP: through the gateway, as servers themselves (`listen_mode = "worker"`), and gunicorn behind
//! nginx; what ten restarts under load cost each of them; and jobs beside calls.
//!
//! All have two workers and answer a few bytes. A client asks again as soon as it is answered, on a connection that it keeps
//! as long as it may.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::Case;
use super::drain::both;
use crate::Outcome;
use crate::clock::{now_ns, pause, seconds_since, until};
use crate::figures::{Row, Samples, Target, Unit};
use crate::ours::{Master, queue_work};
use crate::setting::{Setting, web_server};

const NGINX: &str = "gunicorn behind nginx";
const ALONE: &str = "without calls";
const CLIENTS: usize = 4;
const WORKERS: u32 = 2;
const RESTARTS: u64 = 10;
const DEADLINE: Duration = Duration::from_mins(1);
/// Calls a second beside jobs, in portions of a thousandth of a second.
const CALLS_PER_MS: usize = 10;
const CALL: &str = "{\"action\":\"noop\",\"parameters\":[5,3]}\n";

pub(crate) static HTTP: Case = Case {
    name: "http",
    about: "HTTP, 4 clients, 2 Python workers: through the gateway and as servers, against gunicorn behind nginx",
    rows: &[
        row("gateway", "HTTP through the gateway, 2 Python workers", Unit::PerSecond, Target::TimesPeer(1.0)),
        row("worker", "… with `listen_mode = \"worker\"`", Unit::PerSecond, Target::None),
    ],
    once: http,
};

pub(crate) static RESTART: Case = Case {
    name: "restarts",
    about: "requests that fail in ten restarts of all workers under load",
    rows: &[
        row("gateway", "failed in 10 restarts, through the gateway", Unit::Count, Target::AtMost(0.0)),
        row("worker", "… with `listen_mode = \"worker\"`", Unit::Count, Target::AtMost(0.0)),
    ],
    once: restarts,
};

pub(crate) static BESIDE: Case = Case {
    name: "drain-calls",
    about: "jobs that do nothing, 4 compiled workers, beside 10,000 calls a second",
    rows: &[
        Row {
            key: "drain",
            what: "drain, no-op, beside 10,000 calls/s",
            unit: Unit::PerSecond,
            target: Target::None,
            peers: &[ALONE],
        },
        Row::alone("calls", "… calls that were answered meanwhile", Unit::PerSecond, Target::None),
    ],
    once: beside,
};

const fn row(key: &'static str, what: &'static str, unit: Unit, target: Target) -> Row {
    Row { key, what, unit, target, peers: &[NGINX] }
}

const SERVICE: &str = r#"import sys
print('{"method": "ready", "params": {"methods": {"null": {}}}}', flush=True)
for line in sys.stdin:
    number = line[line.index('"id":') + 5:].split(",")[0].rstrip("}\n")
    print('{"id":%s,"result":null}' % number, flush=True)
"#;
const APP: &str = "def app(environ, start):\n    start('200 OK', [('Content-Length', '4')])\n    return [b'null']\n";

/// Something that answers HTTP at a port.
struct Site {
    port: u16,
    path: &'static str,
    method: &'static str,
}

impl Site {
    /// Asks on as many connections as there are clients until it is over: the good answers, and how many were none.
    fn load(&self, seconds: f64, meanwhile: impl FnOnce(&AtomicU64) -> Outcome<()>) -> Outcome<(f64, u64)> {
        let (is_over, good, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        let start = now_ns();
        let result = std::thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| self.ask_on(&is_over, &good, &failed));
            }
            let result = meanwhile(&good);
            pause(Duration::from_secs_f64((seconds - seconds_since(start)).max(0.0)));
            is_over.store(true, Ordering::Relaxed);
            result
        });
        result?;
        let per_second = good.load(Ordering::Relaxed) as f64 / seconds_since(start);
        Ok((per_second, failed.load(Ordering::Relaxed)))
    }

    fn ask_on(&self, is_over: &AtomicBool, good: &AtomicU64, failed: &AtomicU64) {
        let mut kept = None;
        while !is_over.load(Ordering::Relaxed) {
            let asked =
                kept.take().map_or_else(|| TcpStream::connect(("127.0.0.1", self.port)).map(BufReader::new), Ok);
            let answered = asked.and_then(|mut stream| self.ask(&mut stream).map(|is_last| (stream, is_last)));
            match answered {
                Ok((stream, is_last)) => {
                    good.fetch_add(1, Ordering::Relaxed);
                    kept = Some(stream).filter(|_| !is_last);
                }
                Err(_) => {
                    failed.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    /// One exchange; whether the connection ends behind it.
    fn ask(&self, stream: &mut BufReader<TcpStream>) -> std::io::Result<bool> {
        let Self { path, method, .. } = self;
        stream.get_mut().write_all(format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes())?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let head = head.to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        std::io::copy(&mut stream.by_ref().take(length.unwrap_or(0)), &mut std::io::sink())?;
        if head.starts_with("http/1.1 200") {
            return Ok(head.contains("connection: close"));
        }
        Err(std::io::Error::other(head))
    }

    fn wait_until_it_answers(&self) -> Outcome<()> {
        until("an answer over HTTP", DEADLINE, Duration::from_millis(10), || {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).map(BufReader::new);
            Ok(stream.and_then(|mut stream| self.ask(&mut stream)).is_ok())
        })
    }
}

/// A master with one service at a port.
fn ours(setting: &Setting<'_>, key: &'static str, python: &Path) -> Outcome<(Master, Site)> {
    let (dir, port) = (setting.folder(key)?, free_port()?);
    let (program, lines, path, method) = match key {
        "worker" => (web_server(), "listen_mode = \"worker\"\nready = \"message\"", "/", "GET"),
        _ => (dir.join("service.py"), "", "/call/null", "POST"),
    };
    if key != "worker" {
        fs::write(&program, SERVICE)?;
    }
    let command = format!("command = ['{}', '{}']", python.display(), program.display());
    let table = format!(
        "[pools.site]\nkind = \"service\"\nworkers = {WORKERS}\n{command}\nlisten = \"http:{port}\"\n{lines}\n"
    );
    let config = dir.join("queue-work.toml");
    fs::write(&config, table)?;
    let args = ["--config", &config.display().to_string()];
    let mut master = Master::launch(setting, &dir.join("q.db"), &args, &[] as &[OsString])?;
    master.wait_until_ready(WORKERS)?;
    let site = Site { port, path, method };
    site.wait_until_it_answers()?;
    Ok((master, site))
}

/// gunicorn with nginx before it; both end when dropped.
struct Nginx {
    children: Vec<Child>,
    site: Site,
    _folder: TempDir,
}

impl Nginx {
    fn start(setting: &Setting<'_>) -> Outcome<Option<Self>> {
        let (Some(nginx), Some(gunicorn)) = (&setting.tools.nginx, &setting.tools.gunicorn) else { return Ok(None) };
        let (folder, port) = (tempfile::Builder::new().prefix("qwb").tempdir()?, free_port()?);
        let at = folder.path().display();
        fs::write(folder.path().join("app.py"), APP)?;
        let server = format!("server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://app; }} }}");
        let folders =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(|of| format!("{of}_temp_path {at}/{of};"));
        let http = format!("access_log off; keepalive_requests 1000000; {}", folders.concat());
        let text = format!(
            "user root; daemon off; pid {at}/pid; error_log {at}/log; worker_processes 1; events {{ }}\n\
             http {{ {http} upstream app {{ server unix:{at}/app; }} {server} }}\n"
        );
        let config = folder.path().join("nginx.conf");
        fs::write(&config, text)?;
        let quiet = |command: &mut Command| {
            command.current_dir(&folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        };
        let mut app = Command::new(gunicorn);
        let mut children =
            vec![quiet(app.args(["--workers", "2", "--bind"]).arg(format!("unix:{at}/app")).arg("app:app"))?];
        children.push(quiet(Command::new(nginx).arg("-p").arg(folder.path()).arg("-c").arg(&config))?);
        let started = Self { children, site: Site { port, path: "/", method: "GET" }, _folder: folder };
        started.site.wait_until_it_answers()?;
        Ok(Some(started))
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        for child in &mut self.children {
            // In order, as both have children.
            let _ = kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM);
            drop(child.wait());
        }
    }
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn http(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let seconds = setting.n(5, 1) as f64;
    of_all(setting, samples, |site, _| Ok(site.load(seconds, |_| Ok(()))?.0))
}

fn restarts(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    of_all(setting, samples, |site, restart| {
        let (_, failed) = site.load(0.0, |good| {
            for _ in 0..RESTARTS {
                let seen = good.load(Ordering::Relaxed);
                until("requests to be answered", DEADLINE, Duration::from_millis(1), || {
                    Ok(good.load(Ordering::Relaxed) > seen + 100)
                })?;
                restart()?;
            }
            Ok(())
        })?;
        Ok(failed as f64)
    })
}

/// Measures each in turn, by what is given something that answers and how its workers are restarted.
fn of_all(
    setting: &Setting<'_>,
    samples: &mut Samples,
    measure: impl Fn(&Site, &dyn Fn() -> Outcome<()>) -> Outcome<f64>,
) -> Outcome<()> {
    let Some(python) = &setting.tools.python else {
        samples.missing("python3", "not installed");
        return Ok(());
    };
    let of_ours = |samples: &mut Samples| {
        for key in ["gateway", "worker"] {
            let (master, site) = ours(setting, key, python)?;
            let restart = || {
                let mut command = queue_work(setting);
                command.arg("--database").arg(&master.database).arg("--socket").arg(&master.socket);
                let status = command.args(["restart", "--all"]).stdout(Stdio::null()).status()?;
                if status.success() { Ok(()) } else { Err("a restart failed".into()) }
            };
            samples.ours(key, measure(&site, &restart)?);
            master.stop()?;
        }
        Ok(())
    };
    let of_peer = |samples: &mut Samples| {
        let Some(nginx) = Nginx::start(setting)? else {
            samples.missing(NGINX, "gunicorn and nginx are not both installed");
            return Ok(());
        };
        let restart = || {
            kill(Pid::from_raw(nginx.children[0].id().cast_signed()), Signal::SIGHUP)?;
            pause(Duration::from_millis(500));
            Ok(())
        };
        let value = measure(&nginx.site, &restart)?;
        samples.peer("gateway", NGINX, value);
        samples.peer("worker", NGINX, value);
        Ok(())
    };
    both(setting, samples, of_ours, of_peer)
}

fn beside(setting: &Setting<'_>, samples: &mut Samples) -> Outcome<()> {
    let folder = tempfile::Builder::new().prefix("qwb").tempdir()?;
    let (noop, socket) = (setting.tools.noop.display(), folder.path().join("s"));
    let jobs = format!("[pools.default]\nworkers = 4\ncommand = ['{noop}']\n");
    let service = format!("[pools.noop]\nkind = \"service\"\nready = \"spawned\"\ncommand = ['{noop}']\n");
    let text = format!("{jobs}{service}workers = {WORKERS}\nlisten = \"unix:{}\"\n", socket.display());
    fs::write(setting.dir.join("queue-work.toml"), text)?;
    let mut master = Master::launch(setting, &setting.dir.join("q.db"), &[], &[] as &[OsString])?;
    master.wait_until_ready(4 + WORKERS)?;
    let count = setting.n(100_000, 2_000);
    samples.peer("drain", ALONE, master.drain(count, "noop", "null")?.per_second());
    let (is_over, start) = (AtomicBool::new(false), now_ns());
    let (drained, calls) = std::thread::scope(|scope| {
        let calls = scope.spawn(|| paced(&socket, &is_over).map_err(|error| error.to_string()));
        let drained = master.drain(count, "noop", "null");
        is_over.store(true, Ordering::Relaxed);
        (drained, calls.join().unwrap_or_else(|_| Err("the caller panicked".to_owned())))
    });
    samples.ours("drain", drained?.per_second());
    samples.ours("calls", calls? as f64 / seconds_since(start));
    master.stop()
}

/// Calls in portions, each in the thousandth of a second after the last; how many were answered.
fn paced(socket: &Path, is_over: &AtomicBool) -> Outcome<u64> {
    let mut stream = BufReader::new(UnixStream::connect(socket)?);
    let (portion, start, mut line) = (CALL.repeat(CALLS_PER_MS), now_ns(), String::new());
    let mut portions = 0_u64;
    while !is_over.load(Ordering::Relaxed) {
        stream.get_mut().write_all(portion.as_bytes())?;
        for _ in 0..CALLS_PER_MS {
            line.clear();
            stream.read_line(&mut line)?;
        }
        portions += 1;
        let due = portions as f64 / 1e3;
        pause(Duration::from_secs_f64((due - seconds_since(start)).max(0.0)));
    }
    Ok(portions * CALLS_PER_MS as u64)
}
