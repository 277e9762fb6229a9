//! Cases about changes of pools that scale themselves: each is on record once, for a week, and there are not too many.

use super::*;
use crate::model::PoolName;
use crate::model::autoscale::{AutoscaleChange, AutoscaleRecord, Basis, Cap, MOST_CHANGES, Measured, Why};
use crate::store::AutoscaleFilter;

const WEEK: i64 = 7 * 86_400;

fn change(at: UnixMicros, pool: &str, wanted: u32) -> AutoscaleChange {
    let load = Basis::Load { arrivals_per_s: 2.5, service_s: 1.25, steady: 3.906_25, ready: 7, drain: 1.75 };
    AutoscaleChange {
        at,
        pool: PoolName::new(pool).unwrap(),
        was: 1,
        wanted,
        why: Why { basis: load, cap: Some(Cap::Cpu) },
        measured: Measured {
            arrivals_per_s: 2.5,
            service_s: Some(1.25),
            ready: 7,
            oldest_ready_s: Some(0.5),
            busy: 2,
            start_s: Some(0.062_5),
            cpu: Some(0.75),
            memory_bytes: Some(1 << 40),
        },
    }
}

fn op(change: &AutoscaleChange) -> Op {
    Change::LogAutoscale(Box::new(change.clone())).into()
}

fn found(kit: &mut Kit, filter: &AutoscaleFilter) -> Vec<u32> {
    kit.records.autoscale_log(filter).unwrap().iter().map(|record| record.change.wanted).collect()
}

pub(super) fn changes_of_pools_are_listed_newest_first_by_filter(kit: &mut Kit) {
    let first = change(kit.at(), "a", 2);
    let unknown = AutoscaleChange { measured: Measured::default(), ..change(kit.later(10), "b", 3) };
    let pinned = AutoscaleChange { why: Why { basis: Basis::Pinned, cap: None }, ..change(kit.later(20), "a", 4) };
    kit.apply(&[op(&first), op(&unknown), op(&pinned)]);
    let all = AutoscaleFilter::default();
    let records: Vec<AutoscaleRecord> = kit.records.autoscale_log(&all).unwrap();
    let ids: Vec<i64> = records.iter().map(|record| record.id).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    assert_eq!(records.into_iter().map(|record| record.change).collect::<Vec<_>>(), [pinned, unknown, first]);
    let of_one = AutoscaleFilter { pool: Some("a".to_owned()), ..all.clone() };
    assert_eq!(found(kit, &of_one), [4, 2]);
    assert_eq!(found(kit, &AutoscaleFilter { limit: Some(1), ..of_one.clone() }), [4]);
    assert_eq!(found(kit, &AutoscaleFilter { before: Some(ids[1]), ..of_one }), [2]);
    let since = Some(kit.later(10));
    assert_eq!(found(kit, &AutoscaleFilter { since, ..all }), [4, 3]);
    let none = AutoscaleFilter { pool: Some("c".to_owned()), ..AutoscaleFilter::default() };
    assert!(found(kit, &none).is_empty());
}

pub(super) fn a_change_is_logged_once_however_often_its_batch_is_sent(kit: &mut Kit) {
    let ops = [op(&change(kit.at(), "a", 2)), op(&change(kit.at(), "a", 3))];
    kit.apply(&ops);
    let again = kit.store.apply(kit.batch, &ops, kit.at());
    assert!(matches!(again, Err(crate::store::StoreError::AlreadyApplied)), "{again:?}");
    kit.join(2);
    kit.recover();
    kit.apply(&[op(&change(kit.at(), "a", 4))]);
    assert_eq!(found(kit, &AutoscaleFilter::default()), [4, 3, 2]);
}

pub(super) fn changes_go_after_a_week_in_small_steps(kit: &mut Kit) {
    let ops: Vec<Op> = (1..=5).map(|n| op(&change(kit.at(), "a", n))).collect();
    kit.apply(&ops);
    kit.pass(60);
    kit.apply(&[op(&change(kit.at(), "a", 6))]);
    kit.pass(WEEK - 60);
    let keep = Keep { limit: 2, ..kit.keep_nothing() };
    assert_eq!(kit.prune(keep), 0);
    kit.pass(1);
    let steps: Vec<u64> = (0..4).map(|_| kit.prune(keep)).collect();
    assert_eq!(steps, [2, 2, 1, 0]);
    assert_eq!(found(kit, &AutoscaleFilter::default()), [6]);
}

pub(super) fn of_very_many_changes_the_newest_stay(kit: &mut Kit) {
    let ops: Vec<Op> = (1..=MOST_CHANGES + 3).map(|n| op(&change(kit.at(), "a", n))).collect();
    kit.apply(&ops);
    let keep = Keep { limit: 2, ..kit.keep_nothing() };
    let steps: Vec<u64> = (0..3).map(|_| kit.prune(keep)).collect();
    assert_eq!(steps, [2, 1, 0]);
    let left = found(kit, &AutoscaleFilter::default());
    assert_eq!((left.len(), left.first(), left.last()), (50_000, Some(&(MOST_CHANGES + 3)), Some(&4)));
}
