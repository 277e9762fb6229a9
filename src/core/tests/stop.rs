//! The end of the master.

use super::*;

fn stop(bench: &mut Bench, grace: Option<Duration>) {
    bench.stop(grace);
}

fn force(bench: &mut Bench) {
    bench.event(Event::Force);
}

fn busy() -> Bench {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    bench.jobs(1);
    bench.said();
    bench
}

#[test]
fn a_stop_closes_idle_workers_and_lets_busy_ones_finish() {
    let mut bench = busy();
    stop(&mut bench, None);
    bench.says(&["close 2"]);
    bench.gone(2);
    bench.answer(1, 1, well());
    bench.says(&["job 1 succeeded - => succeeded 0/0/0", "close 1"]);
    assert!(!bench.core.stopped());
    bench.exit(1, Exit::Code(0), 1);
    assert!(!bench.core.stopped(), "its leftovers are not swept");
    bench.sweep(1);
    assert!(bench.core.stopped());
    assert_eq!(bench.core.stop_summary(), (0, 2));
}

#[test]
fn a_stop_is_complete_within_the_grace_and_the_time_to_kill() {
    let mut bench = busy();
    stop(&mut bench, Some(10 * SECOND));
    bench.pass(10 * SECOND);
    bench.says(&["close 2", "cancel 1#1 shutdown", "TERM 1", "TERM 2"]);
    bench.pass(5 * SECOND);
    bench.says(&["KILL 1", "KILL 2"]);
    for worker in [1, 2] {
        bench.exit(worker, Exit::Signal(9), 1);
        bench.sweep(worker);
    }
    bench.says(&["job 1 released stop => ready 0/0/1"]);
    assert!(bench.core.stopped());
    assert_eq!(bench.core.stop_summary(), (1, 2));
}

#[test]
fn a_master_that_stops_claims_nothing_and_gives_back_what_comes() {
    let mut bench = Bench::up(|_| {});
    bench.core.claim(&mut bench.out);
    stop(&mut bench, None);
    bench.gone(1);
    assert!(!bench.core.stopped(), "a claim is on its way");
    bench.said();
    bench.event(Event::Claimed {
        pool: bench.pool,
        share: ShareId(0),
        asked: 1,
        news: 1,
        jobs: vec![job(1)],
        more: false,
        held: HeldBack::default(),
    });
    bench.says(&["unclaim 1"]);
    assert!(bench.core.stopped());
    bench.core.claim(&mut bench.out);
    bench.says(&[]);
}

#[test]
fn a_worker_that_dies_while_the_master_stops_is_not_replaced() {
    let mut bench = busy();
    stop(&mut bench, None);
    bench.said();
    bench.gone(2);
    bench.pass(SECOND);
    bench.says(&[]);
}

#[test]
fn a_second_stop_can_only_shorten_the_grace() {
    for (first, second, at) in [(20, 5, 5), (5, 20, 5)] {
        let mut bench = busy();
        stop(&mut bench, Some(first * SECOND));
        stop(&mut bench, Some(second * SECOND));
        bench.said();
        bench.pass((at * SECOND).saturating_sub(Duration::from_micros(1)));
        bench.says(&[]);
        bench.pass(Duration::from_micros(1));
        bench.says(&["cancel 1#1 shutdown", "TERM 1", "TERM 2"]);
    }
}

#[test]
fn a_second_stop_shortens_the_grace_of_opaque_workers_too() {
    let mut bench = Bench::up(|s| s.kind = PoolKind::Opaque);
    stop(&mut bench, None);
    stop(&mut bench, Some(SECOND));
    bench.says(&["TERM 1"]);
    bench.pass(5 * SECOND);
    bench.says(&["KILL 1"]);
}

#[test]
fn force_sends_term_at_once_and_kill_a_second_later() {
    for kind in [PoolKind::Protocol, PoolKind::Opaque] {
        let mut bench = Bench::up(|s| s.kind = kind);
        force(&mut bench);
        let said = bench.said();
        assert_eq!(said.last().unwrap(), "TERM 1", "{said:?}");
        assert!(!bench.out.iter().any(|a| matches!(a, Action::Signal { .. })));
        bench.pass(SECOND);
        bench.says(&["KILL 1"]);
    }
}

#[test]
fn force_after_a_stop_does_not_wait_for_the_grace() {
    let mut bench = busy();
    stop(&mut bench, None);
    bench.pass(SECOND);
    bench.said();
    force(&mut bench);
    bench.says(&["cancel 1#1 shutdown", "TERM 1", "TERM 2"]);
    bench.pass(SECOND);
    bench.says(&["KILL 1", "KILL 2"]);
}

#[test]
fn a_stop_after_force_or_a_second_force_changes_nothing() {
    let mut bench = busy();
    force(&mut bench);
    bench.said();
    stop(&mut bench, Some(100 * SECOND));
    force(&mut bench);
    bench.says(&[]);
    assert_eq!(bench.core.phase(), Phase::Forced);
    bench.pass(SECOND);
    bench.says(&["KILL 1", "KILL 2"]);
}

#[test]
fn force_hastens_a_worker_that_was_being_ended() {
    let mut bench = busy();
    stop(&mut bench, Some(Duration::ZERO));
    bench.said();
    force(&mut bench);
    bench.pass(SECOND);
    bench.says(&["KILL 1", "KILL 2"]);
}

#[test]
fn who_waits_for_something_else_is_told_that_the_master_stops() {
    let mut bench = busy();
    bench.command(
        1,
        Command::Scale { target: Target::All, workers: Wanted::Exactly(5), grace: None, hold: None, wait: true },
    );
    bench.said();
    stop(&mut bench, None);
    let said = bench.said();
    assert_eq!(said.iter().filter(|s| **s == "ticket 1: refused, Stopping").count(), 1, "{said:?}");
    bench.command(
        2,
        Command::Scale { target: Target::All, workers: Wanted::Exactly(5), grace: None, hold: None, wait: true },
    );
    bench.says(&["ticket 2: refused, Stopping"]);
}

#[test]
fn people_are_told_when_kill_has_no_effect() {
    let mut bench = Bench::up(|_| {});
    force(&mut bench);
    bench.pass(30 * SECOND);
    assert_eq!(bench.out.iter().filter(|a| matches!(a, Action::Tell(Notice::Problem { .. }))).count(), 1);
}
