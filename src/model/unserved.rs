//! Ready jobs that no pool takes: who waits, how many, and what makes them run.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use super::{Lane, QueueName, QueueTotals, Takes};

/// Ready jobs that no pool takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unserved {
    pub queue: QueueName,
    /// Their lane; where no pool serves the queue, that of those to be served first.
    pub lane: Lane,
    pub jobs: u64,
    /// The type of the first of them, where that is known and the lane does not say it.
    pub first: Option<Arc<str>>,
    /// Whether a pool serves the queue, and takes other jobs of it.
    pub is_queue_served: bool,
}

impl Unserved {
    /// Jobs of one queue. `takes`: what its pools take; `None`: no pool serves it. A paused queue waits for somebody.
    #[must_use]
    pub fn of(totals: &QueueTotals, takes: Option<&BTreeSet<Takes>>) -> Vec<Self> {
        let new =
            |lane, jobs| Self { queue: totals.name.clone(), lane, jobs, first: None, is_queue_served: takes.is_some() };
        if totals.paused {
            return Vec::new();
        }
        let Some(takes) = takes else {
            return totals.lanes().next().map(|(lane, _)| new(lane, totals.ready)).into_iter().collect();
        };
        let is_served = |lane: &Lane| takes.iter().any(|takes| takes.serves(lane));
        totals.lanes().filter(|(lane, _)| !is_served(lane)).map(|(lane, jobs)| new(lane, jobs)).collect()
    }

    /// With the type of the first job in the lane of the others.
    #[must_use]
    pub fn with_first(self, first: Option<Arc<str>>) -> Self {
        let first = first.filter(|_| self.lane == Lane::Others);
        Self { first, ..self }
    }

    /// The type of the first of them, if it is known.
    #[must_use]
    pub fn kind(&self) -> Option<&str> {
        match &self.lane {
            Lane::Commands => Some(super::EXEC),
            Lane::Type(kind) => Some(kind),
            Lane::Others => self.first.as_deref(),
        }
    }

    /// Words after `--` with which a pool must be started to take them: none where they are commands.
    #[must_use]
    pub const fn program(&self) -> &'static str {
        match self.lane {
            Lane::Commands => "",
            Lane::Others | Lane::Type(_) => " -- CMD",
        }
    }
}

/// The problem, and the next step.
impl fmt::Display for Unserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, .. } = self;
        write!(f, "{}; add one with `queue-work spawn --queue {queue} --workers 1{}`", self.problem(), self.program())
    }
}

impl Unserved {
    /// The problem alone.
    #[must_use]
    pub fn problem(&self) -> String {
        let Self { queue, jobs, .. } = self;
        let (s, wait) = if *jobs == 1 { ("", "waits") } else { ("s", "wait") };
        let first = self.first.as_deref().map(|kind| format!(", the first of type `{kind}`")).unwrap_or_default();
        match &self.lane {
            _ if !self.is_queue_served => format!("no pool serves queue `{queue}` ({jobs} ready{first})"),
            Lane::Commands => format!("{jobs} command{s} in `{queue}` {wait} for a pool that runs commands"),
            Lane::Others if first.is_empty() => format!("{jobs} job{s} in `{queue}` {wait} for a worker program"),
            Lane::Others => format!("{jobs} job{s} in `{queue}`{first}, {wait} for a worker program"),
            Lane::Type(kind) => {
                format!("{jobs} job{s} of type `{kind}` in `{queue}` {wait} for a worker that takes this type")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(totals: &QueueTotals, takes: Option<&[Takes]>) -> Vec<String> {
        let takes = takes.map(|takes| takes.iter().cloned().collect());
        let found = Unserved::of(totals, takes.as_ref());
        found.into_iter().map(|found| found.with_first(Some("mail".into())).to_string()).collect()
    }

    #[test]
    fn what_waits_for_nobody_is_named_with_its_number_and_the_next_step() {
        let typed = [("resize".into(), 5)].into();
        let totals = QueueTotals { ready: 12, commands: 1, typed, ..QueueTotals::default() };
        let commands = "1 command in `default` waits for a pool that runs commands; add one with \
                        `queue-work spawn --queue default --workers 1`";
        let others = "6 jobs in `default`, the first of type `mail`, wait for a worker program; add one with \
                      `queue-work spawn --queue default --workers 1 -- CMD`";
        let resize = "5 jobs of type `resize` in `default` wait for a worker that takes this type; add one with \
                      `queue-work spawn --queue default --workers 1 -- CMD`";
        assert_eq!(found(&totals, Some(&[Takes::Commands])), [others, resize]);
        assert_eq!(found(&totals, Some(&[Takes::Others])), [commands]);
        assert_eq!(found(&totals, Some(&[Takes::named(["resize"])])), [commands, others]);
        assert_eq!(found(&totals, Some(&[Takes::Others, Takes::Commands])), [""; 0]);
        let nobody =
            "no pool serves queue `default` (12 ready); add one with `queue-work spawn --queue default --workers 1`";
        assert_eq!(found(&totals, None), [nobody]);
        let mail = QueueTotals { ready: 1, ..QueueTotals::default() };
        let nobody = "no pool serves queue `default` (1 ready, the first of type `mail`); add one with \
                      `queue-work spawn --queue default --workers 1 -- CMD`";
        assert_eq!(found(&mail, None), [nobody]);
        assert_eq!(found(&QueueTotals { paused: true, ..totals }, None), [""; 0]);
        assert_eq!(found(&QueueTotals::default(), None), [""; 0]);
    }
}
