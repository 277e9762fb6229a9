//! Gathering changes into batches for the writer, and taking the answers apart again.
//!
//! Group commit: at most two batches are on their way; a batch goes at once when somebody waits for it, and
//! after four milliseconds when nobody does. Knows nothing of what a change means, but that of the progress of a run only the
//! last word counts: a worker that reports all the time, to a store that hangs, costs one change.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::model::change::{Change, Op, Reply};
use crate::model::job::Progress;
use crate::model::{JobId, Mono, Now, RunId, UnixMicros};
use crate::store::StoreError;
use crate::store::writer::{Batch, Unsent, Writer};

/// Batches on their way at most.
const ON_THE_WAY: usize = 2;
/// How long a change that nobody waits for may lie, so that others join it.
const PACE: Duration = Duration::from_millis(4);
/// When a writer that is full is tried again.
const FULL: Duration = Duration::from_millis(10);
/// A batch of this many changes goes without further waiting.
const ENOUGH: usize = 1024;

/// Changes of type-tagged origin `T`, on their way to the store.
#[derive(Debug)]
pub(super) struct Batches<T> {
    ops: Vec<Op>,
    tags: Vec<T>,
    /// The places in `ops` of the progress of runs.
    progress: HashMap<RunId, usize>,
    since: Option<Mono>,
    /// The writer took nothing more: not tried again before this.
    not_before: Option<Mono>,
    urgent: bool,
    sync: bool,
    number: u64,
    on_the_way: VecDeque<(u64, Vec<T>)>,
    /// `None` once it was stopped.
    writer: Option<Writer>,
}

impl<T> Batches<T> {
    pub(super) fn new(writer: Option<Writer>) -> Self {
        Self {
            ops: Vec::new(),
            tags: Vec::new(),
            progress: HashMap::new(),
            since: None,
            not_before: None,
            urgent: false,
            sync: false,
            number: 0,
            on_the_way: VecDeque::new(),
            writer,
        }
    }

    /// Adds a change. `urgent`: somebody waits for it to be committed; `sync`: for it to be on the disk.
    pub(super) fn add(&mut self, op: impl Into<Op>, tag: T, urgent: bool, sync: bool, now: Now) {
        self.ops.push(op.into());
        self.tags.push(tag);
        self.since.get_or_insert(now.mono);
        self.urgent |= urgent;
        self.sync |= sync;
    }

    /// Adds the progress of a run, in place of what it said before and was not yet sent.
    pub(super) fn add_progress(&mut self, (job, run): (JobId, RunId), progress: Progress, tag: T, now: Now) {
        let unsent = self.progress.get(&run).and_then(|&at| self.ops.get_mut(at));
        if let Some(Op::Change(Change::Progress { progress: before, .. })) = unsent {
            let state = progress.state.or(before.state.take());
            *before = Progress { state, ..progress };
            return;
        }
        self.progress.insert(run, self.ops.len());
        self.add(Change::Progress { job, run, progress }, tag, false, false, now);
    }

    /// Sends a batch if it is time.
    pub(super) fn send(&mut self, now: Now) {
        let Some(writer) = &self.writer else { return };
        if self.ops.is_empty() || self.on_the_way.len() >= ON_THE_WAY {
            return;
        }
        let waited = self.since.is_some_and(|since| now.mono.since(since) >= PACE);
        if self.not_before.is_some_and(|at| now.mono < at) {
            return;
        }
        if !self.urgent && !waited && self.ops.len() < ENOUGH {
            return;
        }
        let ops = std::mem::take(&mut self.ops);
        let batch = Batch { number: self.number + 1, ops, at: now.wall, sync: self.sync };
        match writer.send(batch) {
            Ok(()) => {
                self.number += 1;
                self.on_the_way.push_back((self.number, std::mem::take(&mut self.tags)));
                self.progress.clear();
                self.since = None;
                self.not_before = None;
                self.urgent = false;
                self.sync = false;
            }
            Err(Unsent::Full(batch) | Unsent::Gone(batch)) => {
                self.ops = batch.ops;
                self.not_before = Some(now.mono + FULL);
            }
        }
    }

    /// Asks the writer whether others have written to the store.
    pub(super) fn check(&self) {
        if let Some(writer) = &self.writer {
            writer.check();
        }
    }

    /// A number that grows while the writer does something; it does where it is asked to check.
    pub(super) fn writer_pulse(&self) -> u64 {
        self.writer.as_ref().map_or(0, Writer::pulse)
    }

    /// Ends the writer, and with it the generation if that ends in order, `at` a time.
    pub(super) fn stop(&mut self, at: Option<UnixMicros>) -> Result<(), StoreError> {
        self.writer.take().map_or(Ok(()), |writer| writer.stop(at))
    }

    /// The tags of a committed batch with their replies, in order.
    pub(super) fn committed(&mut self, number: u64, replies: Vec<Reply>) -> Vec<(T, Reply)> {
        self.take(number).into_iter().zip(replies).collect()
    }

    /// Takes out the changes that were not yet sent and whose tag matches; their tags.
    pub(super) fn withdraw_unsent(&mut self, matches: impl Fn(&T) -> bool) -> Vec<T> {
        let which: Vec<bool> = self.tags.iter().map(matches).collect();
        let (mut op, mut tag) = (which.iter(), which.iter());
        self.ops.retain(|_| !op.next().is_some_and(|&out| out));
        // The places are others now.
        self.progress.clear();
        let withdrawn = self.tags.extract_if(.., |_| tag.next().is_some_and(|&out| out)).collect();
        if self.ops.is_empty() {
            (self.since, self.urgent, self.sync) = (None, false, false);
        }
        withdrawn
    }

    /// The tags of a batch that is on its way.
    pub(super) fn tags_of(&mut self, number: u64) -> &mut [T] {
        let found = self.on_the_way.iter_mut().find(|(n, _)| *n == number);
        found.map_or(&mut [], |(_, tags)| tags)
    }

    /// The tags of a batch that is over.
    pub(super) fn take(&mut self, number: u64) -> Vec<T> {
        match self.on_the_way.front() {
            Some((first, _)) if *first == number => self.on_the_way.pop_front().map(|(_, t)| t).unwrap_or_default(),
            Some(_) | None => Vec::new(),
        }
    }

    /// When [`Batches::send`] has something to do, if nothing else happens.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let free = self.on_the_way.len() < ON_THE_WAY;
        let due = self.since.filter(|_| free).map(|since| if self.urgent { since } else { since + PACE });
        due.map(|at| self.not_before.map_or(at, |not_before| at.max(not_before)))
    }

    /// The batch with which everything added so far is committed, sent at once as somebody waits for it; `None`: it is.
    pub(super) fn horizon(&mut self) -> Option<u64> {
        if self.ops.is_empty() {
            return self.on_the_way.back().map(|&(number, _)| number);
        }
        self.urgent = true;
        Some(self.number + 1)
    }

    /// The number that the next batch will have.
    pub(super) const fn next_number(&self) -> u64 {
        self.number + 1
    }

    /// Changes that wait for the next batch.
    pub(super) fn waiting(&self) -> usize {
        self.ops.len()
    }

    /// Nothing is waiting or on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.ops.is_empty() && self.on_the_way.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::JobId;
    use crate::model::change::Change;

    #[test]
    fn what_is_withdrawn_before_it_is_sent_takes_its_tag_along() {
        let mut batches = Batches::new(None);
        let now = Now { mono: Mono(0), wall: UnixMicros(0) };
        for n in 1..=4 {
            batches.add(Change::cancel(JobId(n)), n, false, false, now);
        }
        assert_eq!(batches.withdraw_unsent(|n| n % 2 == 0), [2, 4]);
        assert!(matches!(
            batches.ops[..],
            [Op::Change(Change::Cancel { job: JobId(1), .. }), Op::Change(Change::Cancel { job: JobId(3), .. })]
        ));
        assert_eq!(batches.tags, [1, 3]);
        assert_eq!(batches.withdraw_unsent(|_| true), [1, 3]);
        assert_eq!(batches.next_deadline(), None, "nothing is left to be sent");
    }

    #[test]
    fn who_waits_for_what_was_added_waits_for_the_next_batch_and_hurries_it() {
        let mut batches = Batches::new(None);
        assert_eq!(batches.horizon(), None, "everything is committed");
        let now = Now { mono: Mono(0), wall: UnixMicros(0) };
        batches.add(Change::cancel(JobId(1)), (), false, false, now);
        assert_eq!(batches.next_deadline(), Some(now.mono + PACE));
        assert_eq!(batches.horizon(), Some(1));
        assert_eq!(batches.next_deadline(), Some(now.mono));
        batches.on_the_way.push_back((1, std::mem::take(&mut batches.tags)));
        batches.ops.clear();
        assert_eq!(batches.horizon(), Some(1), "it is on its way");
    }

    #[test]
    fn of_the_progress_of_a_run_the_last_word_counts_and_a_state_lasts() {
        let mut batches = Batches::new(None);
        let now = Now { mono: Mono(0), wall: UnixMicros(0) };
        let say = |percent, state: Option<&str>| Progress { percent, message: None, state: state.map(Into::into) };
        for n in 0..1000 {
            batches.add_progress((JobId(1), RunId(1)), say(Some(f64::from(n)), Some("7")), 1, now);
        }
        batches.add_progress((JobId(2), RunId(2)), say(Some(5.0), None), 2, now);
        batches.add_progress((JobId(1), RunId(1)), say(Some(9.0), None), 3, now);
        assert_eq!(batches.tags, [1, 2]);
        assert!(
            matches!(&batches.ops[0], Op::Change(Change::Progress { progress, .. }) if *progress == say(Some(9.0), Some("7")))
        );
        assert_eq!(batches.withdraw_unsent(|tag| *tag == 1), [1]);
        batches.add_progress((JobId(2), RunId(2)), say(Some(6.0), None), 4, now);
        assert_eq!(batches.tags, [2, 4], "where others stand now is not written over");
    }
}
