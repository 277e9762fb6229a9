//! Commands that the machine has nothing left to start with, and jobs that are given back again and again.

use super::*;
use crate::model::answer::{NOT_BEGUN, PROGRAM_BUSY};
use crate::model::change::{Change, Finish};
use crate::model::job::BEHIND_AFTER;
use crate::model::{Cause, Outcome};

fn refused() -> Answer {
    answer("no process", NOT_BEGUN)
}

fn busy() -> Answer {
    answer("text file busy", PROGRAM_BUSY)
}

fn answer(message: &str, kind: &str) -> Answer {
    let error = RunError {
        message: message.into(),
        code: None,
        backtrace: None,
        kind: Some(kind.into()),
        retry: Retry::Policy,
    };
    Answer { verdict: Err(Box::new(error)), detail: Detail::default() }
}

impl Bench {
    fn finishes(&mut self) -> Vec<Finish> {
        let finish = |action| match action {
            Action::Write(Change::Finish(finish), _) => Some(*finish),
            _ => None,
        };
        std::mem::take(&mut self.out).into_iter().filter_map(finish).collect()
    }

    fn news(&mut self) {
        self.core.handle(Event::News { queues: Vec::new() }, self.now, &mut self.out);
    }

    fn worker(&self, id: i64) -> &Handle {
        self.core.worker(WorkerId(id)).unwrap()
    }
}

#[test]
fn what_never_began_is_given_back_unrecorded_and_its_worker_pauses_longer_each_time() {
    let mut bench = Bench::up(|s| s.kind = PoolKind::Exec);
    let mut longest = Duration::ZERO;
    for n in 1..=20 {
        bench.give(vec![job(n)]);
        let request = n as u64;
        bench.says(&["claim 1", &format!("send job {n} to 1")]);
        bench.answer(1, request, refused());
        bench.says(&[&format!("unclaim {n}")]);
        assert!(bench.core.has_not_begun());
        let pause = bench.worker(1).paused_until().unwrap().since(bench.now.mono);
        assert!(pause >= Duration::from_millis(80) && pause <= 30 * SECOND, "{pause:?}");
        longest = longest.max(pause);
        bench.pass(pause.saturating_sub(Duration::from_millis(1)));
        bench.core.claim(&mut bench.out);
        bench.says(&[]);
        bench.pass(Duration::from_millis(1));
        assert_eq!(bench.worker(1).paused_until(), None);
    }
    assert!(longest > 20 * SECOND, "{longest:?}");
    // It works again: nothing is remembered.
    bench.give(vec![job(30)]);
    bench.pass(Duration::from_millis(1));
    bench.answer(1, 21, well());
    assert!(!bench.core.has_not_begun());
    bench.said();
    bench.give(vec![job(31)]);
    bench.said();
    bench.answer(1, 22, refused());
    let pause = bench.worker(1).paused_until().unwrap().since(bench.now.mono);
    assert!(pause <= Duration::from_millis(120), "{pause:?}");
    bench.pass(3 * SECOND);
    assert!(!bench.core.has_not_begun(), "nobody asks any more");
}

#[test]
fn when_one_worker_can_start_commands_again_nobody_pauses_any_longer() {
    let mut bench = Bench::up(|s| (s.kind, s.limits.workers) = (PoolKind::Exec, 3));
    bench.give(vec![job(1), job(2), job(3)]);
    // The third began before the others could not.
    bench.pass(Duration::from_millis(1));
    bench.answer(1, 1, refused());
    bench.answer(2, 1, refused());
    bench.answer(3, 1, well());
    assert!(bench.worker(1).paused_until().is_some() && bench.core.has_not_begun(), "it says nothing of now");
    bench.pass(Duration::from_millis(1));
    bench.give(vec![job(4)]);
    bench.answer(3, 2, badly(Retry::Policy));
    assert!((1..=3).all(|n| bench.worker(n).paused_until().is_none()) && !bench.core.has_not_begun());
}

#[test]
fn what_was_sent_ahead_fails_with_the_first_and_counts_as_one_pause() {
    let mut bench = Bench::up(|s| (s.kind, s.limits.prefetch) = (PoolKind::Exec, Prefetch::Fixed(5)));
    bench.give((1..=5).map(job).collect());
    bench.said();
    for request in 1..=5 {
        bench.answer(1, request, refused());
    }
    bench.says(&["unclaim 1", "unclaim 2", "unclaim 3", "unclaim 4", "unclaim 5"]);
    let pause = bench.worker(1).paused_until().unwrap().since(bench.now.mono);
    assert!(pause <= Duration::from_millis(120), "{pause:?}");
}

#[test]
fn a_job_that_cannot_be_begun_again_and_again_goes_behind_the_others_with_one_run_that_says_so() {
    let mut bench = Bench::up(|s| s.kind = PoolKind::Exec);
    for n in 1..=2 * u64::from(BEHIND_AFTER) {
        bench.give(vec![job(1)]);
        bench.said();
        bench.answer(1, n, refused());
        let ends = bench.finishes();
        assert_eq!(ends.len(), usize::from(n % u64::from(BEHIND_AFTER) == 0), "{n}");
        for end in ends {
            assert_eq!((end.outcome, end.cause, end.next), (Outcome::Released, Some(Cause::NotBegun), Next::Behind));
            assert_eq!((end.counters.attempts, end.counters.crashes), (0, 0));
            assert_eq!(end.detail.error.as_deref(), Some("no process"));
        }
        let pause = bench.worker(1).paused_until().unwrap().since(bench.now.mono);
        bench.pass(pause);
    }
}

#[test]
fn a_job_whose_program_is_busy_is_put_off_alone_and_longer_each_time() {
    let mut bench = Bench::up(|s| s.kind = PoolKind::Exec);
    let mut counters = Counters::default();
    let mut request = 0;
    for (n, ms) in [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000].into_iter().enumerate() {
        bench.news();
        bench.give(vec![Claimed { counters, ..job(1) }]);
        bench.said();
        request += 1;
        bench.answer(1, request, busy());
        assert!(bench.core.has_not_begun());
        let end = bench.finishes().pop().unwrap();
        assert_eq!((end.outcome, end.cause), (Outcome::Released, Some(Cause::NotBegun)));
        assert_eq!((end.counters.attempts, end.counters.crashes), (0, 0));
        let Next::RetryAt(at) = end.next else { panic!("{:?}", end.next) };
        let wait = at.since(bench.now.wall).as_millis();
        assert!(wait >= ms * 79 / 100 && wait <= (ms * 121 / 100).min(30_000), "{n}: {wait}");
        counters = end.counters;
        // The worker goes on with another job at once.
        assert_eq!(bench.worker(1).paused_until(), None, "{n}");
        bench.news();
        bench.give(vec![job(2)]);
        bench.pass(Duration::from_millis(1));
        request += 1;
        bench.answer(1, request, well());
        bench.said();
    }
    bench.pass(32 * SECOND);
    assert!(!bench.core.has_not_begun(), "it was cancelled meanwhile");
}

#[test]
fn a_worker_that_meets_nothing_but_busy_programs_makes_pauses_of_a_second_at_most() {
    let mut bench = Bench::up(|s| s.kind = PoolKind::Exec);
    for n in 1..=30 {
        bench.news();
        bench.give(vec![job(n)]);
        bench.answer(1, n as u64, busy());
        let pause = bench.worker(1).paused_until().map(|until| until.since(bench.now.mono));
        assert_eq!(pause.is_some(), n > 5, "{n}");
        assert!(pause.is_none_or(|pause| pause <= SECOND), "{n}: {pause:?}");
        bench.pass(pause.unwrap_or_default());
    }
}

#[test]
fn a_worker_that_is_not_ours_is_charged_whatever_it_says() {
    let mut bench = Bench::up(|_| {});
    bench.give(vec![job(1)]);
    bench.said();
    bench.answer(1, 1, refused());
    bench.says(&["job 1 failed error => retry 1/0/0"]);
    assert!(bench.worker(1).paused_until().is_none());
}

#[test]
fn a_job_that_was_to_end_anyway_ends_as_it_was_asked_to() {
    let mut bench = Bench::up(|s| s.kind = PoolKind::Exec);
    bench.give(vec![job(1)]);
    bench.command(1, Command::Cancel { job: JobId(1), only: crate::model::States::ALL, wait: false });
    bench.said();
    bench.answer(1, 1, refused());
    bench.says(&["job 1 cancelled cancelled => cancelled cancelled 0/0/0"]);
}

#[test]
fn a_worker_that_pauses_can_be_stopped_and_its_claims_go_to_others() {
    let mut bench = Bench::up(|s| (s.kind, s.limits.prefetch) = (PoolKind::Exec, Prefetch::Fixed(1)));
    bench.give(vec![job(1)]);
    bench.said();
    bench.answer(1, 1, refused());
    bench.said();
    bench.core.claim(&mut bench.out);
    bench.says(&[]);
    bench.stop(None);
    bench.says(&["close 1"]);
    bench.gone(1);
    assert!(bench.core.stopped());
}

#[test]
fn a_job_that_is_given_back_five_times_in_a_row_goes_behind_the_others_and_a_charge_begins_anew() {
    let given_back = |before: u32| {
        let mut bench = Bench::up(|s| s.limits.grace = Duration::ZERO);
        let counters = Counters { releases: before, releases_in_a_row: before, ..Counters::default() };
        bench.give(vec![Claimed { counters, ..job(1) }]);
        bench.command(1, Command::Restart { target: Target::All, grace: Some(Duration::ZERO), wait: false });
        bench.bring_up();
        bench.exit(1, Exit::Signal(15), 1);
        bench.sweep(1);
        let again = bench.core.gives_back_again();
        (bench.finishes().pop().unwrap(), again)
    };
    for before in 0..4 {
        let (end, again) = given_back(before);
        assert_eq!((end.next, end.counters.releases_in_a_row, again), (Next::Ready, before + 1, false));
    }
    for before in [4, 5, 99] {
        let (end, again) = given_back(before);
        assert_eq!((end.next, end.counters.releases, again), (Next::Behind, before + 1, true));
        assert_eq!((end.counters.attempts, end.counters.crashes), (0, 0));
    }
    let mut bench = Bench::up(|_| {});
    let counters = Counters { releases: 9, releases_in_a_row: 9, ..Counters::default() };
    bench.give(vec![Claimed { counters, ..job(1) }]);
    bench.answer(1, 1, badly(Retry::Policy));
    let end = bench.finishes().pop().unwrap();
    assert_eq!((end.counters.releases, end.counters.releases_in_a_row), (9, 0));
}
