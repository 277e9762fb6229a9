//! `debug`: for a while each step is told, as an event of level debug, to those who follow steps: spawns, messages to and from
//! workers, dispatch, turns of the event loop. Nothing of it is kept, nor written to a file.
//!
//! Invariants: while it is off, or nobody follows, a step costs a look at one flag; a turn makes [`MOST_TOLD`] lines at most,
//! and those that it leaves out are counted for who follows; it ends by itself.

use std::time::Duration;

use super::Master;
use super::timers::Timer;
use crate::core::{PoolId, Tag};
use crate::model::change::{Change, Next};
use crate::model::{Claimed, Mono, PoolKind, Slot, UnixMicros, WorkerId};
use crate::report::events::Step;
use crate::report::words;
use crate::wire::control::FollowEvents;

/// Lines of a turn. Making one takes some microseconds.
pub(super) const MOST_TOLD: usize = 200;
/// Bytes of a message that are told.
const EXCERPT: usize = 2 * 1024;
/// How often turns are summed up.
const TURNS_EVERY: Duration = Duration::from_secs(1);

/// What is told, and how far that has come.
#[derive(Debug, Default)]
pub(super) struct DebugState {
    /// When it ends, if it is on.
    until: Option<UnixMicros>,
    /// Whether it is on and somebody follows; looked at once a turn.
    is_heard: bool,
    /// Lines of this turn.
    told: usize,
    left_out: u64,
    turns: Turns,
}

/// Turns since they were told last.
#[derive(Debug, Default)]
struct Turns {
    since: Mono,
    count: u64,
    sum: Duration,
    longest: Duration,
}

impl DebugState {
    /// When it ends, if it is on.
    pub(super) const fn until(&self) -> Option<UnixMicros> {
        self.until
    }
}

/// The beginning of a message.
#[derive(Debug)]
pub(super) struct Excerpt {
    bytes: u64,
    text: String,
}

impl Excerpt {
    pub(super) fn of(message: &[u8]) -> Self {
        let mut text = String::from_utf8_lossy(&message[..message.len().min(EXCERPT)]).into_owned();
        if message.len() > EXCERPT {
            text.truncate(text.trim_end_matches(char::REPLACEMENT_CHARACTER).len());
            text.push('…');
        }
        Self { bytes: message.len() as u64, text }
    }
}

const fn wants(wish: &FollowEvents) -> bool {
    wish.debug
}

impl Master {
    /// Has steps told for so long from now on, or no more.
    pub(super) fn set_debug(&mut self, length: Duration) -> Option<UnixMicros> {
        if length.is_zero() {
            self.end_debug();
        } else {
            self.debug.until = Some(self.time.now().wall.plus(length));
            self.time.ring_in(Timer::Debug, length);
        }
        self.debug.until
    }

    pub(super) fn end_debug(&mut self) {
        self.tell_step(|_| Step::DebugEnded {});
        self.time.ring_at(Timer::Debug, None);
        self.children.tell_messages(false);
        self.debug = DebugState::default();
    }

    pub(super) fn begin_debug_turn(&mut self) {
        if self.debug.until.is_none() {
            return;
        }
        let is_heard = self.clients.any_wants(wants);
        if is_heard != self.debug.is_heard {
            self.children.tell_messages(is_heard);
            self.debug.is_heard = is_heard;
            self.debug.turns = Turns { since: self.time.mono(), ..Turns::default() };
        }
        self.debug.told = 0;
    }

    pub(super) fn end_debug_turn(&mut self, took: Duration) {
        if !self.debug.is_heard {
            return;
        }
        let now = self.time.mono();
        let Turns { since, count, sum, longest } = &mut self.debug.turns;
        (*count, *sum, *longest) = (*count + 1, *sum + took, took.max(*longest));
        // Told with a turn that is there anyway: what is told wakes who follows, and that may wake this loop.
        if now.since(*since) >= TURNS_EVERY {
            let turns = std::mem::replace(&mut self.debug.turns, Turns { since: now, ..Turns::default() });
            self.debug.told = 0;
            self.tell_step(|_| Step::Turns {
                turns: turns.count,
                sum_s: turns.sum.as_secs_f64(),
                longest_s: turns.longest.as_secs_f64(),
            });
        }
        match std::mem::take(&mut self.debug.left_out) {
            0 => {}
            left_out => self.clients.leave_out(wants, left_out),
        }
    }

    /// Tells a step, if it is to be told.
    fn tell_step(&mut self, step: impl FnOnce(&Self) -> Step) {
        if !self.debug.is_heard {
            return;
        }
        if self.debug.told >= MOST_TOLD {
            self.debug.left_out += 1;
            return;
        }
        self.debug.told += 1;
        let step = step(self);
        self.step_happens(step);
    }

    pub(super) fn tell_spawn(&mut self, (pool, slot): (PoolId, Slot), pid: Option<u32>, began: Mono) {
        self.tell_step(|master| {
            let took_s = master.time.mono().since(began).as_secs_f64();
            let pool = master.spawner.pool(pool);
            let name = pool.map(|pool| format!("{}-{slot}", pool.settings.name));
            let words: Vec<_> = pool.iter().flat_map(|pool| &pool.command).map(|word| word.to_string_lossy()).collect();
            let own = pool.is_some_and(|pool| pool.settings.kind == PoolKind::Exec).then_some("queue-work");
            let detail = words::command(own.into_iter().chain(words.iter().map(|word| &**word)));
            Step::Spawned { worker: name.unwrap_or_default(), pid, took_s, detail }
        });
    }

    /// Messages that a worker has sent.
    pub(super) fn tell_received(&mut self, id: WorkerId, messages: Option<Vec<Excerpt>>) {
        for Excerpt { bytes, text } in messages.into_iter().flatten() {
            self.tell_step(|master| Step::Received {
                worker: master.name_of(id).unwrap_or_default(),
                bytes,
                detail: text,
            });
        }
    }

    /// Messages that go to workers with this turn.
    pub(super) fn tell_sent(&mut self) {
        if self.debug.is_heard {
            for (worker, Excerpt { bytes, text }) in self.children.take_untold() {
                self.tell_step(|_| Step::Sent { worker, bytes, detail: text });
            }
        }
    }

    /// A claim, or what becomes of a job whose run is over.
    pub(super) fn tell_change(&mut self, change: &Change, tag: Tag) {
        match (change, tag) {
            (Change::Claim(claim), Tag::Claim { pool, .. }) => self.tell_step(|master| {
                let mut queues: Vec<_> = claim.takes.iter().map(|(queue, _)| queue.clone()).collect();
                queues.dedup();
                let (jobs, workers) = (claim.total, claim.workers.len() as u64);
                Step::Claims { pool: master.pool_name(pool), jobs, workers, queues }
            }),
            (Change::Finish(finish), _) => self.tell_step(|master| Step::Decided {
                job: finish.job.id,
                kind: finish.job.kind.to_string(),
                queue: finish.job.queue.clone(),
                worker: master.name_of(finish.worker),
                outcome: finish.outcome,
                next: word_of(finish.next).to_owned(),
                took_s: finish.ended_at.since(finish.started_at).as_secs_f64(),
            }),
            _ => {}
        }
    }

    /// Jobs that a pool has asked for have come.
    pub(super) fn tell_claimed(&mut self, pool: PoolId, asked: u32, jobs: usize) {
        self.tell_step(|master| Step::Claimed { pool: master.pool_name(pool), jobs: jobs as u64, asked });
    }

    pub(super) fn tell_dispatch(&mut self, worker: WorkerId, job: &Claimed) {
        self.tell_step(|master| Step::Dispatched {
            job: job.id,
            kind: job.kind.to_string(),
            queue: job.queue.clone(),
            worker: master.name_of(worker).unwrap_or_default(),
            attempt: job.attempt(),
        });
    }

    fn name_of(&self, id: WorkerId) -> Option<String> {
        self.children.get(id).map(|pipes| pipes.name().to_string())
    }

    fn pool_name(&self, id: PoolId) -> String {
        self.spawner.pool(id).map(|pool| pool.settings.name.to_string()).unwrap_or_default()
    }
}

const fn word_of(next: Next) -> &'static str {
    match next {
        Next::Succeeded => "succeeded",
        Next::Ready | Next::Behind => "ready",
        Next::RetryAt(_) => "scheduled",
        Next::Dead(_) => "dead",
        Next::Cancelled(_) => "cancelled",
    }
}
