//! A PostgreSQL server for tests: one per process, started at the first use, in a folder of its own; it ends with the process.
//!
//! Where PostgreSQL is not installed the tests that need it fail and say so: `scripts/check` is run where it is.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

/// Makes a server in the folder `$2` with the programs in `$1`, and ends it at the end of the input.
const SCRIPT: &str = r#"
    "$1/initdb" -D "$2/data" -A trust -U test -E UTF8 --locale=C --no-sync >"$2/log" 2>&1 || { cat "$2/log"; exit 1; }
    "$1/postgres" -D "$2/data" -k "$2" -h '' -c fsync=off -c max_connections=300 -c max_locks_per_transaction=1000 \
        >>"$2/log" 2>&1 &
    until "$1/psql" -h "$2" -U test -d postgres -c 'SELECT 1' >/dev/null 2>&1; do
        kill -0 $! 2>/dev/null || { cat "$2/log"; exit 1; }
    done
    echo ready
    read -r _
    kill -QUIT $!
    wait
    rm -rf "$2"
"#;

struct Running {
    folder: PathBuf,
    /// The script, whose input is open as long as we live.
    _child: Mutex<Child>,
}

static SERVER: LazyLock<Running> = LazyLock::new(start);
static STORES: AtomicU32 = AtomicU32::new(0);

/// The folder of the programs of the newest version.
pub(crate) fn programs() -> PathBuf {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    folders.sort();
    folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
    let newest = folders.into_iter().find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists());
    newest.expect("these tests need PostgreSQL 13 or newer (on Debian: apt-get install postgresql)")
}

fn start() -> Running {
    let folder = tempfile::tempdir().unwrap().keep();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "sh"]).arg(programs()).arg(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    // A server does not run as root.
    if nix::unistd::geteuid().is_root() {
        let user = nix::unistd::User::from_name("postgres").unwrap().expect("the packages make the user `postgres`");
        std::os::unix::fs::chown(&folder, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).current_dir("/");
    }
    let mut child = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said.trim(), "ready", "the server does not start");
    Running { folder, _child: Mutex::new(child) }
}

/// The URL of a store that is not there yet.
pub(crate) fn new_url() -> String {
    let number = STORES.fetch_add(1, Ordering::Relaxed);
    format!("postgres://test@/postgres?host={}&schema=store_{number}", SERVER.folder.display())
}
