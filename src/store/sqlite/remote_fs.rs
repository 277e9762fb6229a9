//! Refuses a database on a file system of the network.
//!
//! SQLite's locks, and the memory that its connections share, cannot be relied on there, and files are corrupted even
//! with a single writer. Invariant: a file system that is not known as remote is taken for local.

use std::path::Path;

use nix::errno::Errno;
use nix::sys::statfs::{Statfs, statfs};

use crate::store::StoreError;
use crate::trust::folder_of;

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

/// Whether an existing file lies on another machine.
pub(super) fn is_remote(database: &Path) -> bool {
    statfs(database).is_ok_and(|fs| remote(magic(fs)).is_some())
}

/// Refuses a database that lies, or would lie, on another machine.
pub(super) fn refuse_remote(database: &Path) -> Result<(), StoreError> {
    let folder = folder_of(database);
    let found = match statfs(database) {
        Err(Errno::ENOENT) => statfs(folder),
        found => found,
    };
    let reason = match found.map(|fs| remote(magic(fs))) {
        // Opening a missing or unreadable file gives the better error.
        Ok(None) | Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EACCES) => return Ok(()),
        Ok(Some(name)) => format!(
            "its file system ({name}) is, or may be, on another machine, where a database can be corrupted; choose a \
             local disk with --database, or take the risk with --allow-network-fs"
        ),
        Err(e) => format!("its file system cannot be asked what it is: {}", e.desc()),
    };
    Err(StoreError::Cannot { doing: "use", path: database.display().to_string(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn local_file_systems_are_accepted_before_and_after_the_database_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("q.db");
        refuse_remote(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        refuse_remote(&path).unwrap();
        refuse_remote(Path::new("q.db")).unwrap();
        refuse_remote(Path::new("/no/such/folder/q.db")).unwrap();
        if Path::new("/dev/shm").is_dir() {
            refuse_remote(Path::new("/dev/shm/q.db")).unwrap();
        }
    }
}
