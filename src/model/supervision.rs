//! How a pool keeps its workers: what follows the end of one, how one is asked to leave, and which pools come before.

use std::time::Duration;

use super::PoolName;
use super::worker::Exit;

/// The settings of a pool for the life of its workers, beside its limits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Supervision {
    pub restart: RestartPolicy,
    pub stop_signal: StopSignal,
    /// Pools that have a worker before this one has, and as long as this one has.
    pub needs: Vec<PoolName>,
    /// Pools that have workers while this one has.
    pub sidecars: Vec<PoolName>,
}

/// The signal that asks a worker to leave which is not asked by the end of its input, or has not left by then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopSignal {
    #[default]
    Term,
    Int,
    Quit,
    Hup,
    Usr1,
    Usr2,
}

impl StopSignal {
    /// Reads `TERM` or `SIGTERM`.
    pub fn read(name: &str) -> Result<Self, String> {
        let name = name.to_uppercase();
        let read = name.strip_prefix("SIG").unwrap_or(&name).parse();
        read.map_err(|_| format!("there is no stop signal `{name}`; use one of {}", Self::WORDS.join(", ")))
    }
}

/// The rule for the end of a worker that nobody asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestartPolicy {
    pub on: RestartOn,
    /// More deaths of one slot than this within `window` are too many; `None`: none are.
    pub max: Option<u32>,
    pub window: Duration,
    pub backoff: Growth,
    /// Wait after the second fast death in a row; after the first there is none.
    pub initial: Duration,
    /// The longest wait.
    pub most: Duration,
    pub then: Excess,
}

impl Default for RestartPolicy {
    fn default() -> Self {
        Self {
            on: RestartOn::Always,
            max: None,
            window: Duration::from_mins(1),
            backoff: Growth::Exponential,
            initial: Duration::from_millis(100),
            most: Duration::from_secs(30),
            then: Excess::Slow,
        }
    }
}

/// Ends after which there is another worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartOn {
    Always,
    /// All but exit code 0.
    Failure,
    Never,
}

impl RestartOn {
    /// Whether a worker that ended so is the last in its slot.
    #[must_use]
    pub fn is_final(self, exit: Option<Exit>) -> bool {
        match self {
            Self::Always => false,
            Self::Failure => exit == Some(Exit::Code(0)),
            Self::Never => true,
        }
    }
}

/// How the wait grows from one fast death to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Growth {
    /// Twice as long each time.
    Exponential,
    /// By the first wait each time.
    Linear,
}

/// The rule for a slot whose workers die too often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// Tried every `most`.
    Slow,
    /// Given up.
    Stop,
}

/// Words of the configuration for the values of a type, in the order of the help.
macro_rules! words {
    ($($type:ident { $($value:ident = $word:literal),+ })+) => {$(
        impl $type {
            pub const WORDS: &'static [&'static str] = &[$($word),+];

            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$value),)+
                    other => Err(format!("`{other}` is not one of {}", Self::WORDS.join(", "))),
                }
            }
        }
    )+};
}

words! {
    RestartOn { Always = "always", Failure = "failure", Never = "never" }
    Growth { Exponential = "exponential", Linear = "linear" }
    Excess { Slow = "slow", Stop = "stop" }
    StopSignal { Term = "TERM", Int = "INT", Quit = "QUIT", Hup = "HUP", Usr1 = "USR1", Usr2 = "USR2" }
}
