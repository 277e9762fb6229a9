//! Queues with limits: when they are asked for again, and that nothing is claimed ahead of them.

use std::sync::Arc;

use super::*;
use crate::model::limit_record::{LimitRecord, PausedKeys};

/// The last claim is answered: these jobs, and what limits hold back.
fn answer_claim(bench: &mut Bench, jobs: i64, held: HeldBack) {
    let asked = bench.out.iter().rev().find_map(|action| match action {
        Action::Write(_, Tag::Claim { pool, share, asked, news }) => Some((*pool, *share, *asked, *news)),
        _ => None,
    });
    let (pool, share, asked, news) = asked.expect("no claim was asked for");
    let jobs = (bench.jobs + 1..=bench.jobs + jobs).map(job).collect::<Vec<_>>();
    bench.jobs += jobs.len() as i64;
    bench.event(Event::Claimed { pool, share, asked, news, jobs, more: false, held });
}

fn closed(until: Option<UnixMicros>) -> HeldBack {
    HeldBack { closed: vec![(queue("default"), until)], for_workers: false }
}

fn for_workers() -> HeldBack {
    HeldBack { closed: Vec::new(), for_workers: true }
}

/// Tells the core that the queue has a limit.
fn limit(bench: &mut Bench, concurrency: &str) {
    let said = [("concurrency".to_owned(), concurrency.to_owned())].into();
    let limits = LimitRecord::new(said, None, PausedKeys::new()).map(Arc::new);
    bench.committed(QueueTotals { name: queue("default"), ready: 9, limits, ..QueueTotals::default() });
}

fn claims(bench: &mut Bench) -> Vec<String> {
    bench.core.claim(&mut bench.out);
    let said = bench.said();
    said.into_iter().filter(|line| line.starts_with("claim")).collect()
}

#[test]
fn a_queue_that_is_closed_is_asked_again_at_its_time_and_not_before() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    bench.core.claim(&mut bench.out);
    let until = bench.now.wall.plus(SECOND);
    answer_claim(&mut bench, 0, closed(Some(until)));
    bench.said();
    assert_eq!(bench.core.opens_at(&queue("default")), Some(until));
    assert_eq!(bench.core.next_deadline(bench.now), Some(bench.now.mono + SECOND));
    bench.pass(SECOND / 2);
    assert_eq!(claims(&mut bench), [""; 0]);
    bench.pass(SECOND / 2);
    assert_eq!(claims(&mut bench), ["claim 2"]);
}

#[test]
fn the_end_of_a_job_has_its_queue_asked_again() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    limit(&mut bench, "1");
    bench.core.claim(&mut bench.out);
    answer_claim(&mut bench, 1, closed(None));
    bench.said();
    assert_eq!(claims(&mut bench), [""; 0]);
    bench.answer(1, 1, well());
    assert_eq!(claims(&mut bench).len(), 1);
}

#[test]
fn a_queue_that_opens_while_a_claim_is_on_its_way_is_asked_again() {
    let mut bench = Bench::up(|s| s.limits.workers = 3);
    limit(&mut bench, "2");
    bench.core.claim(&mut bench.out);
    answer_claim(&mut bench, 2, closed(None));
    bench.event(Event::News { queues: Vec::new() });
    bench.said();
    bench.core.claim(&mut bench.out);
    // Decided before the end of the job, and heard of after it.
    bench.answer(1, 1, well());
    answer_claim(&mut bench, 0, closed(None));
    bench.said();
    assert_eq!(claims(&mut bench).len(), 1);
}

#[test]
fn other_limits_have_the_queue_asked_again() {
    let mut bench = Bench::up(|_| {});
    limit(&mut bench, "1");
    bench.core.claim(&mut bench.out);
    answer_claim(&mut bench, 0, closed(None));
    bench.said();
    limit(&mut bench, "1");
    assert_eq!(claims(&mut bench), [""; 0]);
    limit(&mut bench, "2");
    assert_eq!(claims(&mut bench), ["claim 1"]);
}

#[test]
fn jobs_of_a_queue_with_limits_are_asked_for_when_a_worker_is_free_and_none_ahead() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(8));
    bench.core.claim(&mut bench.out);
    let Some(Action::Write(Change::Claim(claim), _)) = bench.out.last() else { panic!("{:?}", bench.out) };
    assert_eq!((claim.total, claim.at_once), (8, 1));
    answer_claim(&mut bench, 1, for_workers());
    bench.said();
    assert_eq!(claims(&mut bench), [""; 0], "the only worker is busy");
    bench.answer(1, 1, well());
    assert_eq!(claims(&mut bench), ["claim 1"]);
}

#[test]
fn a_clock_that_is_set_opens_what_was_closed_until_a_time() {
    let mut bench = Bench::up(|_| {});
    bench.core.claim(&mut bench.out);
    let until = bench.now.wall.plus(SECOND);
    answer_claim(&mut bench, 0, closed(Some(until)));
    bench.event(Event::ClockSet { by: -3_600_000_000 });
    assert_eq!(bench.core.opens_at(&queue("default")), None);
}
