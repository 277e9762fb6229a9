//! inotify(7) tells whether anything was done to the files, by any process.
//!
//! Knows nothing of what is in them, and opens none. Each watch reports once (`IN_ONESHOT`) and is then set again:
//! files that are written to all the time cost next to nothing. A missing file cannot be watched and counts as changed.
//!
//! Invariant: whatever happens to one of the files after an answer of [`Watch::has_news`] shows in the next: that it is
//! written to, closed by one who may have written, replaced, deleted or moved, itself or with a folder above it. Not that
//! another file system is mounted over it, and not what is written through shared memory.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

/// A watch on some files.
#[derive(Debug)]
pub(crate) struct Watch {
    kernel: Inotify,
    files: Vec<PathBuf>,
    /// Nothing has happened since all of them were watched.
    quiet: bool,
}

impl Watch {
    /// Watches the folders above the files, and the files from the first [`Self::has_news`] on. An error where the kernel
    /// does not let us, or where a symbolic link leads to a file: it may come to lead elsewhere, and nobody would tell.
    pub(crate) fn new(files: Vec<PathBuf>) -> io::Result<Self> {
        let kernel = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        for file in &files {
            let folder = file.parent().unwrap_or(file);
            if folder.canonicalize()? != folder || file.is_symlink() {
                return Err(io::Error::other(format!("a link leads to `{}`", file.display())));
            }
            for folder in folder.ancestors() {
                kernel.add_watch(folder, AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONLYDIR)?;
            }
        }
        Ok(Self { kernel, files, quiet: false })
    }

    /// Takes in what the kernel tells. To be called when its descriptor is readable.
    pub(crate) fn drain(&mut self) {
        while self.kernel.read_events().is_ok() {
            self.quiet = false;
        }
    }

    /// Whether the files may have changed since the last call. Goes on watching.
    pub(crate) fn has_news(&mut self) -> bool {
        if self.quiet {
            return false;
        }
        // The attributes change when a name of the file goes, by deletion or because another takes its place.
        let written = AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CLOSE_WRITE;
        let once = written | AddWatchFlags::IN_ATTRIB | AddWatchFlags::IN_MOVE_SELF | AddWatchFlags::IN_ONESHOT;
        self.quiet = self.files.iter().all(|file| self.kernel.add_watch(file, once).is_ok());
        true
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.kernel.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Write;
    use std::path::Path;

    use super::*;

    type Deed<'a> = &'a dyn Fn(&Path);

    /// A watch on two files in a folder of a folder, which is quiet.
    fn quiet() -> (tempfile::TempDir, PathBuf, Watch) {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap().join("a/b");
        fs::create_dir_all(&folder).unwrap();
        let files = ["one", "two"].map(|name| folder.join(name));
        for file in &files {
            fs::write(file, "1").unwrap();
        }
        let mut watch = Watch::new(files.to_vec()).unwrap();
        assert!(watch.has_news(), "who begins has to look");
        assert!(!asked(&mut watch));
        (dir, folder, watch)
    }

    /// The kernel tells at once: before the call that did it returns.
    fn asked(watch: &mut Watch) -> bool {
        watch.drain();
        watch.has_news()
    }

    #[test]
    fn whatever_is_done_to_a_file_shows_once() {
        let append = |file: &Path| fs::OpenOptions::new().append(true).open(file).unwrap().write_all(b"2").unwrap();
        let replace = |file: &Path| {
            fs::write(file.with_extension("new"), "3").unwrap();
            fs::rename(file.with_extension("new"), file).unwrap();
        };
        let move_away = |file: &Path| fs::rename(file, file.with_extension("old")).unwrap();
        let deeds: [(&str, Deed<'_>); 5] = [
            ("append", &append),
            ("replace", &replace),
            ("truncate", &|file| fs::write(file, "").unwrap()),
            ("delete", &|file| fs::remove_file(file).unwrap()),
            ("move", &move_away),
        ];
        for (what, deed) in deeds {
            let (_dir, folder, mut watch) = quiet();
            // Open all the time, as the files of a database are.
            let _open = fs::File::open(folder.join("two")).unwrap();
            deed(&folder.join("two"));
            assert!(asked(&mut watch), "{what}");
            let is_there = folder.join("two").exists();
            assert_eq!(asked(&mut watch), !is_there, "{what}: one that is not there has to be looked for");
            fs::write(folder.join("two"), "again").unwrap();
            assert!(asked(&mut watch), "{what}, then written");
            assert!(!asked(&mut watch), "{what}, then written");
        }
    }

    #[test]
    fn one_that_was_open_to_be_written_shows_when_it_is_closed() {
        let (_dir, folder, mut watch) = quiet();
        let open = fs::OpenOptions::new().append(true).open(folder.join("one")).unwrap();
        assert!(!asked(&mut watch));
        drop(open);
        assert!(asked(&mut watch));
        assert!(!asked(&mut watch));
    }

    #[test]
    fn reading_and_what_is_done_to_others_does_not_show() {
        let (_dir, folder, mut watch) = quiet();
        fs::write(folder.join("three"), "3").unwrap();
        fs::remove_file(folder.join("three")).unwrap();
        assert_eq!(fs::read(folder.join("one")).unwrap(), b"1");
        assert!(!asked(&mut watch));
    }

    #[test]
    fn a_folder_above_that_is_moved_shows() {
        let (dir, _, mut watch) = quiet();
        fs::rename(dir.path().join("a"), dir.path().join("c")).unwrap();
        assert!(asked(&mut watch) && asked(&mut watch));
    }

    #[test]
    fn what_is_reached_through_a_link_is_not_watched() {
        let (dir, folder, _watch) = quiet();
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        Watch::new(vec![link.join("one")]).expect_err("the link may come to lead elsewhere");
        std::os::unix::fs::symlink("two", folder.join("three")).unwrap();
        Watch::new(vec![folder.join("three")]).expect_err("so may this one");
        Watch::new(vec![folder.join("two")]).unwrap();
    }
}
