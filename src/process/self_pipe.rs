//! The reading end of a self-pipe, into which a signal handler writes a byte.

use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;

/// Empties it, without waiting where it is set not to; true if there was something in it.
pub(crate) fn drain(mut socket: &UnixStream) -> bool {
    let mut bytes = [0; 64];
    let mut any = false;
    loop {
        match socket.read(&mut bytes) {
            Ok(n) if n == bytes.len() => any = true,
            // A read that returns less than was asked for has emptied it.
            Ok(n) if n > 0 => return true,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return any,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn everything_is_taken_at_once_and_nothing_is_waited_for() {
        let (read, mut write) = UnixStream::pair().unwrap();
        read.set_nonblocking(true).unwrap();
        assert!(!drain(&read));
        write.write_all(&[b'x'; 1000]).unwrap();
        assert!(drain(&read));
        assert!(!drain(&read));
        drop(write);
        assert!(!drain(&read), "the other end is closed");
    }
}
