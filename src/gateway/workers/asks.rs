//! Requests of a worker: calls of other services, the shared tables; and the series that it counts.
//!
//! Invariants: each request is answered, in the worker's own numbers; of a worker that does not read, a bounded number. People
//! are told once of a worker whose series are dropped.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::super::form::write_rpc;
use super::super::inside;
use super::super::shell::Shell;
use super::{Open, Worker};
use crate::model::service::{Body, CallError, code};
use crate::wire::gateway::FromGateway;

/// Requests of one worker that may be unanswered.
const MOST_UNANSWERED: usize = 1024;

impl Worker {
    pub(super) fn asks(self: &Rc<Self>, shell: &Shell, id: &RawValue, method: &str, params: &RawValue) {
        self.has_asked.set(true);
        let answer = match method {
            "call" => match self.calls(shell, id, params) {
                Ok(()) => return,
                Err(error) => Err(error),
            },
            _ if method.starts_with("table.") => {
                shell.stir();
                shell.tables.borrow_mut().answer(method, params).map(Body::Json)
            }
            _ => Err(CallError {
                code: code::NO_SUCH_METHOD,
                message: format!("a worker of a service can ask for `call` and `table.*`, not for `{method}`"),
                data: None,
            }),
        };
        self.answer(id, &answer);
    }

    fn calls(self: &Rc<Self>, shell: &Shell, id: &RawValue, params: &RawValue) -> Result<(), CallError> {
        if self.asked.get() >= MOST_UNANSWERED {
            let message = format!("{MOST_UNANSWERED} calls of this worker are not answered yet");
            return Err(CallError { code: code::QUEUE_FULL, message, data: None });
        }
        let mut asking = inside::read(params.get(), &self.name)?;
        asking.traceparent = asking.traceparent.or_else(|| self.trace());
        self.asked.set(self.asked.get() + 1);
        let (worker, id) = (Rc::clone(self), id.to_owned());
        let reply = move |answer| {
            worker.asked.set(worker.asked.get() - 1);
            worker.answer(&id, &answer);
            if worker.asked.get() == 0 {
                worker.mark_words(false);
            }
        };
        shell.call(shell.next_call(), asking, Box::new(reply));
        Ok(())
    }

    /// The trace of the call that it is at, if there is one such.
    fn trace(&self) -> Option<Arc<str>> {
        let open = self.open.borrow();
        let mut traces = open.values().filter_map(|open| match open {
            Open::Call { traceparent } => Some(traceparent),
            Open::Init | Open::Health => None,
        });
        traces.next().filter(|_| traces.next().is_none()).cloned().flatten()
    }

    fn answer(&self, id: &RawValue, answer: &Result<Body, CallError>) {
        let mut line = b"{\"jsonrpc\":\"2.0\",".to_vec();
        write_rpc(&mut line, Some(id), answer);
        line.push(b'\n');
        self.input.write(line);
    }

    pub(super) fn counts(&self, shell: &Shell, params: &RawValue) {
        let taken = shell.pools.borrow_mut().get_mut(&self.pool).map_or(Ok(()), |pool| pool.metrics.take(params.get()));
        if let Err(why) = taken
            && !self.was_warned.replace(true)
        {
            let text = format!("a `metric` of it is dropped, and so may be others: {why}");
            self.channel.say(&FromGateway::Warned { worker: self.id, text });
        }
    }
}
