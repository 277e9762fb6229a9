//! The events of this master as a stream: the last ones are kept, and clients follow those that come.
//!
//! An event is a line of `--log-format json` with a number, one more than that of the event before. Output of workers is
//! followed as the log, and runs that end well are told only while a client asks for them, without a number and not kept: a
//! master of tiny jobs pays for none of them.
//!
//! Invariant: who follows gets every event, in order, or is told how many were missed.

use std::collections::VecDeque;

use serde_json::value::RawValue;

use super::codec::control;
use super::{Master, wall};
use crate::model::{Generation, Notice, UnixMicros};
use crate::report::Event;
use crate::report::events::{self, Step};
use crate::wire::control::FollowedEvents;

/// Events that are kept for clients that come later.
const KEPT: usize = 2000;

/// The last events.
#[derive(Debug, Default)]
pub(super) struct Happened {
    kept: VecDeque<(UnixMicros, Event)>,
    /// The number of the next one.
    next: u64,
}

impl Happened {
    fn keep(&mut self, event: Event, at: UnixMicros) {
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back((at, event));
        self.next += 1;
    }

    /// Events from this number on, and how many of those are kept no more.
    fn since(&self, from: u64, generation: Generation) -> FollowedEvents {
        let first = self.next - self.kept.len() as u64;
        let later = (first..).zip(&self.kept).skip_while(|(seq, _)| *seq < from);
        let events = later.filter_map(|(seq, (at, event))| line(Some(seq), event, generation, *at)).collect();
        FollowedEvents { events, missed: first.saturating_sub(from), next: self.next }
    }
}

/// The line of an event, with its number in front.
fn line(seq: Option<u64>, event: &Event, generation: Generation, at: UnixMicros) -> Option<Box<RawValue>> {
    let mut line = events::json(event, Some(generation), at);
    if let Some(seq) = seq {
        line.insert_str(1, &format!("\"seq\":{seq},"));
    }
    RawValue::from_string(line).ok()
}

impl Master {
    /// Keeps an event, and passes it on.
    pub(super) fn happens(&mut self, event: Event, at: UnixMicros) {
        self.pass_on_event(Some(self.happened.next), &event, at);
        self.happened.keep(event, at);
    }

    /// A run began, or ended well, and somebody follows all runs.
    pub(super) fn run_happens(&mut self, notice: Notice) {
        self.pass_on_event(None, &notice.into(), wall());
    }

    /// A step, to those who follow steps.
    pub(super) fn step_happens(&mut self, step: Step) {
        if let Some(line) = line(None, &Event::Step(step), self.fixed.generation, wall()) {
            self.clients.publish_event(|wish| wish.debug, &control::happened(&line));
        }
    }

    fn pass_on_event(&mut self, seq: Option<u64>, event: &Event, at: UnixMicros) {
        if self.clients.has_followers()
            && let Some(line) = line(seq, event, self.fixed.generation, at)
        {
            let is_run = seq.is_none();
            self.clients.publish_event(|wish| wish.runs || !is_run, &control::happened(&line));
        }
    }

    /// The events from this number on; absent: none of those that were before.
    pub(super) fn events_since(&self, from: Option<u64>) -> FollowedEvents {
        self.happened.since(from.unwrap_or(self.happened.next), self.fixed.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_events_are_kept_with_their_numbers_and_what_is_lost_is_counted() {
        let mut happened = Happened::default();
        let since = |happened: &Happened, from| {
            let FollowedEvents { events, missed, next } = happened.since(from, Generation(3));
            let numbers: Vec<u64> = events
                .iter()
                .map(|event| serde_json::from_str::<serde_json::Value>(event.get()).unwrap()["seq"].as_u64().unwrap())
                .collect();
            (numbers.first().copied(), numbers.len(), missed, next)
        };
        assert_eq!(since(&happened, 0), (None, 0, 0, 0));
        for n in 0..KEPT as u64 + 5 {
            happened.keep(Notice::Problem { text: n.to_string() }.into(), UnixMicros(1));
        }
        assert_eq!(since(&happened, 0), (Some(5), KEPT, 5, 2005));
        assert_eq!(since(&happened, 2000), (Some(2000), 5, 0, 2005));
        assert_eq!(since(&happened, u64::MAX), (None, 0, 0, 2005));
    }
}
