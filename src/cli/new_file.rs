//! A file that is written for the user.
//!
//! Invariant: a file that is there stays as it is, unless it was asked to be replaced; then it is the old or the new one,
//! never a part.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Write as _};
use std::path::Path;

use crate::error::Error;

pub(super) fn write(path: &Path, text: &str, replaces: bool) -> Result<(), Error> {
    let written = if replaces { replace(path, text) } else { create(path, text) };
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            Error::Failed(format!("`{}` exists; give another path, or remove it first", path.display()))
        }
        _ => Error::io(format!("write `{}`", path.display()), error),
    })
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    let place = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let Ok(before) = place.metadata() else { return create(path, text) };
    if !before.is_file() {
        return OpenOptions::new().write(true).open(place)?.write_all(text.as_bytes());
    }
    let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    new.as_file().set_permissions(before.permissions())?;
    new.write_all(text.as_bytes())?;
    new.persist(place).map(drop).map_err(|error| error.error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_written_and_an_old_one_replaced_only_on_demand() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("q.toml");
        let read = || std::fs::read_to_string(&path).expect("read");
        write(&path, "one", false).expect("it is new");
        assert_eq!(write(&path, "two", false).expect_err("it exists").exit_code(), 1);
        assert_eq!(read(), "one");
        write(&path, "two", true).expect("it may");
        assert_eq!(read(), "two");
        assert_eq!(write(&dir.path().join("no/q.toml"), "one", true).expect_err("no folder").exit_code(), 1);
    }
}
