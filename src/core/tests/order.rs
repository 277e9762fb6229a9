//! Pools that come after others: `needs` and `sidecars`.

use super::*;

/// The pool of this name, with so many workers, which needs these and has these sidecars.
fn of(name: &str, workers: u32, needs: &[&str], sidecars: &[&str]) -> PoolSettings {
    let names = |names: &[&str]| names.iter().map(|name| PoolName::new(name).unwrap()).collect();
    let limits = PoolLimits { workers, ..settings(name).limits };
    let supervision = Supervision { needs: names(needs), sidecars: names(sidecars), ..Supervision::default() };
    PoolSettings { limits, ready: ReadyWhen::Message, kind: PoolKind::Opaque, supervision, ..settings(name) }
}

/// A core with these pools and an idle one.
fn with(pools: Vec<PoolSettings>) -> Bench {
    let mut bench = Bench::new(|s| s.limits.workers = 0);
    for pool in pools {
        bench.core.add_pool(pool).unwrap();
    }
    bench.settle();
    bench
}

fn named<'b>(bench: &'b Bench, name: &str) -> &'b Pool {
    bench.core.pools().map(|(_, pool)| pool).find(|pool| pool.settings.name.as_str() == name).unwrap()
}

fn waits_for(bench: &Bench, name: &str) -> Vec<String> {
    bench.core.waits_for(named(bench, name)).into_iter().map(ToString::to_string).collect()
}

fn scale(bench: &mut Bench, pool: &str, workers: u32) {
    let target = Target::Pool(PoolName::new(pool).unwrap());
    let workers = Wanted::Exactly(workers);
    bench.command(1, Command::Scale { target, workers, grace: None, hold: None, wait: false });
}

fn ready(bench: &mut Bench, worker: i64) {
    bench.spawned(worker);
    bench.event(Event::Ready { worker: WorkerId(worker), concurrency: 1, types: None });
}

fn asked(bench: &mut Bench) -> Vec<String> {
    bench.said().into_iter().filter(|said| !said.starts_with("ticket")).collect()
}

#[test]
fn a_pool_begins_when_each_that_it_needs_has_a_worker_that_is_ready_and_goes_on_whatever_becomes_of_those() {
    let mut bench =
        with(vec![of("app", 2, &["database", "cache"], &[]), of("database", 2, &[], &[]), of("cache", 1, &[], &[])]);
    assert_eq!(asked(&mut bench), ["spawn 1 in 1", "spawn 2 in 2", "spawn 3 in 1"]);
    assert_eq!(waits_for(&bench, "app"), ["database", "cache"]);
    ready(&mut bench, 1);
    assert_eq!(waits_for(&bench, "app"), ["cache"]);
    assert_eq!(asked(&mut bench), [""; 0]);
    ready(&mut bench, 3);
    assert_eq!(asked(&mut bench), ["spawn 4 in 1", "spawn 5 in 2"]);
    ready(&mut bench, 4);
    scale(&mut bench, "database", 0);
    bench.exit(3, Exit::Signal(9), 0);
    assert_eq!(waits_for(&bench, "app"), [""; 0]);
    bench.said();
    bench.exit(4, Exit::Signal(9), 0);
    assert_eq!(asked(&mut bench), ["spawn 7 in 1"]);
}

#[test]
fn what_is_to_have_no_workers_or_has_finished_is_not_waited_for() {
    let policy =
        |on| crate::model::supervision::RestartPolicy { on, ..crate::model::supervision::RestartPolicy::default() };
    let mut once = of("migration", 1, &[], &[]);
    once.supervision.restart = policy(crate::model::supervision::RestartOn::Failure);
    let mut bench = with(vec![of("app", 1, &["off", "migration"], &[]), of("off", 0, &[], &[]), once]);
    assert_eq!(asked(&mut bench), ["spawn 1 in 1"]);
    bench.exit(1, Exit::Code(1), 0);
    assert_eq!(asked(&mut bench), ["spawn 2 in 1"]);
    bench.exit(2, Exit::Code(0), 0);
    assert_eq!(asked(&mut bench), ["spawn 3 in 1"]);
}

#[test]
fn when_the_master_stops_a_pool_ends_before_those_that_it_needs() {
    let mut bench =
        with(vec![of("database", 1, &[], &[]), of("app", 1, &["database"], &[]), of("web", 1, &["app"], &[])]);
    for worker in 1..=3 {
        ready(&mut bench, worker);
    }
    bench.said();
    bench.stop(None);
    for worker in (1..=3).rev() {
        assert_eq!(asked(&mut bench), [format!("TERM {worker}")]);
        bench.exit(worker, Exit::Signal(15), 0);
        bench.sweep(worker);
    }
    assert!(bench.core.stopped());
}

#[test]
fn a_pool_that_a_reload_removes_ends_before_those_that_it_needs_which_are_removed_too() {
    let database = || of("database", 1, &[], &[]);
    let mut bench = with(vec![database(), of("app", 1, &["database"], &[]), of("web", 1, &["app"], &[])]);
    (1..=3).for_each(|worker| ready(&mut bench, worker));
    bench.said();
    let gone = ["database", "app", "web"].map(|name| PoolName::new(name).unwrap()).to_vec();
    let changes = PoolChanges { gone, ..PoolChanges::default() };
    bench.command(1, Command::Reload { changes, done: Box::default(), wait: true });
    assert_eq!(bench.said(), ["TERM 3"]);
    // One of the same name is another pool. The death of a worker that waits for its turn is not the time of the others.
    let changes = PoolChanges { added: vec![database()], ..PoolChanges::default() };
    bench.command(2, Command::Reload { changes, done: Box::default(), wait: false });
    assert_eq!(asked(&mut bench), ["spawn 4 in 1"]);
    bench.exit(1, Exit::Signal(9), 0);
    bench.sweep(1);
    assert_eq!(asked(&mut bench), [""; 0]);
    bench.exit(3, Exit::Signal(15), 0);
    bench.sweep(3);
    assert_eq!(asked(&mut bench), ["TERM 2"]);
    bench.exit(2, Exit::Signal(15), 0);
    bench.sweep(2);
    assert_eq!(bench.said().len(), 1, "the reload is answered");
    assert_eq!(bench.core.pools().filter(|(_, pool)| pool.removed).count(), 0);
}

#[test]
fn a_forced_stop_knows_no_order() {
    let mut bench = with(vec![of("database", 1, &[], &[]), of("app", 1, &["database"], &[])]);
    (1..=2).for_each(|worker| ready(&mut bench, worker));
    bench.said();
    bench.event(Event::Force);
    assert_eq!(asked(&mut bench), ["TERM 2", "TERM 1"]);
}

#[test]
fn a_sidecar_is_there_from_the_first_worker_that_is_ready_until_the_last_has_left() {
    let mut bench = with(vec![of("logging", 1, &[], &[]), of("app", 2, &[], &["logging"])]);
    assert_eq!(asked(&mut bench), ["spawn 1 in 1", "spawn 2 in 2"]);
    assert_eq!(waits_for(&bench, "logging"), ["app"]);
    ready(&mut bench, 2);
    assert_eq!(asked(&mut bench), ["spawn 3 in 1"]);
    ready(&mut bench, 3);
    ready(&mut bench, 1);
    // The death of a sidecar concerns nobody else, nor do other deaths concern it.
    bench.exit(3, Exit::Signal(9), 0);
    assert_eq!(asked(&mut bench), ["spawn 4 in 1"]);
    ready(&mut bench, 4);
    bench.exit(1, Exit::Signal(9), 0);
    bench.exit(2, Exit::Signal(9), 0);
    assert_eq!(asked(&mut bench), ["spawn 5 in 1", "spawn 6 in 2"]);
    (5..=6).for_each(|worker| ready(&mut bench, worker));
    scale(&mut bench, "app", 0);
    assert_eq!(asked(&mut bench), ["TERM 6", "TERM 5"]);
    bench.exit(6, Exit::Signal(15), 0);
    assert_eq!(asked(&mut bench), [""; 0]);
    bench.exit(5, Exit::Signal(15), 0);
    assert_eq!(asked(&mut bench), ["TERM 4"]);
    bench.exit(4, Exit::Signal(15), 0);
    bench.sweep(4);
    scale(&mut bench, "app", 1);
    bench.sweep(5);
    bench.sweep(6);
    assert_eq!(asked(&mut bench), ["spawn 7 in 3"]);
    ready(&mut bench, 7);
    assert_eq!(asked(&mut bench), ["spawn 8 in 1"], "the number of workers of the sidecar is as it was");
}

#[test]
fn when_the_master_stops_a_sidecar_ends_after_the_last_worker_of_its_pool() {
    let mut bench = with(vec![of("logging", 1, &[], &[]), of("app", 1, &[], &["logging"])]);
    ready(&mut bench, 1);
    ready(&mut bench, 2);
    bench.said();
    bench.stop(None);
    assert_eq!(asked(&mut bench), ["TERM 1"]);
    bench.exit(1, Exit::Signal(15), 0);
    bench.sweep(1);
    assert_eq!(asked(&mut bench), ["TERM 2"]);
}

#[test]
fn who_waits_for_a_pool_that_waits_itself_is_answered() {
    let mut bench = with(vec![of("database", 1, &[], &[]), of("app", 1, &["database"], &[])]);
    let target = Target::Pool(PoolName::new("app").unwrap());
    bench.command(1, Command::Scale { target, workers: Wanted::Exactly(3), grace: None, hold: None, wait: true });
    assert!(bench.said().iter().any(|said| said.starts_with("ticket 1: Scaled")));
}
