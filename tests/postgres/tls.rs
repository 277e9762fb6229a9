//! A server that takes nobody without TLS.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use super::{Host, server};

/// Makes a server in the folder `$2` with the programs in `$1`, at the port `$3` of this machine, known as `localhost` by a
/// certificate that nobody else vouches for, and ends it at the end of the input.
const SCRIPT: &str = r#"
    cd "$2" && "$1/initdb" -D data -A trust -U test -E UTF8 --locale=C --no-sync >log 2>&1 &&
        openssl req -new -x509 -days 30 -nodes -subj /CN=test -addext subjectAltName=DNS:localhost \
            -keyout data/server.key -out data/server.crt >>log 2>&1 &&
        chmod 600 data/server.key && cp data/server.crt root.crt && chmod 644 root.crt &&
        echo "hostssl all all 127.0.0.1/32 trust" >data/pg_hba.conf || { cat log; exit 1; }
    "$1/postgres" -D data -k '' -h 127.0.0.1 -p "$3" -c ssl=on -c fsync=off >>log 2>&1 &
    until "$1/psql" "host=127.0.0.1 port=$3 user=test dbname=postgres sslmode=require" -c 'SELECT 1' >/dev/null 2>&1; do
        kill -0 $! 2>/dev/null || { cat log; exit 1; }
    done
    echo ready
    read -r _
    kill -QUIT $!
    wait
"#;

struct Server {
    folder: tempfile::TempDir,
    port: u16,
    script: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _ = self.script.wait();
    }
}

fn start() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", SCRIPT, "sh"]).arg(server::programs()).arg(folder.path()).arg(port.to_string());
    // Where another keeps certificates is not ours to read.
    command.env("HOME", folder.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    if nix::unistd::geteuid().is_root() {
        let user = nix::unistd::User::from_name("postgres").unwrap().expect("the packages make the user `postgres`");
        std::os::unix::fs::chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let mut script = command.spawn().unwrap();
    let mut said = String::new();
    BufReader::new(script.stdout.take().unwrap()).read_line(&mut said).unwrap();
    assert_eq!(said.trim(), "ready", "the server does not start");
    Server { folder, port, script }
}

#[track_caller]
fn refused((code, said): (i32, String), words: &str) {
    assert!(code != 0 && said.contains(words), "{code}: {said}");
}

#[test]
fn a_server_is_spoken_to_in_tls_and_proves_who_it_is_where_that_is_asked_for() {
    let server = start();
    let root = server.folder.path().join("root.crt").display().to_string();
    let push = |host: &str, options: &str| {
        let url = format!("postgres://test@{host}:{}/postgres{options}", server.port);
        let (out, said, code) = Host::new(&url).run(&["push", "--", "true"]);
        (code, out + &said)
    };
    refused(push("127.0.0.1", ""), "no encryption");
    refused(push("127.0.0.1", "?sslmode=disable"), "no encryption");
    for options in ["?sslmode=prefer", "?sslmode=require"] {
        assert_eq!(push("127.0.0.1", options).0, 0, "{options}");
    }
    refused(push("localhost", "?sslmode=verify-full"), "certificate");
    assert_eq!(push("localhost", &format!("?sslmode=verify-full&sslrootcert={root}")), (0, "3\n".to_owned()));
    assert_eq!(push("localhost", &format!("?sslrootcert={root}")).0, 0, "a file is named to be used");
    refused(push("127.0.0.1", &format!("?sslrootcert={root}")), "not valid for name");
    refused(push("localhost", "?sslrootcert=/nowhere"), "`sslrootcert=/nowhere` cannot be read");
    refused(push("localhost", &format!("?sslmode=require&sslrootcert={root}")), "write `verify-full`");
    refused(push("localhost", "?sslmode=verify-ca"), "`sslmode=verify-ca`: write");
    let url = format!("postgres://test@localhost:{}/postgres?sslrootcert={root}", server.port);
    let mut host = Host::new(&url);
    host.start(&["--workers=1"]);
    host.ok(&["push", "--wait", "--", "true"]);
}
