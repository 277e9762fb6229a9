//! Worker processes: starting them, hearing them out, reaping them, ending what they leave.

use std::collections::VecDeque;
use std::time::Duration;

use super::Master;
use super::heard::Heard;
use super::reading::Reading;
use super::sampler::Command;
use super::timers::Timer;
use crate::core::{End, Event, PoolId};
use crate::model::problem::Topic;
use crate::model::worker::Exit;
use crate::model::{Detail, LastLines, PoolName, Slot, WorkerId};
use crate::process::spawn::SpawnError;
use crate::process::sweep::SweepDone;
use crate::process::{exits, oom};

/// When a sweeper that is full is asked again.
const SWEEP_AGAIN: Duration = Duration::from_millis(10);
/// How often those that may not be killed are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// When a guardian that could not be started is tried again.
const GUARD_AGAIN: Duration = Duration::from_secs(1);

impl Master {
    /// Starts a worker the core asked for, and tells the core what came of it.
    pub(super) fn start_worker(&mut self, id: WorkerId, pool: PoolId, slot: Slot) {
        let began = self.time.mono();
        let started = self.try_start(id, pool, slot);
        self.tell_spawn((pool, slot), started.as_ref().ok().copied(), began);
        let event = match started {
            Ok(pid) => Event::Spawned { worker: id, pid },
            Err(error) => Event::SpawnFailed { worker: id, error: error.to_string(), temporary: error.is_temporary() },
        };
        self.feed(event);
    }

    fn try_start(&mut self, id: WorkerId, pool: PoolId, slot: Slot) -> Result<u32, SpawnError> {
        let sockets = self.spawner.pool(pool).map(|pool| self.gateway.sockets_for(pool)).unwrap_or_default();
        let pipes = self.spawner.start((id, pool, slot), sockets, &mut self.containment, self.sources.registry())?;
        let pid = pipes.pid();
        self.containment.found_family(id, pid);
        self.children.add(id, pipes);
        self.hand_over(id);
        self.meters.tell_sampler(Command::Watch { worker: id, pid });
        Ok(pid)
    }

    /// Reads what workers say.
    pub(super) fn read_workers(&mut self) {
        let mut session = Reading::session(self.time.mono());
        while let Some((id, heard)) = self.children.read_next(&mut session, self.time.mono()) {
            self.pass_on(id, heard);
            self.bound_unfinished_of_worker(id);
        }
    }

    fn pass_on(&mut self, id: WorkerId, heard: Heard) {
        if heard.has_answer() {
            self.measure_before_answer(id);
        }
        self.tell_received(id, heard.messages);
        let now = self.time.now();
        let mut output = heard.output;
        // Mostly in order already: what stands on stderr goes before the answers.
        output.sort_by_key(|line| line.after);
        let mut output = VecDeque::from(output);
        let mut requests = heard.requests.into_iter().peekable();
        for (n, mut event) in heard.events.into_iter().enumerate() {
            self.log_output(id, &mut output, n);
            // Before the end of the run that it comes from.
            while let Some((_, under, asking)) = requests.next_if(|(after, ..)| *after <= n) {
                self.worker_asks(id, under, &asking);
            }
            if let Event::Answered { request, answer, .. } = &mut event
                && let Some(pipes) = self.children.get_mut(id)
            {
                failpoint!("answer.parsed");
                if answer.verdict.is_err() {
                    complete(&mut answer.detail, pipes.last_lines());
                }
                pipes.end_request(*request);
                pipes.forget_tails();
            }
            self.core.feed(event, now);
        }
        self.log_output(id, &mut output, usize::MAX);
        for (_, under, asking) in requests {
            self.worker_asks(id, under, &asking);
        }
    }

    /// Measures a worker that answers, as the sampler comes by once a second only; not so often that tiny jobs pay for it.
    fn measure_before_answer(&mut self, id: WorkerId) {
        if let Some(memory) = self.children.measure(id, self.time.mono()) {
            self.feed(Event::SampledAlone { worker: id, memory });
        }
    }

    /// Reaps everybody who has exited: peek, end what is left of the group, hear the last words, reap.
    pub(super) fn reap(&mut self) {
        while let Some(pid) = exits::peek() {
            if let Some(id) = self.children.take_exited(pid) {
                self.bury(id, pid);
            } else if self.containment.guardian_pid() == Some(pid) {
                // Another takes its place at once.
                self.containment.bury_guardian();
                self.time.ring_in(Timer::Guardian, Duration::ZERO);
            } else {
                let _ = exits::reap_stranger(pid);
            }
        }
    }

    fn bury(&mut self, id: WorkerId, pid: u32) {
        failpoint!("exit.seen");
        let heard = self.children.hear_out(id);
        self.pass_on(id, heard);
        let Some(mut pipes) = self.children.remove(id) else { return };
        self.containment.remove_process(pid);
        let read = pipes.read_up_to();
        let exit = pipes.reap();
        failpoint!("exit.reaped");
        let oom_kills = if exit == Some(Exit::Signal(9)) { oom::kills() } else { None };
        let end = Box::new(End { exit, oom_kills, last: pipes.last_lines(), read });
        if self.containment.forget_ungrouped(id) {
            self.problem_over(Topic::Containment);
        }
        if pipes.is_of_gateway() {
            self.service_worker_ended(id, exit, &end.last);
        }
        if self.hooks.knows(id) {
            self.hook_ended(id, exit);
        } else if self.gateway.is(id) {
            self.gateway_ended(exit);
        } else if self.web.is(id) {
            self.web_ended(exit);
        } else {
            self.feed(Event::Exited { worker: id, end });
        }
        self.containment.add_leftovers(id);
    }

    /// Measures a worker that has done its first job, which is in its control group by now, or will never be.
    pub(super) fn measure_worker(&mut self, worker: WorkerId) {
        if let Some(pipes) = self.children.get(worker)
            && !self.containment.is_grouped(worker, pipes.pid())
        {
            let name = pipes.name();
            let text = format!(
                "worker `{name}` is not in a control group of its own; what its jobs start is known by their tree and their \
                 environment only; see `queue-work logs {name}`"
            );
            self.problem(Topic::Containment, text);
        }
        self.meters.tell_sampler(Command::Now(worker));
    }

    /// Hands workers that have exited to the sweeper, as far as it takes them.
    pub(super) fn sweep(&mut self) {
        if !self.containment.sweep(&self.children, &self.meters) {
            self.time.ring_in(Timer::Sweep, SWEEP_AGAIN);
        }
    }

    /// The sweep after a worker has ended.
    pub(super) fn swept(&mut self, done: SweepDone) {
        let worker = done.worker;
        if !done.foreign.is_empty() {
            if !self.containment.has_held() {
                self.time.ring_in(Timer::Held, LOOK_EVERY);
            }
            self.containment.hold(worker, done.foreign);
            return self.name_held();
        }
        if !done.left.is_empty() {
            self.complain(format!("processes {:?} of worker {worker} cannot be killed", done.left));
        }
        if self.containment.lets_go(&done, &self.children) && !self.hooks.swept(worker) {
            self.feed(Event::Swept { worker });
        }
    }

    /// Looks whether processes that could not be killed have ended. Also while the master stops: a job is never given back
    /// beside them.
    pub(super) fn look_at_held(&mut self) {
        if self.containment.release_ended() {
            self.name_held();
        }
        if self.containment.has_held() {
            self.time.ring_in(Timer::Held, LOOK_EVERY);
        }
    }

    /// One problem names them all.
    fn name_held(&mut self) {
        let held = self.containment.held_in_words();
        self.problem_if(Topic::Leftovers, held);
    }

    /// Starts the guardian that is missing.
    pub(super) fn restart_guardian(&mut self) {
        if self.containment.restart_guardian(self.children.pids()) {
            self.problem_over(Topic::Guardian);
        } else {
            self.time.ring_in(Timer::Guardian, GUARD_AGAIN);
            let text = "the guardian cannot be started: workers may outlive a killed master; it is tried again";
            self.problem(Topic::Guardian, text.to_owned());
        }
    }
}

/// Adds the output that the answer of a failed run does not say.
fn complete(detail: &mut Detail, last: LastLines) {
    if detail.stderr_tail.is_empty() {
        detail.stderr_tail = last.stderr;
    }
    if detail.stdout_tail.is_empty() {
        detail.stdout_tail = last.stdout;
    }
}

/// A name for a pool that is not taken: that of its first queue, with `.2`, `.3` … where needed.
pub(super) fn free_name(wish: &str, taken: impl Fn(&str) -> bool) -> Option<PoolName> {
    let numbered = (2..10_000).map(|n| format!("{wish}.{n}"));
    std::iter::once(wish.to_owned()).chain(numbered).find(|name| !taken(name)).and_then(|n| PoolName::new(&n).ok())
}
