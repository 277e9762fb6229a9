//! Four loads of an hour that the decision is held to, and the rules of other programs to hold it against.
//!
//! Jobs take about a second. Invariant: the same seed gives the same jobs. The rules of others are those of their
//! documentation, without their limits on how fast they grow, which would only make them slower.

use std::collections::VecDeque;
use std::f64::consts::TAU;
use std::time::Duration;

use super::simulate::{Rule, Simulated, Task, simulate};
use super::want::Inputs;
use crate::core::random::Random;
use crate::model::Mono;

/// How long each load lasts, in microseconds.
pub const HOUR: u64 = 3_600_000_000;
/// From the spawn of a worker until it is ready.
pub const START: Duration = Duration::from_secs(2);
/// The most workers.
pub const MOST: u32 = 40;

/// The jobs that come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// From 0.5 to 8 jobs per second after half an hour.
    Step,
    /// 300 jobs at once every ten minutes.
    Bursts,
    Diurnal,
    /// A few jobs take most of the time (σ = 2).
    HeavyTail,
}

impl Load {
    pub const ALL: [Self; 4] = [Self::Step, Self::Bursts, Self::Diurnal, Self::HeavyTail];

    /// The jobs, in order.
    #[must_use]
    pub fn tasks(self, seed: u64) -> Vec<Task> {
        const HIGHEST_RATE: f64 = 8.1;
        let mut dice = Dice(Random::new(seed));
        if self == Self::Bursts {
            let bursts = (0..6_u64).flat_map(|n| std::iter::repeat_n((60 + n * 600) * 1_000_000, 300));
            return bursts.map(|ready_at| Task { ready_at, takes: micros(dice.exponential()) }).collect();
        }
        let (mut at, mut all) = (0.0, Vec::new());
        loop {
            at += dice.exponential() / HIGHEST_RATE;
            if at >= 3600.0 {
                break;
            }
            if dice.unit() * HIGHEST_RATE < self.rate(at) {
                let is_tailed = self == Self::HeavyTail;
                let takes = if is_tailed { (2.0 * dice.normal() - 2.0).exp() } else { dice.exponential() };
                all.push(Task { ready_at: micros(at), takes: micros(takes) });
            }
        }
        if self == Self::HeavyTail {
            // Few jobs are most of the work, so that is as it falls: made the same for every seed.
            let work: u64 = all.iter().map(|task| task.takes).sum();
            let factor = 4.25 * HOUR as f64 / work as f64;
            for task in &mut all {
                task.takes = (task.takes as f64 * factor) as u64;
            }
        }
        all
    }

    /// Jobs per second at this second.
    fn rate(self, at: f64) -> f64 {
        match self {
            Self::Step if at < 1800.0 => 0.5,
            Self::Step => 8.0,
            Self::Diurnal => 4.25 * (1.0 - 0.9 * (TAU * at / 3600.0).cos()),
            Self::HeavyTail | Self::Bursts => 4.25,
        }
    }
}

struct Dice(Random);

impl Dice {
    fn unit(&mut self) -> f64 {
        ((self.0.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn exponential(&mut self) -> f64 {
        -self.unit().ln()
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (TAU * self.unit()).cos()
    }
}

fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

/// The rule of another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// Laravel Horizon, `auto`: one worker more or fewer every three seconds, to all or to one by whether jobs wait.
    Horizon,
    /// KEDA by the length of the queue: a worker for each five waiting jobs.
    Keda,
    /// The autoscaler of Kubernetes by CPU: 70 % of the workers busy.
    Hpa,
    /// As many workers as there may be.
    Fixed,
}

impl Peer {
    pub const ALL: [Self; 4] = [Self::Horizon, Self::Keda, Self::Hpa, Self::Fixed];

    /// An hour of these jobs with its rule.
    #[must_use]
    pub fn simulate(self, tasks: &[Task]) -> Simulated {
        let first = if self == Self::Fixed { MOST } else { 1 };
        let mut rule =
            PeerRule { peer: self, next: Mono(7_500_000), needs: VecDeque::new(), busy: 0.0, running_for: 0.0 };
        simulate(tasks, &mut rule, first, START, HOUR)
    }
}

struct PeerRule {
    peer: Peer,
    next: Mono,
    /// The needs of the last five minutes.
    needs: VecDeque<(Mono, u32)>,
    /// Busy seconds since it last looked.
    busy: f64,
    running_for: f64,
}

impl Rule for PeerRule {
    fn workers(&mut self, inputs: &Inputs, now: Mono) -> u32 {
        const POLL: Duration = Duration::from_secs(15);
        let running_for = inputs.running_for.as_secs_f64();
        self.busy += (inputs.took.as_secs_f64() + running_for - self.running_for).max(0.0);
        self.running_for = running_for;
        if now < self.next {
            return inputs.workers;
        }
        let workers = f64::from(inputs.workers);
        let wanted = match self.peer {
            Peer::Fixed => MOST,
            Peer::Horizon => {
                self.next = now + Duration::from_secs(3);
                if inputs.ready > 0 { inputs.workers + 1 } else { inputs.workers - 1 }
            }
            Peer::Keda => {
                self.next = now + POLL;
                self.held(inputs.ready.div_ceil(5) as u32, now)
            }
            Peer::Hpa => {
                self.next = now + POLL;
                let share = std::mem::take(&mut self.busy) / POLL.as_secs_f64() / workers / 0.7;
                let need = if (0.9..=1.1).contains(&share) { workers } else { (workers * share).ceil() };
                self.held(need as u32, now)
            }
        };
        wanted.clamp(1, MOST)
    }
}

impl PeerRule {
    /// The most that was needed in the last five minutes: neither goes down sooner.
    fn held(&mut self, need: u32, now: Mono) -> u32 {
        self.needs.push_back((now, need));
        while self.needs.front().is_some_and(|&(at, _)| now.since(at) > Duration::from_mins(5)) {
            self.needs.pop_front();
        }
        self.needs.iter().map(|&(_, need)| need).max().unwrap_or(need)
    }
}
