//! What pushers know, outside of the store: what they asked for, and what was acknowledged.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

/// An acknowledgement: the master, or the store, has said that it has this job.
#[derive(Clone, Debug)]
pub(crate) struct Ack {
    pub(crate) id: i64,
    pub(crate) tag: String,
}

/// Shared by all pushers and the oracle.
pub(crate) struct Ledger {
    /// How often a job was sent, by its tag.
    tries: Mutex<HashMap<String, u32>>,
    acks: Mutex<Vec<Ack>>,
    file: File,
    /// How many jobs may still be pushed.
    budget: AtomicI64,
    /// Pushers in the middle of a push.
    busy: AtomicUsize,
    over: AtomicBool,
}

impl Ledger {
    pub(crate) fn new(path: &Path) -> Self {
        Self {
            tries: Mutex::default(),
            acks: Mutex::default(),
            file: File::options().append(true).create(true).open(path).expect("a file"),
            budget: AtomicI64::new(0),
            busy: AtomicUsize::new(0),
            over: AtomicBool::new(false),
        }
    }

    /// Lets so many more jobs be pushed.
    pub(crate) fn grant(&self, jobs: u64) {
        self.budget.fetch_add(jobs as i64, Ordering::SeqCst);
    }

    /// No more pushes; waits for none.
    pub(crate) fn revoke(&self) {
        self.budget.store(0, Ordering::SeqCst);
    }

    /// Whether nobody pushes and nobody may.
    pub(crate) fn is_quiet(&self) -> bool {
        self.budget.load(Ordering::SeqCst) <= 0 && self.busy.load(Ordering::SeqCst) == 0
    }

    /// Takes so many jobs from what may be pushed; hold the guard until they are settled.
    pub(crate) fn take(&self, jobs: u64) -> Option<Busy<'_>> {
        // Busy first: who sees no budget and nobody busy must be right.
        let busy = Busy::new(&self.busy);
        if self.budget.fetch_sub(jobs as i64, Ordering::SeqCst) > 0 {
            return Some(busy);
        }
        self.grant(jobs);
        None
    }

    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// A job is about to be sent.
    pub(crate) fn intend(&self, tag: &str) {
        *self.tries.lock().expect("no panic").entry(tag.to_owned()).or_default() += 1;
    }

    /// It was acknowledged.
    pub(crate) fn acknowledge(&self, id: i64, tag: &str) {
        (&self.file).write_all(format!("{id} {tag}\n").as_bytes()).expect("written");
        self.acks.lock().expect("no panic").push(Ack { id, tag: tag.to_owned() });
    }

    /// How often this was sent.
    pub(crate) fn tries(&self, tag: &str) -> u32 {
        self.tries.lock().expect("no panic").get(tag).copied().unwrap_or(0)
    }

    /// The acknowledgements from this place in their order.
    pub(crate) fn acks_since(&self, place: usize) -> Vec<Ack> {
        self.acks.lock().expect("no panic")[place..].to_vec()
    }

    pub(crate) fn acknowledged(&self) -> usize {
        self.acks.lock().expect("no panic").len()
    }
}

/// Somebody is in the middle of a push.
pub(crate) struct Busy<'a>(&'a AtomicUsize);

impl<'a> Busy<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
