//! The words of the master and the gateway: one JSON object in each packet of a socket pair that keeps packets apart, with
//! descriptors beside it.
//!
//! The master says how services are to be and hands over workers' pipes and listening sockets, of which it keeps its own
//! copies; it reads none of them. The gateway says which workers are ready, done and to be replaced, and what they printed.
//! Invariants: a packet is at most [`MOST`] bytes; a new gateway is told everything again, so nothing depends on what the
//! one before it was told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::call_log::{CallSpan, LoggedCall};
pub use crate::model::service::Framing;
use crate::model::service::{CallLoad, Declared, ServiceSettings};
use crate::model::table::TableRow;
use crate::model::worker::EndReason;
use crate::model::{PoolName, Slot, WorkerId};

/// The hidden verb by which the master starts the gateway; its number, from 1, follows.
pub const VERB: &str = "gateway";

/// End of the path of the socket where `queue-work call` and workers call services; before it stands that of the control
/// socket.
pub const CALLS_ENDING: &str = ".calls";

/// Where services are called at the master with this control socket.
#[must_use]
pub fn calls_path(control: &Path) -> PathBuf {
    let mut path = control.as_os_str().to_owned();
    path.push(CALLS_ENDING);
    path.into()
}

/// The largest packet, in bytes: what the buffer of a socket takes in one piece by default, less what the kernel adds.
pub const MOST: usize = 128 * 1024;

/// As much as one packet has room for, each; `size`: the bytes of one, as JSON.
fn packets<T>(all: impl Iterator<Item = T>, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let (mut packets, mut bytes) = (Vec::<Vec<T>>::new(), MOST);
    for one in all {
        let size = size(&one);
        if bytes + size > MOST - 100 {
            packets.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        packets.last_mut().expect("BUG: the first begins a packet").push(one);
    }
    packets
}

/// As many rows as one packet has room for, each.
pub fn rows_of_packets(rows: impl Iterator<Item = TableRow>) -> Vec<Vec<TableRow>> {
    // A character of JSON in JSON may take twice the room, and the names six times.
    packets(rows, |row| 100 + 6 * (row.table.len() + row.key.len()) + 2 * row.columns.as_ref().map_or(0, String::len))
}

/// As many calls as one packet has room for, each.
pub fn calls_of_packets(calls: impl Iterator<Item = LoggedCall>) -> Vec<Vec<LoggedCall>> {
    packets(calls, |LoggedCall { call, .. }| {
        let texts = [&call.method, &call.worker, &call.traceparent].into_iter().flatten().map(String::len);
        let message = call.error.as_ref().map_or(0, |error| error.message.len());
        400 + 6 * (texts.sum::<usize>() + call.peer.len() + message + call.service.as_str().len())
    })
}

/// As many spans as one packet has room for, each.
pub fn spans_of_packets(spans: impl Iterator<Item = CallSpan>) -> Vec<Vec<CallSpan>> {
    packets(spans, |span| {
        let message = span.error.as_ref().map_or(0, |error| error.message.len());
        300 + 6 * (span.method.as_ref().map_or(0, String::len) + message + span.service.as_str().len())
    })
}

/// Words of the master. The kind stands outside: serde cannot read maps with numbers as keys behind a tag.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToGateway {
    /// The first packet. Along come the file in which large requests are marked (a byte for each worker id, modulo the size
    /// of the file), and the listening socket of `queue-work call`.
    Begin,
    /// Rows of shared tables that were kept; before any worker.
    Rows { rows: Vec<TableRow> },
    /// Everything until here has been told; [`FromGateway::Up`] answers, each time.
    Told,
    /// The listening socket of `queue-work call` that comes along takes the place of the one before.
    Calls,
    /// Services that are there, or are different now.
    Services { services: BTreeMap<PoolName, ServiceSettings> },
    /// Listen on the descriptor that comes along.
    Listen { pool: PoolName, address: String, framing: Framing },
    /// Listen there no more; calls that are being answered go on.
    Unlisten { pool: PoolName, address: String },
    /// A worker was started. Along come the writing end of its input, and the reading end of its output. `declared`: what
    /// it has said of itself to a gateway before.
    Worker { worker: WorkerId, pool: PoolName, slot: Slot, declared: Option<Box<Declared>> },
    /// The worker gets no more calls; [`FromGateway::Drained`] answers when it has none, and has been told to shut down if it wants
    /// to be. `why` and `grace` are for the worker.
    Drain { worker: WorkerId, why: String, grace: Duration },
    /// The worker has ended, or its input is closed: calls that it has fail with this text.
    Gone { worker: WorkerId, how: String },
    /// The pool is gone.
    Forget { pool: PoolName },
    /// Nothing new is taken from now on.
    Stop,
}

/// Words of the gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FromGateway {
    /// The gateway has heard everything before [`ToGateway::Told`], and listens.
    Up,
    Ready {
        worker: WorkerId,
        declared: Box<Declared>,
    },
    /// The worker is not what it is to be: its `init` failed, or its version is another.
    Refused {
        worker: WorkerId,
        why: String,
    },
    /// The worker has no call, after `drain`.
    Drained {
        worker: WorkerId,
    },
    /// The worker is to be ended: a call has timed out, it is unhealthy, or a request stopped half-way in its pipe.
    Replace {
        worker: WorkerId,
        reason: EndReason,
        why: String,
    },
    /// Something is wrong with what a worker says, and people are to know.
    Warned {
        worker: WorkerId,
        text: String,
    },
    /// Lines that a worker printed between its answers.
    Printed {
        worker: WorkerId,
        lines: Vec<String>,
    },
    /// Rows of shared tables that have changed, to be kept; once a second, and when the link is closed by the master.
    Rows {
        rows: Vec<TableRow>,
    },
    /// Calls that were slow or failed, to be put on record; once a second, and when the link is closed by the master.
    Calls {
        calls: Vec<LoggedCall>,
    },
    /// Spans of calls that are over; once a second.
    Spans {
        spans: Vec<CallSpan>,
    },
    /// The load of a service, and the calls that each of its workers has answered so far: once a second where calls are made.
    /// At once when one waits and there is no worker; and with those of one worker, when it has answered its first.
    Load {
        pool: PoolName,
        load: Box<CallLoad>,
        calls: BTreeMap<WorkerId, u64>,
    },
}
