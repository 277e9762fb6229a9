//! Sweeping, with real processes that leave their group and session.

use super::*;
use crate::process::identity::{Identity, new_cookie};
use crate::process::testing::{DEADLINE, wait_until};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A leader, a child of it and a child in a session of its own, all with this value; the last two as identities.
fn family(value: &str) -> (Child, [Identity; 2]) {
    let mut leader = Command::new("/bin/sh")
        .args(["-c", "sleep 1000 & echo $!; setsid sh -c 'echo $$; exec sleep 1000' & wait"])
        .env(COOKIE_VARIABLE, value)
        .process_group(0)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(leader.stdout.take().unwrap()).lines();
    let mut next = || Identity::of(lines.next().unwrap().unwrap().parse().unwrap()).unwrap();
    let children = [next(), next()];
    (leader, children)
}

fn selector(wanted: Wanted) -> Selector {
    Selector { wanted, exempt: vec![] }
}

#[test]
fn everything_of_an_instance_is_found_and_killed_wherever_it_went() {
    let cookie = new_cookie().unwrap();
    let (mut leader, children) = family(&format!("{cookie}:12"));
    let wanted = selector(Wanted::Instance(cookie));
    wait_until("all three are found", || find(&wanted).len() == 3);
    let spared = Selector { exempt: vec![leader.id()], ..wanted.clone() };
    assert_eq!(find(&spared).len(), 2);
    let swept = kill_all(&wanted, DEADLINE);
    assert_eq!(swept, Swept { killed: 3, left: vec![] });
    assert!(children.iter().all(|child| !child.is_alive()));
    assert_eq!(find(&wanted), Vec::<u32>::new());
    assert_eq!(kill_all(&wanted, DEADLINE), Swept::default());
    leader.wait().unwrap();
}

#[test]
fn one_worker_is_swept_and_its_neighbours_live() {
    let cookie = new_cookie().unwrap();
    let (mut one, gone) = family(&format!("{cookie}:1"));
    let (mut eleven, kept) = family(&format!("{cookie}:11"));
    let swept = kill_all(&selector(Wanted::Worker(format!("{cookie}:1"))), DEADLINE);
    assert_eq!(swept, Swept { killed: 3, left: vec![] });
    assert!(gone.iter().all(|child| !child.is_alive()) && kept.iter().all(Identity::is_alive));
    assert_eq!(kill_all(&selector(Wanted::Instance(cookie)), DEADLINE).killed, 3);
    one.wait().unwrap();
    eleven.wait().unwrap();
}

#[test]
fn a_process_that_forks_as_fast_as_it_can_is_caught() {
    let cookie = new_cookie().unwrap();
    let script = "while :; do (sleep 0.02 & sleep 0.02) & sleep 0.001; done";
    let mut leader = Command::new("/bin/sh").args(["-c", script]).env(COOKIE_VARIABLE, &cookie).spawn().unwrap();
    let wanted = selector(Wanted::Instance(cookie));
    wait_until("it has forked", || find(&wanted).len() > 5);
    assert_eq!(kill_all(&wanted, DEADLINE).left, Vec::<u32>::new());
    assert_eq!(find(&wanted), Vec::<u32>::new());
    leader.wait().unwrap();
}

#[test]
fn only_the_whole_variable_counts() {
    let cookie_in = |environ: &[u8]| cookie_of(environ).map(<[u8]>::to_vec);
    assert_eq!(cookie_in(b"A=1\0QUEUE_WORK_INSTANCE=abc:1\0B=2\0"), Some(b"abc:1".to_vec()));
    assert_eq!(cookie_in(b"A=QUEUE_WORK_INSTANCE=abc\0XQUEUE_WORK_INSTANCE=abc\0"), None);
    assert_eq!(cookie_in(b"QUEUE_WORK_INSTANCES=abc\0"), None);
    let instance = Wanted::Instance("abc".into());
    assert!(instance.matches(b"abc") && instance.matches(b"abc:1"));
    assert!(!instance.matches(b"abcd") && !instance.matches(b"ab") && !instance.matches(b"xabc"));
    let worker = Wanted::Worker("abc:1".into());
    assert!(worker.matches(b"abc:1") && !worker.matches(b"abc:12") && !worker.matches(b"abc"));
    for nobody in [Wanted::Instance(String::new()), Wanted::Worker(String::new())] {
        assert!(!nobody.matches(b"") && !nobody.matches(b":1") && !nobody.matches(b"abc"));
    }
}

#[test]
fn the_sweeper_answers_every_request_also_after_it_was_dropped() {
    let cookie = new_cookie().unwrap();
    let (answers, done) = crossbeam_channel::unbounded();
    let sweeper = Sweeper::start(8, vec![], move |answer| answers.send(answer).unwrap()).unwrap();
    let (mut leader, children) = family(&format!("{cookie}:1"));
    for id in 1..=4 {
        sweeper.request(Request { worker: WorkerId(id), value: format!("{cookie}:{id}") }).unwrap();
    }
    drop(sweeper);
    let mut got: Vec<SweepDone> = done.iter().collect();
    got.sort_by_key(|answer| answer.worker);
    assert_eq!(got.iter().map(|a| (a.worker.0, a.killed)).collect::<Vec<_>>(), [(1, 3), (2, 0), (3, 0), (4, 0)]);
    assert!(children.iter().all(|child| !child.is_alive()));
    leader.wait().unwrap();
}
