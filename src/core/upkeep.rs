//! Upkeep: when what is due is made ready, and when old records are removed.
//!
//! Records are removed often where records are kept for a short time or were found by the last step, seldom where nothing was found for a
//! while. Invariants: one step of each at a time; no step while the master stops; no step in the hour after the clock was set
//! forward, as by a clock that is wrong for a moment everything is old.

use std::sync::Arc;
use std::time::Duration;

use super::{Action, Core, Phase, Tag};
use crate::model::change::{Change, KeepFor};
use crate::model::processor::ProcessorSettings;
use crate::model::{Mono, Now, QueueName, UnixMicros};

/// Pause after a step that found nothing, at first.
const PAUSE: Duration = Duration::from_secs(30);
/// Longest pause: it doubles with every step that finds nothing.
const LONGEST_PAUSE: Duration = Duration::from_mins(5);
/// Shortest pause, where records are kept for a very short time.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
/// Pause after a step that removed something: there may be more.
const PAUSE_BETWEEN: Duration = Duration::from_millis(100);
/// Time without steps after the clock was set forward, in case it is set back.
const AFTER_CLOCK_STEP: Duration = Duration::from_hours(1);
/// Most jobs of one promotion step.
const PROMOTE_STEP: u32 = 1000;
/// Rows looked at in one step, per table.
const STEP: u32 = 500;

/// The state of the removal.
#[derive(Debug, Default)]
pub(super) struct Upkeep {
    /// `None`: everything is kept.
    keep: Option<KeepFor>,
    next: Mono,
    not_before: Mono,
    /// Steps in a row that found nothing.
    vain: u32,
    /// A step is on its way.
    asked: bool,
}

impl Upkeep {
    fn pause(&self, keep: KeepFor) -> Duration {
        let half = keep.succeeded.min(keep.dead).min(keep.runs) / 2;
        half.clamp(SHORTEST_PAUSE, (PAUSE * 2_u32.pow(self.vain.min(8))).min(LONGEST_PAUSE))
    }
}

/// The state of making ready what is due.
#[derive(Debug, Default)]
pub(super) struct Promotion {
    /// When the store has something to promote.
    due: Option<UnixMicros>,
    /// A step is on its way.
    pub(super) asked: bool,
}

impl Core {
    /// When the store next has something to promote, as it says with every batch.
    pub(super) fn set_due(&mut self, due: Option<UnixMicros>) {
        self.promotion.due = due;
    }

    /// When the next promotion is due, if one can be.
    pub(super) fn next_promotion(&self, now: Now) -> Option<Mono> {
        let Promotion { due, asked } = self.promotion;
        let due = due.filter(|_| self.phase == Phase::Running && !asked && !self.is_out_of_time());
        due.map(|due| now.mono + due.since(now.wall))
    }

    /// Asks the store to make ready what is due.
    pub(super) fn promote(&mut self, now: Now, out: &mut Vec<Action>) {
        if self.next_promotion(now).is_some_and(|at| at <= now.mono) {
            self.promotion = Promotion { due: None, asked: true };
            out.push(Action::Write(Change::Promote { limit: PROMOTE_STEP }, Tag::Promote));
        }
    }

    /// Jobs in these queues are ready.
    pub(super) fn promoted(&mut self, queues: &[QueueName]) {
        self.promotion.asked = false;
        if !queues.is_empty() {
            self.news(queues);
        }
    }

    /// From now on what ended longer ago than this is removed.
    pub fn keep_records_for(&mut self, keep: KeepFor) {
        self.upkeep.keep = Some(keep);
    }

    /// Whether records are kept, and not only until they are read.
    pub(super) const fn keeps_records(&self) -> bool {
        self.upkeep.keep.is_some()
    }

    /// Asks for the next step if it is due.
    pub(super) fn prune(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(keep) = self.upkeep.keep.filter(|_| self.next_prune().is_some_and(|at| at <= now.mono)) else {
            return;
        };
        self.upkeep.asked = true;
        let served = self.pools.values().flat_map(|pool| pool.settings.queues.names()).cloned().collect();
        let own = |one: &Arc<ProcessorSettings>| Some((one.name.clone(), now.wall.minus(one.keep_runs?)));
        let keep_runs = Arc::new(self.processors().filter_map(own).collect());
        let change = Change::Prune { keep: keep.before(now.wall, STEP), served: Arc::new(served), keep_runs };
        out.push(Action::Write(change, Tag::Prune));
    }

    /// A step is done.
    pub(super) fn pruned(&mut self, found: bool, now: Now) {
        let Some(keep) = self.upkeep.keep else { return };
        self.upkeep.asked = false;
        self.upkeep.vain = if found { 0 } else { self.upkeep.vain + 1 };
        self.upkeep.next = now.mono + if found { PAUSE_BETWEEN } else { self.upkeep.pause(keep) };
    }

    /// The clock was set forward.
    pub(super) fn doubt_the_clock(&mut self, now: Now) {
        self.upkeep.not_before = now.mono + AFTER_CLOCK_STEP;
    }

    /// When the next step is due, if one can be.
    pub(super) fn next_prune(&self) -> Option<Mono> {
        let Upkeep { keep, next, not_before, asked, .. } = self.upkeep;
        (keep.is_some() && !asked && self.phase == Phase::Running).then_some(next.max(not_before))
    }
}
