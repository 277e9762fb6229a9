//! `max_processes`: who gets how many workers where there are not enough for all.
//!
//! Pure. Invariant: no pool is cut below its least number while there is room for the least of each, and none loses a
//! worker with a job.

use crate::core::PoolId;
use crate::model::autoscale::Sharing;

/// One pool of those that share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) pool: PoolId,
    pub(super) least: u32,
    /// Workers that its jobs need now.
    pub(super) need: u32,
    pub(super) was: u32,
    /// Workers that it is to have.
    pub(super) wanted: u32,
    /// Workers that can go without a job being waited for.
    pub(super) idle: u32,
    /// It is to have less than it wanted.
    pub(super) is_shared: bool,
}

/// Cuts the pools, which stand in the order of the file, so that all of them fit into this room.
pub(super) fn share(shares: &mut [Share], room: u32, sharing: Sharing) {
    if total(shares) <= room {
        return;
    }
    let mut given = vec![0; shares.len()];
    let mut left = room;
    give(&mut given, &mut left, shares, |share| share.least, None);
    let extra = |share: &Share| share.need.max(share.least);
    let sum: u32 = shares.iter().map(|share| extra(share) - share.least).sum();
    let proportion = (sharing == Sharing::ByNeed && sum > left).then(|| f64::from(left) / f64::from(sum));
    give(&mut given, &mut left, shares, extra, proportion);
    // What is left over by rounding, and what was needed a while ago.
    give(&mut given, &mut left, shares, extra, None);
    give(&mut given, &mut left, shares, |share| share.wanted, None);
    for (share, given) in shares.iter_mut().zip(given) {
        let wanted = share.wanted.min(given.max(share.was.saturating_sub(share.idle)));
        share.is_shared = wanted < share.wanted;
        share.wanted = wanted;
    }
    // Where others are still busy, those that would grow wait for them.
    for at in (0..shares.len()).rev() {
        let over = total(shares).saturating_sub(room);
        let share = &mut shares[at];
        let less = over.min(share.wanted.saturating_sub(share.was.max(share.least)));
        share.wanted -= less;
        share.is_shared |= less > 0;
    }
}

fn total(shares: &[Share]) -> u32 {
    shares.iter().map(|share| share.wanted).sum()
}

/// Gives each pool what it lacks of this, or a part of that, while there is something left.
fn give(given: &mut [u32], left: &mut u32, shares: &[Share], of: impl Fn(&Share) -> u32, part: Option<f64>) {
    for (given, share) in given.iter_mut().zip(shares) {
        let lacks = of(share).saturating_sub(*given);
        let lacks = part.map_or(lacks, |part| (f64::from(lacks) * part) as u32).min(*left);
        *given += lacks;
        *left -= lacks;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(least: u32, need: u32, was: u32, wanted: u32, idle: u32) -> Share {
        Share { pool: PoolId(0), least, need, was, wanted, idle, is_shared: false }
    }

    fn shared(mut shares: Vec<Share>, room: u32, sharing: Sharing) -> Vec<u32> {
        share(&mut shares, room, sharing);
        shares.iter().map(|share| share.wanted).collect()
    }

    #[test]
    fn each_gets_its_least_and_the_rest_goes_by_need_or_by_the_order_of_the_file() {
        let pools = || vec![of(1, 31, 1, 31, 1), of(2, 12, 2, 12, 2)];
        assert_eq!(shared(pools(), 43, Sharing::ByNeed), [31, 12]);
        assert_eq!(shared(pools(), 23, Sharing::ByNeed), [16, 7]);
        assert_eq!(shared(pools(), 23, Sharing::ByPriority), [21, 2]);
        assert_eq!(shared(pools(), 2, Sharing::ByNeed), [1, 1]);
    }

    #[test]
    fn workers_that_are_only_kept_make_room_and_busy_ones_are_waited_for() {
        // The first keeps ten idle workers that were needed a while ago.
        assert_eq!(shared(vec![of(1, 1, 10, 10, 10), of(1, 8, 1, 8, 1)], 10, Sharing::ByNeed), [2, 8]);
        // They are busy.
        assert_eq!(shared(vec![of(1, 10, 10, 10, 0), of(1, 10, 1, 10, 0)], 12, Sharing::ByNeed), [10, 2]);
    }
}
