//! Health of workers that say they know it.
//!
//! | | |
//! | --- | --- |
//! | asked | every 10 s, while the worker has no call or takes several at a time |
//! | answered by unhealthy, or an error, three times in a row | replaced |
//! | not answered within 5 s | replaced |

use std::time::Duration;

use serde_json::json;

use super::super::shell::Shell;
use super::{Open, Worker};
use crate::model::Mono;
use crate::model::service::{Body, CallError, Health, HealthStatus};
use crate::model::worker::EndReason;
use crate::wire::gateway::FromGateway;
use crate::wire::service::{health_of, unhealthy};

const EVERY: Duration = Duration::from_secs(10);
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
const UNHEALTHY_IN_A_ROW: u32 = 3;

/// The health of a worker, as far as it is known.
#[derive(Debug, Default)]
pub(super) struct Watch {
    asked: Option<Mono>,
    next: Option<Mono>,
    unhealthy: u32,
    last: Option<Health>,
    is_replaced: bool,
}

/// Something to do now.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    Nothing,
    Ask,
    Replace(String),
}

impl Watch {
    /// Asks nothing before.
    pub(super) fn wait(&mut self, until: Mono) {
        self.next = Some(until);
    }

    pub(super) fn health(&self) -> Option<Health> {
        self.last.clone()
    }

    /// The step that is due; `may_ask`: whether the worker can answer now.
    fn due(&mut self, now: Mono, may_ask: bool) -> Due {
        let next = *self.next.get_or_insert(now + EVERY);
        match self.asked {
            _ if self.is_replaced => Due::Nothing,
            Some(asked) if now.since(asked) >= ANSWERED_WITHIN => {
                let why = "it did not answer `health` within 5 s".to_owned();
                self.last = Some(unhealthy(why.clone()));
                self.is_replaced = true;
                Due::Replace(why)
            }
            None if now >= next && may_ask => {
                (self.asked, self.next) = (Some(now), Some(now + EVERY));
                Due::Ask
            }
            Some(_) | None => Due::Nothing,
        }
    }

    /// Takes in what the worker says; why it is to be replaced, if it is.
    fn hear(&mut self, health: Health) -> Option<String> {
        self.asked = None;
        self.unhealthy = if health.status == HealthStatus::Unhealthy { self.unhealthy + 1 } else { 0 };
        let why = format!("it has said three times that it is unhealthy: {}", health.message);
        self.last = Some(health);
        let is_ill = self.unhealthy >= UNHEALTHY_IN_A_ROW && !self.is_replaced;
        self.is_replaced |= is_ill;
        is_ill.then_some(why)
    }
}

impl Worker {
    /// Whether it is asked how it is.
    pub(in crate::gateway) fn is_watched(&self) -> bool {
        self.declared.get().is_some_and(|declared| declared.health) && self.shutdown.get().is_none()
    }

    /// Asks how it is, if it is time; replaces it if it does not say.
    pub(in crate::gateway) fn check_health(&self, shell: &Shell, now: Mono) {
        if !self.is_watched() {
            return;
        }
        let may_ask = self.has_no_call() || self.concurrency(shell) > 1;
        let due = self.watch.borrow_mut().due(now, may_ask);
        match due {
            Due::Nothing => {}
            Due::Ask => self.ask(shell, Open::Health, "health", &json!({})),
            Due::Replace(why) => {
                self.channel.say(&FromGateway::Replace { worker: self.id, reason: EndReason::Unhealthy, why });
            }
        }
    }

    /// Takes in an answer.
    pub(super) fn says_health(&self, shell: &Shell, answer: Result<Body, CallError>) {
        let why = self.watch.borrow_mut().hear(health_of(answer));
        if let Some(why) = why {
            self.channel.say(&FromGateway::Replace { worker: self.id, reason: EndReason::Unhealthy, why });
        }
        shell.stir();
    }

    fn has_no_call(&self) -> bool {
        !self.open.borrow().values().any(|open| matches!(open, Open::Call { .. }))
    }

    fn concurrency(&self, shell: &Shell) -> u32 {
        let own = self.declared.get().and_then(|declared| declared.concurrency);
        own.or_else(|| shell.with_settings(&self.pool, |settings| settings.concurrency)).unwrap_or(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::service::read_health;

    const fn at(seconds: u64) -> Mono {
        Mono(seconds * 1_000_000)
    }

    #[test]
    fn a_worker_is_asked_every_ten_seconds_while_it_can_answer_and_replaced_if_it_does_not() {
        let mut watch = Watch::default();
        assert_eq!([0, 9].map(|second| watch.due(at(second), true)), [Due::Nothing, Due::Nothing]);
        assert_eq!(watch.due(at(10), false), Due::Nothing);
        assert_eq!(watch.due(at(11), true), Due::Ask);
        assert_eq!(watch.hear(read_health(r#"{"status":"healthy"}"#)), None);
        assert_eq!([12, 20, 21].map(|second| watch.due(at(second), true)), [Due::Nothing, Due::Nothing, Due::Ask]);
        assert_eq!(watch.due(at(25), false), Due::Nothing);
        assert!(matches!(watch.due(at(26), false), Due::Replace(why) if why.contains("within 5 s")));
        assert_eq!(watch.due(at(60), true), Due::Nothing, "once");
    }

    #[test]
    fn a_worker_that_is_unhealthy_three_times_in_a_row_is_replaced() {
        let mut watch = Watch::default();
        let said = ["unhealthy", "unhealthy", "degraded", "unhealthy", "unhealthy", "unhealthy", "unhealthy"];
        let replaced =
            said.map(|word| watch.hear(read_health(&format!(r#"{{"status":"{word}","message":"{word}"}}"#))).is_some());
        assert_eq!(replaced, [false, false, false, false, false, true, false]);
    }
}
