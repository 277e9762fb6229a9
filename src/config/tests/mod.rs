//! A configuration is written to a folder of its own and loaded from there.

mod autoscale;
mod changes;
mod fuzz;
mod layers;
mod order;
mod problems;
mod processor_problems;
mod processors;
mod services;
mod showing;
mod variables;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::model::{PoolKind, Prefetch, ReadyWhen};

/// A folder with a configuration file, an environment and flags.
struct Case {
    folder: tempfile::TempDir,
    env: BTreeMap<String, String>,
    flags: Flags,
}

impl Case {
    /// Without a file; the home is `/home/me`.
    fn empty() -> Self {
        let env = BTreeMap::from([("HOME".to_owned(), "/home/me".to_owned())]);
        Self { folder: tempfile::tempdir().unwrap(), env, flags: Flags::default() }
    }

    fn new(toml: &str) -> Self {
        Self::empty().file("queue-work.toml", toml)
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    fn env(mut self, name: &str, value: &str) -> Self {
        self.env.insert(name.into(), value.into());
        self
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn environment(&self) -> Environment {
        self.env.iter().collect()
    }

    fn try_load(&self) -> Result<Loaded, ConfigErrors> {
        Config::load(&self.flags, &self.environment(), Some(self.folder.path()))
    }

    #[track_caller]
    fn load(&self) -> Loaded {
        self.try_load().unwrap_or_else(|errors| panic!("{errors}"))
    }

    fn paths(&self) -> Result<Paths, ConfigErrors> {
        paths(&self.flags, &self.environment(), Some(self.folder.path()))
    }

    /// The problems, one a line.
    #[track_caller]
    fn errors(&self) -> Vec<String> {
        let errors = self.try_load().expect_err("there should be problems").to_string();
        errors.lines().map(str::to_owned).collect()
    }
}

fn words(command: &[&str]) -> Vec<OsString> {
    command.iter().map(OsString::from).collect()
}

fn queues(pool: &PoolConfig) -> Vec<&str> {
    pool.settings.queues.names().map(crate::model::QueueName::as_str).collect()
}

/// Limits as flags.
fn limits(given: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    given.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn at(path: &Path, name: &str) -> PathBuf {
    path.join(name)
}
