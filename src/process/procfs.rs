//! Files under `/proc`, which do not say how long they are.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Most of them have room in this.
const USUAL: usize = 4096;

/// Reads all of one into `space`, which keeps its room for the next. std would ask for its length, which is said to be
/// nothing, and then read it in small pieces.
pub(super) fn read(path: impl AsRef<Path>, space: &mut Vec<u8>) -> io::Result<&[u8]> {
    let mut file = File::open(path)?;
    let mut length = 0;
    loop {
        if length == space.len() {
            space.resize((2 * length).max(USUAL), 0);
        }
        match file.read(&mut space[length..]) {
            Ok(0) => return Ok(&space[..length]),
            Ok(n) => length += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_longer_than_the_room_is_read_as_a_whole_and_nothing_of_the_last_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (long, short) = (folder.path().join("long"), folder.path().join("short"));
        let text: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
        std::fs::write(&long, &text).unwrap();
        std::fs::write(&short, b"ab").unwrap();
        let mut space = Vec::new();
        assert_eq!(read(&long, &mut space).unwrap(), text);
        assert_eq!(read(&short, &mut space).unwrap(), b"ab");
        assert_eq!(read("/proc/self/environ", &mut space).unwrap(), std::fs::read("/proc/self/environ").unwrap());
        assert!(read("/proc/0/environ", &mut space).is_err());
    }
}
