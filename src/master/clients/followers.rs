//! Clients that follow the log, or events. One that does not keep up misses some, and is told how many.

use super::{ClientId, Clients};
use crate::master::codec::control;
use crate::wire::control::{Follow, FollowEvents};

/// Bytes that may wait for a client that follows; what comes then is dropped for it.
const MAX_UNREAD: usize = 1024 * 1024;

/// The stream that a client follows.
#[derive(Debug)]
pub(super) enum Follows {
    Log(Follow),
    Events(FollowEvents),
}

impl Clients {
    /// From now on the client gets the log lines that match.
    pub(in crate::master) fn follow(&mut self, id: ClientId, which: Follow) {
        self.set_follows(id, Follows::Log(which));
    }

    /// From now on the client gets events.
    pub(in crate::master) fn follow_events(&mut self, id: ClientId, wish: FollowEvents) {
        self.set_follows(id, Follows::Events(wish));
    }

    fn set_follows(&mut self, id: ClientId, what: Follows) {
        if let Some(client) = self.all.get_mut(&id) {
            self.followers += usize::from(client.follows.is_none());
            client.follows = Some(what);
        }
    }

    /// Whether anybody follows anything.
    pub(in crate::master) fn has_followers(&self) -> bool {
        self.followers > 0
    }

    /// Whether somebody follows events and wants this.
    pub(in crate::master) fn any_wants(&self, wants: fn(&FollowEvents) -> bool) -> bool {
        self.has_followers() && self.all.values().any(|client| client.wants(wants))
    }

    /// So many events that some want were not even made.
    pub(in crate::master) fn leave_out(&mut self, wants: fn(&FollowEvents) -> bool, events: u64) {
        for client in self.all.values_mut().filter(|client| client.wants(wants)) {
            client.dropped += events;
            self.lines_dropped += events;
        }
    }

    /// Lines and events that clients which follow were too slow to take.
    pub(in crate::master) const fn lines_dropped(&self) -> u64 {
        self.lines_dropped
    }

    /// Sends a log line to who follows and wants it.
    pub(in crate::master) fn publish(&mut self, wants: impl Fn(&Follow) -> bool, line: &[u8]) {
        self.send_to(|follows| matches!(follows, Follows::Log(which) if wants(which)), line);
    }

    /// Sends an event to who follows and wants it.
    pub(in crate::master) fn publish_event(&mut self, wants: impl Fn(&FollowEvents) -> bool, line: &[u8]) {
        self.send_to(|follows| matches!(follows, Follows::Events(wish) if wants(wish)), line);
    }

    fn send_to(&mut self, wants: impl Fn(&Follows) -> bool, line: &[u8]) {
        for (&id, client) in &mut self.all {
            if !client.follows.as_ref().is_some_and(&wants) {
                continue;
            }
            if client.unsent() > MAX_UNREAD {
                client.dropped += 1;
                self.lines_dropped += 1;
                continue;
            }
            let dropped = std::mem::take(&mut client.dropped);
            if dropped > 0 {
                let note = control::lines_dropped(dropped);
                client.out.extend_from_slice(&note);
                self.unsent += note.len();
            }
            client.out.extend_from_slice(line);
            self.unsent += line.len();
            self.dirty.insert(id);
        }
    }
}
