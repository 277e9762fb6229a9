//! Orders: what somebody at another host asks this master to do, and what it asks the masters of others.
//!
//! An order comes and is answered through the store. Invariants: what is let through is what would be carried out for a client
//! of the control socket, by the same code; whoever asks here is answered once, also where the other host is lost.

use std::collections::HashMap;

use super::{Answer, Asker, Peer};
use crate::core::{Done, Event, JobChange, Tag, Ticket};
use crate::master::Master;
use crate::master::codec::control;
use crate::master::store_events::Purpose;
use crate::model::audit::By;
use crate::model::change::Request;
use crate::model::done::Stopped;
use crate::model::order::{Order, Orders, Tell};
use crate::model::{JobId, OrderId, States};
use crate::report;

/// Orders that are not over, each with what waits for it here.
pub(super) type Given = HashMap<OrderId, Cancelled>;

/// A job that another host is asked to cancel, and the request that waits for it.
#[derive(Debug)]
pub(super) struct Cancelled {
    ticket: Ticket,
    job: JobId,
    only: States,
    host: String,
}

impl Master {
    /// Others ask for something, or have done what they were asked for.
    pub(in crate::master) fn hear_orders(&mut self, orders: Orders) {
        for order in orders.asked {
            self.carry_out_order(order);
        }
        for (order, fate) in orders.ended {
            if let Some(Cancelled { ticket, job, only, host }) = self.requests.given.remove(&order) {
                let cancelled = report::orders::cancelled(job, &host, &fate);
                let change = JobChange::Elsewhere(cancelled.map_err(|refused| (refused.reason, refused.exit_code)));
                self.feed(Event::JobChanged { ticket, job, only, change });
            }
        }
    }

    fn carry_out_order(&mut self, Order { id, who, request }: Order) {
        let by = who.map(|who| Box::new(By { who: Some(who), ..By::default() }));
        let asker = Asker { peer: Peer::Order(id), by, under: "1".into() };
        match control::ordered(&request, self.time.now().wall) {
            Ok(question) => self.ask(asker, question),
            Err(error) => self.answer_order(id, &control::refuse("1", &error)),
        }
    }

    /// Writes the answer to an order into the store.
    pub(in crate::master) fn answer_order(&mut self, order: OrderId, line: &[u8]) {
        let answer = String::from_utf8_lossy(line).trim_end().into();
        let request = Request::Tell(Box::new(Tell::Answer { order, answer }));
        self.batches.add(request, Purpose::Core(Tag::None), true, false, self.time.now());
    }

    /// Answers orders that wait for the end of the master, as long as it can be written.
    pub(in crate::master) fn answer_last_orders(&mut self, stopped: &Stopped) {
        for ticket in self.requests.table.waiting_for_end() {
            if matches!(self.requests.table.peer(ticket), Some(Peer::Order(_))) {
                self.answer(ticket, Ok(Answer::Done(Done::Stopped(stopped.clone()))));
            }
        }
        self.batches.send(self.time.now());
    }

    /// A job runs at another host, which is told to cancel it; `wait`: what comes of that is the answer.
    pub(in crate::master) fn cancelled_elsewhere(
        &mut self,
        (ticket, wait): (Ticket, bool),
        (job, only): (JobId, States),
        (order, host): (OrderId, &str),
    ) {
        if wait {
            self.requests.given.insert(order, Cancelled { ticket, job, only, host: host.to_owned() });
        } else {
            let change = JobChange::Elsewhere(Ok(()));
            self.feed(Event::JobChanged { ticket, job, only, change });
        }
    }
}
