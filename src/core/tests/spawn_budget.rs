//! A machine that has no process left to give.

use super::*;

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
