//! The words for what came of an order to another host.

use serde::Deserialize;

use crate::model::JobId;
use crate::model::order::Fate;
use crate::wire::control::{ChangedJobs, RefusedJob};
use crate::wire::rpc::RpcError;

/// The answer to a request of the control protocol about jobs.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    result: Option<ChangedJobs>,
    #[serde(default)]
    error: Option<RpcError>,
}

/// The outcome for a job that the master of another host was told to cancel.
pub fn cancelled(id: JobId, host: &str, fate: &Fate) -> Result<(), RefusedJob> {
    let not = |reason: String, exit_code| Err(RefusedJob { id, reason, exit_code });
    let line = match fate {
        Fate::Answered(line) => line,
        Fate::Over { .. } => {
            let next = "another makes it ready again; try again when it has";
            return not(format!("job {id} runs on `{host}`, whose master has ended: {next}"), 1);
        }
        Fate::Late => {
            return not(format!("job {id} runs on `{host}`, whose master does not answer; see `queue-work status`"), 1);
        }
    };
    match serde_json::from_str(line) {
        Ok(Line { result: Some(changed), .. }) => match changed.refused.into_iter().next() {
            Some(refused) => Err(refused),
            None if changed.count > 0 => Ok(()),
            None => not(format!("job {id} is in another state by now, and was left as it is"), 5),
        },
        Ok(Line { error: Some(error), .. }) => not(format!("`{host}`: {}", error.message), error.exit_code()),
        Ok(_) | Err(_) => not(format!("`{host}` has not said what became of job {id}"), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_host_answers_is_what_is_said() {
        let of = |line: &str| {
            cancelled(JobId(7), "web-2", &Fate::Answered(line.into())).map_err(|r| (r.reason, r.exit_code))
        };
        assert_eq!(of(r#"{"id":1,"result":{"count":1,"refused":[]}}"#), Ok(()));
        let refused =
            r#"{"id":1,"result":{"count":0,"refused":[{"id":7,"reason":"job 7 has succeeded","exit_code":5}]}}"#;
        assert_eq!(of(refused), Err(("job 7 has succeeded".to_owned(), 5)));
        let error = r#"{"id":1,"error":{"code":-32000,"message":"so","data":{"exit_code":5}}}"#;
        assert_eq!(of(error), Err(("`web-2`: so".to_owned(), 5)));
        for fate in [Fate::Late, Fate::Over { is_begun: true }] {
            assert_eq!(cancelled(JobId(7), "web-2", &fate).unwrap_err().exit_code, 1);
        }
    }
}
