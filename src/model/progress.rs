//! Progress of a running job, as its worker tells it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// The longest [`Progress::state`], in bytes.
pub const MOST_STATE_BYTES: usize = 64 << 10;

/// Last progress that a running job reported.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// 0 to 100.
    pub percent: Option<f64>,
    /// A word to people.
    pub message: Option<String>,
    /// Where its next attempt goes on: any JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "super::json_text")]
    pub state: Option<Arc<str>>,
}

impl Progress {
    /// The part for people, after this word of the worker; one without a percentage and a message changes nothing of it.
    #[must_use]
    pub fn shown(&self, before: Option<Self>) -> Self {
        let says = self.percent.is_some() || self.message.is_some();
        let shown = if says { Some(self.clone()) } else { before };
        Self { state: None, ..shown.unwrap_or_default() }
    }
}
