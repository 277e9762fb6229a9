//! Requests that are too much for one turn, done a step at a time, in turns with each other and with everything else.
//!
//! Invariants: a turn spends [`LONGEST`] on them at most, and one slice more; they add to the next batch only while that
//! is small, so that no commit is long because of them; what was begun is done to its end, whether its asker listens or
//! not, as long as the store can be written.

use std::collections::VecDeque;
use std::time::Duration;
use std::vec;

use super::Master;
use super::replies::{Answered, Shape};
use crate::core::{Command, Event};
use crate::model::change::Request;
use crate::model::{JobId, Now, WorkerId};
use crate::report::refusals::JobAction;

/// Changes in the next batch from which on no task adds to it.
const ENOUGH: usize = 128;
/// Jobs of one task before the next has its turn.
const SLICE: usize = 32;
/// How long a turn works on tasks.
const LONGEST: Duration = Duration::from_millis(2);

/// Work of a request that is left.
#[derive(Debug)]
pub(super) struct Task {
    /// Group in which its answer is gathered.
    pub(super) group: u64,
    /// Action on each of its jobs.
    pub(super) change: JobAction,
    /// A job that runs is waited for when it is cancelled.
    pub(super) wait: bool,
    /// The worker that it was called from, which is not kept waiting for itself.
    pub(super) caller: Option<WorkerId>,
    pub(super) jobs: vec::IntoIter<JobId>,
}

/// All that is left.
pub(super) type Tasks = VecDeque<Task>;

impl Master {
    /// Whether a task can go on now.
    pub(super) fn has_task(&self) -> bool {
        !self.waits.tasks.is_empty() && self.batches.waiting() < ENOUGH
    }

    /// Goes on with what is left, for a while.
    pub(super) fn go_on_with_tasks(&mut self, now: Now) {
        while self.has_task()
            && let Some(mut task) = self.waits.tasks.pop_front()
        {
            for _ in 0..SLICE {
                let Some(job) = task.jobs.next() else { break };
                self.change_one(&task, job, now);
            }
            self.carry_out();
            if task.jobs.len() > 0 {
                self.waits.tasks.push_back(task);
            }
            if self.clock.now().mono.since(now.mono) > LONGEST {
                return;
            }
        }
    }

    fn change_one(&mut self, task: &Task, job: JobId, now: Now) {
        let (group, change, caller) = (task.group, task.change, task.caller);
        let op = match change {
            JobAction::Cancel => {
                let ticket = self.waits.open(Shape::Part { group, job });
                let command = Command::Cancel { job, wait: task.wait };
                return self.feed(Event::Command { ticket, caller, command });
            }
            JobAction::Retry => Request::Retry(job),
            JobAction::Delete => Request::Delete(job),
        };
        self.batches.add(op, Answered::Changed { group, job, change }, true, false, now);
    }
}
