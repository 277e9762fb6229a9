//! How calls end: answered, refused, timed out, or given up by their callers.
//!
//! A call that others follow is not lost with its caller: the first follower takes its place. Invariant: the request of a
//! call that is over is abandoned or overdue, so that a late answer finds nobody.

use std::sync::Arc;
use std::time::Duration;

use super::service::{Held, Place, Service, Timer};
use super::stats::End;
use super::workers::{State, Wait};
use super::{Answer, Call, CallAction, CallId, Turn, refusal};
use crate::model::service::CallError;
use crate::model::units::show_duration;
use crate::model::{Mono, WorkerId};

/// How long a worker that takes several calls may take to answer one that was cancelled, before it is replaced.
const GRACE: Duration = Duration::from_secs(5);

impl Service {
    /// A worker has answered a call.
    pub(super) fn answer(&mut self, id: CallId, answer: &Answer, turn: &mut Turn<'_>) {
        let Some(held) = self.take(id) else { return };
        self.circuit.answered(self.settings.circuit, held.is_probe);
        let rules = held.call.method.as_deref().and_then(|method| self.rules.get_mut(method));
        if let (Some(cache), Some(key), Ok(body)) = (rules.and_then(|rules| rules.cache.as_mut()), &held.key, answer) {
            cache.put(key, body, turn.now);
        }
        let after = turn.now.since(held.arrived);
        let is_error = answer.is_err();
        self.reply(held, answer, End::Answered { is_error, after }, End::Shared { is_error }, turn);
    }

    /// Ends a call and those that follow it with an error of ours.
    pub(super) fn refuse(&mut self, id: CallId, error: &CallError, turn: &mut Turn<'_>) {
        let Some(held) = self.take(id) else { return };
        if held.is_probe {
            self.circuit.give_back();
        }
        let end = End::Refused(error.code);
        self.reply(held, &Err(error.clone()), end, end, turn);
    }

    /// `followers`: how the calls that follow this one end.
    fn reply(&mut self, held: Held, answer: &Answer, own: End, followers: End, turn: &mut Turn<'_>) {
        self.count(&held.call, own, turn.now);
        self.sample(&held.call, (held.arrived, held.given), answer.as_ref().err(), turn);
        turn.out.push(CallAction::Reply { call: held.call.id, answer: answer.clone() });
        for call in held.followers {
            if let Some(held) = self.take(call) {
                self.count(&held.call, followers, turn.now);
                turn.out.push(CallAction::Reply { call, answer: answer.clone() });
            }
        }
    }

    /// Takes a call out of all that knows of it, but for its worker and its followers.
    pub(super) fn take(&mut self, id: CallId) -> Option<Held> {
        let held = self.calls.remove(&id)?;
        if let Some(timer) = held.timer {
            self.timers.remove(&(timer, Timer::Call(id)));
        }
        match held.place {
            Place::Queued(lane) => self.queue.remove(lane, held.number),
            Place::Sent { .. } => {}
            Place::Follows(leader) => {
                self.following -= 1;
                if let Some(leader) = self.calls.get_mut(&leader) {
                    leader.followers.remove(&id);
                }
            }
        }
        let rules = held.call.method.as_deref().and_then(|method| self.rules.get_mut(method));
        if let (Some(cache), Some(key)) = (rules.and_then(|rules| rules.cache.as_mut()), &held.key)
            && cache.leaders.get(key) == Some(&id)
        {
            cache.leaders.remove(key);
        }
        Some(held)
    }

    /// The caller is gone.
    pub(super) fn left(&mut self, id: CallId, turn: &mut Turn<'_>) {
        if let Some(call) = self.withdraw(id, turn) {
            self.count(&call, End::Left, turn.now);
        }
    }

    /// Takes a call back for which its caller waits no longer.
    fn withdraw(&mut self, id: CallId, turn: &mut Turn<'_>) -> Option<Arc<Call>> {
        let mut held = self.take(id)?;
        let call = held.call.clone();
        if let Some(next) = held.followers.pop_first() {
            self.take_over(next, held);
            return Some(call);
        }
        if held.is_probe {
            self.circuit.give_back();
        }
        if let Place::Sent { worker, request } = held.place {
            self.set_wait(worker, request, Wait::Abandoned);
            turn.out.push(CallAction::Cancel { worker, request });
        }
        Some(call)
    }

    /// Puts a follower where the call stood that it followed.
    fn take_over(&mut self, id: CallId, before: Held) {
        let Some(mut held) = self.calls.remove(&id) else { return };
        self.following -= 1;
        for follower in &before.followers {
            if let Some(follower) = self.calls.get_mut(follower) {
                follower.place = Place::Follows(id);
            }
        }
        let Held { number, place, sticky, queued_until, given, is_retry, is_probe, followers, .. } = before;
        held = Held { number, place, sticky, queued_until, given, is_retry, is_probe, followers, ..held };
        match place {
            Place::Queued(lane) => self.queue.put(lane, number, id),
            Place::Sent { worker, request } => self.set_wait(worker, request, Wait::For(id)),
            Place::Follows(_) => {}
        }
        self.lead(&held, id);
        self.calls.insert(id, held);
        self.arm_call(id);
    }

    fn set_wait(&mut self, worker: WorkerId, number: u64, wait: Wait) {
        self.workers.change(worker, |worker| {
            if let Some(request) = worker.requests.get_mut(&number) {
                request.wait = wait;
            }
        });
    }

    pub(super) fn tick(&mut self, turn: &mut Turn<'_>) {
        while let Some(&(at, timer)) = self.timers.first()
            && at <= turn.now
        {
            self.timers.pop_first();
            match timer {
                Timer::Call(id) => self.call_is_due(id, turn),
                Timer::Request(worker, request) => self.request_is_due(worker, request, turn),
            }
        }
    }

    fn call_is_due(&mut self, id: CallId, turn: &mut Turn<'_>) {
        let Some(held) = self.calls.get_mut(&id) else { return };
        held.timer = None;
        let is_queued = matches!(held.place, Place::Queued(_));
        if held.call.deadline.is_none_or(|deadline| deadline > turn.now) {
            let error = refusal::waited_too_long(&self.pool, self.queue.len(), &self.settings, self.lack());
            self.refuse(id, &error, turn);
            return;
        }
        let times = (held.arrived, held.given);
        let error = refusal::caller_waited_too_long(&self.pool, self.lack().filter(|_| is_queued));
        if let Some(call) = self.withdraw(id, turn) {
            self.count(&call, End::Refused(error.code), turn.now);
            self.sample(&call, times, Some(&error), turn);
            turn.out.push(CallAction::Reply { call: id, answer: Err(error) });
        }
    }

    /// A worker has not answered in its time, or not even after it was told that nobody waits.
    fn request_is_due(&mut self, id: WorkerId, number: u64, turn: &mut Turn<'_>) {
        let Some(worker) = self.workers.get(id) else { return };
        let Some(request) = worker.requests.get(&number) else { return };
        let (wait, time) = (request.wait, request.limit.since(request.sent));
        let ends_now = wait == Wait::Overdue || worker.concurrency == 1;
        self.set_wait(id, number, Wait::Overdue);
        if let Wait::For(call) = wait {
            turn.out.push(CallAction::Cancel { worker: id, request: number });
            self.refuse(call, &refusal::timed_out(&self.pool, time), turn);
        }
        if ends_now {
            self.replace(id, format!("it did not answer a call in {}", show_duration(time)), turn);
        } else {
            self.rearm_request(id, number, turn.now + GRACE);
        }
        if wait != Wait::Overdue {
            self.failed(turn);
        }
        self.tell_drained(id, turn);
    }

    fn rearm_request(&mut self, id: WorkerId, number: u64, at: Mono) {
        self.workers.change(id, |worker| {
            if let Some(request) = worker.requests.get_mut(&number) {
                request.timer = at;
            }
        });
        self.timers.insert((at, Timer::Request(id, number)));
    }

    /// Asks for another worker instead of this one, once.
    fn replace(&mut self, id: WorkerId, why: String, turn: &mut Turn<'_>) {
        let was_wanted = self.workers.change(id, |worker| {
            let was_wanted = worker.state == State::Ready;
            if was_wanted {
                worker.state = State::Unwanted;
            }
            was_wanted || worker.state == State::Draining
        });
        if was_wanted == Some(true) {
            turn.out.push(CallAction::Replace { worker: id, why });
        }
    }
}
