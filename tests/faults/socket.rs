//! The control socket while it is made.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Bench, DEADLINE};

#[test]
fn a_socket_for_a_group_is_nobodys_but_the_owners_before_it_has_its_group() {
    let bench = Bench::new();
    let group = nix::unistd::getegid().to_string();
    let shell = ["sh", "-c", "umask 0; exec \"$0\" \"$@\""].map(str::to_owned);
    let mut master = bench.command_as(&shell, &["--workers", "1", "--socket-group", &group]);
    let mut master = master.env("QUEUE_WORK_FAIL", "socket.bound=kill@1").spawn().expect("sh");
    bench.wait_for("its end", DEADLINE, |_| master.try_wait().expect("our child").is_some());
    let about = bench.path().join("q.db.sock.new").symlink_metadata().expect("it was bound");
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
}
