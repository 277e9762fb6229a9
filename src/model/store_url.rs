//! The name of a store, as users give it: a path, or a URL.
//!
//! Knows nothing of what is in one. Invariant: a URL of a kind that is not known is refused, never taken for a path.

use std::fmt;
use std::path::{Path, PathBuf};

/// The schema of a store on a server, if none is named.
const DEFAULT_SCHEMA: &str = "queue_work";
/// Said before the path of a file, where a URL is wanted.
const FILE: &str = "sqlite:";
/// Kinds of URLs that the next versions are to know.
const TO_COME: [&str; 2] = ["postgres:", "postgresql:"];

/// Which store.
#[derive(Clone, PartialEq, Eq)]
pub enum StoreUrl {
    File(PathBuf),
    /// In PostgreSQL.
    Postgres(ServerUrl),
}

/// A store on a server.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    /// It may have a password.
    pub url: String,
    /// It has none.
    shown: PathBuf,
}

impl ServerUrl {
    /// Takes a URL as it was typed.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: url.to_owned(), shown: without_password(url).into() }
    }
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

    /// Its name: the path of the file, or the URL of the server without a password.
    #[must_use]
    pub fn name(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Postgres(server) => &server.shown,
        }
    }

    /// The database file, if it is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(server) => server.shown.display().fmt(f),
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{self}`")
    }
}

/// A URL as it may be shown: without a password, before the host or among the options.
#[must_use]
pub fn without_password(url: &str) -> String {
    let (place, options) = url.split_once('?').map_or((url, None), |(place, options)| (place, Some(options)));
    let place = match place.split_once("://") {
        Some((kind, rest)) => {
            let shown = rest.rsplit_once('@').map_or_else(
                || rest.to_owned(),
                |(who, host)| format!("{}@{host}", who.split_once(':').map_or(who, |(user, _)| user)),
            );
            format!("{kind}://{shown}")
        }
        None => place.to_owned(),
    };
    let options = options.map(|options| {
        options.split('&').filter(|option| !option.starts_with("password=")).collect::<Vec<_>>().join("&")
    });
    match options.filter(|options| !options.is_empty()) {
        Some(options) => format!("{place}?{options}"),
        None => place,
    }
}

/// Takes the option `schema` out of a URL: the server does not know it.
#[must_use]
pub fn without_schema(url: &str) -> (String, String) {
    let mut schema = DEFAULT_SCHEMA.to_owned();
    let Some((place, options)) = url.split_once('?') else { return (url.to_owned(), schema) };
    let others = options.split('&').filter(|option| match option.strip_prefix("schema=") {
        Some(named) => {
            named.clone_into(&mut schema);
            false
        }
        None => true,
    });
    let others = others.collect::<Vec<_>>().join("&");
    (if others.is_empty() { place.to_owned() } else { format!("{place}?{others}") }, schema)
}
