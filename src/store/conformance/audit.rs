//! Cases about deeds on record: each is there once, with what came of it, as long as is asked for.

use super::*;
use crate::model::OperationId;
use crate::model::audit::{BEGUN, By, DONE, Deed};
use crate::store::AuditFilter;

fn deed(at: UnixMicros, who: &str, verb: &str) -> Deed {
    Deed::begun(at, Some(who.to_owned()), verb, "queue `mail`")
}

fn log(deed: &Deed) -> Op {
    Change::LogDeed(Box::new(deed.clone())).into()
}

fn found(kit: &mut Kit, filter: &AuditFilter) -> Vec<String> {
    kit.records.audit(filter).unwrap().into_iter().map(|record| record.deed.verb).collect()
}

pub(super) fn deeds_are_listed_newest_first_by_filter_with_what_came_of_them(kit: &mut Kit) {
    let first = deed(kit.at(), "ada", "pause");
    let by = By { who: None, role: Some("operator".to_owned()), address: Some("::1".to_owned()) };
    let second = deed(kit.later(10), "-", "retry").passed_on(by);
    let third = deed(kit.later(20), "ada", "stop");
    kit.apply(&[log(&first), log(&second), log(&third)]);
    let second = Deed { operation: Some(OperationId(7)), ..second }.ended(Some(3));
    let first = first.refused("no");
    let unknown = deed(kit.later(30), "ada", "pause").ended(None);
    kit.apply(&[&second, &first, &unknown].map(|deed| Op::from(Change::EndDeed(Box::new(deed.clone())))));
    let all = AuditFilter::default();
    let records = kit.records.audit(&all).unwrap();
    let ids: Vec<i64> = records.iter().map(|record| record.id).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    let outcomes: Vec<&str> = records.iter().map(|record| record.deed.outcome.as_str()).collect();
    assert_eq!(outcomes, [BEGUN, DONE, "no"]);
    assert_eq!(records.into_iter().map(|record| record.deed).collect::<Vec<_>>(), [third, second, first]);
    let of_one = AuditFilter { who: Some("ada".to_owned()), ..all.clone() };
    assert_eq!(found(kit, &of_one), ["stop", "pause"]);
    assert_eq!(found(kit, &AuditFilter { limit: Some(1), ..of_one.clone() }), ["stop"]);
    assert_eq!(found(kit, &AuditFilter { before: Some(ids[0]), ..of_one.clone() }), ["pause"]);
    assert_eq!(found(kit, &AuditFilter { verb: Some("stop".to_owned()), ..of_one }), ["stop"]);
    let since = Some(kit.later(10));
    assert_eq!(found(kit, &AuditFilter { since, ..all }), ["stop", "retry"]);
}

pub(super) fn deeds_go_after_their_time_in_small_steps(kit: &mut Kit) {
    let old: Vec<Op> = (0..5).map(|n| log(&deed(kit.later(n), "ada", "pause"))).collect();
    kit.apply(&old);
    kit.apply(&[log(&deed(kit.later(60), "ada", "stop"))]);
    let keep = Keep { audit_since: kit.at(), limit: 2, ..kit.keep_nothing() };
    assert_eq!(kit.prune(keep), 0);
    let keep = Keep { audit_since: kit.later(60), ..keep };
    let steps: Vec<u64> = (0..4).map(|_| kit.prune(keep)).collect();
    assert_eq!(steps, [2, 2, 1, 0]);
    assert_eq!(found(kit, &AuditFilter::default()), ["stop"]);
}
