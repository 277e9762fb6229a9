//! `call`: calls a method of a service, through the gateway of the running master.

use serde_json::value::RawValue;

use super::args::services::CallArgs;
use super::context::Context;
use super::output;
use crate::client::ClientError;
use crate::client::calls::{Calls, Request};
use crate::error::{Code, Error};
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::service::{CallError, code};
use crate::model::trace::TRACEPARENT;
use crate::wire::gateway::calls_path;

pub(crate) fn run(context: &Context, args: &CallArgs) -> Result<Code, Error> {
    let params = params(args.args.as_deref())?;
    let traceparent = std::env::var(TRACEPARENT).ok();
    let request = Request {
        service: Some(&args.service),
        method: Some(&args.method),
        args: params.as_deref(),
        timeout_s: args.timeout.map(|timeout| timeout.as_secs_f64()),
        key: args.key.as_deref(),
        traceparent: traceparent.as_deref(),
        services: false,
    };
    let result = connect(context, &args.service)?.ask(&request).map_err(lost)?.map_err(|error| failed(&error))?;
    let text = if args.raw { serde_json::from_str::<String>(result.get()).ok() } else { None };
    output::line(text.as_deref().unwrap_or(result.get()))?;
    Ok(Code::DONE)
}

/// The gateway of the master, which must run.
pub(super) fn connect(context: &Context, service: &str) -> Result<Calls, Error> {
    let paths = context.paths()?;
    match Calls::connect(&calls_path(&paths.socket), paths.database.file()) {
        Err(ClientError::NoMaster { .. }) => {
            // Without a service there is no such socket.
            context.connect()?;
            Err(Error::NotFound(format!("there is no service `{service}`; see `queue-work services`")))
        }
        connected => Ok(connected?),
    }
}

fn params(typed: Option<&str>) -> Result<Option<Box<RawValue>>, Error> {
    let text = match typed {
        None => return Ok(None),
        Some("-") => {
            let text = std::io::read_to_string(std::io::stdin().lock());
            text.map_err(|error| Error::io("read the arguments from stdin", error))?
        }
        Some(text) => text.to_owned(),
    };
    if text.len() > MAX_LINE_BYTES {
        return Err(Error::Usage(format!("the arguments have {} bytes; the most is {MAX_LINE_BYTES}", text.len())));
    }
    // In one line, whatever it was written in.
    let value: Result<serde_json::Value, _> = serde_json::from_str(&text);
    let value = value.and_then(|value| serde_json::value::to_raw_value(&value));
    value.map(Some).map_err(|error| Error::Usage(format!("the arguments are not JSON: {error}; write '[1, 2]'")))
}

/// The gateway died, and the call with it.
fn lost(error: ClientError) -> Error {
    match error {
        ClientError::Closed | ClientError::Unheard => {
            Error::Failed("the gateway ended before it answered; the call may have been done".to_owned())
        }
        other => other.into(),
    }
}

/// Each error with its exit code.
pub(super) fn failed(error: &CallError) -> Error {
    let text = error.message.clone();
    match error.code {
        code::NO_SUCH_METHOD => Error::NotFound(text),
        code::WRONG_PARAMS | code::NOT_JSON => Error::Usage(text),
        code::QUEUE_FULL | code::RATE_LIMITED | code::CIRCUIT_OPEN | code::STOPPING => Error::Refused(text),
        _ => Error::Failed(text),
    }
}
