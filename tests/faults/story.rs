//! What happens in every run of the sweep: about forty jobs of all kinds, pushed with and without a master, workers that
//! crash, hang, fail and are recycled, a cancellation, a scaling, a restart, a master that is killed, and a stop.
//!
//! Knows nothing of the fault that is to happen: whenever a master is gone that should be there, the next one is started,
//! without the fault. Invariant: what was acknowledged is remembered, and nothing else is.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::peer::Peer;
use crate::support::{Bench, DEADLINE, Master, eventually};

/// Kinds of jobs for the pool that speaks the protocol; every one of them ends well.
const KINDS: [&str; 16] = [
    "nap", "halves", "crash", "slow", "fails", "chatty", "quick", "quick", "chatty", "nap", "quick", "chatty", "quick",
    "halves", "quick", "quick",
];

/// What the workers write down, in the folder of the bench, where everything of a story runs.
pub(crate) const JOURNAL: &str = "journal";
/// The key of a job that must never be there.
pub(crate) const NEVER: &str = "never";
/// Every hit of a failpoint, in the same folder.
const HITS: &str = "hits";

/// One run.
pub(crate) struct Story<'a> {
    pub(crate) bench: &'a Bench,
    /// `SITE=kill@N,…`; empty: nothing happens.
    faults: String,
    master: Option<Master<'a>>,
    /// Jobs that somebody was told are safe.
    pub(crate) acknowledged: Vec<i64>,
    /// The one that was cancelled, if its cancellation was acknowledged.
    pub(crate) cancelled: Option<i64>,
    /// The keys of each bulk push: all of them are on record, or none.
    pub(crate) bulks: Vec<Vec<String>>,
    /// Keys given out.
    keys: u32,
}

/// How often each site was hit, by the process that was there most often.
pub(crate) fn hits(bench: &Bench) -> BTreeMap<String, usize> {
    let mut by_process: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let text = fs::read_to_string(bench.path().join(HITS)).unwrap_or_default();
    for (pid, site) in text.lines().filter_map(|line| line.split_once(' ')) {
        *by_process.entry((site, pid)).or_default() += 1;
    }
    let mut most = BTreeMap::new();
    for ((site, _), count) in by_process {
        let entry = most.entry(site.to_owned()).or_insert(0);
        *entry = count.max(*entry);
    }
    most
}

impl<'a> Story<'a> {
    pub(crate) fn new(bench: &'a Bench, faults: &str) -> Self {
        let worker = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/steps.sh");
        // A master does not pass on variables of ours; so the built-in worker gets them from its pool.
        let hits = bench.path().join(HITS);
        let in_worker = if faults.contains("worker.") { faults } else { "" };
        let text = format!(
            r#"log_file_size = "1K"
            [defaults]
            backoff = "50ms"
            grace = "5s"
            kill_after = "100ms"
            max_attempts = 20
            [pools.steps]
            queues = ["default"]
            workers = 2
            max_jobs = 6
            prefetch = 3
            command = ["sh", "{worker}"]
            env = {{ JOURNAL = "{JOURNAL}" }}
            [pools.commands]
            queues = ["commands"]
            workers = 1
            kind = "exec"
            max_crashes = 20
            env = {{ QUEUE_WORK_FAIL = "{in_worker}", QUEUE_WORK_FAIL_LOG = "{}" }}
            "#,
            hits.display()
        );
        fs::write(bench.path().join("queue-work.toml"), text).expect("a configuration");
        let (acknowledged, faults) = (Vec::new(), faults.to_owned());
        Self { bench, faults, master: None, acknowledged, cancelled: None, bulks: Vec::new(), keys: 0 }
    }

    /// From the first push to the end of the last master.
    pub(crate) fn tell(&mut self) {
        self.push_in_bulk();
        self.push_on_the_command_line(&["quick"], "");
        self.start(true);
        self.push_in_bulk();
        self.leave_a_bulk_push();
        self.push_one_by_one();
        self.operate();
        self.wait_until("some jobs to be done", |story| {
            let ended = fs::read_to_string(story.bench.path().join(JOURNAL)).unwrap_or_default().matches("END").count();
            ended >= story.acknowledged.len().min(12)
        });
        if let Some(mut master) = self.master.take() {
            master.kill9();
        }
        self.start(true);
        // The one before may not have come to its deadline when the master was killed.
        let mut peer = self.peer();
        self.push(&mut peer, "slow", None);
        self.push_on_the_command_line(&["quick"], "");
        self.push_on_the_command_line(&["quick"], "");
        self.wait_until("all jobs to be done", |story| {
            let status = Peer::new(story.bench).call("status", &json!({})).unwrap_or_default();
            let queues = status["queues"].as_array().cloned().unwrap_or_default();
            !queues.is_empty()
                && queues.iter().all(|q| ["ready", "scheduled", "running"].iter().all(|state| q[state] == 0))
        });
        self.stop();
    }

    fn environment(&self, with_faults: bool) -> [(&'static str, String); 2] {
        let faults = if with_faults { self.faults.clone() } else { String::new() };
        // From the root: the guardian goes elsewhere.
        let hits = self.bench.path().join(HITS).to_string_lossy().into_owned();
        [("QUEUE_WORK_FAIL", faults), ("QUEUE_WORK_FAIL_LOG", hits)]
    }

    /// Starts a master, and another if that one does not come up.
    fn start(&mut self, with_faults: bool) {
        for with_faults in [with_faults, false] {
            let env = self.environment(with_faults);
            let master = self.bench.launch_with(&[], &env.each_ref().map(|(name, value)| (*name, value.as_str())));
            self.master = Some(master);
            let mut ended = false;
            let up = eventually(DEADLINE, || {
                ended = self.has_ended();
                ended || Peer::new(self.bench).call("ping", &json!({})).is_some()
            });
            assert!(up, "no master comes up\n{}", self.bench.dump());
            if !ended {
                return;
            }
        }
        panic!("a master without faults does not come up\n{}", self.bench.dump());
    }

    fn has_ended(&mut self) -> bool {
        self.master.as_mut().is_none_or(Master::has_ended)
    }

    /// Waits; whenever the master dies another takes its place.
    fn wait_until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let done = eventually(DEADLINE, || {
            if self.has_ended() {
                self.start(false);
            }
            so(self)
        });
        assert!(done, "waited for {what}\n{}", self.bench.dump());
    }

    /// A connection to a master, which may have to be started.
    fn peer(&mut self) -> Peer {
        self.wait_until("a master to listen", |story| Peer::new(story.bench).is_open());
        Peer::new(self.bench)
    }

    /// A job of this kind, with a key by which it can be told from all others.
    fn job(&mut self, kind: &str) -> Value {
        let unique = self.key();
        if kind == "command" {
            let script = format!(
                "for word in START END; do echo $word $QUEUE_WORK_JOB_ID $QUEUE_WORK_ATTEMPT $$ - >>{JOURNAL}; done"
            );
            let args = json!({"argv": ["sh", "-c", script]});
            return json!({"type": "exec", "queue": "commands", "unique": unique, "args": args});
        }
        let timeout = if kind == "slow" { "150ms" } else { "1h" };
        json!({"type": kind, "unique": unique, "timeout": timeout})
    }

    fn key(&mut self) -> String {
        self.keys += 1;
        format!("key {}", self.keys)
    }

    /// Pushes through a connection; the id, if it is acknowledged.
    fn push(&mut self, peer: &mut Peer, kind: &str, delay: Option<&str>) -> Option<i64> {
        let mut job = self.job(kind);
        job["delay"] = json!(delay);
        let id = peer.call("push", &job)?["id"].as_i64().expect("an id");
        self.acknowledged.push(id);
        Some(id)
    }

    /// Pushes one job, or many lines of jobs, as a process of its own, which the fault may hit too.
    fn push_on_the_command_line(&mut self, args: &[&str], lines: &str) {
        let key = self.key();
        let many = !lines.is_empty();
        let more: &[&str] = if many { &[] } else { &["--unique", &key] };
        let mut verb = self.bench.verb(&[&["push", "--json"], args, more].concat()).stdin(lines);
        for (name, value) in self.environment(true) {
            verb = verb.env(name, value);
        }
        let pushed = verb.run();
        if pushed.code == 0 {
            let answer = pushed.json();
            let first = answer[if many { "first_id" } else { "id" }].as_i64().expect("an id");
            self.acknowledged.extend(first..first + lines.lines().count().max(1) as i64);
        }
    }

    /// Pushes more lines than fit one step.
    fn push_in_bulk(&mut self) {
        let jobs: Vec<Value> = KINDS[..6].iter().map(|kind| self.job(kind)).collect();
        let key = |job: &Value| job["unique"].as_str().expect("a key").to_owned();
        self.bulks.push(jobs.iter().map(key).collect());
        let lines = jobs.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        self.push_on_the_command_line(&["--jsonl"], &lines);
    }

    /// Begins a bulk push that is never committed.
    fn leave_a_bulk_push(&mut self) {
        let mut peer = self.peer();
        if let Some(begun) = peer.call("bulk.begin", &json!({})) {
            let job = json!({"type": "quick", "unique": NEVER});
            peer.call("bulk.add", &json!({"bulk": begun["bulk"], "jobs": [job]}));
        }
    }

    fn push_one_by_one(&mut self) {
        let mut peer = self.peer();
        for n in 0..24 {
            if !peer.is_open() {
                peer = self.peer();
            }
            let kind = if n % 4 == 3 { "command" } else { KINDS[n % KINDS.len()] };
            let delay = (n % 8 == 5).then_some("20ms");
            // One that is refused is followed by another, until the store takes jobs again.
            let taken = eventually(DEADLINE, || self.push(&mut peer, kind, delay).is_some() || !peer.is_open());
            assert!(taken, "the master takes no jobs any more\n{}", self.bench.dump());
        }
        let mut peer = self.peer();
        let jobs: Vec<Value> = KINDS[8..].iter().map(|kind| self.job(kind)).collect();
        if let Some(pushed) = peer.call("push_many", &json!({"jobs": jobs, "ids": true})) {
            self.acknowledged.extend(pushed["ids"].as_array().expect("ids").iter().filter_map(Value::as_i64));
        }
    }

    /// What an operator does; what a master that dies has not heard is not done.
    fn operate(&mut self) {
        let mut peer = self.peer();
        if let Some(job) = self.push(&mut peer, "late", Some("5s")) {
            peer.call("jobs.show", &json!({"id": job}));
            let cancelled = peer.call("jobs.cancel", &json!({"ids": [job]}));
            self.cancelled = cancelled.filter(|done| done["count"] == 1).map(|_| job);
        }
        for workers in [3, 1, 2] {
            peer.call("scale", &json!({"workers": workers, "pool": "steps", "no_wait": true}));
        }
        peer.call("restart", &json!({"all": true, "no_wait": true}));
    }

    fn stop(&mut self) {
        let in_order = self.master.take().is_some_and(|mut master| {
            !master.has_ended() && {
                master.signal(Signal::SIGTERM);
                master.wait_exit(DEADLINE).success()
            }
        });
        if !in_order {
            let env = self.environment(false);
            let env = env.each_ref().map(|(name, value)| (*name, value.as_str()));
            let mut drain = self.bench.launch_with(&["--drain"], &env);
            let status = drain.wait_exit(DEADLINE);
            let died = drain.stderr().contains(" died; see `queue-work jobs --state dead`");
            assert_eq!(status.code(), Some(died.into()), "{status}\n{}", self.bench.dump());
        }
        let gone = eventually(Duration::from_secs(10), || self.bench.leftovers().is_empty());
        assert!(gone, "somebody is left\n{}", self.bench.dump());
    }
}
