//! `listen_mode = "worker"`: programs that are servers, on sockets that the master has.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixListener;

use super::*;

/// A bench with a service `web` at a free port of this machine: the HTTP server of the examples, or this program.
struct Site {
    bench: Bench,
    port: u16,
}

impl Site {
    fn new(program: Option<&str>) -> Self {
        let site = Self { bench: Bench::new(), port: free_port() };
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/services/web_server.py");
        let example = std::fs::read_to_string(example).expect("a program");
        std::fs::write(site.bench.path().join("server.py"), program.unwrap_or(&example)).expect("a program");
        site
    }

    /// The table of the service, with these lines more.
    fn configure(&self, lines: &str) {
        let begin =
            "[pools.web]\nkind = \"service\"\ncommand = [\"python3\", \"server.py\"]\nlisten_mode = \"worker\"\n";
        std::fs::write(self.bench.path().join("queue-work.toml"), format!("{begin}{lines}")).expect("a file");
    }

    fn listens(&self, workers: u32, more: &str) {
        self.configure(&format!("workers = {workers}\nlisten = [\"http:{}\"]\n{more}", self.port));
    }

    /// A master whose servers are all ready.
    #[track_caller]
    fn start(&self, workers: u64) -> Master<'_> {
        self.listens(workers as u32, "ready = \"message\"\n");
        start(&self.bench, workers)
    }

    #[track_caller]
    fn client(&self) -> Http {
        Http::connect(self.port).expect("it listens")
    }
}

/// A connection over which HTTP is spoken.
pub(super) struct Http<S = TcpStream>(BufReader<S>);

impl Http {
    fn connect(port: u16) -> std::io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(DEADLINE))?;
        Ok(Self::new(stream))
    }
}

impl<S: Read + Write> Http<S> {
    pub(super) fn new(stream: S) -> Self {
        Self(BufReader::new(stream))
    }

    pub(super) fn ask(&mut self, path: &str) -> std::io::Result<()> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n");
        self.0.get_mut().write_all(request.as_bytes())
    }

    /// The next answer, and whether it is the last.
    pub(super) fn answer(&mut self) -> std::io::Result<(Value, bool)> {
        let (mut head, mut line) = (String::new(), String::new());
        while self.0.read_line(&mut line)? > 0 && line != "\r\n" {
            head += &std::mem::take(&mut line);
        }
        let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()?.parse().ok());
        let length: usize = length.ok_or_else(|| std::io::Error::other(format!("no answer: {head:?}")))?;
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok((serde_json::from_slice(&body)?, head.contains("Connection: close")))
    }

    pub(super) fn get(&mut self, path: &str) -> std::io::Result<(Value, bool)> {
        self.ask(path)?;
        self.answer()
    }
}

/// Asks without a pause, on a connection for each request or on one as long as it may; everything that went wrong.
fn visit(port: u16, keeps: bool, is_over: &AtomicBool, good: &AtomicU64) -> Vec<String> {
    let (mut wrong, mut kept) = (Vec::new(), None);
    while !is_over.load(Ordering::Relaxed) {
        let asked = match kept.take() {
            Some(client) => Ok(client),
            None => Http::connect(port),
        };
        let answered = asked.and_then(|mut client| client.get("/").map(|answer| (client, answer)));
        match answered {
            Ok((client, (_, is_last))) => {
                good.fetch_add(1, Ordering::Relaxed);
                kept = Some(client).filter(|_| keeps && !is_last);
            }
            Err(error) => wrong.push(error.to_string()),
        }
    }
    wrong
}

#[test]
fn ten_restarts_of_servers_under_load_lose_no_connection_and_no_request() {
    let site = Site::new(None);
    let _master = site.start(2);
    let before = pids(&site.bench);
    let (is_over, good) = (AtomicBool::new(false), AtomicU64::new(0));
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let visitors = [false, true, false, true].map(|keeps| {
            let (is_over, good) = (&is_over, &good);
            scope.spawn(move || visit(site.port, keeps, is_over, good))
        });
        for _ in 0..10 {
            let seen = good.load(Ordering::Relaxed);
            site.bench.wait_for("requests to be answered", DEADLINE, |_| good.load(Ordering::Relaxed) > seen + 50);
            site.bench.ok(&["restart", "--pool", "web"]);
        }
        is_over.store(true, Ordering::Relaxed);
        visitors.into_iter().flat_map(|visitor| visitor.join().expect("a visitor does not panic")).collect()
    });
    assert_eq!(wrong, Vec::<String>::new());
    assert!(!pids(&site.bench).iter().any(|pid| before.contains(pid)), "all are new");
}

#[test]
fn a_server_is_given_its_sockets_in_order_with_their_names_and_its_own_pid() {
    let program = r#"
import json, os, socket, sys
sockets = [socket.socket(fileno=3 + n) for n in range(int(os.environ["LISTEN_FDS"]))]
print(json.dumps({"method": "GET", "id": 1}))
print(os.environ["LISTEN_FDNAMES"], os.environ["LISTEN_PID"] == str(os.getpid()))
print(sockets[0].family.name, sockets[1].getsockname()[1])
print(*(s.getblocking() for s in sockets), repr(sys.stdin.read()), file=sys.stderr)
print(json.dumps({"method": "ready"}), flush=True)
sockets[1].accept()
"#;
    let site = Site::new(Some(program));
    site.configure(&format!(
        "workers = 1\nready = \"message\"\nsocket_mode = \"0660\"\nlisten = [\"unix:web.sock\", \"http:0.0.0.0:{}\"]\n",
        site.port
    ));
    let _master = start(&site.bench, 1);
    let mut log = String::new();
    site.bench.wait_for("its stderr to be in the log", DEADLINE, |bench| {
        log = bench.run(&["logs", "web-1"]).stdout;
        log.contains("True True")
    });
    let path = site.bench.path().join("web.sock");
    let sockets = format!("AF_UNIX {}", site.port);
    for said in ["{\"method\": \"GET\", \"id\": 1}", "unix:http True", &sockets, "True True ''"] {
        assert!(log.lines().any(|line| line.ends_with(said)), "{said} {log}");
    }
    assert!(!log.contains("ready"), "{log}");
    let list = site.bench.run(&["services", "--json"]).expect_code(0).json();
    let shown = [format!("unix:{}", path.display()), format!("http:0.0.0.0:{}", site.port)];
    assert_eq!((&list[0]["state"], &list[0]["listen_mode"]), (&json!("healthy"), &json!("worker")));
    assert_eq!((&list[0]["listen"], &pool(&site.bench)["listen"]), (&json!(shown), &json!(shown)));
    assert!(!site.bench.leftovers().iter().any(|process| process.command.contains(" gateway ")), "nobody needs it");
}

#[test]
fn connections_wait_for_a_server_that_crashes_until_it_comes_up() {
    let site = Site::new(None);
    let program = site.bench.path().join("server.py");
    let good = std::fs::read_to_string(&program).unwrap();
    std::fs::write(&program, "raise SystemExit('not yet')\n").unwrap();
    site.listens(1, "ready = \"message\"\n");
    let _master = site.bench.start(&[]);
    site.bench.wait_for("the crash loop to be told", DEADLINE, |bench| {
        pool(bench)["problem"].to_string().contains("not yet")
    });
    let mut client = site.client();
    client.ask("/").unwrap();
    std::fs::write(&program, good).unwrap();
    let (answer, _) = client.answer().unwrap();
    assert_eq!(answer["worker"], "web-1");
}

#[test]
fn a_stop_refuses_new_connections_and_lets_a_server_answer_what_it_has() {
    let site = Site::new(None);
    let mut master = site.start(1);
    let mut client = site.client();
    client.ask("/after/2").unwrap();
    site.bench.wait_for("the request to be with the server", DEADLINE, |bench| {
        // Of the listener, and of the connection.
        let inside = format!("/proc/{}/fd", pids(bench)[0]);
        let links = std::fs::read_dir(inside).into_iter().flatten().flatten();
        links
            .filter(|link| std::fs::read_link(link.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:")))
            .count()
            > 1
    });
    site.bench.ok(&["stop", "--no-wait"]);
    site.bench
        .wait_for("connections to be refused", DEADLINE, |_| TcpStream::connect(("127.0.0.1", site.port)).is_err());
    assert_eq!(client.answer().unwrap().0["worker"], "web-1");
    assert!(master.wait_exit(DEADLINE).success());
}

#[test]
fn nothing_is_left_of_servers_whose_master_is_killed_and_the_next_listens_there() {
    let site = Site::new(None);
    let mut master = site.start(2);
    master.kill9();
    site.bench.wait_for("all to be gone", DEADLINE, |bench| bench.leftovers().is_empty());
    assert!(TcpStream::connect(("127.0.0.1", site.port)).is_err(), "nobody has the socket");
    let _master = start(&site.bench, 2);
    assert!(site.client().get("/").is_ok());
}

#[test]
fn a_reload_that_gives_the_sockets_to_the_workers_lets_calls_come_to_their_end() {
    let bench = bench("workers = 1\nlisten = \"unix:calc.sock\"\n");
    let _master = start(&bench, 1);
    let mut client = Client::connect(&bench).unwrap();
    let slow = std::thread::spawn(move || client.call("sleep", &json!([2])));
    bench.wait_for("the call to be with the worker", DEADLINE, |bench| pool(bench)["busy"] == 1);
    std::fs::write(bench.path().join("calc.py"), "import time\ntime.sleep(1000)\n").unwrap();
    write_config(&bench, "workers = 1\nlisten = \"unix:calc.sock\"\nlisten_mode = \"worker\"\n");
    bench.ok(&["reload"]);
    assert_eq!(slow.join().unwrap().expect("an answer")["data"], "slept");
}

#[test]
fn a_reload_gives_servers_another_address_and_loses_nothing_at_the_first() {
    let site = Site::new(None);
    let _master = site.start(1);
    let (other, before) = (free_port(), pids(&site.bench));
    let mut kept = site.client();
    kept.get("/").unwrap();
    let listen = format!("workers = 1\nready = \"message\"\nlisten = [\"http:{}\", \"http:{other}\"]\n", site.port);
    site.configure(&listen);
    std::thread::scope(|scope| {
        let reload = scope.spawn(|| site.bench.ok(&["reload"]));
        site.bench.wait_for("another worker", DEADLINE, |bench| pids(bench).iter().any(|pid| !before.contains(pid)));
        let mut was_last = false;
        site.bench.wait_for("the old one to leave", DEADLINE, |_| {
            was_last |= kept.get("/").expect("it answers").1;
            was_last
        });
        drop(kept);
        reload.join().unwrap();
    });
    for port in [site.port, other] {
        assert!(Http::connect(port).unwrap().get("/").is_ok());
    }
    site.listens(1, "ready = \"message\"\n");
    site.bench.ok(&["reload"]);
    assert!(Http::connect(other).is_err(), "it is closed");
}

#[test]
fn a_server_has_no_methods_to_call_and_that_is_said() {
    let site = Site::new(None);
    let _master = site.start(1);
    let refused = site.bench.run(&["call", "web", "add"]).expect_code(4).stderr;
    let said = format!(
        "queue-work: workers of `web` listen themselves (`listen_mode = \"worker\"`), and have no methods to call; \
         connect to http:127.0.0.1:{}\n",
        site.port
    );
    assert_eq!(refused, said);
}

#[test]
fn addresses_that_cannot_be_had_stop_the_start_and_name_the_reason() {
    let site = Site::new(None);
    let refused = |listen: &str| {
        site.configure(&format!("listen = [\"{listen}\"]\n"));
        site.bench.run(&[]).expect_code(2).stderr
    };
    let _taken = TcpListener::bind(("127.0.0.1", site.port)).unwrap();
    let said = refused(&format!("tcp:{}", site.port));
    assert!(said.contains(": another process listens there"), "{said}");
    let _other = UnixListener::bind(site.bench.path().join("web.sock")).unwrap();
    let said = refused("unix:web.sock");
    assert!(said.contains("web.sock` is in use by process "), "{said}");
    let said = refused(&format!("unix:{}", "x".repeat(120)));
    assert!(said.contains("a socket's path may have 103"), "{said}");
    std::fs::write(site.bench.path().join("file"), "mine").unwrap();
    let said = refused("unix:file");
    assert!(said.contains("exists and is no socket"), "{said}");
    assert_eq!(std::fs::read_to_string(site.bench.path().join("file")).unwrap(), "mine");
}

#[test]
fn keys_about_calls_are_refused_where_workers_listen_themselves() {
    let site = Site::new(None);
    site.configure("strategy = \"random\"\nmax_queue = 5\nqueues = [\"a\"]\n");
    let said = site.bench.run(&["config", "check"]).expect_code(2).stderr;
    for text in [
        "queue-work.toml:5:1: `strategy` is about calls, of which `listen_mode = \"worker\"` knows none; leave it out",
        "queue-work.toml:6:1: `max_queue` is about calls",
        "queue-work.toml:7:1: a service answers calls and serves no queue",
        "queue-work.toml:4:1: `listen_mode` is \"worker\", but there is no `listen`; write where its workers listen",
    ] {
        assert!(said.contains(text), "{text}\n{said}");
    }
    site.listens(1, "timeout = \"5s\"\n");
    let warned = site.bench.run(&["config", "check"]).expect_code(0).stderr;
    assert!(warned.contains("`timeout` has no effect on a service whose workers listen themselves"), "{warned}");
}
