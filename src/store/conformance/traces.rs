//! Cases about traces.

use super::*;
use crate::model::{RunTrace, TraceContext};

fn context(state: Option<&str>) -> TraceContext {
    TraceContext::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", state).unwrap()
}

fn traced(state: Option<&str>) -> NewJob {
    NewJob { pushed_in: Some(Box::new(context(state))), ..job() }
}

pub(super) fn a_job_keeps_its_trace_through_all_its_runs(kit: &mut Kit) {
    let state = Some("a=b c,d@e=f");
    let id = kit.push_one(traced(state));
    let record = kit.job(id);
    assert_eq!((record.traceparent, record.tracestate.as_deref()), (Some(context(None).to_string()), state));
    let mut is_new = true;
    let mut claim = |kit: &mut Kit| {
        let claimed = kit.claim_one();
        assert_eq!((claimed.id, claimed.pushed_in.as_deref()), (id, Some(&context(state))));
        assert_eq!((claimed.is_new, &claimed.trace), (is_new, &None));
        is_new = false;
        claimed
    };
    let first = claim(kit);
    kit.finish(&first, Outcome::Released, Next::Ready, counters(0, 0, 1));
    let second = claim(kit);
    kit.finish(&second, Outcome::Failed, Next::RetryAt(kit.later(1)), counters(1, 0, 1));
    kit.pass(1);
    kit.one(Change::Promote { limit: 9 });
    claim(kit);
    kit.join(2);
    kit.recover();
    let fourth = claim(kit);
    kit.finish(&fourth, Outcome::Failed, Next::Dead(Cause::MaxAttempts), counters(2, 0, 2));
    kit.one(Request::retry(id));
    claim(kit);
    // One that never began has no past.
    kit.push([traced(None)]);
    let claimed = kit.claim_one();
    kit.one(Change::Unclaim { job: claimed.id, run: claimed.run });
    let claimed = kit.claim_one();
    assert_eq!((claimed.is_new, claimed.pushed_in.as_deref()), (true, Some(&context(None))));
    let other = kit.push_one(job());
    assert_eq!((kit.claim_one().pushed_in.as_ref(), kit.job(other).traceparent), (None, None));
}

pub(super) fn a_job_of_a_bulk_push_keeps_its_trace(kit: &mut Kit) {
    let bulk = super::bulk::begin(kit);
    super::bulk::stage(kit, bulk, [traced(None), job()]);
    super::bulk::commit(kit, bulk);
    super::bulk::open(kit, bulk, 9);
    let claimed = kit.claim(2);
    assert_eq!(claimed.iter().map(|job| job.pushed_in.is_some()).collect::<Vec<_>>(), [true, false]);
}

pub(super) fn a_run_keeps_its_span(kit: &mut Kit) {
    let id = kit.push_one(traced(None));
    let trace = RunTrace { run: context(None), push: context(None), pushed_in: None };
    let claimed = Arc::new(Claimed { trace: Some(Box::new(trace)), ..(*kit.claim_one()).clone() });
    let mut finish = kit.finish_op(&claimed, Outcome::Succeeded, Next::Succeeded, claimed.counters);
    if let Change::Finish(finish) = &mut finish {
        finish.detail = Detail::default();
    }
    kit.one(finish);
    let run = kit.runs(&RunFilter { job: Some(id), ..RunFilter::default() }).remove(0);
    assert_eq!((run.span, run.span.trace_id), (claimed.span(), Some(context(None).trace_id)));
}
