//! Services, through the real binary: a Python program whose methods are called over sockets and by `call`.

#[expect(dead_code, reason = "written for the tests of `metrics`")]
#[path = "../verbs/exposition.rs"]
mod exposition;
#[path = "../support/mod.rs"]
mod support;

mod calls;
mod deaths;
mod examples;
mod listeners;
mod operate;
mod seen;
mod servers;
mod stubs;
mod tables;
mod trial;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use serde_json::{Value, json};
use support::{Bench, DEADLINE, Master};

/// A bench with a service `calc` that listens at `calc.sock`, with these further lines in its table.
fn bench(lines: &str) -> Bench {
    let bench = Bench::new();
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/calc.py");
    std::fs::copy(program, bench.path().join("calc.py")).expect("a program");
    write_config(&bench, lines);
    bench
}

fn write_config(bench: &Bench, lines: &str) {
    let begin = "[pools.calc]\nkind = \"service\"\ncommand = [\"python3\", \"calc.py\"]\n";
    std::fs::write(bench.path().join("queue-work.toml"), format!("{begin}{lines}")).expect("a file");
}

const LISTEN: &str = "workers = 2\nlisten = \"unix:calc.sock\"\n";

/// A master whose service has so many workers ready.
#[track_caller]
fn start(bench: &Bench, workers: u64) -> Master<'_> {
    let master = bench.start(&[]);
    wait_ready(bench, workers);
    master
}

#[track_caller]
fn wait_ready(bench: &Bench, workers: u64) {
    bench.wait_for("the workers to be ready", DEADLINE, |bench| pool(bench)["ready"] == workers);
}

/// The service, in `status`.
fn pool(bench: &Bench) -> Value {
    bench.status()["pools"].as_array().and_then(|pools| pools.first().cloned()).unwrap_or(Value::Null)
}

/// The processes of the workers, in `status`.
fn pids(bench: &Bench) -> Vec<i64> {
    let status = bench.status();
    status["workers"].as_array().into_iter().flatten().filter_map(|worker| worker["pid"].as_i64()).collect()
}

/// The process of the gateway.
#[track_caller]
fn gateway(bench: &Bench) -> i32 {
    let mut found = None;
    bench.wait_for("the gateway to run", DEADLINE, |bench| {
        found = bench.leftovers().into_iter().find(|process| process.command.contains(" gateway ")).map(|p| p.pid);
        found.is_some()
    });
    found.unwrap_or_default()
}

/// A connection on which calls are made one after the other, by lines.
struct Client(BufReader<UnixStream>);

impl Client {
    fn connect(bench: &Bench) -> std::io::Result<Self> {
        Self::connect_to(&bench.path().join("calc.sock"))
    }

    fn connect_to(path: &Path) -> std::io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self(BufReader::new(stream)))
    }

    /// The answer; `None`: the connection was closed.
    fn call(&mut self, method: &str, args: &Value) -> Option<Value> {
        let mut line = json!({"action": method, "parameters": args}).to_string();
        line.push('\n');
        self.0.get_mut().write_all(line.as_bytes()).ok()?;
        let mut answer = String::new();
        self.0.read_line(&mut answer).ok().filter(|bytes| *bytes > 0)?;
        serde_json::from_str(&answer).ok()
    }
}

/// Clients that call without a pause until they are stopped.
struct Load {
    is_over: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// So many clients; each connects anew when its connection is closed.
    fn start(bench: &Bench, clients: usize) -> Self {
        let (is_over, good) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let path = bench.path().join("calc.sock");
        let clients = (0..clients).map(|_| {
            let (is_over, good, path) = (Arc::clone(&is_over), Arc::clone(&good), path.clone());
            std::thread::spawn(move || hammer(&path, &is_over, &good))
        });
        let clients = clients.collect();
        Self { is_over, good, clients }
    }

    fn good(&self) -> u64 {
        self.good.load(Ordering::Relaxed)
    }

    /// Everything that went wrong, worded.
    fn stop(self) -> Vec<String> {
        self.is_over.store(true, Ordering::Relaxed);
        self.clients.into_iter().flat_map(|client| client.join().expect("a client does not panic")).collect()
    }
}

fn hammer(path: &Path, is_over: &AtomicBool, good: &AtomicU64) -> Vec<String> {
    let mut wrong = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let stream = match UnixStream::connect(path) {
            Ok(stream) => stream,
            Err(error) => {
                wrong.push(format!("no connection: {error}"));
                continue;
            }
        };
        let mut client = Client(BufReader::new(stream));
        while !is_over.load(Ordering::Relaxed) {
            match client.call("add", &json!([5, 3])) {
                Some(answer) if answer["data"] == 8 => {
                    good.fetch_add(1, Ordering::Relaxed);
                }
                Some(answer) => wrong.push(answer["code"].to_string()),
                None => {
                    wrong.push("closed".to_owned());
                    break;
                }
            }
        }
    }
    wrong
}

/// A port that is free.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
