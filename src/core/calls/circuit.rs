//! The circuit of a service: open after deaths and timeouts in a row, so that calls are refused at once instead of waiting.
//!
//! `closed → open → trying → closed`, or open again. While trying, some calls are let through as probes. Invariant: as long
//! as the circuit is trying, probes that are neither answered nor failed are given back, so that it cannot stick.

use std::time::Duration;

use crate::model::Mono;
use crate::model::service::Circuit as Rule;

/// When to ask again while probes are on their way.
const PROBING: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) enum Circuit {
    Closed { failures: u32 },
    Open { until: Mono },
    Trying { let_through: u32, answered: u32 },
}

impl Default for Circuit {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

impl Circuit {
    /// Lets a call through, and says whether it is a probe; or says in how long to ask again.
    pub(super) fn let_through(&mut self, rule: Option<Rule>, now: Mono) -> Result<bool, Duration> {
        let Some(rule) = rule else { return Ok(false) };
        if matches!(self, Self::Open { until } if *until <= now) {
            *self = Self::Trying { let_through: 0, answered: 0 };
        }
        match self {
            Self::Closed { .. } => Ok(false),
            Self::Open { until } => Err(until.since(now)),
            Self::Trying { let_through, .. } if *let_through < rule.probes.max(1) => {
                *let_through += 1;
                Ok(true)
            }
            Self::Trying { .. } => Err(PROBING.min(rule.open)),
        }
    }

    /// A worker died, or did not answer in time; whether the circuit opens with it.
    pub(super) fn failed(&mut self, rule: Option<Rule>, now: Mono) -> bool {
        let Some(rule) = rule else { return false };
        let opens = match self {
            Self::Closed { failures } => {
                *failures = failures.saturating_add(1);
                *failures >= rule.failures
            }
            Self::Open { .. } => false,
            Self::Trying { .. } => true,
        };
        if opens {
            *self = Self::Open { until: now + rule.open };
        }
        opens
    }

    /// For how long all calls are refused yet.
    pub(super) fn open_for(&self, now: Mono) -> Option<Duration> {
        match self {
            Self::Open { until } => Some(until.since(now)).filter(|left| !left.is_zero()),
            Self::Closed { .. } | Self::Trying { .. } => None,
        }
    }

    /// A worker has answered, be it with an error of its own.
    pub(super) fn answered(&mut self, rule: Option<Rule>, is_probe: bool) {
        let probes = rule.map_or(0, |rule| rule.probes.max(1));
        match self {
            Self::Closed { failures } => *failures = 0,
            Self::Trying { answered, .. } if is_probe => {
                *answered += 1;
                if *answered >= probes {
                    *self = Self::default();
                }
            }
            Self::Open { .. } | Self::Trying { .. } => {}
        }
    }

    /// A probe came to nothing: its caller is gone, or no worker took it.
    pub(super) fn give_back(&mut self) {
        if let Self::Trying { let_through, .. } = self {
            *let_through = let_through.saturating_sub(1);
        }
    }
}
