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

    /// Whether somebody follows all runs.
    pub(in crate::master) fn want_runs(&self) -> bool {
        let wants = |follows: &Follows| matches!(follows, Follows::Events(FollowEvents { runs: true, .. }));
        self.has_followers() && self.all.values().any(|client| client.follows.as_ref().is_some_and(wants))
    }

    /// Lines and events that clients which follow were too slow to take.
    pub(in crate::master) const fn lines_dropped(&self) -> u64 {
        self.lines_dropped
    }

    /// Sends a log line to who follows and wants it.
    pub(in crate::master) fn publish(&mut self, wants: impl Fn(&Follow) -> bool, line: &[u8]) {
        self.send_to(|follows| matches!(follows, Follows::Log(which) if wants(which)), line);
    }

    /// Sends an event to who follows. `is_run`: only to those who want to hear of all runs.
    pub(in crate::master) fn publish_event(&mut self, is_run: bool, line: &[u8]) {
        self.send_to(|follows| matches!(follows, Follows::Events(wish) if wish.runs || !is_run), line);
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
