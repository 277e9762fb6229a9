//! Where a repetition runs, how large it is, and the programs it may use.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::{Outcome, postgres};

/// One repetition of one case.
#[derive(Debug)]
pub(crate) struct Setting<'a> {
    /// Few of everything: only to see that the case works.
    pub(crate) quick: bool,
    /// Ten million where a million is the default.
    pub(crate) long: bool,
    /// Which repetition, from 0.
    pub(crate) repetition: usize,
    /// An empty folder of its own.
    pub(crate) dir: PathBuf,
    /// A folder of the case: what is made in one repetition is there in the next.
    pub(crate) shared: PathBuf,
    pub(crate) tools: &'a Tools,
}

impl Setting<'_> {
    /// How many, by the size that was asked for.
    pub(crate) fn n(&self, full: u64, quick: u64) -> u64 {
        if self.quick { quick } else { full }
    }

    /// How many, where there is a size that takes minutes.
    pub(crate) fn large(&self, long: u64, full: u64, quick: u64) -> u64 {
        if self.long { long } else { self.n(full, quick) }
    }

    /// A folder in that of the repetition.
    pub(crate) fn folder(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.dir.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }

    /// Whether ours comes first this time; the other way round the next time, so that neither always finds the
    /// machine as the other has left it.
    pub(crate) fn ours_first(&self) -> bool {
        self.repetition.is_multiple_of(2)
    }
}

/// The programs.
#[derive(Debug)]
pub(crate) struct Tools {
    /// The program that is measured.
    pub(crate) queue_work: PathBuf,
    /// `examples/noop.rs`.
    pub(crate) noop: PathBuf,
    /// This program, which is also the client of the peers.
    pub(crate) own: PathBuf,
    /// Debian's own where there is one: a version manager's is a slow script around another.
    pub(crate) python: Option<PathBuf>,
    pub(crate) beanstalkd: Option<PathBuf>,
    pub(crate) xargs: Option<PathBuf>,
    pub(crate) parallel: Option<PathBuf>,
    pub(crate) task_spooler: Option<PathBuf>,
    pub(crate) strace: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
    pub(crate) gunicorn: Option<PathBuf>,
    /// The programs of PostgreSQL.
    pub(crate) postgres: Option<PathBuf>,
    pub(crate) node: Option<PathBuf>,
}

impl Tools {
    pub(crate) fn find() -> Outcome<Self> {
        let own = std::env::current_exe()?;
        let beside = |name: &str| {
            let program = own.with_file_name(name);
            if program.exists() { Ok(program) } else { Err(format!("`{name}` is not built; use `scripts/bench`")) }
        };
        let debian = Path::new("/usr/bin/python3");
        let parallel = find("parallel").filter(|path| said(path, "--version").contains("GNU"));
        Ok(Self {
            queue_work: beside("queue-work")?,
            noop: beside("examples/noop")?,
            own,
            python: debian.exists().then(|| debian.to_owned()).or_else(|| find("python3")),
            beanstalkd: find("beanstalkd"),
            xargs: find("xargs"),
            parallel,
            task_spooler: find("tsp"),
            strace: find("strace"),
            nginx: find("nginx"),
            gunicorn: find("gunicorn"),
            postgres: postgres::programs(),
            node: find("node"),
        })
    }

    /// The folder of everything that is built.
    pub(crate) fn own_target(&self) -> PathBuf {
        let release = self.queue_work.parent();
        release.and_then(Path::parent).map_or_else(std::env::temp_dir, Path::to_owned)
    }

    /// The peers by name, with their version; `None` for what is not installed.
    pub(crate) fn peers(&self) -> Vec<(&'static str, Option<String>)> {
        let version = |path: &Option<PathBuf>, option: &str| {
            let first = |text: String| text.lines().next().unwrap_or("of unknown version").to_owned();
            // task-spooler says what it is as well.
            path.as_ref().map(|path| first(said(path, option)).split(" - ").next().unwrap_or_default().to_owned())
        };
        vec![
            ("beanstalkd", version(&self.beanstalkd, "-v")),
            ("xargs", version(&self.xargs, "--version")),
            ("parallel", version(&self.parallel, "--version")),
            ("task-spooler", version(&self.task_spooler, "-V")),
            ("python3", version(&self.python, "--version")),
            ("strace", version(&self.strace, "-V")),
            ("nginx", version(&self.nginx, "-v")),
            ("gunicorn", version(&self.gunicorn, "--version")),
            ("postgresql", version(&self.postgres.as_ref().map(|folder| folder.join("postgres")), "--version")),
            ("node", version(&self.node, "--version").map(|version| format!("node {version}"))),
        ]
    }
}

/// The example worker in Python.
pub(crate) fn python_worker() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/worker.py")
}

/// The example of an HTTP server in Python.
pub(crate) fn web_server() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/services/web_server.py")
}

/// The raw client of beanstalkd in Python.
pub(crate) fn python_peer() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/beanstalk_worker.py")
}

/// Whether files here are only in memory, where a sync costs nothing.
pub(crate) fn in_memory(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn said(program: &Path, option: &str) -> String {
    let output = Command::new(program).arg(option).stdin(Stdio::null()).output();
    let output = output.map(|o| [o.stdout, o.stderr].concat()).unwrap_or_default();
    String::from_utf8_lossy(&output).into_owned()
}
