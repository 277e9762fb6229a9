//! Which jobs a worker can run, and the lanes of a queue: a pool is only ever sent what it takes.
//!
//! A lane is the part of the ready jobs of a queue that a worker takes or leaves as a whole: the commands, the jobs of each
//! type that some worker has named, and all others. Invariant: whether a lane is served is decided here and nowhere else.

use std::collections::BTreeSet;
use std::sync::Arc;

/// The type of a job that is a command.
pub const EXEC: &str = "exec";

/// The most types that a worker can name.
pub const MOST_TYPES: usize = 100;

/// A part of the ready jobs of a queue.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Jobs of type [`EXEC`].
    Commands,
    /// Jobs of all types that have no lane of their own.
    Others,
    /// Jobs of a type that a worker has named.
    Type(Arc<str>),
}

/// The jobs that a worker takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Takes {
    /// Commands: it is the built-in worker.
    Commands,
    /// Every other type.
    Others,
    /// Only jobs of these types.
    Types(Arc<BTreeSet<Arc<str>>>),
}

impl Takes {
    /// The word for every type but [`EXEC`].
    const OTHERS: &str = "*";

    /// Types that a worker names; it is never sent commands, whatever it says.
    #[must_use]
    pub fn named<'a>(types: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Types(Arc::new(types.into_iter().filter(|kind| *kind != EXEC).map(Into::into).collect()))
    }

    /// Whether the jobs of a lane are taken.
    #[must_use]
    pub fn serves(&self, lane: &Lane) -> bool {
        match (self, lane) {
            (Self::Commands, lane) => *lane == Lane::Commands,
            (Self::Others, lane) => *lane != Lane::Commands,
            (Self::Types(types), Lane::Type(kind)) => types.contains(kind),
            (Self::Types(_), Lane::Commands | Lane::Others) => false,
        }
    }

    /// Whether a job of this type can be run.
    #[must_use]
    pub fn may_run(&self, kind: &str) -> bool {
        match self {
            Self::Commands => kind == EXEC,
            Self::Others => kind != EXEC,
            Self::Types(types) => types.contains(kind),
        }
    }

    /// As the status document has it: the types, `*` for every type but [`EXEC`].
    pub fn words(&self) -> impl Iterator<Item = &str> {
        let (one, types) = match self {
            Self::Commands => (Some(EXEC), None),
            Self::Others => (Some(Self::OTHERS), None),
            Self::Types(types) => (None, Some(types)),
        };
        one.into_iter().chain(types.into_iter().flat_map(|types| types.iter().map(AsRef::as_ref)))
    }

    /// From the words of several.
    pub fn of_words<'a>(words: impl Iterator<Item = &'a str>) -> BTreeSet<Self> {
        let (mut all, mut types) = (BTreeSet::new(), BTreeSet::new());
        for word in words {
            match word {
                EXEC => _ = all.insert(Self::Commands),
                Self::OTHERS => _ = all.insert(Self::Others),
                kind => _ = types.insert(Arc::from(kind)),
            }
        }
        if !types.is_empty() {
            all.insert(Self::Types(Arc::new(types)));
        }
        all
    }

    /// Whether a job of this type is taken by a pool whose status document has these words.
    #[must_use]
    pub fn is_among(words: &[String], kind: &str) -> bool {
        words.iter().any(|word| word == kind || (word == Self::OTHERS && kind != EXEC))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_is_taken_by_those_who_can_run_its_jobs() {
        let lanes = [Lane::Commands, Lane::Others, Lane::Type("a".into()), Lane::Type("b".into())];
        let table = [
            (Takes::Commands, "exec", [true, false, false, false]),
            (Takes::Others, "*", [false, true, true, true]),
            (Takes::named(["a", "exec"]), "a", [false, false, true, false]),
        ];
        for (takes, words, served) in table {
            assert_eq!(lanes.each_ref().map(|lane| takes.serves(lane)), served, "{takes:?}");
            let found: Vec<String> = takes.words().map(str::to_owned).collect();
            assert_eq!(found, [words]);
            for (kind, served) in [("exec", served[0]), ("a", served[2]), ("b", served[3])] {
                assert_eq!(Takes::is_among(&found, kind), served, "{words} {kind}");
            }
        }
    }
}
