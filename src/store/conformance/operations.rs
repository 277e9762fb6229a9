//! Cases about changes of many jobs that go on by themselves.

use serde_json::json;

use super::*;
use crate::model::OperationId;
use crate::model::operation::{MOST_OPERATIONS, Operation, OperationState};

fn operation(kit: &Kit, id: i64) -> Operation {
    Operation {
        id: OperationId(id),
        verb: "retry".to_owned(),
        params: json!({"filter": {"state": ["dead"], "queue": "mail"}}),
        by: Some("ann".to_owned()),
        spread_until: Some(kit.later(60)),
        expected: 9,
        done: 0,
        passed_over: 0,
        refused: 0,
        state: OperationState::Running,
        started_at: kit.at(),
        ended_at: None,
    }
}

pub(super) fn how_far_an_operation_is_is_kept_as_it_was_told_last(kit: &mut Kit) {
    assert_eq!(kit.records.operations().unwrap(), []);
    let (first, second) = (operation(kit, 1), Operation { by: None, spread_until: None, ..operation(kit, 2) });
    kit.one(Change::PutOperation(Box::new(first.clone())));
    kit.one(Change::PutOperation(Box::new(second.clone())));
    let ended_at = Some(kit.later(5));
    let over = Operation { done: 7, passed_over: 1, refused: 1, state: OperationState::Stopped, ended_at, ..first };
    kit.one(Change::PutOperation(Box::new(over.clone())));
    assert_eq!(kit.records.operations().unwrap(), [over, second]);
    kit.join(2);
    kit.recover();
    assert_eq!(kit.records.operations().unwrap().len(), 2, "another master finds them");
}

pub(super) fn of_very_many_operations_the_newest_stay(kit: &mut Kit) {
    let put = |id| Op::from(Change::PutOperation(Box::new(operation(kit, id))));
    let ops: Vec<Op> = (1..=i64::from(MOST_OPERATIONS) + 3).map(put).collect();
    kit.apply(&ops);
    let keep = Keep { limit: 2, ..kit.keep_nothing() };
    let steps: Vec<u64> = (0..3).map(|_| kit.prune(keep)).collect();
    assert_eq!(steps, [2, 1, 0]);
    let left = kit.records.operations().unwrap();
    assert_eq!((left.len(), left[0].id), (MOST_OPERATIONS as usize, OperationId(4)));
}
