//! The words of the gateway, as events for the core and lines for the log.

use std::collections::VecDeque;

use super::{ASK_EVERY, Question};
use crate::core::{Event, Tag};
use crate::master::Master;
use crate::master::heard::Output;
use crate::master::logs::Stream;
use crate::master::store_events::Purpose;
use crate::model::change::Change;
use crate::model::problem::Topic;
use crate::model::service::Declared;
use crate::model::table::{self, TableRow};
use crate::model::{Notice, WorkerId};
use crate::wire::gateway::FromGateway;

impl Master {
    /// Takes in what the gateway has said, as much as one turn has room for.
    pub(in crate::master) fn hear_gateway(&mut self) {
        let Some(running) = &mut self.gateway.running else { return };
        let link = running.link.as_mut().or(running.closing.as_mut());
        let Some(heard) = link.map(super::Link::hear) else { return };
        running.has_more = heard.more;
        for packet in heard.packets {
            self.gateway_says(packet);
        }
    }

    fn gateway_says(&mut self, packet: FromGateway) {
        match packet {
            FromGateway::Up => {
                let at = self.time.mono() + ASK_EVERY;
                if let Some(running) = &mut self.gateway.running {
                    running.question = Question::Due(at);
                }
                self.problem_over(Topic::Gateway);
            }
            FromGateway::Ready { worker, declared } => self.worker_declares(worker, declared),
            FromGateway::Refused { worker, why } => self.feed(Event::Refused { worker, why }),
            FromGateway::Drained { worker } => self.feed(Event::Drained { worker }),
            FromGateway::Replace { worker, reason, why } => {
                self.say_of_worker(worker, &format!(" is replaced: {why}"));
                self.feed(Event::GivenUp { worker, reason, why });
            }
            FromGateway::Warned { worker, text } => self.say_of_worker(worker, &format!(": {text}")),
            FromGateway::Printed { worker, lines } => {
                let line = |text: String| Output { after: 0, stream: Stream::Stdout, text: text.into_bytes() };
                let mut output: VecDeque<Output> = lines.into_iter().map(line).collect();
                self.log_output(worker, &mut output, usize::MAX);
            }
            FromGateway::Rows { rows } => self.keep_rows(rows),
            FromGateway::Calls { calls } => self.record(Change::LogCalls(calls.into())),
            FromGateway::Spans { spans } => spans.iter().for_each(|span| self.traces.called(span)),
            // `queue-work services` asks the gateway for all the rest.
            FromGateway::Load { pool, load, calls } => {
                for (worker, calls) in calls {
                    self.worker_has_answered(worker, calls);
                }
                self.feed(Event::Load { pool, load });
            }
        }
    }

    fn say_of_worker(&mut self, worker: WorkerId, what: &str) {
        if let Some(known) = self.core.worker(worker).filter(|worker| worker.state.pid().is_some()) {
            let text = format!("worker `{}`{what}", known.name);
            self.say(Notice::Problem { text });
        }
    }

    fn keep_rows(&mut self, rows: Vec<TableRow>) {
        table::update(&mut self.gateway.rows, &rows);
        self.record(Change::KeepRows(rows.into()));
    }

    fn record(&mut self, change: Change) {
        let now = self.time.now();
        self.batches.add(change, Purpose::Core(Tag::None), false, false, now);
    }

    fn worker_declares(&mut self, worker: WorkerId, declared: Box<Declared>) {
        let Some(known) = self.core.worker(worker) else { return };
        let own = self.spawner.pool(known.pool).and_then(|pool| pool.service.as_ref());
        let concurrency = declared.concurrency.or(own.map(|service| service.settings.concurrency)).unwrap_or(1);
        self.gateway.declared.insert(worker, declared);
        self.feed(Event::Ready { worker, concurrency, types: None });
    }

    /// `calls`: all that it has answered to this gateway.
    fn worker_has_answered(&mut self, worker: WorkerId, calls: u64) {
        let before = self.gateway.running.as_mut().and_then(|running| running.workers.get_mut(&worker));
        if let Some(before) = before {
            let more = calls.saturating_sub(std::mem::replace(before, calls));
            self.feed(Event::Called { worker, calls: more });
        }
    }
}
