//! Faults and requests that a master should live through.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;

use super::{Field, Later};
use crate::chief::Chief;
use crate::clock;
use crate::plan::Act;
use crate::victims;

impl Field<'_> {
    pub(crate) fn act(&mut self, act: &Act) {
        let Some(pid) = self.chief.as_ref().map(Chief::pid) else { return };
        self.note(&format!("{act:?}"));
        match act {
            Act::KillWorkers(count) => {
                for worker in self.some_workers(pid, *count) {
                    self.killed.insert(worker);
                    self.tally.worker_kills += 1;
                    victims::signal(worker, Signal::SIGKILL);
                }
            }
            Act::KillGuardian => {
                if let Some(guardian) = victims::guardian(self.bench.database(), pid) {
                    self.is_unguarded = true;
                    victims::signal(guardian, Signal::SIGKILL);
                }
            }
            Act::FreezeMaster(time) => self.freeze(pid, *time),
            Act::FreezeWorkers(count, time) => {
                for worker in self.some_workers(pid, *count) {
                    self.freeze(worker, *time);
                }
            }
            Act::Scale(pool, workers) => {
                self.ask("scale", &json!({"pool": pool, "workers": workers, "no_wait": true}));
            }
            Act::RestartAll { now } => {
                self.ask("restart", &json!({"all": true, "now": now, "no_wait": true}));
            }
            Act::Pause(queue, time) => {
                self.ask("pause", &json!({"queues": [queue]}));
                self.later.push((clock::micros() + time.as_micros() as i64, Later::Resume(queue)));
            }
        }
    }

    fn freeze(&mut self, pid: i32, time: Duration) {
        victims::signal(pid, Signal::SIGSTOP);
        self.later.push((clock::micros() + time.as_micros() as i64, Later::Thaw(pid)));
    }

    /// So many of its workers, in any order.
    fn some_workers(&mut self, master: i32, count: u64) -> Vec<i32> {
        let mut workers = victims::workers(self.bench.database(), master);
        let mut some = Vec::new();
        while !workers.is_empty() && (some.len() as u64) < count {
            some.push(workers.swap_remove(self.dice.below(workers.len() as u64) as usize));
        }
        some
    }
}
