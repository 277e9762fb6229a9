//! A pool is sent only what it takes, and what nobody takes is named.

use super::*;
use crate::model::serves::Serves;

fn takes(types: &[&str]) -> Takes {
    Takes::named(types.iter().copied())
}

fn ready(bench: &mut Bench, worker: i64, types: Option<Takes>) {
    bench.event(Event::Ready { worker: WorkerId(worker), concurrency: 1, types });
}

/// The lanes that are asked for, in order.
fn claims(bench: &mut Bench) -> Vec<Takes> {
    bench.core.handle(Event::News { queues: Vec::new() }, bench.now, &mut bench.out);
    bench.core.claim(&mut bench.out);
    let claim = |action: &Action| match action {
        Action::Write(Change::Claim(claim), _) => Some(claim.lanes.clone()),
        _ => None,
    };
    std::mem::take(&mut bench.out).iter().filter_map(claim).collect()
}

fn of(id: i64, kind: &str) -> Claimed {
    Claimed { kind: kind.into(), ..job(id) }
}

fn totals(ready: u64, commands: u64) -> QueueTotals {
    QueueTotals { name: queue("default"), ready, commands, ..QueueTotals::default() }
}

fn problems(bench: &mut Bench) -> Vec<String> {
    let text = |action: &Action| match action {
        Action::Tell(Notice::Problem { text }) => Some(text.clone()),
        _ => None,
    };
    std::mem::take(&mut bench.out).iter().filter_map(text).collect()
}

#[test]
fn a_pool_asks_for_what_it_takes() {
    assert_eq!(claims(&mut Bench::up(|_| {})), [Takes::Others]);
    assert_eq!(claims(&mut Bench::up(|s| s.takes = Takes::Commands)), [Takes::Commands]);
}

#[test]
fn workers_that_name_types_are_sent_these_alone_and_those_of_one_pool_may_differ() {
    let mut bench = Bench::new(|s| (s.ready, s.limits.workers) = (ReadyWhen::Message, 3));
    bench.said();
    for (worker, types) in [(1, "a"), (2, "b"), (3, "a")] {
        bench.spawned(worker);
        ready(&mut bench, worker, Some(takes(&[types])));
    }
    bench.says(&["name a", "name b"]);
    assert_eq!(claims(&mut bench), [takes(&["a"]), takes(&["b"])]);
    let ids: Vec<ShareId> = bench.pool().shares.keys().copied().collect();
    assert_eq!(ids.len(), 2, "nobody takes all types any more");
    let mut give = |share, asked, jobs| {
        let news = bench.pool().news;
        bench.event(Event::Claimed {
            pool: bench.pool,
            share,
            asked,
            news,
            jobs,
            more: false,
            held: HeldBack::default(),
        });
        bench.said()
    };
    assert_eq!(give(ids[1], 1, vec![of(1, "b")]), ["send job 1 to 2"]);
    assert_eq!(give(ids[0], 2, vec![of(2, "a"), of(3, "a")]), ["send job 2 to 1", "send job 3 to 3"]);
}

#[test]
fn a_new_worker_is_taken_to_be_like_the_last_one_and_claims_for_those_who_have_gone_are_given_back() {
    let mut bench = Bench::up(|_| {});
    ready(&mut bench, 1, Some(takes(&["a"])));
    let share = bench.pool().share;
    assert_eq!(claims(&mut bench), [takes(&["a"])]);
    bench.gone(1);
    bench.bring_up();
    bench.said();
    assert_eq!(bench.core.worker(WorkerId(2)).unwrap().share, bench.pool().share);
    // The claim was for a worker that takes `a`; the one that is there now takes everything.
    let news = bench.pool().news;
    bench.event(Event::Claimed {
        pool: bench.pool,
        share,
        asked: 1,
        news,
        jobs: vec![of(1, "a")],
        more: false,
        held: HeldBack::default(),
    });
    bench.says(&["unclaim 1"]);
    assert_eq!(claims(&mut bench), [Takes::Others]);
}

#[test]
fn jobs_are_moved_to_the_lanes_of_types_step_by_step() {
    let mut bench = Bench::up(|_| {});
    ready(&mut bench, 1, Some(takes(&["a"])));
    bench.event(Event::Sorted { queues: vec![], more: true });
    bench.settle();
    bench.says(&["name a", "sort"]);
    bench.event(Event::Sorted { queues: vec![queue("default")], more: true });
    bench.says(&["sort"]);
    bench.event(Event::Sorted { queues: vec![], more: false });
    ready(&mut bench, 1, Some(takes(&["a"])));
    bench.says(&[]);
}

#[test]
fn what_no_pool_takes_is_told_once_and_again_when_it_has_come_anew() {
    let mut bench = Bench::up(|s| s.takes = Takes::Commands);
    bench.committed(totals(3, 0));
    bench.says(&["first of default"]);
    let kind = Some("mail".into());
    bench.event(Event::FirstOther { queue: queue("default"), kind });
    let told = problems(&mut bench);
    assert!(
        matches!(&told[..], [one] if one.starts_with("3 jobs in `default`, the first of type `mail`, wait for")),
        "{told:?}"
    );
    bench.committed(totals(4, 0));
    assert_eq!(problems(&mut bench), [""; 0]);
    assert_eq!(bench.core.unserved().map(|found| found.jobs).collect::<Vec<_>>(), [4]);
    assert_eq!(bench.core.problems().count(), 0, "the status has it with its number");
    bench.committed(totals(1, 1));
    assert_eq!(bench.core.unserved().count(), 0);
    let other = PoolSettings {
        name: PoolName::new("other").unwrap(),
        queues: QueueOrder::Strict(vec![queue("mail")]),
        ..settings("x")
    };
    bench.core.add_pool(other).unwrap();
    bench.committed(QueueTotals { name: queue("mail"), ..totals(2, 2) });
    assert_eq!(problems(&mut bench).len(), 0, "not all at once");
    bench.pass(SECOND * 6);
    assert_eq!(problems(&mut bench).len(), 1);
}

#[test]
fn a_pool_that_comes_takes_what_waited_and_one_that_goes_leaves_it() {
    let mut bench = Bench::up(|s| s.takes = Takes::Commands);
    bench.committed(totals(1, 0));
    assert_eq!(bench.core.unserved().count(), 1);
    let name = PoolName::new("mail").unwrap();
    let settings = Box::new(PoolSettings { name: name.clone(), ..settings("mail") });
    bench.command(2, Command::AddPool { settings, wait: false });
    assert_eq!(bench.core.unserved().count(), 0);
    bench.command(1, Command::StopSome { target: Target::Pool(name), grace: None, wait: false });
    assert_eq!(bench.core.unserved().count(), 1);
    let paused = QueueTotals { paused: true, ..totals(1, 0) };
    bench.committed(paused);
    assert_eq!(bench.core.unserved().count(), 0, "that is what was asked for");
}

#[test]
fn a_drain_is_complete_when_what_is_left_is_for_nobody() {
    let mut bench = Bench::up(|s| s.takes = Takes::Commands);
    let left = |bench: &mut Bench, totals| {
        bench.committed(totals);
        bench.core.left()
    };
    assert_eq!(left(&mut bench, totals(5, 2)), 2);
    let retrying = QueueTotals { scheduled: 3, retrying: 3, retrying_commands: 1, running: 1, ..totals(0, 0) };
    assert_eq!(left(&mut bench, retrying), 2);
    assert_eq!(left(&mut bench, totals(5, 0)), 0);
}

#[test]
fn what_another_host_takes_waits_for_nobody_and_does_so_when_that_is_gone() {
    let mut bench = Bench::up(|s| s.takes = Takes::Commands);
    let others = [(&queue("default"), [&Takes::Others])].into_iter().collect();
    bench.event(Event::ServedElsewhere(others));
    bench.committed(totals(3, 0));
    assert_eq!(bench.core.unserved().count(), 0);
    bench.event(Event::ServedElsewhere(Serves::default()));
    assert_eq!(bench.core.unserved().map(|found| found.jobs).collect::<Vec<_>>(), [3]);
}
