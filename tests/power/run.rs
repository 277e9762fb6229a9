//! A run to be recorded: pushes without a master on a fresh folder, a master under load, pushes after it.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::shim::{Kind, Record, Shim};
use crate::support::{Bench, DEADLINE, eventually, fixture};

/// Clients that push at the same time.
const PUSHERS: usize = 3;
/// Pushes of each.
const PUSHES: usize = 110;

/// Tries of all of them together.
const MOST: u64 = 5000;

/// A push that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Ack {
    /// What was pushed, as `{"n": …}`.
    pub(crate) n: u64,
    /// The id it got.
    pub(crate) id: i64,
    /// The moment of the record at which the answer had been read.
    pub(crate) at: u64,
}

/// What was done to the disk, and what was acknowledged when.
pub(crate) struct Recording {
    folder: PathBuf,
    pub(crate) records: Vec<(u64, Record)>,
    pub(crate) acks: Vec<Ack>,
}

impl Recording {
    /// The folder of the database.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// How many records there are before and after each sync.
    pub(crate) fn barriers(&self) -> Vec<usize> {
        let is_sync = |record: &Record| matches!(record, Record::SyncBegin { .. } | Record::SyncEnd { .. });
        (1..=self.records.len()).filter(|&n| is_sync(&self.records[n - 1].1)).collect()
    }

    fn syncs_of_database(&self) -> usize {
        let of_database = |path: &Path| path.file_name().is_some_and(|name| name == "q.db");
        self.records.iter().filter(|(_, r)| matches!(r, Record::SyncBegin { path, .. } if of_database(path))).count()
    }
}

/// Pushes one job with the command, which does it alone when no master runs.
fn push_as_guest(bench: &Bench, shim: &Shim, n: u64) -> Ack {
    let args = json!({ "n": n }).to_string();
    let env = shim.env();
    let verb = bench.verb(&["push", "echo", &args]);
    let run = env.iter().fold(verb, |verb, (name, value)| verb.env(name, value)).run().expect_code(0);
    Ack { n, id: run.stdout.trim().parse().expect("an id"), at: shim.moment() }
}

/// Pushes one job after the other over the control socket; those that were acknowledged.
fn push_to_master(socket: &Path, shim: &Shim, numbers: &AtomicU64) -> Vec<Ack> {
    let stream = UnixStream::connect(socket).expect("a master");
    stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
    let mut stream = BufReader::new(stream);
    let mut push = || {
        let n = numbers.fetch_add(1, Ordering::Relaxed);
        let line = json!({"id": n, "method": "push", "params": {"type": "echo", "args": {"n": n}}}).to_string() + "\n";
        stream.get_mut().write_all(line.as_bytes()).expect("a master");
        let mut answer = String::new();
        stream.read_line(&mut answer).expect("an answer");
        let at = shim.moment();
        let answer: Value = serde_json::from_str(&answer).expect("JSON");
        answer["result"]["id"].as_i64().map(|id| Ack { n, id, at })
    };
    let mut acks = Vec::new();
    while acks.len() < PUSHES {
        match push() {
            Some(ack) => acks.push(ack),
            // Refused while a sync fails; a moment later it goes.
            None => assert!(!eventually(Duration::from_millis(10), || numbers.load(Ordering::Relaxed) > MOST)),
        }
    }
    acks
}

/// Has a sync of the log fail now and then, until it is over.
fn break_syncs(shim: &Shim, over: &AtomicBool) -> usize {
    let mut broken = 0;
    while !over.load(Ordering::Relaxed) {
        shim.fail(Kind::Sync, "EIO", (4, 1), "-wal");
        eventually(DEADLINE, || shim.hits().0 > 0 || over.load(Ordering::Relaxed));
        broken += shim.hits().0;
    }
    shim.heal();
    broken
}

/// Records a run with this durability; `breaks`: a sync fails now and then.
pub(crate) fn record(durability: &str, breaks: bool) -> Recording {
    let bench = Bench::with_database("disk/q.db");
    let folder = bench.path().join("disk");
    let shim = Shim::recording(&folder);
    let (numbers, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let next = || numbers.fetch_add(1, Ordering::Relaxed);
    let mut acks: Vec<Ack> = (0..3).map(|_| push_as_guest(&bench, &shim, next())).collect();

    let echo = fixture("echo.py");
    let mut args = vec!["--workers", "2", "--queue", "default", "--durability", durability, "--"];
    args.extend(echo.iter().map(String::as_str));
    let env = shim.env();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut master = bench.launch_with(&args, &env);
    let socket = folder.join("q.db.sock");
    // Not by `status`: a reader makes a log and removes it, and this one would not be recorded.
    let listens = eventually(DEADLINE, || UnixStream::connect(&socket).is_ok());
    assert!(listens, "{}", bench.dump());
    let pushed = std::thread::scope(|scope| {
        let pushers = [(); PUSHERS].map(|()| scope.spawn(|| push_to_master(&socket, &shim, &numbers)));
        let breaker = breaks.then(|| scope.spawn(|| break_syncs(&shim, &over)));
        let pushed = pushers.map(|pusher| pusher.join().expect("no panic")).concat();
        over.store(true, Ordering::Relaxed);
        let broken = breaker.map_or(0, |breaker| breaker.join().expect("no panic"));
        assert_eq!(broken > 5, breaks, "{broken} syncs failed");
        pushed
    });
    acks.extend(pushed);
    master.signal(Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0), "{}", bench.dump());

    acks.extend((0..2).map(|_| push_as_guest(&bench, &shim, next())));
    let recording = Recording { folder, records: shim.record(), acks };
    assert!(recording.records.len() > 1000, "only {} records: does the shim see everything?", recording.records.len());
    let syncs = recording.syncs_of_database();
    assert!(syncs > 5, "only {syncs} syncs of the database: there was no checkpoint under load");
    recording
}
