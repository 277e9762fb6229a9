//! Sockets and masters of other users. Nobody else can be played without being root.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::process::{Child, Command, Stdio};

use nix::unistd::Uid;

use crate::peer::socket;
use crate::support::{Bench, DEADLINE};

/// A user that owns nothing here.
const OTHER: u32 = 64124;

/// Listens at `sys.argv[1]` as user `sys.argv[2]`; says what it heard, and answers any request with a forged id.
const FAKE: &str = r#"
import os, socket, sys
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
s.listen(8)
print("listens", flush=True)
while True:
    c, _ = s.accept()
    heard = c.recv(100000)
    print(heard, flush=True)
    try:
        c.sendall(b'{"id":1,"result":{"id":4242,"deduplicated":false}}\n')
    except OSError:
        pass
    c.close()
"#;

/// Killed when dropped.
struct Fake(Child);

impl Drop for Fake {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Whether nobody else can be played here.
fn cannot_play_others() -> bool {
    let cannot = !Uid::effective().is_root();
    if cannot {
        println!("skipped: to be another user takes root");
    }
    cannot
}

#[test]
fn nothing_is_said_to_a_socket_of_another_user() {
    if cannot_play_others() {
        return;
    }
    let bench = Bench::new();
    let mut fake = Command::new("/usr/bin/python3");
    fake.args(["-c", FAKE]).arg(socket(&bench)).arg(OTHER.to_string()).stdout(Stdio::piped());
    let mut fake = Fake(fake.spawn().expect("python"));
    let mut heard = BufReader::new(fake.0.stdout.take().expect("a pipe")).lines().map(|line| line.expect("a line"));
    assert_eq!(heard.next().as_deref(), Some("listens"));
    let verbs = [
        &["push", "mail", r#"{"password": "hunter2"}"#][..],
        &["push", "--wait", "t"],
        &["status"],
        &["stop"],
        &["jobs", "cancel", "1"],
    ];
    for words in verbs {
        let run = bench.run(words).expect_code(5);
        assert!(run.stdout.is_empty() && run.stderr.contains(&format!("user {OTHER} listens there")), "{run:?}");
        assert_eq!(heard.next().as_deref(), Some("b''"), "{words:?}");
    }
    assert!(!bench.database().exists());
    // A master does not take the name away from them either, and says whose it is.
    let run = bench.run(&["--workers", "1"]).expect_code(5);
    assert!(run.stderr.contains("answers at"), "{}", run.stderr);
    drop(fake);
    chown(socket(&bench), Some(OTHER), None).expect("we are root");
    let run = bench.run(&["--workers", "1"]).expect_code(2);
    assert!(run.stderr.contains(&format!("is a socket of user {OTHER}")), "{}", run.stderr);
    assert!(socket(&bench).exists());
}

#[test]
fn a_master_of_root_serves_the_owner_of_the_database_and_gives_them_the_socket() {
    if cannot_play_others() {
        return;
    }
    let bench = Bench::new();
    bench.push(&["--queue", "nobody", "t"]);
    for path in [bench.path(), bench.database()] {
        chown(path, Some(OTHER), Some(OTHER)).expect("we are root");
    }
    std::fs::set_permissions(bench.path(), std::fs::Permissions::from_mode(0o755)).expect("ours");
    let mut master = bench.start(&["--workers", "1"]);
    let about = std::fs::metadata(socket(&bench)).expect("it is there");
    assert_eq!((about.uid(), about.permissions().mode() & 0o777), (OTHER, 0o600));
    let as_owner = |words: &[&str]| {
        let script = format!("exec setpriv --reuid={OTHER} --regid={OTHER} --clear-groups \"$0\" \"$@\"");
        let out = bench.command_as(&["bash", "-c", &script].map(str::to_owned), words).output().expect("it can be run");
        let text = String::from_utf8_lossy(&[out.stdout, out.stderr].concat()).into_owned();
        (out.status.code().unwrap_or(-1), text)
    };
    let (code, text) = as_owner(&["scale", "2"]);
    if text.contains("failed to execute") {
        println!("skipped: another user cannot reach the binary");
        return;
    }
    assert!(code == 0 && text.starts_with("scaled"), "{code}: {text}");
    let (code, text) = as_owner(&["push", "--wait", "--", "id", "-u"]);
    assert!(code == 0 && text == "0\n", "{code}: {text}");
    master.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(master.wait_exit(DEADLINE).code(), Some(0));
    // And the other way round: root is served by the owner's master.
    let script = format!("exec setpriv --reuid={OTHER} --regid={OTHER} --clear-groups \"$0\" \"$@\"");
    for entry in std::fs::read_dir(bench.path()).expect("a folder").flatten() {
        chown(entry.path(), Some(OTHER), Some(OTHER)).expect("we are root");
    }
    let _master = bench.start_by_shell(&["--workers", "1"], &script);
    assert_eq!(bench.ok(&["push", "--wait", "--", "id", "-u"]), format!("{OTHER}\n"));
}
