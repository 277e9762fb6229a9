//! Queues of others that keep their jobs in PostgreSQL, each as a program in its own language that prints what it has measured.
//!
//! The peers are installed by `scripts/bench --install-peers` into a folder of the benchmark's own, by npm and pip, in the versions
//! named here. Their handlers do nothing and run in the process of the client.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::Outcome;
use crate::postgres::Postgres;
use crate::setting::{Setting, Tools};

const NODE: [&str; 3] = ["graphile-worker@0.17.3", "pg-boss@10.4.2", "pg@8.23.1"];
const PYTHON: [&str; 4] =
    ["procrastinate==3.10.0", "psycopg[binary,pool]==3.3.9", "pgqueuer==1.6.0", "asyncpg==0.32.0"];

pub(crate) const BATCHED: &str = "graphile-worker, batched";
pub(crate) const GRAPHILE: &str = "graphile-worker";
pub(crate) const BOSS: &str = "pg-boss, fetch(500)";
pub(crate) const PGQUEUER: &str = "pgqueuer, batches of 100";
pub(crate) const PROCRASTINATE: &str = "procrastinate";
/// All of them, the fastest first.
pub(crate) const NAMES: &[&str] = &[BATCHED, GRAPHILE, BOSS, PGQUEUER, PROCRASTINATE];

/// A peer.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    script: &'static str,
    is_python: bool,
    text: &'static str,
    args: &'static [&'static str],
    /// As many as it can do in some seconds.
    jobs: u64,
}

/// Figures of a peer.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Figures {
    /// Jobs a second.
    pub(crate) drain: f64,
    /// Jobs a second.
    pub(crate) bulk: f64,
    /// From a push to the start of the job, in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

pub(crate) static ALL: [Peer; 5] = [
    Peer {
        name: BATCHED,
        script: "graphile.mjs",
        is_python: false,
        text: include_str!("graphile.mjs"),
        args: &["batched"],
        jobs: 50_000,
    },
    Peer {
        name: GRAPHILE,
        script: "graphile.mjs",
        is_python: false,
        text: include_str!("graphile.mjs"),
        args: &["default"],
        jobs: 20_000,
    },
    Peer { name: BOSS, script: "boss.mjs", is_python: false, text: include_str!("boss.mjs"), args: &[], jobs: 20_000 },
    Peer {
        name: PGQUEUER,
        script: "pgqueuer_peer.py",
        is_python: true,
        text: include_str!("pgqueuer_peer.py"),
        args: &[],
        jobs: 20_000,
    },
    Peer {
        name: PROCRASTINATE,
        script: "procrastinate_peer.py",
        is_python: true,
        text: include_str!("procrastinate_peer.py"),
        args: &[],
        jobs: 4_000,
    },
];

impl Peer {
    /// Runs it in a database of its own; or why it cannot be run.
    pub(crate) fn run(&self, setting: &Setting<'_>, server: &Postgres) -> Outcome<Result<Figures, &'static str>> {
        let folder = folder(setting.tools);
        let program = if self.is_python {
            folder.join("venv/bin/python")
        } else {
            match &setting.tools.node {
                Some(node) if folder.join("node_modules").exists() => node.clone(),
                _ => return Ok(Err(MISSING)),
            }
        };
        if !program.exists() {
            return Ok(Err(MISSING));
        }
        // Beside what is installed, where it is found.
        let script = folder.join(self.script);
        fs::write(&script, self.text)?;
        let url = server.database("peer")?;
        let jobs = setting.n(self.jobs, 1_000);
        let mut command = Command::new(program);
        command.arg(script).args(self.args).arg(jobs.to_string()).env("URL", url).stdin(Stdio::null());
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let figures = said.lines().last().and_then(|line| serde_json::from_str(line).ok());
        let why = || format!("{} said `{said}{}`", self.name, String::from_utf8_lossy(&output.stderr));
        Ok(Ok(figures.ok_or_else(why)?))
    }
}

const MISSING: &str = "not installed; `scripts/bench --install-peers` installs it";

/// Where they are installed.
fn folder(tools: &Tools) -> PathBuf {
    tools.own_target().join("bench-peers")
}

/// Installs all of them.
pub(crate) fn install(tools: &Tools) -> Outcome<()> {
    let folder = folder(tools);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("package.json"), "{\"private\": true}\n")?;
    let mut npm = Command::new("npm");
    done("npm", npm.args(["install", "--no-audit", "--no-fund"]).args(NODE), &folder)?;
    let python = tools.python.as_ref().ok_or("`python3` is not installed")?;
    done("python3 -m venv", Command::new(python).args(["-m", "venv", "venv"]), &folder)?;
    let mut pip = Command::new(folder.join("venv/bin/pip"));
    done("pip", pip.args(["install", "--quiet"]).args(PYTHON), &folder)
}

fn done(what: &str, command: &mut Command, folder: &Path) -> Outcome<()> {
    let status = command.current_dir(folder).status().map_err(|e| format!("cannot run `{what}`: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{what}` ended with {status}").into()) }
}
