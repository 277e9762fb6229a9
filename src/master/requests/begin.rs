//! From a question to what is done for it: the table of contents of everything that can be asked.

use std::time::Duration;

use super::{Answer, Asker, Peer, PushForm, Question, Refused};
use crate::core::{Command, Event, Phase, Ticket};
use crate::master::Master;
use crate::master::clients::ClientId;
use crate::master::reader::{self, Origin};
use crate::model::problem::Topic;
use crate::wire::control::{DebugFor, DebugUntil, Follow, FollowEvents, MOST_DEBUG};

/// Result of a question: an answer at once, or none yet.
pub(super) type Begun = Result<Option<Answer>, Refused>;

impl Master {
    /// Does what is asked, or begins to.
    pub(in crate::master) fn ask(&mut self, asker: Asker, question: Question) {
        let refused = self.refusal_of_member(asker.peer, &question);
        let deed = self.deed(&asker, &question);
        let ticket = self.requests.table.open(asker, deed);
        match refused.map_or_else(|| self.begin(ticket, question), Err) {
            Ok(None) => self.log_begun(ticket),
            Ok(Some(answer)) => self.answer(ticket, Ok(answer)),
            Err(refused) => self.answer(ticket, Err(refused)),
        }
    }

    fn begin(&mut self, ticket: Ticket, question: Question) -> Begun {
        match question {
            Question::Ping => Ok(Some(self.ping())),
            Question::Status => Ok(Some(Answer::Status(Box::new(self.status())))),
            Question::Metrics => {
                let collected = Box::new(self.collect());
                self.look_for(ticket, reader::Question::Metrics(collected))
            }
            Question::Autoscale => {
                let pools = self.core.autoscaled(self.time.now());
                Ok(Some(Answer::Autoscale(pools.into_iter().map(Into::into).collect())))
            }
            Question::Push(push) => self.push(ticket, push, PushForm::One),
            Question::PushMany { push, ids } => self.push(ticket, push, PushForm::Many { ids }),
            Question::BeginBulk => self.bulk_begin(ticket),
            Question::AddToBulk { bulk, jobs } => self.bulk_add(ticket, bulk, jobs),
            Question::CommitBulk { bulk, ids, batch } => self.bulk_commit(ticket, bulk, ids, batch),
            Question::DropBulk(bulk) => self.bulk_drop(ticket, bulk),
            Question::Scale(params) => self.scale(ticket, params),
            Question::Spawn(params) => self.spawn_pool(ticket, &params),
            Question::Work(params) => self.work(ticket, &params),
            Question::Restart(params) => self.restart(ticket, params),
            Question::Stop(params) => self.stop_request(ticket, params),
            Question::Reload(params) => self.reload_request(ticket, params),
            Question::Pause { queues, paused } => self.pause(ticket, &queues, paused),
            Question::SetQueue(params) => self.set_queue(ticket, &params),
            Question::ChangeJobs { action, jobs } => self.change_jobs(ticket, action, *jobs),
            Question::Operations => Ok(Some(Answer::Operations(self.requests.operations.list(), false))),
            Question::StopOperation(id) => self.stop_operation(ticket, id),
            Question::WaitForJob(params) => self.wait_for_job(ticket, params),
            Question::LookAtProcessors(about) => self.look_at_processors(ticket, about),
            Question::NoteFailure(params) => self.note_failure(ticket, &params),
            Question::SwitchProcessors(params) => self.switch_processors(ticket, params),
            Question::RunProcessor { processor, args, force } => self.run_processor(ticket, &processor, args, force),
            Question::BeginRun(params) => self.begin_run(ticket, &params),
            Question::EndRun(params) => self.end_foreign(ticket, params),
            Question::Look(question) => self.look_for(ticket, question),
            Question::Follow(which) => self.follow(ticket, which),
            Question::FollowEvents(wish) => self.follow_events(ticket, wish),
            Question::Debug(params) => self.debug_request(params),
            Question::Leaks => Ok(Some(Answer::Leaks(self.core.kept_memory()))),
            // With no room there is more to write than can be waited for.
            Question::LogWritten => Ok(if self.logs.mark(ticket) { None } else { Some(Answer::Yes) }),
        }
    }

    /// Answers a request, if its asker is still there.
    pub(in crate::master) fn answer(&mut self, ticket: Ticket, answer: Result<Answer, Refused>) {
        self.conclude(ticket, answer.as_ref());
        if let Some(asker) = self.requests.table.close(ticket) {
            self.send_answer(&asker, answer);
        }
    }

    /// Drops the requests of clients that have gone, and what they have begun and not ended.
    pub(in crate::master) fn forget_the_gone(&mut self) {
        if !self.clients.take_dropped() {
            return;
        }
        let clients = &self.clients;
        self.requests.table.drop_gone(|peer| matches!(peer, Peer::Client(id) if !clients.has(id)));
        self.drop_bulks_of_the_gone();
        self.core.tell_of_runs(self.clients.any_wants(|wish| wish.runs));
    }

    /// Gives the core a command that nobody has asked for.
    pub(in crate::master) fn command_unasked(&mut self, command: Command) {
        let ticket = self.requests.table.unasked();
        self.command(ticket, command);
    }

    /// The core is told, and replies to the ticket.
    pub(super) fn command(&mut self, ticket: Ticket, command: Command) {
        let caller = self.caller(ticket);
        self.feed(Event::Command { ticket, caller, command });
    }

    /// Nothing is promised while the store fails.
    pub(super) fn writable(&self) -> Result<(), Refused> {
        match self.core.problem_of(Topic::Store) {
            Some(problem) => Err(unavailable(problem, true)),
            None => Ok(()),
        }
    }

    fn ping(&mut self) -> Answer {
        self.nudge();
        Answer::Alive(self.fixed.generation)
    }

    /// A client says that another process has written to the store.
    pub(in crate::master) fn nudge(&mut self) {
        self.batches.check();
    }

    pub(super) fn look_for(&mut self, ticket: Ticket, question: reader::Question) -> Begun {
        if self.requests.reader.ask(Origin::Request(ticket), question) { Ok(None) } else { Err(busy()) }
    }

    fn follow(&mut self, ticket: Ticket, which: Follow) -> Begun {
        let client = self.follower(ticket)?;
        self.clients.follow(client, which);
        Ok(Some(Answer::Yes))
    }

    fn follow_events(&mut self, ticket: Ticket, wish: FollowEvents) -> Begun {
        let client = self.follower(ticket)?;
        let before = self.events_since(wish.since);
        self.clients.follow_events(client, wish);
        self.core.tell_of_runs(self.clients.any_wants(|wish| wish.runs));
        Ok(Some(Answer::Events(before)))
    }

    fn debug_request(&mut self, params: DebugFor) -> Begun {
        let most = MOST_DEBUG.as_secs();
        let length = Duration::try_from_secs_f64(params.seconds).ok().filter(|length| *length <= MOST_DEBUG);
        let length = length.ok_or_else(|| Refused::Params(format!("`seconds` must be 0 to {most}; 0 ends it")))?;
        Ok(Some(Answer::Debug(DebugUntil { until: self.set_debug(length) })))
    }

    fn follower(&self, ticket: Ticket) -> Result<ClientId, Refused> {
        match self.requests.table.peer(ticket) {
            Some(Peer::Client(client)) => Ok(client),
            Some(Peer::Worker(_) | Peer::Order(_)) | None => {
                Err(Refused::Params(String::from("a worker cannot follow what happens")))
            }
        }
    }

    /// Whether the master is on its way out.
    pub(in crate::master) fn is_stopping(&self) -> bool {
        self.core.phase() != Phase::Running
    }
}

/// The refusal while the store cannot be written. `certain`: nothing was changed, nor will be.
pub(in crate::master) fn unavailable(problem: &str, certain: bool) -> Refused {
    Refused::Unavailable(if certain {
        format!("nothing was changed: {problem}")
    } else {
        format!("it is unknown whether anything was or will be changed: {problem}")
    })
}

/// The refusal when the reader has too much to do.
pub(in crate::master) fn busy() -> Refused {
    Refused::Failed(1, String::from("too many questions are waiting; try again"))
}
