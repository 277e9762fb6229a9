//! A machine that has no process left to give.

use super::*;
use crate::model::autoscale::Together;
use crate::model::problem::Topic;

impl Bench {
    fn nothing_left_for(&mut self, worker: i64) {
        let error = String::from("out of processes");
        self.event(Event::SpawnFailed { worker: WorkerId(worker), error, temporary: true });
    }
}

#[test]
fn a_machine_without_processes_is_asked_for_one_again_and_again_at_the_same_pace_and_nobody_is_blamed() {
    let mut bench = Bench::new(|s| s.limits.workers = 3);
    bench.says(&["spawn 1 in 1", "spawn 2 in 2", "spawn 3 in 3"]);
    for n in 1..4 {
        bench.nothing_left_for(n);
    }
    bench.says(&[]);
    assert!(bench.core.is_scarce() && !bench.core.has_spawns_left(), "it waits for the next try");
    for n in 4..40 {
        bench.pass(Duration::from_millis(499));
        bench.says(&[]);
        bench.pass(Duration::from_millis(1));
        bench.says(&[&format!("spawn {n} in 1")]);
        bench.nothing_left_for(n);
    }
    let slot = bench.pool().slots().next().unwrap();
    assert_eq!(
        (slot.history.restarts, slot.not_before, slot.problem.unwrap().to_string()),
        (0, None, "out of processes".to_owned())
    );
    // The first that can be started brings the others at once.
    bench.pass(SECOND / 2);
    bench.says(&["spawn 40 in 1"]);
    bench.event(Event::Spawned { worker: WorkerId(40), pid: 40 });
    bench.says(&["spawn 41 in 2", "spawn 42 in 3"]);
    assert!(!bench.core.is_scarce());
    // A death that follows is the first: it is replaced at once.
    bench.exit(40, Exit::Signal(11), 0);
    bench.says(&["spawn 43 in 1"]);
}

#[test]
fn a_turn_asks_for_some_processes_and_those_that_are_left_wait_for_nothing_but_the_next() {
    // Eight were asked for already.
    let mut bench = Bench::new(|s| s.limits.workers = 28);
    for left in [true, true, false] {
        assert!(bench.core.has_spawns_left());
        let mut out = Vec::new();
        bench.core.settle(bench.now, &mut out);
        let spawns = out.iter().filter(|action| matches!(action, Action::Spawn { .. })).count();
        assert_eq!((spawns, bench.core.has_spawns_left()), (if left { 8 } else { 4 }, left));
    }
    bench.stop(None);
    assert!(!bench.core.has_spawns_left());
}

#[test]
fn a_restart_waits_while_no_process_can_be_had_and_the_old_workers_go_on() {
    let mut bench = Bench::up(|_| {});
    bench.command(1, Command::Restart { target: Target::All, grace: None, wait: false });
    bench.says(&["ticket 1: Restarted { workers: [\"default-1\"], tried: 0, released: 0, left: [] }", "spawn 2 in 1"]);
    for n in 2..20 {
        bench.nothing_left_for(n);
        bench.says(&[]);
        bench.pass(SECOND / 2);
        bench.says(&[&format!("spawn {} in 1", n + 1)]);
        assert!(bench.core.worker(WorkerId(1)).unwrap().is_ready());
    }
    bench.event(Event::Spawned { worker: WorkerId(20), pid: 20 });
    bench.says(&["close 1"]);
}

#[test]
fn scarcity_is_over_when_nobody_waits_for_a_process_any_more() {
    let mut bench = Bench::new(|_| {});
    bench.nothing_left_for(1);
    assert!(bench.core.is_scarce());
    bench.command(
        1,
        Command::Scale { target: Target::All, workers: Wanted::Exactly(0), grace: None, hold: None, wait: false },
    );
    assert!(!bench.core.is_scarce());
    assert_eq!(bench.core.next_deadline(bench.now), None);
}

#[test]
fn many_workers_are_asked_for_over_several_turns() {
    let mut bench = Bench::new(|s| s.limits.workers = 20);
    let mut asked = Vec::new();
    for _ in 0..4 {
        asked.push(bench.said().len());
        bench.pass(Duration::from_micros(1));
    }
    assert_eq!(asked, [8, 8, 4, 0]);
}

/// A core with a pool of so many workers, and a cap on all processes.
fn capped(cap: u32, workers: u32) -> Bench {
    let mut bench = Bench::new(|s| s.limits.workers = 0);
    bench.core.scale_together(Together { cap: Some(cap), ..Together::default() });
    let limits = PoolLimits { workers, ..settings("other").limits };
    let other = PoolSettings { limits, ..settings("other") };
    bench.pool = bench.core.add_pool(other).unwrap();
    bench.settle();
    bench
}

fn scale(workers: Wanted) -> Command {
    Command::Scale {
        target: Target::Pool(PoolName::new("other").unwrap()),
        workers,
        grace: None,
        hold: None,
        wait: false,
    }
}

#[test]
fn beyond_the_cap_no_process_is_started_until_another_has_ended_and_what_waits_is_a_problem() {
    let mut bench = capped(2, 3);
    bench.says(&["spawn 1 in 1", "spawn 2 in 2"]);
    let said = "1 worker waits for others to end, as `max_processes` is 2; raise it, or scale a pool down";
    assert_eq!(bench.core.problem_of(Topic::Processes), Some(said));
    bench.bring_up();
    bench.pass(60 * SECOND);
    bench.says(&[]);
    bench.exit(1, Exit::Signal(9), 0);
    bench.says(&["spawn 3 in 1"]);
    bench.core.scale_together(Together { cap: Some(3), ..Together::default() });
    bench.settle();
    bench.says(&["spawn 4 in 3"]);
    assert_eq!(bench.core.problem_of(Topic::Processes), None);
}

#[test]
fn a_scale_or_a_pool_that_would_be_beyond_the_cap_is_refused_and_changes_nothing() {
    let mut bench = capped(3, 3);
    bench.bring_up();
    bench.said();
    bench.command(1, scale(Wanted::More(1)));
    bench.says(&["ticket 1: refused, BeyondCap { cap: 3, after: 4 }"]);
    bench.command(2, Command::AddPool { settings: Box::new(settings("new")), wait: false });
    bench.says(&["ticket 2: refused, BeyondCap { cap: 3, after: 4 }"]);
    assert_eq!(bench.pool().wanted, 3);
    bench.core.scale_together(Together { cap: Some(1), ..Together::default() });
    bench.command(3, scale(Wanted::Exactly(2)));
    assert!(bench.said().iter().any(|said| said.starts_with("ticket 3: Scaled")), "fewer are never refused");
}

#[test]
fn at_the_cap_a_worker_that_is_renewed_or_recycled_leaves_before_its_successor_starts() {
    let mut bench = capped(2, 2);
    bench.bring_up();
    bench.said();
    bench.command(1, Command::Restart { target: Target::All, grace: None, wait: true });
    bench.says(&["close 1"]);
    assert_eq!(bench.core.problem_of(Topic::Processes), None, "as many as are wanted have a place");
    bench.gone(1);
    bench.says(&["spawn 3 in 1"]);
    bench.bring_up();
    bench.says(&["close 2"]);
    bench.gone(2);
    bench.bring_up();
    assert!(bench.said().last().is_some_and(|said| said.starts_with("ticket 1: Restarted")));
}
