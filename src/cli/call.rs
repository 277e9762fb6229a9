//! `call`: calls a method of a service, through the gateway of the running master or at a worker of its own.

mod with;

use serde_json::json;
use serde_json::value::RawValue;

use super::args::services::CallArgs;
use super::context::Context;
use super::output;
use crate::client::calls::{Calls, Request};
use crate::client::{ClientError, NONE};
use crate::error::{Code, Error};
use crate::model::payload::{MAX_DEPTH, MAX_LINE_BYTES, is_too_deep};
use crate::model::service::{CallError, code};
use crate::model::trace::TRACEPARENT;
use crate::model::{PoolKind, PoolName};
use crate::report::Status;
use crate::wire::gateway::calls_path;

pub(crate) fn run(context: &Context, args: &CallArgs) -> Result<Code, Error> {
    if let Some(command) = &args.with {
        return with::run(context, args, command);
    }
    PoolName::new(&args.service).map_err(|error| Error::Usage(error.to_string()))?;
    let params = params(args.args.as_deref())?;
    let traceparent = std::env::var(TRACEPARENT).ok();
    let request = Request {
        service: Some(&args.service),
        method: args.method.as_deref(),
        args: params.as_deref(),
        timeout_s: args.timeout.map(|timeout| timeout.as_secs_f64()),
        key: args.key.as_deref(),
        traceparent: traceparent.as_deref(),
        ..Request::default()
    };
    let answer = match connect(context, &args.service) {
        Ok(mut gateway) => gateway.ask(&request).map_err(lost)?,
        Err(Error::NotFound(message)) => Err(CallError { code: code::NO_SUCH_METHOD, message, data: None }),
        Err(error) => return Err(error),
    };
    let answer = answer.map_err(|error| match error.code {
        code::NO_SUCH_METHOD => listens_itself(context, &args.service).unwrap_or(error),
        _ => error,
    });
    match answer {
        Ok(result) => print(args, &result),
        Err(error) => Err(failed(context, &error)),
    }
}

fn print(args: &CallArgs, result: &RawValue) -> Result<Code, Error> {
    let text = if args.raw { serde_json::from_str::<String>(result.get()).ok() } else { None };
    output::line(text.as_deref().unwrap_or(result.get())).map(|()| Code::DONE)
}

/// The gateway of the master, which must run.
pub(crate) fn connect(context: &Context, service: &str) -> Result<Calls, Error> {
    let paths = context.paths()?;
    match Calls::connect(&calls_path(&paths.socket), paths.database.local()) {
        Err(ClientError::NoMaster { .. }) => {
            // Without a service there is no such socket.
            context.connect()?;
            Err(Error::NotFound(format!("there is no service `{service}`; see `queue-work services`")))
        }
        connected => Ok(connected?),
    }
}

/// Why there is nothing to call, where the workers of this service listen themselves.
fn listens_itself(context: &Context, service: &str) -> Option<CallError> {
    let status: Status = context.connect().ok()?.call("status", &NONE).ok()?;
    let mode = PoolKind::Server.listen_mode();
    let pool = status.pools.into_iter().find(|pool| pool.name == service && pool.listen_mode.as_deref() == mode)?;
    let at = pool.listen.join(", ");
    let text =
        format!("workers of `{service}` listen themselves (`listen_mode = \"worker\"`), and have no methods to call");
    Some(CallError { code: code::NO_SUCH_METHOD, message: format!("{text}; connect to {at}"), data: None })
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
    if is_too_deep(&text) {
        return Err(Error::Usage(format!("the arguments are nested deeper than {MAX_DEPTH} levels")));
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
        ClientError::Silent { .. } => Error::Failed(
            "the gateway does not answer; the call may have been done; see `queue-work status`".to_owned(),
        ),
        other => other.into(),
    }
}

/// A failed call, of which a program has the code and the data on stdout.
fn failed(context: &Context, error: &CallError) -> Error {
    let worded = worded(error);
    if !context.global.json {
        return worded;
    }
    output::json(&json!({ "error": error })).err().unwrap_or(Error::Said(worded.exit_code()))
}

/// Each error with its exit code.
pub(crate) fn worded(error: &CallError) -> Error {
    let text = error.message.clone();
    match error.code {
        code::NO_SUCH_METHOD => Error::NotFound(text),
        code::WRONG_PARAMS | code::NOT_JSON => Error::Usage(text),
        code::QUEUE_FULL | code::RATE_LIMITED | code::CIRCUIT_OPEN | code::STOPPING => Error::Refused(text),
        _ => Error::Failed(text),
    }
}
