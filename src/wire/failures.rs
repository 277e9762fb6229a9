//! What can be said of an error over the control socket.

use serde::{Deserialize, Serialize};

use crate::model::failure::FailureNote;
use crate::model::{Fingerprint, UnixMicros};

/// Say something of an error; what is absent stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteFailure {
    pub error: Fingerprint,
    /// Empty: none any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Leave it out of lists until then; a time that is past: not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub muted_until: Option<UnixMicros>,
}

impl NoteFailure {
    /// As it is kept: of a long note only the beginning.
    #[must_use]
    pub fn said(&self) -> FailureNote {
        FailureNote { note: self.note.clone().map(crate::model::run_end::cut), muted_until: self.muted_until }
    }
}
