//! The failpoints around a commit, named by what is in it. Without the feature `faults` it is the commit alone.

#[cfg(feature = "faults")]
use crate::model::bulk::BulkStep;
use crate::model::change::Op;
#[cfg(feature = "faults")]
use crate::model::change::{Change, Request};
use crate::store::StoreError;

/// Subject of a transaction.
#[derive(Clone, Copy)]
#[cfg_attr(not(feature = "faults"), expect(dead_code, reason = "only the failpoints look into it"))]
pub(super) enum What<'a> {
    Begin,
    Recovery,
    Batch(&'a [Op]),
    End,
}

#[cfg(not(feature = "faults"))]
pub(super) fn around(_: What<'_>, commit: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
    commit()
}

/// Commits, unless told to fail before it or to say afterwards that it failed: then its outcome is unknown.
#[cfg(feature = "faults")]
pub(super) fn around(what: What<'_>, commit: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
    let told = || StoreError::Io("the commit failed: told to fail".to_owned());
    match what {
        What::Begin => failpoint!("generation.before_commit", told()),
        What::Recovery => failpoint!("requeue.before_commit", told()),
        What::End => failpoint!("end.before_commit", told()),
        What::Batch(ops) => before(ops, told)?,
    }
    commit()?;
    match what {
        What::Begin => failpoint!("generation.after_commit", told()),
        What::Recovery => failpoint!("requeue.after_commit", told()),
        What::End => failpoint!("end.after_commit", told()),
        What::Batch(ops) => after(ops, told)?,
    }
    Ok(())
}

/// A batch is hit once for each kind of change in it.
#[cfg(feature = "faults")]
fn before(ops: &[Op], told: impl Fn() -> StoreError) -> Result<(), StoreError> {
    let has = |kind: fn(&Op) -> bool| ops.iter().any(kind);
    if has(|op| matches!(op, Op::Request(Request::Push(_) | Request::PushInto { .. }))) {
        failpoint!("push.before_commit", told());
    }
    if has(|op| matches!(op, Op::Request(Request::Bulk(BulkStep::Begin(_) | BulkStep::Stage { .. })))) {
        failpoint!("bulk_stage.before_commit", told());
    }
    if has(|op| matches!(op, Op::Request(Request::Bulk(BulkStep::Commit { .. })))) {
        failpoint!("bulk_commit.before_commit", told());
    }
    if has(|op| matches!(op, Op::Request(Request::Bulk(BulkStep::Open { .. })))) {
        failpoint!("bulk_open.before_commit", told());
    }
    if has(|op| matches!(op, Op::Request(Request::Bulk(BulkStep::Drop { .. })))) {
        failpoint!("bulk_drop.before_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Claim(_)))) {
        failpoint!("claim.before_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Finish(_)))) {
        failpoint!("answer.before_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Tick(_)))) {
        failpoint!("tick.before_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Unclaim { .. }))) {
        failpoint!("unclaim.before_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Promote { .. }))) {
        failpoint!("promote.before_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Cancel { .. }))) {
        failpoint!("cancel.before_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::WorkerStarted(_) | Change::WorkerEnded(_)))) {
        failpoint!("worker.before_commit", told());
    }
    Ok(())
}

#[cfg(feature = "faults")]
fn after(ops: &[Op], told: impl Fn() -> StoreError) -> Result<(), StoreError> {
    let has = |kind: fn(&Op) -> bool| ops.iter().any(kind);
    if has(|op| matches!(op, Op::Request(Request::Push(_) | Request::PushInto { .. }))) {
        failpoint!("push.after_commit", told());
    }
    if has(|op| matches!(op, Op::Request(Request::Bulk(BulkStep::Begin(_) | BulkStep::Stage { .. })))) {
        failpoint!("bulk_stage.after_commit", told());
    }
    if has(|op| matches!(op, Op::Request(Request::Bulk(BulkStep::Commit { .. })))) {
        failpoint!("bulk_commit.after_commit", told());
    }
    if has(|op| matches!(op, Op::Request(Request::Bulk(BulkStep::Open { .. })))) {
        failpoint!("bulk_open.after_commit", told());
    }
    if has(|op| matches!(op, Op::Request(Request::Bulk(BulkStep::Drop { .. })))) {
        failpoint!("bulk_drop.after_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Claim(_)))) {
        failpoint!("claim.after_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Finish(_)))) {
        failpoint!("answer.after_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Tick(_)))) {
        failpoint!("tick.after_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Unclaim { .. }))) {
        failpoint!("unclaim.after_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Promote { .. }))) {
        failpoint!("promote.after_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::Cancel { .. }))) {
        failpoint!("cancel.after_commit", told());
    }
    if has(|op| matches!(op, Op::Change(Change::WorkerStarted(_) | Change::WorkerEnded(_)))) {
        failpoint!("worker.after_commit", told());
    }
    Ok(())
}
