//! Everything that rounds share, and the life of one round.

use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chief::{self, Chief};
use crate::clock;
use crate::deeds::Deed;
use crate::dice::Dice;
use crate::findings::{Findings, Kind};
use crate::ledger::Ledger;
use crate::oracle::{Evidence, Oracle};
use crate::plan::Plan;
use crate::pools::Knobs;
use crate::settings::Settings;
use crate::support::{Bench, DEADLINE};
use crate::ticks;
use crate::victims;
use crate::witness::Witness;

mod ends;
mod faults;

/// How long it may take until everything that was pushed has ended.
const DRAIN: Duration = Duration::from_secs(90);
/// How often an idle master is looked at, to find it at rest.
const LOOKS: usize = 20;
/// Descriptors that one master at rest may have more than another.
const MORE_DESCRIPTORS: u64 = 4;
/// Memory that one master at rest may have more than another, which has a smaller store.
const MORE_MEMORY_BYTES: u64 = 16 * 1024 * 1024;

/// What happens later, unless the round ends before.
#[derive(Clone, Debug)]
enum Later {
    /// SIGCONT.
    Thaw(i32),
    Resume(&'static str),
}

/// Everything that rounds share.
pub(crate) struct Field<'a> {
    bench: &'a Bench,
    ledger: &'a Ledger,
    settings: &'a Settings,
    pub(crate) chief: Option<Chief>,
    /// Its configuration.
    config: String,
    witness: Witness,
    pub(crate) oracle: Oracle,
    pub(crate) findings: Findings,
    dice: Dice,
    /// Workers that were killed by us.
    killed: BTreeSet<i32>,
    later: Vec<(i64, Later)>,
    /// Whether the guardian of the master that runs was killed.
    is_unguarded: bool,
    /// What masters have left whose guardian died with them: the next one has to end it.
    orphans: BTreeSet<String>,
    pub(crate) tally: Tally,
}

/// What is counted for the table.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) kills: u64,
    pub(crate) worker_kills: u64,
    /// From the death of a master to that of the last of its descendants, in microseconds.
    pub(crate) gone: Vec<i64>,
    /// Descriptors and memory of a master like all the others, after everything has ended.
    idle: Vec<(u64, u64)>,
}

impl<'a> Field<'a> {
    pub(crate) fn new(bench: &'a Bench, ledger: &'a Ledger, settings: &'a Settings) -> Self {
        Self {
            bench,
            ledger,
            settings,
            chief: None,
            config: String::new(),
            witness: Witness::new(&bench.path().join("witness")),
            oracle: Oracle::default(),
            findings: Findings::default(),
            dice: Dice::new(settings.seed, 0),
            killed: BTreeSet::new(),
            later: Vec::new(),
            is_unguarded: false,
            orphans: BTreeSet::new(),
            tally: Tally::default(),
        }
    }

    /// One round, and a quick look after it.
    pub(crate) fn play(&mut self, round: u64) {
        let plan = Plan::draw(self.settings.seed, round);
        self.note(&format!("round {round}: {plan:?}"));
        self.dice = Dice::new(!self.settings.seed, round);
        if self.chief.is_none() {
            self.config = plan.knobs.text(self.bench) + &ticks::each_second("fast", Deed::Well.word());
            self.launch();
        }
        self.ledger.grant(self.settings.jobs * plan.load / 100);
        if plan.is_up {
            self.up();
        }
        for (after, act) in plan.acts {
            self.let_pass(after);
            self.act(&act);
        }
        self.let_pass(plan.end.0);
        self.end(plan.end.1, plan.is_up);
        self.look(Oracle::quick);
    }

    /// Lets everything that was pushed come to its end, and holds all of it against what is known. No processor is configured
    /// meanwhile: its ticks are made up for in the next round.
    pub(crate) fn full(&mut self) {
        if self.chief.is_some() {
            self.end(crate::plan::End::Term(1), true);
        }
        self.config = Knobs::calm().text(self.bench);
        self.launch();
        self.up();
        self.drain();
        self.rest();
        self.end(crate::plan::End::Stop(None), true);
        self.look(Oracle::full);
        self.oracle.check_keys(self.bench.database(), &mut self.findings);
    }

    /// Nothing more is pushed, and everything ends.
    pub(crate) fn drain(&mut self) {
        self.ledger.revoke();
        let quiet = clock::soon(2 * DEADLINE, || self.ledger.is_quiet());
        self.findings.expect(quiet, Kind::Other, || "a push is not answered".to_owned());
        let chief = self.chief.as_ref().expect("BUG: it was started");
        if let Err(status) = chief::drained(chief, DRAIN) {
            self.findings.add(Kind::Lost, format!("not everything comes to its end: {status}"));
        }
    }

    fn launch(&mut self) {
        self.later.clear();
        self.is_unguarded = false;
        self.chief = Some(Chief::launch(self.bench, &self.config));
    }

    /// Starts a master with these knobs and waits until it runs.
    pub(crate) fn start(&mut self, knobs: &Knobs) {
        self.config = knobs.text(self.bench);
        self.launch();
        self.up();
    }

    /// Waits until the master runs; then nothing of those before it may be left.
    fn up(&mut self) {
        self.thaw();
        let Some(chief) = &mut self.chief else { return };
        if let Err(why) = chief.wait_until_up() {
            self.findings.add(Kind::Other, why);
            return;
        }
        let left = victims::carriers(self.bench.database(), &self.orphans);
        self.findings.expect(left.is_empty(), Kind::LeftBehind, || {
            format!("in spite of a new master: {}", victims::names(&left))
        });
        self.orphans.clear();
        for queue in ["fast", "slow", "many", "cmd"] {
            // One that nothing was pushed to is not there yet.
            self.ask("resume", &json!({"queues": [queue]}));
        }
    }

    /// Who asks a frozen master would wait for the one that thaws it.
    fn thaw(&mut self) {
        let pid = self.chief.as_ref().map(Chief::pid);
        let is_its = |later: &Later| matches!(later, Later::Thaw(frozen) if Some(*frozen) == pid);
        while let Some(at) = self.later.iter().position(|(_, later)| is_its(later)) {
            let (_, later) = self.later.remove(at);
            self.happen(&later);
        }
    }

    /// Asks the master something; no answer is no finding.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Option<Value> {
        self.thaw();
        self.chief.as_ref()?.ask(method, params)?.ok()
    }

    /// Lets time pass, and what is due in it happen.
    pub(crate) fn let_pass(&mut self, time: Duration) {
        let end = clock::micros() + time.as_micros() as i64;
        loop {
            let now = clock::micros();
            while let Some(due) = self.later.iter().position(|(at, _)| *at <= now) {
                let (_, later) = self.later.remove(due);
                self.happen(&later);
            }
            if now >= end {
                return;
            }
            let next = self.later.iter().map(|(at, _)| *at).min().map_or(end, |at| at.min(end));
            clock::pass(Duration::from_micros(next.saturating_sub(now).max(0).unsigned_abs()));
        }
    }

    fn happen(&mut self, later: &Later) {
        match later {
            Later::Thaw(pid) => victims::signal(*pid, nix::sys::signal::Signal::SIGCONT),
            Later::Resume(queue) => drop(self.ask("resume", &json!({"queues": [queue]}))),
        }
    }

    pub(crate) fn look(&mut self, oracle: fn(&mut Oracle, &mut Evidence<'_>, &mut Findings)) {
        let mut evidence = Evidence {
            database: self.bench.database(),
            ledger: self.ledger,
            witness: &mut self.witness,
            killed: &self.killed,
        };
        // A round may be over before there is a database.
        if evidence.database.exists() {
            oracle(&mut self.oracle, &mut evidence, &mut self.findings);
        }
    }

    /// What the master needs at rest.
    fn rest(&mut self) {
        let Some(chief) = &self.chief else { return };
        let looks = (0..LOOKS).map(|_| {
            clock::pass(Duration::from_millis(5));
            (chief.descriptors(), chief.memory())
        });
        let looks: Vec<(u64, u64)> = looks.collect();
        let least = |of: fn(&(u64, u64)) -> u64| looks.iter().map(of).min().unwrap_or(0);
        self.tally.idle.push((least(|look| look.0), least(|look| look.1)));
    }

    /// The masters at rest were all of one kind: none may need more because of what was before it. Which of them has a worker
    /// more or less at that moment is chance, so each is compared with what is usual.
    pub(crate) fn check_growth(&mut self) {
        let idle = &self.tally.idle;
        let middle = |of: fn(&(u64, u64)) -> u64| {
            let mut all: Vec<u64> = idle.iter().map(of).collect();
            all.sort_unstable();
            all.get(all.len() / 2).copied().unwrap_or_default()
        };
        let (descriptors, bytes) = (middle(|look| look.0), middle(|look| look.1));
        let grown = |at: &(u64, u64)| at.0 > descriptors + MORE_DESCRIPTORS || at.1 > bytes + MORE_MEMORY_BYTES;
        self.findings.expect(!idle.iter().any(grown), Kind::Other, || {
            format!("masters at rest grow (descriptors, bytes): {idle:?}")
        });
    }

    /// Kills what is there, without a look.
    pub(crate) fn abandon(&mut self) {
        self.chief = None;
    }

    /// In one line.
    pub(crate) fn progress(&self) -> String {
        let (descriptors, memory) = self.tally.idle.last().copied().unwrap_or_default();
        format!(
            "{} acknowledged, {} ended, {} kills of a master, {} of workers, {} runs given back; {}; at rest {descriptors} \
             descriptors, {:.1} MiB",
            self.ledger.acknowledged(),
            self.oracle.checked(),
            self.tally.kills,
            self.tally.worker_kills,
            self.oracle.released,
            self.oracle.ticks.text(),
            memory as f64 / 1024.0 / 1024.0
        )
    }

    fn note(&self, line: &str) {
        let path = self.bench.path().join("rounds.log");
        let mut file = std::fs::File::options().append(true).create(true).open(path).expect("a file");
        writeln!(file, "{} {line}", clock::micros()).expect("written");
    }
}
