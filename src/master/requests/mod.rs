//! Requests of clients and workers: who asked, what for, and what each answer still waits for.
//!
//! A listener's codec (`master/codec`) turns bytes into a [`Question`], and an [`Answer`] or a [`Refused`] into bytes.
//! Nothing here knows JSON or sockets, so another protocol needs a codec and no change of requests. Of an asker is known
//! the peer, and the words under which the answer goes, which only the codec can read.
//!
//! All requests that are owed an answer are in one table, [`Table`], each under its ticket. The core, the batches and
//! the reader carry tickets, never askers. What a request waits for (`table::Waits`):
//!
//! ```text
//! ask ─► open ─► begin ─┬─────────────────────────────────────────────┬─► answered
//!                       ├─► Reply    the core, the store, the reader ─┤
//!                       ├─► Parts    several such replies ────────────┤
//!                       │      └──►  Batch: the answer is known, and  │
//!                       │            goes when the batch is committed │
//!                       │            or on the disk ──────────────────┤
//!                       ├─► JobEnd   rests ⇄ asks the reader ─────────┤
//!                       └─► End      of the master ───────────────────┘
//! ```
//!
//! - An answer to a push or a pause goes when its batch is on the disk; one of the core, when everything is committed
//!   that was decided in its turn: who asked may look it up next. A refusal waits for nothing.
//! - A request whose asker has gone leaves the table at once, wherever it is; replies to it find nothing. The deed goes on:
//!   jobs of a [`jobs::Task`], steps of a bulk push that is committed. A request whose asker had gone before it was begun
//!   is not begun.
//! - While the store fails nobody waits for it: pushes are refused, other answers go.
//! - A request from inside a job is never kept waiting for that job (`caller`).

mod audit;
mod begin;
mod bulk;
mod caller;
mod job_end;
mod jobs;
mod members;
mod operate;
mod operations;
mod orders;
mod processors;
mod push;
mod question;
mod reload;
mod replies;
mod table;
mod work;

use std::collections::{HashMap, VecDeque};

use super::clients::ClientId;
use super::reader::{self, Found, Origin, Reader};
use crate::core::{Done, Refusal, Ticket};
use crate::model::audit::By;
use crate::model::{JobId, Mono, OrderId, UnixMicros, WorkerId};
use bulk::Bulks;
use jobs::Task;
use operations::Operations;
use table::Table;

pub(super) use begin::unavailable;
pub(super) use bulk::BulkAnswer;
pub(super) use push::{PushForm, pushed};
pub(super) use question::{Answer, Pushing, Question, Refused};

/// What was asked and is not over. Only the files of this folder look inside.
#[derive(Debug)]
pub(super) struct Requests {
    table: Table,
    /// Replies of the core in this turn.
    replies: Vec<(Ticket, Result<Done, Refusal>)>,
    /// Work of requests that name many jobs.
    tasks: VecDeque<Task>,
    /// The batch that they added to last, and how many jobs they changed in it.
    changed_in: (u64, usize),
    /// The same, while the reader looks for the jobs.
    selecting: HashMap<Ticket, Task>,
    operations: Operations,
    /// What others were asked for.
    given: orders::Given,
    /// When the last deed was asked for: no two have the same time.
    last_deed: UnixMicros,
    bulks: Bulks,
    reader: Reader,
}

impl Requests {
    /// The reader has answered.
    pub(super) fn taken(&self, found: &Found) {
        self.reader.taken(found);
    }

    /// Asks the reader for the job that a hook is about; false when too many questions wait.
    pub(super) fn ask_for_hook(&self, hook: WorkerId, job: JobId) -> bool {
        self.reader.ask(Origin::Hook(hook), reader::Question::Job(job))
    }

    pub(super) fn new(reader: Reader) -> Self {
        let (table, replies, tasks, bulks) = (Table::default(), Vec::new(), VecDeque::new(), Bulks::default());
        let (selecting, operations, last_deed) = (HashMap::new(), Operations::default(), UnixMicros(0));
        let given = orders::Given::new();
        Self { table, replies, tasks, changed_in: (0, 0), selecting, operations, given, last_deed, bulks, reader }
    }

    /// The core has replied; [`replies`] gives it out at the end of the turn.
    pub(super) fn core_replied(&mut self, ticket: Ticket, reply: Result<Done, Refusal>) {
        self.replies.push((ticket, reply));
    }

    /// When somebody's time to rest is over.
    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.table.next_deadline()
    }

    /// Whether somebody waits for the end of a job.
    pub(super) fn awaits_jobs(&self) -> bool {
        self.table.awaits_jobs()
    }

    /// Whether work of requests is left.
    pub(super) fn have_work(&self) -> bool {
        !self.tasks.is_empty()
    }
}

/// The peer that asked, and the words under which its answer goes.
#[derive(Debug)]
pub(super) struct Asker {
    pub(super) peer: Peer,
    /// For whom it asks, if it is the page.
    pub(super) by: Option<Box<By>>,
    /// As the codec of the peer wrote them; nobody else reads them.
    pub(super) under: Box<str>,
}

/// The other end of a connection, of the pipes of a worker, or somebody who asks through the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    Client(ClientId),
    Worker(WorkerId),
    Order(OrderId),
}
