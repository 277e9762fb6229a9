//! What the figures were measured on.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::Outcome;
use crate::clock::now_ns;
use crate::figures::percentile;
use crate::setting::{Tools, in_memory};

/// A machine and what is installed on it.
#[derive(Debug)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_gib: f64,
    kernel: String,
    /// A write of 4 KiB at the end of a file and its sync, where the cases run.
    sync_ms: f64,
    in_memory: bool,
    /// Processes that wanted to run in the last minute, before the first case.
    load: f64,
    commit: String,
    peers: Vec<(&'static str, Option<String>)>,
}

impl Machine {
    pub(crate) fn look(dir: &Path, tools: &Tools) -> Outcome<Self> {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let cpu = cpu
            .lines()
            .find_map(|l| l.strip_prefix("model name"))
            .unwrap_or("unknown")
            .trim_start_matches([' ', '\t', ':']);
        let memory = read("/proc/meminfo");
        let memory = memory.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).unwrap_or(0.0);
        let load = read("/proc/loadavg");
        let git = Command::new("git").args(["describe", "--always", "--dirty"]).output();
        Ok(Self {
            cpu: cpu.to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: memory / 1024.0 / 1024.0,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            sync_ms: sync_ms(dir)?,
            in_memory: in_memory(dir),
            load: load.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0.0),
            commit: git.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned()).unwrap_or_default(),
            peers: tools.peers(),
        })
    }

    /// In sentences.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{} cores ({}), {:.0} GiB, Linux {}; 4 KiB appended and synced in {:.2} ms; load {:.2} before; commit {}\n",
            self.cores, self.cpu, self.memory_gib, self.kernel, self.sync_ms, self.load, self.commit
        );
        if self.in_memory {
            text.push_str("the files are in memory (tmpfs), where a sync costs nothing: give `--dir` on a disk\n");
        }
        if self.load > 0.5 {
            text.push_str("other programs are running: figures will be worse than on an idle machine\n");
        }
        let there: Vec<&str> = self.peers.iter().filter_map(|(_, version)| version.as_deref()).collect();
        let mut more = vec![format!("peers: {}\n", there.join(", "))];
        let missing: Vec<&str> =
            self.peers.iter().filter(|(_, version)| version.is_none()).map(|(name, _)| *name).collect();
        if !missing.is_empty() {
            more.push(format!("missing: {}\n", missing.join(", ")));
        }
        text + &more.concat()
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "cpu": self.cpu, "cores": self.cores, "memory_gib": self.memory_gib, "kernel": self.kernel,
            "sync_ms": self.sync_ms, "files_in_memory": self.in_memory, "load_before": self.load, "commit": self.commit,
            "peers": self.peers.iter().map(|(name, version)| json!({ "name": name, "version": version })).collect::<Vec<_>>(),
        })
    }
}

fn sync_ms(dir: &Path) -> Outcome<f64> {
    let path = dir.join("sync");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..200 {
        let start = now_ns();
        file.write_all(&[7; 4096])?;
        file.sync_data()?;
        times.push((now_ns() - start) as f64 / 1e6);
    }
    fs::remove_file(path)?;
    percentile(&times, 50.0).ok_or_else(|| "nothing was synced".into())
}
