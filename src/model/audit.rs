//! The record of who has changed what by hand.

use serde::{Deserialize, Serialize};

use super::{OperationId, UnixMicros};

/// Deeds that are kept, the newest, however long they are to be.
pub const MOST_DEEDS: u32 = 1_000_000;
/// The longest texts that are kept of one, in characters.
pub const MOST_CHARS: usize = 500;
/// The outcome while nobody knows, and where that was not waited for.
pub const BEGUN: &str = "begun";
pub const DONE: &str = "done";

/// The way on which a deed came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// The control socket, or without a master the store.
    #[default]
    Cli,
    /// The page in a browser.
    Web,
}

impl Via {
    /// In the order of their numbers in the store.
    pub const ALL: [Self; 2] = [Self::Cli, Self::Web];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Web => "web",
        }
    }
}

/// The one for whom the page asks, as far as the page knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A change by hand, done or refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// When it was asked for; of one master, no other deed has the same time.
    pub at: UnixMicros,
    /// The user; `None`: whoever has the token of the role.
    pub who: Option<String>,
    pub via: Via,
    pub role: Option<String>,
    pub address: Option<String>,
    /// As the command line has it, such as `pause`.
    pub verb: String,
    /// In words: ``queue `mail` ``.
    pub target: String,
    /// How many jobs, queues or processors were changed; `None`: they are not counted.
    pub affected: Option<u64>,
    /// [`BEGUN`], [`DONE`], or why it was refused.
    pub outcome: String,
    /// The operation that it began, which says how far it is.
    pub operation: Option<OperationId>,
}

impl Deed {
    /// A deed that begins.
    #[must_use]
    pub fn begun(at: UnixMicros, who: Option<String>, verb: &str, target: &str) -> Self {
        Self {
            at,
            who,
            via: Via::Cli,
            role: None,
            address: None,
            verb: verb.to_owned(),
            target: target.chars().take(MOST_CHARS).collect(),
            affected: None,
            outcome: BEGUN.to_owned(),
            operation: None,
        }
    }

    /// Names the user of the page in place of that of the process.
    #[must_use]
    pub fn passed_on(mut self, by: By) -> Self {
        let cut = |text: String| text.chars().take(MOST_CHARS).collect();
        self.via = Via::Web;
        (self.who, self.role, self.address) = (by.who.map(cut), by.role.map(cut), by.address.map(cut));
        self
    }

    /// Ends the deed; `affected`: how many were changed.
    #[must_use]
    pub fn ended(mut self, affected: Option<u64>) -> Self {
        (self.affected, self.outcome) = (affected, DONE.to_owned());
        self
    }

    /// Ends a deed that changed so many jobs, while others were refused.
    #[must_use]
    pub fn ended_with(self, changed: u64, first_refused: Option<&str>) -> Self {
        match first_refused {
            Some(why) if changed == 0 => self.refused(why),
            _ => self.ended(Some(changed)),
        }
    }

    /// Ends the deed with the reason why it was refused.
    #[must_use]
    pub fn refused(mut self, why: &str) -> Self {
        self.outcome = why.chars().take(MOST_CHARS).collect();
        self
    }

    /// The user, or where nobody knows, the role: ``the page (operator)``.
    #[must_use]
    pub fn asker(&self) -> Option<String> {
        let role = self.role.as_deref().unwrap_or("any");
        self.who.clone().or_else(|| (self.via == Via::Web).then(|| format!("the page ({role})")))
    }
}

/// A deed on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeedRecord {
    pub id: i64,
    #[serde(flatten)]
    pub deed: Deed,
}
