//! Marks of workers whose pipe has, or may have, a part of a request in it.
//!
//! A request of up to 4,096 bytes (`PIPE_BUF`) goes into a pipe whole or not at all; a longer one can be cut by the death of the
//! gateway, and the worker would take the next request for the rest of it. The marks are in a file in memory that the master
//! made and gives to each gateway: a byte for each worker, by its id modulo the size of the file. Invariant: a mark is set
//! before the first byte of a long request and cleared after the last.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

use crate::model::WorkerId;

/// The file of marks.
#[derive(Debug)]
pub(super) struct Marks {
    file: File,
    size: u64,
}

impl Marks {
    pub(super) fn new(file: OwnedFd) -> io::Result<Self> {
        let file = File::from(file);
        let size = file.metadata()?.len();
        if size == 0 { Err(io::Error::other("the file of marks is empty")) } else { Ok(Self { file, size }) }
    }

    /// Whether a request stopped half-way in the pipe of this worker.
    pub(super) fn is_set(&self, worker: WorkerId) -> bool {
        let mut byte = [0];
        self.file.read_exact_at(&mut byte, self.place(worker)).is_ok() && byte[0] != 0
    }

    pub(super) fn set(&self, worker: WorkerId, marked: bool) {
        if let Err(error) = self.file.write_all_at(&[u8::from(marked)], self.place(worker)) {
            log::error!("worker {worker} cannot be marked: {error}");
        }
    }

    fn place(&self, worker: WorkerId) -> u64 {
        worker.0.unsigned_abs() % self.size
    }
}
