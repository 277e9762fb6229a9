//! The worker processes of this master, by id and by process, and what is read from and written to them.
//!
//! Invariant: both maps name the same workers, but for one that has exited and is being heard out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::debug::{Excerpt, MOST_TOLD};
use super::heard::Heard;
use super::pipes::{Pipe, Pipes};
use super::reading::{Reading, Session};
use crate::model::{Claimed, Mono, WorkerId};
use crate::wire::worker::{JobLines, JobTerms};

/// Time between two measurements of a worker at its answers, times the number of workers: a measurement takes 20 to 30
/// microseconds, so all of them take half a per cent of a CPU at most.
const MEASURE_EVERY: Duration = Duration::from_millis(5);
/// Bytes that are read in one go.
const SCRATCH: usize = 64 * 1024;

/// Workers that are not buried.
#[derive(Debug)]
pub(super) struct Children {
    workers: BTreeMap<WorkerId, Pipes>,
    pids: HashMap<u32, WorkerId>,
    reading: Reading,
    scratch: Box<[u8]>,
    /// Workers with bytes to write.
    to_flush: BTreeSet<WorkerId>,
    job_lines: JobLines,
    /// Messages are told.
    tells: bool,
}

impl Children {
    pub(super) fn new() -> Self {
        Self {
            workers: BTreeMap::new(),
            pids: HashMap::new(),
            reading: Reading::default(),
            scratch: vec![0; SCRATCH].into(),
            to_flush: BTreeSet::new(),
            job_lines: JobLines::default(),
            tells: false,
        }
    }

    pub(super) fn add(&mut self, id: WorkerId, pipes: Pipes) {
        self.pids.insert(pipes.pid(), id);
        self.workers.insert(id, pipes);
    }

    /// The worker that has exited, by its process, which is nobody's from now on.
    pub(super) fn take_exited(&mut self, pid: u32) -> Option<WorkerId> {
        self.pids.remove(&pid)
    }

    pub(super) fn remove(&mut self, id: WorkerId) -> Option<Pipes> {
        self.workers.remove(&id)
    }

    pub(super) fn get(&self, id: WorkerId) -> Option<&Pipes> {
        self.workers.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: WorkerId) -> Option<&mut Pipes> {
        self.workers.get_mut(&id)
    }

    /// A pipe takes more, or has more to say.
    pub(super) fn edge(&mut self, id: WorkerId, pipe: Pipe) {
        match pipe {
            Pipe::Stdin => drop(self.to_flush.insert(id)),
            Pipe::Stdout | Pipe::Stderr | Pipe::Protocol => self.reading.edge((id, pipe)),
        }
    }

    /// A worker that is written to: its bytes go at the end of the turn.
    pub(super) fn write_to(&mut self, id: WorkerId) -> Option<&mut Pipes> {
        let pipes = self.workers.get_mut(&id)?;
        self.to_flush.insert(id);
        Some(pipes)
    }

    /// Workers are told the number of each run; see [`JobLines::tells_runs`].
    pub(super) const fn tell_runs(&mut self) {
        self.job_lines.tells_runs = true;
    }

    /// Sends a job to a worker.
    pub(super) fn send_job(&mut self, id: WorkerId, job: &Claimed, terms: &JobTerms) {
        if let Some(pipes) = self.workers.get_mut(&id) {
            self.to_flush.insert(id);
            self.job_lines.write(pipes.begin_request(terms.request), job, terms);
        }
    }

    /// Writes what workers take now; those that have closed their input, with the last request they have read. Workers
    /// that are no longer behind with reading are heard again.
    pub(super) fn flush(&mut self) -> Vec<(WorkerId, u64)> {
        let written = std::mem::take(&mut self.to_flush).into_iter().filter_map(|id| {
            let pipes = self.workers.get_mut(&id)?;
            (!pipes.flush()).then(|| (id, pipes.read_up_to()))
        });
        let closed = written.collect();
        self.reading.read_on(|id| self.workers.get(&id).is_some_and(Pipes::is_behind));
        closed
    }

    /// From now on messages are told, or not.
    pub(super) fn tell_messages(&mut self, tells: bool) {
        self.tells = tells;
        for pipes in self.workers.values_mut().filter(|_| tells) {
            pipes.take_untold();
        }
    }

    /// Messages that go to workers with the next [`Self::flush`]: by worker.
    pub(super) fn take_untold(&mut self) -> Vec<(String, Excerpt)> {
        let mut all = Vec::new();
        for id in &self.to_flush {
            let Some(pipes) = self.workers.get_mut(id) else { continue };
            let name = pipes.name().to_string();
            let lines = pipes.take_untold().split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            all.extend(lines.take(MOST_TOLD).map(|line| (name.clone(), Excerpt::of(line))));
        }
        all
    }

    fn nothing(&self) -> Heard {
        Heard { messages: self.tells.then(Vec::new), ..Heard::default() }
    }

    /// Reads the next pipe of this turn.
    pub(super) fn read_next(&mut self, session: &mut Session, now: Mono) -> Option<(WorkerId, Heard)> {
        let (id, pipe) = self.reading.next(session, now)?;
        Some((id, self.read(id, pipe)))
    }

    fn read(&mut self, id: WorkerId, pipe: Pipe) -> Heard {
        let mut heard = self.nothing();
        let Some(pipes) = self.workers.get_mut(&id) else { return heard };
        if pipe != Pipe::Stderr && pipes.is_behind() {
            self.reading.hold((id, pipe));
            return heard;
        }
        if pipes.read(id, pipe, &mut self.scratch, &mut heard) {
            self.reading.has_more((id, pipe));
        }
        // Output on stderr before an answer belongs to the job that is answered.
        if heard.has_answer() && pipe != Pipe::Stderr && pipes.read_stderr(id, &mut self.scratch, &mut heard) {
            self.reading.has_more((id, Pipe::Stderr));
        }
        heard
    }

    /// Ends what is left of the group of a worker that has exited, and hears its last words.
    pub(super) fn hear_out(&mut self, id: WorkerId) -> Heard {
        let mut heard = self.nothing();
        if let Some(pipes) = self.workers.get_mut(&id) {
            // While it is not reaped, its number cannot belong to anybody else.
            let _ = pipes.kill();
            failpoint!("exit.group_killed");
            pipes.read_last_words(id, &mut self.scratch, &mut heard);
        }
        heard
    }

    /// Whether there is something to read now.
    pub(super) fn has_unread(&self) -> bool {
        self.reading.is_urgent()
    }

    /// When those are read that had more to say than is read at once.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.reading.next_deadline()
    }

    /// Measures the memory of a worker, unless that was done a moment ago.
    pub(super) fn measure(&mut self, id: WorkerId, now: Mono) -> Option<u64> {
        let every = MEASURE_EVERY * self.workers.len() as u32;
        self.workers.get_mut(&id)?.measure(now, every)
    }

    /// The worker with this process.
    pub(super) fn of_process(&self, pid: u32) -> Option<WorkerId> {
        self.pids.get(&pid).copied()
    }

    pub(super) fn pids(&self) -> impl Iterator<Item = u32> {
        self.pids.keys().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (WorkerId, &Pipes)> {
        self.workers.iter().map(|(&id, pipes)| (id, pipes))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }
}
