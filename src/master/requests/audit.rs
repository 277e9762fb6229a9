//! The record of what is changed by hand: a deed is put on it in the turn in which it is begun, and once more with what came
//! of it, in the master's ordinary batches.
//!
//! Invariants: pushes, and whatever workers ask for, cost nothing here; a deed that is done is on record in the same batch or
//! an earlier one; one whose asker has gone stays as it was begun.

use super::{Answer, Asker, Peer, Question, Refused};
use crate::core::{Done, Tag, Ticket};
use crate::master::Master;
use crate::master::codec::control;
use crate::master::store_events::Purpose;
use crate::model::UnixMicros;
use crate::model::audit::Deed;
use crate::model::change::Change;
use crate::report::audit::{self, Said};

/// The deed of a request that is owed an answer.
#[derive(Debug)]
pub(super) struct OpenDeed {
    deed: Deed,
    /// Whether it is on record as begun.
    is_logged: bool,
}

impl Master {
    /// The deed that a question asks for, if that is to be on record.
    pub(super) fn deed(&mut self, asker: &Asker, question: &Question) -> Option<Box<OpenDeed>> {
        let is_known = match asker.peer {
            Peer::Client(_) => true,
            // A master that asks has it on record itself.
            Peer::Order(_) => asker.by.is_some(),
            Peer::Worker(_) => false,
        };
        let (verb, target) = said(question, self.core.pool_unnamed()).filter(|_| is_known)?;
        let (who, passed_on) = match (asker.peer, &asker.by) {
            (Peer::Client(client), by) => (self.clients.user_of(client).map(str::to_owned), by.as_ref()),
            (Peer::Order(_) | Peer::Worker(_), by) => (by.as_ref().and_then(|by| by.who.clone()), None),
        };
        let last = &mut self.requests.last_deed;
        *last = self.time.now().wall.max(UnixMicros(last.0 + 1));
        let mut deed = Deed::begun(*last, who, verb, &target);
        if let Some(by) = passed_on {
            deed = deed.passed_on((**by).clone());
        }
        Some(Box::new(OpenDeed { deed, is_logged: false }))
    }

    /// Puts a deed on record whose answer takes its time.
    pub(super) fn log_begun(&mut self, ticket: Ticket) {
        if let Some(open) = self.requests.table.deed(ticket).filter(|open| !open.is_logged) {
            open.is_logged = true;
            let deed = open.deed.clone();
            self.log_deed(Change::LogDeed(Box::new(deed)));
        }
    }

    /// Puts on record what came of a deed, once.
    pub(super) fn conclude(&mut self, ticket: Ticket, answer: Result<&Answer, &Refused>) {
        let Some(open) = self.requests.table.take_deed(ticket) else { return };
        let OpenDeed { deed, is_logged } = *open;
        let deed = match answer {
            Ok(answer) => ended(deed, answer),
            // A question that makes no sense is no deed.
            Err(Refused::Params(_)) if !is_logged => return,
            Err(Refused::Failed(_, why) | Refused::Unavailable(why) | Refused::Params(why)) => deed.refused(why),
        };
        let deed = Box::new(deed);
        self.log_deed(if is_logged { Change::EndDeed(deed) } else { Change::LogDeed(deed) });
    }

    fn log_deed(&mut self, change: Change) {
        self.batches.add(change, Purpose::Core(Tag::None), true, false, self.time.now());
    }

    /// The user or the role that asks for this, in a word.
    pub(super) fn asker_of(&mut self, ticket: Ticket) -> Option<String> {
        self.requests.table.deed(ticket)?.deed.asker()
    }
}

/// The deed with what came of it.
fn ended(deed: Deed, answer: &Answer) -> Deed {
    let count = |n: usize| Some(n as u64);
    match answer {
        Answer::Jobs { changed, refused, .. } => {
            let first = control::first_refused(refused);
            deed.ended_with(changed.count, first.as_ref().map(|refused| &*refused.reason))
        }
        Answer::Operations(operations, _) => {
            let operation = operations.first().map(|operation| operation.id);
            Deed { operation, ..deed }.ended(None)
        }
        Answer::Queues(paused) => deed.ended(count(paused.queues.len())),
        Answer::Switched(processors) => deed.ended(count(processors.len())),
        Answer::Done(done) => deed.ended(affected(done)),
        _ => deed.ended(None),
    }
}

fn affected(done: &Done) -> Option<u64> {
    match done {
        Done::Restarted(restarted) => Some(restarted.workers.len() as u64),
        Done::Stopped(stopped) => Some(stopped.workers),
        Done::AtOnce(done) => affected(done),
        Done::Scaled(_) | Done::Ran(_) | Done::Reloaded(_) | Done::Cancelled | Done::Worked(_) => None,
    }
}

/// The words for a question, where it is to be on record. `unnamed`: the pool that is meant where none is named.
fn said(question: &Question, unnamed: Option<&str>) -> Option<Said> {
    Some(match question {
        Question::Scale(params) => audit::scale(params, unnamed),
        Question::Spawn(params) => ("spawn", audit::pool(params.pool.as_deref(), &params.queues)),
        Question::Work(params) => ("work", audit::pool(None, &params.queues)),
        Question::Restart(params) => audit::restart(params),
        Question::Stop(params) => audit::stop(params),
        Question::Reload(params) if !params.dry_run => ("reload", String::from("the configuration")),
        Question::Pause { queues, paused } => audit::pause(queues, *paused),
        Question::SetQueue(params) => audit::limits(params),
        Question::ChangeJobs { action, jobs } => audit::change(action, &jobs.ids, jobs.filter.as_deref()),
        Question::StopOperation(id) => ("stop", format!("operation {id}")),
        Question::NoteFailure(params) => audit::note(params),
        Question::SwitchProcessors(params) => audit::switch(&params.processors, params.enabled),
        Question::Debug(params) => audit::debug(params),
        Question::RunProcessor { processor, .. } => ("run", format!("processor `{processor}`")),
        // Runs outside are on record themselves, as jobs are.
        Question::BeginRun(_)
        | Question::EndRun(_)
        | Question::Push(_)
        | Question::PushMany { .. }
        | Question::BeginBulk
        | Question::AddToBulk { .. }
        | Question::CommitBulk { .. }
        | Question::DropBulk(_)
        // The rest changes nothing.
        | Question::Ping
        | Question::Status
        | Question::Metrics
        | Question::Autoscale
        | Question::Reload(_)
        | Question::Operations
        | Question::WaitForJob(_)
        | Question::LookAtProcessors(_)
        | Question::Look(_)
        | Question::Follow(_)
        | Question::LogWritten
        | Question::FollowEvents(_)
        | Question::Leaks => return None,
    })
}
