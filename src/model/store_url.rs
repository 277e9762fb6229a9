//! The name of a store, as users give it: a path, or a URL.
//!
//! Knows nothing of what is in one. Invariant: a URL of a kind that is not known is refused, never taken for a path.

use std::fmt;
use std::path::{Path, PathBuf};

use super::digest::digest;

/// The schema of a store on a server, if none is named.
const DEFAULT_SCHEMA: &str = "queue_work";
/// Said before the path of a file, where a URL is wanted.
const FILE: &str = "sqlite:";
/// Kinds of URLs that name a server.
const SERVERS: [&str; 2] = ["postgres", "postgresql"];

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
    /// With a password, if it was typed with one.
    pub url: String,
    /// Without a password.
    shown: PathBuf,
    /// See [`StoreUrl::local`].
    local: PathBuf,
}

impl ServerUrl {
    /// Takes a URL as it was typed, and the folder where this host keeps what it has of its stores.
    #[must_use]
    pub fn new(url: &str, folder: &Path) -> Self {
        let shown = without_password(url);
        let (rest, StoreOptions { schema, .. }) = split_options(&shown);
        let (place, options) = rest.split_once('?').unwrap_or((&rest, ""));
        let place = place.split_once("://").map_or(place, |(_, place)| place);
        let place = place.split_once('@').map_or(place, |(_, place)| place);
        // Where it is, and nothing of how it is spoken to.
        let is_place = |option: &&str| ["host=", "port=", "dbname="].iter().any(|key| option.starts_with(key));
        let whole =
            options.split('&').filter(is_place).fold(format!("{place} {schema}"), |all, option| all + " " + option);
        let database = place.rsplit('/').next().unwrap_or_default().chars().filter(char::is_ascii_alphanumeric);
        // Short, as a path of a socket has to be.
        let database: String = database.take(16).collect();
        let local = folder.join(format!("postgres-{database}-{:08x}", digest(whole.bytes()) & 0xffff_ffff));
        Self { url: url.to_owned(), shown: shown.into(), local }
    }
}

impl StoreUrl {
    /// The URL of a server, if that is what was typed.
    #[must_use]
    pub fn server_in(typed: &Path) -> Option<&str> {
        let text = typed.to_str()?;
        text.split_once("://").filter(|(kind, _)| SERVERS.contains(kind)).map(|_| text)
    }

    /// Takes a path out of what was typed, which the URL of a server is here as well; the path itself is not looked at. The
    /// error says why there is none.
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
            Some(kind) if is_kind(kind) && !SERVERS.contains(&kind) => Err(format!(
                "`{kind}://` is no kind of store that is known; name a file, as a path or as `{FILE}PATH`, or a server, as \
                 `postgres://USER@HOST/DATABASE`"
            )),
            Some(_) | None => Ok(typed),
        }
    }

    /// The name: the path of the file, or the URL of the server without a password.
    #[must_use]
    pub fn name(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Postgres(server) => &server.shown,
        }
    }

    /// All that it takes to open it, a password too.
    #[must_use]
    pub fn whole(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Postgres(server) => Path::new(&server.url),
        }
    }

    /// The path by which it is known on this host: of the file, or where that of a server would be. Beside it are the socket,
    /// the lock of the master and the output of workers.
    #[must_use]
    pub fn local(&self) -> &Path {
        match self {
            Self::File(path) => path,
            Self::Postgres(server) => &server.local,
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

/// Options of a URL that are about the store; the rest is for the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// The schema with its tables.
    pub schema: String,
    /// How long a master lives without a word, as it is written.
    pub lease: Option<String>,
    /// Whether the server is spoken to in TLS, and whether it has to prove who it is, as it is written.
    pub sslmode: Option<String>,
    /// A file with the certificates by which servers are known.
    pub sslrootcert: Option<String>,
}

/// Takes the options of a store out of a URL.
#[must_use]
pub fn split_options(url: &str) -> (String, StoreOptions) {
    let mut ours = StoreOptions { schema: DEFAULT_SCHEMA.to_owned(), lease: None, sslmode: None, sslrootcert: None };
    let Some((place, options)) = url.split_once('?') else { return (url.to_owned(), ours) };
    let mut others = Vec::new();
    for option in options.split('&') {
        match option.split_once('=') {
            Some(("schema", schema)) => schema.clone_into(&mut ours.schema),
            Some(("lease", lease)) => ours.lease = Some(lease.to_owned()),
            Some(("sslmode", mode)) => ours.sslmode = Some(mode.to_owned()),
            Some(("sslrootcert", file)) => ours.sslrootcert = Some(file.to_owned()),
            _ => others.push(option),
        }
    }
    let rest = if others.is_empty() { place.to_owned() } else { format!("{place}?{}", others.join("&")) };
    (rest, ours)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        let shown = [
            ("postgres://u:secret@h:5432/d", "postgres://u@h:5432/d"),
            ("postgres://u:se@cret@h1,h2/d?schema=x&password=secret", "postgres://u@h1,h2/d?schema=x"),
            ("postgresql://h/d?password=secret", "postgresql://h/d"),
            ("postgres:///d", "postgres:///d"),
        ];
        for (url, safe) in shown {
            let server = ServerUrl::new(url, Path::new("/state"));
            assert_eq!(StoreUrl::Postgres(server.clone()).to_string(), safe);
            assert!(!format!("{:?} {}", StoreUrl::Postgres(server.clone()), server.local.display()).contains("secret"));
        }
    }

    #[test]
    fn the_options_of_a_store_are_not_for_the_server() {
        let (url, ours) = split_options("postgres://h/d?schema=jobs&target_session_attrs=any&sslmode=require&lease=5s");
        assert_eq!(url, "postgres://h/d?target_session_attrs=any");
        assert_eq!(ours.sslmode.as_deref(), Some("require"));
        assert_eq!((&*ours.schema, ours.lease.as_deref()), ("jobs", Some("5s")));
        assert_eq!(split_options("postgres://h/d?schema=jobs").0, "postgres://h/d");
        assert_eq!(split_options("postgres://h/d").1.schema, DEFAULT_SCHEMA);
    }

    #[test]
    fn what_names_a_server_is_told_from_a_path() {
        let is_server = |typed: &str| StoreUrl::server_in(Path::new(typed)).is_some();
        assert!(is_server("postgres://h/d") && is_server("postgresql://h"));
        assert!(!is_server("postgres:h") && !is_server("q.db") && !is_server("sqlite:q.db"));
        assert!(StoreUrl::path_in(Path::new("mysql://h/d")).is_err());
    }
}
