//! The calls that go on record: a sample of those that were slow or failed.
//!
//! Invariant: in a minute [`MOST_A_MINUTE`] of all services at most (one of each where there are more), as many of each, and no
//! more slow ones than failed ones: what happens often hides nothing else.

use std::time::Duration;

use super::service::Service;
use super::{Call, CallAction, Turn};
use crate::model::call_log::{CallFailure, CallSample, MOST_A_MINUTE};
use crate::model::service::CallError;
use crate::model::{Mono, Slot};

const MINUTE: Duration = Duration::from_mins(1);
/// Names and messages are cut to so many bytes.
const MOST_NAME: usize = 200;
const MOST_MESSAGE: usize = 1000;

/// Calls that were put on record in a minute.
#[derive(Debug, Default)]
pub(super) struct Sampling {
    /// In minutes since the clock began.
    minute: u64,
    slow: u32,
    failed: u32,
}

impl Sampling {
    fn has_room(&mut self, is_failed: bool, services: usize, now: Mono) -> bool {
        let minute = now.0 / MINUTE.as_micros() as u64;
        if minute != self.minute {
            *self = Self { minute, ..Self::default() };
        }
        let taken = if is_failed { &mut self.failed } else { &mut self.slow };
        let share = (MOST_A_MINUTE / 2 / services.max(1) as u32).max(1);
        *taken += u32::from(*taken <= share);
        *taken <= share
    }
}

impl Service {
    /// Puts a call that is over on record, if it was slow or failed and there is room. `given`: where and when a worker got it.
    pub(super) fn sample(
        &mut self,
        call: &Call,
        (arrived, given): (Mono, Option<(Slot, Mono)>),
        error: Option<&CallError>,
        turn: &mut Turn<'_>,
    ) {
        let took = turn.now.since(arrived);
        if (error.is_none() && took < self.settings.slow_call)
            || !self.sampling.has_room(error.is_some(), turn.services, turn.now)
        {
            return;
        }
        turn.out.push(CallAction::Log(Box::new(CallSample {
            service: self.pool.clone(),
            method: call.method.as_deref().map(|name| cut(name, MOST_NAME)),
            peer: cut(&call.peer, MOST_NAME),
            worker: given.map(|(slot, _)| format!("{}-{slot}", self.pool)),
            waited_s: given.map(|(_, at)| at.since(arrived).as_secs_f64()),
            took_s: took.as_secs_f64(),
            error: error.map(|error| CallFailure { code: error.code, message: cut(&error.message, MOST_MESSAGE) }),
            traceparent: call.traceparent.as_deref().map(str::to_owned),
        })));
    }
}

fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}
