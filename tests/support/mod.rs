//! A bench over the real binary: a database of its own, commands, a master, and a look at what is left over.
//!
//! Invariants: nothing of the caller's environment reaches the binary (no `QUEUE_WORK_*`, no home), except which bug is
//! put into it; nothing waits for a
//! fixed time, everything for a condition with a deadline; when a bench is dropped no process of it is left.

mod clock;
mod leftovers;
mod master;
mod paths;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

pub(crate) use clock::{eventually, now};
pub(crate) use leftovers::Leftover;
pub(crate) use master::Master;
use paths::Form;

/// Longer than anything should take on a slow machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// The longest path of a Unix socket, in bytes.
const SOCKET_PATH_BYTES: usize = 107;
/// Names every process of a bench, as a rule.
const DATABASE: &str = "QUEUE_WORK_DATABASE";
/// Names every process of a bench whose database has a name that says too little.
const MARK: &str = "BENCH";

/// A folder with a database, and the binary to use on it.
pub(crate) struct Bench {
    folder: TempDir,
    database: PathBuf,
    form: Form,
}

/// What a command did.
#[derive(Debug)]
pub(crate) struct Run {
    /// What it printed.
    pub(crate) stdout: String,
    /// What it said.
    pub(crate) stderr: String,
    /// Its exit code; -1 if a signal ended it.
    pub(crate) code: i32,
}

impl Run {
    /// Panics with everything that is known, unless it ended with this code.
    #[track_caller]
    pub(crate) fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Its stdout as one JSON document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }
}

/// A command that is about to be run.
pub(crate) struct Verb {
    command: assert_cmd::Command,
}

impl Verb {
    /// What it reads.
    pub(crate) fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.command.write_stdin(bytes);
        self
    }

    /// One more variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it; panics if it takes longer than a minute.
    #[track_caller]
    pub(crate) fn run(mut self) -> Run {
        let out = self.command.timeout(2 * DEADLINE).output().expect("the binary can be run");
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Run { stdout: text(out.stdout), stderr: undated(&text(out.stderr)), code: out.status.code().unwrap_or(-1) }
    }
}

impl Bench {
    /// A bench with an empty folder.
    pub(crate) fn new() -> Self {
        Self::with_database("q.db")
    }

    /// A bench whose database is at this path below its folder.
    pub(crate) fn with_database(path: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("qw").tempdir().expect("a folder");
        let database = folder.path().join(path);
        std::fs::create_dir_all(database.parent().expect("a folder")).expect("a folder");
        let socket = database.as_os_str().len() + ".sock".len();
        assert!(socket <= SOCKET_PATH_BYTES, "TMPDIR is too long for a Unix socket: {}", database.display());
        Self { folder, database, form: paths::chosen() }
    }

    /// A bench whose database is always given by its own absolute path, for a test of paths.
    pub(crate) fn by_its_own_path() -> Self {
        let mut bench = Self::new();
        bench.form = Form::Plain;
        bench
    }

    /// The folder of the bench; commands run in it.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The database.
    pub(crate) fn database(&self) -> &Path {
        &self.database
    }

    /// A master that is to be started by a link needs a database to link to.
    fn have_something_to_link(&self) {
        if self.form == Form::Link && !self.database.exists() {
            self.run(&["jobs", "retry", "--all"]);
        }
    }

    /// The path of the database that the binary is given: another one to the same file, where that is asked for.
    fn given(&self) -> PathBuf {
        paths::given(self.form, self.path(), &self.database)
    }

    /// The binary with these arguments, on this bench.
    pub(crate) fn verb(&self, args: &[&str]) -> Verb {
        let mut command = assert_cmd::Command::from_std(self.std_command());
        command.args(args);
        Verb { command }
    }

    /// The binary with these arguments, to be started by the test itself.
    pub(crate) fn command(&self, args: &[&str]) -> std::process::Command {
        let mut command = self.std_command();
        command.args(args);
        command
    }

    /// Runs the binary with these arguments.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        self.verb(args).run()
    }

    /// Runs the binary; panics unless it ends with 0. Returns its stdout.
    #[track_caller]
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        self.run(args).expect_code(0).stdout
    }

    /// Pushes one job with these arguments and returns its id.
    #[track_caller]
    pub(crate) fn push(&self, args: &[&str]) -> i64 {
        let all: Vec<&str> = ["push", "--json"].iter().chain(args).copied().collect();
        let pushed = self.run(&all).expect_code(0).json();
        pushed["id"].as_i64().unwrap_or_else(|| panic!("no id in {pushed}"))
    }

    /// The job on record.
    #[track_caller]
    pub(crate) fn job(&self, id: i64) -> Value {
        self.run(&["jobs", "show", &id.to_string(), "--json"]).expect_code(0).json()
    }

    /// Every run on record of a job, newest first.
    #[track_caller]
    pub(crate) fn runs(&self, job: i64) -> Vec<Value> {
        let runs = self.run(&["runs", "--job", &job.to_string(), "--json"]).expect_code(0).json();
        runs.as_array().unwrap_or_else(|| panic!("not an array: {runs}")).clone()
    }

    /// `status --json`; `null` if it could not be had.
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.run(&["status", "--json"]).stdout).unwrap_or(Value::Null)
    }

    /// Starts a master with these arguments and waits until it runs.
    #[track_caller]
    pub(crate) fn start(&self, args: &[&str]) -> Master<'_> {
        self.start_with(args, &[])
    }

    /// Starts a master with more variables in its environment.
    #[track_caller]
    pub(crate) fn start_with(&self, args: &[&str], env: &[(&str, &str)]) -> Master<'_> {
        let mut master = self.launch_with(args, env);
        master.wait_until_it_runs();
        master
    }

    /// Starts a master that need not come so far as to say that it runs.
    #[track_caller]
    pub(crate) fn launch(&self, args: &[&str]) -> Master<'_> {
        self.launch_with(args, &[])
    }

    /// The same with more variables in its environment.
    #[track_caller]
    pub(crate) fn launch_with(&self, args: &[&str], env: &[(&str, &str)]) -> Master<'_> {
        self.have_something_to_link();
        let mut command = self.std_command();
        command.args(args).envs(env.iter().copied());
        Master::launch(self, &mut command)
    }

    /// Starts a master with its streams redirected in the words of the shell, and waits until it runs.
    #[track_caller]
    pub(crate) fn start_redirected(&self, args: &[&str], redirections: &str) -> Master<'_> {
        self.start_by_shell(args, &format!("exec \"$0\" \"$@\" {redirections}"))
    }

    /// Starts a master by a script of the shell that ends in `exec "$0" "$@"`, and waits until it runs.
    #[track_caller]
    pub(crate) fn start_by_shell(&self, args: &[&str], script: &str) -> Master<'_> {
        self.start_as(&["bash", "-c", script].map(str::to_owned), args)
    }

    /// Starts a master through a program that becomes it, and waits until it runs.
    #[track_caller]
    pub(crate) fn start_as(&self, program: &[String], args: &[&str]) -> Master<'_> {
        self.have_something_to_link();
        let mut master = Master::launch(self, &mut self.command_as(program, args));
        master.wait_until_it_runs();
        master
    }

    /// Starts a master by a shell that does something before (`ulimit -n 100`), and waits until it runs.
    #[track_caller]
    pub(crate) fn start_after(&self, before: &str, args: &[&str]) -> Master<'_> {
        self.start_by_shell(args, &format!("{before}; exec \"$0\" \"$@\""))
    }

    /// A program that becomes the binary, or starts it: its last arguments are the binary's path and `args`.
    pub(crate) fn command_as(&self, program: &[String], args: &[&str]) -> std::process::Command {
        let own = self.std_command();
        let mut command = std::process::Command::new(&program[0]);
        command.args(&program[1..]).arg(own.get_program()).args(args).current_dir(self.path());
        for (name, value) in own.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Waits until `condition` holds; panics with the state of everything if it does not in time.
    #[track_caller]
    pub(crate) fn wait_for(&self, what: &str, deadline: Duration, mut condition: impl FnMut(&Self) -> bool) {
        assert!(eventually(deadline, || condition(self)), "waited {deadline:?} for {what}\n{}", self.dump());
    }

    /// Waits until a job is in this state, and returns it.
    #[track_caller]
    pub(crate) fn wait_for_job(&self, id: i64, state: &str) -> Value {
        self.wait_for(&format!("job {id} to be {state}"), DEADLINE, |bench| bench.job(id)["state"] == state);
        self.job(id)
    }

    /// Leaves the folder where it is when the bench is dropped, for somebody to look at.
    pub(crate) fn keep(&mut self) {
        self.folder.disable_cleanup(true);
    }

    /// What is left of this bench: every process that has its database, or its mark, in its environment.
    pub(crate) fn leftovers(&self) -> Vec<Leftover> {
        leftovers::find(&[(DATABASE, &self.database), (MARK, self.path())])
    }

    /// Panics if a process of this bench is still there, or does not end soon.
    #[track_caller]
    pub(crate) fn expect_no_leftovers(&self) {
        self.wait_for("no process to be left", Duration::from_secs(5), |bench| bench.leftovers().is_empty());
    }

    /// The state of everything, for a panic.
    pub(crate) fn dump(&self) -> String {
        let status = serde_json::to_string_pretty(&self.status()).unwrap_or_default();
        let masters = master::logs(self.path());
        format!("status: {status}\nprocesses: {:#?}\n{masters}", self.leftovers())
    }

    /// The binary on this bench, to be started in another way.
    pub(crate) fn std_command(&self) -> std::process::Command {
        // Tests that were started with `&` ignore a Ctrl-C, and what they start would, too.
        static SIGNALS: std::sync::Once = std::sync::Once::new();
        SIGNALS.call_once(|| queue_work::testing::process::inherited::reset_all().expect("signals can be handled"));
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_queue-work"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("QUEUE_WORK_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.path()).env(DATABASE, self.given()).env("HOME", self.path());
        if self.form != Form::Plain {
            command.env(MARK, self.path());
        }
        command.env_remove("XDG_STATE_HOME").env_remove("XDG_CONFIG_HOME").env_remove("RUST_LOG");
        command
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // A master that was killed has a guardian, which needs a moment; nobody else may be left.
        let patience = if std::thread::panicking() { Duration::ZERO } else { DEADLINE };
        eventually(patience, || self.leftovers().is_empty());
        let left = self.leftovers();
        // A process may start another while we look: until none is left.
        eventually(Duration::from_secs(5), || {
            let left = self.leftovers();
            left.iter().for_each(Leftover::kill);
            left.is_empty()
        });
        assert!(left.is_empty() || std::thread::panicking(), "left over after the test: {left:#?}");
    }
}

/// The command line of a fixture: `python3 …/tests/fixtures/NAME`.
pub(crate) fn fixture(name: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
    assert!(path.exists(), "there is no fixture {name}");
    // Debian's own, where there is one: a version manager's `python3` is a slow script around another.
    let python = ["/usr/bin/python3", "python3"].into_iter().find(|p| !p.contains('/') || Path::new(p).exists());
    // No `.pyc` files beside the fixtures, no site packages: it starts faster.
    let words = [python.unwrap_or("python3"), "-B", "-S", path.to_str().expect("UTF-8")];
    words.map(str::to_owned).to_vec()
}

/// The lines of a master as a terminal has them: in a file or a pipe each has its time.
pub(crate) fn undated(text: &str) -> String {
    const DATE: &[u8] = b"0000-00-00 00:00:00.000 ";
    let fits = |(date, shape): (u8, u8)| if shape == b'0' { date.is_ascii_digit() } else { date == shape };
    let is_date = |(date, _): &(&str, &str)| date.bytes().zip(DATE.iter().copied()).all(fits);
    let line = |line| str::split_at_checked(line, DATE.len()).filter(is_date).map_or(line, |(_, rest)| rest);
    text.split_inclusive('\n').map(line).collect()
}

/// Not every test file uses every part of the bench; here each part is used once.
const _: fn(&Bench) = |bench| {
    let mut master = bench.start(&[]);
    master.signal(nix::sys::signal::Signal::SIGTERM);
    let _ = (master.pid(), master.has_ended(), master.stderr(), master.wait_exit(DEADLINE), now());
    master.kill9();
    let _ = (bench.ok(&[]), bench.push(&[]), bench.runs(0), bench.wait_for_job(0, ""), bench.database());
    let _ = bench.verb(&fixture("").iter().map(String::as_str).collect::<Vec<_>>()).stdin("").env("", "").run().json();
    bench.expect_no_leftovers();
    let _ = (bench.launch(&[]), bench.launch_with(&[], &[]), bench.start_redirected(&[], ""), bench.command(&[]));
    let _ = (bench.start_after("", &[]), Bench::with_database(""), Bench::by_its_own_path());
    let _ = (bench.start_with(&[], &[]), Bench::new().keep(), bench.leftovers().first().map(|l| (l.pid, &l.command)));
};
