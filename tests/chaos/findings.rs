//! What is wrong, by kind: counted in the table, worded where it is found.

/// Kinds of what may be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A job that was acknowledged is not on record, or did not end.
    Lost,
    /// A job is on record more often than it was pushed, or ended more than once.
    Duplicated,
    /// Two runs of one job at a time.
    Overlapping,
    /// A job pays for what we did.
    Charged,
    /// A process outlived its master.
    LeftBehind,
    /// Anything else that does not add up.
    Other,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings(Vec<(Kind, String)>);

impl Findings {
    pub(crate) fn add(&mut self, kind: Kind, what: impl Into<String>) {
        self.0.push((kind, what.into()));
    }

    /// Adds it unless the condition holds.
    pub(crate) fn expect(&mut self, holds: bool, kind: Kind, what: impl FnOnce() -> String) {
        if !holds {
            self.add(kind, what());
        }
    }

    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.0.iter().filter(|(of, _)| *of == kind).count()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first of them, a line each.
    pub(crate) fn text(&self) -> String {
        let more = self.0.len().saturating_sub(20);
        let lines =
            self.0.iter().take(20).fold(String::new(), |all, (kind, what)| all + &format!("{kind:?}: {what}\n"));
        if more > 0 { format!("{lines}and {more} more\n") } else { lines }
    }
}
