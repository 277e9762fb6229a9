//! Sweeping, with real processes that leave their group and session.

use super::*;
use crate::model::WorkerId;
use crate::process::identity::new_cookie;
use crate::process::mark::marking;
use crate::process::testing::{DEADLINE, Family, in_own_process, wait_until};
use std::os::unix::process::CommandExt;
use std::process::Command;

fn selector(wanted: Wanted) -> Selector {
    Selector { wanted, kin: Kin::default(), exempt: vec![] }
}

#[test]
fn everything_of_an_instance_is_found_and_killed_wherever_it_went() {
    let cookie = new_cookie().unwrap();
    let family = Family::start(&format!("{cookie}:12"));
    let wanted = selector(Wanted::Instances(vec![cookie]));
    wait_until("all three are found", || find(&wanted).len() == 3);
    let spared = Selector { exempt: vec![family.leader.id()], ..wanted.clone() };
    assert_eq!(find(&spared).len(), 2);
    let swept = kill_all(&wanted, DEADLINE);
    assert_eq!(swept, Swept { killed: 3, ..Swept::default() });
    assert_eq!(family.children_live(), [false, false]);
    assert_eq!(find(&wanted), Vec::<u32>::new());
    assert_eq!(kill_all(&wanted, DEADLINE), Swept::default());
}

#[test]
fn one_worker_is_swept_and_its_neighbours_live() {
    let cookie = new_cookie().unwrap();
    let one = Family::start(&format!("{cookie}:1"));
    let eleven = Family::start(&format!("{cookie}:11"));
    let swept = kill_all(&selector(Wanted::Worker(format!("{cookie}:1"))), DEADLINE);
    assert_eq!(swept, Swept { killed: 3, ..Swept::default() });
    assert_eq!((one.children_live(), eleven.children_live()), ([false; 2], [true; 2]));
    assert_eq!(kill_all(&selector(Wanted::Instances(vec![cookie])), DEADLINE).killed, 3);
}

#[test]
fn a_process_that_forks_as_fast_as_it_can_is_caught() {
    let cookie = new_cookie().unwrap();
    let script = "while :; do (sleep 0.2 & sleep 0.2) & sleep 0.001; done";
    let mut leader = Command::new("/bin/sh").args(["-c", script]).env(COOKIE_VARIABLE, &cookie).spawn().unwrap();
    let wanted = selector(Wanted::Instances(vec![cookie]));
    wait_until("it has forked", || find(&wanted).len() > 5);
    assert_eq!(kill_all(&wanted, DEADLINE).left, Vec::<u32>::new());
    assert_eq!(find(&wanted), Vec::<u32>::new());
    leader.wait().unwrap();
}

#[test]
fn a_process_that_is_just_starting_a_program_is_caught() {
    if !in_own_process("process::sweep::tests::a_process_that_is_just_starting_a_program_is_caught") {
        return;
    }
    // It becomes another program over and over: most of the time its environment is not to be seen.
    let script = "exec /bin/sh -c \"$0\" \"$0\"";
    for worker in 0..50 {
        let value = format!("{}:{worker}", new_cookie().unwrap());
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", script, script]).env(COOKIE_VARIABLE, &value).process_group(0);
        let mut child = marking(Mark::of(&value), || shell.spawn()).unwrap();
        let swept = kill_all(&selector(Wanted::Worker(value)), DEADLINE);
        let ended = child.try_wait().unwrap().is_some();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(ended && swept == Swept { killed: 1, ..Swept::default() }, "worker {worker}: {swept:?}");
    }
}

#[test]
fn who_starts_a_child_and_ends_while_we_look_leaves_nobody() {
    if !in_own_process("process::sweep::tests::who_starts_a_child_and_ends_while_we_look_leaves_nobody") {
        return;
    }
    for worker in 0..50 {
        let value = format!("{}:{worker}", new_cookie().unwrap());
        let script = format!("sleep 0.00{}; sleep 1000 &", worker % 10);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &script]).env(COOKIE_VARIABLE, &value).process_group(0);
        let mut child = marking(Mark::of(&value), || shell.spawn()).unwrap();
        let wanted = selector(Wanted::Worker(value));
        let swept = kill_all(&wanted, DEADLINE);
        child.wait().unwrap();
        let left = find(&wanted);
        let _ = kill_all(&wanted, DEADLINE);
        assert_eq!(left, Vec::<u32>::new(), "worker {worker}: {swept:?}");
    }
}

#[test]
fn only_the_whole_cookie_counts() {
    let instance = Wanted::Instances(vec!["xyz".into(), "abc".into()]);
    assert!(instance.matches_value(b"abc") && instance.matches_value(b"abc:1"));
    assert!(!instance.matches_value(b"abcd") && !instance.matches_value(b"ab") && !instance.matches_value(b"xabc"));
    let worker = Wanted::Worker("abc:1".into());
    assert!(worker.matches_value(b"abc:1") && !worker.matches_value(b"abc:12") && !worker.matches_value(b"abc"));
    for nobody in [Wanted::Instances(vec![String::new()]), Wanted::Worker(String::new())] {
        assert!(!nobody.matches_value(b"") && !nobody.matches_value(b":1") && !nobody.matches_value(b"abc"));
    }
}

#[test]
fn the_sweeper_answers_every_request_also_after_it_was_dropped() {
    let cookie = new_cookie().unwrap();
    let (answers, done) = crossbeam_channel::unbounded();
    let sweeper = Sweeper::start(8, vec![], move |answer| answers.send(answer).unwrap()).unwrap();
    let family = Family::start(&format!("{cookie}:1"));
    for id in 1..=4 {
        sweeper
            .request(Request { worker: WorkerId(id), value: format!("{cookie}:{id}"), kin: Kin::default() })
            .unwrap();
    }
    drop(sweeper);
    let mut got: Vec<SweepDone> = done.iter().collect();
    got.sort_by_key(|answer| answer.worker);
    assert_eq!(got.iter().map(|a| (a.worker.0, a.killed)).collect::<Vec<_>>(), [(1, 3), (2, 0), (3, 0), (4, 0)]);
    assert_eq!(family.children_live(), [false, false]);
}
