//! The batch of a push, as it is written beside its jobs or in one of them.
//!
//! Invariant: what a `then` cannot have is refused before anything is added.

use serde::de::{Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::object;
use super::push::to_new_job;
use super::push_job::PushJob;
use crate::model::batch::{IntoBatch, NewBatch};
use crate::model::{BatchId, JobId, NewJob, QueueName, UnixMicros, payload};

/// The batch of the jobs of a push.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum PushBatch {
    /// One that is open.
    Join(BatchId),
    /// A new one.
    Named(String),
    /// The batch of a job.
    Of(OfJob),
    /// A new one.
    New(MadeBatch),
}

/// The batch of this job.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfJob {
    pub of: JobId,
}

/// A new batch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MadeBatch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A job that runs when all of its jobs have ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Box<PushJob>>,
    /// A job that runs then if one of them has died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then_failed: Option<Box<PushJob>>,
}

impl Default for PushBatch {
    fn default() -> Self {
        Self::New(MadeBatch::default())
    }
}

// Not derived: args are kept as they were written, and of several forms serde would try none with them.
impl<'de> Deserialize<'de> for PushBatch {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(from)?;
        let text = text.get();
        let read = match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).map(Self::Named),
            Some(b'{') if object::read::<OfJob>(text).is_ok() => object::read(text).map(Self::Of),
            Some(b'{') => object::read(text).map(Self::New),
            _ => serde_json::from_str(text).map(Self::Join),
        };
        read.map_err(|why| {
            D::Error::custom(format!(
                "`batch`: {why}; write the id of one that is open, a name for a new one, or an object"
            ))
        })
    }
}

impl PushBatch {
    /// Checks it; the error says what is wrong.
    pub fn to_model(&self, now: UnixMicros) -> Result<IntoBatch, String> {
        let made = match self {
            Self::Join(id) => return Ok(IntoBatch::Join(*id)),
            Self::Of(OfJob { of }) => return Ok(IntoBatch::JoinThatOf(*of)),
            Self::Named(name) => &MadeBatch { name: Some(name.clone()), ..MadeBatch::default() },
            Self::New(made) => made,
        };
        made.name.as_deref().map_or(Ok(()), payload::check_batch_name).map_err(|e| e.to_string())?;
        let follower = |what, job: Option<&PushJob>| {
            let job = job.map(|job| follower(job, now)).transpose();
            job.map(|job| job.map(Box::new)).map_err(|why| format!("`{what}`: {why}"))
        };
        Ok(IntoBatch::New(NewBatch {
            name: made.name.as_deref().map(Into::into),
            then: follower("then", made.then.as_deref())?,
            then_failed: follower("then_failed", made.then_failed.as_deref())?,
        }))
    }
}

fn follower(job: &PushJob, now: UnixMicros) -> Result<NewJob, String> {
    let wrong = [
        (!job.after.is_empty() || job.name.is_some(), "it comes after its batch alone; leave out `after` and `ref`"),
        (job.unique.is_some(), "it cannot have a `unique` key"),
        (job.batch.is_some(), "it cannot be in a batch itself"),
    ];
    if let Some((_, why)) = wrong.into_iter().find(|(is_wrong, _)| *is_wrong) {
        return Err(why.to_owned());
    }
    to_new_job(job, &QueueName::default(), now)
}

/// The batch of many jobs, taken out of those that name it: all that do name the same.
#[derive(Debug, Default)]
pub struct OneBatch {
    found: Option<PushBatch>,
    text: String,
}

impl OneBatch {
    /// Takes in a job.
    pub fn take(&mut self, job: &mut PushJob) -> Result<(), String> {
        let Some(batch) = job.batch.take() else { return Ok(()) };
        let text = serde_json::to_string(&batch).unwrap_or_default();
        if self.found.is_none() {
            (self.found, self.text) = (Some(batch), text);
            Ok(())
        } else if self.text == text {
            Ok(())
        } else {
            Err("`batch` is another than that of a job before; all jobs of a push are in one batch".to_owned())
        }
    }

    /// The batch, if a job has named one.
    #[must_use]
    pub fn found(self) -> Option<PushBatch> {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(batch: &str) -> Result<IntoBatch, String> {
        let job = format!(r#"{{"type":"t","batch":{batch}}}"#);
        let job: PushJob = serde_json::from_str(&job).map_err(|e| e.to_string())?;
        job.batch.expect("a batch").to_model(UnixMicros(1))
    }

    #[test]
    fn a_batch_is_joined_by_its_id_or_a_job_of_it_and_made_with_or_without_a_name() {
        assert_eq!(check("7"), Ok(IntoBatch::Join(BatchId(7))));
        assert_eq!(check(r#"{"of":31}"#), Ok(IntoBatch::JoinThatOf(JobId(31))));
        let Ok(IntoBatch::New(new)) = check(r#"{"name":"night","then":{"type":"t","args":[1.50]}}"#) else { panic!() };
        assert_eq!((new.name.as_deref(), &*new.then.expect("a then").args), (Some("night"), "[1.50]"));
        assert_eq!(check("{}"), Ok(IntoBatch::default()));
    }

    #[test]
    fn what_is_wrong_with_a_batch_is_said() {
        let table = [
            ("\"7\"", "batch name"),
            ("\"\"", "batch name"),
            ("[]", "the id of one that is open"),
            (r#"{"nonsense":1}"#, "nonsense"),
            (r#"{"then":1}"#, "a job object"),
            (r#"{"then":{"args":1}}"#, "missing field `type`"),
            (r#"{"then":{"type":""}}"#, "`then`: "),
            (r#"{"then_failed":{"type":"t","priority":500}}"#, "`then_failed`: `priority`"),
            (r#"{"then":{"type":"t","after":[1]}}"#, "its batch alone"),
            (r#"{"then":{"type":"t","unique":"k"}}"#, "`unique`"),
            (r#"{"then":{"type":"t","batch":1}}"#, "in a batch itself"),
        ];
        for (batch, part) in table {
            let error = check(batch).expect_err(batch);
            assert!(error.contains(part), "{batch}: {error}");
        }
    }
}
