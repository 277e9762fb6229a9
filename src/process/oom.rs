//! Whether the kernel has killed somebody for want of memory; and that it takes workers rather than their master.
//!
//! The kernel counts such deaths for the whole machine and tells nobody whose they were: a SIGKILL that nobody here sent
//! while the number went up is taken for one of them.

use std::fs;

use super::procfs;

/// Added to the master's own score, which a worker would inherit: of two, the worker is killed.
const WORKERS_MORE: i32 = 300;
const HIGHEST: i32 = 1000;

/// Counts those deaths.
#[derive(Debug)]
pub struct OomWatch {
    before: Option<u64>,
    lately: Option<u64>,
}

impl OomWatch {
    /// Counts from now on.
    #[must_use]
    pub fn start() -> Self {
        let kills = kills();
        Self { before: kills, lately: kills }
    }

    /// Forgets what was before the last call. To be called now and then, so that a death of long ago explains none of
    /// now, and a death that is not yet known of is still explained.
    pub fn roll(&mut self) {
        self.before = std::mem::replace(&mut self.lately, kills());
    }

    /// Whether somebody was killed since the last call but one of [`Self::roll`], or of this. Ask only when somebody was.
    pub fn killed(&mut self) -> bool {
        let kills = kills();
        let killed = self.before.is_some() && kills > self.before;
        (self.before, self.lately) = (kills, kills);
        killed
    }
}

fn kills() -> Option<u64> {
    let mut space = Vec::new();
    let text = std::str::from_utf8(procfs::read("/proc/vmstat", &mut space).ok()?).ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.parse().ok()
}

/// Makes the kernel prefer this process, a child of ours, when it must kill one. Where that cannot be, it is as we are.
pub fn prefer(pid: u32) {
    let own = fs::read_to_string("/proc/self/oom_score_adj").ok().and_then(|text| text.trim().parse::<i32>().ok());
    let score = own.unwrap_or(0).saturating_add(WORKERS_MORE).min(HIGHEST);
    if let Err(error) = fs::write(format!("/proc/{pid}/oom_score_adj"), score.to_string()) {
        log::debug!("the oom_score_adj of process {pid} cannot be set: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_preferred_to_us_and_without_a_kill_none_is_reported() {
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let score = |pid: u32| -> i32 {
            fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap().trim().parse().unwrap()
        };
        let own = score(std::process::id());
        prefer(child.id());
        assert_eq!(score(child.id()), (own + WORKERS_MORE).min(HIGHEST));
        child.kill().unwrap();
        child.wait().unwrap();
        prefer(u32::MAX);
        let mut watch = OomWatch { before: Some(u64::MAX), lately: None };
        assert!(!watch.killed(), "the number did not go up");
        assert_eq!((watch.before, watch.lately), (kills(), kills()));
        let mut blind = OomWatch { before: None, lately: None };
        assert!(!blind.killed(), "from nothing known, nothing follows");
    }
}
