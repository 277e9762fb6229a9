//! The kernel's count of OOM kills; and that it takes workers rather than their master.

use std::fs;

use super::procfs;

/// Added to the master's own score, which a worker would inherit: of two, the worker is killed.
const WORKERS_MORE: i32 = 300;
const HIGHEST: i32 = 1000;

/// How many processes the kernel has killed for want of memory since the machine started; `None` where it does not say.
#[must_use]
pub fn kills() -> Option<u64> {
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
    fn a_child_is_preferred_to_us_and_without_a_kill_none_is_counted() {
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
        assert_eq!(kills(), kills());
    }
}
