//! Turns of keys: in which order the lanes of a queue that is fair give their jobs.
//!
//! Each lane has a virtual time, which grows with what was taken from it: by jobs, or by the time that its runs took, divided by
//! the weight of its key. The lane with the least comes next. A lane that had nothing to do begins at the time of its class, so
//! that nobody saves up. Invariants: of lanes with enough to do, none is ahead of another by more than one step and one turn; the
//! arithmetic is the same for every store.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

/// The virtual time of a job, or of a second, at weight 1.
pub const UNIT: i64 = 1_000_000;

/// Jobs of one lane are taken in steps where very many are claimed ahead: a lane costs as much as some jobs. Among those that
/// are claimed together the order stays that of turns of one.
const MOST_STEP: u32 = 16;
/// Steps of what is claimed ahead, about.
const STEPS: u32 = 16;

/// How the keys of a queue take turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fair {
    /// Keys do not count: by priority and time.
    #[default]
    Off,
    /// As many jobs of each.
    Jobs,
    /// As much time of each.
    Time,
}

impl Fair {
    /// The words of the configuration.
    pub const WORDS: &'static [&'static str] = &["off", "jobs", "time"];
}

impl FromStr for Fair {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "off" => Ok(Self::Off),
            "jobs" => Ok(Self::Jobs),
            "time" => Ok(Self::Time),
            _ => Err(format!("use one of: {}", Self::WORDS.join(", "))),
        }
    }
}

impl fmt::Display for Fair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::Jobs => "jobs",
            Self::Time => "time",
        })
    }
}

/// A lane that jobs may be taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    pub vtime: i64,
    /// By how much a job moves it.
    pub cost: i64,
    /// Jobs that wait in it.
    pub waiting: u32,
    /// Which of the rooms it shares with other lanes of its key.
    pub room: usize,
}

/// How many jobs of each lane come next, `goal` in all, of which `ahead` are for no worker yet; lanes are in the order of their virtual
/// time. Of what a key may still start (`rooms`) is taken away what is dealt.
#[must_use]
pub fn deal(lanes: &[Turn], rooms: &mut [u32], (goal, ahead): (u32, u32)) -> Vec<u32> {
    let step = (ahead / STEPS).clamp(1, MOST_STEP);
    let mut dealt = vec![0; lanes.len()];
    let mut next: BinaryHeap<Reverse<(i64, usize)>> =
        lanes.iter().enumerate().map(|(at, lane)| Reverse((lane.vtime, at))).collect();
    let mut left = goal;
    while left > 0
        && let Some(Reverse((vtime, at))) = next.pop()
    {
        let lane = &lanes[at];
        let room = &mut rooms[lane.room];
        let jobs = step.min(left).min(lane.waiting - dealt[at]).min(*room);
        if jobs == 0 {
            continue;
        }
        *room -= jobs;
        left -= jobs;
        dealt[at] += jobs;
        next.push(Reverse((vtime.saturating_add(lane.cost.saturating_mul(i64::from(jobs))), at)));
    }
    dealt
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(lanes: &[(i64, i64, u32)]) -> Vec<Turn> {
        let turn = |(at, &(vtime, weight, waiting)): (usize, &(i64, i64, u32))| Turn {
            vtime,
            cost: UNIT / weight,
            waiting,
            room: at,
        };
        lanes.iter().enumerate().map(turn).collect()
    }

    fn dealt(lanes: &[(i64, i64, u32)], goal: u32) -> Vec<u32> {
        deal(&turns(lanes), &mut vec![u32::MAX; lanes.len()], (goal, 0))
    }

    #[test]
    fn the_lane_that_had_least_comes_next_and_weights_are_shares() {
        assert_eq!(dealt(&[(0, 1, 9), (0, 1, 9), (0, 1, 9)], 4), [2, 1, 1]);
        assert_eq!(dealt(&[(0, 1, 100), (0, 3, 100)], 40), [10, 30]);
        assert_eq!(dealt(&[(0, 1, 100), (5 * UNIT, 1, 100)], 15), [10, 5]);
        assert_eq!(dealt(&[(0, 1, 2), (0, 1, 100)], 10), [2, 8]);
        assert_eq!(dealt(&[], 10), [0; 0]);
    }

    #[test]
    fn what_is_claimed_ahead_is_taken_in_steps_and_what_workers_begin_now_is_not() {
        let lanes = turns(&[(0, 1, 100); 100]);
        let dealt = |ahead| deal(&lanes, &mut [u32::MAX; 100], (100, ahead)).iter().filter(|jobs| **jobs > 0).count();
        assert_eq!([dealt(0), dealt(16), dealt(64), dealt(1_000)], [100, 100, 25, 7]);
    }

    #[test]
    fn a_key_gives_no_more_than_it_has_room_for_over_all_its_lanes() {
        let mut lanes = turns(&[(0, 1, 9), (0, 1, 9), (0, 1, 9)]);
        lanes[1].room = 0;
        let mut rooms = [3, 0, 1];
        assert_eq!(deal(&lanes, &mut rooms, (9, 0)), [2, 1, 1]);
        assert_eq!(rooms, [0, 0, 0]);
    }
}
