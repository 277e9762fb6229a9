//! The arrival of a call: it is refused, answered from the cache, follows another, or waits for a worker.
//!
//! A call that arrives before the first worker is ready waits unchecked, and is checked as soon as the methods are known.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::service::{Held, Place, Service};
use super::stats::End;
use super::{Body, Call, CallAction, CallId, Turn, arguments, refusal};
use crate::model::Mono;
use crate::model::service::{Absence, CallError, StickyKey};

/// How long to wait before a full queue is asked again, at least.
const LEAST_WAIT: Duration = Duration::from_millis(100);

/// The facts about a call that may be made.
struct Checked {
    sticky: u64,
    /// The key under which its answer is kept.
    key: Option<Arc<str>>,
}

impl Service {
    pub(super) fn called(&mut self, call: &Arc<Call>, turn: &mut Turn<'_>) {
        if self.calls.contains_key(&call.id) {
            return;
        }
        self.arrivals += 1;
        self.admit(call, turn.now, self.arrivals, turn);
    }

    /// Checks what arrived before it was known what there is.
    pub(super) fn check_waiting(&mut self, turn: &mut Turn<'_>) {
        let waiting: Vec<Held> = self.queue.all().into_iter().filter_map(|id| self.take(id)).collect();
        // Counted once more.
        self.stats.arrived -= waiting.len() as u64;
        for held in waiting {
            if held.is_probe {
                self.circuit.give_back();
            }
            self.admit(&held.call, held.arrived, held.number, turn);
        }
    }

    fn admit(&mut self, call: &Arc<Call>, arrived: Mono, number: u64, turn: &mut Turn<'_>) {
        let call = &self.with_arguments(call);
        if let Err(error) = self.place(call, arrived, number, turn) {
            self.count(call, End::Refused(error.code), turn.now);
            self.sample(call, (arrived, None), Some(&error), turn);
            turn.out.push(CallAction::Reply { call: call.id, answer: Err(error) });
        }
    }

    /// The call with arguments, as soon as it is known what its method takes.
    fn with_arguments(&self, call: &Arc<Call>) -> Arc<Call> {
        let (Some(declared), None) = (&self.declared, &call.body) else { return Arc::clone(call) };
        let method = call.method.as_deref().and_then(|name| declared.methods.get(name));
        let body = Some(Body::Json(arguments::none(method)));
        Arc::new(Call { body, ..Call::clone(call) })
    }

    fn place(&mut self, call: &Arc<Call>, arrived: Mono, number: u64, turn: &mut Turn<'_>) -> Result<(), CallError> {
        if call.deadline.is_some_and(|deadline| deadline <= turn.now) {
            return Err(refusal::caller_waited_too_long(&self.pool, None));
        }
        let Checked { sticky, key } = self.check(call, turn.now)?;
        if let Some(answer) = key.as_ref().and_then(|key| self.kept(call, key, turn.now)) {
            self.count(call, End::Shared { is_error: false }, turn.now);
            turn.out.push(CallAction::Reply { call: call.id, answer: Ok(answer) });
            return Ok(());
        }
        if let Some(Absence::Closed(why)) = &self.settings.absence
            && self.workers.is_over()
        {
            return Err(refusal::closed(&self.pool, why));
        }
        let leader = key.as_ref().and_then(|key| self.leader_of(call, key));
        let lane = self.lane_of(sticky);
        let mut is_probe = false;
        if leader.is_some() {
            self.check_room(self.following, arrived, turn.now)?;
        } else {
            self.stats.arrived += 1;
            if !self.workers.has_room(lane) {
                let first = self.queue.first(lane).and_then(|first| self.calls.get(&first));
                self.check_room(self.queue.len(), first.map_or(turn.now, |first| first.arrived), turn.now)?;
            }
            let passed = self.circuit.let_through(self.settings.circuit, turn.now);
            is_probe = passed.map_err(|after| refusal::circuit_open(&self.pool, after))?;
        }
        let id = call.id;
        let place = leader.map_or(Place::Queued(lane), Place::Follows);
        let queued_until = arrived + self.settings.max_queue_time;
        let held = Held {
            call: call.clone(),
            number,
            arrived,
            place,
            sticky,
            queued_until,
            timer: None,
            given: None,
            is_retry: false,
            is_probe,
            key,
            followers: BTreeSet::new(),
        };
        self.hold(id, held);
        self.dispatch(lane, turn);
        self.arm_call(id);
        if self.queue.len() == 1 && self.workers.is_over() {
            turn.out.push(CallAction::NoWorker(self.pool.clone()));
        }
        Ok(())
    }

    fn hold(&mut self, id: CallId, held: Held) {
        match held.place {
            Place::Follows(leader) => {
                self.following += 1;
                if let Some(leader) = self.calls.get_mut(&leader) {
                    leader.followers.insert(id);
                }
            }
            Place::Queued(lane) => {
                self.queue.put(lane, held.number, id);
                self.lead(&held, id);
            }
            Place::Sent { .. } => {}
        }
        self.calls.insert(id, held);
    }

    /// Makes this the call whose answer others wait for.
    pub(super) fn lead(&mut self, held: &Held, id: CallId) {
        let rules = held.call.method.as_deref().and_then(|method| self.rules.get_mut(method));
        if let (Some(cache), Some(key)) = (rules.and_then(|rules| rules.cache.as_mut()), &held.key) {
            cache.leaders.insert(key.clone(), id);
        }
    }

    fn kept(&mut self, call: &Call, key: &Arc<str>, now: Mono) -> Option<Body> {
        self.rules.get_mut(call.method.as_deref()?)?.cache.as_mut()?.get(key, now)
    }

    fn leader_of(&self, call: &Call, key: &Arc<str>) -> Option<CallId> {
        self.rules_of(call)?.cache.as_ref()?.leaders.get(key).copied()
    }

    /// Refuses one more where as many wait as may. `since`: when the one in front arrived.
    fn check_room(&self, waiting: usize, since: Mono, now: Mono) -> Result<(), CallError> {
        if waiting < self.settings.max_queue as usize {
            return Ok(());
        }
        let after = now.since(since).max(LEAST_WAIT);
        Err(refusal::queue_full(&self.pool, waiting, &self.settings, after))
    }

    /// Checks whether this caller may ask this of the service, with these arguments, now.
    fn check(&mut self, call: &Call, now: Mono) -> Result<Checked, CallError> {
        let by_pointer = self.is_sticky() && matches!(self.settings.sticky, StickyKey::Pointer(_));
        let declared = self.declared.as_deref().filter(|declared| !declared.methods.is_empty());
        if let Some(declared) = declared {
            let may_call =
                |name: &str| declared.methods.get(name).is_some_and(|method| method.public || !call.is_outside);
            let name = call.method.as_deref();
            if !name.is_some_and(may_call) {
                let known: Vec<&str> =
                    declared.methods.keys().map(String::as_str).filter(|name| may_call(name)).collect();
                return Err(refusal::no_such_method(&self.pool, name, &known));
            }
        }
        let name = call.method.as_deref().unwrap_or_default();
        let mut rules = self.rules.get_mut(name);
        let is_looked_into = by_pointer || rules.as_ref().is_some_and(|rules| rules.look_into_arguments());
        let value = match &call.body {
            Some(Body::Json(text)) if is_looked_into => {
                Some(arguments::parse(text).map_err(|why| refusal::unreadable_arguments(&why))?)
            }
            Some(Body::Json(_) | Body::Raw(_)) | None => None,
        };
        let mut key = None;
        if let Some(rules) = &mut rules {
            if let Some(schema) = &rules.schema {
                let value = value.as_ref().ok_or_else(|| refusal::unreadable_arguments("must be JSON"))?;
                schema.check(value).map_err(|mismatch| refusal::wrong_arguments(name, &mismatch))?;
            }
            if let Some(limiter) = &mut rules.limiter {
                limiter.take(value.as_ref(), now).map_err(|after| refusal::rate_limited(name, after))?;
            }
            if let (Some(_), Some(Body::Json(text)), Some(value)) = (&rules.cache, &call.body, &value) {
                key = Some(arguments::canonical(text, value));
            }
        }
        Ok(Checked { sticky: self.sticky_hash(call, value.as_ref()), key })
    }

    fn sticky_hash(&self, call: &Call, value: Option<&Value>) -> u64 {
        let key: Cow<'_, str> = arguments::sticky_key(call, &self.settings.sticky, value);
        arguments::hash(&key)
    }
}
