//! CPUs and memory of the whole machine, as `sysinfo` reads them. No pressure of memory, and no limit of processes, is told.

use std::collections::VecDeque;
use std::time::Duration;

use sysinfo::System;

use crate::model::Mono;
use crate::model::autoscale::Machine;

/// The share of busy CPUs is that of so long.
const WINDOW: Duration = Duration::from_secs(10);

/// Looks at the machine again and again.
#[derive(Debug)]
pub struct Gauge {
    system: Option<System>,
    /// Shares of busy CPUs, each since the one before.
    seen: VecDeque<(Mono, f64)>,
    is_first: bool,
}

impl Gauge {
    #[must_use]
    pub fn new() -> Self {
        Self { system: System::new().ok(), seen: VecDeque::new(), is_first: true }
    }

    /// How it is now.
    pub fn read(&mut self, now: Mono) -> Machine {
        let cpus = std::thread::available_parallelism().map_or(1.0, |cpus| cpus.get() as f64);
        let (mut cpu, mut memory) = (None, None);
        if let Some(system) = &mut self.system {
            system.refresh_cpu_usage();
            system.refresh_memory();
            memory = Some((system.total_memory(), system.total_memory().saturating_sub(system.available_memory())));
            // The first look has nothing to compare with.
            if !std::mem::replace(&mut self.is_first, false) {
                self.seen.push_back((now, f64::from(system.global_cpu_usage()) / 100.0));
            }
        }
        self.seen.retain(|(at, _)| now.since(*at) < WINDOW);
        if !self.seen.is_empty() {
            cpu = Some(self.seen.iter().map(|(_, busy)| busy).sum::<f64>() / self.seen.len() as f64);
        }
        Machine { cpu, cpus, memory, pressure: None, processes_left: None }
    }
}

impl Default for Gauge {
    fn default() -> Self {
        Self::new()
    }
}
