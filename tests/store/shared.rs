//! A database that a service and those who push share by a group, without root. Needs root, to be several users.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Output;

use super::support::{Bench, DEADLINE};

/// Users that own nothing else: whose master it is, one of the group, one of no group.
const SERVICE: u32 = 64126;
const MEMBER: u32 = 64127;
const STRANGER: u32 = 64128;
/// A group that every Debian has.
const GROUP: &str = "www-data";

/// What makes a process one of this user's, who leaves files to the group.
fn user(uid: u32, group: u32) -> Vec<String> {
    let ids = [format!("--reuid={uid}"), format!("--regid={uid}"), format!("--groups={group}")];
    let shell = ["sh", "-c", "shift && umask 007 && exec ./queue-work \"$@\"", "sh"].map(str::to_owned);
    std::iter::once("setpriv".to_owned()).chain(ids).chain(shell).collect()
}

fn run(bench: &Bench, (uid, group): (u32, u32), words: &[&str]) -> Output {
    bench.command_as(&user(uid, group), words).output().expect("setpriv")
}

#[track_caller]
fn ok(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder of the service's and the group's, where files belong to the group.
fn shared() -> Option<(Bench, u32)> {
    let found = nix::unistd::Group::from_name(GROUP).ok().flatten();
    let Some(group) = found.filter(|_| nix::unistd::geteuid().is_root()) else {
        println!("skipped: to be several users takes root and the group {GROUP}");
        return None;
    };
    let group = group.gid.as_raw();
    let bench = Bench::with_database("store/q.db");
    fs::set_permissions(bench.path(), Permissions::from_mode(0o755)).expect("ours");
    let folder = bench.database().parent().expect("a folder");
    chown(folder, Some(SERVICE), Some(group)).expect("we are root");
    fs::set_permissions(folder, Permissions::from_mode(0o2770)).expect("ours");
    let config = format!("shared_folder = \"allow\"\nsocket_group = \"{GROUP}\"\n");
    fs::write(bench.path().join("queue-work.toml"), config).expect("written");
    // The binary may lie where nobody else can reach it. Copied by a process of its own: a child of another thread must not
    // have it open to be written to.
    let mut copy = std::process::Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_queue-work")).arg(bench.path());
    assert!(copy.status().expect("cp").success());
    Some((bench, group))
}

#[test]
fn users_of_a_group_share_a_database_that_was_opened_to_it_whoever_comes_first_after_whom() {
    let Some((bench, group)) = shared() else { return };
    let (service, member) = ((SERVICE, group), (MEMBER, group));
    ok(&run(&bench, service, &["push", "--", "id", "-u"]));
    let refused = run(&bench, member, &["push", "--", "true"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("permission denied") && said.contains(&format!("`{SERVICE}`")), "{said}");
    // What the manual says.
    fs::set_permissions(bench.database(), Permissions::from_mode(0o660)).expect("we are root");
    ok(&run(&bench, member, &["push", "--", "id", "-u"]));
    ok(&run(&bench, service, &["--workers=1", "--queue=default", "--drain"]));
    assert_eq!(ok(&run(&bench, member, &["jobs", "wait", "2"])), format!("{SERVICE}\n"));
    // Beside each other, and after a master that was killed, whose log and index stay.
    let mut master = bench.start_as(&user(SERVICE, group), &["--workers=1", "--queue=other"]);
    ok(&run(&bench, member, &["jobs", "list"]));
    master.kill9();
    ok(&run(&bench, member, &["push", "--", "true"]));
    ok(&run(&bench, service, &["push", "--", "true"]));
    ok(&run(&bench, service, &["--workers=1", "--queue=default", "--drain"]));
    bench.wait_for("no process to be left", DEADLINE, |bench| bench.leftovers().is_empty());
    let stranger = run(&bench, (STRANGER, STRANGER), &["push", "--", "true"]);
    let said = String::from_utf8_lossy(&stranger.stderr).into_owned();
    assert!(stranger.status.code() == Some(1) && said.contains(&format!("`{SERVICE}`")), "{said}");
}
