//! Measures the memory and CPU time of workers, each with all its descendants, in a thread of its own.
//!
//! Does not know limits or pools. Every worker has its own rhythm: [`INTERVAL`] while anything changes, then longer and
//! longer up to [`IDLE_INTERVAL`]; a sample equal to the one before is not reported. While no pool has work, one read per
//! process tells that it still sleeps, at half the cost of measuring it, and [`SLEEP_INTERVAL`] may pass until the next
//! look. Large sets are measured in slices, a tenth of them per tick.
//!
//! CPU use is reckoned from the accumulated time: sysinfo's own figure relates the time of one process since its last
//! refresh to the time of the machine since the last refresh of anything, and is wrong when rhythms differ.
//! Memory is what processes have of their own, in RAM or swapped out. Pages of files and of shared memory do not
//! count: the kernel takes back the ones, and the others would count in each process that has them; pages that a child
//! still shares with its parent after a fork do count in both. Descendants are those that `/proc/PID/task/TID/children`
//! leads to; one that was adopted by another is not among them.
//!
//! Invariant: a worker that is not watched any more is never reported.

use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

use crate::channel::{self, Sender};
use crate::model::WorkerId;
pub(crate) use crate::process::identity::memory_of;
use crate::process::identity::{activity_of, children_of, start_time};

/// Between two samples of a worker that changes.
pub(crate) const INTERVAL: Duration = Duration::from_secs(1);
/// Between two samples of a worker that has not changed for long, while the pools have work.
pub(crate) const BUSY_INTERVAL: Duration = Duration::from_secs(2);
/// The same while there is no work.
pub(crate) const IDLE_INTERVAL: Duration = Duration::from_secs(10);
/// Between two looks at one that has not run since the last: it can have taken nothing.
const SLEEP_INTERVAL: Duration = Duration::from_secs(30);
/// Moments are rounded up to this, so that one wake-up serves many workers.
const TICK: Duration = Duration::from_millis(100);
/// Measured at once in any case; of more than ten times that, a tenth.
const SLICE: usize = 64;

/// Commands to the sampler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Measure this worker from now on.
    Watch { worker: WorkerId, pid: u32 },
    /// The worker has ended.
    Unwatch(WorkerId),
    /// Measure it at once and report it, changed or not: it has finished its first job.
    Now(WorkerId),
    /// Whether there is work anywhere; none at first. Told on a change only, not for every job.
    Busy(bool),
}

/// One measurement.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sample {
    pub worker: WorkerId,
    /// Memory of its own and its descendants', in bytes.
    pub memory_bytes: u64,
    /// CPU used since the sample before, in per cent of one CPU, to a tenth.
    pub cpu_percent: f64,
}

/// Descendants seen below a worker, where they have changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    pub worker: WorkerId,
    /// All its descendants, by pid and start time.
    pub members: Vec<(u32, u64)>,
}

/// The thread. Dropped, it ends.
#[derive(Debug)]
pub(crate) struct Sampler {
    commands: Sender<Command>,
}

impl Sampler {
    /// Starts the thread; `notify` runs in it, with everything that one look found.
    pub(crate) fn start(
        capacity: usize,
        notify: impl FnMut(&[Sample], Vec<Family>) + Send + 'static,
    ) -> io::Result<Self> {
        let (commands, incoming) = channel::bounded(capacity);
        std::thread::Builder::new().name("sampler".to_owned()).spawn(move || run(&incoming, notify))?;
        Ok(Self { commands })
    }

    /// Tells it something; never waits. False if too much is waiting: say it again later.
    #[must_use]
    pub(crate) fn tell(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }
}

/// CPU time of this process until now.
pub(super) fn own_cpu() -> Option<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
    let micros = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
    Some(Duration::from_micros(micros(usage.user_time()) + micros(usage.system_time())))
}

fn run(incoming: &Receiver<Command>, mut notify: impl FnMut(&[Sample], Vec<Family>)) {
    let mut watches = Watches::new(crate::clock::instant());
    let Ok(mut system) = System::new() else {
        log::error!("memory and CPU of workers cannot be measured: `/proc` is not readable");
        // Takes commands all the same: nobody has to care.
        return incoming.iter().for_each(drop);
    };
    loop {
        let next = match watches.next_due() {
            Some(due) => incoming.recv_deadline(due),
            None => incoming.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        if matches!(next, Err(RecvTimeoutError::Disconnected)) {
            return;
        }
        let now = crate::clock::instant();
        for command in next.into_iter().chain(incoming.try_iter()) {
            watches.obey(command, now);
        }
        let mut due = watches.take_due(now);
        due.retain(|&worker| !watches.still_sleeps(worker, now));
        if due.is_empty() {
            continue;
        }
        let samples = watches.measure(&due, &mut system);
        let families = std::mem::take(&mut watches.families);
        if !samples.is_empty() || !families.is_empty() {
            notify(&samples, families);
        }
        watches.forget_strangers(&mut system);
    }
}

#[derive(Debug)]
struct Watch {
    pid: u32,
    due: Instant,
    pause: Duration,
    report_always: bool,
    measured_at: Instant,
    /// The worker and its descendants with the CPU time of each, in milliseconds.
    tree: Vec<(u32, u64)>,
    /// Descendants when its family was told.
    family: Vec<u32>,
    /// Activity of each process of the tree up to the last look.
    activity: Vec<Option<[u64; 4]>>,
    last: Option<Sample>,
}

#[derive(Debug)]
struct Watches {
    workers: BTreeMap<WorkerId, Watch>,
    busy: bool,
    /// Ticks are counted from here.
    epoch: Instant,
    /// Not yet told.
    families: Vec<Family>,
}

impl Watches {
    fn new(epoch: Instant) -> Self {
        Self { workers: BTreeMap::new(), busy: false, epoch, families: Vec::new() }
    }

    fn next_due(&self) -> Option<Instant> {
        self.workers.values().map(|watch| watch.due).min()
    }

    fn obey(&mut self, command: Command, now: Instant) {
        let soon = tick(self.epoch, now + INTERVAL);
        let hurry = |watch: &mut Watch| {
            watch.pause = INTERVAL;
            watch.due = watch.due.min(soon);
        };
        match command {
            Command::Watch { worker, pid } => {
                let tree = vec![(pid, 0)];
                let (measured_at, pause) = (now, INTERVAL);
                let activity = Vec::new();
                let watch = Watch {
                    pid,
                    due: soon,
                    pause,
                    report_always: true,
                    measured_at,
                    tree,
                    activity,
                    family: Vec::new(),
                    last: None,
                };
                self.workers.insert(worker, watch);
            }
            Command::Unwatch(worker) => drop(self.workers.remove(&worker)),
            Command::Now(worker) => {
                if let Some(watch) = self.workers.get_mut(&worker) {
                    watch.due = now;
                    watch.report_always = true;
                }
            }
            Command::Busy(busy) => {
                self.busy = busy;
                if busy {
                    self.workers.values_mut().for_each(hurry);
                }
            }
        }
    }

    /// Workers that are due, but no more than a slice; the rest is put off by a tick.
    fn take_due(&mut self, now: Instant) -> Vec<WorkerId> {
        let room = SLICE.max(self.workers.len().div_ceil(10));
        let later = tick(self.epoch, now + TICK);
        let mut due = Vec::new();
        for (&worker, watch) in self.workers.iter_mut().filter(|(_, watch)| watch.due <= now) {
            if watch.report_always || due.len() < room {
                due.push(worker);
            } else {
                watch.due = later;
            }
        }
        due
    }

    /// Whether a worker that did nothing before has done nothing since; then it need not be measured. Only while there
    /// is no work: a process that starts another may leave no trace in its own figures.
    fn still_sleeps(&mut self, worker: WorkerId, now: Instant) -> bool {
        let Some(watch) = self.workers.get_mut(&worker) else { return true };
        if self.busy || watch.report_always || watch.pause == INTERVAL {
            return false;
        }
        let activity = watch.tree.iter().map(|&(pid, _)| activity_of(pid)).collect();
        let before = std::mem::replace(&mut watch.activity, activity);
        let sleeps = before == watch.activity && before.iter().all(Option::is_some);
        if sleeps {
            watch.pause = (watch.pause * 2).min(SLEEP_INTERVAL);
            watch.due = tick(self.epoch, now + watch.pause);
        }
        sleeps
    }

    fn measure(&mut self, due: &[WorkerId], system: &mut System) -> Vec<Sample> {
        let mut pids = Vec::new();
        let mut trees = Vec::with_capacity(due.len());
        for worker in due {
            let Some(watch) = self.workers.get_mut(worker) else { continue };
            let tree = with_descendants(watch.pid);
            if tree[1..] != watch.family {
                watch.family = tree[1..].to_vec();
                let member = |&pid: &u32| Some((pid, start_time(pid)?));
                let members = watch.family.iter().filter_map(member).collect();
                self.families.push(Family { worker: *worker, members });
            }
            // Processes of the last refresh too, so that sysinfo lets go of the dead.
            pids.extend(watch.tree.iter().map(|&(pid, _)| pid).chain(tree.iter().copied()).map(Pid::from_u32));
            trees.push(tree);
        }
        pids.sort_unstable();
        pids.dedup();
        let what = ProcessRefreshKind::nothing().with_cpu().without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&pids), true, what);
        let now = crate::clock::instant();
        let mut samples = Vec::new();
        for (worker, tree) in due.iter().zip(trees) {
            let seen = |pid: u32| {
                let process = system.process(Pid::from_u32(pid))?;
                Some((pid, process.accumulated_cpu_time(), memory_of(pid)?))
            };
            let seen: Vec<_> = tree.into_iter().filter_map(seen).collect();
            let longest = if self.busy { BUSY_INTERVAL } else { IDLE_INTERVAL };
            let Some(watch) = self.workers.get_mut(worker) else { continue };
            samples.extend(watch.update(*worker, &seen, now));
            watch.pause = watch.pause.min(longest);
            watch.due = tick(self.epoch, now + watch.pause);
        }
        samples
    }

    /// Processes that left the tree of their worker alive stay in sysinfo's list; start a new one when they add up.
    fn forget_strangers(&self, system: &mut System) {
        let known: usize = self.workers.values().map(|watch| watch.tree.len()).sum();
        if system.processes().len() > 2 * known + 256
            && let Ok(new) = System::new()
        {
            *system = new;
        }
    }
}

impl Watch {
    /// Takes over what was seen of the tree (pid, CPU time, memory). `None` if there is nothing new, or nobody.
    fn update(&mut self, worker: WorkerId, seen: &[(u32, u64, u64)], now: Instant) -> Option<Sample> {
        if !seen.iter().any(|&(pid, ..)| pid == self.pid) {
            self.pause *= 2;
            return None;
        }
        let before = |pid| self.tree.iter().find(|&&(known, _)| known == pid).map_or(0, |&(_, time)| time);
        let used_ms: u64 = seen.iter().map(|&(pid, time, _)| time.saturating_sub(before(pid))).sum();
        let elapsed_ms = now.saturating_duration_since(self.measured_at).as_secs_f64() * 1e3;
        // Too short a time says nothing: the kernel counts in hundredths of a second.
        let percent = if elapsed_ms < 50.0 {
            self.last.map_or(0.0, |last| last.cpu_percent)
        } else {
            self.measured_at = now;
            self.tree = seen.iter().map(|&(pid, time, _)| (pid, time)).collect();
            (used_ms as f64 / elapsed_ms * 1e3).round() / 10.0
        };
        let memory_bytes = seen.iter().map(|&(.., memory)| memory).sum();
        // A process that is just being made, or is ending, has no memory of its own.
        if memory_bytes == 0 {
            return None;
        }
        let sample = Sample { worker, memory_bytes, cpu_percent: percent };
        let changed = self.last != Some(sample);
        self.pause = if changed || used_ms > 0 { INTERVAL } else { self.pause * 2 };
        self.last = Some(sample);
        let report = changed || std::mem::take(&mut self.report_always);
        self.report_always = false;
        report.then_some(sample)
    }
}

/// The next tick at or after `then`.
fn tick(epoch: Instant, then: Instant) -> Instant {
    let since = then.saturating_duration_since(epoch);
    epoch + TICK * since.as_millis().div_ceil(TICK.as_millis()) as u32
}

/// The process, then all that descend from it.
fn with_descendants(pid: u32) -> Vec<u32> {
    let mut tree = vec![pid];
    let mut next = 0;
    while next < tree.len() {
        // A process that is adopted while we look may come up twice.
        let children: Vec<u32> = children_of(tree[next]).into_iter().filter(|child| !tree.contains(child)).collect();
        tree.extend(children);
        next += 1;
    }
    tree
}

#[cfg(test)]
mod tests;
