//! Which members are silent, as one of them sees it: the rule of leases, for every store of several.
//!
//! Pure: beats and times are arguments. Invariants: no two clocks are compared, only the watcher's own monotonic one is read; a
//! watcher that was away itself has not seen whether the others were, and begins anew; each member is judged by its own lease,
//! by which it ends its workers too.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::{Generation, Mono};

/// Until when a member that was heard may have workers, on a clock that runs while the machine sleeps; `spoke`: the moment
/// before it did. They are dead before others may take over, also where the machine is slow to kill.
pub(super) const fn workers_until(spoke: u64, lease: Duration) -> u64 {
    spoke + lease.as_micros() as u64 / 5 * 4
}

/// Until when it may begin jobs, likewise: one that is begun later would soon be killed.
pub(super) const fn begin_until(spoke: u64, lease: Duration) -> u64 {
    spoke + lease.as_micros() as u64 / 5 * 2
}

/// Beats of the others, and since when each is the same.
#[derive(Debug, Default)]
pub(super) struct Watch(BTreeMap<Generation, (u64, Mono)>);

impl Watch {
    /// Begins anew.
    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }

    /// A member is gone.
    pub(super) fn forget(&mut self, member: Generation) {
        self.0.remove(&member);
    }

    /// The last beat that was seen of a member.
    pub(super) fn seen(&self, member: Generation) -> Option<u64> {
        self.0.get(&member).map(|(beat, _)| *beat)
    }

    /// Whether a member has been silent for its lease; `renewed`: when the watcher itself was last heard.
    pub(super) fn is_silent(
        &mut self,
        (member, beat): (Generation, u64),
        lease: Duration,
        renewed: Mono,
        now: Mono,
    ) -> bool {
        let (seen, since) = self.0.entry(member).or_insert((beat, now));
        if *seen != beat || now.since(renewed) >= lease {
            (*seen, *since) = (beat, now);
        }
        now.since(*since) >= lease
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Generation = Generation(2);

    fn at(second: u64) -> Mono {
        Mono(second * 1_000_000)
    }

    #[test]
    fn a_member_is_judged_by_its_own_lease_from_the_last_beat_that_was_seen() {
        let mut watch = Watch::default();
        let mut look =
            |second, beat, lease| watch.is_silent((OTHER, beat), Duration::from_secs(lease), at(second), at(second));
        assert!(!look(0, 1, 30) && !look(29, 1, 30));
        assert!(!look(30, 2, 30), "it has renewed");
        assert!(!look(59, 2, 30) && look(60, 2, 30));
        assert!(!look(60, 2, 600), "its lease is longer than that of others");
    }

    #[test]
    fn one_that_was_away_itself_begins_anew() {
        let mut watch = Watch::default();
        let lease = Duration::from_secs(30);
        assert!(!watch.is_silent((OTHER, 1), lease, at(0), at(0)));
        assert!(!watch.is_silent((OTHER, 1), lease, at(9), at(40)), "it was not heard for a lease itself");
        assert!(!watch.is_silent((OTHER, 1), lease, at(60), at(69)));
        assert!(watch.is_silent((OTHER, 1), lease, at(70), at(70)));
        watch.forget_all();
        assert!(!watch.is_silent((OTHER, 1), lease, at(71), at(71)));
        assert_eq!(watch.seen(OTHER), Some(1));
    }
}
