//! Requests of clients, read: text becomes calls that are checked.
//!
//! Reading takes time with the length of the text, so a long one is read by a thread of its own, and the loop only
//! carries it out. Invariant: requests of one client are carried out in the order in which they came: what comes after a
//! long one is read by the same thread.

use std::io;

use crossbeam_channel::{Sender, unbounded};
use serde_json::value::RawValue;

use super::clients::ClientId;
use super::methods::parse;
use super::{Master, wall};
use crate::model::payload::MAX_LINE_BYTES;
use crate::model::{BulkId, NewJob, QueueName, UnixMicros};
use crate::wire::bulk::AddToBulk;
use crate::wire::control::{Jobs, PushJob, PushMany};
use crate::wire::push::to_new_job;
use crate::wire::rpc::{self, RpcError};

/// A longer line is read elsewhere; this one takes about a third of a millisecond.
pub(super) const LONG: usize = 64 * 1024;
/// The longest params of a method that neither pushes jobs nor names them.
const MAX_OTHER_PARAMS: usize = 1024 * 1024;

/// A line of a client.
#[derive(Debug)]
pub(super) enum Request {
    /// Empty.
    Nothing,
    /// No request; what is to be answered, under this id.
    Malformed(Box<RawValue>, RpcError),
    /// A request, or without an id a notification.
    Message {
        /// The store that is meant, where it is said.
        store: Option<Box<RawValue>>,
        id: Option<Box<RawValue>>,
        call: Result<Call, RpcError>,
    },
}

/// The question.
#[derive(Debug)]
pub(super) enum Call {
    Push(NewJob),
    PushMany {
        jobs: Vec<NewJob>,
        ids: bool,
    },
    AddToBulk {
        bulk: BulkId,
        jobs: Vec<NewJob>,
    },
    /// `jobs.cancel`, `jobs.retry` or `jobs.delete`; the ids in order, each once.
    Jobs {
        method: String,
        params: Jobs,
    },
    Other {
        method: String,
        params: String,
    },
}

/// The handle on the thread. It ends with the handle.
#[derive(Debug)]
pub(super) struct RequestReader(Sender<(ClientId, Option<Vec<u8>>)>);

impl RequestReader {
    pub(super) fn start(mut notify: impl FnMut(ClientId, usize, Request) + Send + 'static) -> io::Result<Self> {
        let (lines, inbox) = unbounded::<(ClientId, Option<Vec<u8>>)>();
        std::thread::Builder::new().name("requests".to_owned()).spawn(move || {
            for (client, line) in inbox {
                let bytes = line.as_ref().map_or(0, Vec::len);
                notify(client, bytes, read(line.as_deref(), wall()));
            }
        })?;
        Ok(Self(lines))
    }
}

impl Master {
    /// Reads a client; carries out its requests, or has them read.
    pub(super) fn read_client(&mut self, id: ClientId) {
        let mut lines: Vec<Option<Vec<u8>>> = Vec::new();
        if self.is_late() {
            self.clients.late(id);
        }
        self.clients.read(id, &mut self.scratch, |line| lines.push(line.map(<[u8]>::to_vec)));
        self.bound_unfinished_of_client(id);
        for line in lines {
            let bytes = line.as_ref().map_or(0, Vec::len);
            if bytes <= LONG && !self.clients.is_being_read(id) {
                self.carry_out_request(id, read(line.as_deref(), wall()));
                continue;
            }
            self.clients.give_to_reader(id, bytes);
            // Fails only when the thread has panicked, which ends the process.
            let _ = self.requests.0.send((id, line));
        }
    }

    /// A long request of so many bytes was read, or one that came after it.
    pub(super) fn request_was_read(&mut self, id: ClientId, bytes: usize, request: Request) {
        self.clients.take_from_reader(id, bytes);
        self.carry_out_request(id, request);
    }
}

/// Reads a line; one that was too long to be kept is `None`.
fn read(line: Option<&[u8]>, now: UnixMicros) -> Request {
    let Some(line) = line else {
        let message = format!("a line is over the limit of {MAX_LINE_BYTES} bytes");
        let error = RpcError { code: rpc::INVALID_REQUEST, message, data: None };
        return Request::Malformed(RawValue::NULL.to_owned(), error);
    };
    if line.trim_ascii().is_empty() {
        return Request::Nothing;
    }
    match rpc::parse_request(line) {
        Ok(request) => Request::Message {
            store: request.store.map(RawValue::to_owned),
            id: request.id.map(RawValue::to_owned),
            call: call(&request.method, request.params.map_or("null", RawValue::get), now),
        },
        Err(error) => Request::Malformed(rpc::id_of(line).to_owned(), error),
    }
}

fn call(method: &str, params: &str, now: UnixMicros) -> Result<Call, RpcError> {
    Ok(match method {
        "push" => Call::Push(to_job(&parse::<PushJob>(params)?, now)?),
        "push_many" => {
            let PushMany { jobs, ids } = parse(params)?;
            Call::PushMany { jobs: to_jobs(&jobs, now)?, ids }
        }
        "bulk.add" => {
            let AddToBulk { bulk, jobs } = parse(params)?;
            Call::AddToBulk { bulk, jobs: to_jobs(&jobs, now)? }
        }
        "jobs.cancel" | "jobs.retry" | "jobs.delete" => {
            let mut params: Jobs = parse(params)?;
            params.ids.sort_unstable();
            params.ids.dedup();
            Call::Jobs { method: method.to_owned(), params }
        }
        _ if params.len() > MAX_OTHER_PARAMS => {
            let bytes = params.len();
            return Err(RpcError::params(format!(
                "the params are {bytes} bytes long; the limit is {MAX_OTHER_PARAMS}"
            )));
        }
        _ => Call::Other { method: method.to_owned(), params: params.to_owned() },
    })
}

/// Jobs that somebody pushes, checked; one that is not good is named.
fn to_jobs(jobs: &[PushJob], now: UnixMicros) -> Result<Vec<NewJob>, RpcError> {
    let jobs = jobs.iter().enumerate().map(|(at, job)| {
        to_job(job, now).map_err(|e| RpcError { message: format!("job {}: {}", at + 1, e.message), ..e })
    });
    jobs.collect()
}

/// A job that somebody pushes, checked.
pub(super) fn to_job(job: &PushJob, now: UnixMicros) -> Result<NewJob, RpcError> {
    to_new_job(job, &QueueName::default(), now).map_err(RpcError::params)
}
