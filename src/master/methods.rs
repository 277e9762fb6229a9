//! The methods of the control socket: what each asks of the core, the store or the reader.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::Master;
use super::apply::result_of;
use super::clients::ClientId;
use super::reader::Question;
use super::replies::{Answered, Asked, Gathered, JobWaiter, Origin, PushAnswer, Shape};
use super::requests::{Call, Request};
use super::tasks::Task;
use super::workers::free_name;
use crate::config::PoolConfig;
use crate::core::{Command, Done, Event, Phase, Target, Ticket};
use crate::model::change;
use crate::model::{MOST_WORKERS, OsText, PoolKind, PoolName, PoolSettings, QueueName, QueueOrder, ReadyWhen};
use crate::report::refusals::{self, JobAction};
use crate::store::{JobFilter, RunFilter, WorkerFilter};
use crate::wire::control::{ChangedJobs, Follow, Jobs, OneJob, Queues, Restart, Scale, SpawnPool, Stop};
use crate::wire::object;
use crate::wire::rpc::{self, RpcError};
use crate::worker::Template;

/// Result of a method: nothing more to say now, or an answer at once.
pub(super) type Handled = Result<Option<String>, RpcError>;

/// The most queues that are paused or resumed at once.
const MAX_QUEUES: usize = 1000;

impl Master {
    fn refuse(&mut self, id: ClientId, under: &RawValue, error: RpcError) {
        if let Ok(line) = rpc::answer(under, &Err::<(), _>(error)) {
            self.clients.answer(id, &line);
        }
    }

    /// Does what a client asks, or begins to.
    pub(super) fn carry_out_request(&mut self, id: ClientId, request: Request) {
        let (store, under, call) = match request {
            Request::Nothing => return self.clients.no_answer(id),
            Request::Malformed(under, error) => return self.refuse(id, &under, error),
            Request::Message { store, id, call } => (store, id, call),
        };
        if let Err(error) = self.let_in(id, store.as_deref()) {
            return self.refuse(id, under.as_deref().unwrap_or(RawValue::NULL), error);
        }
        if self.clients.has_given_up(id) {
            return self.clients.no_answer(id);
        }
        let Some(under) = under else {
            // A notification: nothing of ours is one, except the nudge.
            if matches!(call, Ok(Call::Other { method, .. }) if method == "ping") {
                self.nudge();
            }
            return self.clients.no_answer(id);
        };
        let origin = Origin::Client(id, under);
        match call.and_then(|call| self.call(call, &origin)) {
            Ok(None) => {}
            Ok(Some(result)) => self.answer(&origin, Ok(result)),
            Err(error) => self.answer(&origin, Err(error)),
        }
    }

    /// Nothing is done for a client that means another store.
    fn let_in(&mut self, id: ClientId, store: Option<&RawValue>) -> Result<(), RpcError> {
        if let Some(store) = store {
            let bad = |e| RpcError::params(format!("`store` does not fit: {e}"));
            self.clients.greet(id, serde_json::from_str(store.get()).map_err(bad)?);
        }
        self.clients.refusal(id).map_or(Ok(()), |text| Err(RpcError::failed(5, text)))
    }

    fn call(&mut self, call: Call, origin: &Origin) -> Handled {
        match call {
            Call::Push(job) => self.push(origin.clone(), vec![job], PushAnswer::One),
            Call::PushMany { jobs, ids } => return Ok(self.push_many(origin, jobs, ids)),
            Call::AddToBulk { bulk, jobs } => return self.bulk_add(origin, bulk, jobs),
            Call::Jobs { method, params } => return self.change_jobs(origin, &method, params),
            Call::Other { method, params } => return self.method(&method, &params, origin),
        }
        Ok(None)
    }

    fn method(&mut self, method: &str, params: &str, origin: &Origin) -> Handled {
        match method {
            "ping" => {
                self.nudge();
                Ok(Some(format!("{{\"generation\":{}}}", self.fixed.generation)))
            }
            "status" => self.status_json().map(Some),
            "bulk.begin" => self.bulk_begin(origin),
            "bulk.commit" => self.bulk_commit(origin, &parse(params)?),
            "bulk.drop" => self.bulk_drop(origin, parse(params)?),
            "scale" => self.scale(origin, parse(params)?),
            "spawn" => self.spawn_pool(origin, &parse(params)?),
            "restart" => self.restart(origin, &parse(params)?),
            "stop" => self.stop_request(origin, &parse(params)?),
            "pause" => self.pause(origin, &parse(params)?, true),
            "resume" => self.pause(origin, &parse(params)?, false),
            "jobs.list" => self.ask(origin, Question::Jobs(or_default::<JobFilter>(params)?)),
            "runs.list" => self.ask(origin, Question::Runs(or_default::<RunFilter>(params)?)),
            "workers.list" => self.ask(origin, Question::Workers(or_default::<WorkerFilter>(params)?)),
            "jobs.show" => self.ask(origin, Question::Job(parse::<OneJob>(params)?.id)),
            "jobs.wait" => self.wait_for_job(origin, parse(params)?),
            "logs.follow" => self.follow(origin, or_default(params)?),
            _ => Err(RpcError {
                code: rpc::METHOD_NOT_FOUND,
                message: format!("there is no method `{method}`"),
                data: None,
            }),
        }
    }

    /// A client says that another process has written to the store.
    fn nudge(&mut self) {
        if let Some(writer) = &self.writer {
            writer.check();
        }
    }

    /// Nothing is promised while the store fails.
    pub(super) fn writable(&self) -> Result<(), RpcError> {
        match self.problems.get("store") {
            Some(problem) => Err(unavailable(problem, true)),
            None => Ok(()),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of every method")]
    fn command(&mut self, origin: &Origin, command: Command) -> Handled {
        let ticket = self.waits.open(Shape::Plain(origin.clone()));
        let caller = self.caller(origin);
        self.feed(Event::Command { ticket, caller, command });
        Ok(None)
    }

    fn scale(&mut self, origin: &Origin, params: Scale) -> Handled {
        if params.workers > MOST_WORKERS {
            return Err(RpcError::params(format!("`workers` is {}; the most is {MOST_WORKERS}", params.workers)));
        }
        let target = target(false, params.queue, params.pool, Vec::new())?;
        let handled = self.command(origin, Command::Scale { target, workers: params.workers, wait: !params.no_wait });
        self.make_room();
        handled
    }

    fn spawn_pool(&mut self, origin: &Origin, params: &SpawnPool) -> Handled {
        let pool = self.pool_config(params)?;
        let command = Command::AddPool { settings: Box::new(pool.settings.clone()), wait: !params.no_wait };
        let before: Vec<_> = self.core.pools().map(|(id, _)| id).collect();
        let handled = self.command(origin, command);
        // The source of its workers must be known before the core asks for the first, at its next settling.
        let new = self.core.pools().map(|(id, _)| id).find(|id| !before.contains(id));
        if let Some(id) = new {
            self.tell_pool(&pool.settings);
            self.pools.insert(id, pool);
            self.make_room();
        }
        handled
    }

    fn pool_config(&self, params: &SpawnPool) -> Result<PoolConfig, RpcError> {
        let bad = |text: String| RpcError::params(text);
        let mut limits = self.fixed.config.defaults.clone();
        let queues = params.queues.iter().map(|q| QueueName::new(q)).collect::<Result<Vec<_>, _>>();
        let queues = queues.map_err(|e| bad(e.to_string()))?;
        let command: Vec<_> = params.command.iter().flatten().cloned().map(OsText::into_os_string).collect();
        let kind = match params.kind.as_deref() {
            None => PoolKind::with_command(!command.is_empty()),
            Some(word) => PoolKind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == word)
                .ok_or_else(|| bad(format!("`kind` is `{word}`; use `protocol`, `exec` or `opaque`")))?,
        };
        if command.is_empty() && kind != PoolKind::Exec {
            return Err(bad(format!("a pool of kind `{}` needs a command", kind.as_str())));
        }
        if kind == PoolKind::Exec && !command.is_empty() {
            Template::parse(command.clone()).map_err(|e| bad(e.to_string()))?;
        }
        if queues.is_empty() && kind != PoolKind::Opaque {
            return Err(bad(String::from("a pool needs a queue; say which with --queue")));
        }
        limits.workers = params.workers.unwrap_or(limits.workers);
        if !(1..=MOST_WORKERS).contains(&limits.workers) {
            return Err(bad(format!("`workers` is {}; use 1 to {MOST_WORKERS}", limits.workers)));
        }
        let taken = |name: &str| self.core.pools().any(|(_, p)| p.settings.name.as_str() == name);
        let wish = queues.first().map_or("opaque", QueueName::as_str);
        let name = match &params.pool {
            Some(name) => PoolName::new(name).map_err(|e| bad(e.to_string()))?,
            None => free_name(wish, taken).ok_or_else(|| bad(format!("there is no free name like `{wish}`")))?,
        };
        let queues = QueueOrder::Strict(if kind == PoolKind::Opaque { Vec::new() } else { queues });
        let settings = PoolSettings { name, queues, kind, ready: ReadyWhen::Spawned, limits };
        let cwd = params.cwd.clone().map(|cwd| cwd.into_os_string().into());
        Ok(PoolConfig { settings, command, cwd, env: Vec::new(), protocol_fd: None })
    }

    fn restart(&mut self, origin: &Origin, params: &Restart) -> Handled {
        let target = target(params.all, params.queue.clone(), params.pool.clone(), params.workers.clone())?;
        if target == Target::All && !params.all {
            return Err(RpcError::params("say what to restart: --all, --queue, --pool or workers"));
        }
        self.command(origin, Command::Restart { target, at_once: params.now, wait: !params.no_wait })
    }

    fn stop_request(&mut self, origin: &Origin, params: &Stop) -> Handled {
        let grace = params.timeout_s.map(Duration::try_from_secs_f64).transpose();
        let grace = grace.map_err(|e| RpcError::params(format!("`timeout_s`: {e}")))?;
        let target = target(false, params.queue.clone(), None, params.workers.clone())?;
        if target != Target::All {
            return self.command(origin, Command::StopSome { target, grace, wait: !params.no_wait });
        }
        let caller = self.caller(origin);
        let workers = self.core.workers().filter(|(_, worker)| worker.is_alive()).count() as u64;
        self.stop(grace, caller);
        if params.no_wait || caller.is_some() {
            if !params.no_wait {
                self.note_at_once(origin, caller);
            }
            return Ok(Some(result_of(Done::Stopped { workers, released: 0 })));
        }
        self.stop_waiters.push(origin.clone());
        Ok(None)
    }

    fn pause(&mut self, origin: &Origin, params: &Queues, paused: bool) -> Handled {
        let names = params.queues.iter().map(|q| QueueName::new(q)).collect::<Result<Vec<_>, _>>();
        let names = names.map_err(|e| RpcError::params(e.to_string()))?;
        if names.is_empty() {
            return Err(RpcError::params("say which queues"));
        }
        if names.len() > MAX_QUEUES {
            return Err(RpcError::params(format!(
                "{} queues are too many at once; the most is {MAX_QUEUES}",
                names.len()
            )));
        }
        if let Some(name) = names.iter().find(|name| !params.force && !self.knows_queue(name)) {
            let text = refusals::no_queue(name.as_str(), self.known_queues());
            return Err(RpcError::failed(4, format!("{text}; `--force` takes it as it is")));
        }
        self.writable()?;
        let command =
            if paused { Command::Pause { queues: names.clone() } } else { Command::Resume { queues: names.clone() } };
        let gathered = Gathered::Queues { names: names.clone(), paused };
        let group = self.waits.gather(origin.clone(), names.len(), gathered);
        let now = self.clock.now();
        for queue in names {
            self.batches.add(change::Request::Pause { queue, paused }, Answered::Paused { group }, true, true, now);
        }
        self.feed(Event::Command { ticket: Ticket(0), caller: None, command });
        Ok(None)
    }

    /// Queues that a pool serves, or that are on record.
    fn known_queues(&self) -> impl Iterator<Item = &str> {
        self.served().chain(self.totals.all().map(|queue| &queue.name)).map(QueueName::as_str)
    }

    fn knows_queue(&self, name: &QueueName) -> bool {
        self.totals.of(name).is_some() || self.served().any(|known| known == name)
    }

    /// Queues that a pool serves.
    pub(super) fn served(&self) -> impl Iterator<Item = &QueueName> {
        self.core.pools().flat_map(|(_, pool)| pool.settings.queues.names())
    }

    fn ask(&mut self, origin: &Origin, question: Question) -> Handled {
        match self.reader.ask(Asked::Answer(origin.clone()), question) {
            Ok(()) => Ok(None),
            Err(_) => Err(busy()),
        }
    }

    fn wait_for_job(&mut self, origin: &Origin, params: OneJob) -> Handled {
        let wait = params.timeout_s.map(Duration::try_from_secs_f64).transpose();
        let wait = wait.map_err(|e| RpcError::params(format!("`timeout_s`: {e}")))?;
        let until = wait.map(|wait| self.clock.now().mono + wait);
        let caller = self.caller(origin);
        self.refuse_own_wait(caller, params.id)?;
        let waiter = JobWaiter { origin: origin.clone(), until, heard: 0, caller };
        self.look_up(waiter, params.id);
        Ok(None)
    }

    fn change_jobs(&mut self, origin: &Origin, method: &str, params: Jobs) -> Handled {
        self.writable()?;
        let change = match method {
            "jobs.cancel" => JobAction::Cancel,
            "jobs.delete" => JobAction::Delete,
            _ => JobAction::Retry,
        };
        let gathered = Gathered::Jobs(ChangedJobs::default(), String::new());
        if params.all && change == JobAction::Retry {
            let queue = params.queue.map(|q| QueueName::new(&q)).transpose();
            let queue = queue.map_err(|e| RpcError::params(e.to_string()))?;
            let group = self.waits.gather(origin.clone(), 1, gathered);
            self.retry_dead(group, queue, None);
            return Ok(None);
        }
        if params.ids.is_empty() {
            return Err(RpcError::params("say which jobs, by their ids"));
        }
        let group = self.waits.gather(origin.clone(), params.ids.len(), gathered);
        let (caller, wait) = (self.caller(origin), !params.no_wait);
        self.waits.tasks.push_back(Task { group, change, wait, caller, jobs: params.ids.into_iter() });
        Ok(None)
    }

    fn follow(&mut self, origin: &Origin, which: Follow) -> Handled {
        match origin {
            Origin::Client(id, _) => {
                self.clients.follow(*id, which);
                Ok(Some(String::from("true")))
            }
            Origin::Worker(..) => Err(RpcError::params("a worker cannot follow the log")),
        }
    }

    /// Whether the master is on its way out.
    pub(super) fn is_stopping(&self) -> bool {
        self.core.phase() != Phase::Running
    }
}

/// The error while the store cannot be written. `certain`: nothing was changed, nor will be.
pub(super) fn unavailable(problem: &str, certain: bool) -> RpcError {
    let text = if certain {
        format!("nothing was changed: {problem}")
    } else {
        format!("it is unknown whether anything was or will be changed: {problem}")
    };
    RpcError { code: rpc::UNAVAILABLE, ..RpcError::failed(1, text) }
}

/// The error when the reader has too much to do.
pub(super) fn busy() -> RpcError {
    RpcError::failed(1, "too many questions are waiting; try again")
}

pub(super) fn parse<'a, T: Deserialize<'a>>(params: &'a str) -> Result<T, RpcError> {
    object::read(params).map_err(|e| RpcError::params(format!("the params do not fit: {e}")))
}

fn or_default<T: DeserializeOwned + Default>(params: &str) -> Result<T, RpcError> {
    if params == "null" { Ok(T::default()) } else { parse::<T>(params) }
}

fn target(all: bool, queue: Option<String>, pool: Option<String>, workers: Vec<String>) -> Result<Target, RpcError> {
    let given = usize::from(all) + usize::from(queue.is_some()) + usize::from(pool.is_some());
    if given + usize::from(!workers.is_empty()) > 1 {
        return Err(RpcError::params("give one of: all, a queue, a pool, workers"));
    }
    let bad = |e: crate::model::NameError| RpcError::params(e.to_string());
    Ok(match (queue, pool) {
        (Some(queue), _) => Target::Queue(QueueName::new(&queue).map_err(bad)?),
        (None, Some(pool)) => Target::Pool(PoolName::new(&pool).map_err(bad)?),
        (None, None) if !workers.is_empty() => Target::Workers(workers),
        (None, None) => Target::All,
    })
}
