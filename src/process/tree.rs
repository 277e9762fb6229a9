//! A process and all its descendants: found and stopped, so that none escapes meanwhile.
//!
//! After a parent is killed its children are found only if they are adopted by us; if children are killed first, one
//! that is just being forked is missed. So each process is stopped before its children are listed: a stopped process
//! forks none. Then all are killed.
//!
//! Invariant: neither we, nor those who are spared, nor what is below us or them is touched.

use std::collections::HashSet;

use super::group::{Signal, signal_process};
use super::identity::{self, Identity, children_of};

/// Rounds of looking for those that were born, or came to another parent, while others were looked at.
const MOST_ROUNDS: usize = 16;

/// Stops these and all their descendants, and returns the living ones, to be killed; also those that may not be
/// signalled.
#[must_use]
pub fn stop(roots: &[(u32, u64)], spared: &[u32]) -> Vec<(u32, u64)> {
    let mut all: Vec<(u32, u64)> = Vec::new();
    let mut stop = |pid, start| {
        let lives = identity::is_alive(pid, start);
        if lives {
            // Also where it fails: it is found, and reported.
            let _ = signal_process(pid, start, Signal::Stop);
            all.push((pid, start));
        }
        lives
    };
    let mut met: HashSet<u32> = spared.iter().copied().chain([std::process::id()]).collect();
    let mut from = Vec::new();
    for &(pid, start) in roots {
        if !met.contains(&pid) && stop(pid, start) {
            met.insert(pid);
            from.push(pid);
        }
    }
    walk(from, met, children_of, |pid| identity::start_time(pid).is_some_and(|start| stop(pid, start)));
    all
}

/// Everybody alive below these processes, each seen once; not those that are `spared`, nor those below them.
#[must_use]
pub fn descendants_of(roots: impl IntoIterator<Item = u32>, spared: impl Fn(&Identity) -> bool) -> Vec<Identity> {
    let mut all = Vec::new();
    walk(roots.into_iter().collect(), HashSet::new(), children_of, |pid| {
        let found = Identity::of(pid).filter(|process| !spared(process));
        let is_found = found.is_some();
        all.extend(found);
        is_found
    });
    all.retain(Identity::is_alive);
    all
}

/// Enters everybody below these processes who was not `met` before, once; only where `enter` says so what is below it.
///
/// A process that ends between the list that it is in and the look at it leaves its children to a parent whose list was
/// made before: so it looks again until it meets nobody new, dead or alive.
fn walk(
    mut parents: Vec<u32>,
    mut met: HashSet<u32>,
    mut children: impl FnMut(u32) -> Vec<u32>,
    mut enter: impl FnMut(u32) -> bool,
) {
    for _ in 0..MOST_ROUNDS {
        let before = met.len();
        let mut next = 0;
        while next < parents.len() {
            for child in children(parents[next]) {
                if met.insert(child) && enter(child) {
                    parents.push(child);
                }
            }
            next += 1;
        }
        if met.len() == before {
            break;
        }
    }
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
        descendants_of([pid], |_| false).iter().map(|process| (process.pid, process.start)).collect()
    }

    #[test]
    fn the_child_of_one_that_ends_before_it_is_looked_at_is_found_with_its_next_parent() {
        let mut lists = [(1, vec![2]), (1, vec![2, 3]), (3, vec![]), (1, vec![2, 3]), (3, vec![])].into_iter();
        let mut entered = Vec::new();
        let listed = |pid| {
            let (asked, list) = lists.next().expect("no list more");
            assert_eq!(pid, asked);
            list
        };
        walk(vec![1], HashSet::new(), listed, |pid| {
            entered.push(pid);
            pid != 2
        });
        assert_eq!((entered, lists.next()), (vec![2, 3], None));
    }

    #[test]
    fn descendants_are_found_at_any_depth_but_not_below_those_who_are_spared() {
        let family = Family::start("descendants");
        let found = |spared: &[Identity]| {
            let mut pids: Vec<u32> =
                descendants_of([family.leader.id()], |d| spared.contains(d)).iter().map(|d| d.pid).collect();
            pids.sort_unstable();
            pids
        };
        let mut both = family.children.each_ref().map(|child| child.pid);
        both.sort_unstable();
        assert_eq!(found(&[]), both);
        assert_eq!(found(&family.children[..1]), [family.children[1].pid]);
        let leader = Identity::of(family.leader.id()).unwrap();
        assert!(!descendants_of([std::process::id()], |d| *d == leader).iter().any(|d| both.contains(&d.pid)));
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
