//! How long to wait: before a retry of a job, and before the next spawn after fast deaths.

use std::time::Duration;

use super::random::Random;

/// The longest wait before a retry.
const LONGEST_RETRY: Duration = Duration::from_hours(1);
/// The first wait after the second fast death in a row; the first restart is at once.
const FIRST_RESPAWN: Duration = Duration::from_millis(100);
/// The longest wait before a spawn.
const LONGEST_RESPAWN: Duration = Duration::from_secs(30);

/// Wait before attempt `n + 1`, after `n` (from 1) were charged: `first * 5^(n-1)`, at most an hour, ± 20 %.
pub(super) fn retry(first: Duration, n: u32, random: &mut Random) -> Duration {
    let factor = 5_u32.saturating_pow(n.saturating_sub(1));
    random.around(first.saturating_mul(factor).min(LONGEST_RETRY), 0.2).min(LONGEST_RETRY)
}

/// Wait before the next spawn after `deaths` fast deaths in a row: none, then 100 ms doubling to 30 s, ± 20 %.
pub(super) fn respawn(deaths: u32, random: &mut Random) -> Duration {
    match deaths {
        0 | 1 => Duration::ZERO,
        n => {
            let wait = FIRST_RESPAWN.saturating_mul(2_u32.saturating_pow(n - 2)).min(LONGEST_RESPAWN);
            random.around(wait, 0.2).min(LONGEST_RESPAWN)
        }
    }
}

/// Pause of a worker that could not start a command `n` times in a row (from 1): 100 ms doubling to 30 s, ± 20 %.
pub(super) fn pause(n: u32, random: &mut Random) -> Duration {
    respawn(n.saturating_add(1), random)
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
        assert_eq!(respawn(1, &mut random), Duration::ZERO);
        for (deaths, ms) in [(2, 100.0), (3, 200.0), (4, 400.0), (60, 30_000.0)] {
            let wait = respawn(deaths, &mut random).as_secs_f64() * 1000.0;
            assert!(wait >= ms * 0.8 - 1e-6 && wait <= (ms * 1.2).min(30_000.0), "{deaths}: {wait}");
        }
    }
}
