//! One connection: what it has said and not finished, and what waits for it.

use std::io::{self, Write};
use std::time::Duration;

use mio::net::UnixStream;

use super::followers::Follows;
use super::greeting::{Greeting, Speaker};
use super::{Clients, MAX_PENDING, MAX_UNREAD};
use crate::master::codec::{control, long_lines::LONG};
use crate::model::Mono;
use crate::model::payload::MAX_LINE_BYTES;
use crate::wire::control::FollowEvents;
use crate::wire::lines::Lines;

/// Error for a client that did not come to an end.
const TOO_SLOW: &str = "the request was not complete in time";

/// Error for a client in the middle of a request when others need the room.
const NO_ROOM: &str = "there are too many connections, and the request was not complete; try again";

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) stream: UnixStream,
    pub(super) speaker: Speaker,
    pub(super) lines: Lines,
    pub(super) out: Vec<u8>,
    sent: usize,
    pub(super) pending: usize,
    /// Requests that are being read elsewhere.
    pub(super) being_read: usize,
    pub(super) follows: Option<Follows>,
    /// Log lines dropped since the last one that was sent.
    pub(super) dropped: u64,
    /// No more requests come; it goes when everything is answered and written.
    pub(super) ended: bool,
    /// Peer hung up: dropped after its requests are drained.
    pub(super) gone: bool,
    /// Whether the client has said which store it means.
    pub(super) greeting: Greeting,
    /// Connected, or sent something, while the master was held up.
    pub(super) late: bool,
    /// When it said something last, by the count of what all have said.
    pub(super) heard: u64,
    /// Since when the request is seen that is not complete.
    pub(super) half_since: Option<Mono>,
    /// Since when nothing of what waits for it was taken, and how much it had taken by then.
    stuck_since: Option<(Mono, u64)>,
    taken: u64,
}

impl Client {
    pub(super) fn new(stream: UnixStream, speaker: Speaker, heard: u64, late: bool) -> Self {
        Self {
            stream,
            speaker,
            lines: Lines::new(MAX_LINE_BYTES),
            out: Vec::new(),
            sent: 0,
            pending: 0,
            being_read: 0,
            follows: None,
            dropped: 0,
            ended: false,
            gone: false,
            greeting: Greeting::Unsaid,
            late,
            heard,
            half_since: None,
            stuck_since: None,
            taken: 0,
        }
    }

    /// Whether more requests are taken from it now: one long one at a time, and no long one while there are many.
    pub(super) const fn is_heard(&self, crowded: bool) -> bool {
        let waits = crowded && self.lines.held_bytes() > LONG;
        !self.ended && !waits && self.being_read == 0 && (self.gone || self.pending < MAX_PENDING)
    }

    /// Whether the client waits for nothing; it may be in the middle of a request.
    pub(super) const fn is_idle(&self) -> bool {
        self.pending == 0 && self.follows.is_none() && self.unsent() == 0
    }

    /// Whether the client follows events, and wants this.
    pub(super) fn wants(&self, wants: fn(&FollowEvents) -> bool) -> bool {
        matches!(&self.follows, Some(Follows::Events(wish)) if wants(wish))
    }

    /// Whether the client has heard everything that it can expect. One that follows the log may have said that it asks for no more.
    pub(super) const fn has_all(&self) -> bool {
        self.pending == 0 && self.follows.is_none() && self.out.is_empty()
    }

    /// Bytes that wait for it.
    pub(super) const fn unsent(&self) -> usize {
        self.out.len() - self.sent
    }

    /// Whether the client has taken too long over a request, or to read; looks at what has changed since it was asked last. One
    /// that follows the log may stop to read it: what it misses is counted.
    pub(super) fn is_slow(&mut self, now: Mono, patience: Duration) -> bool {
        if !self.lines.is_inside() || !self.is_heard(false) {
            self.half_since = None;
        } else if now.since(*self.half_since.get_or_insert(now)) > patience {
            // If it takes that, it knows; else it does not listen anyway.
            let _ = self.stream.write(&control::give_up(TOO_SLOW));
            return true;
        }
        if self.unsent() == 0 || self.follows.is_some() {
            self.stuck_since = None;
            return false;
        }
        match self.stuck_since {
            Some((since, taken)) if taken == self.taken => now.since(since) > patience,
            Some(_) | None => {
                self.stuck_since = Some((now, self.taken));
                false
            }
        }
    }

    /// Writes what the socket takes; false if the client is to be dropped.
    pub(super) fn write(&mut self) -> bool {
        while self.sent < self.out.len() {
            let left = &self.out[self.sent..];
            match faulty!("client.write", Err(io::ErrorKind::BrokenPipe.into()), self.stream.write(left)) {
                Ok(n) => {
                    self.sent += n;
                    self.taken += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return self.unsent() <= MAX_UNREAD,
                Err(_) => return false,
            }
        }
        if self.sent > 0 {
            failpoint!("client.written");
        }
        self.sent = 0;
        self.out.clear();
        if self.out.capacity() > 256 * 1024 {
            self.out = Vec::new();
        }
        true
    }
}

impl Clients {
    /// Makes room for a newcomer; false if everybody waits for something.
    pub(super) fn drop_idlest(&mut self) -> bool {
        let idle = self.all.iter().filter(|(_, c)| c.is_idle());
        // One that is in the middle of a request only where there is no other.
        let Some((&id, idlest)) = idle.min_by_key(|(_, c)| (c.lines.is_inside(), c.heard)) else { return false };
        if idlest.lines.is_inside() {
            self.refuse_rest(id, NO_ROOM);
        } else {
            self.drop_client(id);
        }
        true
    }
}
