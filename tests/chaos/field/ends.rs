//! Ends of masters, and what may be left of them.

use std::collections::BTreeSet;
use std::process::ExitStatus;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::Field;
use crate::chief::{self, Chief};
use crate::clock;
use crate::findings::Kind;
use crate::plan::End;
use crate::support::{DEADLINE, now};
use crate::talk::Talk;
use crate::victims;

/// How long a test waits before it says that something is left for good.
const LONGEST: Duration = Duration::from_secs(20);

impl Field<'_> {
    pub(crate) fn end(&mut self, end: End, is_up: bool) {
        let Some(mut chief) = self.chief.take() else { return };
        if let Some(status) = chief.has_ended() {
            return self.findings.add(Kind::Other, format!("a master ended by itself: {status}"));
        }
        self.note(&format!("{end:?}"));
        let database = self.bench.database();
        match end {
            End::Live => self.chief = Some(chief),
            End::Kill => {
                self.chief = Some(chief);
                self.kill();
            }
            End::KillAgain(times) => {
                self.chief = Some(chief);
                self.kill_again(times);
            }
            End::KillAll => {
                self.tally.kills += 1;
                let victims = victims::find(database);
                // Of those that start another one meanwhile nobody is left to know: that is for the next master.
                self.orphans.extend(victims.iter().filter_map(|victim| victim.cookie.clone()));
                for victim in victims {
                    self.killed.insert(victim.pid);
                    victims::signal(victim.pid, Signal::SIGKILL);
                }
                chief.kill9();
            }
            End::KillBoth => {
                self.tally.kills += 1;
                let guardian = victims::guardian(database, chief.pid());
                let end_guardian = |signal| guardian.map(|pid| victims::signal(pid, signal));
                end_guardian(Signal::SIGSTOP);
                chief.signal(Signal::SIGSTOP);
                self.orphans.extend(victims::cookies(database));
                end_guardian(Signal::SIGKILL);
                chief.kill9();
            }
            End::Term(times) => self.ask_to_end(chief, Signal::SIGTERM, times, is_up),
            End::Int(times) => self.ask_to_end(chief, Signal::SIGINT, times, is_up),
            End::Stop(grace) => self.stop(chief, grace, is_up),
        }
    }

    /// What runs now and has to end with its master.
    fn doomed(&self) -> BTreeSet<String> {
        &victims::cookies(self.bench.database()) - &self.orphans
    }

    fn kill(&mut self) {
        self.await_guardian();
        let Some(mut chief) = self.chief.take() else { return };
        let doomed = self.doomed();
        self.tally.kills += 1;
        let at = chief.kill9();
        self.bury(at, &doomed);
    }

    fn kill_again(&mut self, times: u64) {
        self.await_guardian();
        let Some(mut chief) = self.chief.take() else { return };
        let mut doomed = self.doomed();
        let mut at = chief.kill9();
        self.tally.kills += 1 + times;
        for _ in 0..times {
            let mut next = Chief::launch(self.bench, &self.config);
            clock::pass(Duration::from_micros(self.dice.below(60_000)));
            doomed.extend(self.doomed());
            if let Some(status) = next.has_ended() {
                self.findings.add(Kind::Other, format!("a master ended while it recovered: {status}"));
            }
            at = next.kill9();
        }
        self.bury(at, &doomed);
    }

    /// A guardian that was killed is replaced; until then the death of the master has no consequences.
    fn await_guardian(&mut self) {
        let Some(pid) = self.chief.as_ref().map(Chief::pid) else { return };
        let end = now() + DEADLINE;
        while self.is_unguarded {
            self.is_unguarded = victims::guardian(self.bench.database(), pid).is_none();
            if now() > end {
                return self.findings.add(Kind::Other, "a guardian that was killed is not replaced");
            }
            self.let_pass(Duration::from_millis(1));
        }
    }

    /// Nothing of a dead master may be left soon.
    fn bury(&mut self, at: i64, doomed: &BTreeSet<String>) {
        if doomed.is_empty() {
            return;
        }
        let patience = self.settings.patience();
        match victims::gone(self.bench.database(), doomed, LONGEST) {
            Ok(when) => {
                self.tally.gone.push(when - at);
                let late = when - at > patience.as_micros() as i64;
                self.findings.expect(!late, Kind::LeftBehind, || format!("gone after {} µs only", when - at));
            }
            Err(left) => self.findings.add(Kind::LeftBehind, format!("after {LONGEST:?}: {left:?}")),
        }
    }

    fn ask_to_end(&mut self, chief: Chief, signal: Signal, times: u64, is_up: bool) {
        let doomed = self.doomed();
        // Where nohup or a script in the background started us, our masters ignore it as we do.
        let signal = if signal == Signal::SIGINT && ignores_interrupts() { Signal::SIGTERM } else { signal };
        for _ in 0..times {
            chief.signal(signal);
        }
        let allowed: &[i32] = if signal == Signal::SIGINT && times > 1 { &[0, 130] } else { &[0] };
        self.await_end(chief, allowed, is_up);
        self.bury(clock::micros(), &doomed);
    }

    fn stop(&mut self, chief: Chief, grace: Option<Duration>, is_up: bool) {
        let doomed = self.doomed();
        let params = json!({"timeout_s": grace.map(|grace| grace.as_secs_f64())});
        let socket = chief::socket(self.bench);
        std::thread::scope(|scope| {
            // It answers when everybody has left, or not at all if it does not run yet.
            let asked = scope.spawn(move || {
                let asks = |mut talk: Talk| talk.ask("stop", &params).ok();
                let answer = Talk::open(&socket).ok().and_then(asks);
                matches!(answer, Some(Ok(Value::Object(_))))
            });
            self.chief = Some(chief);
            while !asked.is_finished() {
                self.let_pass(Duration::from_millis(1));
            }
            let was_answered = asked.join().expect("no panic");
            let Some(chief) = self.chief.take() else { return };
            if !was_answered {
                self.findings.expect(!is_up, Kind::Other, || "`stop` is not answered".to_owned());
                chief.signal(Signal::SIGTERM);
            }
            self.await_end(chief, &[0], is_up);
        });
        self.bury(clock::micros(), &doomed);
    }

    /// Waits until it has ended by itself.
    fn await_end(&mut self, mut chief: Chief, allowed: &[i32], is_up: bool) {
        let end = now() + 2 * DEADLINE;
        let mut status = None;
        while status.is_none() && now() < end {
            self.let_pass(Duration::from_millis(1));
            status = chief.has_ended();
        }
        // A signal that comes before the handlers are there ends it as it does every program.
        let good = |status: ExitStatus| status.code().map_or(!is_up, |code| allowed.contains(&code));
        self.findings.expect(status.is_some_and(good), Kind::Other, || {
            format!("a master that was asked to end: {status:?}, not one of {allowed:?}")
        });
    }
}

fn ignores_interrupts() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (Signal::SIGINT as u64 - 1)) != 0
}
