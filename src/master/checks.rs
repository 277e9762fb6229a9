//! Periodic checks for what nobody reports: changes of the store by others, the size of its log, clients that take too
//! long, OOM kills, the control socket, logs of workers that are gone.

use std::cell::LazyCell;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Master;
use super::sources::Source;
use super::store_events::Purpose;
use super::timers::Timer;
use crate::core::{Ears, Event, Tag};
use crate::model::change::Request;
use crate::model::order::Tell;
use crate::model::problem::{CUT_OFF, Topic};
use crate::model::processor::OpenRun;
use crate::model::serves::Serves;
use crate::model::{Mono, Now};
use crate::process::machine::Gauge;
use crate::process::{identity, oom};

/// How soon it is seen that another process has written, in case that one could not say so: it was killed, or knew
/// another socket.
const EVERY: Duration = Duration::from_secs(1);
/// The same while nothing is to be done: each look costs an idle machine 0.3 ms, as its caches are cold.
const QUIET: Duration = Duration::from_secs(2);
/// How seldom old logs are looked for.
const CLEAN_AT_LEAST: Duration = Duration::from_mins(10);
/// How often it is seen whether the sockets of services are in their places.
const LISTEN: Duration = Duration::from_secs(5);
/// How often OOM kills are counted while nobody works.
const COUNT_IDLE: Duration = Duration::from_secs(10);

/// When the checks are due that are not made every time. At first everything is.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// When the sockets of services are looked at next, and what was wrong with them.
    listen_at: Mono,
    unheard: Option<String>,
    /// When OOM kills are counted next.
    count_at: Mono,
    /// When logs of workers that are gone for long are removed next.
    clean_at: Mono,
    /// What the pools of other hosts serve, and how often what ours serve had changed when those were told.
    pub(super) elsewhere: Serves,
    told: u64,
    /// Whether others tell of each job that they end.
    ears: Ears,
    /// Of the machine, once a pool scales itself.
    gauge: Option<Gauge>,
}

impl Master {
    /// Runs the checks that are due; asks the writer whether another process has added jobs, unless it is known that nothing was written.
    pub(super) fn check(&mut self, now: Now) {
        let is_quiet = self.core.is_quiet();
        let every = if is_quiet && !self.core.scales_itself() { QUIET } else { EVERY };
        self.time.ring_in(Timer::Checks, every);
        if is_quiet {
            self.meters.pace(false);
        }
        if now.mono >= self.checks.listen_at {
            self.checks.listen_at = now.mono + LISTEN;
            self.checks.unheard = self.keep_listening();
        }
        let trouble = self.keep_reachable().or_else(|| self.checks.unheard.clone());
        self.problem_if(Topic::Socket, trouble);
        self.clients.lose_patience(now.mono);
        if now.mono >= self.checks.count_at || !is_quiet {
            self.checks.count_at = now.mono + COUNT_IDLE;
            self.feed(Event::OomKills(oom::kills()));
        }
        if self.core.scales_itself() {
            let machine = self.checks.gauge.get_or_insert_default().read(now.mono);
            self.feed(Event::Machine(machine));
        }
        self.clean_logs(now);
        self.look_for_lost_runs();
        if self.hold.has_news() {
            let trouble = self.hold.trouble_with_log();
            self.problem_if(Topic::Log, trouble);
            self.batches.check();
        }
    }

    /// Begins no job while others may take over what this master runs, though it has been claimed long ago.
    pub(super) fn heed_lease(&mut self) {
        let is_cut_off = self.hold.is_cut_off();
        if is_cut_off != self.core.is_cut_off() {
            self.feed(Event::CutOff(is_cut_off));
            self.problem_if(Topic::Lease, is_cut_off.then(|| CUT_OFF.to_owned()));
        }
    }

    /// Takes in signs of changes by others. What other masters do is looked at as soon as they say so; a lease that was renewed is
    /// the guardian's to know.
    pub(super) fn hear_of_store(&mut self) {
        self.hold.hear();
        if let Some(until) = self.hold.lease_until() {
            self.containment.lease(until);
            if self.hold.has_news() {
                self.batches.check();
            }
        }
    }

    /// Tells the masters of other hosts what our pools serve, where that has changed.
    pub(super) fn tell_what_is_served(&mut self) {
        let (version, served) = self.core.serves();
        if version == self.checks.told || self.hold.lease_until().is_none() {
            return;
        }
        self.checks.told = version;
        let request = Request::Tell(Box::new(Tell::Serves(served.collect())));
        self.batches.add(request, Purpose::Core(Tag::None), false, false, self.time.now());
    }

    /// Has the masters of other hosts tell of each job that they end, while that matters here.
    pub(super) fn hear_ends(&mut self, now: Mono) {
        if self.hold.lease_until().is_none() {
            return;
        }
        let matters = self.requests.awaits_jobs() || self.core.gives_back_again();
        if let Some(hears) = self.checks.ears.listen(matters, now) {
            let request = Request::Tell(Box::new(Tell::HearsEnds(hears)));
            self.batches.add(request, Purpose::HearEnds, false, false, self.time.now());
        }
    }

    /// Finds runs of processors whose process outside is gone.
    fn look_for_lost_runs(&mut self) {
        let here = LazyCell::new(identity::host);
        let is_gone = |run: &&OpenRun| {
            let ours = run.process.as_ref().filter(|process| process.host == *here);
            ours.is_some_and(|process| {
                process.boot_id != identity::boot_id() || !identity::is_alive(process.pid, process.start)
            })
        };
        let gone: Vec<_> = self.core.foreign_runs().filter(is_gone).map(|run| run.id).collect();
        for run in gone {
            self.feed(Event::RunLost(run));
        }
    }

    /// Makes the control socket again if somebody has removed it, or put something else in its place; what is wrong if that
    /// fails.
    fn keep_reachable(&mut self) -> Option<String> {
        if self.clients.is_reachable() {
            return None;
        }
        // Clients that had found it are accepted first.
        self.accept();
        let path = self.in_force.config.socket.display().to_string();
        match self.clients.listen_again(self.sources.registry(), Source::Listener.token()) {
            Ok(()) => log::warn!("the control socket `{path}` was gone and is made again"),
            Err(e) => return Some(format!("the control socket `{path}` is gone and cannot be made again: {e}")),
        }
        None
    }

    /// Has the logs removed of workers that are gone for longer than their records are kept.
    fn clean_logs(&mut self, now: Now) {
        if now.mono < self.checks.clean_at {
            return;
        }
        let keep = self.in_force.config.keep.runs;
        self.checks.clean_at = now.mono + (keep / 2).clamp(EVERY, CLEAN_AT_LEAST);
        let since = u64::try_from(now.wall.minus(keep).0).unwrap_or(0);
        let living = self.children.iter().map(|(_, pipes)| Arc::clone(pipes.name())).collect();
        self.logs.clean(SystemTime::UNIX_EPOCH + Duration::from_micros(since), living);
    }
}
