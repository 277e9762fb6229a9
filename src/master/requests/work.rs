//! A single worker that is lent to a client, for as long as its connection is open.
//!
//! Invariant: a pool that is lent never outlives the connection of its client by more than the job that runs.

use super::begin::Begun;
use super::operate::{bad, duration, kind_of};
use super::{Answer, Peer, Refused};
use crate::config::{OwnProgram, PoolConfig};
use crate::core::{Command, Event, Target, Ticket, Worked};
use crate::master::Master;
use crate::master::clients::ClientId;
use crate::master::codec::control;
use crate::master::finish::undrained;
use crate::master::workers::free_name;
use crate::model::{OsText, PoolKind, PoolName, QueueName, Until};
use crate::report;
use crate::wire::control::{Follow, Work};

impl Master {
    pub(super) fn work(&mut self, ticket: Ticket, params: &Work) -> Begun {
        self.refuse_if_single()?;
        let Some(Peer::Client(client)) = self.requests.table.peer(ticket) else {
            return Err(bad("a worker cannot have a worker"));
        };
        if self.caller(ticket).is_some() {
            let text = "this was called from a job, which cannot wait for a worker of its own; push jobs instead";
            return Err(Refused::Failed(5, text.to_owned()));
        }
        let pool = self.pool_to_lend(client, params)?;
        let max_time = duration("max_time_s", params.max_time_s)?;
        let until = Until { drained: params.drain, max_jobs: params.max_jobs, max_time };
        self.clients.follow(client, Follow { worker: Some(format!("{}-1", pool.settings.name)), ..Follow::default() });
        self.tell_client(ticket, &Self::pool_started(&pool.settings));
        self.command(ticket, Command::Lend { settings: Box::new(pool.settings.clone()), until });
        self.open_pool(pool);
        Ok(None)
    }

    /// One worker like those of a pool that serves the first queue.
    fn pool_to_lend(&self, client: ClientId, params: &Work) -> Result<PoolConfig, Refused> {
        let queues = params.queues.iter().map(|q| QueueName::new(q)).collect::<Result<Vec<_>, _>>().map_err(bad)?;
        let Some(first) = queues.first() else { return Err(bad("a worker needs a queue; say which with --queue")) };
        let wish = format!("work.{}", self.clients.pid_of(client));
        let is_used = |name: &str| self.core.pools().any(|(_, pool)| pool.settings.name.as_str() == name);
        let name = free_name(&wish, is_used).ok_or_else(|| bad(format!("there is no free name like `{wish}`")))?;
        let mut serving = self.core.pools().filter(|(_, pool)| !pool.removed && pool.serves(first));
        let like = serving.find_map(|(id, _)| self.spawner.pool(id)).cloned();
        let like = like.unwrap_or_else(|| self.in_force.config.pool_of_defaults(name.clone()));
        let command: Vec<_> = params.command.iter().flatten().cloned().map(OsText::into_os_string).collect();
        let kind = kind_of(params.kind.as_deref(), !command.is_empty())?;
        if kind == PoolKind::Opaque {
            return Err(bad("an opaque worker takes no jobs; use `spawn`"));
        }
        let cwd = params.cwd.clone().map(|cwd| cwd.into_os_string().into());
        let own = (!command.is_empty()).then_some(OwnProgram { kind, command, cwd });
        let timeout = duration("timeout_s", params.timeout_s)?;
        let mut pool = like.single(name, queues, own, timeout).map_err(bad)?;
        // The pool whose queue it is tells of that.
        pool.settings.hooks.on_idle.clear();
        Ok(pool)
    }

    /// Tells a client of something that happens at its pool.
    pub(in crate::master) fn tell_client(&mut self, ticket: Ticket, event: &report::Event) {
        if let Some(Peer::Client(client)) = self.requests.table.peer(ticket) {
            self.clients.tell(client, &control::event(event));
        }
    }

    /// A lent pool is gone.
    pub(super) fn answer_worked(&mut self, ticket: Ticket, worked: Worked) {
        let Worked { dead, undrained: left } = worked;
        match undrained(dead, left) {
            None => self.answer_when_committed(ticket, Answer::Yes),
            Some(why) => self.answer(ticket, Err(Refused::Failed(1, why))),
        }
    }

    /// Ends the pools whose clients have gone.
    pub(in crate::master) fn end_pools_of_the_gone(&mut self) {
        let is_there = |ticket: Ticket| match self.requests.table.peer(ticket) {
            Some(Peer::Client(client)) => !self.clients.has_left(client),
            Some(Peer::Worker(_) | Peer::Order(_)) | None => false,
        };
        let gone = self.core.lent().filter(|(_, client)| !is_there(*client));
        let gone: Vec<PoolName> = gone.map(|(pool, _)| pool.settings.name.clone()).collect();
        for target in gone.into_iter().map(Target::Pool) {
            let (ticket, grace) = (self.requests.table.unasked(), self.core.grace_of_lent(&target));
            self.feed(Event::Command {
                ticket,
                caller: None,
                command: Command::StopSome { target, grace, wait: false },
            });
        }
    }

    /// A master that is the single worker of a `work` stays one.
    pub(super) fn refuse_if_single(&self) -> Result<(), Refused> {
        if self.in_force.config.single.is_none() {
            return Ok(());
        }
        let (pid, database) = (self.fixed.pid, self.in_force.config.database.to_string());
        let text = format!("a single worker, `queue-work work` with pid {pid}, runs on `{database}`");
        Err(Refused::Failed(5, text + "; end it with `queue-work stop`, and start a master with `queue-work start`"))
    }
}
