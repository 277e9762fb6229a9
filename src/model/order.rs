//! Orders: what a master is asked to do by somebody at another host, through the store.
//!
//! Knows nothing of how they are kept. Invariant: an order is of one life of a master, and void when that is over.

use serde_json::json;

use super::serves::Serves;
use super::{JobId, OrderId, States};

/// A request to a master that came through the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: OrderId,
    /// The one who asks, for the record of deeds; `None`: a master, which has put it on record itself.
    pub who: Option<String>,
    /// A line of the control protocol.
    pub request: Box<str>,
}

/// Something that a master tells others through the store.
#[derive(Clone, Debug)]
pub enum Tell {
    /// The answer to an order, a line of the control protocol.
    Answer { order: OrderId, answer: Box<str> },
    /// What its pools serve from now on.
    Serves(Serves),
    /// Whether it is to be told of each job that others end: so nobody pays for it where nobody waits. Whoever says yes
    /// looks once more when that is on record.
    HearsEnds(bool),
}

/// The end of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// A line of the control protocol.
    Answered(Box<str>),
    /// The master has not begun with it in time, and will not.
    Late,
    /// The life of the master that was asked is over.
    Over {
        /// Whether it had begun: then it is not known how far it came.
        is_begun: bool,
    },
}

/// Orders that a master hears of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// To be carried out here.
    pub asked: Vec<Order>,
    /// Given from here, and over.
    pub ended: Vec<(OrderId, Fate)>,
}

impl Orders {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.asked.is_empty() && self.ended.is_empty()
    }
}

/// The request to cancel a job in one of these states.
#[must_use]
pub fn cancel(job: JobId, only: States) -> Box<str> {
    let params = json!({"ids": [job], "state": only});
    json!({"jsonrpc": "2.0", "id": 1, "method": "jobs.cancel", "params": params}).to_string().into()
}
