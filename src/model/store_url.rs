//! The name of a store, as users give it: a path, or a URL.
//!
//! Knows nothing of what is in one. Invariant: a URL of a kind that is not known is refused, never taken for a path.

use std::fmt;
use std::path::{Path, PathBuf};

/// Said before the path of a file, where a URL is wanted.
const FILE: &str = "sqlite:";
/// Kinds of URLs that the next versions are to know.
const TO_COME: [&str; 2] = ["postgres:", "postgresql:"];

/// Which store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    File(PathBuf),
}

impl StoreUrl {
    /// Takes a path out of what was typed; the path itself is not looked at. The error says why there is none.
    pub fn path_in(typed: &Path) -> Result<&Path, String> {
        // A path that is no UTF-8 is no URL.
        let Some(text) = typed.to_str() else { return Ok(typed) };
        if let Some(path) = text.strip_prefix(FILE) {
            if path.starts_with("//") && !path.starts_with("///") {
                return Err(format!("`{text}` names a host; a file is `{FILE}PATH`"));
            }
            return Ok(Path::new(path));
        }
        let kind = text.split_once("://").map(|(kind, _)| kind);
        let is_kind = |kind: &str| {
            kind.starts_with(|c: char| c.is_ascii_alphabetic())
                && kind.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c))
        };
        match kind {
            Some(kind) if TO_COME.iter().any(|known| known.strip_suffix(':') == Some(kind)) => Err(format!(
                "a store in PostgreSQL (`{kind}://`) is not there yet in this version; name a file, as a path or as \
                 `{FILE}PATH`"
            )),
            Some(kind) if is_kind(kind) => {
                Err(format!("`{kind}://` is no kind of store that is known; name a file, as a path or as `{FILE}PATH`"))
            }
            Some(_) | None => Ok(typed),
        }
    }

    /// The database file.
    #[must_use]
    pub fn file(&self) -> &Path {
        let Self::File(path) = self;
        path
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file().display().fmt(f)
    }
}
