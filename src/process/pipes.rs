//! The pipes of a child, without waiting: what it prints, read within a budget, and what it is to read, kept until it
//! takes it.
//!
//! Knows nothing of lines. Invariants: no read or write waits; what the child has not taken is kept in order; how much
//! of it the child has read is known ([`ToChild::taken`]).

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ChildStdin;

use mio::unix::pipe::{Receiver, Sender};
use mio::{Interest, Registry, Token};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

/// A buffer larger than this is given back when it is empty.
const KEEP_BYTES: usize = 256 * 1024;

/// Why a read stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The budget is used up; there may be more, and no edge will tell.
    More,
    /// Nothing now: the next edge tells of more.
    Nothing,
    /// Nothing any more.
    Ended,
}

/// Reads at most so many bytes, through `chunk`; `each` gets them piece by piece. `until_empty`: a short read does not
/// end it, as the end of the stream may be seen right behind it.
pub fn read(
    from: &mut impl Read,
    most: usize,
    until_empty: bool,
    chunk: &mut [u8],
    mut each: impl FnMut(&[u8]),
) -> Left {
    let mut left = most;
    while left > 0 {
        let wanted = left.min(chunk.len());
        match from.read(&mut chunk[..wanted]) {
            Ok(0) => return Left::Ended,
            Ok(n) => {
                each(&chunk[..n]);
                left -= n;
                if n < wanted && !until_empty {
                    return Left::Nothing;
                }
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Left::Nothing,
            // A stream that cannot be read any more is as good as ended.
            Err(_) => return Left::Ended,
        }
    }
    Left::More
}

/// A pipe from a child; closed when its end was seen.
#[derive(Debug)]
pub struct FromChild(Option<Receiver>);

impl FromChild {
    /// Asks for news of it. Without a pipe it has ended.
    pub fn new(pipe: Option<PipeReader>, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut pipe = pipe.map(|pipe| Receiver::from(OwnedFd::from(pipe)));
        if let Some(pipe) = &mut pipe {
            pipe.set_nonblocking(true)?;
            registry.register(pipe, token, Interest::READABLE)?;
        }
        Ok(Self(pipe))
    }

    /// Reads what is there, at most so many bytes; true if there may be more. `until_empty`: see [`read`].
    pub fn read(&mut self, most: usize, until_empty: bool, chunk: &mut [u8], each: impl FnMut(&[u8])) -> bool {
        let Some(pipe) = &mut self.0 else { return false };
        let left = read(pipe, most, until_empty, chunk, each);
        if left == Left::Ended {
            self.0 = None;
        }
        left == Left::More
    }
}

/// The stdin of a child, and the bytes that are still to go there.
#[derive(Debug)]
pub struct ToChild {
    pipe: Option<Sender>,
    /// Bytes to be written, from `sent` on.
    out: Vec<u8>,
    sent: usize,
    /// Bytes that went into the pipe, ever.
    written: u64,
    close: bool,
}

impl ToChild {
    /// Asks for news of it. Without a pipe it takes everything and keeps nothing.
    pub fn new(pipe: Option<ChildStdin>, registry: &Registry, token: Token) -> io::Result<Self> {
        let mut pipe = pipe.map(Sender::from);
        if let Some(pipe) = &mut pipe {
            pipe.set_nonblocking(true)?;
            registry.register(pipe, token, Interest::WRITABLE)?;
        }
        Ok(Self { pipe, out: Vec::new(), sent: 0, written: 0, close: false })
    }

    /// Where to append what is to be written.
    pub const fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub const fn waiting(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Where in the stream the next byte that is appended goes.
    #[must_use]
    pub const fn position(&self) -> u64 {
        self.written + self.waiting() as u64
    }

    /// Bytes from this place on that wait to be written.
    #[must_use]
    pub fn waiting_from(&self, position: u64) -> &[u8] {
        let passed = usize::try_from(position.saturating_sub(self.written)).unwrap_or(usize::MAX);
        self.out.get(self.sent.saturating_add(passed)..).unwrap_or_default()
    }

    /// Closes it when everything is written.
    pub const fn close(&mut self) {
        self.close = true;
    }

    /// Writes what goes now, by `write`; false if the child has closed its end and will never read the rest.
    pub fn flush(&mut self, mut write: impl FnMut(&mut Sender, &[u8]) -> io::Result<usize>) -> bool {
        let mut open = true;
        while let Some(pipe) = &mut self.pipe
            && self.sent < self.out.len()
        {
            match write(pipe, &self.out[self.sent..]) {
                Ok(n) if n > 0 => {
                    self.sent += n;
                    self.written += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return true,
                Ok(_) | Err(_) => {
                    open = false;
                    break;
                }
            }
        }
        self.out.clear();
        self.sent = 0;
        if self.out.capacity() > KEEP_BYTES {
            self.out = Vec::new();
        }
        if self.close {
            self.pipe = None;
        }
        open
    }

    /// Bytes of the stream that the child has read; asked when it reads no more.
    #[must_use]
    pub fn taken(&self) -> u64 {
        let unread = self.pipe.as_ref().and_then(|pipe| rustix::io::ioctl_fionread(pipe).ok()).unwrap_or(0);
        self.written.saturating_sub(unread)
    }
}

/// Makes reads and writes on this end of a pipe return at once; the child's end stays as it is.
pub fn set_nonblocking(fd: &impl AsFd) -> io::Result<()> {
    let flags = OFlag::from_bits_retain(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

/// Writes to a child as it is.
pub fn write(pipe: &mut Sender, bytes: &[u8]) -> io::Result<usize> {
    pipe.write(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn numbers(left: usize, until_empty: bool, pieces: &[&[u8]]) -> (Left, Vec<usize>) {
        struct Pieces<'a>(std::slice::Iter<'a, &'a [u8]>);
        impl Read for Pieces<'_> {
            fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
                let Some(piece) = self.0.next() else { return Err(io::ErrorKind::WouldBlock.into()) };
                into[..piece.len()].copy_from_slice(piece);
                Ok(piece.len())
            }
        }
        let mut sizes = Vec::new();
        let end = read(&mut Pieces(pieces.iter()), left, until_empty, &mut [0; 4], |part| sizes.push(part.len()));
        (end, sizes)
    }

    #[test]
    fn a_read_stops_at_its_budget_at_a_short_read_at_nothing_and_at_the_end() {
        assert_eq!(numbers(8, false, &[b"abcd", b"efgh", b"i"]), (Left::More, vec![4, 4]));
        assert_eq!(numbers(9, false, &[b"abcd", b"ef", b"gh"]), (Left::Nothing, vec![4, 2]));
        assert_eq!(numbers(9, true, &[b"abcd", b"ef", b""]), (Left::Ended, vec![4, 2]));
        assert_eq!(numbers(9, true, &[b"abcd", b"ef"]), (Left::Nothing, vec![4, 2]));
        assert_eq!(numbers(9, false, &[b"abcd"]), (Left::Nothing, vec![4]));
        assert_eq!(numbers(9, false, &[b""]), (Left::Ended, vec![]));
    }

    #[test]
    fn what_a_child_has_not_read_is_kept_in_order_and_counted() {
        let poll = mio::Poll::new().unwrap();
        let mut child = Command::new("/bin/sleep").arg("1000").stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = ToChild::new(child.stdin.take(), poll.registry(), Token(0)).unwrap();
        stdin.outgoing().resize(100_000, b'x');
        assert!(stdin.flush(write));
        assert!(stdin.waiting() > 0);
        assert_eq!((stdin.taken(), stdin.position()), (0, 100_000));
        stdin.close();
        assert!(stdin.flush(write), "the rest waits");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!stdin.flush(write), "the child has closed its end");
        assert_eq!(stdin.waiting(), 0);
        stdin.outgoing().push(b'x');
        assert!(stdin.flush(write), "nobody is written to");
    }
}
