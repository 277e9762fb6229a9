//! Actions of operators, and accidents of the machine.

use std::time::Duration;

use super::master::queue;
use super::world::{Happening, World};
use crate::core::{Command, Event, Phase, PoolChanges, PoolId, Tag, Target, Ticket};
use crate::model::after::{After, AfterFailed, Parent};
use crate::model::change::Request;
use crate::model::limit_record::PausedKey;
use crate::model::{JobId, NewJob, PoolName, PoolSettings, QueueName, Wanted, WorkerId};

/// Keys of jobs.
pub(super) const KEYS: [&str; 3] = ["a", "b", "c"];

impl World {
    pub(super) fn operate(&mut self) {
        if !self.faults {
            return;
        }
        let wait = self.chance.micros(1000, 2_000_000);
        self.later(wait, Happening::Operator);
        match self.chance.range(0, 1000) {
            0..400 => self.push(),
            400..440 => self.scale(),
            440..480 => self.restart(),
            480..500 => self.stop_some(),
            500..510 => self.add_pool(),
            510..520 => self.reload(),
            520..640 => self.cancel(),
            640..680 => self.pause(true),
            680..730 => self.pause(false),
            730..735 => self.stop_all(),
            735..740 => self.force(),
            740..744 => self.lose_master(),
            744..760 => self.set_clock(),
            860..880 => self.pause_key(),
            760..770 => self.broken = !self.broken,
            770..860 => self.sample(),
            _ => {}
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.open.insert(ticket);
        self.tell(&command);
        self.hear(Event::Command { ticket: Ticket(ticket), caller: None, command });
    }

    fn push(&mut self) {
        if self.store.unfinished() > 300 {
            return;
        }
        let number = self.chance.micros(1, 64);
        let wall = self.now().wall;
        let jobs: Vec<NewJob> = (0..number).map(|nth| self.linked(nth, wall)).collect();
        let queues: Vec<QueueName> = jobs.iter().map(|job| job.queue.clone()).collect();
        self.pending.push((Request::Push(jobs.into()).into(), Tag::None));
        if self.chance.often(500) {
            self.hear(Event::News { queues });
        }
    }

    /// One job in four comes after others of its push, or after a job of another, which may be over.
    fn linked(&mut self, nth: u64, wall: crate::model::UnixMicros) -> NewJob {
        let job = self.job(wall);
        let failed = *self.chance.pick(&[AfterFailed::Cancel, AfterFailed::Continue]);
        let mut parents: Vec<Parent> = Vec::new();
        if self.chance.often(250) {
            for _ in 0..self.chance.range(0, 3).min(nth) {
                parents.push(Parent::Ref(format!("n{}", self.chance.range(0, nth)).into()));
            }
            let last = self.store.pushed();
            if last > 0 && self.chance.often(100) {
                parents.push(Parent::Job(JobId(self.chance.range(last.max(50) as u64 - 49, last as u64 + 1) as i64)));
            }
        }
        let after = After { name: Some(format!("n{nth}").into()), parents: parents.into(), failed };
        NewJob { after: Some(Box::new(after)), ..job }
    }

    fn job(&mut self, wall: crate::model::UnixMicros) -> NewJob {
        let c = &mut self.chance;
        NewJob {
            queue: queue(c.range(0, 3)),
            key: c.often(600).then(|| (*c.pick(&KEYS)).into()),
            priority: *c.pick(&[0, 0, 0, 5, -5]),
            due_at: c.often(100).then(|| wall.plus(Duration::from_micros(c.micros(1000, 60_000_000)))),
            timeout: c.often(100).then(|| Duration::from_micros(c.micros(1000, 5_000_000))),
            max_attempts: c.often(100).then(|| c.range(1, 4) as u32),
            ..NewJob::new(*c.pick(&["x", "y", "exec"]), "null")
        }
    }

    fn queues(&mut self) -> Vec<QueueName> {
        vec![queue(self.chance.range(0, 3))]
    }

    fn target(&mut self) -> Target {
        let workers: Vec<String> = self.core.workers().map(|(_, w)| w.name.to_string()).collect();
        let pools: Vec<PoolName> = self.core.pools().map(|(_, p)| p.settings.name.clone()).collect();
        match self.chance.range(0, 4) {
            0 => Target::All,
            1 => Target::Queue(queue(self.chance.range(0, 4))),
            2 if !pools.is_empty() => Target::Pool(self.chance.pick(&pools).clone()),
            3 if !workers.is_empty() => Target::Workers(vec![self.chance.pick(&workers).clone()]),
            _ => Target::Workers(vec![String::from("nobody-1")]),
        }
    }

    fn scale(&mut self) {
        let (target, wait, grace) = (self.target(), self.chance.often(700), self.grace());
        let workers = match self.chance.range(0, 5) {
            0 => Wanted::More(self.chance.range(0, 3) as u32),
            1 => Wanted::Fewer(self.chance.range(0, 3) as u32),
            _ => Wanted::Exactly(self.chance.range(0, 13) as u32),
        };
        // Of pools that scale themselves; others are refused then.
        let hold = Duration::from_micros(self.chance.micros(1000, 30_000_000));
        let hold = self.chance.often(300).then_some(hold);
        let is_auto = self.chance.often(100);
        let by_hand = Command::Scale { target: target.clone(), workers, grace, hold, wait };
        self.command(if is_auto { Command::ScaleAuto { target, wait } } else { by_hand });
    }

    fn restart(&mut self) {
        let (target, grace, wait) = (self.target(), self.grace(), self.chance.often(700));
        self.command(Command::Restart { target, grace, wait });
    }

    fn stop_some(&mut self) {
        let (target, wait) = (self.target(), self.chance.often(700));
        let grace = self.grace();
        self.command(Command::StopSome { target, grace, wait });
    }

    fn grace(&mut self) -> Option<Duration> {
        let grace = Duration::from_millis(self.chance.range(0, 3000));
        (*self.chance.pick(&[None, None, Some(Duration::ZERO), Some(grace)])).filter(|_| !self.is_patient())
    }

    /// In some worlds nobody gives jobs a grace: they are waited for.
    pub(super) fn is_patient(&self) -> bool {
        self.seed.is_multiple_of(3)
    }

    fn add_pool(&mut self) {
        if self.core.pools().count() < 4 {
            let (settings, wait) = (Box::new(self.settings()), self.chance.often(700));
            self.command(Command::AddPool { settings, wait });
        }
    }

    /// A file with another pool, one less, and one that is different.
    fn reload(&mut self) {
        let Some((_, pool)) = self.core.pools().find(|(_, pool)| !pool.removed) else { return };
        let (before, wait) = (pool.settings.clone(), self.chance.often(700));
        let mut settings = PoolSettings { name: before.name.clone(), ..self.settings() };
        settings.supervision.needs = before.supervision.needs.clone();
        if self.chance.often(500) {
            (settings.kind, settings.takes) = (before.kind, before.takes.clone());
        }
        let mut changes = PoolChanges::default();
        match self.chance.range(0, 3) {
            0 if self.core.pools().count() < 4 => changes.added.push(self.settings()),
            1 if self.core.pools().count() > 1 => changes.gone.push(before.name),
            _ => changes.changed.push((settings, self.chance.often(500))),
        }
        self.command(Command::Reload { changes, done: Box::default(), wait });
    }

    fn cancel(&mut self) {
        let held: Vec<JobId> = self.live.keys().copied().collect();
        let job = if !held.is_empty() && self.chance.often(500) {
            *self.chance.pick(&held)
        } else {
            let last = self.store.pushed();
            JobId(self.chance.range(last.max(50) as u64 - 49, last as u64 + 2) as i64)
        };
        let wait = self.chance.often(500);
        self.command(Command::Cancel { job, only: crate::model::States::ALL, wait });
    }

    pub(super) fn pause(&mut self, paused: bool) {
        for queue in self.queues() {
            self.set_paused(queue, paused);
        }
    }

    pub(super) fn set_paused(&mut self, queue: QueueName, paused: bool) {
        self.pending.push((Request::Pause { queue, paused }.into(), Tag::None));
    }

    fn pause_key(&mut self) {
        let (queue, key, paused) = (queue(self.chance.range(0, 3)), *self.chance.pick(&KEYS), self.chance.often(500));
        self.set_key_paused(queue, key, paused);
    }

    pub(super) fn set_key_paused(&mut self, queue: QueueName, key: &str, paused: bool) {
        let pause = paused.then(|| PausedKey { by: None, at: self.now().wall });
        self.pending.push((Request::PauseKey { queue, key: key.into(), pause }.into(), Tag::Sort));
    }

    pub(super) fn stop_all(&mut self) {
        let grace = self.chance.often(500).then(|| Duration::from_millis(self.chance.range(0, 3000)));
        self.expect_stop(grace);
        self.hear(Event::Stop { grace, caller: None });
        assert_ne!(self.core.phase(), Phase::Running);
    }

    fn force(&mut self) {
        self.expect_stop(Some(Duration::from_secs(1)));
        self.hear(Event::Force);
    }

    fn sample(&mut self) {
        let workers: Vec<WorkerId> = self.core.workers().map(|(id, _)| id).collect();
        if !workers.is_empty() {
            let worker = *self.chance.pick(&workers);
            let memory = self.chance.range(10, 200);
            self.hear(Event::Sampled { worker, memory, cpu: 0.5 });
        }
    }

    /// Sets the wall clock, up to an hour back or forward.
    fn set_clock(&mut self) {
        let by = self.chance.range(0, 7_200_000_000) as i64 - 3_600_000_000;
        self.skew += by;
        self.most_skew = self.most_skew.max(self.skew);
        // The shell may not have noticed.
        if self.chance.often(800) {
            self.hear(Event::ClockSet { by });
        }
    }

    pub(super) fn pool_ids(&self) -> Vec<PoolId> {
        self.core.pools().map(|(id, _)| id).collect()
    }
}
