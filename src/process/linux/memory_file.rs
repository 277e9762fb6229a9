//! A file in memory: it has no name but by who holds it, so that it is gone however that process ends.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use rustix::fs::{MemfdFlags, memfd_create};

/// An empty one.
pub(crate) fn new() -> io::Result<File> {
    Ok(File::from(memfd_create("queue-work", MemfdFlags::CLOEXEC)?))
}

/// One with this text that others can open at a path.
#[derive(Debug)]
pub(crate) struct Named(File);

impl Named {
    pub(crate) fn new(text: &str) -> io::Result<Self> {
        let mut file = new()?;
        file.write_all(text.as_bytes())?;
        Ok(Self(file))
    }

    pub(crate) fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}
