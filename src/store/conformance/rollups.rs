//! Cases about the numbers of periods: each run is in them once, whoever counted it and whatever the clock said.

use super::*;
use crate::model::PoolName;
use crate::model::gauge::{Mark, MarkKind, PoolGauge, QueueGauge, Rollup};
use crate::model::rollup::{EndedRun, Range, Resolution, RunCounts, Tally};
use crate::store::{History, HistoryFilter};

const MINUTE: i64 = 60;
const DAY: i64 = 86_400;

/// The counts that a master makes of these ends.
pub(super) fn counted(at: UnixMicros, ends: &[Change]) -> Rollup {
    let mut minutes: BTreeMap<i64, Tally> = BTreeMap::new();
    for end in ends {
        let Change::Finish(finish) = end else { panic!("{end:?} ends no run") };
        let minute = Resolution::Minute.period_of(finish.ended_at);
        minutes.entry(minute).or_default().add(&EndedRun::of(finish));
    }
    Rollup { minutes: minutes.into_iter().collect(), at, ..Rollup::default() }
}

impl Kit {
    pub(super) fn history_of(&mut self, resolution: Resolution, queue: Option<&str>, kind: Option<&str>) -> History {
        let (first, last) = (resolution.period_of(UnixMicros(0)), resolution.period_of(self.later(DAY)));
        let range = Range { resolution, first, last, per_point: 1 };
        let queue = queue.map(super::queue);
        self.records.history(&HistoryFilter { queue, kind: kind.map(str::to_owned), range }).unwrap()
    }

    /// The sum of all minutes.
    pub(super) fn counts_of(&mut self, queue: Option<&str>, kind: Option<&str>) -> RunCounts {
        let mut sum = RunCounts::default();
        self.history_of(Resolution::Minute, queue, kind).runs.values().for_each(|counts| sum.merge(counts));
        sum
    }

    /// A job that has ended, which is counted by the op that comes back.
    pub(super) fn ends(&mut self, outcome: Outcome, next: Next) -> Change {
        self.push_one(job());
        let job = self.claim_one();
        let counters = counters(u32::from(outcome != Outcome::Succeeded), 0, 0);
        let end = self.finish_op(&job, outcome, next, counters);
        self.one(end.clone());
        end
    }
}

pub(super) fn what_was_counted_is_there_in_periods_of_every_length(kit: &mut Kit) {
    let mut ends = vec![kit.ends(Outcome::Succeeded, Next::Succeeded)];
    ends.push(kit.ends(Outcome::Failed, Next::Dead(Cause::MaxAttempts)));
    kit.pass(MINUTE);
    ends.push(kit.ends(Outcome::Succeeded, Next::Succeeded));
    let rollup = counted(kit.at(), &ends);
    kit.one(Change::RollUp(Box::new(rollup)));
    for (resolution, periods) in [(Resolution::Minute, 2), (Resolution::TenMinutes, 1), (Resolution::Day, 1)] {
        let runs = kit.history_of(resolution, None, None).runs;
        assert_eq!(runs.len(), periods, "{resolution:?}");
        assert_eq!(runs.values().map(RunCounts::runs).sum::<u64>(), 3);
        assert_eq!(kit.history_of(resolution, Some("default"), None).runs, runs);
        assert_eq!(kit.history_of(resolution, Some("default"), Some("resize")).runs, runs);
        assert_eq!(kit.history_of(resolution, None, Some("resize")).runs, runs);
        assert_eq!(kit.history_of(resolution, Some("a"), None).runs.len(), 0);
        assert_eq!(kit.history_of(resolution, None, Some("mail")).runs.len(), 0);
    }
    let all = kit.counts_of(None, None);
    assert_eq!((all.of(Outcome::Succeeded), all.of(Outcome::Failed), all.died), (2, 1, 1));
    assert_eq!((all.run_us, all.run_max_us, all.run.count(), all.wait.count()), (6_000_000, 2_000_000, 3, 3));
}

pub(super) fn a_part_that_comes_later_is_added_whatever_the_clock_says(kit: &mut Kit) {
    for by in [0, 1, -DAY, DAY, 0] {
        kit.pass(by);
        let end = kit.ends(Outcome::Succeeded, Next::Succeeded);
        let rollup = counted(kit.at(), &[end]);
        kit.one(Change::RollUp(Box::new(rollup)));
    }
    let days: Vec<u64> = kit.history_of(Resolution::Day, None, None).runs.values().map(RunCounts::runs).collect();
    assert_eq!(days, [1, 4]);
    assert_eq!(kit.counts_of(None, None).runs(), 5);
}

pub(super) fn runs_that_a_dead_master_had_not_counted_are_counted_once(kit: &mut Kit) {
    let first = kit.ends(Outcome::Succeeded, Next::Succeeded);
    kit.push([job(), job(), job()]);
    let long = kit.claim(3).into_iter().map(Arc::new).collect::<Vec<_>>();
    let rollup = counted(kit.at(), &[first]);
    kit.one(Change::RollUp(Box::new(rollup)));
    // Of those that ran then, one ends, one dies and one runs until the end of the master; one is new.
    kit.succeed(&long[0]);
    kit.finish(&long[1], Outcome::Failed, Next::Dead(Cause::MaxAttempts), counters(1, 0, 0));
    kit.ends(Outcome::TimedOut, Next::Dead(Cause::MaxAttempts));
    kit.pass(-3 * MINUTE);
    kit.ends(Outcome::Succeeded, Next::Succeeded);
    assert_eq!(kit.counts_of(None, None).runs(), 1);
    kit.pass(5 * MINUTE);
    kit.join(2);
    assert_eq!(kit.recover(), 1);
    let all = kit.counts_of(None, None);
    assert_eq!(all.outcomes, [3, 1, 1, 0, 0, 1]);
    assert_eq!(all.died, 2);
    assert_eq!(kit.history_of(Resolution::Minute, None, None).runs.len(), 3, "each in its own minute");
    kit.join(3);
    kit.recover();
    assert_eq!(kit.counts_of(None, None), all, "nobody counts them again");
    kit.store.leave(kit.at()).unwrap();
    assert_eq!(kit.counts_of(None, None), all);
}

pub(super) fn a_master_that_leaves_counts_what_is_left(kit: &mut Kit) {
    for _ in 0..3 {
        kit.ends(Outcome::Succeeded, Next::Succeeded);
    }
    kit.store.leave(kit.at()).unwrap();
    assert_eq!(kit.counts_of(None, None).runs(), 3);
    kit.join(2);
    let end = kit.ends(Outcome::Succeeded, Next::Succeeded);
    let rollup = counted(kit.at(), &[end]);
    kit.one(Change::RollUp(Box::new(rollup)));
    kit.store.leave(kit.at()).unwrap();
    assert_eq!(kit.counts_of(None, None).runs(), 4);
}

fn gauge(kit: &mut Kit) -> QueueGauge {
    QueueGauge::of(&kit.totals(), kit.at())
}

pub(super) fn pushed_jobs_are_counted_once_whoever_pushes_them(kit: &mut Kit) {
    kit.push([unique("k"), unique("k"), job()]);
    (kit.connect)().apply(0, &[Request::Push([job()].into()).into()], kit.at()).unwrap();
    assert_eq!(kit.totals().pushed_total, 3);
    let pushed = |kit: &mut Kit, ready_max: u64| {
        let gauge = QueueGauge { ready_max, ..gauge(kit) };
        kit.one(Change::RollUp(Box::new(Rollup { at: kit.at(), queues: vec![gauge], ..Rollup::default() })));
        let found = kit.history_of(Resolution::Hour, Some("default"), None).queues.remove(&queue("default")).unwrap();
        let points: Vec<_> = found.into_values().map(|g| (g.pushed, g.ready, g.ready_max)).collect();
        points
    };
    assert_eq!(pushed(kit, 9), [(3, 3, 9)]);
    assert_eq!(pushed(kit, 5), [(3, 3, 9)]);
    kit.claim(2);
    kit.push_one(job());
    assert_eq!(pushed(kit, 2), [(4, 2, 9)], "at the end of the time there are two");
    kit.pass(2 * 3600);
    kit.join(2);
    kit.recover();
    kit.push_one(job());
    assert_eq!(pushed(kit, 5), [(4, 2, 9), (1, 5, 5)]);
}

pub(super) fn periods_are_forgotten_in_their_time_and_no_sooner(kit: &mut Kit) {
    let end = kit.ends(Outcome::Succeeded, Next::Succeeded);
    let mut rollup = counted(kit.at(), &[end]);
    rollup.queues.push(gauge(kit));
    rollup.pools.push(PoolGauge {
        pool: PoolName::new("p").unwrap(),
        wanted: 2,
        ready_min: 1,
        busy_us: 3,
        capacity_us: 4,
        cpu_us: 5,
        memory_max: 6,
        worker_memory_max: 7,
        started: 8,
        ended: 9,
        crashed: 1,
        recycled: 2,
        oom: 3,
    });
    kit.one(Change::RollUp(Box::new(rollup)));
    let kinds = |kit: &mut Kit| {
        Resolution::ALL.map(|resolution| {
            let history = kit.history_of(resolution, None, None);
            [history.runs.len(), history.queues.len(), history.pools.len()]
        })
    };
    for (days, kept) in [(1, 4), (2, 3), (7, 3), (12, 2), (98, 2), (140, 1), (1090, 1), (1130, 0)] {
        let start = kit.now;
        kit.pass(days * DAY);
        let mut steps = 0;
        while kit.prune(Keep { limit: 1000, ..kit.keep_nothing() }) > 0 {
            steps += 1;
            assert!(steps < 10);
        }
        assert_eq!(kinds(kit).iter().filter(|kinds| **kinds == [1, 1, 1]).count(), kept, "{days} days");
        assert_eq!(kinds(kit).iter().filter(|kinds| **kinds == [0, 0, 0]).count(), 4 - kept, "{days} days");
        kit.now = start;
    }
}

pub(super) fn what_was_done_is_kept_as_marks(kit: &mut Kit) {
    kit.one(Request::Pause { queue: queue("default"), paused: true });
    kit.one(Request::Pause { queue: queue("default"), paused: true });
    kit.one(Request::Pause { queue: queue("default"), paused: false });
    let marks = kit.history_of(Resolution::Minute, None, None).marks;
    let found: Vec<_> = marks.iter().map(|mark| (mark.kind, mark.text.as_str())).collect();
    assert_eq!(
        found,
        [
            (MarkKind::Start, "version 0.1.0, process 1"),
            (MarkKind::Pause, "queue `default`"),
            (MarkKind::Resume, "queue `default`"),
        ]
    );
}

pub(super) fn of_many_marks_the_newest_are_shown(kit: &mut Kit) {
    let mark = |n: i64| Mark { at: kit.later(n), kind: MarkKind::Scale, text: n.to_string() };
    let rollup = Rollup { at: kit.at(), marks: (1..=1100).map(mark).collect(), ..Rollup::default() };
    kit.one(Change::RollUp(Box::new(rollup)));
    let marks = kit.history_of(Resolution::Minute, None, None).marks;
    let found: Vec<&str> = marks.iter().map(|mark| mark.text.as_str()).collect();
    assert_eq!((found.len(), found[0], found[999]), (1000, "101", "1100"));
}
