//! Requests about processors: looking at them, switching them, running them, and runs from outside.

use std::sync::Arc;

use super::begin::Begun;
use super::{Answer, Refused};
use crate::core::{Command, Event, Ticket};
use crate::master::Master;
use crate::master::reader::{self, AboutProcessors};
use crate::master::store_events::Purpose;
use crate::model::change::{Reply, Request};
use crate::model::processor::{BeginRun, OpenRun, ProcessorRunState, ProcessorSettings, Switch};
use crate::model::{EXEC, ProcessorName, ProcessorRunId, run_end};
use crate::process::identity;
use crate::report::refusals;
use crate::wire::processors::{BeginProcessorRun, EndProcessorRun, SwitchProcessors, SwitchedProcessor};

/// The most processors that are switched at once.
const MOST_SWITCHED: usize = 1000;

impl Master {
    pub(super) fn look_at_processors(&mut self, ticket: Ticket, about: AboutProcessors) -> Begun {
        // A master that runs none (a drain, a `work`) knows them all the same.
        let configured = self.in_force.config.processors.iter().cloned().map(Arc::new).collect();
        self.look_for(ticket, reader::Question::Processors(configured, Box::new(about)))
    }

    /// As the file has it, also where this master does not run it.
    fn configured(&self, name: &ProcessorName) -> Option<&ProcessorSettings> {
        self.in_force.config.processors.iter().find(|one| one.name == *name)
    }

    pub(super) fn switch_processors(&mut self, ticket: Ticket, params: SwitchProcessors) -> Begun {
        let SwitchProcessors { processors, enabled, reason } = params;
        if processors.is_empty() || processors.len() > MOST_SWITCHED {
            return Err(Refused::Params(format!(
                "`processors` has {} names; write 1 to {MOST_SWITCHED}",
                processors.len()
            )));
        }
        self.writable()?;
        let file_says = |name: &ProcessorName| self.configured(name).map(|settings| settings.enabled);
        let now_so = |name: &ProcessorName| SwitchedProcessor {
            name: name.clone(),
            enabled: enabled.or(file_says(name)).unwrap_or(true),
        };
        let answer = processors.iter().map(now_so).collect();
        let processors = processors.into_iter().map(|name| (name.clone(), file_says(&name).is_some())).collect();
        let now = self.time.now();
        let switch = Switch {
            enabled,
            changed_at: Some(now.wall),
            changed_by: self.asker_of(ticket),
            reason: reason.map(run_end::cut),
        };
        let op = Request::SwitchProcessors { processors, switch };
        self.batches.add(op, Purpose::SwitchProcessors { ticket, answer }, true, true, now);
        Ok(None)
    }

    pub(super) fn run_processor(
        &mut self,
        ticket: Ticket,
        processor: &ProcessorName,
        args: Option<Box<str>>,
        force: bool,
    ) -> Begun {
        let settings = self.core.processor(processor.as_str()).ok_or_else(|| self.no_processor(processor))?;
        if args.is_some() && settings.job.as_ref().is_some_and(|job| &*job.kind == EXEC) {
            let text = format!("`{processor}` is a command, which takes no args; only a job of another type does");
            return Err(Refused::Params(text));
        }
        self.writable()?;
        self.command(ticket, Command::RunProcessor { processor: processor.to_string(), args, force });
        Ok(None)
    }

    pub(super) fn begin_run(&mut self, ticket: Ticket, params: &BeginProcessorRun) -> Begun {
        let timeout = params.timeout().map_err(Refused::Params)?;
        let process =
            params.pid.map(|pid| identity::on_record(pid).ok_or_else(|| Refused::Failed(1, refusals::no_process(pid))));
        let process = process.transpose()?;
        self.writable()?;
        let now = self.time.now();
        let settings = self.configured(&params.processor);
        let begin = BeginRun::new(&params.processor, settings, process, timeout, now.wall);
        let purpose = Purpose::BeginRun { ticket, begin: Box::new(begin.clone()) };
        self.batches.add(Request::BeginRun(begin), purpose, true, true, now);
        Ok(None)
    }

    pub(super) fn end_foreign(&mut self, ticket: Ticket, params: EndProcessorRun) -> Begun {
        let EndProcessorRun { id: run, state, note } = params;
        let state = state.unwrap_or(ProcessorRunState::Succeeded);
        if !matches!(state, ProcessorRunState::Succeeded | ProcessorRunState::Failed) {
            let text = format!("`state` is `{}`; write `succeeded` or `failed`", state.as_str());
            return Err(Refused::Params(text));
        }
        self.writable()?;
        let op = Request::EndRun { run, state, note: note.map(run_end::cut) };
        self.batches.add(op, Purpose::EndForeign { ticket, run }, true, true, self.time.now());
        Ok(None)
    }

    pub(in crate::master) fn switched(
        &mut self,
        batch: u64,
        durable: bool,
        ticket: Ticket,
        answer: Vec<SwitchedProcessor>,
        reply: Reply,
    ) {
        match reply {
            Reply::NoProcessor(name) => self.answer(ticket, Err(self.no_processor(&name))),
            _ => self.answer_when_safe(batch, durable, ticket, Answer::Switched(answer)),
        }
    }

    pub(in crate::master) fn run_begun(
        &mut self,
        batch: u64,
        durable: bool,
        ticket: Ticket,
        begin: BeginRun,
        reply: Reply,
    ) {
        let answer = match reply {
            Reply::RunBegun(run) => {
                let BeginRun { processor, process, deadline, .. } = begin;
                self.feed(Event::RunBegun { processor, run: OpenRun { id: run.id, job: None, process, deadline } });
                Some(run)
            }
            Reply::NoProcessor(name) => return self.answer(ticket, Err(self.no_processor(&name))),
            _ => None,
        };
        self.answer_when_safe(batch, durable, ticket, Answer::ProcessorRun(answer));
    }

    pub(in crate::master) fn foreign_ended(
        &mut self,
        batch: u64,
        durable: bool,
        ticket: Ticket,
        run: ProcessorRunId,
        reply: Reply,
    ) {
        let refused = match reply {
            Reply::RunEnded(run) => {
                return self.answer_when_safe(batch, durable, ticket, Answer::ProcessorRun(Some(run)));
            }
            Reply::RunIs(state) => Refused::Failed(5, refusals::run_is(run, state)),
            _ => Refused::Failed(4, refusals::no_run(run)),
        };
        self.answer(ticket, Err(refused));
    }

    fn no_processor(&self, name: &ProcessorName) -> Refused {
        let known = self.core.processors().map(|settings| settings.name.as_str());
        Refused::Failed(4, refusals::no_processor(name.as_str(), known))
    }
}
