//! Problems of a configuration: place and wording.

use std::fmt;
use std::path::{Path, PathBuf};

/// One thing that is wrong, or worth a warning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problem {
    /// The file it stands in, as the user named it; `None` for a flag, a variable or nothing in particular.
    pub file: Option<PathBuf>,
    /// Line in the file, from 1; 0: the file as a whole.
    pub line: usize,
    /// Column in the file, in characters, from 1; 0: the file as a whole.
    pub column: usize,
    /// The key (`pools.mail.workers`), flag (`--workers`) or variable (`QUEUE_WORK_WORKERS`); may be empty.
    pub key: String,
    /// The fault, and what to write instead.
    pub message: String,
}

impl Problem {
    /// A problem of a file as a whole.
    pub(super) fn with_file(file: &Path, message: String) -> Self {
        Self { file: Some(file.to_owned()), message, ..Self::default() }
    }

    /// A problem outside of any file: of a flag or a variable.
    pub(super) fn with_key(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into(), ..Self::default() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) if self.line > 0 => write!(f, "{}:{}:{}: ", file.display(), self.line, self.column)?,
            Some(file) => write!(f, "{}: ", file.display())?,
            None if !self.key.is_empty() => write!(f, "`{}`: ", self.key)?,
            None => {}
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a configuration, in the order of the file, flags last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl From<Problem> for ConfigErrors {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, problem) in self.0.iter().enumerate() {
            if n > 0 {
                writeln!(f)?;
            }
            problem.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
