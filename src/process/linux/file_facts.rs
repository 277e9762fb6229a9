//! The number of the file system in statfs(2) tells. Files are told apart by statx(2), without their times.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::statfs::{Statfs, statfs};
use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, makedev, statx};
use rustix::io::Errno;

/// Whether a lock by flock(2) keeps others from one by fcntl(2).
pub(crate) const FLOCK_MEETS_FCNTL: bool = false;

/// Kinds by the numbers of statfs(2). With FUSE the files may be anywhere.
const REMOTE: [(u32, &str); 17] = [
    (0x0000_6969, "NFS"),
    (0x0000_517B, "SMB"),
    (0xFE53_4D42, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0x6573_5546, "FUSE"),
    (0x0102_1997, "9P"),
    (0x00C3_6400, "Ceph"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x0000_564C, "NCP"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
    (0x0BD0_0BD0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x1983_0326, "BeeGFS"),
    (0x786F_4256, "shared folders of VirtualBox"),
];

/// The name of a file system that is, or may be, on another machine.
fn remote(magic: u32) -> Option<&'static str> {
    REMOTE.iter().find(|(known, _)| *known == magic).map(|(_, name)| *name)
}

/// The number of a file system: 32 bits of the kernel. What stands above them is their sign, as the type is signed with
/// glibc (it is not with musl).
fn magic(fs: Statfs) -> u32 {
    fs.filesystem_type().0 as u32
}

/// The kind of the file system of a file, if that is, or may be, on another machine.
pub(crate) fn remote_kind(file: &Path) -> nix::Result<Option<&'static str>> {
    Ok(remote(magic(statfs(file)?)))
}

/// Device and inode of what is at this path, and nothing else. After a question for the times of a file, recent kernels
/// (multigrain timestamps, since Linux 6.13) give the next write a time of its own, so that its sync writes the inode as
/// well: a third of a push.
pub(crate) fn ask_identity(path: &Path) -> io::Result<(u64, u64)> {
    match statx(CWD, path, AtFlags::empty(), StatxFlags::INO) {
        Ok(found) => Ok((makedev(found.stx_dev_major, found.stx_dev_minor), found.stx_ino)),
        Err(error) if is_no_call(error) => std::fs::metadata(path).map(|found| (found.dev(), found.ino())),
        Err(error) => Err(error.into()),
    }
}

/// The length of an open file, without its times: see [`ask_identity`].
pub(crate) fn ask_length(file: &File) -> io::Result<u64> {
    match statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::SIZE) {
        Ok(found) => Ok(found.stx_size),
        Err(error) if is_no_call(error) => file.metadata().map(|found| found.len()),
        Err(error) => Err(error.into()),
    }
}

/// An old kernel, or a sandbox that knows only old ones.
fn is_no_call(error: Errno) -> bool {
    matches!(error, Errno::NOSYS | Errno::PERM)
}

/// Whether this very file was mounted, rather than a folder above it.
pub(crate) fn is_mounted_alone(file: &File) -> bool {
    let about = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
    about.is_ok_and(|about| about.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Processes with a lock on a file: its class, its kind and its first byte tell whether it counts.
pub(crate) fn locks_on((device, inode): (u64, u64), counts: impl Fn([&str; 3]) -> bool) -> Vec<u32> {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let file = format!("{major:02x}:{minor:02x}:{inode}");
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let holder = |line: &str| match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
        [_, class, _, kind, pid, on, first, ..] if on == file && counts([class, kind, first]) => {
            pid.parse().ok().filter(|pid| *pid > 0)
        }
        _ => None,
    };
    locks.lines().filter_map(holder).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_identity_and_the_length_are_those_that_a_full_question_gives() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        std::fs::write(&file, "12345").unwrap();
        for path in [&file, dir.path(), Path::new("/dev/null"), Path::new("/proc/self/stat")] {
            let found = std::fs::metadata(path).unwrap();
            assert_eq!(ask_identity(path).unwrap(), (found.dev(), found.ino()), "{}", path.display());
        }
        assert_eq!(ask_length(&File::open(&file).unwrap()).unwrap(), 5);
        std::fs::remove_file(&file).unwrap();
        assert_eq!(ask_identity(&file).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn file_systems_of_the_network_are_known_by_their_numbers() {
        for (magic, name) in
            [(0x6969, "NFS"), (0xFF53_4D42, "CIFS"), (0xFE53_4D42, "SMB"), (0x6573_5546, "FUSE"), (0x0102_1997, "9P")]
        {
            assert_eq!(remote(magic), Some(name), "{magic:#x}");
        }
        // ext4, tmpfs, btrfs, xfs, overlayfs, zfs, f2fs, bcachefs, ramfs.
        for magic in [
            0xEF53,
            0x0102_1994,
            0x9123_683E,
            0x5846_5342,
            0x794C_7630,
            0x2FC1_2FC1,
            0xF2F5_2010,
            0xCA45_1A4E,
            0x8584_58F6,
        ] {
            assert_eq!(remote(magic), None, "{magic:#x}");
        }
    }
}
