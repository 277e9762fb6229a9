//! Workers of services: ready by the gateway's word, left in peace until their calls are over.

use super::*;

fn service(settings: &mut PoolSettings) {
    settings.kind = PoolKind::Service;
    settings.ready = ReadyWhen::Message;
    settings.queues = QueueOrder::Strict(Vec::new());
}

fn drained(bench: &mut Bench, worker: i64) {
    bench.event(Event::Drained { worker: WorkerId(worker) });
}

#[test]
fn a_worker_of_a_service_is_given_no_job() {
    let mut bench = Bench::up(service);
    bench.core.claim(&mut bench.out);
    bench.says(&[]);
}

#[test]
fn a_worker_that_leaves_keeps_its_stdin_until_its_last_call_is_over() {
    let mut bench = Bench::up(service);
    bench.command(1, Command::Restart { target: Target::All, grace: None, wait: true });
    bench.says(&["spawn 2 in 1"]);
    bench.bring_up();
    bench.says(&["drain 1 restarted"]);
    bench.pass(3600 * SECOND);
    bench.says(&[]);
    drained(&mut bench, 1);
    bench.says(&["close 1"]);
    bench.pass(30 * SECOND);
    bench.says(&["TERM 1"]);
}

#[test]
fn a_stop_gives_calls_the_grace_of_the_pool() {
    let mut bench = Bench::up(|s| {
        service(s);
        s.limits.grace = 7 * SECOND;
    });
    bench.stop(None);
    bench.says(&["drain 1 stopped"]);
    bench.pass(7 * SECOND);
    bench.says(&["TERM 1"]);
}

#[test]
fn a_worker_is_replaced_after_so_many_calls() {
    let mut bench = Bench::up(|s| {
        service(s);
        s.limits.max_jobs = Some(1);
    });
    bench.event(Event::Called { worker: WorkerId(1), calls: 0 });
    bench.says(&[]);
    bench.event(Event::Called { worker: WorkerId(1), calls: 3 });
    bench.says(&["drain 1 max_jobs", "spawn 2 in 1"]);
    drained(&mut bench, 1);
    bench.says(&["close 1"]);
}

#[test]
fn a_worker_that_hangs_in_a_call_is_not_given_the_grace_to_read_on() {
    let mut bench = Bench::up(service);
    bench.event(Event::Called { worker: WorkerId(1), calls: 1 });
    bench.event(Event::GivenUp { worker: WorkerId(1) });
    bench.says(&["drain 1 job_timeout", "spawn 2 in 1"]);
    drained(&mut bench, 1);
    bench.says(&["close 1", "TERM 1"]);
}

#[test]
fn a_worker_that_is_refused_counts_as_one_that_does_not_come_up() {
    let mut bench = Bench::new(service);
    bench.spawned(1);
    bench.said();
    for worker in 1..=2 {
        bench.event(Event::Refused { worker: WorkerId(worker), why: String::from("is version 2") });
        bench.exit(worker, Exit::Signal(15), 0);
        bench.sweep(worker);
        if worker == 1 {
            bench.spawned(2);
        }
    }
    bench.says(&["TERM 1", "spawn 2 in 1", "TERM 2"]);
    let problem = bench.pool().slots().find_map(|slot| slot.problem.cloned());
    assert_eq!(problem.map(|problem| problem.to_string()).as_deref(), Some("is version 2"));
}

#[test]
fn a_worker_that_was_scaled_away_is_not_taken_back() {
    let mut bench = Bench::up(service);
    let scale =
        |n| Command::Scale { target: Target::All, workers: Wanted::Exactly(n), grace: None, hold: None, wait: false };
    bench.command(1, scale(0));
    bench.command(2, scale(1));
    let said = bench.said();
    let lines: Vec<&str> = said.iter().map(String::as_str).filter(|line| !line.starts_with("ticket")).collect();
    assert_eq!(lines, ["drain 1 scaled", "spawn 2 in 2"]);
}
