//! What a job of the rounds does. The deed is part of the job's tag, so that everything that was pushed can be told
//! from the records alone.

use crate::dice::Dice;

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// Takes its time and succeeds.
    Well,
    /// Fails the first time.
    Twice,
    /// Fails each time.
    Fails,
    /// Fails and asks not to be tried again.
    Never,
    /// Kills its worker, each time.
    Crashes,
    /// Leaves a child in a session of its own that holds the pipes.
    Forks,
    /// Says much on stderr.
    Loud,
    /// Runs past its timeout and does not heed a `cancel`.
    Late,
}

impl Deed {
    /// Every deed, as often as it is pushed.
    const ALL: [(u64, Self); 8] = [
        (84, Self::Well),
        (4, Self::Twice),
        (2, Self::Fails),
        (2, Self::Never),
        (2, Self::Crashes),
        (3, Self::Forks),
        (2, Self::Loud),
        (1, Self::Late),
    ];

    /// Its word.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Well => "well",
            Self::Twice => "twice",
            Self::Fails => "fails",
            Self::Never => "never",
            Self::Crashes => "crashes",
            Self::Forks => "forks",
            Self::Loud => "loud",
            Self::Late => "late",
        }
    }

    /// The deed of this word.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().map(|(_, deed)| deed).find(|deed| deed.word() == word)
    }

    /// The deed in a tag `<pusher>-<number>.<word>`.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        Self::of(tag.rsplit_once('.')?.1)
    }

    pub(crate) fn draw(dice: &mut Dice) -> Self {
        dice.weighted(&Self::ALL)
    }

    /// Whether it succeeds when it is left alone.
    pub(crate) const fn succeeds(self) -> bool {
        matches!(self, Self::Well | Self::Twice | Self::Forks | Self::Loud)
    }

    /// Whether a run of it may be recorded as failed.
    pub(crate) const fn may_fail(self) -> bool {
        matches!(self, Self::Twice | Self::Fails | Self::Never)
    }
}
