//! What answers mean for their jobs.

use super::*;
use crate::model::answer::NO_SUCH_TYPE;
use crate::model::change::{Change, Finish};
use crate::model::{ProcessorRunId, Retry};

fn finish(charged: u32, answer: Answer) -> Finish {
    let counters = Counters { attempts: charged, ..Counters::default() };
    finish_of(Claimed { counters, ..job(1) }, &[], answer)
}

/// The end of a job whose worker has sent these notes before.
fn finish_of(job: Claimed, notes: &[&str], answer: Answer) -> Finish {
    let mut bench = Bench::up(|_| {});
    bench.give(vec![job]);
    for &text in notes {
        bench.event(Event::RunNote { worker: WorkerId(1), request: 1, text: text.into() });
    }
    bench.answer(1, 1, answer);
    let finish = bench.out.into_iter().find_map(|action| match action {
        Action::Write(Change::Finish(finish), _) => Some(*finish),
        _ => None,
    });
    finish.unwrap()
}

fn wait(finish: &Finish) -> Duration {
    match finish.next {
        Next::RetryAt(at) => at.since(UnixMicros(1_000_000_000_000)),
        other => panic!("no retry but {other:?}"),
    }
}

#[test]
fn a_job_that_failed_is_tried_again_later_and_later() {
    for (charged, seconds) in [(0, 5.0), (1, 25.0)] {
        let finish = finish(charged, badly(Retry::Policy));
        let wait = wait(&finish).as_secs_f64();
        assert!(wait >= seconds * 0.8 && wait <= seconds * 1.2, "after {charged}: {wait}");
        assert_eq!(finish.counters.attempts, charged + 1);
    }
}

#[test]
fn a_job_that_failed_as_often_as_it_may_is_dead() {
    let finish = finish(2, badly(Retry::Policy));
    assert_eq!(finish.next, Next::Dead(crate::model::Cause::MaxAttempts));
    assert_eq!(finish.counters.attempts, 3);
}

#[test]
fn a_worker_says_how_long_to_wait() {
    assert_eq!(wait(&finish(0, badly(Retry::After(90 * SECOND)))), 90 * SECOND);
}

#[test]
fn a_wait_the_worker_asks_for_gives_no_further_attempt() {
    let finish = finish(2, badly(Retry::After(SECOND)));
    assert_eq!(finish.next, Next::Dead(crate::model::Cause::MaxAttempts));
}

#[test]
fn a_worker_says_not_to_try_again() {
    let finish = finish(0, badly(Retry::Never));
    assert_eq!(finish.next, Next::Dead(crate::model::Cause::NoRetry));
}

#[test]
fn what_does_not_exist_is_not_tried_again() {
    let kind = Some(String::from("not_found"));
    let error = RunError { message: String::new(), code: None, kind, backtrace: None, retry: Retry::Policy };
    let finish = finish(0, Answer { verdict: Err(Box::new(error)), detail: Detail::default() });
    assert_eq!(finish.next, Next::Dead(crate::model::Cause::NotFound));
    assert_eq!(finish.counters.attempts, 1);
}

#[test]
fn a_type_that_a_worker_does_not_know_is_tried_again_by_policy_unless_it_says_not_to() {
    let answer = |retry| {
        let code = Some(NO_SUCH_TYPE);
        let error = RunError { message: String::new(), code, kind: None, backtrace: None, retry };
        Answer { verdict: Err(Box::new(error)), detail: Detail::default() }
    };
    let again = finish(0, answer(Retry::Policy));
    assert!(matches!(again.next, Next::RetryAt(_)), "{:?}", again.next);
    assert_eq!((again.cause, again.counters.attempts), (Some(crate::model::Cause::NotFound), 1));
    assert_eq!(finish(2, answer(Retry::Policy)).next, Next::Dead(crate::model::Cause::MaxAttempts));
    assert_eq!(finish(0, answer(Retry::Never)).next, Next::Dead(crate::model::Cause::NoRetry));
}

#[test]
fn a_jobs_own_number_of_attempts_goes_before_that_of_the_pool() {
    let mut bench = Bench::up(|_| {});
    bench.give(vec![Claimed { max_attempts: Some(1), ..job(1) }]);
    bench.answer(1, 1, badly(Retry::Policy));
    assert_eq!(bench.said().last().unwrap(), "job 1 failed error => dead max_attempts 1/0/0");
}

#[test]
fn a_second_answer_changes_nothing() {
    let mut bench = Bench::up(|_| {});
    bench.jobs(1);
    bench.answer(1, 1, well());
    bench.said();
    bench.answer(1, 1, badly(Retry::Policy));
    bench.answer(1, 77, well());
    assert_eq!(bench.out.iter().filter(|a| matches!(a, Action::Tell(Notice::StrayAnswer { .. }))).count(), 2);
    bench.says(&[]);
}

#[test]
fn answers_may_come_in_any_order() {
    let mut bench = Bench::up(|_| {});
    bench.event(Event::Ready { worker: WorkerId(1), concurrency: 2, types: None });
    bench.jobs(2);
    bench.said();
    bench.answer(1, 2, well());
    bench.answer(1, 1, well());
    bench.says(&["job 2 succeeded - => succeeded 0/0/0", "job 1 succeeded - => succeeded 0/0/0"]);
}

#[test]
fn the_last_note_is_that_of_the_run_and_only_of_one_of_a_processor() {
    let of_processor = Claimed { holds: Holds { unique: false, run: Some(ProcessorRunId(3)) }, ..job(1) };
    let noted = |text: &str| Answer { detail: Detail { note: Some(text.into()), ..Detail::default() }, ..well() };
    let table: [(&[&str], Answer, Option<&str>); 4] = [
        (&[], well(), None),
        (&["first", "last"], well(), Some("last")),
        (&["first"], noted("in the answer"), Some("in the answer")),
        (&["first"], badly(Retry::Policy), Some("first")),
    ];
    for (notes, answer, note) in table {
        let finish = finish_of(of_processor.clone(), notes, answer.clone());
        assert_eq!(finish.detail.note.as_deref(), note, "{notes:?}");
        assert_eq!(finish_of(job(1), notes, answer).detail.note, None, "another job has none");
    }
}
