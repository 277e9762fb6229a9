//! How much of it: from the environment, where `scripts/chaos` puts it.

use std::path::PathBuf;
use std::time::Duration;

/// What to do.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// `CHAOS_SEED`: where everything random comes from.
    pub(crate) seed: u64,
    /// `CHAOS_ROUNDS`
    pub(crate) rounds: u64,
    /// `CHAOS_ROUND`: only this one.
    pub(crate) round: Option<u64>,
    /// `CHAOS_JOBS`: pushed in a round, about.
    pub(crate) jobs: u64,
    /// `CHAOS_SOAK`: seconds.
    pub(crate) soak: Duration,
    /// `CHAOS_STRICT=1`: nothing else goes on here, so that times are held against what they should be.
    pub(crate) is_strict: bool,
    /// `CHAOS_FIGURES=1`: enough samples of each figure.
    pub(crate) figures: bool,
    /// `CHAOS_TABLE`: the table, as Markdown, goes into this file.
    pub(crate) table: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn read() -> Self {
        Self {
            seed: number("CHAOS_SEED").unwrap_or(20_260_731),
            rounds: number("CHAOS_ROUNDS").unwrap_or(50),
            round: number("CHAOS_ROUND"),
            jobs: number("CHAOS_JOBS").unwrap_or(60),
            soak: Duration::from_secs(number("CHAOS_SOAK").unwrap_or(5)),
            is_strict: number("CHAOS_STRICT") == Some(1),
            figures: number("CHAOS_FIGURES") == Some(1),
            table: std::env::var_os("CHAOS_TABLE").map(PathBuf::from),
        }
    }

    /// How long anything may outlive its master.
    pub(crate) const fn patience(&self) -> Duration {
        Duration::from_secs(if self.is_strict { 1 } else { 10 })
    }

    /// What to do to see this round again; and all of it, where it takes what was before.
    pub(crate) fn again(&self, round: u64) -> String {
        let build = if cfg!(debug_assertions) { " --debug" } else { "" };
        let command = format!("scripts/chaos --seed {} --jobs {}{build}", self.seed, self.jobs);
        format!("{command} --round {round}\nand with the rounds before it: {command} --rounds {}", round + 1)
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
}
