//! Changes of many jobs that go on by themselves: [`Task`]s that nobody waits for, of which is known how far they are.
//!
//! ```text
//! asked ─► the reader looks for the jobs ─► running ─► done, when each job has its reply
//!                       │                     └─► stopped by somebody: what is left is as it was
//!                       └─► failed
//! ```
//!
//! Invariants: the asker is answered when the jobs are found, and they are those that were there when it asked; a master that
//! ends leaves its operations `running`, and the next one looks for the jobs that are left, which are still in their state.

use std::collections::BTreeMap;

use super::begin::{Begun, busy};
use super::jobs::{Spread, Task};
use super::{Answer, Question, Refused};
use crate::core::{Tag, Ticket};
use crate::master::codec::control;
use crate::master::store_events::Purpose;
use crate::master::{Master, reader};
use crate::model::change::Change;
use crate::model::operation::{MOST_OPERATIONS, Operation, OperationState};
use crate::model::{JobAction, JobId, Now, OperationId, UnixMicros};
use crate::report::refusals::Became;
use crate::wire::control::Jobs;
use crate::wire::push;

/// Jobs after which it is written how far an operation is.
const WRITE_EVERY: u64 = 5_000;

/// All that are remembered.
#[derive(Debug, Default)]
pub(in crate::master) struct Operations {
    all: BTreeMap<OperationId, Operation>,
    /// By the ticket under which their jobs are changed.
    running: BTreeMap<Ticket, Running>,
}

/// An operation that is not over.
#[derive(Debug)]
struct Running {
    id: OperationId,
    /// The request that began it, until the jobs are found.
    asker: Option<Ticket>,
    /// Jobs without a reply.
    left: u64,
    /// Jobs until it is written again.
    unwritten: u64,
}

impl Operations {
    fn of(&mut self, ticket: Ticket) -> Option<(&mut Running, &mut Operation)> {
        let running = self.running.get_mut(&ticket)?;
        let operation = self.all.get_mut(&running.id)?;
        Some((running, operation))
    }

    fn add(&mut self, operation: Operation) {
        self.all.insert(operation.id, operation);
        while self.all.len() > MOST_OPERATIONS as usize {
            self.all.pop_first();
        }
    }

    pub(super) fn list(&self) -> Vec<Operation> {
        self.all.values().cloned().collect()
    }
}

impl Master {
    /// Begins to change the jobs of a filter by itself.
    pub(super) fn begin_operation(&mut self, asker: Ticket, action: JobAction, mut params: Jobs) -> Begun {
        self.writable()?;
        let Some(filter) = &mut params.filter else {
            return Err(Refused::Params("what goes on by itself takes a `filter`, or `all`".to_owned()));
        };
        let now = self.time.now();
        let spread = push::span("spread", params.spread.as_ref()).map_err(Refused::Params)?;
        if spread.is_some() && action != JobAction::Retry {
            return Err(Refused::Params("`spread` is for `jobs.retry`".to_owned()));
        }
        // Jobs that come later are not meant, nor those that end once more.
        filter.until = Some(filter.until.map_or(now.wall, |until| until.min(now.wall)));
        if let JobAction::Set(setting) = &action {
            (params.delay, params.at) = (None, setting.due.map(|(at, _)| at));
        }
        params.all = false;
        let kept = Jobs { background: false, spread: None, ..params.clone() };
        let operation = Operation {
            id: OperationId(self.requests.operations.all.last_key_value().map_or(1, |(last, _)| last.0 + 1)),
            verb: action.verb().to_owned(),
            params: control::recorded(&kept),
            by: self.asker_of(asker),
            spread_until: spread.map(|spread| now.wall.plus(spread)),
            expected: 0,
            done: 0,
            passed_over: 0,
            refused: 0,
            state: OperationState::Running,
            started_at: now.wall,
            ended_at: None,
        };
        self.run_operation(Some(asker), operation, action, params).map(|()| None)
    }

    fn run_operation(
        &mut self,
        asker: Option<Ticket>,
        operation: Operation,
        action: JobAction,
        params: Jobs,
    ) -> Result<(), Refused> {
        let ticket = self.requests.table.unasked();
        // An operation that goes on is spread over what is left of its time.
        let from = if asker.is_some() { operation.started_at } else { self.time.now().wall };
        let spread = operation.spread_until.map(|until| Spread { from, until, jobs: 0 });
        let task = Task { spread, ..Task::of_filter(ticket, action, &params) };
        let filter = params.filter.unwrap_or_default();
        if !self.requests.reader.ask(reader::Origin::Request(ticket), reader::Question::Ids(filter)) {
            return Err(busy());
        }
        let running = Running { id: operation.id, asker, left: 0, unwritten: WRITE_EVERY };
        self.requests.operations.add(operation);
        self.requests.operations.running.insert(ticket, running);
        self.requests.selecting.insert(ticket, task);
        Ok(())
    }

    /// The jobs of an operation are found, so many, or not; true if it was one.
    pub(super) fn operation_found(&mut self, ticket: Ticket, found: Result<u64, &Refused>) -> bool {
        let now = self.time.now();
        let Some((running, operation)) = self.requests.operations.of(ticket) else { return false };
        running.left = found.unwrap_or(0);
        if operation.expected == 0 {
            operation.expected = running.left;
        } else {
            // Of an operation that goes on, what is not left any more was done before.
            let others = operation.passed_over + operation.refused + running.left;
            operation.done = operation.done.max(operation.expected.saturating_sub(others));
        }
        let (asker, id) = (running.asker.take(), running.id);
        let state = if found.is_err() { OperationState::Failed } else { OperationState::Done };
        if running.left == 0 {
            self.end_operation(ticket, state, now);
        } else {
            self.write_operation(ticket, now);
        }
        match (asker, found) {
            (Some(asker), Ok(_)) => {
                let operation = self.requests.operations.all.get(&id).cloned().into_iter().collect();
                self.answer_when_committed(asker, Answer::Operations(operation, true));
            }
            (Some(asker), Err(refused)) => self.answer(asker, Err(refused.clone())),
            (None, Err(refused)) => log::error!("operation {id} cannot go on: {refused:?}"),
            (None, Ok(_)) => {}
        }
        true
    }

    /// Takes in what became of a job; true if it is one of an operation.
    pub(super) fn operation_part(&mut self, ticket: Ticket, became: &Became) -> bool {
        let now = self.time.now();
        let Some((running, operation)) = self.requests.operations.of(ticket) else { return false };
        match became {
            Became::Changed => operation.done += 1,
            Became::Left(_) => operation.passed_over += 1,
            Became::Refused(_) => operation.refused += 1,
        }
        running.left -= 1;
        running.unwritten -= 1;
        if running.left == 0 {
            let is_stopped = operation.state == OperationState::Stopped;
            let state = if is_stopped { OperationState::Stopped } else { OperationState::Done };
            self.end_operation(ticket, state, now);
        } else if running.unwritten == 0 {
            running.unwritten = WRITE_EVERY;
            self.write_operation(ticket, now);
        }
        true
    }

    /// Ends an operation before all its jobs are changed.
    pub(super) fn stop_operation(&mut self, request: Ticket, id: OperationId) -> Begun {
        let now = self.time.now();
        let ticket = self.requests.operations.running.iter().find(|(_, running)| running.id == id).map(|(at, _)| *at);
        if let Some(ticket) = ticket {
            self.requests.selecting.remove(&ticket);
            let tasks = &mut self.requests.tasks;
            let task = tasks.iter().position(|task| task.ticket == ticket).and_then(|at| tasks.remove(at));
            let unasked = task.map_or(0, |task| task.jobs.len());
            let Some((running, operation)) = self.requests.operations.of(ticket) else { return Ok(None) };
            operation.state = OperationState::Stopped;
            // Changes on their way to the store have their replies yet.
            running.left -= unasked as u64;
            let (is_over, asker) = (running.left == 0, running.asker.take());
            if is_over {
                self.end_operation(ticket, OperationState::Stopped, now);
            } else {
                // A master that dies now leaves no word that it is to go on.
                self.write_operation(ticket, now);
            }
            if let Some(asker) = asker {
                self.answer(asker, Err(Refused::Failed(5, format!("operation {id} was stopped before it began"))));
            }
        }
        let operation = self.requests.operations.all.get(&id).cloned();
        let missing = || Refused::Failed(4, format!("there is no operation {id}; see `queue-work jobs operations`"));
        let operation = operation.ok_or_else(missing)?;
        self.answer_when_committed(request, Answer::Operations(vec![operation], true));
        Ok(None)
    }

    /// Goes on with what the master before has not ended.
    pub(in crate::master) fn resume_operations(&mut self, all: Vec<Operation>) {
        for operation in all {
            self.requests.operations.add(operation);
        }
        let running = self.requests.operations.list().into_iter();
        for operation in running.filter(|operation| operation.state == OperationState::Running) {
            let (id, now) = (operation.id, self.time.now().wall);
            let resumed = self.resume(operation, now);
            if let Err(why) = resumed {
                log::error!("operation {id} cannot go on: {why}");
            }
        }
    }

    fn resume(&mut self, operation: Operation, now: UnixMicros) -> Result<(), String> {
        let question = control::changed_jobs(&operation.verb, &operation.params.to_string(), now)?;
        let Question::ChangeJobs { action, jobs } = question else { return Ok(()) };
        self.run_operation(None, operation, action, *jobs).map_err(|_| "the reader is busy".to_owned())
    }

    /// A master that leaves does not wait for what the next one goes on with.
    pub(in crate::master) fn lay_down_operations(&mut self) {
        let now = self.time.now();
        for ticket in self.requests.operations.running.keys().copied().collect::<Vec<_>>() {
            self.write_operation(ticket, now);
        }
        let running = std::mem::take(&mut self.requests.operations.running);
        self.requests.tasks.retain(|task| !running.contains_key(&task.ticket));
        self.requests.selecting.retain(|ticket, _| !running.contains_key(ticket));
    }

    fn end_operation(&mut self, ticket: Ticket, state: OperationState, now: Now) {
        if let Some((_, operation)) = self.requests.operations.of(ticket) {
            (operation.state, operation.ended_at) = (state, Some(now.wall));
        }
        self.write_operation(ticket, now);
        self.requests.operations.running.remove(&ticket);
    }

    fn write_operation(&mut self, ticket: Ticket, now: Now) {
        if let Some((_, operation)) = self.requests.operations.of(ticket) {
            let change = Change::PutOperation(Box::new(operation.clone()));
            self.batches.add(change, Purpose::Core(Tag::None), false, false, now);
        }
    }
}

impl Task {
    /// Of an operation, before its jobs are found.
    fn of_filter(ticket: Ticket, action: JobAction, params: &Jobs) -> Self {
        let states = params.filter.as_ref().map_or(params.only, |filter| params.only.and(filter.states));
        let jobs = Vec::<JobId>::new().into_iter();
        Self { ticket, action, only: states, passes_over: true, wait: false, caller: None, spread: None, jobs }
    }
}
