//! Speed of each queue: jobs done and pushed in the last minute, and when the queue will be empty.
//!
//! Counted from the differences of the totals, in steps of five seconds: nothing is counted per job and nothing is written.
//! Invariant: only queues that moved in the last minute take memory, and each of them as much as any other.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::model::queue::QueueRate;
use crate::model::{Mono, QueueName, QueueTotals};

/// Length of a step, in microseconds.
const STEP_MICROS: u64 = 5_000_000;
/// Steps that are kept: a minute, the step that is not over included.
const STEPS: usize = 12;
/// Shorter times tell nothing of a speed.
const LEAST_SECONDS: f64 = 1.0;
/// A queue becomes shorter if this much more is done than pushed.
const CLEARLY_MORE: f64 = 1.05;

/// What moved in each queue of late.
#[derive(Debug, Default)]
pub(super) struct Rates {
    /// When the totals were first read; before that nothing can be compared.
    since: Option<Mono>,
    queues: BTreeMap<QueueName, Steps>,
    /// The step in which queues that no longer move were last forgotten.
    swept: u64,
}

/// Jobs of one queue.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    done: u64,
    pushed: u64,
}

/// Counts of the last steps of one queue, each at its number modulo `STEPS`.
#[derive(Debug, Default)]
struct Steps {
    newest: u64,
    counts: [Count; STEPS],
}

impl Steps {
    /// The count of a step that is the newest, or becomes it.
    fn at(&mut self, step: u64) -> &mut Count {
        for over in (self.newest + 1..=step).take(STEPS) {
            self.counts[over as usize % STEPS] = Count::default();
        }
        if step >= self.newest + STEPS as u64 {
            self.counts = [Count::default(); STEPS];
        }
        self.newest = self.newest.max(step);
        &mut self.counts[self.newest as usize % STEPS]
    }

    /// The steps within the minute that is named in which something moved, oldest first.
    fn within(&self, minute: RangeInclusive<u64>) -> impl Iterator<Item = (u64, Count)> {
        let known = self.newest.saturating_sub(STEPS as u64 - 1)..=self.newest;
        let counts = minute.filter(move |step| known.contains(step));
        counts.map(|step| (step, self.counts[step as usize % STEPS])).filter(|(_, count)| count.done + count.pushed > 0)
    }
}

/// The steps of the last minute.
const fn minute(now: Mono) -> RangeInclusive<u64> {
    let newest = now.0 / STEP_MICROS;
    newest.saturating_sub(STEPS as u64 - 1)..=newest
}

impl Rates {
    /// From now on totals are compared.
    pub(super) fn begin(&mut self, now: Mono) {
        self.since.get_or_insert(now);
    }

    pub(super) const fn have_begun(&self) -> bool {
        self.since.is_some()
    }

    /// The totals of a queue have changed; `before`: `None` where it is new.
    pub(super) fn count(&mut self, before: Option<&QueueTotals>, after: &QueueTotals, now: Mono) {
        if self.since.is_none() {
            return;
        }
        let default = QueueTotals::default();
        let before = before.unwrap_or(&default);
        let unfinished = |totals: &QueueTotals| totals.blocked + totals.ready + totals.scheduled + totals.running;
        let died = after.dead.saturating_sub(before.dead);
        let done = after.succeeded_total.saturating_sub(before.succeeded_total) + died;
        // Jobs that are cancelled or deleted in the same batch are missing from it.
        let pushed = (unfinished(after) + done).saturating_sub(unfinished(before));
        if done + pushed == 0 {
            return;
        }
        let minute = minute(now);
        if !self.queues.contains_key(&after.name) {
            self.queues.insert(after.name.clone(), Steps::default());
        }
        if let Some(steps) = self.queues.get_mut(&after.name) {
            let count = steps.at(*minute.end());
            count.done += done;
            count.pushed += pushed;
        }
        if *minute.end() > self.swept {
            self.swept = *minute.end();
            self.queues.retain(|_, steps| steps.newest >= *minute.start());
        }
    }

    /// The speed of a queue with these totals; `None` before totals are compared.
    pub(super) fn of(&self, totals: &QueueTotals, now: Mono) -> Option<QueueRate> {
        let since = self.since?;
        let minute = minute(now);
        let seconds = |step: u64| now.since(since.max(Mono(step * STEP_MICROS))).as_secs_f64();
        let whole = seconds(*minute.start()).max(LEAST_SECONDS);
        let steps = self.queues.get(&totals.name);
        let moved: Vec<(u64, Count)> = steps.into_iter().flat_map(|steps| steps.within(minute.clone())).collect();
        let done: u64 = moved.iter().map(|(_, count)| count.done).sum();
        let pushed: u64 = moved.iter().map(|(_, count)| count.pushed).sum();
        // One burst, as of a bulk push, says nothing of what will come.
        let burst = moved.iter().map(|(_, count)| count.pushed).max().filter(|most| most * 2 > pushed);
        let steady = (pushed - burst.unwrap_or_default()) as f64;
        let moving = moved.first().map_or(0.0, |(step, _)| seconds(*step));
        let shrinks = done as f64 > steady * CLEARLY_MORE && moving >= LEAST_SECONDS;
        let empty_in_s = (shrinks && totals.ready > 0 && !totals.paused)
            .then(|| totals.ready as f64 * moving / (done as f64 - steady));
        Some(QueueRate { done_per_s: done as f64 / whole, pushed_per_s: pushed as f64 / whole, empty_in_s })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn totals(ready: u64, succeeded_total: u64) -> QueueTotals {
        QueueTotals { ready, succeeded_total, ..QueueTotals::default() }
    }

    /// A queue whose totals change as they are told to.
    struct Queue {
        rates: Rates,
        now: QueueTotals,
    }

    impl Queue {
        fn with(ready: u64) -> Self {
            let mut rates = Rates::default();
            rates.count(None, &totals(ready, 0), Mono(0));
            rates.begin(Mono(0));
            Self { rates, now: totals(ready, 0) }
        }

        fn at(&mut self, second: u64, pushed: u64, done: u64) -> &mut Self {
            let after = totals(self.now.ready + pushed - done, self.now.succeeded_total + done);
            self.rates.count(Some(&self.now), &after, Mono(second * SECOND));
            self.now = after;
            self
        }

        fn rate(&self, second: u64) -> QueueRate {
            self.rates.of(&self.now, Mono(second * SECOND)).expect("totals are compared")
        }
    }

    #[test]
    fn what_waits_at_the_start_was_not_pushed_and_is_done_at_the_speed_since_then() {
        let mut queue = Queue::with(1000);
        assert_eq!(queue.rate(0), QueueRate { done_per_s: 0.0, pushed_per_s: 0.0, empty_in_s: None });
        for second in 1..=10 {
            queue.at(second, 0, 20);
        }
        assert_eq!(queue.rate(10), QueueRate { done_per_s: 20.0, pushed_per_s: 0.0, empty_in_s: Some(40.0) });
    }

    #[test]
    fn a_queue_that_grows_has_no_end_and_one_that_is_paused_or_empty_has_none_to_wait_for() {
        let mut queue = Queue::with(100);
        for second in 1..=30 {
            queue.at(second, 3, 2);
        }
        let rate = queue.rate(30);
        assert_eq!((rate.done_per_s, rate.pushed_per_s, rate.empty_in_s), (2.0, 3.0, None));
        let mut queue = Queue::with(100);
        queue.at(1, 0, 50);
        assert!(queue.rate(2).empty_in_s.is_some());
        let paused = QueueTotals { paused: true, ..queue.now.clone() };
        assert_eq!(queue.rates.of(&paused, Mono(2 * SECOND)).expect("a rate").empty_in_s, None);
        assert_eq!(queue.at(3, 0, 50).rate(4).empty_in_s, None);
    }

    #[test]
    fn a_burst_says_nothing_of_what_will_come() {
        let mut queue = Queue::with(0);
        queue.at(100, 6000, 0);
        for second in 101..=120 {
            queue.at(second, 1, 51);
        }
        let rate = queue.rate(120);
        assert_eq!((rate.done_per_s * 55.0).round() as u64, 1020, "{rate:?}");
        let left = rate.empty_in_s.expect("it becomes shorter");
        assert!((95.0..105.0).contains(&left), "{left}");
        for second in 121..200 {
            queue.at(second, 50, 50);
        }
        assert_eq!(queue.rate(200).empty_in_s, None, "as much is pushed as is done");
    }

    #[test]
    fn only_the_last_minute_counts_and_queues_that_rest_are_forgotten() {
        let mut queue = Queue::with(1000);
        queue.at(2, 0, 600);
        assert!(queue.rate(60).done_per_s < 0.1, "55 s, and what there is of this step");
        assert!(queue.at(62, 11, 0).rate(65).done_per_s < 0.1);
        let mut rates = queue.rates;
        for n in 0..1000 {
            let name = QueueName::new(&format!("q{n}")).expect("a name");
            rates.count(None, &QueueTotals { name, ready: 1, ..QueueTotals::default() }, Mono(100 * SECOND));
        }
        assert_eq!(rates.queues.len(), 1001);
        rates.count(None, &totals(1, 0), Mono(159 * SECOND));
        assert_eq!(rates.queues.len(), 1001);
        rates.count(None, &totals(1, 0), Mono(160 * SECOND));
        assert_eq!(rates.queues.len(), 1);
    }

    #[test]
    fn a_job_that_dies_is_done_and_one_that_is_tried_again_is_pushed() {
        let mut rates = Rates::default();
        rates.begin(Mono(0));
        let (before, dead) = (QueueTotals { running: 3, ..totals(0, 0) }, QueueTotals { dead: 3, ..totals(0, 0) });
        rates.count(Some(&before), &dead, Mono(SECOND));
        rates.count(Some(&dead), &QueueTotals { dead: 1, ..totals(2, 0) }, Mono(SECOND));
        // Deleted, and cancelled.
        rates.count(Some(&QueueTotals { dead: 1, ..totals(2, 0) }), &totals(0, 0), Mono(SECOND));
        let rate = rates.of(&totals(0, 0), Mono(SECOND)).expect("a rate");
        assert_eq!((rate.done_per_s, rate.pushed_per_s), (3.0, 2.0));
    }
}
