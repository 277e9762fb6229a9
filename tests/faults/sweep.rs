//! Every failpoint, with every fault it takes, at its first, second and seventeenth hit.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::story::{Story, hits};
use crate::support::{Bench, now};
use crate::{oracle, sources};

const HITS: [usize; 3] = [1, 2, 17];
/// In a built-in worker, of which each counts anew: the first hit would kill every one of them at its first job.
const HITS_IN_WORKER: [usize; 2] = [2, 3];
/// Stories at a time. They mostly wait: for the disk, for backoffs, for each other.
const AT_A_TIME: usize = 4;
/// Sites that are reached only after another fault.
const AFTER: [(&str, &str); 4] = [
    ("dispatch.half_written", "dispatch.cut_short=error@3"),
    ("store.reopen", "claim.before_commit=error@2"),
    ("store.reopened", "claim.before_commit=error@2"),
    ("store.log_rewritten", "claim.before_commit=error@2"),
];

/// The failpoints, and whether each can do more than kill. Ticks never come to rest: they have a story of their own.
fn sites() -> BTreeMap<String, bool> {
    let mut sites = sources::uses_of("failpoint");
    sites.extend(sources::uses_of("faulty"));
    sites.retain(|site, _| !site.starts_with("tick."));
    sites
}

/// What to try, by what was hit when nothing went wrong.
fn orders(sites: &BTreeMap<String, bool>, hits: &BTreeMap<String, usize>) -> Vec<String> {
    let mut orders = Vec::new();
    for (site, can_fail) in sites {
        let (most, before) = match (hits.get(site), AFTER.iter().find(|(name, _)| name == site)) {
            (Some(&hits), _) => (hits, String::new()),
            (None, Some((_, before))) => (1, format!("{before},")),
            // Not every story comes by; that one does is seen at the end.
            (None, None) => (1, String::new()),
        };
        let nths: &[usize] = if site.starts_with("worker.") { &HITS_IN_WORKER } else { &HITS };
        for nth in nths.iter().filter(|nth| **nth <= most) {
            orders.push(format!("{before}{site}=kill@{nth}"));
            if *can_fail {
                orders.push(format!("{before}{site}=error@{nth}"));
            }
        }
    }
    orders
}

/// Tells one story; the sites it hit.
fn told(faults: &str) -> BTreeMap<String, usize> {
    let bench = Bench::new();
    let mut story = Story::new(&bench, faults);
    story.tell();
    oracle::check(&story, !faults.contains("worker."));
    hits(&bench)
}

#[test]
fn whatever_fails_or_dies_wherever_nothing_is_lost_stuck_or_left_behind() {
    let begun = now();
    if let Ok(faults) = std::env::var("FAULTS") {
        told(&faults);
        return;
    }
    let sites = sites();
    let orders = orders(&sites, &told(""));
    let (next, hit, failed) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some(order) = orders.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match catch_unwind(AssertUnwindSafe(|| told(order))) {
                        Ok(hits) => hit.lock().expect("no panic").extend(hits.into_keys()),
                        Err(_) => failed.lock().expect("no panic").push(order),
                    }
                }
            });
        }
    });
    let (hit, failed) = (hit.into_inner().expect("no panic"), failed.into_inner().expect("no panic"));
    println!("{} sites, {} stories in {:.0?}", sites.len(), orders.len() + 1, begun.elapsed());
    assert!(failed.is_empty(), "try each with FAULTS=…: {failed:#?}");
    let missed: Vec<&String> = sites.keys().filter(|site| !hit.contains(*site)).collect();
    assert!(missed.is_empty(), "no story came by {missed:?}");
}
