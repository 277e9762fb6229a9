//! Several members of one store in a world that goes wrong, from a seed: masters and whole hosts that stand still, hosts that are
//! cut off, beats and batches that are late, answers that are lost, clocks that are wrong and are set.
//!
//! The store is the one in memory, with the rule of leases that all of several members share; a host is what matters of one
//! here: a pulse, a guardian that ends the workers at the deadline, a master that begins jobs and tells how they ended. Checked
//! after every turn: no job runs twice at the same time. When nothing goes wrong any more every job ends.
//!
//! `SIM_SEEDS` worlds of `SIM_STEPS` turns are simulated. A [`Fault`] put in on purpose is to be found in some of them.

use super::*;
use crate::core::random::Random;
use crate::store::silence;

const MICROS: u64 = 1_000_000;
const LEASE_US: u64 = LEASE.as_micros() as u64;
const JOBS: usize = 60;
const HOSTS: usize = 3;
/// Jobs of a host at a time.
const MOST: usize = 4;

/// What a host does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The guardian does not end the workers at the deadline.
    NoDeadline,
    /// A member takes over from others before their lease is over.
    TakesOverEarly,
    /// The silence of others is measured by a clock that is set now and then.
    WallClock,
    /// A member that was taken over goes on claiming and ending.
    NoFence,
}

/// A job at a worker.
struct Run {
    job: Arc<Claimed>,
    ends: u64,
}

/// A batch on its way to the store, and what the store answered.
struct Sent {
    arrives: u64,
    number: u64,
    ops: Vec<Op>,
    answer: Option<Result<Vec<Reply>, ()>>,
}

struct Host {
    store: MemoryStore,
    /// What its clocks are ahead of the true time: that of the machine, which may be too fast, and that of the wall.
    mono: u64,
    rate: u64,
    wall: i64,
    /// Until then the master stands still, or all of the host does, or nothing goes through to the store.
    frozen: u64,
    suspended: u64,
    cut: u64,
    /// Of the last beat that was confirmed.
    workers_until: u64,
    begin_until: u64,
    next_beat: u64,
    /// Beats on their way: when each arrives, and was sent.
    beats: Vec<(u64, u64)>,
    running: Vec<Run>,
    ahead: Vec<Arc<Claimed>>,
    ended: Vec<(Arc<Claimed>, bool)>,
    sent: Option<Sent>,
    number: u64,
    is_lost: bool,
}

struct World {
    now: u64,
    hosts: Vec<Host>,
    chance: Random,
    fault: Fault,
    is_calm: bool,
    takeovers: u64,
}

impl World {
    fn new(seed: u64, fault: Fault) -> Self {
        let store = MemoryStore::shared(LEASE);
        let mut chance = Random::new(seed);
        store.connect().apply(0, &[Request::Push(vec![job(); JOBS].into()).into()], UnixMicros(1)).unwrap();
        // A member that is too fast by half sees leases that are over before they are.
        let rate = if fault == Fault::TakesOverEarly { 2 } else { 1 };
        let mut host = |_| {
            let skew = 1 + chance.next() % (3600 * MICROS);
            Host::join(&store, 0, (skew, rate), skew.cast_signed() - 1800 * MICROS.cast_signed())
        };
        let hosts = (0..HOSTS).map(&mut host).collect();
        Self { now: 0, hosts, chance, fault, is_calm: false, takeovers: 0 }
    }

    fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.chance.next() % (high - low)
    }

    fn often(&mut self, in_a_thousand: u64) -> bool {
        !self.is_calm && self.chance.next() % 1000 < in_a_thousand
    }

    fn turn(&mut self) -> Result<(), String> {
        self.now += self.range(10_000, MICROS);
        for at in 0..self.hosts.len() {
            self.trouble(at);
            self.let_workers_run(at);
        }
        for at in 0..self.hosts.len() {
            self.carry(at);
            self.master(at);
        }
        self.check()
    }

    /// Something goes wrong now and then, for up to three leases.
    fn trouble(&mut self, at: usize) {
        let until = self.now + self.range(1, 3 * LEASE_US);
        let (frozen, suspended, cut, set) = (self.often(4), self.often(2), self.often(4), self.often(3));
        let by = self.range(0, 7200 * MICROS).cast_signed() - 3600 * MICROS.cast_signed();
        let host = &mut self.hosts[at];
        host.frozen = if frozen { until } else { host.frozen };
        host.suspended = if suspended { until } else { host.suspended };
        host.cut = if cut { until } else { host.cut };
        host.wall += if set { by } else { 0 };
    }

    /// Workers go on, unless the guardian ends them: on a host that stood still that is the first thing.
    fn let_workers_run(&mut self, at: usize) {
        let (now, has_deadline) = (self.now, self.fault != Fault::NoDeadline);
        let host = &mut self.hosts[at];
        if now < host.suspended {
            return;
        }
        let until = host.workers_until;
        for run in std::mem::take(&mut host.running) {
            if run.ends <= now.min(until) {
                host.ended.push((run.job, true));
            } else if has_deadline && now >= until {
                host.ended.push((run.job, false));
            } else {
                host.running.push(run);
            }
        }
    }

    /// What is on its way arrives, whatever the host does meanwhile.
    fn carry(&mut self, at: usize) {
        let (now, is_confirmed, has_fence) = (self.now, !self.often(100), self.fault != Fault::NoFence);
        let host = &mut self.hosts[at];
        let (arrived, on_the_way) =
            std::mem::take(&mut host.beats).into_iter().partition(|(arrives, _)| *arrives <= now);
        host.beats = on_the_way;
        let arrived: Vec<(u64, u64)> = arrived;
        for (_, sent) in arrived {
            match host.store.renew(Mono(host.clock(sent))) {
                Ok(()) if is_confirmed && now >= host.cut => {
                    host.workers_until = host.workers_until.max(silence::workers_until(sent, LEASE));
                    host.begin_until = host.begin_until.max(silence::begin_until(sent, LEASE));
                }
                Ok(()) => {}
                Err(_) => host.is_lost |= has_fence,
            }
        }
        let wall = UnixMicros(now.cast_signed() + host.wall);
        let number = if has_fence { host.sent.as_ref().map_or(0, |sent| sent.number) } else { 0 };
        if let Some(sent) = &mut host.sent
            && sent.answer.is_none()
            && sent.arrives <= now
        {
            sent.answer = Some(host.store.apply(number, &sent.ops, wall).map(|applied| applied.replies).map_err(drop));
        }
    }

    /// The master does what it does in a turn, unless it stands still.
    fn master(&mut self, at: usize) {
        let (now, is_late, by_wall) = (self.now, self.often(100), self.fault == Fault::WallClock);
        let delay = if is_late { self.range(1, 2 * LEASE_US) } else { self.range(1, MICROS / 2) };
        let longest = self.range(MICROS / 10, 3 * LEASE_US);
        let host = &mut self.hosts[at];
        if now < host.frozen.max(host.suspended) {
            return;
        }
        if host.is_lost {
            host.running.clear();
            if now >= host.cut {
                *host = Host::join(&host.store, now, (host.mono, host.rate), host.wall);
            }
            return;
        }
        if host.next_beat <= now {
            host.next_beat = now + LEASE_US / 6;
            if now >= host.cut {
                host.beats.push((now + delay, now));
            }
        }
        if now < host.cut {
            return;
        }
        let wall = (now.cast_signed() + host.wall).cast_unsigned();
        let mono = if by_wall { wall } else { host.clock(now) };
        for dead in host.store.dead(Mono(mono)).unwrap_or_default() {
            let released = host.store.recover(dead.generation, UnixMicros(wall.cast_signed()));
            self.takeovers += u64::from(released.is_ok());
        }
        host.hear_of_batch();
        while now < host.begin_until && host.running.len() < MOST {
            let Some(job) = host.ahead.pop() else { break };
            host.running.push(Run { job, ends: now + longest });
        }
        host.send_batch(now + delay, now < host.begin_until);
    }

    /// No two runs of a job go on at the same time.
    fn check(&self) -> Result<(), String> {
        let mut seen = BTreeMap::new();
        for (at, host) in self.hosts.iter().enumerate().filter(|(_, host)| self.now >= host.suspended) {
            for run in &host.running {
                if let Some(other) = seen.insert(run.job.id, at) {
                    return Err(format!("job {} runs on host {at} and on host {other} at {}", run.job.id, self.now));
                }
            }
        }
        Ok(())
    }

    /// Nothing goes wrong any more.
    fn calm_down(&mut self) -> Result<(), String> {
        self.is_calm = true;
        let has_work = |world: &Self| {
            let mut store = world.hosts[0].store.connect();
            let totals = store.totals().unwrap();
            totals.iter().any(|t| t.ready + t.running > 0)
        };
        let last = self.now + 20 * LEASE_US + JOBS as u64 * 3 * LEASE_US;
        while has_work(self) {
            self.turn()?;
            if self.now > last {
                return Err("jobs are left, and nothing becomes of them".to_owned());
            }
        }
        Ok(())
    }
}

impl Host {
    fn join(store: &MemoryStore, now: u64, (mono, rate): (u64, u64), wall: i64) -> Self {
        let mut store = store.connect();
        store.join(&master(1), UnixMicros(now.cast_signed() + wall)).unwrap();
        Self {
            store,
            mono,
            rate,
            wall,
            frozen: 0,
            suspended: 0,
            cut: 0,
            workers_until: silence::workers_until(now, LEASE),
            begin_until: silence::begin_until(now, LEASE),
            next_beat: now,
            beats: Vec::new(),
            running: Vec::new(),
            ahead: Vec::new(),
            ended: Vec::new(),
            sent: None,
            number: 0,
            is_lost: false,
        }
    }

    const fn clock(&self, now: u64) -> u64 {
        now * self.rate + self.mono
    }

    /// Takes in the answer to its batch.
    fn hear_of_batch(&mut self) {
        let Some(answer) = self.sent.as_mut().and_then(|sent| sent.answer.take()) else { return };
        self.sent = None;
        match answer {
            Ok(replies) => {
                for reply in replies {
                    if let Reply::Claimed { jobs, .. } = reply {
                        self.ahead.extend(jobs.into_iter().map(Arc::new));
                    }
                }
            }
            Err(()) => self.is_lost = true,
        }
    }

    /// Tells how runs have ended, and asks for more.
    fn send_batch(&mut self, arrives: u64, may_begin: bool) {
        if self.sent.is_some() {
            return;
        }
        let mut ops: Vec<Op> = self.ended.drain(..).map(|(job, is_done)| finish(&job, is_done).into()).collect();
        let free = MOST.saturating_sub(self.running.len() + self.ahead.len()) as u32;
        if may_begin && free > 0 {
            let (takes, workers) = (vec![(QueueName::default(), free)], Vec::new());
            let (total, at_once, max_bytes) = (free, u32::MAX, usize::MAX);
            let claim = Claim { takes, lanes: Takes::Others, workers, total, at_once, max_bytes };
            ops.push(Change::Claim(claim).into());
        }
        if !ops.is_empty() {
            self.number += 1;
            self.sent = Some(Sent { arrives, number: self.number, ops, answer: None });
        }
    }
}

fn finish(job: &Arc<Claimed>, is_done: bool) -> Change {
    let (outcome, next) =
        if is_done { (Outcome::Succeeded, Next::Succeeded) } else { (Outcome::Released, Next::Ready) };
    Change::Finish(Box::new(Finish {
        job: Arc::clone(job),
        worker: WorkerId(1),
        outcome,
        cause: (!is_done).then_some(Cause::MasterLost),
        detail: Detail::default(),
        started_at: UnixMicros(1),
        ended_at: UnixMicros(2),
        next,
        counters: job.counters,
        max_attempts: 3,
    }))
}

/// Simulates one world; how often members were taken over.
fn live(seed: u64, fault: Fault) -> Result<u64, String> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let mut world = World::new(seed, fault);
    for _ in 0..number("SIM_STEPS").unwrap_or(2000) {
        world.turn()?;
    }
    world.calm_down()?;
    Ok(world.takeovers)
}

fn seeds() -> std::ops::Range<u64> {
    1..std::env::var("SIM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60) + 1
}

#[test]
fn no_job_runs_twice_at_a_time_and_each_ends_however_hosts_and_clocks_go_wrong() {
    let takeovers: u64 =
        seeds().map(|seed| live(seed, Fault::None).unwrap_or_else(|problem| panic!("seed {seed}: {problem}"))).sum();
    assert!(takeovers > 100, "only {takeovers} members were taken over");
}

#[test]
fn a_host_without_a_deadline_a_fence_or_patience_or_with_a_clock_that_is_set_is_found_out() {
    for fault in [Fault::NoDeadline, Fault::TakesOverEarly, Fault::WallClock, Fault::NoFence] {
        assert!(seeds().any(|seed| live(seed, fault).is_err()), "{fault:?} is not found");
    }
}
