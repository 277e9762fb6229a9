//! The name of the file system in statfs(2) tells. Files are told apart by stat(2).

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::statfs;

/// Whether a lock by flock(2) keeps others from one by fcntl(2).
pub(crate) const FLOCK_MEETS_FCNTL: bool = true;

/// Kinds by their names in statfs(2). With FUSE the files may be anywhere.
const REMOTE: [(&str, &str); 8] = [
    ("nfs", "NFS"),
    ("smbfs", "SMB"),
    ("afpfs", "AFP"),
    ("webdav", "WebDAV"),
    ("ftp", "FTP"),
    ("acfs", "Xsan"),
    ("macfuse", "FUSE"),
    ("osxfuse", "FUSE"),
];

/// The kind of the file system of a file, if that is, or may be, on another machine.
pub(crate) fn remote_kind(file: &Path) -> nix::Result<Option<&'static str>> {
    let found = statfs(file)?;
    let name = found.filesystem_type_name();
    Ok(REMOTE.iter().find(|(known, _)| *known == name).map(|(_, shown)| *shown))
}

/// Device and inode of what is at this path.
pub(crate) fn ask_identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// The length of an open file.
pub(crate) fn ask_length(file: &File) -> io::Result<u64> {
    file.metadata().map(|found| found.len())
}

/// Whether this very file was mounted: there are mounts of folders only.
pub(crate) const fn is_mounted_alone(_file: &File) -> bool {
    false
}

/// Nobody: the kernel does not list locks.
pub(crate) fn locks_on(_file: (u64, u64), _counts: impl Fn([&str; 3]) -> bool) -> Vec<u32> {
    Vec::new()
}
