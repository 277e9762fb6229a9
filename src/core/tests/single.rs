//! A pool of a single worker: what its client is told, and when it ends.

use super::*;
use crate::model::Until;

/// A core with a parked pool, and one that is lent to ticket 1, whose worker is up.
fn lent(until: Until) -> Bench {
    let mut bench = Bench::new(|settings| settings.limits.workers = 0);
    bench.command(1, Command::Lend { settings: Box::new(settings("work.7")), until });
    bench.bring_up();
    bench.said();
    bench
}

fn left(ready: u64, running: u64) -> QueueTotals {
    QueueTotals { name: queue("default"), ready, running, ..QueueTotals::default() }
}

#[test]
fn a_lent_pool_begins_as_many_jobs_as_were_asked_for_and_its_client_hears_of_each() {
    let mut bench = lent(Until { max_jobs: Some(2), ..Until::default() });
    bench.jobs(1);
    bench.says(&["claim 1", "client 1: job 1 began", "send job 1 to 1"]);
    bench.answer(1, 1, badly(Retry::Policy));
    let said = bench.said();
    assert!(said[0].starts_with("client 1: JobFailed"), "{said:?}");
    bench.jobs(1);
    bench.said();
    bench.answer(1, 2, well());
    let said = bench.said();
    assert!(said[0].starts_with("client 1: JobEnded"), "{said:?}");
    assert_eq!(said[1..3], ["job 2 succeeded - => succeeded 0/0/0", "close 1"]);
    bench.core.claim(&mut bench.out);
    assert_eq!(bench.said(), [""; 0], "no third job is claimed");
    bench.exit(1, Exit::Code(0), 99);
    assert_eq!(bench.said(), [""; 0], "the pool is not gone before its worker is swept");
    bench.sweep(1);
    bench.says(&[
        "ticket 1: Worked(Worked { dead: 0, undrained: Undrained { vain: None, left: 0, unserved: 0, paused: None } })",
    ]);
    assert_eq!(bench.core.pools().count(), 1);
}

#[test]
fn a_lent_pool_claims_no_more_than_it_may_begin() {
    let lent = |until| {
        let mut bench = Bench::new(|settings| settings.limits.workers = 0);
        let mut settings = settings("work.7");
        settings.limits.prefetch = Prefetch::Fixed(8);
        bench.command(1, Command::Lend { settings: Box::new(settings), until });
        bench.bring_up();
        bench.said();
        bench
    };
    let mut bench = lent(Until { max_jobs: Some(3), ..Until::default() });
    bench.jobs(2);
    assert_eq!(bench.said()[0], "claim 3");
    bench.answer(1, 1, well());
    bench.jobs(1);
    assert!(bench.said().contains(&"claim 1".to_owned()), "one runs, one has ended");
    let mut bench = lent(Until { max_time: Some(SECOND), ..Until::default() });
    bench.jobs(1);
    bench.pass(SECOND * 2);
    bench.said();
    bench.core.handle(Event::News { queues: Vec::new() }, bench.now, &mut bench.out);
    bench.core.claim(&mut bench.out);
    assert_eq!(bench.said(), [""; 0], "its time is over");
}

#[test]
fn a_job_that_is_given_back_does_not_count_for_max_jobs() {
    let mut bench = lent(Until { max_jobs: Some(1), ..Until::default() });
    bench.jobs(1);
    bench.command(2, Command::Restart { target: Target::All, grace: Some(Duration::ZERO), wait: false });
    bench.bring_up();
    bench.gone(1);
    bench.said();
    assert_eq!(bench.core.lent().count(), 1, "it has not done its job");
    bench.jobs(1);
    bench.answer(2, 1, well());
    assert_eq!(bench.core.lent().count(), 0);
}

#[test]
fn a_lent_pool_ends_when_its_queues_are_drained_or_its_time_is_over_and_between_jobs() {
    let mut bench = lent(Until { drained: true, ..Until::default() });
    assert_eq!(bench.core.lent().count(), 0, "there is nothing to do");
    bench = Bench::new(|settings| settings.limits.workers = 0);
    bench.committed(left(1, 0));
    let until = Until { drained: true, max_time: Some(SECOND * 60), ..Until::default() };
    bench.command(1, Command::Lend { settings: Box::new(settings("work.7")), until });
    bench.bring_up();
    bench.jobs(1);
    bench.committed(left(0, 1));
    bench.pass(SECOND);
    assert_eq!(bench.core.lent().count(), 1, "its job runs");
    bench.answer(1, 1, well());
    bench.committed(left(0, 0));
    assert_eq!(bench.core.lent().count(), 0);

    let mut bench = lent(Until { max_time: Some(SECOND * 60), ..Until::default() });
    bench.jobs(1);
    bench.pass(SECOND * 61);
    assert_eq!(bench.core.lent().count(), 1, "its job runs");
    bench.answer(1, 1, well());
    assert_eq!(bench.core.lent().count(), 0);
    let mut bench = lent(Until { max_time: Some(SECOND * 60), ..Until::default() });
    bench.pass(SECOND * 61);
    assert_eq!(bench.core.lent().count(), 0, "its end is a deadline");
}

#[test]
fn a_lent_pool_has_one_worker_and_is_passed_over_where_others_are_scaled() {
    let mut bench = lent(Until::default());
    let scale = |target| Command::Scale { target, workers: Wanted::Exactly(3), grace: None, hold: None, wait: false };
    let pool = PoolName::new("work.7").unwrap();
    bench.command(2, scale(Target::Pool(pool)));
    assert_eq!(bench.said(), [r#"ticket 2: refused, SingleWorker(PoolName("work.7"))"#]);
    for target in [Target::All, Target::Queue(queue("default"))] {
        bench.command(3, scale(target));
    }
    let wanted: Vec<u32> = bench.core.pools().map(|(_, pool)| pool.wanted).collect();
    assert_eq!(wanted, [3, 1]);
}

#[test]
fn a_master_of_a_single_worker_ends_with_it() {
    let now = Now { mono: Mono(1_000_000), wall: UnixMicros(1_000_000_000_000) };
    let mut core = Core::new(WorkerId(1), 7);
    let until = Until { max_jobs: Some(1), ..Until::default() };
    let pool = core.add_single(settings("default"), until, None, now.mono).unwrap();
    let mut bench = Bench { core, now, out: Vec::new(), jobs: 0, pool };
    bench.settle();
    bench.bring_up();
    bench.committed(left(5, 0));
    bench.jobs(1);
    assert!(bench.out.iter().any(|action| matches!(action, Action::Tell(Notice::JobBegan { .. }))));
    bench.answer(1, 1, well());
    assert_eq!(bench.core.phase(), Phase::Stopping);
    assert_eq!(bench.core.undrained(), Undrained::default(), "as many as were asked for");
    bench.gone(1);
    assert!(bench.core.stopped());
}

#[test]
fn a_lent_pool_that_was_stopped_does_not_wait_for_its_time_any_more() {
    let mut bench = lent(Until { max_time: Some(SECOND), ..Until::default() });
    bench.jobs(1);
    let target = Target::Pool(PoolName::new("work.7").unwrap());
    bench.command(2, Command::StopSome { target, grace: None, wait: false });
    bench.pass(SECOND * 2);
    assert!(bench.core.next_deadline(bench.now).is_none_or(|at| at > bench.now.mono), "its job still runs");
}
