//! A wall clock that was set: what waits for a length of time is moved, so that it waits as long as it was to.
//!
//! In bounded steps; until they are done nothing is promoted or claimed, or what only seems to be due or to have expired
//! would be.

use std::collections::VecDeque;

use super::{Action, Core, Tag};
use crate::model::change::Change;
use crate::model::shift::{Shift, Waits};
use crate::model::{JobId, Now, UnixMicros};

/// Rows of one step.
const STEP: u32 = 1000;

/// Moves that are still to be made.
#[derive(Debug, Default)]
pub(super) struct Shifts {
    waiting: VecDeque<Shift>,
    /// A step is on its way.
    asked: bool,
}

impl Core {
    pub(super) fn clock_set(&mut self, by: i64, now: Now, out: &mut Vec<Action>) {
        let shift = |waits| Shift { waits, by, from: now.wall, after: None, limit: STEP };
        self.shifts.waiting.extend([Waits::Due, Waits::Expiry].map(shift));
        if by > 0 {
            self.doubt_the_clock(now);
        }
        if by != 0 {
            self.open_all();
        }
        self.shift_ticks(by, now, out);
    }

    pub(super) fn shifted(&mut self, next: Option<(UnixMicros, JobId)>) {
        self.shifts.asked = false;
        match (next, self.shifts.waiting.front_mut()) {
            (Some(next), Some(shift)) => shift.after = Some(next),
            _ => drop(self.shifts.waiting.pop_front()),
        }
    }

    /// Asks for the next step.
    pub(super) fn shift(&mut self, out: &mut Vec<Action>) {
        if self.shifts.asked {
            return;
        }
        if let Some(&shift) = self.shifts.waiting.front() {
            self.shifts.asked = true;
            out.push(Action::Write(Change::Shift(shift), Tag::Shift));
        }
    }

    /// Whether due times are uncertain, as moves are still to be made.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.shifts.waiting.iter().any(|shift| shift.by != 0)
    }
}
