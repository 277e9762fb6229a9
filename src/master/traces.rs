//! Traces: jobs that are handed out get the spans of their runs, and what a job of a worker pushes belongs to its run.

use super::Master;
use crate::model::trace::Spans;
use crate::model::{Claimed, TraceContext, UnixMicros, WorkerId};

/// The traces that jobs of this store belong to.
#[derive(Debug)]
pub(super) struct Traces {
    spans: Spans,
}

impl Traces {
    pub(super) fn new(store_id: &str) -> Self {
        Self { spans: Spans::new(store_id, 0.0) }
    }

    /// Gives jobs that were claimed the spans of their runs.
    pub(super) fn begin(&self, jobs: &mut [Claimed], now: UnixMicros) {
        for job in jobs {
            job.trace = self.spans.of(job, now);
        }
    }
}

impl Master {
    /// The span in which a worker pushes a job: that of its run. Of several runs, the one that pushes is not known.
    pub(super) fn trace_of(&self, worker: WorkerId) -> Option<Box<TraceContext>> {
        let mut begun = self.core.worker(worker)?.flights.iter().filter(|flight| flight.started().is_some());
        let only = begun.next().filter(|_| begun.next().is_none())?;
        Some(Box::new(only.job.trace.as_ref()?.run.clone()))
    }
}
