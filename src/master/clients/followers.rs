//! Clients that follow the log. One that does not keep up misses lines, and is told how many.

use super::{ClientId, Clients};
use crate::master::codec::control;
use crate::wire::control::Follow;

/// Bytes of log lines that may wait for a client that follows; further lines are dropped for it.
const MAX_UNREAD_LOG: usize = 1024 * 1024;

impl Clients {
    /// From now on the client gets the log lines that match.
    pub(in crate::master) fn follow(&mut self, id: ClientId, which: Follow) {
        if let Some(client) = self.all.get_mut(&id) {
            self.followers += usize::from(client.follows.is_none());
            client.follows = Some(which);
        }
    }

    /// Whether anybody follows the log.
    pub(in crate::master) fn has_followers(&self) -> bool {
        self.followers > 0
    }

    /// Sends a log line to who follows and wants it.
    pub(in crate::master) fn publish(&mut self, wants: impl Fn(&Follow) -> bool, line: &[u8]) {
        for (&id, client) in &mut self.all {
            if !client.follows.as_ref().is_some_and(&wants) {
                continue;
            }
            if client.unsent() > MAX_UNREAD_LOG {
                client.dropped += 1;
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
