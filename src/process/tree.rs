//! Ends a process and all its descendants, so that none escapes meanwhile.
//!
//! After a parent is killed its children are found only if they are adopted by us; if children are killed first, one
//! that is just being forked is missed. So each process is stopped before its children are listed: a stopped process
//! forks none. Then all are killed.
//!
//! Invariant: neither we, nor those who are spared, nor what is below us or them is touched.

use std::collections::HashSet;

use super::group::{Signal, signal_process};
use super::identity;

/// Rounds of looking for those that were born before their parent, of several threads, stood still.
const MOST_ROUNDS: usize = 16;

/// Stops these and all their descendants, and returns the living ones, to be killed; also those that may not be
/// signalled.
#[must_use]
pub fn stop(roots: &[(u32, u64)], spared: &[u32]) -> Vec<(u32, u64)> {
    let mut seen: HashSet<u32> = spared.iter().copied().chain([std::process::id()]).collect();
    let mut all: Vec<(u32, u64)> = Vec::new();
    let mut add = |found: &mut Vec<(u32, u64)>, pid: u32, start: u64| {
        if identity::is_alive(pid, start) && seen.insert(pid) {
            // Also where it fails: it is found, and reported.
            let _ = signal_process(pid, start, Signal::Stop);
            found.push((pid, start));
        }
    };
    for &(pid, start) in roots {
        add(&mut all, pid, start);
    }
    for _ in 0..MOST_ROUNDS {
        let before = all.len();
        let mut next = 0;
        while next < all.len() {
            for child in identity::children_of(all[next].0) {
                if let Some(start) = identity::start_time(child) {
                    add(&mut all, child, start);
                }
            }
            next += 1;
        }
        if all.len() == before {
            break;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::testing::{Family, wait_until};

    fn kill(roots: &[(u32, u64)], spared: &[u32]) {
        for (pid, start) in stop(roots, spared) {
            signal_process(pid, start, Signal::Kill).unwrap();
        }
    }

    fn below(pid: u32) -> Vec<(u32, u64)> {
        identity::descendants_of([pid], |_| false).iter().map(|process| (process.pid, process.start)).collect()
    }

    #[test]
    fn a_tree_ends_with_all_its_sessions_and_whoever_is_spared_lives_on() {
        let mut family = Family::start("a tree");
        let root = (family.leader.id(), identity::start_time(family.leader.id()).unwrap());
        let mut found = below(root.0);
        found.sort_unstable();
        let mut expected = family.children.each_ref().map(|child| (child.pid, child.start));
        expected.sort_unstable();
        assert_eq!(found, expected);
        kill(&[root], &[family.children[1].pid]);
        wait_until("all but one are dead", || family.children_live() == [false, true]);
        family.leader.wait().unwrap();
        let spared = (family.children[1].pid, family.children[1].start);
        kill(&[(spared.0, spared.1 + 1)], &[]);
        assert!(family.children_live()[1]);
        kill(&[spared], &[]);
        wait_until("it is dead", || family.children_live() == [false, false]);
    }

    #[test]
    fn one_that_forks_all_the_time_does_not_get_away() {
        let script = "n=0; while [ $n -lt 300 ]; do sleep 1000 & n=$((n+1)); done; wait";
        let mut child = std::process::Command::new("/bin/sh").args(["-c", script]).spawn().unwrap();
        let root = (child.id(), identity::start_time(child.id()).unwrap());
        wait_until("it has children", || !below(root.0).is_empty());
        let all = stop(&[root], &[]);
        assert!(below(root.0).iter().all(|process| all.contains(process)));
        kill(&all, &[]);
        child.wait().unwrap();
        wait_until("all are dead", || !all.iter().any(|&(pid, start)| identity::is_alive(pid, start)));
    }
}
