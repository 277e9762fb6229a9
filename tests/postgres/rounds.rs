//! Hosts that are killed, stand still or are cut off in turn while they do jobs, and what their workers say of it in the end.
//!
//! `CLUSTER_ROUNDS` rounds; `CLUSTER_SEED` replays them. Invariants: what was acknowledged is done, and done once; no job runs in two
//! places at a time; no job is left.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;
use serde_json::json;

use super::server::new_url;
use super::support::fixture;
use super::way::Way;
use super::{Host, eventually};

const HOSTS: usize = 3;
/// Jobs of a push.
const JOBS: u64 = 10;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

struct Cluster {
    hosts: Vec<(Host, Way)>,
    folder: tempfile::TempDir,
    /// Pushes that were begun at a host to which something happened.
    pushes: Vec<Child>,
    acknowledged: u64,
    seed: u64,
}

impl Cluster {
    fn new(seed: u64) -> Self {
        let url = format!("{}&lease=5s", new_url());
        let host = |_| {
            let way = Way::to(&url);
            (Host::new(&way.url), way)
        };
        let hosts = (0..HOSTS).map(host).collect();
        let mut cluster =
            Self { hosts, folder: tempfile::tempdir().unwrap(), pushes: Vec::new(), acknowledged: 0, seed };
        (0..HOSTS).for_each(|at| cluster.start(at));
        cluster
    }

    /// Of the numbers below this, by the step of splitmix64.
    fn any(&mut self, of: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % of
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn start(&mut self, at: usize) {
        let log = self.log();
        let worker = fixture("clocked.py");
        let args = ["--workers=2", "--"].into_iter().chain(worker.iter().map(String::as_str));
        let args: Vec<&str> = args.chain(log.to_str()).collect();
        self.hosts[at].0.start(&args);
    }

    /// Begins to push some jobs at a host.
    fn push(&mut self, at: usize) -> Child {
        let mut job = || json!({"type": "clocked", "args": {"for_s": self.any(200) as f64 / 100.0}}).to_string();
        let jobs: Vec<String> = (0..JOBS).map(|_| job()).collect();
        let file = self.folder.path().join(format!("jobs-{}", self.seed));
        std::fs::write(&file, jobs.join("\n")).unwrap();
        let mut push = self.hosts[at].0.command(&["push", "--quiet", "--jsonl", "--file", file.to_str().unwrap()]);
        push.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Something happens to a host; when others have taken over it comes back.
    fn round(&mut self) {
        let victim = self.any(HOSTS as u64) as usize;
        let witness = (victim + 1) % HOSTS;
        let mut push = self.push(witness);
        assert!(push.wait().unwrap().success(), "a host that is well takes jobs");
        self.acknowledged += JOBS;
        let push = self.push(victim);
        self.pushes.push(push);
        let pid = self.hosts[victim].0.master.as_ref().unwrap().id();
        let what = self.any(3);
        match what {
            0 => self.hosts[victim].0.kill(),
            1 => self.hosts[victim].0.signal(Signal::SIGSTOP),
            _ => self.hosts[victim].1.cut(true),
        }
        // A master that begins anew does not answer for a moment.
        let is_listed = |of: &Host| {
            let (out, _, code) = of.run(&["status", "--json"]);
            let status: serde_json::Value = serde_json::from_str(&out).ok().filter(|_| code == 0)?;
            Some(status["hosts"].as_array()?.iter().any(|host| host["pid"] == pid && host["state"] == "running"))
        };
        eventually("it is taken over", || is_listed(&self.hosts[witness].0) == Some(false));
        let (host, way) = &mut self.hosts[victim];
        match what {
            0 => {}
            1 => host.signal(Signal::SIGCONT),
            _ => way.cut(false),
        }
        let mut has_ended = host.master.is_none();
        if !has_ended {
            eventually("it is there again, or has ended", || {
                has_ended = host.master.as_mut().unwrap().try_wait().unwrap().is_some();
                has_ended || is_listed(host) == Some(true)
            });
        }
        if has_ended {
            host.master = None;
            self.start(victim);
        }
    }

    /// What is left is done, and everything is as it should be.
    fn end(mut self) {
        let (mut done, mut unknown) = (self.acknowledged, 0);
        for mut push in std::mem::take(&mut self.pushes) {
            let counted = if push.wait().unwrap().success() { &mut done } else { &mut unknown };
            *counted += JOBS;
        }
        let queue = || self.hosts[0].0.json(&["queues", "--json"])[0].clone();
        let left = |queue: &serde_json::Value| {
            ["ready", "running", "scheduled"].iter().filter_map(|state| queue[*state].as_u64()).sum::<u64>()
        };
        // A master hears a moment later what another has taken in.
        let succeeded = |queue: &serde_json::Value| queue["succeeded_total"].as_u64().unwrap_or_default();
        let is_done = |queue: &serde_json::Value| left(queue) == 0 && succeeded(queue) >= done;
        eventually("all jobs are done", || is_done(&queue()));
        let queue = queue();
        let succeeded = succeeded(&queue);
        assert!((done..=done + unknown).contains(&succeeded), "{done} and perhaps {unknown} more: {queue}");
        assert_eq!((succeeded % JOBS, &queue["dead"]), (0, &json!(0)), "{queue}");
        let mut runs: BTreeMap<u64, BTreeMap<u64, (u64, u64)>> = BTreeMap::new();
        for line in std::fs::read_to_string(self.log()).unwrap().lines() {
            let numbers: Vec<u64> = line.split(' ').map(|number| number.parse().unwrap()).collect();
            let [job, pid, at] = numbers[..] else { panic!("{line}") };
            let seen = runs.entry(job).or_default().entry(pid).or_insert((at, at));
            seen.1 = at;
        }
        assert_eq!(runs.len() as u64, succeeded, "each has run");
        for (job, runs) in runs {
            let mut runs: Vec<_> = runs.into_values().collect();
            runs.sort_unstable();
            let overlap = runs.windows(2).find(|pair| pair[1].0 <= pair[0].1);
            assert_eq!(overlap, None, "job {job} ran in two places at a time");
        }
    }
}

#[test]
fn rounds_of_hosts_that_die_stand_still_and_are_cut_off_lose_no_job_and_run_none_in_two_places() {
    let seed = number("CLUSTER_SEED").unwrap_or_else(|| u64::from(std::process::id()));
    eprintln!("CLUSTER_SEED={seed}");
    let mut cluster = Cluster::new(seed);
    for _ in 0..number("CLUSTER_ROUNDS").unwrap_or(4) {
        cluster.round();
    }
    cluster.end();
}
