//! The services in `examples/services`, with the configuration beside them: every method is called by `call`, over a unix
//! socket and over TCP, with right and wrong arguments; servers are spoken to. A language that is not on this machine is named on stderr.

mod each;
mod servers;
mod sidecars;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;

/// Each service, with the program that runs it.
const ALL: [(&str, &str); 8] = [
    ("api_proxy", "node"),
    ("calculator", "node"),
    ("data_aggregator", "python3"),
    ("database", "python3"),
    ("file_watcher", "bash"),
    ("image_processor", "php"),
    ("web_server", "python3"),
    ("websocket_echo", "node"),
];
/// The queue of the watcher.
const FILES: &str = "files";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services")
}

/// Those of these services whose language is here. The others are named.
fn installed<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let is_here = |name: &&str| {
        let Some((_, program)) = ALL.iter().find(|(known, _)| known == name) else { return true };
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_here = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
        if !is_here {
            let note = format!("skipped: {program} is not installed, so the example {name} was not tried\n");
            std::io::stderr().write_all(note.as_bytes()).expect("a stderr");
        }
        is_here
    };
    names.iter().copied().filter(is_here).collect()
}

/// The examples in a folder of their own, with these tables of their configuration, at ports that are free.
struct Examples {
    bench: Bench,
    ports: BTreeMap<&'static str, u16>,
}

impl Examples {
    fn new(names: &[&str]) -> Self {
        let bench = Bench::new();
        for file in std::fs::read_dir(folder()).expect("a folder") {
            let file = file.expect("a file");
            std::fs::copy(file.path(), bench.path().join(file.file_name())).expect("a copy");
        }
        std::fs::create_dir(bench.path().join("inbox")).expect("a folder");
        let examples = Self { bench, ports: ALL.map(|(name, _)| (name, free_port())).into() };
        let text = std::fs::read_to_string(folder().join("queue-work.toml")).expect("a file");
        let mut chosen = String::new();
        for table in text.split("\n[pools.").skip(1) {
            let name = table.split(']').next().expect("a name");
            if !names.contains(&name) {
                continue;
            }
            let port = examples.ports.get(name).copied().unwrap_or_default();
            let tcp = table.find("\"tcp:").map(|at| table[at..at + "\"tcp:9501\"".len()].to_owned());
            let table = table.replace(tcp.as_deref().unwrap_or("no port"), &format!("\"tcp:{port}\""));
            chosen += "\n[pools.";
            chosen += &table;
        }
        examples.configure(&chosen.replace("9510", &free_port().to_string()));
        examples
    }

    fn configure(&self, text: &str) {
        std::fs::write(self.bench.path().join("queue-work.toml"), text).expect("a file");
    }

    fn configuration(&self) -> String {
        std::fs::read_to_string(self.bench.path().join("queue-work.toml")).expect("a file")
    }

    /// A master whose services are all ready, and which finds this binary as `queue-work`.
    #[track_caller]
    fn start(&self) -> Master<'_> {
        let binary = Path::new(env!("CARGO_BIN_EXE_queue-work")).parent().expect("a folder").to_owned();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([binary].into_iter().chain(std::env::split_paths(&path))).expect("a path");
        let master = self.bench.start_with(&[], &[("PATH", path.to_str().expect("UTF-8"))]);
        self.bench.wait_for("all services to be ready", DEADLINE, |bench| {
            let pools = bench.status()["pools"].as_array().cloned().unwrap_or_default();
            !pools.is_empty() && pools.iter().all(|pool| pool["ready"] == pool["wanted"] && pool["ready"] != 0)
        });
        master
    }

    fn service(&self, name: &'static str) -> Service<'_> {
        Service { bench: &self.bench, name, port: self.ports[name] }
    }
}

/// One of the services.
struct Service<'a> {
    bench: &'a Bench,
    name: &'static str,
    port: u16,
}

impl Service<'_> {
    fn unix(&self) -> UnixStream {
        UnixStream::connect(self.bench.path().join(self.name).with_extension("sock")).expect("it listens")
    }

    fn tcp(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).expect("it listens")
    }

    #[track_caller]
    fn call(&self, method: &str, args: &Value) -> Value {
        let printed = self.bench.ok(&["call", self.name, method, &args.to_string()]);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error}: {printed}"))
    }

    /// The same answer by all ways.
    #[track_caller]
    fn answers(&self, method: &str, args: &Value, result: &Value) {
        assert_eq!(&self.call(method, args), result, "{method}");
        let success = [json!({"status": "success", "data": result})];
        assert_eq!(ask(self.unix(), method, std::slice::from_ref(args)), success, "{method}");
        assert_eq!(ask(self.tcp(), method, std::slice::from_ref(args)), success, "{method}");
    }

    /// The same refusal by all ways.
    #[track_caller]
    fn refuses(&self, method: &str, args: &Value, exit: i32, message: &str) {
        let refused = self.bench.run(&["call", self.name, method, &args.to_string()]).expect_code(exit);
        assert_eq!((&*refused.stdout, &*refused.stderr), ("", &*format!("queue-work: {message}\n")));
        let by_unix = ask(self.unix(), method, std::slice::from_ref(args));
        let by_tcp = ask(self.tcp(), method, std::slice::from_ref(args));
        for answer in [&by_unix[0], &by_tcp[0]] {
            assert_eq!((&answer["status"], &answer["message"]), (&json!("error"), &json!(message)));
        }
    }

    /// Panics unless each method was called and the workers are those of the beginning.
    #[track_caller]
    fn was_called_whole_and_lives(&self, before: &[i64]) {
        self.bench.wait_for("every method to have been called", DEADLINE, |bench| {
            let service = bench.run(&["services", self.name, "--json"]).expect_code(0).json();
            let methods = service[0]["methods"].as_array().cloned().unwrap_or_default();
            !methods.is_empty() && methods.iter().all(|method| method["requests"].as_u64() > Some(0))
        });
        assert_eq!(pids(self.bench), before, "a worker was replaced");
    }
}

/// Writes all requests at once, each a line, and reads as many answers.
#[track_caller]
fn ask(mut stream: impl Read + Write, method: &str, requests: &[Value]) -> Vec<Value> {
    let line = |args: &Value| json!({"action": method, "parameters": args}).to_string() + "\n";
    stream.write_all(requests.iter().map(line).collect::<String>().as_bytes()).expect("it is read");
    let lines = BufReader::new(stream).lines().take(requests.len());
    lines.map(|line| serde_json::from_str(&line.expect("an answer")).expect("JSON")).collect()
}

/// What a program says to these lines, without a master.
fn say(program: &str, file: &str, lines: &[Value]) -> Vec<Value> {
    let mut command = Command::new(program);
    command.arg(folder().join(file)).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("it is installed");
    let text = lines.iter().map(Value::to_string).collect::<Vec<_>>().join("\n") + "\n";
    child.stdin.take().expect("a pipe").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends with its input");
    assert!(output.status.success(), "{file} ended with {}", output.status);
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}
