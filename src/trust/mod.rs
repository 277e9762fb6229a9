//! Whose a file is, and who else may change it: files that others can replace are not used.
//!
//! Knows nothing of what is in the files. Invariants: nothing is changed before it was looked at through its descriptor;
//! a link is not followed; root gives what it makes for a user's store to that user.

pub(crate) mod account;
pub(crate) mod group;

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, chown, fchown};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Group, Uid, User};

/// May be written to by the group, by everybody; only one's own files may be removed from the folder.
const GROUP_WRITES: u32 = 0o020;
const OTHERS_WRITE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// To whom the files of a store belong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    uid: u32,
    gid: u32,
}

/// The folder in which a file is, or would be.
#[must_use]
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

impl Owner {
    /// Us; or, for root, the user whose database it is, or in whose folder it will be.
    #[must_use]
    pub(crate) fn of_store(database: &Path) -> Self {
        Self::of(database.symlink_metadata().or_else(|_| folder_of(database).metadata()).ok())
    }

    fn of(found: Option<Metadata>) -> Self {
        let us = Self { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw() };
        match found {
            // A folder in which everybody makes files says nothing.
            Some(found) if us.uid == 0 && found.mode() & STICKY == 0 => Self { uid: found.uid(), gid: found.gid() },
            Some(_) | None => us,
        }
    }

    /// Whether a file is ours or root's.
    #[must_use]
    pub(crate) fn is_ours(found: &Metadata) -> bool {
        [0, Uid::effective().as_raw()].contains(&found.uid())
    }

    /// The user's name.
    #[must_use]
    pub(crate) fn name(self) -> String {
        user(self.uid)
    }

    /// Whether root works on the store of another user.
    #[must_use]
    pub(crate) fn is_another(self) -> bool {
        self.uid != Uid::effective().as_raw()
    }

    /// Gives a file that root has made, now or at another time, to this user.
    pub(crate) fn take(self, file: &File) -> io::Result<()> {
        if self.is_another() && file.metadata()?.uid() == 0 {
            self.or_warn(fchown(file, Some(self.uid), Some(self.gid)))
        } else {
            Ok(())
        }
    }

    /// The same with a folder that was just made.
    pub(crate) fn take_folder(self, folder: &Path) -> io::Result<()> {
        if self.is_another() { self.or_warn(chown(folder, Some(self.uid), Some(self.gid))) } else { Ok(()) }
    }

    /// In a container root may lack the right to give files away; what it makes can be used all the same.
    fn or_warn(self, given: io::Result<()>) -> io::Result<()> {
        match given {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                log::warn!("what is made here cannot be given to `{}` and stays root's: {e}", self.name());
                Ok(())
            }
            other => other,
        }
    }

    /// The command that takes the right to change it from the others of [`Self::who_else`].
    #[must_use]
    pub(crate) fn mend(self, path: &Path, found: &Metadata) -> String {
        let path = path.display();
        if self.is_trusted(found.uid()) || found.uid() == Uid::effective().as_raw() {
            format!("chmod go-w '{path}'")
        } else {
            format!("chown {} '{path}'", self.name())
        }
    }

    const fn is_trusted(self, uid: u32) -> bool {
        uid == self.uid || uid == 0
    }

    /// Others who may change a file or a folder, worded to follow its name; `None`: there are none.
    #[must_use]
    pub(crate) fn who_else(self, found: &Metadata) -> Option<String> {
        if !self.is_trusted(found.uid()) && found.uid() != Uid::effective().as_raw() {
            return Some(format!("belongs to `{}`", user(found.uid())));
        }
        let mode = if found.is_dir() && found.mode() & STICKY != 0 { 0 } else { found.mode() };
        if mode & OTHERS_WRITE != 0 {
            return Some("can be written to by everybody".to_owned());
        }
        let group = (mode & GROUP_WRITES != 0).then(|| shared_group(found))?;
        group.map(|group| format!("can be written to by the group `{group}`"))
    }
}

/// The group of a file, unless its owner is alone in it, as where each user has a group. One that has no name has no
/// members that the system knows.
fn shared_group(found: &Metadata) -> Option<String> {
    let group = Group::from_gid(Gid::from_raw(found.gid())).ok().flatten()?;
    let own = [user(found.uid()), user(Uid::effective().as_raw()), "root".to_owned()];
    let is_private = own.contains(&group.name) && group.mem.iter().all(|member| own.contains(member));
    (!is_private).then_some(group.name)
}

/// Whose a file is, who else may use it, and who we are; worded to follow its name.
#[must_use]
pub(crate) fn whose(path: &Path) -> String {
    let Ok(found) = path.metadata() else { return "belongs to another user".to_owned() };
    let (uid, mode) = (Uid::effective().as_raw(), found.mode() & 0o7777);
    if found.uid() == uid {
        return format!("is yours, but has mode {mode:04o}");
    }
    format!("belongs to `{}` (mode {mode:04o}); you are `{}`", user(found.uid()), user(uid))
}

/// The name of a user, or the number where there is none.
pub(crate) fn user(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// Why a configuration that was found at `path`, not named, is not used; `None`: nobody may write to it or put it there
/// but us, root, or who became root.
pub(crate) fn distrust_of_found(path: &Path, found: &Metadata) -> io::Result<Option<String>> {
    let us = Owner { uid: Uid::effective().as_raw(), gid: Gid::effective().as_raw() };
    let before = std::env::var("SUDO_UID").ok().and_then(|uid| uid.parse().ok()).filter(|_| us.uid == 0);
    let owner = Owner { uid: before.unwrap_or(us.uid), ..us };
    // Relative paths in it are relative to where it is found: a link or a second name of a file of ours gives them
    // another meaning.
    let link = path.symlink_metadata()?;
    if link.is_symlink() && !owner.is_trusted(link.uid()) && link.uid() != us.uid {
        return Ok(Some(format!("is a link of `{}`", user(link.uid()))));
    }
    let is_put_by_others = || {
        let folder = folder_of(path).metadata()?;
        io::Result::Ok(folder.mode() & OTHERS_WRITE != 0 || owner.who_else(&folder).is_some())
    };
    if found.nlink() > 1 && is_put_by_others()? {
        return Ok(Some("has several names (hard links), and others write to its folder".to_owned()));
    }
    Ok(owner.who_else(found))
}

/// Opens a file beside a store, or makes it: a regular file with one name that is `owner`'s, ours or root's.
pub(crate) fn open(path: &Path, options: &mut OpenOptions, owner: Owner) -> io::Result<File> {
    // Opening a pipe must not wait for its other end.
    let file = options.custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits()).open(path).map_err(|e| {
        let is_link = path.symlink_metadata().is_ok_and(|found| found.is_symlink());
        if is_link { io::Error::other("it is a symbolic link; remove it") } else { e }
    })?;
    let found = file.metadata()?;
    let wrong = if found.is_file() {
        let names = (found.nlink() > 1).then(|| "has several names (hard links)".to_owned());
        names.or_else(|| owner.who_else(&found))
    } else {
        Some("is no regular file".to_owned())
    };
    if let Some(wrong) = wrong {
        return Err(io::Error::other(format!("it {wrong}; remove it")));
    }
    owner.take(&file)?;
    Ok(file)
}

/// Makes a folder and those above it that are missing; root gives them to whom the folder above belongs.
pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|folder| !folder.exists()).collect();
    let above = missing.last().and_then(|folder| folder.parent());
    let owner = Owner::of(above.and_then(|folder| folder.metadata().ok()));
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    missing.into_iter().try_for_each(|folder| owner.take_folder(folder))
}

/// Opens a folder beside a store and refuses one that others may change.
pub(crate) fn check_folder(path: &Path, owner: Owner) -> io::Result<()> {
    let link = path.symlink_metadata()?;
    let target = File::open(path)?.metadata()?;
    let whose = if link.is_symlink() && !owner.is_trusted(link.uid()) {
        Some(format!("is a link of `{}`", user(link.uid())))
    } else {
        owner.who_else(&target)
    };
    match whose {
        Some(wrong) => Err(io::Error::other(format!("the folder `{}` {wrong}", path.display()))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn opened(path: &Path) -> Result<File, String> {
        let owner = Owner::of_store(path);
        open(path, OpenOptions::new().read(true).append(true), owner).map_err(|e| e.to_string())
    }

    #[test]
    fn a_file_beside_a_store_is_regular_has_one_name_and_is_written_to_by_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "mine").unwrap();
        opened(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        assert!(opened(&path).unwrap_err().contains("written to by everybody"));
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        symlink(&path, dir.path().join("link")).unwrap();
        assert!(opened(&dir.path().join("link")).unwrap_err().contains("symbolic link"));
        fs::hard_link(&path, dir.path().join("other")).unwrap();
        assert!(opened(&path).unwrap_err().contains("several names"));
        nix::unistd::mkfifo(&dir.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(opened(&dir.path().join("pipe")).unwrap_err().contains("no regular file"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    #[test]
    fn a_folder_of_a_group_of_one_is_ours_and_one_of_everybody_is_not_unless_files_stay_their_owners() {
        let dir = tempfile::tempdir().unwrap();
        let who = |mode: u32| {
            fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
            Owner::of_store(&dir.path().join("q.db")).who_else(&dir.path().metadata().unwrap())
        };
        assert_eq!(who(0o700), None);
        assert_eq!(who(0o755), None);
        assert!(who(0o777).unwrap().contains("everybody"));
        assert_eq!(who(0o1777), None);
        let own = Group::from_gid(Gid::effective()).ok().flatten().map(|group| group.name);
        let alone = own.is_none_or(|name| name == user(Uid::effective().as_raw()));
        assert_eq!(who(0o775).is_none(), alone);
    }
}
