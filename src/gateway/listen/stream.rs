//! The two halves of a connection, TCP or unix: one is read by its task, the other is written by whoever has an answer.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpStream, UnixStream, tcp, unix};

/// A connection that was accepted.
#[derive(Debug)]
pub(in crate::gateway) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

#[derive(Debug)]
pub(in crate::gateway) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Unix(unix::OwnedReadHalf),
}

#[derive(Debug)]
pub(in crate::gateway) enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Unix(unix::OwnedWriteHalf),
}

impl Stream {
    pub(in crate::gateway) fn split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Tcp(stream) => {
                // Answers are written whole; waiting for more would only be slow. A connection without it works too.
                let _ = stream.set_nodelay(true);
                let (read, write) = stream.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            Self::Unix(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Unix(read), WriteHalf::Unix(write))
            }
        }
    }
}

impl ReadHalf {
    /// Reads what is there into `buffer`; how many bytes, 0 at the end.
    pub(in crate::gateway) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let done = match self {
            Self::Tcp(half) => Pin::new(half).poll_read(cx, &mut buffer),
            Self::Unix(half) => Pin::new(half).poll_read(cx, &mut buffer),
        };
        done.map_ok(|()| buffer.filled().len())
    }
}

impl WriteHalf {
    /// Writes what fits now.
    pub(in crate::gateway) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.try_write(bytes),
            Self::Unix(half) => half.try_write(bytes),
        }
    }

    pub(in crate::gateway) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(half) => half.as_ref().poll_write_ready(cx),
            Self::Unix(half) => half.as_ref().poll_write_ready(cx),
        }
    }

    /// The first bytes that have come and were not read.
    pub(in crate::gateway) fn peek<'a>(&self, buffer: &'a mut [u8]) -> &'a [u8] {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let bytes = recv(self.as_fd(), &mut *buffer, flags).map_or(0, |(bytes, _)| bytes);
        &buffer[..bytes]
    }

    /// Whether the other side has closed both directions, as far as the kernel knows: over TCP only after a reset.
    pub(in crate::gateway) fn is_hung_up(&self) -> bool {
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut fds = [PollFd::from_borrowed_fd(self.as_fd(), PollFlags::empty())];
        poll(&mut fds, Some(&at_once)).is_ok_and(|_| fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR))
    }

    /// Says that nothing more is written.
    pub(in crate::gateway) fn finish(&self) {
        // The other side may be gone already.
        let _ = shutdown(self.as_fd(), Shutdown::Write);
    }
}

impl AsFd for WriteHalf {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(half) => half.as_ref().as_fd(),
            Self::Unix(half) => half.as_ref().as_fd(),
        }
    }
}
