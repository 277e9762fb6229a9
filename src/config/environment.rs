//! The variables of the environment, as one value that tests can make up.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// All variables, by name.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The variables of this process.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of a variable; `None` where it is not set, or no text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(OsStr::new(name))?.to_str()
    }

    /// Whether a variable is set, to a text or anything else.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(OsStr::new(name))
    }

    /// All but those that begin with one of these.
    pub(super) fn without(&self, beginnings: &[&str]) -> Self {
        let begins = |name: &OsStr, with: &str| name.as_encoded_bytes().starts_with(with.as_bytes());
        self.iter().filter(|(name, _)| !beginnings.iter().any(|with| begins(name, with))).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }

    /// The folder that a variable names. A relative one would be another in each folder, and does not count.
    pub(super) fn folder(&self, name: &str) -> Option<&Path> {
        let path = Path::new(self.0.get(OsStr::new(name))?);
        path.is_absolute().then_some(path)
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
