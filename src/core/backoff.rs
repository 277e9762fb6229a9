//! How long to wait: before a retry of a job, and before the next spawn in a slot whose worker has ended.
//!
//! Pure: the policy of the pool, the deaths of a slot and the time are arguments.

use std::collections::VecDeque;
use std::time::Duration;

use super::random::Random;
use crate::model::Mono;
use crate::model::death::{Over, SlotProblem, TooOften};
use crate::model::supervision::{Excess, Growth, RestartPolicy};
use crate::model::worker::Exit;

/// The longest wait before a retry.
const LONGEST_RETRY: Duration = Duration::from_hours(1);

/// Deaths of the workers of a slot, and what follows from them.
#[derive(Clone, Debug, Default)]
pub(super) struct Backoff {
    /// Before a worker was of any use, in a row.
    pub(super) deaths: u32,
    /// The last ones, whatever was done before, no more than the pool allows; empty where it allows any number.
    recent: VecDeque<Mono>,
    /// No spawn before this.
    pub(super) until: Option<Mono>,
    /// Why the last spawn failed, or why it waits.
    pub(super) problem: Option<SlotProblem>,
}

/// How a process in a slot ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// There never was one.
    NotStarted,
    /// The process was asked to, or had said that it would.
    Asked,
    Unasked {
        /// Before it was of any use.
        fast: bool,
        exit: Option<Exit>,
    },
}

impl Ended {
    /// Before it was of any use.
    pub(super) const fn is_fast(self) -> bool {
        matches!(self, Self::NotStarted | Self::Unasked { fast: true, .. })
    }
}

/// The future of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    SpawnAfter(Duration),
    /// The same, as there are more deaths than the pool allows.
    SpawnSlowly(Duration, TooOften),
    End(Over),
}

impl Backoff {
    /// Takes in the end of a process.
    pub(super) fn ended(&mut self, end: Ended, policy: &RestartPolicy, now: Mono, random: &mut Random) -> Next {
        self.deaths = if end.is_fast() { self.deaths + 1 } else { 0 };
        if let Ended::Unasked { exit, .. } = end
            && policy.on.is_final(exit)
        {
            return Next::End(Over::Finished(exit));
        }
        let wait = respawn(self.deaths, policy, random);
        match self.too_often(end, policy, now) {
            None => Next::SpawnAfter(wait),
            Some(often) if policy.then == Excess::Stop => Next::End(Over::GivenUp(often)),
            Some(often) => Next::SpawnSlowly(policy.most, often),
        }
    }

    /// An operator wants the slot to be filled, whatever was before.
    pub(super) fn forget(&mut self) {
        (self.deaths, self.problem) = (0, None);
        self.recent.clear();
    }

    fn too_often(&mut self, end: Ended, policy: &RestartPolicy, now: Mono) -> Option<TooOften> {
        let max = policy.max?;
        if end == Ended::Asked {
            return None;
        }
        while self.recent.front().is_some_and(|at| self.recent.len() > max as usize || now.since(*at) > policy.window) {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        (self.recent.len() > max as usize).then_some(TooOften { max, window: policy.window })
    }
}

/// Wait before attempt `n + 1`, after `n` (from 1) were charged: `first * 5^(n-1)`, at most an hour, ± 20 %.
pub(super) fn retry(first: Duration, n: u32, random: &mut Random) -> Duration {
    let factor = 5_u32.saturating_pow(n.saturating_sub(1));
    random.around(first.saturating_mul(factor).min(LONGEST_RETRY), 0.2).min(LONGEST_RETRY)
}

/// Wait before the next spawn after `deaths` fast deaths in a row: none, then `initial`, growing to `most`, ± 20 %.
pub(super) fn respawn(deaths: u32, policy: &RestartPolicy, random: &mut Random) -> Duration {
    let RestartPolicy { backoff, initial, most, .. } = *policy;
    match deaths {
        0 | 1 => Duration::ZERO,
        n => {
            let factor = match backoff {
                Growth::Exponential => 2_u32.saturating_pow(n - 2),
                Growth::Linear => n - 1,
            };
            random.around(initial.saturating_mul(factor).min(most), 0.2).min(most)
        }
    }
}

/// Pause of a worker that could not start a command `n` times in a row (from 1): 100 ms doubling to 30 s, ± 20 %.
pub(super) fn pause(n: u32, random: &mut Random) -> Duration {
    respawn(n.saturating_add(1), &RestartPolicy::default(), random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retry_waits_five_times_longer_each_time_up_to_an_hour() {
        let mut random = Random::new(1);
        for (n, seconds) in [(1, 5.0), (2, 25.0), (3, 125.0), (4, 625.0), (5, 3125.0), (40, 3600.0)] {
            for _ in 0..100 {
                let wait = retry(Duration::from_secs(5), n, &mut random).as_secs_f64();
                assert!(wait >= seconds * 0.8 - 1e-6 && wait <= (seconds * 1.2).min(3600.0), "{n}: {wait}");
            }
        }
    }

    #[test]
    fn the_first_restart_is_at_once_and_later_ones_wait_up_to_half_a_minute() {
        let mut random = Random::new(1);
        let linear = RestartPolicy {
            backoff: Growth::Linear,
            initial: Duration::from_secs(1),
            most: Duration::from_secs(5),
            ..RestartPolicy::default()
        };
        let exponential = [(2, 100.0), (3, 200.0), (4, 400.0), (60, 30_000.0)].map(|(n, ms)| (n, ms, 30_000.0));
        let tables = [
            (RestartPolicy::default(), exponential),
            (linear, [(2, 1_000.0), (3, 2_000.0), (4, 3_000.0), (60, 5_000.0)].map(|(n, ms)| (n, ms, 5_000.0))),
        ];
        for (policy, table) in tables {
            assert_eq!(respawn(1, &policy, &mut random), Duration::ZERO);
            for (deaths, ms, most) in table {
                let wait = respawn(deaths, &policy, &mut random).as_secs_f64() * 1000.0;
                assert!(wait >= ms * 0.8 - 1e-6 && wait <= f64::min(ms * 1.2, most), "{deaths}: {wait}");
            }
        }
    }

    /// Consequences of these ends, each so many seconds after the start.
    fn follows(policy: RestartPolicy, ends: &[(u64, Ended)]) -> Vec<Next> {
        let (mut backoff, mut random) = (Backoff::default(), Random::new(1));
        let next = |&(second, end): &(u64, Ended)| backoff.ended(end, &policy, Mono(second * 1_000_000), &mut random);
        ends.iter().map(next).collect()
    }

    const fn unasked(exit: Exit) -> Ended {
        Ended::Unasked { fast: false, exit: Some(exit) }
    }

    #[test]
    fn the_policy_says_which_end_is_the_last() {
        use crate::model::supervision::RestartOn::{Always, Failure, Never};
        let at_once = Next::SpawnAfter(Duration::ZERO);
        let last = |exit| Next::End(Over::Finished(exit));
        let (well, badly) = (Exit::Code(0), Exit::Code(1));
        let table = [
            (Always, unasked(well), at_once),
            (Failure, unasked(well), last(Some(well))),
            (Failure, unasked(badly), at_once),
            (Failure, unasked(Exit::Signal(9)), at_once),
            (Failure, Ended::Unasked { fast: true, exit: None }, at_once),
            (Failure, Ended::Asked, at_once),
            (Never, unasked(well), last(Some(well))),
            (Never, unasked(badly), last(Some(badly))),
            (Never, Ended::Unasked { fast: true, exit: None }, last(None)),
            (Never, Ended::Asked, at_once),
            (Never, Ended::NotStarted, at_once),
        ];
        for (on, end, next) in table {
            let policy = RestartPolicy { on, ..RestartPolicy::default() };
            assert_eq!(follows(policy, &[(1, end)]), [next], "{on:?} {end:?}");
        }
    }

    #[test]
    fn more_deaths_than_the_policy_allows_within_its_window_slow_the_slot_down_or_are_its_end() {
        let died = unasked(Exit::Code(1));
        let allowed = Next::SpawnAfter(Duration::ZERO);
        let often = TooOften { max: 2, window: Duration::from_mins(1) };
        let slow = RestartPolicy { max: Some(2), ..RestartPolicy::default() };
        let slowed = Next::SpawnSlowly(Duration::from_secs(30), often);
        let stop = RestartPolicy { then: Excess::Stop, ..slow };
        let over = Next::End(Over::GivenUp(often));
        let table = [
            (
                slow,
                vec![(0, died), (1, died), (2, died), (32, died), (62, died), (200, died)],
                vec![allowed, allowed, slowed, slowed, slowed, allowed],
            ),
            (slow, vec![(0, died), (50, died), (100, died), (150, died)], vec![allowed; 4]),
            (slow, vec![(0, died), (1, Ended::Asked), (2, Ended::Asked), (3, died)], vec![allowed; 4]),
            (stop, vec![(0, died), (1, died), (2, died)], vec![allowed, allowed, over]),
            (stop, vec![(0, Ended::NotStarted), (1, died), (2, Ended::NotStarted)], vec![allowed, allowed, over]),
            (
                RestartPolicy { max: Some(0), ..stop },
                vec![(0, died)],
                vec![Next::End(Over::GivenUp(TooOften { max: 0, ..often }))],
            ),
        ];
        for (policy, ends, next) in table {
            assert_eq!(follows(policy, &ends), next, "{ends:?}");
        }
    }
}
