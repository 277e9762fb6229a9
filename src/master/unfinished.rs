//! One bound for all lines that have begun and not ended, of clients and workers together.
//!
//! Invariant: together they take at most [`MAX_UNFINISHED_BYTES`], and one read more. What goes first is the line that
//! takes the most, as it makes the most room: the client is dropped, of the worker's line only the head is kept.

use super::Master;
use super::clients::ClientId;
use super::codec::long_lines::LONG;
use crate::model::WorkerId;
use crate::model::payload::MAX_UNFINISHED_BYTES;

/// Error for a client whose line was given up.
const GIVEN_UP: &str =
    "unfinished requests and answers take too much memory together, and this was the longest; try again";

/// Picks the owner that gives up its line, by the memory that lines take; `None` while all are within the bound.
fn longest<T>(all: impl Iterator<Item = (T, usize)>) -> Option<T> {
    let (mut sum, mut longest) = (0, None);
    for (who, bytes) in all {
        sum += bytes;
        if longest.as_ref().is_none_or(|(_, most)| bytes > *most) {
            longest = Some((who, bytes));
        }
    }
    longest.filter(|_| sum > MAX_UNFINISHED_BYTES).map(|(who, _)| who)
}

/// Whose line it is.
enum Who {
    Client(ClientId),
    Worker(WorkerId),
}

impl Master {
    /// To be called after a client was read. A line that is not long is not worth a look at all the others: a thousand of
    /// them are far below the bound.
    pub(super) fn bound_unfinished_of_client(&mut self, read: ClientId) {
        if self.clients.unfinished(read) > LONG {
            self.bound_unfinished();
        }
    }

    /// To be called after a worker was read.
    pub(super) fn bound_unfinished_of_worker(&mut self, read: WorkerId) {
        if self.children.get(read).is_some_and(|pipes| pipes.unfinished() > LONG) {
            self.bound_unfinished();
        }
    }

    fn bound_unfinished(&mut self) {
        loop {
            let clients = self.clients.all_unfinished().map(|(id, bytes)| (Who::Client(id), bytes));
            let workers = self.children.iter().map(|(id, pipes)| (Who::Worker(id), pipes.unfinished()));
            match longest(clients.chain(workers)) {
                None => return,
                Some(Who::Client(id)) => self.clients.refuse_rest(id, GIVEN_UP),
                Some(Who::Worker(id)) => {
                    let Some(pipes) = self.children.get_mut(id) else { return };
                    pipes.give_up_line();
                    log::warn!(
                        "an unfinished line of worker `{}` was given up: all of them took too much memory",
                        pipes.name()
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_line_goes_first_and_none_while_there_is_room() {
        let mib = 1024 * 1024;
        let lines = |sizes: &[usize]| longest(sizes.iter().map(|size| size * mib).enumerate());
        assert_eq!(lines(&[]), None);
        assert_eq!(lines(&[100, 100, 56]), None);
        assert_eq!(lines(&[100, 101, 56]), Some(1));
        assert_eq!(lines(&[16; 17]), Some(0));
    }
}
