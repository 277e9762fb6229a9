//! The guardian, with real processes and the real loop.

use super::*;
use crate::process::identity::{Identity, new_cookie};
use crate::process::testing::{Family, wait_until};
use std::io::{Cursor, Read};

impl<T: AsRef<[u8]>> Heard for Cursor<T> {
    fn wait(&self, _until: Option<u64>) -> bool {
        true
    }
}

fn stranger() -> (Child, Identity) {
    let child = Command::new("/bin/sleep").arg("1000").process_group(0).spawn().unwrap();
    let identity = Identity::of(child.id()).unwrap();
    (child, identity)
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn at_the_death_of_the_master_every_group_and_what_left_it_is_killed() {
    let cookie = new_cookie().unwrap();
    let family = Family::start(&format!("{cookie}:1"));
    // Announced, but without the cookie: only its group is known.
    let (mut bare, bare_identity) = stranger();
    let said = format!("{cookie}\n+{}\n+{}\n", family.leader.id(), bare.id());
    let Ended::MasterDied { groups, swept } = watch(Cursor::new(said)) else { panic!("nobody said bye") };
    assert_eq!((groups, swept.left), (2, vec![]));
    assert_eq!(family.children_live(), [false, false]);
    wait_until("the one without a cookie is dead", || !bare_identity.is_alive());
    bare.wait().unwrap();
}

#[test]
fn nobody_is_touched_before_the_master_is_dead_though_its_pipe_is_closed() {
    let cookie = new_cookie().unwrap();
    let mut family = Family::start(&format!("{cookie}:1"));
    // The script fails if the worker stands still or is dead before its own end.
    let looks = "for n in 1 2 3 4 5 6 7 8 9; do sleep 0.02; grep -q ') [TZ]' /proc/$0/stat && exit 7; done; exit 0";
    let leader = family.leader.id();
    let mut master = Command::new("/bin/sh").args(["-c", looks, &leader.to_string()]).spawn().unwrap();
    let start = identity::start_time(master.id()).unwrap();
    let said = format!("{cookie}\n^{}:{start}\n+{leader}\n", master.id());
    assert!(matches!(watch(Cursor::new(said)), Ended::MasterDied { groups: 1, .. }));
    assert!(master.wait().unwrap().success());
    family.leader.wait().unwrap();
    assert_eq!(family.children_live(), [false, false]);
}

#[test]
fn a_master_that_says_bye_leaves_nobody_killed() {
    let cookie = new_cookie().unwrap();
    let family = Family::start(&format!("{cookie}:1"));
    assert_eq!(watch(Cursor::new(format!("{cookie}\n+{}\nbye\n", family.leader.id()))), Ended::Bye);
    assert_eq!(family.children_live(), [true, true]);
    assert!(matches!(watch(Cursor::new(format!("{cookie}\nbye\n-1\n"))), Ended::MasterDied { .. }));
    assert_eq!(family.children_live(), [false, false]);
}

#[test]
fn what_was_seen_below_a_worker_is_ended_though_the_worker_is_gone_and_nothing_tells_whose_it_is() {
    let ((orphan, seen), (other, kept), (gone, over)) = (stranger(), stranger(), stranger());
    let said = format!(
        "{}\n=7 {}:{} nonsense\n=8 {}:{}\n=9 {}:{}\n=9\n",
        new_cookie().unwrap(),
        seen.pid,
        seen.start,
        kept.pid,
        kept.start + 1,
        over.pid,
        over.start
    );
    assert!(matches!(watch(Cursor::new(said)), Ended::MasterDied { groups: 0, .. }));
    wait_until("the orphan is dead", || !seen.is_alive());
    assert!(kept.is_alive(), "its number belongs to another now");
    assert!(over.is_alive(), "nothing was left of the worker");
    for child in [orphan, other, gone] {
        end(child);
    }
}

#[test]
fn groups_that_ended_and_fragments_of_a_line_are_not_acted_upon() {
    let (removed, removed_identity) = stranger();
    let (cut, cut_identity) = stranger();
    let said = format!("{}\n+{}\n-{}\nnonsense\n+{}", new_cookie().unwrap(), removed.id(), removed.id(), cut.id());
    assert!(matches!(watch(Cursor::new(said)), Ended::MasterDied { groups: 0, .. }));
    assert!(removed_identity.is_alive() && cut_identity.is_alive());
    end(removed);
    end(cut);
}

#[test]
fn without_a_cookie_nothing_is_swept() {
    assert_eq!(watch(Cursor::new("")), Ended::MasterDied { groups: 0, swept: Swept::default() });
    assert_eq!(watch(Cursor::new("\n")), Ended::MasterDied { groups: 0, swept: Swept::default() });
}

/// Not the real verb (that needs the binary), but the real pipe: a program that shows what it was told.
fn told(script: &str) -> (Guardian, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]).current_dir(dir.path());
    (Guardian::start_with(command, Words::new("c00kie", None)).unwrap(), dir)
}

#[test]
fn the_handle_tells_the_cookie_first_and_then_every_change() {
    let (mut guardian, dir) = told("cat > said; env > env");
    guardian.tell(|words| words.add(12)).unwrap();
    guardian.tell(|words| words.remove(12)).unwrap();
    assert!(!guardian.has_backlog());
    let (mut child, said) = guardian.bye();
    said.unwrap();
    assert!(child.wait().unwrap().success());
    let us = Identity::of(std::process::id()).unwrap();
    let expected = format!("c00kie\n^{}:{}\n+12\n-12\nbye\n", us.pid, us.start);
    assert_eq!(std::fs::read_to_string(dir.path().join("said")).unwrap(), expected);
    assert!(!std::fs::read_to_string(dir.path().join("env")).unwrap().contains("QUEUE_WORK_INSTANCE"));
}

#[test]
fn a_guardian_that_does_not_read_never_blocks_the_master() {
    let (mut guardian, dir) = told("while ! [ -e go ]; do sleep 0.01; done; cat > said; touch done");
    let count = 20_000;
    for pid in 1..=count {
        guardian.tell(|words| words.add(pid)).unwrap();
    }
    assert!(guardian.has_backlog());
    std::fs::File::create(dir.path().join("go")).unwrap();
    wait_until("everything is written", || {
        guardian.flush().unwrap();
        !guardian.has_backlog()
    });
    let (mut child, said) = guardian.bye();
    said.unwrap();
    child.wait().unwrap();
    let mut text = String::new();
    std::fs::File::open(dir.path().join("said")).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text.lines().count(), count as usize + 3);
    assert_eq!(text.lines().last(), Some("bye"));
}

#[test]
fn a_guardian_that_is_gone_is_an_error_at_the_next_word() {
    let (mut guardian, _dir) = told("read cookie; exit 3");
    wait_until("its end is seen", || guardian.try_wait().unwrap().is_some());
    assert_eq!(guardian.tell(|words| words.add(1)).unwrap_err().kind(), ErrorKind::BrokenPipe);
}
