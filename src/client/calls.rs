//! Calls of services, over the socket of the gateway: one line of JSON out, one in.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ClientError, MAX_ANSWER, connection};
use crate::model::service::CallError;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How much longer than the call may take its answer, or the news that there is none, is waited for.
const SLACK: Duration = Duration::from_secs(1);

/// A request.
#[derive(Debug, Default, Serialize)]
pub struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<&'a str>,
    /// Asks which services there are, instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub services: bool,
    /// Asks for the metrics of services, instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub metrics: bool,
    /// Asks for tables, instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables: Option<Tables<'a>>,
}

/// Which tables.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(untagged)]
pub enum Tables<'a> {
    /// `true`: all of them, with their sizes.
    All(bool),
    /// The rows of one.
    One(&'a str),
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<CallError>,
}

/// A connection to the gateway.
#[derive(Debug)]
pub struct Calls {
    stream: BufReader<UnixStream>,
    path: PathBuf,
}

impl Calls {
    /// Connects to the socket at `path`, of a master that serves this database.
    pub fn connect(path: &Path, database: &Path) -> Result<Self, ClientError> {
        let connection = connection::open(path, database, CONNECT_WITHIN, CONNECT_WITHIN)?;
        Ok(Self { stream: BufReader::new(connection.stream), path: path.to_owned() })
    }

    /// Asks, and waits for the answer: as long as the request says, else until the gateway says how the call has ended.
    pub fn ask(&mut self, request: &Request<'_>) -> Result<Result<Box<RawValue>, CallError>, ClientError> {
        let mut line = serde_json::to_vec(request).map_err(|error| ClientError::Garbled(error.to_string()))?;
        line.push(b'\n');
        let patience = request.timeout_s.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let limited = self.stream.get_mut().set_read_timeout(patience.map(|patience| patience.saturating_add(SLACK)));
        limited.map_err(|source| ClientError::Io { doing: "set up", path: self.path.clone(), source })?;
        self.stream.get_mut().write_all(&line).map_err(|_| ClientError::Unheard)?;
        let mut answer = Vec::new();
        let read = (&mut self.stream).take(MAX_ANSWER).read_until(b'\n', &mut answer);
        if read.as_ref().is_err_and(|error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)) {
            return Err(ClientError::Silent { path: self.path.clone(), pid: 0 });
        }
        if !read.is_ok_and(|bytes| bytes > 0) || answer.last() != Some(&b'\n') {
            return Err(ClientError::Closed);
        }
        let answer: Answer =
            serde_json::from_slice(&answer).map_err(|error| ClientError::Garbled(error.to_string()))?;
        match answer {
            Answer { error: Some(error), .. } => Ok(Err(error)),
            Answer { result, .. } => Ok(Ok(result.unwrap_or_else(|| RawValue::NULL.to_owned()))),
        }
    }
}
