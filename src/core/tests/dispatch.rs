//! Who gets what, and how many at a time.

use super::*;
use crate::model::Prefetch;
use crate::model::change::Change;

fn ready(bench: &mut Bench, worker: i64, concurrency: u32) {
    bench.event(Event::Ready { worker: WorkerId(worker), concurrency, types: None });
}

#[test]
fn nothing_is_claimed_before_a_worker_is_ready() {
    let mut bench = Bench::new(|_| {});
    bench.said();
    bench.core.claim(&mut bench.out);
    bench.says(&[]);
}

#[test]
fn as_many_jobs_are_claimed_as_workers_can_take() {
    let mut bench = Bench::up(|s| s.limits.workers = 3);
    bench.core.claim(&mut bench.out);
    bench.core.claim(&mut bench.out);
    bench.says(&["claim 3"]);
}

#[test]
fn each_worker_gets_a_job() {
    let mut bench = Bench::up(|s| s.limits.workers = 2);
    bench.jobs(2);
    bench.says(&["claim 2", "send job 1 to 1", "send job 2 to 2"]);
}

#[test]
fn an_empty_queue_is_asked_again_only_when_there_is_news() {
    let mut bench = Bench::up(|_| {});
    bench.give(Vec::new());
    bench.said();
    bench.core.claim(&mut bench.out);
    bench.says(&[]);
    bench.event(Event::News { queues: vec![queue("other")] });
    bench.core.claim(&mut bench.out);
    bench.says(&[]);
    bench.event(Event::News { queues: vec![queue("default")] });
    bench.core.claim(&mut bench.out);
    bench.says(&["claim 1"]);
}

#[test]
fn jobs_that_became_free_are_asked_for_unless_they_were_claimed_at_once() {
    let mut bench = Bench::up(|_| {});
    bench.give(Vec::new());
    bench.said();
    for (ready, claims) in [(0, &[][..]), (1, &["claim 1"])] {
        let changed = vec![QueueTotals { name: queue("default"), ready, ..QueueTotals::default() }];
        let (forgotten, freed) = (Vec::new(), vec![queue("default")]);
        bench.event(Event::Committed { forgotten, changed, freed, next_due: None, took: Duration::ZERO });
        bench.core.claim(&mut bench.out);
        bench.says(claims);
    }
}

#[test]
fn an_empty_answer_that_is_older_than_the_news_says_nothing() {
    let mut bench = Bench::up(|_| {});
    bench.core.claim(&mut bench.out);
    let news = bench.pool().news;
    bench.event(Event::News { queues: Vec::new() });
    bench.event(Event::Claimed {
        pool: bench.pool,
        share: ShareId(0),
        asked: 1,
        news,
        jobs: Vec::new(),
        more: false,
        held: HeldBack::default(),
    });
    bench.said();
    bench.core.claim(&mut bench.out);
    bench.says(&["claim 1"]);
}

#[test]
fn a_worker_with_concurrency_gets_that_many_jobs_and_all_of_them_run() {
    let mut bench = Bench::up(|_| {});
    ready(&mut bench, 1, 3);
    bench.jobs(3);
    bench.says(&["claim 3", "send job 1 to 1", "send job 2 to 1", "send job 3 to 1"]);
    assert!(bench.core.worker(WorkerId(1)).unwrap().flights.iter().all(|f| f.started().is_some()));
}

#[test]
fn a_prefetched_job_starts_when_the_one_before_it_is_answered() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(2));
    bench.jobs(2);
    bench.pass(SECOND);
    let started = |b: &Bench| -> Vec<Option<Mono>> {
        b.core.worker(WorkerId(1)).unwrap().flights.iter().map(Flight::started).collect()
    };
    assert_eq!(started(&bench), [Some(Mono(1_000_000)), None]);
    bench.answer(1, 1, well());
    assert_eq!(started(&bench), [Some(Mono(2_000_000))]);
}

#[test]
fn prefetch_grows_where_jobs_are_tiny_and_ends_with_the_first_long_one() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Auto);
    assert_eq!(bench.pool().window(), 1);
    bench.jobs(1);
    bench.pass(Duration::from_micros(10));
    bench.answer(1, 1, well());
    assert_eq!(bench.pool().window(), 64);
    assert_eq!(bench.ahead_of(1), 1000);
    bench.jobs(1);
    bench.pass(SECOND);
    bench.answer(1, 2, well());
    assert_eq!(bench.pool().window(), 1);
    assert_eq!(bench.ahead_of(1), 0);
}

#[test]
fn of_a_slow_store_more_is_claimed_ahead() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Auto);
    bench.jobs(1);
    bench.pass(Duration::from_micros(100));
    bench.answer(1, 1, well());
    for (took, ahead) in [(2, 100), (20, 600), (5_000, 1000)] {
        bench.due_after(None, Duration::from_millis(took));
        assert_eq!(bench.ahead_of(1), ahead, "{took} ms");
    }
    for _ in 0..200 {
        bench.due_after(None, Duration::from_millis(2));
    }
    assert_eq!(bench.ahead_of(1), 100, "as it was");
}

#[test]
fn a_prefetch_of_zero_is_taken_for_one() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(0));
    bench.jobs(1);
    bench.says(&["claim 1", "send job 1 to 1"]);
}

#[test]
fn a_worker_at_its_limit_does_not_keep_jobs_from_the_others() {
    let mut bench =
        Bench::up(|s| (s.limits.workers, s.limits.max_jobs, s.limits.prefetch) = (2, Some(10), Prefetch::Fixed(5)));
    bench.core.change(WorkerId(1), |worker, _| worker.max_jobs = Some(1));
    bench.jobs(5);
    bench.says(&[
        "claim 6",
        "send job 1 to 1",
        "send job 2 to 2",
        "send job 3 to 2",
        "send job 4 to 2",
        "send job 5 to 2",
    ]);
}

#[test]
fn an_opaque_pool_gets_no_jobs() {
    let mut bench = Bench::up(|s| s.kind = PoolKind::Opaque);
    bench.core.claim(&mut bench.out);
    bench.says(&[]);
}

#[test]
fn due_jobs_are_made_ready_once() {
    let mut bench = Bench::up(|_| {});
    bench.due(Some(bench.now.wall.plus(10 * SECOND)));
    assert_eq!(bench.core.next_deadline(bench.now), Some(bench.now.mono + 10 * SECOND));
    bench.pass(10 * SECOND);
    bench.says(&["promote"]);
    bench.settle();
    bench.says(&[]);
    bench.due(Some(bench.now.wall));
    bench.says(&[]);
    bench.event(Event::Promoted { queues: vec![queue("default")] });
    bench.says(&["promote"]);
}

#[test]
fn a_master_that_stops_promotes_nothing_and_does_not_wake_for_it() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.stop(None);
    bench.due(Some(bench.now.wall));
    assert!(bench.core.next_deadline(bench.now).unwrap() > bench.now.mono);
}

fn paused(paused: bool) -> QueueTotals {
    QueueTotals { name: queue("default"), paused, ..QueueTotals::default() }
}

#[test]
fn what_was_claimed_of_a_queue_that_was_paused_meanwhile_goes_back() {
    let mut bench = Bench::up(|_| {});
    bench.core.claim(&mut bench.out);
    bench.committed(paused(true));
    bench.said();
    let news = bench.pool().news;
    bench.event(Event::Claimed {
        pool: bench.pool,
        share: ShareId(0),
        asked: 1,
        news,
        jobs: vec![job(1)],
        more: false,
        held: HeldBack::default(),
    });
    bench.says(&["unclaim 1"]);
    bench.committed(paused(false));
    bench.give(vec![job(1)]);
    bench.says(&["claim 1", "send job 1 to 1"]);
}

#[test]
fn jobs_claimed_ahead_go_back_when_nobody_is_left_to_do_them() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(3);
    bench.says(&["claim 1", "send job 1 to 1"]);
    assert_eq!(bench.pool().ahead().count(), 2);
    bench.command(
        1,
        Command::Scale { target: Target::All, workers: Wanted::Exactly(0), grace: None, hold: None, wait: false },
    );
    let said = bench.said();
    assert_eq!(said[1..], ["unclaim 2", "unclaim 3"], "{said:?}");
}

#[test]
fn jobs_claimed_ahead_go_back_when_their_queue_is_paused() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(2);
    bench.said();
    bench.committed(paused(true));
    bench.says(&["unclaim 2"]);
}

#[test]
fn the_store_is_told_who_works_on_a_job_when_it_begins_not_when_it_is_sent() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(3));
    let told = |bench: &mut Bench| {
        let of = |action: &Action| match action {
            Action::Write(Change::Assign { job, worker, .. }, _) => Some((job.0, worker.0)),
            _ => None,
        };
        std::mem::take(&mut bench.out).iter().filter_map(of).collect::<Vec<_>>()
    };
    bench.jobs(3);
    assert_eq!(told(&mut bench), [(1, 1)], "the others wait in its pipe");
    bench.pass(SECOND);
    bench.answer(1, 1, well());
    assert_eq!(told(&mut bench), [(2, 1)]);
    bench.event(Event::Ready { worker: WorkerId(1), concurrency: 2, types: None });
    assert_eq!(told(&mut bench), [(3, 1)]);
}

#[test]
fn jobs_that_others_may_take_over_soon_are_not_begun() {
    let mut bench = Bench::up(|s| s.limits.prefetch = Prefetch::Fixed(1));
    bench.jobs(1);
    bench.said();
    bench.event(Event::CutOff(true));
    bench.core.claim(&mut bench.out);
    bench.says(&[]);
    bench.event(Event::CutOff(false));
    // Claimed while all was well, and it comes back when it is not.
    bench.answer(1, 1, well());
    bench.core.claim(&mut bench.out);
    let claim = bench.out.iter().find_map(|action| match action {
        Action::Write(_, Tag::Claim { pool, share, asked, news }) => Some((*pool, *share, *asked, *news)),
        _ => None,
    });
    let (pool, share, asked, news) = claim.expect("a claim");
    bench.said();
    bench.event(Event::CutOff(true));
    let (jobs, held) = (vec![job(2)], HeldBack::default());
    bench.event(Event::Claimed { pool, share, asked, news, jobs, more: false, held });
    bench.says(&[]);
    bench.event(Event::CutOff(false));
    bench.says(&["send job 2 to 1"]);
}
