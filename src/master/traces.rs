//! Traces: jobs that are handed out get the spans of their runs, what a job of a worker pushes belongs to its run, and runs
//! and calls that have ended are told to the collector, where there is one.

use super::Master;
use crate::config::Telemetry;
use crate::model::call_log::CallSpan;
use crate::model::change::Finish;
use crate::model::trace::Spans;
use crate::model::{Claimed, TraceContext, UnixMicros, WorkerId};
use crate::report::TracesStatus;
use crate::telemetry::{Exporter, Trouble, span_of_call, spans_of};

/// The traces that jobs of this store belong to.
#[derive(Debug)]
pub(super) struct Traces {
    spans: Spans,
    exporter: Option<Exporter>,
}

impl Traces {
    /// Starts the thread that sends spans, if they are to be sent.
    pub(super) fn start(
        store_id: &str,
        telemetry: &Telemetry,
        tell: impl Fn(Trouble) + Send + 'static,
    ) -> std::io::Result<Self> {
        let exporter = telemetry.collector.clone().map(|collector| Exporter::start(collector, tell)).transpose()?;
        Ok(Self { spans: Spans::new(store_id, telemetry.sample), exporter })
    }

    /// From now on this share of the jobs that were pushed in no trace begins one.
    pub(super) const fn sample(&mut self, share: f64) {
        self.spans = self.spans.sampling(share);
    }

    /// Gives jobs that were claimed the spans of their runs.
    pub(super) fn begin(&self, jobs: &mut [Claimed], now: UnixMicros) {
        for job in jobs {
            job.trace = self.spans.of(job, now);
        }
    }

    /// Tells of a run that has ended.
    pub(super) fn ended(&self, finish: &Finish) {
        if let Some(exporter) = &self.exporter {
            spans_of(finish).for_each(|span| exporter.give(span));
        }
    }

    /// Tells of a call that is over.
    pub(super) fn called(&self, call: &CallSpan) {
        if let (Some(exporter), Some(span)) = (&self.exporter, span_of_call(call)) {
            exporter.give(span);
        }
    }

    pub(super) fn status(&self) -> Option<TracesStatus> {
        self.exporter.as_ref().map(Exporter::status)
    }

    /// No run ends any more.
    pub(super) fn end(&mut self) {
        if let Some(exporter) = &mut self.exporter {
            exporter.end();
        }
    }

    /// Waits a moment for what is on its way; how many spans have never arrived.
    pub(super) fn wait(&self) -> u64 {
        self.exporter.as_ref().map_or(0, Exporter::wait)
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
