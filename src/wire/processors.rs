//! The methods of the control socket that are about processors: their params and results. Both sides use these types.
//!
//! | method | params | result |
//! | --- | --- | --- |
//! | `processors.list` | none | array of [`crate::report::ProcessorStatus`], by name |
//! | `processors.show` | [`OneProcessor`] | [`crate::report::ProcessorStatus`] |
//! | `processors.set` | [`SwitchProcessors`] | array of [`SwitchedProcessor`], when it is on the disk |
//! | `processors.run` | [`RunProcessor`] | [`crate::model::done::Ran`] |
//! | `processors.next` | [`NextTicks`] | array of [`NextTick`] |
//! | `processors.runs` | [`crate::store::ProcessorRunFilter`] | array of [`crate::model::processor::ProcessorRun`], newest first |
//! | `processors.begin` | [`BeginProcessorRun`] | [`crate::model::processor::ProcessorRun`]; `null`: it is disabled, nothing was recorded |
//! | `processors.end` | [`EndProcessorRun`] | [`crate::model::processor::ProcessorRun`] |

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::model::processor::ProcessorRunState;
use crate::model::{ProcessorName, ProcessorRunId, UnixMicros};

/// One processor.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OneProcessor {
    pub processor: ProcessorName,
}

/// Switch processors on or off, or leave that to the file again: all of them, or none if one does not exist.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchProcessors {
    pub processors: Vec<ProcessorName>,
    /// `null`: the file decides. Must be there.
    #[serde(deserialize_with = "present")]
    pub enabled: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<bool>, D::Error> {
    Option::deserialize(from)
}

/// A processor as it is switched now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwitchedProcessor {
    pub name: ProcessorName,
    pub enabled: bool,
}

/// Run a processor now.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunProcessor {
    pub processor: ProcessorName,
    /// Args of its job; absent: those of the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub args: Option<Box<RawValue>>,
    /// Also if it is disabled.
    #[serde(default)]
    pub force: bool,
}

/// The next ticks, in order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextTicks {
    /// Absent: of all that are enabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<ProcessorName>,
    /// At most 1000, default 10.
    #[serde(default)]
    pub count: Option<u32>,
    /// Ticks after this time (RFC 3339); absent: now.
    #[serde(default)]
    pub from: Option<UnixMicros>,
}

/// A tick that is to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextTick {
    /// Where ticks of all processors were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processor: Option<ProcessorName>,
    /// RFC 3339 with the offset of its zone.
    pub tick: String,
    /// Its time of day does not exist on that day, and it is at the end of the gap.
    pub moved: bool,
}

/// Record the start of a run outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginProcessorRun {
    pub processor: ProcessorName,
    /// The process that runs it, on the machine of the master: the run is lost when it has gone without an `end`.
    #[serde(default)]
    pub pid: Option<u32>,
    /// The run is lost after this long, in seconds; absent: with a `pid` never, else after the timeout of the processor.
    #[serde(default)]
    pub timeout_s: Option<f64>,
}

impl BeginProcessorRun {
    /// How long it may go on, if that is said.
    pub fn timeout(&self) -> Result<Option<Duration>, String> {
        let timeout = self.timeout_s.map(Duration::try_from_secs_f64).transpose();
        timeout.map_err(|e| format!("`timeout_s`: {e}"))
    }
}

/// Record the end of a run that was begun outside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndProcessorRun {
    pub id: ProcessorRunId,
    /// `succeeded`, which is the default, or `failed`.
    #[serde(default)]
    pub state: Option<ProcessorRunState>,
    /// A note on the run; the first 8192 bytes are kept.
    #[serde(default)]
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_a_processor_is_to_be_enabled_must_be_said_and_may_be_left_to_the_file() {
        let read = |text: &str| serde_json::from_str::<SwitchProcessors>(text).map(|params| params.enabled);
        assert_eq!(read(r#"{"processors":["a"],"enabled":null}"#).expect("params"), None);
        assert_eq!(read(r#"{"processors":["a"],"enabled":false}"#).expect("params"), Some(false));
        assert!(read(r#"{"processors":["a"]}"#).is_err_and(|e| e.to_string().contains("enabled")));
        assert!(read(r#"{"processors":["a/b"],"enabled":true}"#).is_err());
    }
}
