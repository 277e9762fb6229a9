//! Which store a client means, and which a master serves: they say so to each other before anything else.
//!
//! A client says it in its first request, in a member `store`; the master says it in a notification `store` before its
//! first answer, or refuses the request and all that follow on this connection. A client that says nothing is taken for
//! one that knows whom it talks to.
//!
//! Invariant: the file counts, not the path by which it was found.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The method of the notification.
pub const STORE: &str = "store";

/// A store, as one process tells another which it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreName {
    /// The path of the database, for people.
    pub database: String,
    /// The database; absent: there is no such file (yet), or it cannot be seen from here.
    pub file: Option<FileId>,
}

/// A file, by its device and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileId {
    /// Of the file system.
    pub device: u64,
    pub inode: u64,
}

impl StoreName {
    /// The store in the database at this path, of which this is known.
    #[must_use]
    pub fn new(database: &Path, about: Option<&Metadata>) -> Self {
        let file = about.map(|about| FileId { device: about.dev(), inode: about.ino() });
        Self { database: database.display().to_string(), file }
    }

    /// Whether both are the same store.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.file.is_some() && self.file == other.file
    }

    /// Says of this one, which is served, that its file is gone.
    #[must_use]
    pub fn gone(&self) -> String {
        format!(
            "the master serves a file that was `{}` and is no longer there; stop it, or put the file back",
            self.database
        )
    }

    /// Says that this one is served and that one is not.
    #[must_use]
    pub fn instead_of(&self, meant: &Self) -> String {
        if self.database == meant.database {
            return format!(
                "the master at this socket serves another file `{}` than the one that is seen here; stop it with `kill`, \
                 or put its file back",
                self.database
            );
        }
        if meant.file.is_none() {
            return format!(
                "the master at this socket serves `{}`, not `{}`, and no such file is seen here; for that one give \
                 `--database {}` beside `--socket`",
                self.database, meant.database, self.database
            );
        }
        format!(
            "the master at this socket serves `{}`, not `{}`; for that one name its own `--socket` or none, for this one \
             `--database {}`",
            self.database, meant.database, self.database
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_recognised_by_its_file_and_one_that_is_not_there_is_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "link"].map(|name| dir.path().join(name));
        std::fs::write(&paths[0], "").unwrap();
        std::fs::write(&paths[1], "").unwrap();
        std::os::unix::fs::symlink(&paths[0], &paths[2]).unwrap();
        let [a, b, link] = paths.map(|path| StoreName::new(&path, path.metadata().ok().as_ref()));
        assert!(a.is_same(&link) && link.is_same(&a));
        assert!(!a.is_same(&b));
        let nowhere = StoreName::new(Path::new("/nowhere"), None);
        assert!(!a.is_same(&nowhere) && !nowhere.is_same(&nowhere));
    }
}
