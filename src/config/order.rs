//! Whether pools can begin and end in the order that `needs` and `sidecars` say.
//!
//! A pool begins after those that it needs, a sidecar after the pool that it belongs to; both that a pool needs and its sidecars
//! end after it. Invariant: of pools that pass, none waits for itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Config, PoolConfig};
use crate::model::{PoolName, Supervision};

/// Pools, each with those that it comes after.
type After<'c> = BTreeMap<&'c PoolName, Vec<&'c PoolName>>;

/// Something wrong with a key of a pool.
pub(super) struct Wrong<'c> {
    pub(super) pool: &'c PoolName,
    pub(super) key: &'static str,
    pub(super) message: String,
}

/// Names of pools that there are not, and the first circle.
pub(super) fn check(config: &Config) -> Vec<Wrong<'_>> {
    let names: Vec<&PoolName> = config.pools.iter().map(|pool| &pool.settings.name).collect();
    let (mut wrong, mut begins, mut ends) = (Vec::new(), After::new(), After::new());
    for pool in &config.pools {
        let (pool, Supervision { needs, sidecars, .. }) = (&pool.settings.name, &pool.settings.supervision);
        for (key, others) in [("needs", needs), ("sidecars", sidecars)] {
            let mut missing = others.iter().filter(|other| !names.contains(other));
            let mut unknown = |other: &PoolName| {
                let listed: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                let message =
                    format!("`{key}` names `{other}`, and there is no such pool; the pools are {}", listed.join(", "));
                wrong.push(Wrong { pool, key, message });
            };
            missing.by_ref().for_each(&mut unknown);
        }
        for other in needs {
            begins.entry(pool).or_default().push(other);
            ends.entry(other).or_default().push(pool);
        }
        for other in sidecars {
            begins.entry(other).or_default().push(pool);
            ends.entry(other).or_default().push(pool);
        }
    }
    let circles = [(circle(&begins), "begins before itself"), (circle(&ends), "ends before itself")];
    if let Some((circle, what)) = circles.into_iter().find_map(|(circle, what)| Some((circle?, what))) {
        let key =
            if config.pools.iter().any(|p| p.settings.name == *circle[0] && !p.settings.supervision.needs.is_empty()) {
                "needs"
            } else {
                "sidecars"
            };
        let arrows: Vec<String> = circle.iter().map(|name| format!("`{name}`")).collect();
        let message =
            format!("`{}` {what}: {}; `needs` and `sidecars` must not go in a circle", circle[0], arrows.join(" → "));
        wrong.push(Wrong { pool: circle[0], key, message });
    }
    wrong
}

impl Config {
    /// The longest that pools take to leave, those that need another before that one, and the pool that is the last of
    /// these.
    #[must_use]
    pub fn longest_stop(&self) -> Option<(Duration, &PoolConfig)> {
        self.pools.iter().map(|pool| (self.stop_of(pool), pool)).max_by_key(|(stop, _)| *stop)
    }

    /// What a pool takes, with those that leave before it.
    fn stop_of(&self, pool: &PoolConfig) -> Duration {
        let (own, name) = (&pool.settings.limits, &pool.settings.name);
        let leaves_before = |other: &&PoolConfig| {
            let Supervision { needs, sidecars, .. } = &other.settings.supervision;
            needs.contains(name) || sidecars.contains(name)
        };
        let before = self.pools.iter().filter(leaves_before).map(|other| self.stop_of(other)).max();
        own.grace.saturating_add(own.kill_after).saturating_add(before.unwrap_or_default())
    }
}

/// The first way from a pool back to itself.
fn circle<'c>(after: &After<'c>) -> Option<Vec<&'c PoolName>> {
    after.keys().find_map(|start| {
        let mut ways = vec![vec![*start]];
        let mut seen = vec![*start];
        while let Some(way) = ways.pop() {
            for next in way.last().and_then(|last| after.get(last)).into_iter().flatten() {
                let longer = way.iter().copied().chain([*next]).collect();
                if next == start {
                    return Some(longer);
                }
                if !seen.contains(next) {
                    seen.push(next);
                    ways.push(longer);
                }
            }
        }
        None
    })
}
