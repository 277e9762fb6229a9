//! A PostgreSQL server of the benchmark's own, for our store and for the peers that keep their jobs in one.
//!
//! The server syncs what it commits, as by default, and listens on a port of the loopback for all of them alike. Each store or peer
//! gets a database of its own. Invariant: the server and its files are gone when it is dropped.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

use crate::Outcome;
use crate::clock::until;
use crate::setting::Setting;

const DEADLINE: Duration = Duration::from_secs(30);
const USER: &str = "bench";
/// Larger than by default, as anybody has it who asks for speed.
const SETTINGS: [&str; 6] = [
    "shared_buffers=512MB",
    "max_wal_size=4GB",
    "max_connections=200",
    "listen_addresses=127.0.0.1",
    "shared_preload_libraries=pg_stat_statements",
    "log_checkpoints=off",
];

/// A running server.
#[derive(Debug)]
pub(crate) struct Postgres {
    child: Child,
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
}

/// A transaction that stays open, and with it all that was deleted meanwhile.
#[derive(Debug)]
pub(crate) struct Held {
    child: Child,
    _input: ChildStdin,
}

/// The folder of the programs of the newest version that is installed.
pub(crate) fn programs() -> Option<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    folders.into_iter().find(|folder| ["initdb", "postgres", "psql"].iter().all(|name| folder.join(name).exists()))
}

impl Postgres {
    /// Starts a server; `None` where it is not installed.
    pub(crate) fn start(setting: &Setting<'_>) -> Outcome<Option<Self>> {
        let Some(programs) = setting.tools.postgres.clone() else { return Ok(None) };
        let folder = setting.folder("postgres")?;
        // A server does not run as root.
        let user = if geteuid().is_root() { User::from_name("postgres")? } else { None };
        if let Some(user) = &user {
            std::os::unix::fs::chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw()))?;
        }
        let run = |program: &str| {
            let mut command = Command::new(programs.join(program));
            if let Some(user) = &user {
                command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
            }
            command.current_dir(&folder).stdin(Stdio::null());
            command
        };
        let made =
            run("initdb").args(["-D", "data", "-A", "trust", "-E", "UTF8", "--locale=C", "-U", USER]).output()?;
        if !made.status.success() {
            return Err(format!("cannot make a server: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
        let log = std::fs::File::create(setting.dir.join("postgres.log"))?;
        let mut server = run("postgres");
        server.args(["-D", "data", "-k", ""]).args(["-p", &port.to_string()]);
        for setting in SETTINGS {
            server.args(["-c", setting]);
        }
        let child = server.stdout(Stdio::null()).stderr(log).spawn()?;
        let mut server = Self { child, programs, folder, port };
        until("PostgreSQL to start", DEADLINE, Duration::from_millis(20), || {
            if server.child.try_wait()?.is_some() {
                let said = std::fs::read_to_string(setting.dir.join("postgres.log")).unwrap_or_default();
                return Err(format!("PostgreSQL does not start: {said}").into());
            }
            Ok(server.ask("postgres", "SELECT 1").is_ok())
        })?;
        Ok(Some(server))
    }

    /// A database that is empty, after all that was to be written for others is written.
    pub(crate) fn database(&self, name: &str) -> Outcome<String> {
        self.ask("postgres", &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))?;
        self.ask("postgres", &format!("CREATE DATABASE {name}"))?;
        self.ask("postgres", "CHECKPOINT")?;
        Ok(self.url(name))
    }

    /// The URL of a database.
    pub(crate) fn url(&self, name: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{name}", self.port)
    }

    fn psql(&self, database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database)]);
        command
    }

    /// Runs one statement; what it finds, as text.
    pub(crate) fn ask(&self, database: &str, sql: &str) -> Outcome<String> {
        let output = self.psql(database).args(["-c", sql]).stdin(Stdio::null()).output()?;
        if !output.status.success() {
            return Err(format!("`{sql}`: {}", String::from_utf8_lossy(&output.stderr).trim()).into());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Opens a transaction that sees the present state, and keeps it open until it is dropped.
    pub(crate) fn hold(&self, database: &str) -> Outcome<Held> {
        let mut child = self.psql(database).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (input, output) = (child.stdin.take(), child.stdout.take());
        let (mut input, output) = input.zip(output).ok_or("`psql` has no input or no output")?;
        input.write_all(b"BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 'held' FROM pg_class LIMIT 1;\n")?;
        let mut said = String::new();
        BufReader::new(output).read_line(&mut said)?;
        if said.trim() != "held" {
            return Err("the transaction that is to stay open does not open".into());
        }
        Ok(Held { child, _input: input })
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let pid = Pid::from_raw(self.child.id().cast_signed());
        let _ = kill(pid, Signal::SIGQUIT);
        drop(self.child.wait());
        drop(std::fs::remove_dir_all(&self.folder));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
