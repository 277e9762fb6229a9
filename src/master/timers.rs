//! When the loop has something to do, if nothing comes.
//!
//! Invariant: each timer rings once, at its time or as soon after as there is a turn; set again, it rings at the new time
//! only.

use crate::model::Mono;

/// Something that is due at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The core's next deadline.
    Core,
    /// A batch that has waited long enough.
    Commit,
    /// A request that is answered by then, whatever it waits for.
    Requests,
    /// Workers that had more to say than was read at once.
    Backlog,
    Checks,
    /// Workers that wait for a place in the sweeper's queue.
    Sweep,
    /// Processes that may not be killed, and may have ended.
    Held,
    /// Control connections that could not be accepted.
    Accept,
    /// A hook that has taken too long, or one that the reader had no room for.
    Hooks,
    /// A guardian that is missing.
    Guardian,
    /// A gateway that is to be started, or that does not do what it is to.
    Gateway,
    /// A page that is to be started, or that has proved to be of use.
    Web,
    /// Something to say to the service manager.
    Notify,
    /// The end of what `debug` began.
    Debug,
    /// The patience with a store that does not take the end.
    Stuck,
}

/// How many timers there are.
const TIMERS: usize = Timer::Stuck as usize + 1;

/// When each timer rings, where it is set. A row of a few numbers: every turn sets five of them and asks for the next.
#[derive(Debug, Default)]
pub(super) struct Timers([Option<(Mono, Timer)>; TIMERS]);

impl Timers {
    /// Sets a timer in place of what it was set to; `None`: it does not ring.
    pub(super) fn set(&mut self, timer: Timer, at: Option<Mono>) {
        self.0[timer as usize] = at.map(|at| (at, timer));
    }

    /// When the next one rings.
    pub(super) fn next(&self) -> Option<Mono> {
        self.0.iter().flatten().map(|&(at, _)| at).min()
    }

    /// Takes out those that ring now, the first of them first.
    pub(super) fn due(&mut self, now: Mono) -> Vec<Timer> {
        let ringing = |set: &mut Option<(Mono, Timer)>| set.take_if(|&mut (at, _)| at <= now);
        let mut due: Vec<_> = self.0.iter_mut().filter_map(ringing).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, timer)| timer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_rings_once_at_the_time_that_it_was_set_to_last() {
        let mut timers = Timers::default();
        timers.set(Timer::Core, Some(Mono(30)));
        timers.set(Timer::Commit, Some(Mono(20)));
        timers.set(Timer::Core, Some(Mono(10)));
        timers.set(Timer::Checks, Some(Mono(5)));
        timers.set(Timer::Checks, None);
        assert_eq!(timers.next(), Some(Mono(10)));
        assert_eq!(timers.due(Mono(9)), []);
        assert_eq!(timers.due(Mono(20)), [Timer::Core, Timer::Commit]);
        assert_eq!((timers.due(Mono(100)), timers.next()), (vec![], None));
    }
}
