//! The stdout of a command on its way to the log: passed on as it comes, never waited for.
//!
//! Invariant: a command is not slowed down by a log that does not keep up. What finds no room is dropped from one line
//! break to another, and its size becomes a line of the log.

use std::time::{Duration, Instant};

use super::pipes::Outbox;
use crate::clock;
use crate::wire::worker::write_printed;

/// When more bytes than this wait for the master, output is dropped, until all of them are gone.
const BACKLOG_BYTES: usize = 1 << 20;
/// And for so long, so that a flood takes neither the command's time nor the master's.
const DROP_FOR: Duration = Duration::from_millis(100);

/// How far the stdout of a command has been passed on.
#[derive(Debug, Default)]
pub(super) struct Printed {
    /// A line has begun that has not ended.
    inside: bool,
    /// Bytes that were dropped since.
    dropped: u64,
    /// The last of them.
    dropped_to: Option<u8>,
    /// No less than until then.
    drop_until: Option<Instant>,
}

impl Printed {
    /// Passes on what the command has printed.
    pub(super) fn pass(&mut self, mut bytes: &[u8], to: &mut Outbox) {
        if self.dropped > 0 || to.waiting() > BACKLOG_BYTES {
            let now = clock::instant();
            let is_over = *self.drop_until.get_or_insert(now + DROP_FOR) <= now && to.waiting() == 0;
            let line_end = match self.dropped_to {
                _ if !is_over => None,
                Some(b'\n') => Some(0),
                _ => memchr::memchr(b'\n', bytes).map(|at| at + 1),
            };
            self.dropped += line_end.unwrap_or(bytes.len()) as u64;
            let Some(line_end) = line_end else {
                self.dropped_to = bytes.last().copied();
                return;
            };
            self.end(to);
            bytes = &bytes[line_end..];
        }
        self.write(bytes, to);
    }

    /// Ends a line that was begun, and says what was dropped.
    pub(super) fn end(&mut self, to: &mut Outbox) {
        if self.inside {
            self.write(b"\n", to);
        }
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            (self.drop_until, self.dropped_to) = (None, None);
            self.write(format!("[{dropped} bytes of output dropped: the log could not keep up]\n").as_bytes(), to);
        }
    }

    fn write(&mut self, bytes: &[u8], to: &mut Outbox) {
        let Some(last) = bytes.last() else { return };
        self.inside = *last != b'\n';
        let mut pieces = Vec::with_capacity(bytes.len() + 64);
        write_printed(&mut pieces, bytes);
        to.push(&pieces);
    }
}
