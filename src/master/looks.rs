//! What is looked at now and then, as nobody tells us: whether others have written to the database, the size of its log,
//! clients that take too long, deaths for want of memory.
//!
//! Of the files of the database the kernel tells, as a rule; then nothing is done with them in between, and a master that
//! has nothing to do does nothing with its store. Where the kernel does not tell, they are looked at every time.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::clock::Steps;
use super::{Master, Source};
use crate::config::Config;
use crate::model::{Mono, Now};
use crate::process::watch::Watch;
use crate::store::sqlite::store_files;

/// How soon it is seen that another process has written, in case that one could not say so: it was killed, or knew
/// another socket.
const EVERY: Duration = Duration::from_secs(1);
/// How seldom old logs are looked for.
const CLEAN_AT_LEAST: Duration = Duration::from_mins(10);
/// How often deaths for want of memory are counted while nobody works.
const COUNT_IDLE: Duration = Duration::from_secs(10);

/// When what is looked at.
#[derive(Debug)]
pub(super) struct Looks {
    /// The next time.
    pub(super) at: Mono,
    /// Tells whether anything was done to the database; `None` where that has to be looked for.
    watch: Option<Watch>,
    /// When deaths for want of memory are counted next.
    count_at: Mono,
    /// When logs of workers that are gone for long are removed next.
    clean_at: Mono,
    /// There was news the last time.
    once_more: bool,
    /// The write-ahead log was too large when it was looked at last.
    pub(super) log_was_large: bool,
    /// Whether the wall clock was set.
    pub(super) steps: Steps,
}

impl Looks {
    /// Looks at everything at once. On a file system of several machines nobody tells what the others do.
    pub(super) fn new(config: &Config, registry: &Registry, token: Token) -> Self {
        let watch = || -> std::io::Result<Watch> {
            let watch = Watch::new(store_files(&config.database).to_vec())?;
            registry.register(&mut SourceFd(&watch.as_fd().as_raw_fd()), token, Interest::READABLE)?;
            Ok(watch)
        };
        let failed = |e: &std::io::Error| log::debug!("the database has to be looked at every second: {e}");
        let watch = if config.network_fs { None } else { watch().inspect_err(failed).ok() };
        Self::watching(watch)
    }

    fn watching(watch: Option<Watch>) -> Self {
        let (zero, steps) = (Mono(0), Steps::start());
        Self { at: zero, watch, count_at: zero, clean_at: zero, once_more: false, log_was_large: false, steps }
    }

    /// Takes in what the kernel tells.
    pub(super) fn hear(&mut self) {
        self.watch.iter_mut().for_each(Watch::drain);
    }

    /// Whether to look at the database. Once more after the last news: that a commit is complete SQLite says through shared
    /// memory, of which nobody tells, after it was written. And as long as the log is too large.
    fn has_news(&mut self) -> bool {
        let news = self.watch.as_mut().is_none_or(Watch::has_news);
        std::mem::replace(&mut self.once_more, news) || news || self.log_was_large
    }
}

impl Master {
    /// Looks, if it is time; asks the writer whether another process has added jobs, unless it is known that nothing was
    /// written. True if it was time.
    pub(super) fn look(&mut self, now: Now) -> bool {
        if now.mono < self.looks.at {
            return false;
        }
        self.looks.at = now.mono + EVERY;
        self.keep_reachable();
        self.clients.lose_patience(now.mono);
        if now.mono >= self.looks.count_at || !self.core.is_quiet() {
            self.looks.count_at = now.mono + COUNT_IDLE;
            self.oom.roll();
        }
        self.clean_logs(now);
        if self.looks.has_news() {
            self.watch_log();
            if let Some(writer) = &self.writer {
                writer.check();
            }
        }
        true
    }

    /// Makes the control socket again if somebody has removed it, or put something else in its place.
    fn keep_reachable(&mut self) {
        if self.clients.is_reachable() {
            self.problem_over("socket");
            return;
        }
        // Clients that had found it are accepted first.
        self.accept();
        let path = self.fixed.config.socket.display().to_string();
        match self.clients.listen_again(self.poll.registry(), Source::Listener.token()) {
            Ok(()) => log::warn!("the control socket `{path}` was gone and is made again"),
            Err(e) => {
                self.problem("socket", format!("the control socket `{path}` is gone and cannot be made again: {e}"));
            }
        }
    }
}

impl Master {
    /// Has the logs removed of workers that are gone for longer than their records are kept.
    fn clean_logs(&mut self, now: Now) {
        if now.mono < self.looks.clean_at {
            return;
        }
        let keep = self.fixed.config.keep.runs;
        self.looks.clean_at = now.mono + (keep / 2).clamp(EVERY, CLEAN_AT_LEAST);
        let since = u64::try_from(now.wall.minus(keep).0).unwrap_or(0);
        let living = self.workers.values().map(|pipes| Arc::clone(&pipes.name)).collect();
        self.logs.clean(SystemTime::UNIX_EPOCH + Duration::from_micros(since), living);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_is_looked_at_once_more_after_the_last_news() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().canonicalize().unwrap().join("q.db");
        std::fs::write(&file, "1").unwrap();
        let watch = Some(Watch::new(vec![file.clone()]).unwrap());
        let mut looks = Looks::watching(watch);
        let mut look = || {
            looks.hear();
            looks.has_news()
        };
        assert_eq!([look(), look(), look(), look()], [true, true, false, false]);
        std::fs::write(&file, "2").unwrap();
        assert_eq!([look(), look(), look()], [true, true, false]);
    }
}
