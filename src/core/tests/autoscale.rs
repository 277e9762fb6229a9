//! Pools that scale themselves: when they do, and what they do with their workers.

use std::sync::Arc;

use super::processors::Seconds;
use super::*;
use crate::model::autoscale::{Autoscale, Basis, Cap, Machine, Step, Together, Window};
use crate::model::change::KeepFor;

fn autoscale(min: u32, max: u32) -> Arc<Autoscale> {
    Arc::new(Autoscale {
        min,
        max,
        target_wait: 5 * SECOND,
        target_cpu: None,
        cpu_max: Some(0.9),
        memory_budget: None,
        hold: 120 * SECOND,
        step_up: None,
        step_down: Some(Step::Share(0.25)),
        schedule: Vec::new(),
    })
}

fn scaling(min: u32, max: u32) -> Bench {
    Bench::up(|settings| settings.autoscale = Some(autoscale(min, max)))
}

fn ready(bench: &mut Bench, jobs: u64) {
    let oldest_ready_at = (jobs > 0).then_some(bench.now.wall);
    let totals = QueueTotals { name: queue("default"), ready: jobs, oldest_ready_at, ..QueueTotals::default() };
    bench.committed(totals);
}

fn why(bench: &Bench) -> (u32, Basis, Option<Cap>) {
    let [of] = &bench.core.autoscaled(bench.now)[..] else { panic!("one pool") };
    (of.wanted, of.why.basis.clone(), of.why.cap)
}

#[test]
fn a_ready_job_starts_a_worker_of_a_pool_without_any_at_once() {
    let mut bench = scaling(0, 8);
    assert_eq!((bench.pool().wanted, bench.core.next_scaling()), (0, None));
    ready(&mut bench, 1);
    bench.says(&["spawn 1 in 1"]);
    assert_eq!(bench.core.unserved().count(), 0);
}

#[test]
fn no_time_is_kept_while_nothing_scales_itself_or_all_is_at_rest() {
    let fixed = Bench::up(|_| {});
    assert_eq!(fixed.core.next_scaling(), None);
    let mut bench = scaling(1, 8);
    assert_eq!(bench.core.next_scaling(), None);
    ready(&mut bench, 3);
    assert!(bench.core.next_scaling().is_some());
    ready(&mut bench, 0);
    bench.pass(200 * SECOND);
    assert_eq!((bench.pool().wanted, bench.core.next_scaling()), (1, None));
}

#[test]
fn a_long_job_is_never_killed_to_shrink() {
    let mut bench = scaling(0, 8);
    ready(&mut bench, 40);
    bench.bring_up();
    assert_eq!(bench.pool().wanted, 8);
    bench.jobs(1);
    ready(&mut bench, 0);
    bench.said();
    bench.pass(1000 * SECOND);
    // The others do not exit in this test.
    let said = bench.said();
    assert_eq!(said.iter().filter(|line| line.starts_with("close ")).count(), 7, "{said:?}");
    assert!(!said.iter().any(|line| line.ends_with(" 1")), "{said:?}");
    assert_eq!(bench.pool().wanted, 1);
    let busy: Vec<bool> =
        bench.core.workers().filter(|(_, w)| w.is_ready()).map(|(_, w)| w.flights.len() == 1).collect();
    assert_eq!(busy, [true]);
}

#[test]
fn a_pool_does_not_grow_while_the_cpus_are_busy() {
    let mut bench = scaling(1, 8);
    bench.event(Event::Machine(Machine { cpu: Some(0.97), cpus: 2.0, ..Machine::default() }));
    ready(&mut bench, 40);
    bench.pass(10 * SECOND);
    bench.says(&[]);
    let (wanted, _, cap) = why(&bench);
    assert_eq!((wanted, cap), (1, Some(Cap::Cpu)));
    bench.event(Event::Machine(Machine { cpu: Some(0.2), cpus: 2.0, ..Machine::default() }));
    bench.pass(2 * SECOND);
    assert_eq!(bench.pool().wanted, 8);
}

#[test]
fn a_paused_queue_needs_nobody_and_the_least_number_stays() {
    let mut bench = scaling(2, 8);
    let totals = QueueTotals { name: queue("default"), ready: 40, paused: true, ..QueueTotals::default() };
    bench.committed(totals);
    bench.pass(300 * SECOND);
    assert_eq!((bench.pool().wanted, bench.said()), (2, vec![]));
}

#[test]
fn workers_that_cannot_be_started_keep_it_from_growing_for_half_a_minute() {
    let mut bench = scaling(0, 8);
    ready(&mut bench, 2);
    bench.event(Event::SpawnFailed { worker: WorkerId(1), error: String::from("no more"), temporary: true });
    ready(&mut bench, 40);
    bench.pass(10 * SECOND);
    let (wanted, _, cap) = why(&bench);
    assert_eq!((wanted, cap), (1, Some(Cap::Spawn)));
    bench.bring_up();
    bench.pass(31 * SECOND);
    assert!(bench.pool().wanted > 1);
}

#[test]
fn an_operator_pins_the_number_for_a_while_and_lets_it_go() {
    let mut bench = scaling(1, 8);
    let scale =
        |hold| Command::Scale { target: Target::All, workers: Wanted::Exactly(3), grace: None, hold, wait: false };
    bench.command(1, scale(None));
    bench.says(&[r#"ticket 1: refused, ScalesItself { pool: PoolName("default"), min: 1, max: 8 }"#]);
    bench.command(2, scale(Some(60 * SECOND)));
    bench.said();
    bench.bring_up();
    ready(&mut bench, 40);
    bench.pass(59 * SECOND);
    assert_eq!(why(&bench), (3, Basis::Pinned, None));
    bench.pass(2 * SECOND);
    assert_eq!(bench.pool().wanted, 8);
    bench.command(3, scale(Some(60 * SECOND)));
    bench.command(4, Command::ScaleAuto { target: Target::All, wait: false });
    assert_eq!(bench.pool().wanted, 8);
    let mut fixed = Bench::up(|_| {});
    fixed.command(5, scale(Some(SECOND)));
    fixed.command(6, Command::ScaleAuto { target: Target::All, wait: false });
    fixed.says(&[
        r#"ticket 5: refused, ScaledByHand(PoolName("default"))"#,
        r#"ticket 6: refused, ScaledByHand(PoolName("default"))"#,
    ]);
}

#[test]
fn a_pool_that_was_stopped_stays_so_until_it_is_told_to_scale_itself() {
    let mut bench = scaling(2, 8);
    let target = Target::Pool(PoolName::new("default").unwrap());
    bench.command(1, Command::StopSome { target, grace: None, wait: false });
    ready(&mut bench, 40);
    bench.pass(60 * SECOND);
    assert_eq!(why(&bench), (0, Basis::Stopped, None));
    assert_eq!(bench.core.unserved().count(), 1);
    bench.command(2, Command::ScaleAuto { target: Target::All, wait: false });
    assert_eq!((bench.pool().wanted, bench.core.unserved().count()), (8, 0));
}

#[test]
fn pools_share_what_is_allowed_in_all() {
    let mut bench = scaling(1, 20);
    let other = PoolSettings {
        queues: QueueOrder::Strict(vec![queue("other")]),
        autoscale: Some(autoscale(2, 20)),
        ..settings("other")
    };
    let id = bench.core.add_pool(other).unwrap();
    bench.core.scale_together(Together { max_processes: Some(12), ..Together::default() });
    let totals = |name, ready| QueueTotals { name: queue(name), ready, ..QueueTotals::default() };
    let changed = vec![totals("default", 1000), totals("other", 1000)];
    bench.event(committed(changed));
    bench.bring_up();
    bench.pass(3 * SECOND);
    let wanted = [bench.pool().wanted, bench.core.pool(id).unwrap().wanted];
    assert_eq!(wanted, [6, 6]);
    assert!(bench.core.autoscaled(bench.now).iter().all(|of| of.why.cap == Some(Cap::MaxProcesses)));
}

#[test]
fn a_reload_changes_the_bounds_and_ends_the_scaling() {
    let mut bench = scaling(1, 8);
    let reload = |bench: &mut Bench, ticket, autoscale: Option<Arc<Autoscale>>| {
        let base = settings("default");
        let limits = PoolLimits { workers: 3, ..base.limits.clone() };
        let changes = PoolChanges {
            changed: vec![(PoolSettings { limits, autoscale, ..base }, false)],
            ..PoolChanges::default()
        };
        bench.command(ticket, Command::Reload { changes, done: Box::default(), wait: false });
    };
    reload(&mut bench, 1, Some(autoscale(4, 8)));
    assert_eq!(bench.pool().wanted, 4);
    reload(&mut bench, 2, None);
    assert_eq!((bench.pool().wanted, bench.core.autoscaled(bench.now).len()), (3, 0));
    reload(&mut bench, 3, Some(autoscale(0, 2)));
    ready(&mut bench, 50);
    bench.pass(300 * SECOND);
    assert_eq!(bench.pool().wanted, 2);
}

/// One that keeps records.
fn logging(autoscale: Autoscale) -> Bench {
    let mut bench = Bench::up(|settings| settings.autoscale = Some(Arc::new(autoscale)));
    let day = Duration::from_hours(24);
    bench.core.keep_records_for(KeepFor { succeeded: day, dead: day, runs: day, audit: day });
    bench
}

/// From, to, and why.
type Logged = (u32, u32, Basis, Option<Cap>);

/// Changes that went to the store since the last time, and marks that did.
fn logged(bench: &mut Bench) -> (Vec<Logged>, Vec<String>) {
    let (mut changes, mut marks) = (Vec::new(), Vec::new());
    for action in std::mem::take(&mut bench.out) {
        match action {
            Action::Write(Change::LogAutoscale(change), Tag::None) => {
                assert_eq!(change.pool.as_str(), "default");
                changes.push((change.was, change.wanted, change.why.basis, change.why.cap));
            }
            Action::Write(Change::RollUp(rollup), _) => {
                marks.extend(rollup.marks.into_iter().map(|mark| mark.text));
                bench.core.handle(Event::RolledUp, bench.now, &mut bench.out);
            }
            _ => {}
        }
    }
    (changes, marks)
}

#[test]
fn each_change_goes_to_the_store_once_and_none_while_nothing_changes() {
    let mut bench = logging(Autoscale::clone(&autoscale(0, 8)));
    ready(&mut bench, 1000);
    let (changes, _) = logged(&mut bench);
    assert!(matches!(changes[..], [(0, 8, Basis::Load { ready: 1000, .. }, Some(Cap::Max))]), "{changes:?}");
    bench.bring_up();
    bench.pass(30 * SECOND);
    assert_eq!(logged(&mut bench).0, []);
    ready(&mut bench, 0);
    bench.pass(200 * SECOND);
    let (changes, marks) = logged(&mut bench);
    assert_eq!(changes.first().map(|change| (change.0, change.1)), Some((8, 6)), "{changes:?}");
    assert_eq!(changes.last().map(|change| change.1), Some(0));
    assert!(changes.windows(2).all(|two| two[0].1 == two[1].0), "{changes:?}");
    assert_eq!(marks, Vec::<String>::new(), "charts have marks for what people do");
    // Nothing is kept by a master that keeps no records.
    let mut bench = scaling(0, 8);
    ready(&mut bench, 1000);
    assert_eq!(logged(&mut bench).0, []);
}

#[test]
fn the_acts_of_operators_are_logged_with_their_reason_and_marked() {
    let mut bench = logging(Autoscale::clone(&autoscale(1, 8)));
    let scale = |workers| Command::Scale {
        target: Target::All,
        workers: Wanted::Exactly(workers),
        grace: None,
        hold: Some(60 * SECOND),
        wait: false,
    };
    bench.command(1, scale(3));
    assert_eq!(logged(&mut bench).0, [(1, 3, Basis::Pinned, None)]);
    bench.bring_up();
    let target = Target::Workers(vec![String::from("default-2")]);
    bench.command(2, Command::StopSome { target, grace: None, wait: false });
    assert_eq!(logged(&mut bench).0, [(3, 2, Basis::StoppedWorker, None)]);
    bench.pass(61 * SECOND);
    let idle = || Basis::Load { arrivals_per_s: 0.0, service_s: 1.0, steady: 0.0, ready: 0, drain: 0.0 };
    assert_eq!(logged(&mut bench).0, [(2, 2, Basis::Unpinned, None), (2, 1, idle(), None)]);
    bench.command(3, scale(1));
    bench.command(4, Command::ScaleAuto { target: Target::All, wait: false });
    bench.command(5, Command::ScaleAuto { target: Target::All, wait: false });
    assert_eq!(logged(&mut bench).0, [(1, 1, Basis::Pinned, None), (1, 1, Basis::Unpinned, None)]);
    for ticket in [6, 7] {
        let target = Target::Pool(PoolName::new("default").unwrap());
        bench.command(ticket, Command::StopSome { target, grace: None, wait: false });
    }
    assert_eq!(logged(&mut bench).0, [(1, 0, Basis::Stopped, None)]);
    bench.pass(20 * SECOND);
    let again = "pool `default` scales itself";
    assert_eq!(logged(&mut bench).1, ["pool `default`: 1 → 1 workers", again, again]);
}

#[test]
fn the_edges_of_a_schedule_are_logged_as_its_doing() {
    let begins = Arc::new(Seconds(3600));
    let window = Window { begins, written: String::new(), lasts: 600 * SECOND, min: Some(4), max: None };
    let mut bench = logging(Autoscale { schedule: vec![window], ..Autoscale::clone(&autoscale(1, 8)) });
    bench.pass(900 * SECOND);
    assert_eq!(logged(&mut bench).0.last(), Some(&(1, 4, Basis::Schedule, None)));
    bench.bring_up();
    bench.pass(600 * SECOND);
    assert_eq!(logged(&mut bench).0.last().map(|change| change.1), Some(1));
}
