//! A temporary file, which a process that is killed leaves.

use std::fs::File;
use std::io::{self, Write};

use tempfile::NamedTempFile;

/// An empty one, which has no name.
pub(crate) fn new() -> io::Result<File> {
    tempfile::tempfile()
}

/// One with this text that others can open at a path. A process that is killed leaves it.
#[derive(Debug)]
pub(crate) struct Named(NamedTempFile);

impl Named {
    pub(crate) fn new(text: &str) -> io::Result<Self> {
        let mut file = NamedTempFile::new()?;
        file.write_all(text.as_bytes())?;
        Ok(Self(file))
    }

    pub(crate) fn path(&self) -> String {
        self.0.path().display().to_string()
    }
}
