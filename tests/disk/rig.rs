//! A bench whose database is on a disk that can be broken, and a master on it.

use serde_json::Value;

use crate::shim::Shim;
use crate::support::{Bench, DEADLINE, Master, Run, fixture};

/// The bench and its disk.
pub(crate) struct Rig {
    pub(crate) bench: Bench,
    pub(crate) shim: Shim,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let bench = Bench::with_database("disk/q.db");
        let shim = Shim::new(&bench.path().join("disk"));
        Self { bench, shim }
    }

    /// Starts a master with two workers that answer with their args, on the disk that can be broken.
    pub(crate) fn start(&self) -> Master<'_> {
        let mut master = self.launch();
        master.wait_until_it_runs();
        master
    }

    /// The same, not expected to come far.
    pub(crate) fn launch(&self) -> Master<'_> {
        let echo = fixture("echo.py");
        let mut args = vec!["--workers", "2", "--queue", "default", "--"];
        args.extend(echo.iter().map(String::as_str));
        let env = self.shim.env();
        let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.bench.launch_with(&args, &env)
    }

    /// Runs a command that itself feels the disk.
    pub(crate) fn run(&self, args: &[&str]) -> Run {
        let env = self.shim.env();
        env.iter().fold(self.bench.verb(args), |verb, (name, value)| verb.env(name, value)).run()
    }

    /// What the master says is wrong.
    pub(crate) fn problems(&self) -> Vec<String> {
        let status = self.bench.status();
        let problems = status["master"]["problems"].as_array().cloned().unwrap_or_default();
        problems.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    /// Waits until a problem is there that has these words, or until there is none.
    pub(crate) fn wait_for_problem(&self, words: Option<&str>) {
        self.bench.wait_for(&format!("the problem to be {words:?}"), DEADLINE, |_| {
            let problems = self.problems();
            words.map_or(problems.is_empty(), |words| problems.iter().any(|problem| problem.contains(words)))
        });
    }
}
