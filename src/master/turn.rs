//! One turn of the supervisor, and the loop of turns.

use std::time::Duration;

use mio::Events;

use super::replies::{Answered, Origin};
use super::{Clock, Inbox, Master, Source, sampler};
use crate::core::{Command, Event, JobChange, Phase, Tag, Ticket};
use crate::model::{JobState, Mono, Now};
use crate::store::writer::Written;
use crate::store::{Keep, Op, Reply};

/// How often old records are looked for at least; more often where they are kept for less, and at once again while
/// there are many.
const PRUNE_EVERY: Duration = Duration::from_secs(30);
/// When a control connection could not be accepted, for want of descriptors.
const KNOCK_AGAIN: Duration = Duration::from_millis(100);
/// Where records are kept for a very short time, they are looked for this often.
const PRUNE_OFTEN: Duration = Duration::from_secs(1);
/// How often the writer looks whether another process has written, in case that one could not tell us (it was killed,
/// or knew another socket). It costs one read of shared memory.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Rows looked at in one step, per table.
const PRUNE_STEP: u32 = 500;
/// Nobody is told of the end of a master that cannot write for this long after everybody has left.
const STUCK_AFTER: Duration = Duration::from_secs(5);

impl Master {
    /// Turns until everybody has left and everything is written. True: in order; false: the store failed.
    pub(super) fn turns(&mut self) -> bool {
        let mut events = Events::with_capacity(1024);
        let mut left_at: Option<Mono> = None;
        loop {
            let timeout = self.timeout();
            if let Err(error) = self.poll.poll(&mut events, timeout)
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                self.problem("poll", format!("waiting for events failed: {error}"));
            } else {
                self.problem_over("poll");
            }
            self.take_in(&events);
            self.settle();
            if self.superseded {
                return false;
            }
            if self.core.stopped() && self.to_sweep.is_empty() {
                let now = self.clock.now().mono;
                if self.batches.is_empty() {
                    return true;
                }
                if now.since(*left_at.get_or_insert(now)) > STUCK_AFTER {
                    return false;
                }
            }
        }
    }

    fn timeout(&self) -> Option<Duration> {
        if !self.to_read.is_empty() || self.clients.has_again() {
            return Some(Duration::ZERO);
        }
        let now = self.clock.now();
        let sweep = (!self.to_sweep.is_empty()).then(|| now.mono + Duration::from_millis(10));
        let knocked = self.clients.has_knocked().then(|| now.mono + KNOCK_AGAIN);
        let stopping = (self.core.phase() != Phase::Running).then(|| now.mono + Duration::from_millis(200));
        let waiters = self.job_waiters.values().flat_map(|w| &w.waiters).filter_map(|w| w.until).min();
        let guard = self.guardian.is_none().then_some(self.guard_at);
        let bar = self.fixed.config.drain.then(|| now.mono + Duration::from_millis(200));
        let deadlines = [
            self.core.next_deadline(now),
            self.batches.next_deadline(),
            Some(self.prune_at),
            Some(self.look_at),
            sweep,
            knocked,
            stopping,
            waiters,
            guard,
            bar,
        ];
        // Rounded up: a timer that rings early would turn for nothing.
        deadlines.into_iter().flatten().min().map(|at| Clock::until(now, at) + Duration::from_micros(50))
    }

    fn take_in(&mut self, events: &Events) {
        let mut listener = false;
        for event in events {
            match Source::of(event.token()) {
                Source::Worker(id, super::Pipe::Stdin) => {
                    self.to_flush.insert(id);
                }
                Source::Worker(id, pipe) => self.read_worker(id, pipe),
                Source::Client(id) => {
                    if event.is_write_closed() {
                        self.clients.hung_up(id);
                    } else if event.is_writable() {
                        self.clients.writable(id);
                    }
                    if event.is_readable() {
                        self.read_client(id);
                    }
                }
                Source::Listener => listener = true,
                Source::Waker => {}
                Source::Signals => self.signals.drain(),
            }
        }
        for (id, pipe) in std::mem::take(&mut self.to_read) {
            self.read_worker(id, pipe);
        }
        for id in self.clients.take_again() {
            self.read_client(id);
        }
        if listener || self.clients.has_knocked() {
            self.clients.accept(self.poll.registry(), |id| Source::Client(id).token());
        }
        while let Ok(mail) = self.inbox.try_recv() {
            self.receive(mail);
        }
        if self.signals.told_to_stop() {
            self.stop(None);
        }
        if self.signals.children_exited() {
            self.reap();
        }
        self.sweep();
    }

    /// Settles, carries out, hands over, writes.
    fn settle(&mut self) {
        let now = self.clock.now();
        self.expire_waiters(now);
        self.prune(now);
        self.look_for_others(now);
        self.core.settle(now, &mut self.actions);
        self.carry_out();
        self.end_if_drained();
        self.core.claim(&mut self.actions);
        self.carry_out();
        self.send_replies();
        if let Some(writer) = &self.writer {
            self.batches.send(writer, now);
        }
        self.flush_workers();
        self.clients.flush();
        self.forget_the_gone();
        self.read_on();
        self.guard(now);
        self.sampler_pace();
    }

    /// Writes to workers what they take now.
    fn flush_workers(&mut self) {
        for worker in std::mem::take(&mut self.to_flush) {
            if let Some(pipes) = self.workers.get_mut(&worker)
                && !pipes.flush()
                && !bug!("closed_input_ignored")
            {
                let read = pipes.read_up_to();
                self.feed(Event::InputClosed { worker, read });
            }
        }
        self.carry_out();
    }

    fn receive(&mut self, mail: Inbox) {
        match mail {
            Inbox::Written(written) => self.written(written),
            Inbox::Samples(samples) => {
                for sample in samples {
                    let (memory, cpu) = (sample.memory_bytes, sample.cpu_percent);
                    self.feed(Event::Sampled { worker: sample.worker, memory, cpu });
                }
            }
            Inbox::Swept(done) => {
                if !done.left.is_empty() {
                    let text = format!("processes {:?} of worker {} cannot be killed", done.left, done.worker);
                    self.say(crate::report::Event::Problem { text });
                }
                self.feed(Event::Swept { worker: done.worker });
            }
            Inbox::Read(read) => {
                let (asked, found) = *read;
                self.found(asked, found);
            }
            Inbox::Interrupt => self.interrupted(),
        }
    }

    pub(super) fn written(&mut self, written: Written) {
        match written {
            Written::Committed { batch, replies, totals, next_due, durable } => {
                if !totals.is_empty() {
                    self.totals = totals;
                }
                self.feed(Event::Due(next_due));
                for (answered, reply) in self.batches.committed(batch, replies) {
                    self.committed(batch, durable, answered, reply);
                }
                self.release_replies(batch);
                self.problem_over("store");
            }
            Written::Durable { batch } => {
                failpoint!("push.durable");
                for (origin, answer) in self.waits.synced(batch) {
                    self.answer(&origin, Ok(answer));
                }
                self.problem_over("sync");
            }
            Written::SyncFailed { batch, error } => {
                for (origin, _) in self.waits.synced(batch) {
                    let text = format!(
                        "the change was written, but it is unknown whether it would survive a power cut: {error}"
                    );
                    self.answer(&origin, Err(crate::wire::rpc::RpcError::failed(1, text)));
                }
                self.problem("sync", format!("syncing the database failed: {error}"));
            }
            Written::Failing { batch: _, error } => {
                self.problem("store", format!("{error}; it is tried again"));
                self.release_replies(u64::MAX);
            }
            Written::Rejected { batch, error } => self.rejected(batch, &error),
            Written::Changed { totals, next_due } => {
                self.totals = totals;
                self.feed(Event::Due(next_due));
                self.feed(Event::News { queues: Vec::new() });
            }
        }
    }

    /// A batch will never be written: its askers are told; without the store there is no going on.
    fn rejected(&mut self, batch: u64, error: &crate::store::StoreError) {
        let text = error.to_string();
        self.release_replies(batch);
        for answered in self.batches.take(batch) {
            if let Answered::Pushed { origin, .. } = answered {
                self.answer(&origin, Err(crate::wire::rpc::RpcError::failed(1, text.clone())));
            }
        }
        if matches!(error, crate::store::StoreError::Superseded(_)) {
            self.superseded = true;
        }
        self.problem("store", text);
    }

    fn committed(&mut self, batch: u64, durable: bool, answered: Answered, reply: Reply) {
        match answered {
            Answered::Core(tag) => self.committed_for_core(tag, reply),
            Answered::Ended(job) => self.job_may_have_ended(job),
            Answered::Pushed { origin, how } => {
                failpoint!("push.committed");
                let answer = super::pushes::pushed(&reply, how);
                self.answer_when_safe(batch, durable, origin, answer);
            }
            Answered::Paused { group } => {
                if let Some(group) = self.waits.part(group, |_| ()) {
                    self.paused(batch, durable, group);
                }
            }
            Answered::Changed { group, job, change } => self.job_changed(group, job, change, &reply),
            Answered::RetriedDead { group, queue } => self.retried_dead(group, queue, &reply),
            Answered::Pruned => {
                if matches!(reply, Reply::Count(n) if n > 0) {
                    self.prune_at = self.clock.now().mono + Duration::from_millis(100);
                }
            }
        }
    }

    fn committed_for_core(&mut self, tag: Tag, reply: Reply) {
        let event = match (tag, reply) {
            (Tag::Claim { pool, asked, news }, Reply::Claimed { jobs, expired, more }) => {
                failpoint!("claim.committed");
                self.expired(expired);
                Event::Claimed { pool, asked, news, jobs, more }
            }
            (Tag::Promote, Reply::Promoted { queues, expired, more }) => {
                self.expired(expired);
                Event::Promoted { queues, more }
            }
            (Tag::Cancel { job, ticket }, reply) => self.cancelled(ticket, job, &reply),
            (Tag::None, Reply::Stale) => {
                log::debug!("a change about a run that is over was ignored");
                return;
            }
            (Tag::None | Tag::Claim { .. } | Tag::Promote, _) => return,
        };
        self.feed(event);
    }

    /// Jobs were cancelled because they had not started in time.
    fn expired(&mut self, jobs: Vec<crate::model::JobId>) {
        self.summary.cancelled += jobs.len() as u64;
        for job in jobs {
            self.job_may_have_ended(job);
        }
    }

    fn cancelled(&mut self, ticket: Ticket, job: crate::model::JobId, reply: &Reply) -> Event {
        let change = match reply {
            Reply::Changed { was, .. } => {
                if matches!(was, JobState::Ready | JobState::Scheduled) {
                    self.summary.cancelled += 1;
                    self.job_may_have_ended(job);
                }
                JobChange::Was(*was)
            }
            _ => JobChange::Missing,
        };
        Event::JobChanged { ticket, job, change }
    }

    /// Answers now, or when the batch is on the disk.
    pub(super) fn answer_when_safe(&mut self, batch: u64, durable: bool, origin: Origin, answer: String) {
        if durable {
            self.answer(&origin, Ok(answer));
        } else {
            self.waits.unsynced.push_back((batch, origin, answer));
        }
    }

    fn interrupted(&mut self) {
        self.interrupts += 1;
        if self.interrupts == 1 {
            self.stop(None);
        } else {
            self.force();
        }
    }

    /// Asks for old records to be removed, a few at a time.
    fn prune(&mut self, now: Now) {
        if now.mono < self.prune_at || self.core.phase() != Phase::Running {
            return;
        }
        let keep = self.fixed.config.keep;
        let shortest = keep.succeeded.min(keep.dead).min(keep.runs);
        self.prune_at = now.mono + (shortest / 2).clamp(PRUNE_OFTEN, PRUNE_EVERY);
        let keep = Keep {
            succeeded_since: now.wall.minus(keep.succeeded),
            dead_since: now.wall.minus(keep.dead),
            runs_since: now.wall.minus(keep.runs),
            limit: PRUNE_STEP,
        };
        self.batches.add(Op::Prune(keep), Answered::Pruned, false, false, now);
    }

    /// Asks the writer, now and then, whether another process has added jobs.
    fn look_for_others(&mut self, now: Now) {
        if now.mono < self.look_at {
            return;
        }
        self.look_at = now.mono + LOOK_EVERY;
        if let Some(writer) = &self.writer {
            writer.check();
        }
    }

    /// Tells the sampler whether anybody works, on a change.
    fn sampler_pace(&mut self) {
        let busy = !self.core.is_quiet();
        if busy != self.sampling_busy && self.sampler.tell(sampler::Command::Busy(busy)) {
            self.sampling_busy = busy;
        }
    }

    pub(super) fn stop(&mut self, grace: Option<Duration>) {
        self.announce_stop(grace);
        failpoint!("stop.begun");
        self.feed(Event::Command { ticket: Ticket(0), command: Command::StopAll { grace } });
    }

    pub(super) fn force(&mut self) {
        self.announce_force();
        self.feed(Event::Command { ticket: Ticket(0), command: Command::Force });
    }
}
