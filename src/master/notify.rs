//! Tells the service manager how the master is: that it is ready, what it does, that it reloads or stops, that it is alive.
//!
//! Decided once a turn, and only where there is a service manager. Invariants: it is told that the master is alive only by a turn
//! of the loop, and only if the writer has done something since it was told last; a message that did not get through is said
//! again.

use std::fmt::Write as _;
use std::time::Duration;

use super::Master;
use super::timers::Timer;
use crate::clock;
use crate::core::{Gate, Phase};
use crate::model::Mono;
use crate::process::service_manager::ServiceManager;
use crate::report::status_line::StatusLine;

/// Pools may take so long until each has a worker; then the master is ready without.
const READY_ANYHOW: Duration = Duration::from_secs(30);
/// The status is said no sooner again.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// How often the stop is asked to be given more time, and how much.
const EXTEND_EVERY: Duration = Duration::from_secs(5);
const EXTEND_BY: Duration = Duration::from_secs(15);
/// When a message is said again that did not get through.
const AGAIN: Duration = Duration::from_millis(100);

/// The service manager, if there is one, and what it knows.
#[derive(Debug)]
pub(super) struct Notify(Option<(ServiceManager, Told)>);

/// Things that the service manager knows, and when it is told of each again.
#[derive(Clone, Debug, Default)]
struct Told {
    is_ready: bool,
    is_stopping: bool,
    reload: Reload,
    status: String,
    status_at: Mono,
    extend_at: Mono,
    /// Half of the time after which the service manager takes a silent master for dead.
    alive_every: Option<Duration>,
    alive_at: Mono,
    /// Things the writer had done when it was told last that the master is alive.
    writer: u64,
    /// The last message did not get through.
    not_before: Mono,
}

/// A reload, and what is said of it. Its end is a message of its own: one that has both would say nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Reload {
    #[default]
    None,
    /// At this time of the system's monotonic clock.
    Begun(u64),
    /// The same, and it is over by now.
    Brief(u64),
    /// The beginning is said.
    Said,
    Over,
}

/// The state of the master, as far as it is told.
struct State {
    /// Each pool has a worker that is ready.
    has_workers: bool,
    phase: Phase,
    /// When the last worker has left, at the latest.
    gone_by: Option<Mono>,
    /// Things the writer has done.
    writer: u64,
}

impl Notify {
    /// To the service manager that the environment names, if it does.
    pub(super) fn of_environment() -> Self {
        Self(ServiceManager::of_environment().map(|manager| {
            let alive_every = manager.watchdog.map(|timeout| timeout / 2);
            (manager, Told { alive_every, ..Told::default() })
        }))
    }

    /// A reload begins.
    pub(super) fn reloading(&mut self) {
        if let Some((_, told)) = &mut self.0 {
            told.reload = Reload::Begun(clock::monotonic_micros());
        }
    }

    /// The reload is over, whatever came of it.
    pub(super) fn reloaded(&mut self) {
        if let Some((_, told)) = &mut self.0 {
            told.reload = match told.reload {
                Reload::Begun(at) | Reload::Brief(at) => Reload::Brief(at),
                Reload::Said | Reload::Over => Reload::Over,
                Reload::None => Reload::None,
            };
        }
    }

    /// When there is something to say, if nothing happens.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let (_, told) = self.0.as_ref()?;
        let ready = (!told.is_ready).then_some(Mono(0) + READY_ANYHOW);
        let extend = told.is_stopping.then_some(told.extend_at);
        let alive = told.alive_every.map(|_| told.alive_at);
        let reload = (!matches!(told.reload, Reload::None | Reload::Said)).then_some(Mono(0));
        let next = [ready, extend, alive, reload].into_iter().flatten().min()?;
        Some(next.max(told.not_before))
    }
}

impl Master {
    /// Says what is new, at the end of a turn.
    pub(super) fn notify(&mut self) {
        let now = self.time.mono();
        let Some((_, told)) = &self.notify.0 else { return };
        if now < told.not_before {
            return;
        }
        let state = State {
            has_workers: told.is_ready || self.has_workers(),
            phase: self.core.phase(),
            gone_by: if self.core.phase() == Phase::Running { None } else { self.gone_by() },
            writer: self.batches.writer_pulse(),
        };
        let mut after = told.clone();
        let mut text = after.next(&state, now);
        if now >= after.status_at && after.is_ready {
            after.status_at = now + STATUS_EVERY;
            let line = self.status_line().to_string();
            if line != after.status {
                let _ = writeln!(text, "STATUS={line}");
                after.status = line;
            }
        }
        let asks_writer = after.alive_at != told.alive_at;
        let Some((manager, told)) = &mut self.notify.0 else { return };
        if text.is_empty() || manager.tell(&text) {
            *told = after;
        } else {
            told.not_before = now + AGAIN;
        }
        if asks_writer {
            self.batches.check();
        }
    }

    /// Whether each pool that is to have workers has one that is ready.
    fn has_workers(&self) -> bool {
        let is_ready = |id| self.core.worker(id).is_some_and(crate::core::Handle::is_ready);
        self.core.pools().filter(|(_, pool)| pool.wanted > 0 && pool.gate != Gate::Sidecar).all(|(_, pool)| {
            pool.slots().any(|slot| slot.state.is_finished() || slot.state.current().is_some_and(is_ready))
        })
    }

    /// When the last worker has left that is on its way, at the latest: asked, terminated, killed.
    fn gone_by(&self) -> Option<Mono> {
        let patience = self.core.pools().map(|(_, pool)| pool.settings.limits.kill_after).max().unwrap_or_default();
        let last = self.core.workers().filter_map(|(_, worker)| worker.grace_until()).max()?;
        Some(last + 2 * patience)
    }

    fn status_line(&self) -> StatusLine<'_> {
        StatusLine {
            is_stopping: self.core.phase() != Phase::Running,
            workers: self.core.workers().filter(|(_, worker)| worker.is_alive()).count() as u64,
            busy: self.core.workers().filter(|(_, worker)| !worker.flights.is_empty()).count() as u64,
            ready: self.core.totals().all().map(|totals| totals.ready).sum(),
            jobs_per_s: self.meters.jobs_per_s(self.time.mono()),
            problem: self.core.problems().next().map(|(_, text)| text),
        }
    }

    /// Wakes the loop when something is to be said.
    pub(super) fn set_notify_timer(&mut self) {
        if self.notify.0.is_some() {
            self.time.ring_at(Timer::Notify, self.notify.next_deadline());
        }
    }
}

impl Told {
    /// The words to be said now, one message a line; it counts as said.
    fn next(&mut self, state: &State, now: Mono) -> String {
        let mut text = String::new();
        let (is_reloaded, reload) = match self.reload {
            Reload::Begun(_) => (false, Reload::Said),
            Reload::Brief(_) => (false, Reload::Over),
            Reload::Over => (true, Reload::None),
            same @ (Reload::None | Reload::Said) => (false, same),
        };
        if let Reload::Begun(at) | Reload::Brief(at) = std::mem::replace(&mut self.reload, reload) {
            let _ = writeln!(text, "RELOADING=1\nMONOTONIC_USEC={at}");
        }
        let is_up = !self.is_ready && (state.has_workers || now >= Mono(0) + READY_ANYHOW);
        if is_reloaded || is_up {
            self.is_ready = true;
            text.push_str("READY=1\n");
        }
        if state.phase != Phase::Running {
            if !self.is_stopping {
                (self.is_stopping, self.status_at) = (true, now);
                text.push_str("STOPPING=1\n");
            }
            if now >= self.extend_at {
                self.extend_at = now + EXTEND_EVERY;
                if state.gone_by.is_some_and(|at| now < at) {
                    let _ = writeln!(text, "EXTEND_TIMEOUT_USEC={}", EXTEND_BY.as_micros());
                }
            }
        }
        if let Some(every) = self.alive_every.filter(|_| now >= self.alive_at) {
            self.alive_at = now + every;
            if state.writer != self.writer {
                self.writer = state.writer;
                text.push_str("WATCHDOG=1\n");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    fn state(has_workers: bool, phase: Phase, gone_by: Option<u64>, writer: u64) -> State {
        State { has_workers, phase, gone_by: gone_by.map(|at| Mono(at * SECOND)), writer }
    }

    #[test]
    fn the_master_is_ready_with_its_workers_or_after_half_a_minute() {
        let mut told = Told::default();
        let waits = state(false, Phase::Running, None, 0);
        assert_eq!(told.next(&waits, Mono(29 * SECOND)), "");
        assert_eq!(told.clone().next(&waits, Mono(30 * SECOND)), "READY=1\n");
        let runs = state(true, Phase::Running, None, 0);
        assert_eq!(
            (told.next(&runs, Mono(30 * SECOND)), told.next(&runs, Mono(31 * SECOND))),
            ("READY=1\n".into(), String::new())
        );
    }

    #[test]
    fn a_stop_is_given_more_time_again_and_again_until_the_last_grace_is_over() {
        let mut told = Told { is_ready: true, ..Told::default() };
        let stops = state(true, Phase::Stopping, Some(8), 0);
        let mut said = |second: u64| told.next(&stops, Mono(second * SECOND));
        assert_eq!(said(1), "STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\n");
        let later = [said(5), said(6), said(8), said(11)];
        assert_eq!(later, ["", "EXTEND_TIMEOUT_USEC=15000000\n", "", ""]);
    }

    #[test]
    fn the_master_is_alive_only_while_the_writer_does_something() {
        let mut told = Told { is_ready: true, alive_every: Some(Duration::from_secs(2)), ..Told::default() };
        let mut said =
            |second: u64, writer| told.next(&state(true, Phase::Running, None, writer), Mono(second * SECOND));
        let said = [said(1, 1), said(2, 2), said(3, 3), said(5, 3), said(7, 3), said(9, 4)];
        assert_eq!(said, ["WATCHDOG=1\n", "", "WATCHDOG=1\n", "", "", "WATCHDOG=1\n"]);
    }

    #[test]
    fn a_reload_is_said_when_it_begins_and_when_it_is_over() {
        let mut told = Told { is_ready: true, reload: Reload::Begun(77), ..Told::default() };
        let runs = state(true, Phase::Running, None, 0);
        assert_eq!(told.next(&runs, Mono(1)), "RELOADING=1\nMONOTONIC_USEC=77\n");
        assert_eq!(told.next(&runs, Mono(2)), "");
        for over in [Reload::Over, Reload::Brief(77)] {
            told.reload = over;
            let said: String = [1, 2, 3].map(|at| told.next(&runs, Mono(at))).concat();
            assert!(said.ends_with("READY=1\n") && told.reload == Reload::None, "{said}");
        }
    }
}
