//! A server that dies and its replica that takes its place: with all that was confirmed, or without the last of it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use super::{Host, eventually, server};

/// Makes a server and a replica of it below the folder `$2` with the programs in `$1`; carries out a word a line, and says so.
const SCRIPT: &str = r#"
    PATH="$1:$PATH"; cd "$2"; exec 2>>log; mkdir first second
    run() { postgres -D "$2/$1/data" -k "$2/$1" -h '' -c fsync=off >>log & eval "$1=$!"; }
    up() { until psql -h "$2/$1" -U test -d postgres -Atc 'SELECT 1' >/dev/null 2>&1; do sleep 0.05; done; }
    initdb -D first/data -A trust -U test -E UTF8 --locale=C --no-sync >>log
    run first "$2"; up first "$2"
    pg_basebackup -h "$2/first" -U test -D second/data -R -X stream
    run second "$2"; up second "$2"
    while echo done && read -r word; do
        case $word in
            synchronous)
                psql -h "$2/first" -U test -d postgres -qc "ALTER SYSTEM SET synchronous_standby_names = '*'" -c 'SELECT pg_reload_conf()' >>log
                until [ "$(psql -h "$2/first" -U test -d postgres -Atc 'SELECT sync_state FROM pg_stat_replication')" = sync ]; do sleep 0.05; done ;;
            part) kill -INT $second; wait $second ;;
            die) kill -QUIT $first; wait $first ;;
            rejoin) run second "$2"; up second "$2" ;;
            promote) pg_ctl -D second/data -w promote >>log ;;
        esac
    done
    kill -QUIT $first $second
    wait
"#;

/// The two servers; they end with this.
struct Servers {
    folder: TempDir,
    script: Child,
    said: BufReader<ChildStdout>,
}

impl Servers {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "sh"]).arg(server::programs()).arg(folder.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        // A server does not run as root.
        if nix::unistd::geteuid().is_root() {
            let user =
                nix::unistd::User::from_name("postgres").unwrap().expect("the packages make the user `postgres`");
            std::os::unix::fs::chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).current_dir("/");
        }
        let mut script = command.spawn().unwrap();
        let said = BufReader::new(script.stdout.take().unwrap());
        let mut servers = Self { folder, script, said };
        servers.is_done();
        servers
    }

    fn is_done(&mut self) {
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        assert_eq!(line, "done\n", "{}", log());
    }

    fn please(&mut self, word: &str) {
        writeln!(self.script.stdin.as_mut().unwrap(), "{word}").unwrap();
        self.is_done();
    }

    /// Whichever of them takes writes.
    fn url(&self) -> String {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        format!("postgres://test@{folder}%2Ffirst,{folder}%2Fsecond/postgres?target_session_attrs=read-write&lease=5s")
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

fn pushed(host: &Host) -> Option<String> {
    let (id, _, code) = host.run(&["push", "--", "true"]);
    (code == 0).then(|| id.trim().to_owned())
}

#[test]
fn after_a_failover_to_a_synchronous_replica_all_that_was_confirmed_runs_once() {
    let mut servers = Servers::start();
    servers.please("synchronous");
    let [mut a, mut b] = [(); 2].map(|()| Host::new(&servers.url()));
    a.start(&["--workers=1"]);
    b.start(&["--workers=1"]);
    let mut ids: Vec<String> = (0..5).filter_map(|_| pushed(&a)).collect();
    assert_eq!(ids.len(), 5);
    servers.please("die");
    assert_eq!(pushed(&b), None, "nobody takes it");
    servers.please("promote");
    eventually("the replica takes jobs", || pushed(&b).is_some_and(|id| (ids.push(id), true).1));
    for id in &ids {
        eventually("it ran", || a.state(id) == "succeeded");
        assert_eq!(a.json(&["runs", "--job", id, "--json"]).as_array().map(Vec::len), Some(1), "{id}");
    }
}

#[test]
fn a_failover_that_loses_what_was_confirmed_is_said_and_the_masters_begin_anew() {
    let mut servers = Servers::start();
    let mut host = Host::new(&servers.url());
    host.start(&["--workers=1"]);
    let kept = pushed(&host).unwrap();
    eventually("it ran", || host.state(&kept) == "succeeded");
    servers.please("part");
    for _ in 0..3 {
        let lost = pushed(&host).unwrap();
        eventually("it ran", || host.state(&lost) == "succeeded");
    }
    servers.please("die");
    servers.please("rejoin");
    servers.please("promote");
    let says = |what: &str| std::fs::read_to_string(host.log()).unwrap_or_default().contains(what);
    eventually("it is said", || says("went back: the last "));
    eventually("work goes on", || pushed(&host).is_some_and(|id| host.state(&id) == "succeeded"));
    assert_eq!(host.state(&kept), "succeeded");
}
