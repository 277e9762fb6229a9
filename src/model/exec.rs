//! Jobs that are commands: what their args hold.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::OsText;

/// The args of a job of type [`super::EXEC`].
#[derive(Serialize, Deserialize)]
pub struct ExecArgs<'a> {
    /// The program and its arguments.
    pub argv: Cow<'a, [OsText]>,
    /// Where it runs; absent: where the worker does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cwd: Option<Cow<'a, OsText>>,
    /// Added to its environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<Cow<'a, BTreeMap<String, OsText>>>,
}
