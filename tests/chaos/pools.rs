//! The pools of a master, some other ones each round: knobs that a seed turns, as a file of configuration.

use std::fmt::Write as _;

use crate::dice::Dice;
use crate::support::{Bench, fixture};
use crate::worker;

const WEIGHTS: &str = "{ fast = 3, slow = 1 }";

/// What is different from round to round.
#[derive(Clone, Debug)]
pub(crate) struct Knobs {
    /// Workers for `fast` and `slow`; `None`: these queues wait.
    pub(crate) fast: Option<u64>,
    /// Workers for `many`, and jobs at a time of each.
    pub(crate) many: Option<(u64, u64)>,
    /// Built-in workers for commands.
    pub(crate) cmd: Option<u64>,
    /// A worker in Python that ignores TERM.
    pub(crate) py: bool,
    prefetch: &'static str,
    max_jobs: Option<u64>,
    durability: &'static str,
    /// Weights or a strict order.
    queues: &'static str,
    /// How workers of `many` are known to be ready.
    ready: &'static str,
    max_time: &'static str,
}

impl Knobs {
    /// Those of a round.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        Self {
            fast: (!dice.percent(10)).then(|| dice.between(1, 4)),
            many: dice.percent(80).then(|| (dice.between(1, 2), dice.between(2, 5))),
            cmd: dice.percent(80).then(|| dice.between(1, 3)),
            py: dice.percent(50),
            prefetch: dice.pick(&["\"auto\"", "\"auto\"", "1", "7"]),
            max_jobs: dice.percent(30).then(|| dice.between(3, 30)),
            durability: dice.pick(&["full", "full", "process"]),
            queues: dice.pick(&[WEIGHTS, "[\"fast\", \"slow\"]"]),
            ready: dice.pick(&["message", "spawned"]),
            max_time: if dice.percent(15) { "400ms" } else { "1h" },
        }
    }

    /// Everything, and nothing special: what is compared with one another runs with these.
    pub(crate) const fn calm() -> Self {
        Self {
            fast: Some(3),
            many: Some((1, 4)),
            cmd: Some(2),
            py: true,
            prefetch: "\"auto\"",
            max_jobs: None,
            durability: "full",
            queues: WEIGHTS,
            ready: "message",
            max_time: "1h",
        }
    }

    /// The same with recycling, for a master that lives long.
    pub(crate) const fn soaking() -> Self {
        Self { max_jobs: Some(200), ..Self::calm() }
    }

    /// Names of the pools.
    pub(crate) fn pools(&self) -> Vec<&'static str> {
        let there = [("fast", self.fast.is_some()), ("many", self.many.is_some()), ("cmd", self.cmd.is_some())];
        let mut names: Vec<_> = there.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect();
        if self.py || names.is_empty() {
            names.push("py");
        }
        names
    }

    /// The file of configuration.
    pub(crate) fn text(&self, bench: &Bench) -> String {
        let max_jobs = self.max_jobs.map_or("\"off\"".to_owned(), |n| n.to_string());
        let mut text = format!(
            "durability = \"{}\"\n[defaults]\nbackoff = \"20ms\"\nmax_attempts = 2\ngrace = \"20s\"\n\
             kill_after = \"300ms\"\nprefetch = {}\nmax_jobs = {max_jobs}\nmax_time = \"{}\"\n",
            self.durability, self.prefetch, self.max_time
        );
        let witness = witness(bench);
        let role = format!("{} = \"worker\", {} = {witness}", worker::ROLE, worker::WITNESS);
        let command = worker::command_line();
        let pools = self.pools();
        if let Some(workers) = self.fast {
            let _ = writeln!(
                text,
                "[pools.fast]\nqueues = {}\nworkers = {workers}\ncommand = {command:?}\nenv = {{ {role} }}",
                self.queues
            );
        }
        if let Some((workers, at_a_time)) = self.many {
            let _ = writeln!(
                text,
                "[pools.many]\nworkers = {workers}\ncommand = {command:?}\nready = {:?}\nenv = {{ {role}, {} = \"{at_a_time}\" }}",
                self.ready,
                worker::CONCURRENCY
            );
        }
        if let Some(workers) = self.cmd {
            let _ = writeln!(text, "[pools.cmd]\nworkers = {workers}");
        }
        if pools.contains(&"py") {
            let command = fixture("chaos.py");
            let _ = writeln!(text, "[pools.py]\nworkers = 1\ncommand = {command:?}\nenv = {{ {role} }}");
        }
        text
    }
}

/// The path of the witness file, as a text in TOML.
fn witness(bench: &Bench) -> String {
    toml::Value::from(bench.path().join("witness").to_str().expect("UTF-8")).to_string()
}

/// So many compiled workers for `fast`, two built-in ones for `cmd`, and more lines for both.
pub(crate) fn plain(bench: &Bench, workers: usize, defaults: &str) -> String {
    let witness = witness(bench);
    format!(
        "[defaults]\n{defaults}[pools.fast]\nworkers = {workers}\ncommand = {:?}\nenv = {{ {} = \"worker\", {} = {witness} }}\n\
         [pools.cmd]\nworkers = 2\n",
        worker::command_line(),
        worker::ROLE,
        worker::WITNESS
    )
}
