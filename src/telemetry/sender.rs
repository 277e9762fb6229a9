//! The thread that sends spans: batches, and what is done when the collector does not take them.
//!
//! As the [specification](https://opentelemetry.io/docs/specs/otlp/#otlphttp) has it, what may work later is tried again,
//! each time after a longer pause, and not before the collector says; what it refuses is not. A batch that is not taken
//! within a minute, or at the first attempt after a longer wait that the collector asked for, is dropped for those that
//! wait behind it, which keep that wait, too.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::post::{Answer, Post};
use super::span::Span;
use crate::channel::{Sender, bounded};
use crate::clock;
use crate::config::Collector;
use crate::report::TracesStatus;

/// Spans that may wait.
const CAPACITY: usize = 8192;
/// A batch goes when it has so many spans, or its first has waited for so long.
const BATCH: usize = 512;
const BATCH_EVERY: Duration = Duration::from_secs(5);
/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Between two attempts at a batch, unless the collector asks for a longer wait; each pause is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// No attempt at a batch begins later, but the first after a wait that the collector asked for.
const MOST_TRYING: Duration = Duration::from_mins(1);
/// The longest wait that a collector can ask for.
const MOST_ASKED: Duration = Duration::from_hours(1);
/// How long the end of a master is put off for spans that wait.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Why spans do not arrive; `None`: they do.
pub(crate) type Trouble = Option<String>;

#[derive(Debug, Default)]
struct Counts {
    given: AtomicU64,
    exported: AtomicU64,
    dropped: AtomicU64,
}

/// The handle on the thread.
#[derive(Debug)]
pub(crate) struct Exporter {
    spans: Option<Sender<Span>>,
    counts: Arc<Counts>,
    /// Says when the thread must have ended.
    end: crossbeam_channel::Sender<Instant>,
    /// Closed by the thread when it ends.
    ended: Receiver<()>,
    ends_at: Option<Instant>,
}

impl Exporter {
    /// Starts the thread, which tells when spans no longer arrive, for what reason, and when they do again.
    pub(crate) fn start(collector: Collector, tell: impl Fn(Trouble) + Send + 'static) -> io::Result<Self> {
        let (spans, waiting) = bounded(CAPACITY);
        let (end, ends) = crossbeam_channel::bounded(1);
        let (alive, ended) = crossbeam_channel::bounded::<()>(0);
        let counts = Arc::new(Counts::default());
        let (post, of_thread) = (Post::new(collector), Arc::clone(&counts));
        std::thread::Builder::new().name("traces".to_owned()).spawn(move || {
            Work { post, waiting, ends, ends_at: None, counts: of_thread, told: None, tell }.run();
            drop(alive);
        })?;
        Ok(Self { spans: Some(spans), counts, end, ended, ends_at: None })
    }

    /// Hands a span over, or drops it where too many wait; never waits.
    pub(crate) fn give(&self, span: Span) {
        self.counts.given.fetch_add(1, Ordering::Relaxed);
        if self.spans.as_ref().is_none_or(|spans| spans.try_send(span).is_err()) {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn status(&self) -> TracesStatus {
        let [exported, dropped] = [&self.counts.exported, &self.counts.dropped].map(|n| n.load(Ordering::Relaxed));
        TracesStatus { exported, dropped }
    }

    /// No span comes any more: the last ones are to go now.
    pub(crate) fn end(&mut self) {
        let at = clock::instant() + LAST_SPANS;
        (self.spans, self.ends_at) = (None, Some(at));
        let _ = self.end.try_send(at);
    }

    /// Waits for the last spans to have gone, within the time there is; how many have not.
    pub(crate) fn wait(&self) -> u64 {
        let _ = self.ended.recv_deadline(self.ends_at.unwrap_or_else(clock::instant));
        self.counts.given.load(Ordering::Relaxed).saturating_sub(self.status().exported)
    }
}

/// The thread.
struct Work<F> {
    post: Post,
    waiting: Receiver<Span>,
    ends: Receiver<Instant>,
    ends_at: Option<Instant>,
    counts: Arc<Counts>,
    told: Trouble,
    tell: F,
}

impl<F: Fn(Trouble)> Work<F> {
    fn run(mut self) {
        while let Some(batch) = self.next() {
            self.deliver(&batch);
        }
    }

    /// The next batch; `None`: there will be no more.
    fn next(&self) -> Option<Vec<Span>> {
        let first = self.waiting.recv().ok()?;
        let until = clock::instant() + BATCH_EVERY;
        let rest = std::iter::from_fn(|| self.waiting.recv_deadline(until).ok());
        Some(std::iter::once(first).chain(rest.take(BATCH - 1)).collect())
    }

    fn deliver(&mut self, batch: &[Span]) {
        let (begun, mut pause) = (clock::instant(), FIRST_PAUSE);
        self.ends_at = self.ends_at.or_else(|| self.ends.try_recv().ok());
        loop {
            let is_late = begun.elapsed() >= MOST_TRYING;
            let left = self.ends_at.map(|at| at.saturating_duration_since(clock::instant()));
            let (why, after) = match self.post.send(batch, left.unwrap_or(TIMEOUT).max(Duration::from_millis(1))) {
                Answer::Taken { rejected, why } => return self.taken(batch.len() as u64, rejected, &why),
                Answer::Refused(why) => return self.lose(batch.len() as u64, &why),
                Answer::Again { why, after } => (why, after),
            };
            if self.ends_at.is_some() {
                return self.lose(batch.len() as u64, &why);
            }
            self.report(Some(why.clone()));
            let wait = after.unwrap_or_default().min(MOST_ASKED).max(jittered(pause));
            pause = LONGEST_PAUSE.min(pause * 2);
            self.ends_at = self.ends.recv_timeout(wait).ok();
            if begun.elapsed() >= MOST_TRYING && (is_late || after.is_none()) {
                return self.lose(batch.len() as u64, &why);
            }
        }
    }

    fn taken(&mut self, spans: u64, rejected: u64, why: &str) {
        let rejected = rejected.min(spans);
        self.counts.exported.fetch_add(spans - rejected, Ordering::Relaxed);
        if rejected > 0 {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            return self.lose(rejected, &format!("it rejects spans{why}"));
        }
        self.report(None);
    }

    fn lose(&mut self, spans: u64, why: &str) {
        self.counts.dropped.fetch_add(spans, Ordering::Relaxed);
        self.report(Some(why.to_owned()));
    }

    fn report(&mut self, why: Option<String>) {
        let trouble =
            why.map(|why| format!("the collector of spans at `{}` does not take them: {why}", self.post.url()));
        if trouble != self.told {
            (self.tell)(trouble.clone());
            self.told = trouble;
        }
    }
}

/// The upper half of a pause, so that many masters do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause / 2 + pause / 2 * (clock::monotonic_micros() % 1024) as u32 / 1024
}
