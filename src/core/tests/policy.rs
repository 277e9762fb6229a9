//! Restart policies: workers that are not replaced, or not at once.

use super::*;
use crate::model::supervision::{Excess, Growth, RestartOn, RestartPolicy};

/// A pool with this policy, whose worker is ready.
fn with_policy(kind: PoolKind, policy: RestartPolicy) -> Bench {
    Bench::up(|s| (s.kind, s.supervision.restart) = (kind, policy))
}

fn over(bench: &Bench) -> Option<String> {
    bench.pool().slots().next().and_then(|slot| slot.state.over()).map(|over| over.to_string())
}

const STOP: RestartPolicy = RestartPolicy {
    on: RestartOn::Always,
    max: Some(2),
    window: Duration::from_mins(1),
    backoff: Growth::Exponential,
    initial: Duration::from_millis(100),
    most: Duration::from_secs(30),
    then: Excess::Stop,
};

/// The only worker does a job and dies, a second after it was ready.
fn die(bench: &mut Bench) {
    let id = bench.core.workers().find(|(_, w)| w.is_ready()).map(|(id, _)| id.0).unwrap();
    bench.exit(id, Exit::Code(3), 9);
    bench.sweep(id);
    bench.pass(SECOND);
    bench.bring_up();
}

#[test]
fn a_finished_worker_is_not_replaced_until_an_operator_wants_another() {
    let on = |on| RestartPolicy { on, ..RestartPolicy::default() };
    let commands = [
        Command::Restart { target: Target::All, grace: None, wait: true },
        Command::Restart { target: Target::Workers(vec![String::from("default-1")]), grace: None, wait: true },
        Command::Scale { target: Target::All, workers: Wanted::Exactly(1), grace: None, hold: None, wait: true },
    ];
    for (policy, exit, words) in [
        (on(RestartOn::Failure), Exit::Code(0), "finished: exit 0"),
        (on(RestartOn::Never), Exit::Code(2), "finished: exit 2"),
        (on(RestartOn::Never), Exit::Signal(9), "finished: SIGKILL"),
    ] {
        for command in commands.clone() {
            let mut bench = with_policy(PoolKind::Opaque, policy);
            bench.exit(1, exit, 0);
            bench.sweep(1);
            bench.pass(3600 * SECOND);
            bench.says(&[]);
            assert_eq!(over(&bench).as_deref(), Some(words));
            bench.command(1, command);
            assert_eq!(bench.said()[0], "spawn 2 in 1");
            bench.bring_up();
            bench.pass(SECOND);
            assert!(
                bench.said().last().is_some_and(|said| said.starts_with("ticket 1: ") && !said.contains("refused"))
            );
        }
    }
}

#[test]
fn who_waits_for_a_pool_is_answered_when_its_workers_have_finished() {
    let policy = RestartPolicy { on: RestartOn::Never, ..RestartPolicy::default() };
    let mut bench = with_policy(PoolKind::Opaque, policy);
    bench.command(
        1,
        Command::Scale { target: Target::All, workers: Wanted::Exactly(2), grace: None, hold: None, wait: true },
    );
    bench.exit(2, Exit::Code(0), 0);
    assert!(bench.said().iter().any(|said| said.starts_with("ticket 1: Scaled")));
}

#[test]
fn a_slot_whose_workers_die_too_often_is_given_up_whatever_they_did_before_and_says_why() {
    for kind in [PoolKind::Protocol, PoolKind::Opaque, PoolKind::Service] {
        let mut bench = with_policy(kind, STOP);
        for _ in 0..3 {
            assert_eq!(over(&bench), None);
            die(&mut bench);
        }
        bench.pass(3600 * SECOND);
        assert_eq!(over(&bench).as_deref(), Some("given up: more than 2 deaths in 1m"), "{kind:?}");
        let problem = bench.pool().slots().next().and_then(|slot| slot.problem.map(ToString::to_string));
        let said = "given up: more than 2 deaths in 1m; exits at once with status 3";
        assert_eq!(problem.as_deref(), Some(said), "{kind:?}");
        let restart = Command::Restart { target: Target::All, grace: None, wait: false };
        bench.said();
        bench.command(1, restart);
        assert!(bench.said().iter().any(|said| said.starts_with("spawn ")), "{kind:?}");
        bench.bring_up();
        die(&mut bench);
        assert_eq!(over(&bench), None, "the deaths before are forgotten");
    }
}

#[test]
fn a_slot_whose_workers_die_too_often_is_tried_now_and_then_where_it_is_not_given_up() {
    let mut bench = with_policy(PoolKind::Opaque, RestartPolicy { then: Excess::Slow, max: Some(0), ..STOP });
    bench.pass(120 * SECOND);
    bench.exit(1, Exit::Code(3), 0);
    bench.said();
    bench.pass(29 * SECOND);
    bench.says(&[]);
    let slot = bench.pool().slots().next().and_then(|slot| slot.problem.map(ToString::to_string));
    assert_eq!(slot.as_deref(), Some("exits with status 3; more than 0 deaths in 1m"));
    bench.pass(2 * SECOND);
    bench.says(&["spawn 2 in 1"]);
}

#[test]
fn asked_ends_are_never_too_many_and_never_the_last() {
    let policy = RestartPolicy { on: RestartOn::Never, max: Some(0), ..STOP };
    let mut bench = with_policy(PoolKind::Opaque, policy);
    for old in 1..=3 {
        bench.command(1, Command::Restart { target: Target::All, grace: Some(Duration::ZERO), wait: true });
        bench.bring_up();
        bench.exit(old, Exit::Signal(15), 0);
        bench.sweep(old);
        assert_eq!(over(&bench), None);
    }
    assert!(bench.core.worker(WorkerId(4)).unwrap().is_ready());
}

#[test]
fn a_reload_that_changes_a_pool_starts_again_what_is_over() {
    let mut bench = with_policy(PoolKind::Protocol, STOP);
    (0..3).for_each(|_| die(&mut bench));
    assert!(over(&bench).is_some());
    let settings = PoolSettings { supervision: Supervision::default(), ..bench.pool().settings.clone() };
    let changes = PoolChanges { changed: vec![(settings, false)], ..PoolChanges::default() };
    bench.said();
    bench.command(1, Command::Reload { changes, done: Box::default(), wait: false });
    assert!(bench.said().iter().any(|said| said.starts_with("spawn ")));
}

#[test]
fn a_drain_is_given_up_when_all_workers_are() {
    let mut bench = with_policy(PoolKind::Protocol, STOP);
    bench.jobs(1);
    bench.answer(1, 1, well());
    (0..3).for_each(|_| die(&mut bench));
    assert!(bench.pool().is_of_no_use());
}
