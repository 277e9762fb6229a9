//! Marks of workers with which a gateway that dies may leave something half done.
//!
//! | mark | |
//! | --- | --- |
//! | [`REQUEST`] | its pipe has, or may have, a part of a request in it. A request of up to 4,096 bytes (`PIPE_BUF`) goes into a pipe whole or not at all; of a longer one the worker would take the next request for the rest |
//! | [`WORDS`] | words of it were read and nothing has come of them yet: it is not ready, or waits for an answer, and would wait for ever |
//!
//! The marks are in a file in memory that the master made and gives to each gateway: a byte for each worker, by its id modulo
//! the size of the file. Invariants: `REQUEST` is set before the first byte of a long request and cleared after the last,
//! `WORDS` before a byte is read of a worker that may wait for what comes of it.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use crate::model::WorkerId;

pub(super) const REQUEST: u8 = 1;
pub(super) const WORDS: u8 = 2;

/// The file of marks.
#[derive(Debug)]
pub(super) struct Marks {
    file: File,
    size: u64,
}

/// The marks of one worker.
#[derive(Debug)]
pub(super) struct Mark {
    marks: Rc<Marks>,
    worker: WorkerId,
    flags: Cell<u8>,
}

impl Marks {
    pub(super) fn new(file: OwnedFd) -> io::Result<Self> {
        let file = File::from(file);
        let size = file.metadata()?.len();
        if size == 0 { Err(io::Error::other("the file of marks is empty")) } else { Ok(Self { file, size }) }
    }
}

impl Mark {
    pub(super) fn new(marks: &Rc<Marks>, worker: WorkerId) -> Self {
        let mark = Self { marks: Rc::clone(marks), worker, flags: Cell::new(0) };
        let mut byte = [0];
        if mark.marks.file.read_exact_at(&mut byte, mark.place()).is_ok() {
            mark.flags.set(byte[0]);
        }
        mark
    }

    /// The work that the gateway before left half done.
    pub(super) fn left(&self) -> Option<&'static str> {
        match self.flags.get() {
            0 => None,
            flags if flags & REQUEST != 0 => Some("a request stopped half-way in its pipe when the gateway died"),
            _ => Some("the gateway died with words of it that it had read"),
        }
    }

    pub(super) fn set(&self, flag: u8, is_set: bool) {
        let flags = if is_set { self.flags.get() | flag } else { self.flags.get() & !flag };
        if self.flags.replace(flags) != flags {
            self.write(flags);
        }
    }

    /// The worker is gone.
    pub(super) fn clear(&self) {
        self.flags.set(0);
        self.write(0);
    }

    fn write(&self, flags: u8) {
        if let Err(error) = self.marks.file.write_all_at(&[flags], self.place()) {
            log::error!("worker {} cannot be marked: {error}", self.worker);
        }
    }

    fn place(&self) -> u64 {
        self.worker.0.unsigned_abs() % self.marks.size
    }
}
