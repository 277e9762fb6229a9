//! Whose death was one for want of memory.
//!
//! The kernel counts OOM kills for the whole machine and tells nobody whose they were: a SIGKILL that nobody here sent while
//! the count went up is taken for one of them. One kill explains one death.

/// The count of OOM kills as it was; `None` where the kernel does not say.
#[derive(Clone, Copy, Debug, Default)]
pub struct OomKills {
    before: Option<u64>,
    lately: Option<u64>,
}

impl From<Option<u64>> for OomKills {
    /// Counts from now on.
    fn from(kills: Option<u64>) -> Self {
        Self { before: kills, lately: kills }
    }
}

impl OomKills {
    /// Takes in the count as it is now, and forgets what it was before the last time. To be called now and then, so that a
    /// kill of long ago explains no death of now, and one that is not yet known of is still explained.
    pub fn roll(&mut self, kills: Option<u64>) {
        self.before = self.lately.or(kills);
        self.lately = kills;
    }

    /// Whether a SIGKILL that nobody here sent was an OOM kill, by the count as it is now.
    pub fn explain(&mut self, kills: Option<u64>) -> bool {
        let explained = self.before.is_some() && kills > self.before;
        (self.before, self.lately) = (kills, kills);
        explained
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_explains_one_death_and_none_of_later() {
        let mut oom = OomKills::default();
        assert!(!oom.explain(Some(7)), "from nothing known, nothing follows");
        oom.roll(Some(7));
        assert!(oom.explain(Some(8)) && !oom.explain(Some(8)));
        oom.roll(Some(9));
        assert!(oom.explain(Some(9)), "the death is heard of after the count");
        oom.roll(Some(10));
        oom.roll(Some(10));
        assert!(!oom.explain(Some(10)), "that kill was long ago");
        assert!(!oom.explain(None));
    }
}
