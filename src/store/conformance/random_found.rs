//! What random operations have found, as cases of their own.

use super::kits;
use super::random::{Step, agree};

/// Over each pair of stores.
fn found(steps: &[Step]) {
    agree((kits::sqlite(), kits::memory()), steps);
    agree((kits::postgres(), kits::sqlite()), steps);
}

fn push(kind: u8) -> Step {
    Step::Push { queue: (2, kind), priority: 0, due: None, expires: None, unique: None }
}

#[test]
fn lanes_are_sorted_on_beyond_a_queue_that_was_forgotten_meanwhile() {
    let prune = Step::Prune { succeeded: 0, dead: 0, runs: 0, limit: 2, served: vec![] };
    let limit = Step::Limit { set: false, queue: 2, limits: 5, until: None };
    found(&[Step::Pause { queue: 0, paused: false }, Step::Pass(3), push(0), limit, prune, Step::Sort]);
}

#[test]
fn jobs_without_a_key_are_counted_as_running_where_their_lane_is_still_shown() {
    let claim = Step::Claim { takes: vec![(2, 1)], lanes: 0, total: 1, at_once: 0, max_bytes: 0 };
    let limit = |limits| Step::Limit { set: true, queue: 2, limits, until: None };
    found(&[push(2), limit(5), Step::Sort, push(0), claim, limit(0)]);
}
