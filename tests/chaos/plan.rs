//! The plan of a round: which master, how many jobs, what happens to whom and when, and how the round ends. The same
//! for the same seed and round; what the system does with the moments differs from run to run.

use std::time::Duration;

use crate::dice::Dice;
use crate::pools::Knobs;

/// A round.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) knobs: Knobs,
    /// Jobs that may be pushed, in per cent of the usual.
    pub(crate) load: u64,
    /// Whether the first fault waits until the master runs.
    pub(crate) is_up: bool,
    pub(crate) acts: Vec<(Duration, Act)>,
    pub(crate) end: (Duration, End),
}

/// Something that happens while the master lives on.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// SIGKILL for so many workers.
    KillWorkers(u64),
    /// SIGKILL for the guardian.
    KillGuardian,
    /// SIGSTOP for the master, SIGCONT so much later.
    FreezeMaster(Duration),
    /// The same for so many workers.
    FreezeWorkers(u64, Duration),
    /// Another number of workers in a pool.
    Scale(&'static str, u64),
    /// `restart --all`.
    RestartAll {
        /// Without waiting for jobs.
        now: bool,
    },
    /// A queue is paused, and resumed so much later.
    Pause(&'static str, Duration),
}

/// How a round ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    /// SIGKILL for the master.
    Kill,
    /// SIGKILL for master, guardian, workers and their children at once.
    KillAll,
    /// SIGKILL for master and guardian, so that neither can do anything about the death of the other.
    KillBoth,
    /// SIGKILL for the master, and so many times for the next one while it starts and recovers.
    KillAgain(u64),
    /// So many SIGTERM at once: a stop with grace.
    Term(u64),
    /// So many SIGINT at once: with grace, or at once from the second on.
    Int(u64),
    /// `stop`, with this grace or that of the pools.
    Stop(Option<Duration>),
    /// It lives on into the next round.
    Live,
}

impl Plan {
    pub(crate) fn draw(seed: u64, round: u64) -> Self {
        let mut dice = Dice::new(seed, round);
        let knobs = Knobs::draw(&mut dice);
        let pools = knobs.pools();
        let acts = (0..dice.weighted(&[(20, 0), (40, 1), (30, 2), (10, 3)]))
            .map(|_| (moment(&mut dice, 120), act(&mut dice, &pools)))
            .collect();
        let longest = if dice.percent(20) { 600 } else { 200 };
        Self {
            knobs,
            load: dice.between(40, 160),
            is_up: !dice.percent(20),
            acts,
            end: (moment(&mut dice, longest), end(&mut dice)),
        }
    }
}

fn moment(dice: &mut Dice, longest_ms: u64) -> Duration {
    Duration::from_micros(dice.below(longest_ms * 1000))
}

fn span(dice: &mut Dice, low_ms: u64, high_ms: u64) -> Duration {
    Duration::from_millis(dice.between(low_ms, high_ms))
}

/// Anything that a master should live through.
pub(crate) fn act(dice: &mut Dice, pools: &[&'static str]) -> Act {
    match dice.below(100) {
        0..30 => Act::KillWorkers(dice.between(1, 4)),
        30..38 => Act::KillGuardian,
        38..50 => Act::FreezeMaster(span(dice, 20, 250)),
        50..62 => Act::FreezeWorkers(dice.between(1, 3), span(dice, 20, 250)),
        62..76 => Act::Scale(dice.pick(pools), dice.between(0, 5)),
        76..90 => Act::RestartAll { now: dice.percent(40) },
        _ => Act::Pause(dice.pick(&["fast", "slow", "many", "cmd"]), span(dice, 10, 100)),
    }
}

fn end(dice: &mut Dice) -> End {
    match dice.below(100) {
        0..38 => End::Kill,
        38..48 => End::KillAll,
        48..56 => End::KillBoth,
        56..70 => End::KillAgain(dice.between(1, 3)),
        70..77 => End::Term(dice.between(1, 5)),
        77..84 => End::Int(dice.between(1, 4)),
        84..92 => End::Stop(dice.percent(40).then(|| span(dice, 0, 30))),
        _ => End::Live,
    }
}
