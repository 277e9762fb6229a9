//! More and fewer workers, pools and workers that go.

use super::*;
use crate::model::WorkerState;

fn scale(bench: &mut Bench, workers: u32) {
    bench.command(
        1,
        Command::Scale { target: Target::All, workers: Wanted::Exactly(workers), grace: None, hold: None, wait: true },
    );
}

fn stop_worker(bench: &mut Bench, name: &str) {
    let target = Target::Workers(vec![String::from(name)]);
    bench.command(1, Command::StopSome { target, grace: None, wait: true });
}

#[test]
fn scaling_up_is_answered_when_the_new_workers_are_ready() {
    let mut bench = Bench::up(|_| {});
    scale(&mut bench, 3);
    bench.says(&["spawn 2 in 2", "spawn 3 in 3"]);
    bench.bring_up();
    bench.says(&[
        r#"ticket 1: Scaled { pools: [ScaledPool { pool: PoolName("default"), was: 1, wanted: 3, ready: 3 }], released: 0, left: [] }"#,
    ]);
}

#[test]
fn scaling_down_ends_the_idle_first_and_of_those_the_highest_slot() {
    let mut bench = Bench::up(|s| s.limits.workers = 4);
    bench.jobs(2);
    bench.answer(1, 1, well());
    bench.said();
    scale(&mut bench, 2);
    bench.says(&["close 4", "close 3"]);
    scale(&mut bench, 1);
    bench.says(&["close 1"]);
}

#[test]
fn scaling_down_takes_a_worker_that_is_being_ended_anyway() {
    let mut bench = Bench::up(|s| (s.limits.workers, s.limits.timeout) = (2, SECOND));
    bench.jobs(1);
    bench.pass(6 * SECOND);
    bench.said();
    scale(&mut bench, 1);
    bench.gone(1);
    assert!(bench.core.worker(WorkerId(2)).unwrap().is_ready());
    assert!(!bench.said().iter().any(|s| s.starts_with("spawn") || s.starts_with("close")));
}

#[test]
fn a_busy_worker_finishes_its_job_before_it_goes() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    scale(&mut bench, 0);
    bench.says(&["ticket 1 waits for 1, None"]);
    bench.pass(3000 * SECOND);
    bench.says(&[]);
    bench.answer(1, 1, well());
    bench.says(&["job 1 succeeded - => succeeded 0/0/0", "close 1"]);
    bench.gone(1);
    assert!(bench.said().last().unwrap().starts_with("ticket 1: Scaled"));
}

#[test]
fn when_the_grace_is_over_the_job_is_asked_to_end_and_given_back_unblamed() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.said();
    scale(&mut bench, 0);
    bench.pass(1000 * SECOND);
    // Said again with a grace, it is for those that leave already.
    bench.command(
        2,
        Command::Scale {
            target: Target::All,
            workers: Wanted::Exactly(0),
            grace: Some(30 * SECOND),
            hold: None,
            wait: true,
        },
    );
    bench.says(&["ticket 1 waits for 1, None", "ticket 2 waits for 1, Some(30.0)"]);
    bench.pass(30 * SECOND);
    bench.says(&["cancel 1#1 shutdown", "TERM 1"]);
    bench.pass(5 * SECOND);
    bench.says(&["KILL 1"]);
    bench.exit(1, Exit::Signal(9), 1);
    bench.sweep(1);
    let scaled = "Scaled { pools: [ScaledPool { pool: PoolName(\"default\"), was: 0, wanted: 0, ready: 0 }], released: 1, left: [] }";
    let said = bench.said();
    assert_eq!(said[0], "job 1 released scale => ready 0/0/1");
    assert_eq!(said.last().unwrap(), &format!("ticket 2: {scaled}"), "{said:?}");
}

#[test]
fn workers_that_do_not_come_up_refuse_the_scaling_after_three() {
    let mut bench = Bench::new(|s| s.limits.workers = 0);
    scale(&mut bench, 1);
    for n in 1..=3 {
        let error = String::from("no such file");
        bench.event(Event::SpawnFailed { worker: WorkerId(n), error, temporary: false });
        bench.pass(SECOND);
    }
    let said = bench.said();
    let refusal = "ticket 1: refused, ReplacementFailed { worker: \"default-1\", why: Some(NotStarted(\"no such file\")), tried: 0, spawned: None }";
    assert!(said.iter().any(|s| s == refusal), "{said:?}");
    assert_eq!(said.last().unwrap(), "spawn 4 in 1", "it is tried again all the same");
}

#[test]
fn deaths_of_the_past_refuse_nothing_once_a_worker_is_ready() {
    let mut bench = Bench::up(|_| {});
    for n in 1..=3 {
        bench.gone(n);
        bench.pass(SECOND);
        bench.bring_up();
    }
    bench.pass(3600 * SECOND);
    bench.said();
    scale(&mut bench, 2);
    bench.says(&["spawn 5 in 2"]);
}

#[test]
fn a_new_pool_is_answered_when_its_workers_are_ready() {
    let mut bench = Bench::up(|_| {});
    bench.command(1, Command::AddPool { settings: Box::new(settings("mail")), wait: true });
    bench.says(&["spawn 2 in 1"]);
    bench.bring_up();
    bench
        .says(&[r#"ticket 1: Scaled { pools: [ScaledPool { pool: PoolName("mail"), was: 0, wanted: 1, ready: 1 }], released: 0, left: [] }"#]);
    bench.command(2, Command::AddPool { settings: Box::new(settings("mail")), wait: true });
    bench.says(&[r#"ticket 2: refused, PoolExists(PoolName("mail"))"#]);
    bench.command(
        3,
        Command::Scale { target: Target::All, workers: Wanted::Exactly(2), grace: None, hold: None, wait: true },
    );
    bench.says(&[r#"ticket 3: refused, WhichPool([PoolName("default"), PoolName("mail")])"#]);
}

#[test]
fn a_worker_that_is_stopped_takes_its_slot_with_it() {
    let mut bench = Bench::up(|s| s.limits.workers = 3);
    stop_worker(&mut bench, "default-2");
    bench.says(&["close 2"]);
    bench.gone(2);
    bench.says(&["ticket 1: Stopped { workers: 1, released: 0, pools: [], left: [] }"]);
    assert_eq!(bench.pool().wanted, 2);
    scale(&mut bench, 3);
    bench.says(&["spawn 4 in 2"]);
}

#[test]
fn a_worker_that_is_stopped_while_it_is_renewed_takes_its_successor_with_it() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    let target = Target::Workers(vec![String::from("default-1")]);
    bench.command(9, Command::Restart { target, grace: None, wait: false });
    bench.said();
    stop_worker(&mut bench, "default-1");
    bench.says(&["close 1"]);
    bench.spawned(3);
    bench.says(&["close 3"]);
    assert_eq!(bench.core.worker(WorkerId(3)).unwrap().word(), WorkerState::Draining, "it was never ready");
}

#[test]
fn a_worker_that_is_scaled_away_is_taken_back_if_it_still_does_its_job() {
    let mut bench = Bench::up(|s| s.limits.workers = 3);
    bench.jobs(2);
    bench.said();
    scale(&mut bench, 0);
    bench.says(&["close 3", "ticket 1 waits for 2, None"]);
    bench.pass(100 * SECOND);
    bench.command(
        2,
        Command::Scale { target: Target::All, workers: Wanted::More(4), grace: None, hold: None, wait: false },
    );
    // The one whose input is closed is lost.
    let said = bench.said();
    assert_eq!(said[said.len() - 2..], ["spawn 4 in 4", "spawn 5 in 5"], "{said:?}");
    bench.bring_up();
    bench.answer(1, 1, well());
    bench.jobs(3);
    assert!(bench.said().contains(&"send job 3 to 1".to_owned()));
    assert_eq!(bench.pool().leaving().count(), 1);
}

#[test]
fn a_worker_that_is_stopped_after_it_was_scaled_away_is_not_taken_back() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    scale(&mut bench, 0);
    stop_worker(&mut bench, "default-1");
    bench.said();
    bench.command(
        3,
        Command::Scale { target: Target::All, workers: Wanted::More(1), grace: None, hold: None, wait: false },
    );
    assert_eq!(bench.said().last().unwrap(), "spawn 2 in 2");
}

#[test]
fn more_and_fewer_are_counted_from_what_is_wanted_now_and_refused_where_that_is_impossible() {
    let mut bench = Bench::up(|s| s.limits.workers = 4);
    let relative = |bench: &mut Bench, workers| {
        bench.command(1, Command::Scale { target: Target::All, workers, grace: None, hold: None, wait: false });
        bench.said();
        bench.pool().wanted
    };
    assert_eq!(relative(&mut bench, Wanted::More(2)), 6);
    assert_eq!(relative(&mut bench, Wanted::Fewer(1)), 5);
    assert_eq!(relative(&mut bench, Wanted::Fewer(5)), 0);
    bench.command(
        2,
        Command::Scale { target: Target::All, workers: Wanted::Fewer(1), grace: None, hold: None, wait: true },
    );
    let refused = r#"ticket 2: refused, OutOfRange { pool: PoolName("default"), was: 0, asked: Fewer(1) }"#;
    assert_eq!(bench.said().last().unwrap(), refused);
}

#[test]
fn more_workers_than_a_pool_may_have_are_refused_and_fewer_never() {
    let mut bench = Bench::up(|s| s.limits.workers = 3);
    bench.core.pools.get_mut(&bench.pool).unwrap().settings.limits.max_workers = Some(2);
    let mut asked = |workers| {
        bench.command(1, Command::Scale { target: Target::All, workers, grace: None, hold: None, wait: false });
        (bench.said().into_iter().find(|said| said.contains("refused")), bench.pool().wanted)
    };
    let refused = |wanted| {
        Some(format!(r#"ticket 1: refused, BeyondMost {{ pool: PoolName("default"), most: 2, wanted: {wanted} }}"#))
    };
    assert_eq!(asked(Wanted::More(1)), (refused(4), 3));
    assert_eq!(asked(Wanted::Fewer(2)), (None, 1));
    assert_eq!(asked(Wanted::Exactly(2)), (None, 2));
    assert_eq!(asked(Wanted::Exactly(3)), (refused(3), 2));
    let mut new = settings("new");
    new.limits.max_workers = Some(1);
    new.limits.workers = 2;
    bench.command(2, Command::AddPool { settings: Box::new(new), wait: false });
    bench.says(&[r#"ticket 2: refused, BeyondMost { pool: PoolName("new"), most: 1, wanted: 2 }"#]);
}

#[test]
fn a_worker_that_still_leaves_can_be_hastened_by_its_name() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    bench.jobs(2);
    scale(&mut bench, 1);
    bench.said();
    let target = || Target::Workers(vec![String::from("default-2")]);
    bench.command(2, Command::Restart { target: target(), grace: None, wait: true });
    bench.says(&[r#"ticket 2: refused, NoSuchWorker("default-2")"#]);
    bench.command(3, Command::StopSome { target: target(), grace: Some(Duration::ZERO), wait: true });
    bench.says(&["cancel 2#1 shutdown", "TERM 2"]);
    bench.exit(2, Exit::Signal(15), 1);
    bench.sweep(2);
    let said = bench.said();
    assert_eq!(said.last().unwrap(), "ticket 3: Stopped { workers: 1, released: 1, pools: [], left: [] }", "{said:?}");
    assert_eq!(bench.pool().wanted, 1);
}

#[test]
fn who_waits_for_a_worker_that_not_even_kill_ends_is_answered_and_told_which_it_is() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    bench.jobs(2);
    let target = Target::Workers(vec![String::from("default-1"), String::from("default-2")]);
    bench.command(1, Command::StopSome { target, grace: Some(Duration::ZERO), wait: true });
    bench.exit(2, Exit::Signal(15), 1);
    bench.sweep(2);
    bench.pass(5 * SECOND);
    bench.said();
    bench.pass((5 * SECOND).saturating_sub(Duration::from_micros(1)));
    bench.says(&[]);
    bench.pass(Duration::from_micros(1));
    let left = r#"left: [LeftWorker { worker: "default-1", pid: 101 }]"#;
    let said = bench.said();
    assert_eq!(said.last().unwrap(), &format!("ticket 1: Stopped {{ workers: 1, released: 1, pools: [], {left} }}"));
}

#[test]
fn a_pool_that_the_master_began_with_stays_without_workers_when_it_is_stopped_and_can_be_scaled_up() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    bench.jobs(1);
    let target = Target::Queue(queue("default"));
    bench.command(1, Command::StopSome { target, grace: None, wait: true });
    bench.said();
    bench.gone(2);
    bench.pass(1000 * SECOND);
    bench.answer(1, 1, well());
    bench.gone(1);
    let stopped = r#"pools: [StoppedPool { pool: PoolName("default"), was: 2, kept: true }], left: [] }"#;
    assert_eq!(bench.said().last().unwrap(), &format!("ticket 1: Stopped {{ workers: 2, released: 0, {stopped}"));
    assert_eq!((bench.pool().wanted, bench.pool().slots().count()), (0, 0));
    scale(&mut bench, 1);
    bench.bring_up();
    bench.jobs(1);
    assert!(bench.said().contains(&"send job 2 to 3".to_owned()));
}

#[test]
fn a_pool_that_was_spawned_is_forgotten_when_it_is_stopped_and_its_workers_are_gone() {
    let mut bench = Bench::new(|s| s.limits.workers = 0);
    let mut mail = settings("mail");
    mail.limits.workers = 2;
    bench.command(9, Command::AddPool { settings: Box::new(mail), wait: false });
    bench.bring_up();
    bench.said();
    let target = Target::Pool(PoolName::new("mail").unwrap());
    bench.command(1, Command::StopSome { target, grace: Some(SECOND), wait: true });
    bench.says(&["close 1", "close 2"]);
    bench.pass(SECOND);
    bench.says(&["TERM 1", "TERM 2"]);
    bench.gone(1);
    bench.gone(2);
    let stopped = r#"pools: [StoppedPool { pool: PoolName("mail"), was: 2, kept: false }], left: [] }"#;
    bench.says(&[&format!("ticket 1: Stopped {{ workers: 2, released: 0, {stopped}")]);
    assert_eq!(bench.core.pools().count(), 1);
}

#[test]
fn a_worker_that_is_renewed_meanwhile_delays_no_answer() {
    let mut bench = Bench::up(|s| (s.limits.workers, s.limits.max_jobs) = (2, Some(1)));
    bench.jobs(1);
    bench.answer(1, 1, well());
    scale(&mut bench, 3);
    let said = bench.said();
    assert!(said.iter().any(|s| s == "spawn 3 in 1") && said.iter().any(|s| s == "spawn 4 in 3"), "{said:?}");
    bench.spawned(4);
    let said = bench.said();
    assert!(
        said.iter().any(|s| s.starts_with("ticket 1: Scaled")),
        "the first slot waits only for its next worker: {said:?}"
    );
}
