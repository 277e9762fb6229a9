//! Other paths to the database of a bench: `QUEUE_WORK_TEST_PATHS` runs tests once more through them.
//!
//! The real path stays what tests know ([`super::Bench::database`]): whatever name the binary is given, everything it
//! keeps lies beside the file itself.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Chooses the form: `link`, `folder`, `relative`, or `mixed`, by the name of each test.
pub(super) const VARIABLE: &str = "QUEUE_WORK_TEST_PATHS";
/// A link in the folder of the bench, to the folder itself.
const FOLDER: &str = ".folder";

/// How the database is named to the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As it is.
    Plain,
    /// By a symbolic link to the file, as soon as there is one.
    Link,
    /// Through a symbolic link to its folder.
    Folder,
    /// Relative to the folder of the bench.
    Relative,
}

/// The form for the test that runs in this thread.
pub(super) fn chosen() -> Form {
    let all = [Form::Link, Form::Folder, Form::Relative];
    match std::env::var(VARIABLE).as_deref() {
        Err(_) => Form::Plain,
        Ok("link") => Form::Link,
        Ok("folder") => Form::Folder,
        Ok("relative") => Form::Relative,
        Ok("mixed") => {
            let mut hasher = DefaultHasher::new();
            std::thread::current().name().hash(&mut hasher);
            all[(hasher.finish() % 3) as usize]
        }
        Ok(other) => panic!("{VARIABLE} is `{other}`; use link, folder, relative or mixed"),
    }
}

/// Another path to `database`, which is below `folder`; made where that takes a link.
pub(super) fn given(form: Form, folder: &Path, database: &Path) -> PathBuf {
    let below = database.strip_prefix(folder).expect("the database is below the folder of the bench");
    match form {
        Form::Plain => database.to_owned(),
        Form::Relative => below.to_owned(),
        Form::Folder => {
            make(Path::new("."), &folder.join(FOLDER));
            folder.join(FOLDER).join(below)
        }
        // A link to nothing is refused: until there is a file, its own path is used.
        Form::Link if !database.exists() => database.to_owned(),
        Form::Link => {
            let link = folder.join(format!(".link-{}", below.display().to_string().replace('/', "-")));
            make(database, &link);
            link
        }
    }
}

fn make(to: &Path, link: &Path) {
    match symlink(to, link) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => panic!("cannot link {}: {e}", link.display()),
        Ok(()) | Err(_) => {}
    }
}
