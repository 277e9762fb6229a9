//! Workers of services: ready by the gateway's word, left in peace until their calls are over.

use std::sync::Arc;

use super::*;
use crate::model::service::CallLoad;

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
    bench.event(Event::GivenUp {
        worker: WorkerId(1),
        reason: EndReason::JobTimeout,
        why: String::from("it did not answer"),
    });
    bench.says(&["drain 1 job_timeout", "spawn 2 in 1"]);
    drained(&mut bench, 1);
    bench.says(&["close 1", "TERM 1"]);
}

#[test]
fn people_are_told_why_a_worker_is_replaced() {
    let mut bench = Bench::up(service);
    bench.event(Event::Called { worker: WorkerId(1), calls: 3 });
    bench.event(Event::GivenUp {
        worker: WorkerId(1),
        reason: EndReason::Unhealthy,
        why: String::from("it did not answer `health` within 5 s"),
    });
    bench.exit(1, Exit::Code(0), 0);
    let told = bench.out.iter().find_map(|action| match action {
        Action::Tell(Notice::WorkerEnded { why, jobs_done, .. }) => Some((why.as_deref(), *jobs_done)),
        _ => None,
    });
    assert_eq!(told, Some((Some("it did not answer `health` within 5 s"), 3)));
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

/// A service of 0 to 8 workers.
fn scaling() -> Bench {
    Bench::up(|s| {
        service(s);
        s.autoscale = Some(Arc::new(crate::config::autoscale_within(0, 8)));
    })
}

fn load(bench: &mut Bench, load: CallLoad) {
    let pool = PoolName::new("default").expect("a name");
    bench.event(Event::Load { pool, load: Box::new(load) });
}

#[test]
fn a_call_starts_a_worker_of_a_service_without_any_at_once() {
    let mut bench = scaling();
    assert_eq!((bench.pool().wanted, bench.core.next_scaling()), (0, None));
    load(&mut bench, CallLoad { arrived: 1, waiting: 1, oldest_s: Some(0.0), ..CallLoad::default() });
    bench.says(&["spawn 1 in 1"]);
}

#[test]
fn a_service_has_as_many_workers_as_its_calls_need_and_rests_when_none_come() {
    let mut bench = scaling();
    for second in 1..=60 {
        let answered = 3 * (second - 1);
        let running = CallLoad { running: 3, running_for_s: 1.5, busy: 3, ..CallLoad::default() };
        load(&mut bench, CallLoad { arrived: 3 * second, ended: answered, took_s: answered as f64, ..running });
        bench.bring_up();
        bench.pass(SECOND);
    }
    assert_eq!(bench.pool().wanted, 4, "three calls a second, each of a second, at 80 %");
    load(&mut bench, CallLoad { arrived: 180, ended: 180, took_s: 180.0, ..CallLoad::default() });
    bench.pass(1000 * SECOND);
    assert_eq!((bench.pool().wanted, bench.core.next_scaling()), (0, None));
}

#[test]
fn the_sums_of_a_new_gateway_begin_anew() {
    let mut bench = scaling();
    load(&mut bench, CallLoad { calls: 1_000_000, arrived: 1_000_000, ended: 1_000_000, ..CallLoad::default() });
    bench.pass(1000 * SECOND);
    load(&mut bench, CallLoad { calls: 1, arrived: 2, ended: 1, running: 1, busy: 1, ..CallLoad::default() });
    let [of] = &bench.core.autoscaled(bench.now)[..] else { panic!("one pool") };
    assert!((of.measured.arrivals_per_s - 2.0 / 30.0).abs() < 1e-9, "{of:?}");
}
