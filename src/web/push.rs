//! Pushing over HTTP: one job, an array, or one a line; all of them are added or none.
//!
//! Jobs are written as `push --jsonl` takes them, and checked here first, so that each that is wrong is named by its place.
//! Invariant: an answer of success comes when the jobs are safe, as from the command line.

use super::desk::Desk;
use super::routes::{Done, Sent};
use crate::cli::output;
use crate::error::Error;
use crate::model::{Pushed, QueueName};
use crate::wire::batch::OneBatch;
use crate::wire::control::{PushBatch, PushJob, PushMany, PushedMany};
use crate::wire::push::to_new_job;

/// Media types of one job a line.
const LINES: [&str; 4] =
    ["application/jsonl", "application/x-ndjson", "application/x-jsonlines", "application/json-lines"];

pub(super) fn push(desk: &Desk<'_>, sent: &Sent) -> Result<Done, Error> {
    let (mut jobs, is_one) = read(&sent.kind, &sent.bytes)?;
    let mut batch = OneBatch::default();
    for (at, job) in jobs.iter_mut().enumerate() {
        let of_job = job.batch.as_ref().map_or(Ok(()), |batch| batch.to_model(desk.now).map(drop));
        let taken = of_job.and_then(|()| if is_one { Ok(()) } else { batch.take(job) });
        let checked = taken.and_then(|()| to_new_job(job, &QueueName::default(), desk.now));
        checked.map_err(|why| Error::Usage(if is_one { why } else { format!("job {}: {why}", at + 1) }))?;
    }
    let page = desk.urls.to(&["jobs"]);
    if let (true, [job]) = (is_one, &*jobs) {
        let pushed: Pushed = desk.call("push", job)?;
        let page = desk.urls.to(&["jobs", &pushed.id.to_string()]);
        return Ok(Done { json: output::to_json(&pushed)?, page });
    }
    let pushed: PushedMany = desk.call(
        "push_many",
        &PushMany { batch: batch.found().or_else(|| (!jobs.is_empty()).then(PushBatch::default)), jobs, ids: true },
    )?;
    Ok(Done { json: output::to_json(&pushed)?, page })
}

/// The jobs, and whether there is only one because only one was written.
fn read(kind: &str, bytes: &[u8]) -> Result<(Vec<PushJob>, bool), Error> {
    let wrong = |at: usize, why: &serde_json::Error| {
        let place = if at > 0 { format!("job {}: ", at + 1) } else { String::new() };
        Error::Usage(format!("{place}{why}; write an object such as {{\"type\": \"resize\", \"args\": …}}"))
    };
    let is_lines = LINES.contains(&kind);
    if !is_lines && kind != "application/json" {
        return Err(Error::Usage(
            "jobs are sent as `Content-Type: application/json`, or one a line as `application/x-ndjson`".to_owned(),
        ));
    }
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return serde_json::from_slice(bytes).map(|jobs| (jobs, false)).map_err(|why| wrong(0, &why));
    }
    let mut jobs: Vec<PushJob> = Vec::new();
    for job in serde_json::Deserializer::from_slice(bytes).into_iter() {
        jobs.push(job.map_err(|why| wrong(jobs.len(), &why))?);
    }
    let is_one = jobs.len() == 1 && !is_lines;
    if jobs.is_empty() && !is_lines {
        return Err(Error::Usage("there is no job in the body".to_owned()));
    }
    Ok((jobs, is_one))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_job_an_array_and_lines_are_told_apart() {
        let table = [
            ("application/json", r#"{"type":"a"}"#, Some((1, true))),
            ("application/json", " [ {\"type\":\"a\"} ]", Some((1, false))),
            ("application/json", "[]", Some((0, false))),
            ("application/json", "{\"type\":\"a\"}\n{\"type\":\"b\"}", Some((2, false))),
            ("application/x-ndjson", "{\"type\":\"a\"}\n", Some((1, false))),
            ("application/x-ndjson", "", Some((0, false))),
            ("application/json", "", None),
            ("application/json", r#"{"type":"a"} nonsense"#, None),
            ("application/json", r#"{"type":"a","nonsense":1}"#, None),
            ("text/plain", r#"{"type":"a"}"#, None),
            ("application/x-www-form-urlencoded", r#"{"type":"a"}"#, None),
        ];
        for (kind, body, found) in table {
            let read = read(kind, body.as_bytes()).ok().map(|(jobs, is_one)| (jobs.len(), is_one));
            assert_eq!(read, found, "{kind} {body}");
        }
    }
}
