//! The tokens of the page, one for each role: in a file beside the database that is its user's alone.
//!
//! Invariants: a token is 256 bit from the kernel; one that was not shown whole takes as long to refuse as any other; no
//! token is in a log.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::config::Paths;
use crate::error::Error;
use crate::model::token::Token;
use crate::process::identity::fill_random;
use crate::trust::{self, Owner};

/// Rights of whoever shows a token, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    Viewer,
    Operator,
    Admin,
}

impl Role {
    pub(super) const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

/// All of them.
pub(super) struct Tokens([(Role, Token, String); 3]);

/// The end of the name of the file.
const ENDING: &str = ".web-token";
/// Rights of others, who have none.
const OTHERS: u32 = 0o077;
/// The longest file that is read.
const MOST_BYTES: u64 = 4096;

impl Tokens {
    /// Reads those of a database, or makes them.
    pub(super) fn of(paths: &Paths, makes: bool) -> Result<Self, Error> {
        let mut file = paths.database.local().as_os_str().to_owned();
        file.push(ENDING);
        let file = PathBuf::from(file);
        let (shown, owner) = (file.display(), Owner::of_store(paths.database.local()));
        if makes {
            make(&file, owner).map_err(|e| Error::io(format!("make the tokens of the page in `{shown}`"), e))?;
        }
        let text = read(&file, owner).map_err(|e| match e.kind() {
            ErrorKind::NotFound => {
                Error::Failed(format!("there is no `{shown}` yet; start `queue-work web`, which makes it"))
            }
            _ => Error::io(format!("read the tokens of the page in `{shown}`"), e),
        })?;
        let wrong = || {
            Error::Failed(format!("`{shown}` has no token for each role; delete it, and start `queue-work web` again"))
        };
        let find = |role: Role| {
            let of_role = text.lines().find_map(|line| line.strip_prefix(role.as_str())?.strip_prefix(' '));
            let token = of_role.and_then(|text| Token::new(text).ok()).ok_or_else(wrong)?;
            Ok::<_, Error>((role, token, of_role.unwrap_or_default().trim().to_owned()))
        };
        let [viewer, operator, admin] = Role::ALL;
        Ok(Self([find(viewer)?, find(operator)?, find(admin)?]))
    }

    /// The highest role whose token this is.
    pub(super) fn role_of(&self, shown: &str) -> Option<Role> {
        // All of them are compared, whichever it is.
        self.0.iter().filter(|(_, token, _)| token.is(shown)).map(|(role, ..)| *role).max()
    }

    pub(super) fn of_role(&self, wanted: Role) -> &str {
        self.0.iter().find(|(role, ..)| *role == wanted).map_or("", |(_, _, text)| text)
    }
}

/// Makes the file whole, unless it is there.
fn make(file: &Path, owner: Owner) -> io::Result<()> {
    if file.symlink_metadata().is_ok() {
        return Ok(());
    }
    let mut text = String::new();
    for role in Role::ALL {
        let mut bytes = [0; 32];
        fill_random(&mut bytes)?;
        let _ = writeln!(text, "{} {}", role.as_str(), BASE64_URL_SAFE_NO_PAD.encode(bytes));
    }
    // Private from the moment that it is there.
    let mut new = tempfile::NamedTempFile::new_in(trust::folder_of(file))?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    owner.take(new.as_file())?;
    match new.persist_noclobber(file) {
        Err(there) if there.error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.map(drop).map_err(|e| e.error),
    }
}

fn read(file: &Path, owner: Owner) -> io::Result<String> {
    let opened = trust::open(file, OpenOptions::new().read(true), owner)?;
    if opened.metadata()?.mode() & OTHERS != 0 {
        return Err(io::Error::other("others can read it; delete it, and start `queue-work web` again"));
    }
    let mut text = String::new();
    opened.take(MOST_BYTES).read_to_string(&mut text)?;
    Ok(text)
}
