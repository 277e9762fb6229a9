//! Requests of operators: scaling, adding pools, restarting, stopping, pausing.

use std::time::Duration;

use super::begin::Begun;
use super::{Answer, Refused};
use crate::config::{PoolConfig, RunAs, ServiceConfig, check_queue_limit};
use crate::core::{Command, Done, Target, Ticket};
use crate::master::Master;
use crate::master::gateway::CannotListen;
use crate::master::store_events::Purpose;
use crate::master::workers::free_name;
use crate::model::done::{Awaited, Stopped};
use crate::model::limit_record::PausedKey;
use crate::model::{
    MOST_WORKERS, OsText, PoolKind, PoolName, PoolSettings, QueueName, QueueOrder, ReadyWhen, ScaleTo, Supervision,
    change,
};
use crate::report::refusals;
use crate::wire::control::{
    NoteFailure, PausedQueue, PausedQueues, Queues, Restart, Scale, SetQueue, SpawnPool, SpawnService, Stop,
};
use crate::worker::Template;

/// The most queues that are paused or resumed at once.
const MAX_QUEUES: usize = 1000;

impl Master {
    pub(super) fn scale(&mut self, ticket: Ticket, params: Scale) -> Begun {
        self.refuse_if_single()?;
        let target = target(false, params.queue, params.pool, Vec::new())?;
        let (grace, hold) = (duration("grace_s", params.grace_s)?, duration("hold_s", params.hold_s)?);
        let wait = !params.no_wait;
        let command = match params.workers {
            ScaleTo::Auto if hold.is_some() => {
                return Err(bad("`hold_s` goes with a number of workers, not with `auto`"));
            }
            ScaleTo::Auto => Command::ScaleAuto { target, wait },
            ScaleTo::Workers(workers) => Command::Scale { target, workers, grace, hold, wait },
        };
        self.command(ticket, command);
        self.make_room();
        Ok(None)
    }

    pub(super) fn spawn_pool(&mut self, ticket: Ticket, params: &SpawnPool) -> Begun {
        self.refuse_if_single()?;
        let pool = self.pool_config(params)?;
        let at = (&*self.in_force.config.socket, self.clients.owner_id());
        self.gateway.listen(at, std::iter::once(&pool)).map_err(refused_to_listen)?;
        let command = Command::AddPool { settings: Box::new(pool.settings.clone()), wait: !params.no_wait };
        self.command(ticket, command);
        self.open_pool(pool);
        Ok(None)
    }

    /// The core was asked for this pool, and has it unless it was refused.
    pub(super) fn open_pool(&mut self, pool: PoolConfig) {
        // The source of its workers must be known before the core asks for the first, at its next settling.
        let added = self.core.pool_named(&pool.settings.name).filter(|id| !self.spawner.has_pool(*id));
        if let Some(id) = added {
            self.tell_pool(&pool.settings);
            self.spawner.add_pool(id, pool);
            self.spawner.forget_gone(id, |id| self.core.pool(id).is_some());
            self.make_room();
        }
    }

    fn pool_config(&self, params: &SpawnPool) -> Result<PoolConfig, Refused> {
        let mut limits = self.in_force.config.defaults.clone();
        let queues = params.queues.iter().map(|q| QueueName::new(q)).collect::<Result<Vec<_>, _>>().map_err(bad)?;
        let command: Vec<_> = params.command.iter().flatten().cloned().map(OsText::into_os_string).collect();
        let kind = kind_of(params.kind.as_deref(), !command.is_empty())?;
        if command.is_empty() && kind != PoolKind::Exec {
            return Err(bad(format!("a pool of kind `{}` needs a command", kind.as_str())));
        }
        if kind == PoolKind::Exec && !command.is_empty() {
            Template::parse(command.clone()).map_err(bad)?;
        }
        if queues.is_empty() && kind.serves_queues() {
            return Err(bad("a pool needs a queue; say which with --queue"));
        }
        let service = self.service_config(kind, params)?;
        limits.timeout = service.as_ref().map_or(limits.timeout, |service| service.settings.timeout);
        limits.workers = params.workers.unwrap_or(limits.workers);
        if !(1..=MOST_WORKERS).contains(&limits.workers) {
            return Err(bad(format!("`workers` is {}; use 1 to {MOST_WORKERS}", limits.workers)));
        }
        let names = || self.core.pools().map(|(_, p)| &p.settings.name);
        let is_used = |name: &str| names().any(|pool| pool.as_str() == name || pool.is_confusable(name));
        let wish = queues.first().map_or("opaque", QueueName::as_str);
        let name = match &params.pool {
            Some(name) => {
                self.refuse_confusable(name)?;
                PoolName::new(name).map_err(bad)?
            }
            None => free_name(wish, is_used).ok_or_else(|| bad(format!("there is no free name like `{wish}`")))?,
        };
        let queues = QueueOrder::Strict(if kind.serves_queues() { queues } else { Vec::new() });
        let hooks = self.in_force.config.default_hooks.clone();
        let (takes, supervision) = (kind.takes(!command.is_empty()), Supervision::default());
        let ready = if service.is_some() { ReadyWhen::Message } else { ReadyWhen::Spawned };
        let settings = PoolSettings { name, queues, kind, takes, ready, limits, autoscale: None, hooks, supervision };
        let cwd = params.cwd.clone().map(|cwd| cwd.into_os_string().into());
        Ok(PoolConfig { settings, command, cwd, env: Vec::new(), protocol_fd: None, service, run_as: RunAs::default() })
    }

    /// The part of a service that other pools do not have; refused where another listens already.
    fn service_config(&self, kind: PoolKind, params: &SpawnPool) -> Result<Option<ServiceConfig>, Refused> {
        let SpawnService { listen, strategy, init, version } = params.service.clone().unwrap_or_default();
        if kind != PoolKind::Service {
            return if params.service.is_some() { Err(bad("`service` goes with that kind only")) } else { Ok(None) };
        }
        let service = ServiceConfig::spawned(&listen, strategy.as_deref(), init, version).map_err(bad)?;
        for (id, pool) in self.core.pools().filter(|(_, pool)| !pool.removed) {
            let other = self.spawner.pool(id).and_then(|pool| pool.service.as_ref());
            if let Some(address) = other.and_then(|other| service.shares_place(other)) {
                let text = format!("pool `{}` listens at `{address}` already", pool.settings.name);
                return Err(Refused::Failed(5, text));
            }
        }
        Ok(Some(service))
    }

    /// Refuses a new pool whose name is like that of a worker, or the other way round.
    pub(super) fn refuse_confusable(&self, name: &str) -> Result<(), Refused> {
        let mut names = self.core.pools().map(|(_, pool)| &pool.settings.name);
        let Some(other) = names.find(|pool| pool.is_confusable(name)) else { return Ok(()) };
        let text = format!("a pool `{name}` beside the pool `{other}` would be taken for a worker of it");
        Err(Refused::Failed(5, format!("{text}; choose another name")))
    }

    pub(super) fn restart(&mut self, ticket: Ticket, params: Restart) -> Begun {
        let target = target(params.all, params.queue, params.pool, params.workers)?;
        if target == Target::All && !params.all {
            return Err(bad("say what to restart: --all, --queue, --pool or workers"));
        }
        let grace = if params.now { Some(Duration::ZERO) } else { duration("grace_s", params.grace_s)? };
        self.command(ticket, Command::Restart { target, grace, wait: !params.no_wait });
        Ok(None)
    }

    pub(super) fn stop_request(&mut self, ticket: Ticket, params: Stop) -> Begun {
        let grace = duration("timeout_s", params.timeout_s)?;
        let target = target(false, params.queue, params.pool, params.workers)?;
        if target != Target::All {
            let grace = grace.or_else(|| self.core.grace_of_lent(&target));
            self.command(ticket, Command::StopSome { target, grace, wait: !params.no_wait });
            return Ok(None);
        }
        let caller = self.caller(ticket);
        let workers = self.core.workers().filter(|(_, worker)| worker.is_alive()).count() as u64;
        self.stop(grace, caller);
        if params.no_wait || caller.is_some() {
            if !params.no_wait {
                self.note_at_once(ticket);
            }
            return Ok(Some(Answer::Done(Done::Stopped(Stopped { workers, ..Stopped::default() }))));
        }
        let (jobs, grace_s) = self.waits_to_stop(grace);
        if jobs > 0 && grace_s > 0.0 {
            self.tell_awaited(ticket, Awaited { jobs, grace_s: Some(grace_s) });
        }
        // There is nothing left to write it by the time that it is answered.
        self.conclude(ticket, Ok(&Answer::Yes));
        self.requests.table.wait_for_end(ticket);
        Ok(None)
    }

    pub(super) fn pause(&mut self, ticket: Ticket, params: &Queues, paused: bool) -> Begun {
        let names = params.queues.iter().map(|q| QueueName::new(q)).collect::<Result<Vec<_>, _>>().map_err(bad)?;
        if names.is_empty() {
            return Err(bad("say which queues"));
        }
        if names.len() > MAX_QUEUES {
            return Err(bad(format!("{} queues are too many at once; the most is {MAX_QUEUES}", names.len())));
        }
        if let Some(name) = names.iter().find(|name| !params.force && !self.knows_queue(name)) {
            let text = refusals::no_queue(name.as_str(), self.known_queues());
            return Err(Refused::Failed(4, format!("{text}; `--force` takes it as it is")));
        }
        if let Some(of_key) = params.of_key().map_err(bad)? {
            return self.pause_key(ticket, of_key, paused);
        }
        self.writable()?;
        let queues = names.iter().map(|name| PausedQueue { name: name.clone(), key: None, paused }).collect();
        self.requests.table.gather(ticket, names.len(), Answer::Queues(PausedQueues { queues }));
        let now = self.time.now();
        for queue in names {
            self.batches.add(change::Request::Pause { queue, paused }, Purpose::Pause(ticket), true, true, now);
        }
        Ok(None)
    }

    fn pause_key(&mut self, ticket: Ticket, (name, key): (QueueName, &str), paused: bool) -> Begun {
        let limits = self.core.totals().of(&name).and_then(|totals| totals.limits.as_deref());
        if let Some(why) = limits.filter(|_| paused).and_then(|limits| limits.refuses_pause(key)) {
            return Err(Refused::Failed(5, why));
        }
        self.writable()?;
        let answer = PausedQueue { name: name.clone(), key: Some(key.to_owned()), paused };
        self.requests.table.gather(ticket, 1, Answer::Queues(PausedQueues { queues: vec![answer] }));
        let now = self.time.now();
        let pause = paused.then(|| PausedKey { by: self.asker_of(ticket), at: now.wall });
        let request = change::Request::PauseKey { queue: name, key: key.into(), pause };
        self.batches.add(request, Purpose::PauseKey(ticket), true, true, now);
        Ok(None)
    }

    pub(super) fn set_queue(&mut self, ticket: Ticket, params: &SetQueue) -> Begun {
        let queue = QueueName::new(&params.queue).map_err(bad)?;
        let limits = params.limits.iter().map(|(key, text)| Ok((key.clone(), check_queue_limit(key, text)?)));
        let limits = limits.collect::<Result<_, String>>().map_err(bad)?;
        if !params.force && !self.knows_queue(&queue) {
            let text = refusals::no_queue(queue.as_str(), self.known_queues());
            return Err(Refused::Failed(4, format!("{text}; `--force` takes it as it is")));
        }
        self.writable()?;
        let (by, now) = (self.asker_of(ticket), self.time.now());
        let set = SetQueue { limits, ..params.clone() }.to_override(by, now.wall).map_err(bad)?;
        let request = change::Request::SetLimits { queue, set: set.map(Box::new) };
        self.batches.add(request, Purpose::SetQueue(ticket), true, true, now);
        Ok(None)
    }

    pub(super) fn note_failure(&mut self, ticket: Ticket, params: &NoteFailure) -> Begun {
        self.writable()?;
        let op = change::Request::NoteFailure { fingerprint: params.error, said: params.said() };
        self.batches.add(op, Purpose::NoteFailure(ticket, params.error), true, true, self.time.now());
        Ok(None)
    }

    /// Queues that a pool serves, or that are on record.
    fn known_queues(&self) -> impl Iterator<Item = &str> {
        self.served().chain(self.core.totals().all().map(|queue| &queue.name)).map(QueueName::as_str)
    }

    fn knows_queue(&self, name: &QueueName) -> bool {
        self.core.totals().of(name).is_some() || self.served().any(|known| known == name)
    }

    /// Queues that a pool serves.
    pub(in crate::master) fn served(&self) -> impl Iterator<Item = &QueueName> {
        self.core.pools().flat_map(|(_, pool)| pool.settings.queues.names())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
pub(super) fn refused_to_listen(error: CannotListen) -> Refused {
    Refused::Failed(5, error.to_string())
}

/// The kind of a pool in a request.
pub(super) fn kind_of(word: Option<&str>, has_command: bool) -> Result<PoolKind, Refused> {
    let Some(word) = word else { return Ok(PoolKind::with_command(has_command)) };
    let found = PoolKind::ALL.into_iter().find(|kind| kind.as_str() == word);
    found.ok_or_else(|| bad(format!("`kind` is `{word}`; use `protocol`, `exec`, `opaque` or `service`")))
}

/// A length of time in a request.
pub(super) fn duration(name: &str, seconds: Option<f64>) -> Result<Option<Duration>, Refused> {
    seconds.map(Duration::try_from_secs_f64).transpose().map_err(|e| bad(format!("`{name}`: {e}")))
}

fn target(all: bool, queue: Option<String>, pool: Option<String>, workers: Vec<String>) -> Result<Target, Refused> {
    let given = usize::from(all) + usize::from(queue.is_some()) + usize::from(pool.is_some());
    if given + usize::from(!workers.is_empty()) > 1 {
        return Err(bad("give one of: all, a queue, a pool, workers"));
    }
    Ok(match (queue, pool) {
        (Some(queue), _) => Target::Queue(QueueName::new(&queue).map_err(bad)?),
        (None, Some(pool)) => Target::Pool(PoolName::new(&pool).map_err(bad)?),
        (None, None) if !workers.is_empty() => Target::Workers(workers),
        (None, None) => Target::All,
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
pub(super) fn bad(why: impl ToString) -> Refused {
    Refused::Params(why.to_string())
}
