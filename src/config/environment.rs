//! The variables of the environment, as one value that tests can make up.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

/// All variables, by name.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Those of this process.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of a variable; `None` where it is not set, or no text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name.as_ref() as &std::ffi::OsStr)?.to_str()
    }

    /// The folder that a variable names. A relative one would be another in each folder, and does not count.
    pub(super) fn folder(&self, name: &str) -> Option<&Path> {
        let path = Path::new(self.0.get(name.as_ref() as &std::ffi::OsStr)?);
        path.is_absolute().then_some(path)
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
