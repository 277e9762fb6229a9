//! What the core promises, sentence by sentence: events in, actions out, time as an argument.
//!
//! A [`Bench`] is a core with one pool. Actions are read as short lines (`send job 1 to 2`, `TERM 1`); records of
//! workers, measurements and notes are left out.

mod autoscale;
mod cancel;
mod clock_set;
mod crashes;
mod dispatch;
mod drain;
mod hooks;
mod interleavings;
mod limited;
mod not_begun;
mod order;
mod policy;
pub(super) mod processors;
mod recycle;
mod reload;
mod restart;
mod rollups;
mod roster;
mod runs;
mod scale;
mod served;
mod services;
mod single;
mod spawn_budget;
mod stop;
mod timeouts;
mod upkeep;

use std::time::Duration;

use super::*;
use crate::model::change::{Change, HeldBack, Next};
use crate::model::done::Awaited;
use crate::model::worker::Exit;
use crate::model::{
    Answer, Claimed, Counters, Detail, Holds, Hooks, LastLines, Notice, PoolKind, PoolLimits, PoolName, PoolSettings,
    Prefetch, QueueName, QueueOrder, QueueTotals, ReadyWhen, Retry, RunError, RunId, Supervision, Takes, UnixMicros,
    Wanted,
};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    core: Core,
    now: Now,
    out: Vec<Action>,
    jobs: i64,
    pool: PoolId,
}

fn queue(name: &str) -> QueueName {
    QueueName::new(name).unwrap()
}

fn settings(name: &str) -> PoolSettings {
    let limits = PoolLimits {
        workers: 1,
        memory: None,
        max_time: None,
        prefetch: Prefetch::Fixed(1),
        ..crate::config::default_limits()
    };
    PoolSettings {
        name: PoolName::new(name).unwrap(),
        queues: QueueOrder::Strict(vec![queue("default")]),
        kind: PoolKind::Protocol,
        takes: Takes::Others,
        ready: ReadyWhen::Spawned,
        limits,
        autoscale: None,
        hooks: Hooks::default(),
        supervision: Supervision::default(),
    }
}

fn job(id: i64) -> Claimed {
    Claimed {
        id: JobId(id),
        run: RunId(id),
        queue: queue("default"),
        kind: "x".into(),
        args: "null".into(),
        counters: Counters::default(),
        pushed_at: UnixMicros(0),
        due_at: UnixMicros(0),
        timeout: None,
        max_attempts: None,
        holds: Holds::default(),
        is_new: true,
        state: None,
        parents: None,
        pushed_in: None,
        trace: None,
    }
}

fn well() -> Answer {
    Answer { verdict: Ok(None), detail: Detail::default() }
}

fn badly(retry: Retry) -> Answer {
    let error = RunError { message: String::from("no"), code: None, backtrace: None, kind: None, retry };
    Answer { verdict: Err(Box::new(error)), detail: Detail::default() }
}

/// A batch is committed that has changed these queues.
fn committed(changed: Vec<QueueTotals>) -> Event {
    Event::Committed { forgotten: Vec::new(), changed, freed: Vec::new(), next_due: None, took: Duration::ZERO }
}

impl Bench {
    /// A core with a pool, whose workers were asked for.
    fn new(change: impl FnOnce(&mut PoolSettings)) -> Self {
        let now = Now { mono: Mono(1_000_000), wall: UnixMicros(1_000_000_000_000) };
        let mut core = Core::new(WorkerId(1), 7);
        let mut settings = settings("default");
        change(&mut settings);
        let pool = core.add_pool(settings).unwrap();
        let mut bench = Self { core, now, out: Vec::new(), jobs: 0, pool };
        bench.settle();
        bench
    }

    /// A core with a pool whose workers are ready.
    fn up(change: impl FnOnce(&mut PoolSettings)) -> Self {
        let mut bench = Self::new(change);
        bench.bring_up();
        bench.said();
        bench
    }

    /// Everybody who starts becomes ready.
    fn bring_up(&mut self) {
        fn starting(core: &Core) -> Option<i64> {
            core.workers()
                .find(|(_, w)| matches!(w.state, State::Spawning { .. } | State::Starting { .. }))
                .map(|(id, _)| id.0)
        }
        while let Some(id) = starting(&self.core) {
            self.spawned(id);
            self.event(Event::Ready { worker: WorkerId(id), concurrency: 1, types: None });
        }
    }

    fn settle(&mut self) {
        self.core.settle(self.now, &mut self.out);
    }

    fn event(&mut self, event: Event) {
        self.core.handle(event, self.now, &mut self.out);
        self.settle();
    }

    fn command(&mut self, ticket: u64, command: Command) {
        self.event(Event::Command { ticket: Ticket(ticket), caller: None, command });
    }

    /// Time goes by; every deadline on the way is kept.
    fn pass(&mut self, time: Duration) {
        let end = self.now.mono + time;
        loop {
            let next = self.core.next_deadline(self.now).filter(|&at| at < end).unwrap_or(end);
            let step = next.since(self.now.mono);
            self.now = Now { mono: next, wall: self.now.wall.plus(step) };
            self.settle();
            if next == end {
                break;
            }
        }
    }

    /// Asks for jobs and gives `jobs` of as many as the core wants.
    fn give(&mut self, jobs: Vec<Claimed>) {
        self.core.claim(&mut self.out);
        let asked = self.out.iter().rev().find_map(|action| match action {
            Action::Write(_, Tag::Claim { pool, share, asked, news }) => Some((*pool, *share, *asked, *news)),
            _ => None,
        });
        let (pool, share, asked, news) = asked.expect("no claim was asked for");
        self.event(Event::Claimed { pool, share, asked, news, jobs, more: false, held: HeldBack::default() });
    }

    /// Gives the next `n` jobs.
    fn jobs(&mut self, n: i64) {
        let jobs = (self.jobs + 1..=self.jobs + n).map(job).collect();
        self.jobs += n;
        self.core.handle(Event::News { queues: Vec::new() }, self.now, &mut self.out);
        self.give(jobs);
    }

    /// A batch is committed, after which the store has something to promote by then.
    fn due(&mut self, next_due: Option<UnixMicros>) {
        self.due_after(next_due, Duration::ZERO);
    }

    /// The same, of a store that took so long.
    fn due_after(&mut self, next_due: Option<UnixMicros>, took: Duration) {
        let (forgotten, changed, freed) = (Vec::new(), Vec::new(), Vec::new());
        self.event(Event::Committed { forgotten, changed, freed, next_due, took });
    }

    /// What the pool claims beyond what so many workers can take.
    fn ahead_of(&self, workers: u32) -> u32 {
        self.pool().ahead_of(workers, self.core.lookahead)
    }

    /// A batch is committed that has changed this queue.
    fn committed(&mut self, totals: QueueTotals) {
        self.event(committed(vec![totals]));
    }

    fn stop(&mut self, grace: Option<Duration>) {
        self.event(Event::Stop { grace, caller: None });
    }

    fn answer(&mut self, worker: i64, request: u64, answer: Answer) {
        self.event(Event::Answered { worker: WorkerId(worker), request, answer });
    }

    fn spawned(&mut self, worker: i64) {
        self.event(Event::Spawned { worker: WorkerId(worker), pid: 100 + worker as u32 });
    }

    fn exit(&mut self, worker: i64, exit: impl Into<Option<Exit>>, read: u64) {
        if matches!(self.core.worker(WorkerId(worker)).unwrap().state, State::Spawning { .. }) {
            self.spawned(worker);
        }
        let end = End { exit: exit.into(), oom_kills: None, last: LastLines::default(), read };
        self.event(Event::Exited { worker: WorkerId(worker), end: Box::new(end) });
    }

    fn sweep(&mut self, worker: i64) {
        self.event(Event::Swept { worker: WorkerId(worker) });
    }

    fn gone(&mut self, worker: i64) {
        self.exit(worker, Exit::Code(0), 99);
        self.sweep(worker);
    }

    fn sample(&mut self, worker: i64, memory: u64) {
        self.event(Event::Sampled { worker: WorkerId(worker), memory, cpu: 0.0 });
    }

    /// What was asked for since the last time.
    fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.out).iter().filter_map(line).collect()
    }

    #[track_caller]
    fn says(&mut self, expected: &[&str]) {
        assert_eq!(self.said(), expected);
    }

    fn pool(&self) -> &Pool {
        self.core.pool(self.pool).unwrap()
    }
}

fn line(action: &Action) -> Option<String> {
    Some(match action {
        Action::Spawn { worker, slot, .. } => format!("spawn {worker} in {slot}"),
        Action::Send { worker, job, .. } => format!("send job {} to {worker}", job.id),
        Action::CancelRequest { worker, request, reason } => format!("cancel {worker}#{request} {}", reason.as_str()),
        Action::Drain { worker, why, .. } => format!("drain {worker} {}", why.as_str()),
        Action::CloseStdin { worker } => format!("close {worker}"),
        Action::Signal { worker, signal: Signal::Term } => format!("TERM {worker}"),
        Action::Signal { worker, signal: Signal::Kill } => format!("KILL {worker}"),
        Action::Write(change, _) => return change_line(change),
        Action::Reply(ticket, Ok(Done::Scaled(done))) => format!("ticket {}: {done:?}", ticket.0),
        Action::Reply(ticket, Ok(Done::Restarted(done))) => format!("ticket {}: {done:?}", ticket.0),
        Action::Reply(ticket, Ok(Done::Stopped(done))) => format!("ticket {}: {done:?}", ticket.0),
        Action::Reply(ticket, Ok(done)) => format!("ticket {}: {done:?}", ticket.0),
        Action::Reply(ticket, Err(refusal)) => format!("ticket {}: refused, {refusal:?}", ticket.0),
        Action::Waits(ticket, Awaited { jobs, grace_s }) => {
            format!("ticket {} waits for {jobs}, {grace_s:?}", ticket.0)
        }
        Action::TellClient(ticket, Notice::JobBegan { job, .. }) => format!("client {}: job {job} began", ticket.0),
        Action::TellClient(ticket, notice) => format!("client {}: {notice:?}", ticket.0),
        Action::TellFollowers(notice) => format!("followers: {notice:?}"),
        Action::TellIdle(pool) => format!("pool {} is idle", pool.0),
        Action::Measure { .. } | Action::Tell(_) => return None,
    })
}

fn change_line(change: &Change) -> Option<String> {
    Some(match change {
        Change::Claim(claim) => format!("claim {}", claim.total),
        Change::Finish(finish) => {
            let next = match finish.next {
                Next::Succeeded => String::from("succeeded"),
                Next::Ready => String::from("ready"),
                Next::Behind => String::from("behind"),
                Next::RetryAt(_) => String::from("retry"),
                Next::Dead(cause) => format!("dead {}", cause.as_str()),
                Next::Cancelled(cause) => format!("cancelled {}", cause.as_str()),
            };
            let cause = finish.cause.map_or("-", crate::model::Cause::as_str);
            let Counters { attempts, crashes, releases, releases_in_a_row: _ } = finish.counters;
            let outcome = finish.outcome.as_str();
            format!("job {} {outcome} {cause} => {next} {attempts}/{crashes}/{releases}", finish.job.id)
        }
        Change::Unclaim { job, .. } => format!("unclaim {job}"),
        Change::Promote { .. } => String::from("promote"),
        Change::NameTypes(types) => format!("name {}", types.iter().cloned().collect::<Vec<_>>().join(",")),
        Change::Sort { .. } => String::from("sort"),
        Change::FirstOther(queue) => format!("first of {queue}"),
        Change::Shift(shift) => format!("shift {:?} by {} s", shift.waits, shift.by / 1_000_000),
        Change::Cancel { job, .. } => format!("store cancels {job}"),
        Change::WorkerStarted(_)
        | Change::WorkerEnded(_)
        | Change::ArmProcessors(_)
        | Change::Tick(_)
        | Change::SetNextTick { .. }
        | Change::LoseRun(_)
        | Change::Progress { .. }
        | Change::Assign { .. }
        | Change::RollUp(_)
        | Change::LogAutoscale(_)
        | Change::KeepRows(_)
        | Change::LogCalls(_)
        | Change::PutOperation(_)
        | Change::LogDeed(_)
        | Change::EndDeed(_)
        | Change::Prune { .. } => return None,
    })
}
