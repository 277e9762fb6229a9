//! CPUs, memory, pressure and processes, in files of the kernel, which are read without waiting; where the control group of
//! this process has limits, by those. What the kernel does not say is left out.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::Mono;
use crate::model::autoscale::Machine;
use crate::process::{cgroup, procfs};

/// The share of busy CPUs is that of so long.
const WINDOW: Duration = Duration::from_secs(10);
/// A shorter time says nothing: the kernel counts in hundredths of a second.
const LEAST: Duration = Duration::from_millis(500);
/// After a longer pause in looking it is begun anew.
const PAUSE: Duration = Duration::from_secs(20);

/// Looks at the machine again and again.
#[derive(Debug)]
pub struct Gauge {
    /// The CPUs that this process may use, by number.
    cpus: Vec<usize>,
    cpu: Option<CpuLimit>,
    memory: Option<MemoryLimit>,
    processes: Option<PathBuf>,
    seen: VecDeque<Seen>,
    space: Vec<u8>,
}

/// A control group that may not use all of the CPUs.
#[derive(Debug)]
struct CpuLimit {
    folder: PathBuf,
    cpus: f64,
}

#[derive(Debug)]
struct MemoryLimit {
    folder: PathBuf,
    bytes: u64,
}

/// CPU time at some moment: busy, and all there was, in ticks; of the group, in microseconds.
#[derive(Clone, Copy, Debug)]
struct Seen {
    at: Mono,
    busy: u64,
    all: u64,
    group: Option<u64>,
}

impl Gauge {
    #[must_use]
    pub fn new() -> Self {
        let folders = cgroup::own_and_above();
        let limited = |file: &str| {
            folders.iter().find_map(|folder| {
                let text = fs::read_to_string(folder.join(file)).ok()?;
                (!text.starts_with("max")).then(|| (folder.clone(), text))
            })
        };
        let cpu = limited("cpu.max").and_then(|(folder, text)| Some(CpuLimit { folder, cpus: cpus_of(&text)? }));
        let memory = limited("memory.max")
            .and_then(|(folder, text)| Some(MemoryLimit { folder, bytes: text.trim().parse().ok()? }));
        let allowed = fs::read_to_string("/proc/self/status").ok();
        let cpus = allowed.as_deref().and_then(|text| field(text, "Cpus_allowed_list:")).map(cpu_list);
        Self {
            cpus: cpus.unwrap_or_default(),
            cpu,
            memory,
            processes: limited("pids.max").map(|(folder, _)| folder),
            seen: VecDeque::new(),
            space: Vec::new(),
        }
    }

    /// How it is now.
    pub fn read(&mut self, now: Mono) -> Machine {
        let allowed = self.cpus.len().max(1) as f64;
        Machine {
            cpu: self.busy(now),
            cpus: self.cpu.as_ref().map_or(allowed, |limit| limit.cpus.min(allowed)),
            memory: self.memory(),
            pressure: self.pressure(),
            processes_left: self.processes_left(),
        }
    }

    /// The share of the CPUs that was busy, of the machine or of what the group may use: the larger one.
    fn busy(&mut self, now: Mono) -> Option<f64> {
        let (busy, all) = times(procfs::read("/proc/stat", &mut self.space).ok()?, &self.cpus)?;
        let group = self.cpu.as_ref().and_then(|limit| {
            let text = fs::read_to_string(limit.folder.join("cpu.stat")).ok()?;
            field(&text, "usage_usec")?.parse().ok()
        });
        let seen = Seen { at: now, busy, all, group };
        if self.seen.back().is_some_and(|last| now.since(last.at) > PAUSE) {
            self.seen.clear();
        }
        self.seen.push_back(seen);
        while self.seen.get(1).is_some_and(|second| now.since(second.at) >= WINDOW) {
            self.seen.pop_front();
        }
        let first = self.seen.front().filter(|first| now.since(first.at) >= LEAST)?;
        let machine = (busy - first.busy.min(busy)) as f64 / (all - first.all.min(all)).max(1) as f64;
        let used = group.zip(first.group).map(|(now, then)| now.saturating_sub(then) as f64);
        let may_use = self.cpu.as_ref().map(|limit| limit.cpus * now.since(first.at).as_micros() as f64);
        let of_group = used.zip(may_use).map(|(used, may_use)| used / may_use);
        Some(of_group.map_or(machine, |share| share.max(machine)).min(1.0))
    }

    /// Memory that there is, and that is in use.
    fn memory(&mut self) -> Option<(u64, u64)> {
        if let Some(MemoryLimit { folder, bytes }) = &self.memory {
            let current: u64 = fs::read_to_string(folder.join("memory.current")).ok()?.trim().parse().ok()?;
            let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
            // The kernel takes these pages back when it needs them.
            let files: u64 = field(&stat, "inactive_file").and_then(|text| text.parse().ok()).unwrap_or(0);
            return Some((*bytes, current.saturating_sub(files)));
        }
        let text = std::str::from_utf8(procfs::read("/proc/meminfo", &mut self.space).ok()?).ok()?;
        let kilobytes = |name| field(text, name)?.strip_suffix(" kB")?.trim().parse::<u64>().ok();
        let (total, free) = (kilobytes("MemTotal:")? * 1024, kilobytes("MemAvailable:")? * 1024);
        Some((total, total.saturating_sub(free)))
    }

    /// The shares of time in which some, and all, waited for memory.
    fn pressure(&self) -> Option<(f64, f64)> {
        let path = self.memory.as_ref().map(|limit| limit.folder.join("memory.pressure"));
        let text = fs::read_to_string(path.unwrap_or_else(|| "/proc/pressure/memory".into())).ok()?;
        let share = |name| field(field(&text, name)?, "avg10=").and_then(|text| text.parse::<f64>().ok());
        Some((share("some")? / 100.0, share("full").unwrap_or(0.0) / 100.0))
    }

    fn processes_left(&self) -> Option<u64> {
        let folder = self.processes.as_ref()?;
        let number = |file| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
        Some(number("pids.max")?.saturating_sub(number("pids.current")?))
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self::new()
    }
}

/// The word, or the rest of the line, behind a name.
fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    if name.ends_with('=') {
        return text.split_whitespace().find_map(|word| word.strip_prefix(name));
    }
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// `200000 100000`: microseconds of CPU time in a period, and its length.
fn cpus_of(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok().filter(|period| *period > 0.0)?)
}

/// `0-3,8`
fn cpu_list(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.trim().parse::<usize>().ok()?..=last.trim().parse::<usize>().ok()?)
    };
    text.split(',').filter_map(range).flatten().collect()
}

/// Ticks that these CPUs were busy, and all of theirs.
fn times(proc_stat: &[u8], cpus: &[usize]) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(proc_stat).ok()?;
    let (mut busy, mut all) = (0, 0);
    for line in text.lines().filter_map(|line| line.strip_prefix("cpu")) {
        let Some((number, times)) = line.split_once(' ') else { continue };
        if !number.parse().is_ok_and(|number| cpus.contains(&number)) {
            continue;
        }
        // user nice system idle iowait irq softirq steal; guests are counted in user.
        let times: Vec<u64> = times.split_whitespace().take(8).filter_map(|time| time.parse().ok()).collect();
        let sum: u64 = times.iter().sum();
        all += sum;
        busy += sum - times.iter().skip(3).take(2).sum::<u64>();
    }
    (all > 0).then_some((busy, all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_cpus_that_may_be_used_count() {
        let stat = b"cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 10 0 5 80 5 0 0 0 3 0\ncpu1 99 0 0 1 0 0 0 0 0 0\nintr 1 2\n";
        assert_eq!(times(stat, &[0]), Some((15, 100)));
        assert_eq!(times(stat, &[0, 1]), Some((114, 200)));
        assert_eq!(times(stat, &[7]), None);
        assert_eq!(cpu_list("0-2,5"), [0, 1, 2, 5]);
    }

    #[test]
    fn limits_and_pressure_are_read_as_the_kernel_writes_them() {
        assert_eq!(cpus_of("150000 100000\n"), Some(1.5));
        assert_eq!(cpus_of("max 100000\n"), None);
        let pressure = "some avg10=12.50 avg60=3.00 avg300=1.00 total=9\nfull avg10=0.25 avg60=0.00 total=1\n";
        assert_eq!(field(field(pressure, "full").unwrap(), "avg10="), Some("0.25"));
        let mut gauge = Gauge::new();
        assert_eq!(gauge.read(Mono(0)).cpu, None);
        let machine = gauge.read(Mono(2_000_000));
        assert!(machine.cpu.is_some_and(|busy| (0.0..=1.0).contains(&busy)), "{machine:?}");
        assert!(machine.cpus > 0.0 && machine.memory.is_some_and(|(all, used)| used < all), "{machine:?}");
    }
}
