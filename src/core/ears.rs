//! Whether the masters of other hosts tell this one of each job that they end: as long as that matters here, and a while longer, as
//! the next wait is soon to come.

use std::time::Duration;

use crate::model::Mono;

/// How long they go on when it matters no more.
const GOES_ON: Duration = Duration::from_mins(1);

/// What the others were asked for last.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ears {
    hears: bool,
    until: Mono,
}

impl Ears {
    /// What to ask the others for, if that is another thing than before. `matters`: somebody waits for the end of a job, or one
    /// is remembered until it ends.
    pub fn listen(&mut self, matters: bool, now: Mono) -> Option<bool> {
        if matters {
            self.until = now + GOES_ON;
        }
        let hears = matters || self.hears && now < self.until;
        (std::mem::replace(&mut self.hears, hears) != hears).then_some(hears)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_others_are_asked_once_and_until_a_minute_after_the_last_wait() {
        let (mut ears, at) = (Ears::default(), |seconds: u64| Mono(seconds * 1_000_000));
        assert_eq!(ears.listen(false, at(0)), None, "nobody has waited yet");
        assert_eq!([ears.listen(true, at(1)), ears.listen(true, at(2))], [Some(true), None]);
        assert_eq!(ears.listen(false, at(61)), None);
        assert_eq!([ears.listen(false, at(62)), ears.listen(false, at(63))], [Some(false), None]);
        assert_eq!(ears.listen(true, at(64)), Some(true));
    }
}
