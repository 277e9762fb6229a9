//! Reloads: the file is read again by the reader, compared with what is in force, and put in force.
//!
//! Invariant: a file that is wrong anywhere, or that cannot be put in force, changes nothing.

use std::sync::Arc;

use super::begin::{Begun, busy};
use super::operate::refused_to_listen;
use super::{Answer, Refused};
use crate::config::{self, Config, JobLimits, Loaded, PoolConfig};
use crate::core::{Command, Done, PoolChanges, Ticket};
use crate::master::Master;
use crate::master::reader::{self, Found, Origin};
use crate::model::done::Reloaded;
use crate::model::reload::{FileChange, FilePart, Takeover};
use crate::report::Event;
use crate::wire::control::Reload;

impl Master {
    pub(super) fn reload_request(&mut self, ticket: Ticket, params: Reload) -> Begun {
        let Reload { dry_run, no_wait } = params;
        self.read_again(reader::Reload { ticket: Some(ticket), dry_run, waits: !no_wait })?;
        if !dry_run {
            self.notify.reloading();
        }
        Ok(None)
    }

    pub(in crate::master) fn reload_on_hangup(&mut self) {
        self.notify.reloading();
        let read = self.read_again(reader::Reload { ticket: None, dry_run: false, waits: false });
        if let Err(refused) = read {
            self.not_reloaded(None, refused);
            self.notify.reloaded();
        }
    }

    fn read_again(&self, reload: reader::Reload) -> Result<(), Refused> {
        self.refuse_while_stopping()?;
        self.refuse_if_single()?;
        let Some(read) = self.in_force.config.file.clone() else {
            let text = "the master runs without a configuration file, so there is nothing to read again; \
                        start one with `queue-work --config FILE`";
            return Err(Refused::Failed(5, text.to_owned()));
        };
        let question = reader::Question::Configuration(Arc::clone(&self.fixed.inputs), read);
        if self.requests.reader.ask(Origin::Reload(reload), question) { Ok(()) } else { Err(busy()) }
    }

    fn refuse_while_stopping(&self) -> Result<(), Refused> {
        if self.is_stopping() { Err(Refused::Failed(5, "the master is stopping".to_owned())) } else { Ok(()) }
    }

    /// The reader has read the file.
    pub(in crate::master) fn configuration_was_read(&mut self, reload: reader::Reload, found: Found) {
        let later = match (found.configuration, found.text) {
            (Some(later), _) => Ok(*later),
            (None, text) => Err(text.err().unwrap_or_else(busy)),
        };
        match later.and_then(|later| self.reload(reload, later)) {
            Ok(None) => {}
            Ok(Some(answer)) => {
                if let Some(ticket) = reload.ticket {
                    self.answer(ticket, Ok(answer));
                }
            }
            Err(refused) => self.not_reloaded(reload.ticket, refused),
        }
        self.notify.reloaded();
    }

    fn not_reloaded(&mut self, ticket: Option<Ticket>, refused: Refused) {
        match (ticket, refused) {
            (Some(ticket), refused) => self.answer(ticket, Err(refused)),
            (None, Refused::Params(text) | Refused::Failed(_, text) | Refused::Unavailable(text)) => {
                text.lines().for_each(|line| self.complain(format!("the configuration is not reloaded: {line}")));
            }
        }
    }

    fn reload(&mut self, reload: reader::Reload, later: Loaded) -> Begun {
        self.refuse_while_stopping()?;
        let (changes, config) = (config::changes(&self.in_force, &later), &later.config);
        let pools = pool_changes(&self.in_force.config, config, &changes);
        for pool in &pools.added {
            self.refuse_taken(pool.name.as_str())?;
        }
        let file = config.file.as_ref().map(|read| read.file.display().to_string()).unwrap_or_default();
        let warnings = later.warnings.iter().map(ToString::to_string).collect();
        let done = Reloaded { file, changes, applied: !reload.dry_run, warnings, ..Reloaded::default() };
        if reload.dry_run {
            return Ok(Some(Answer::Done(Done::Reloaded(Box::new(done)))));
        }
        let at = (&*self.in_force.config.socket, self.clients.owner_id());
        self.gateway.listen(at, config.pools.iter()).map_err(refused_to_listen)?;
        if reload.ticket.is_none() {
            done.warnings.iter().for_each(|warning| self.complain(warning.clone()));
        }
        self.say(Event::Reloaded { file: done.file.clone(), changes: done.changes.clone() });
        config::put_in_force(&mut self.in_force, later);
        let ticket = reload.ticket.unwrap_or_else(|| self.requests.table.unasked());
        self.command(ticket, Command::Reload { changes: pools, done: Box::new(done), wait: reload.waits });
        self.heed_configuration();
        Ok(None)
    }

    /// Refuses a pool of the file whose name a pool has that was added while the master ran.
    fn refuse_taken(&self, name: &str) -> Result<(), Refused> {
        self.refuse_confusable(name)?;
        if self.core.pools().any(|(_, pool)| pool.settings.name.as_str() == name && !pool.removed) {
            let text = format!("a pool `{name}` was added by `spawn`, and the file has one of this name now");
            return Err(Refused::Failed(
                5,
                format!("{text}; end it with `queue-work stop --pool {name}`, then reload"),
            ));
        }
        Ok(())
    }

    /// Tells everybody but the core what is in force.
    fn heed_configuration(&mut self) {
        let Config { pools, keep, together, telemetry, log_file_bytes, log_files, .. } = self.in_force.config.clone();
        self.core.keep_records_for(keep);
        self.core.scale_together(together);
        self.traces.sample(telemetry.sample);
        self.logs.limit(log_file_bytes, log_files as usize);
        self.requests.reader.complete_with(JobLimits::new(&self.in_force.config));
        // Workers must be started by it before the core asks for the first, at its next settling.
        for pool in pools {
            let Some(id) = self.core.pool_named(&pool.settings.name) else { continue };
            if !self.spawner.has_pool(id) {
                self.tell_pool(&pool.settings);
            }
            self.spawner.add_pool(id, pool);
        }
        self.arm_processors();
        self.limit_queues();
        self.hooks_changed();
        self.make_room();
    }
}

/// The changes of pools, as the core takes them.
fn pool_changes(was: &Config, now: &Config, changes: &[FileChange]) -> PoolChanges {
    let of = |pool: &PoolConfig| {
        let name = pool.settings.name.as_str();
        changes.iter().filter(|c| c.kind == FilePart::Pools && c.name.as_deref() == Some(name)).collect::<Vec<_>>()
    };
    let mut pools = PoolChanges::default();
    for pool in &now.pools {
        let changes = of(pool);
        match changes.first() {
            Some(FileChange { key: None, .. }) => pools.added.push(pool.settings.clone()),
            Some(_) => {
                let anew = changes.iter().any(|change| change.how == Takeover::Rolling);
                pools.changed.push((pool.settings.clone(), anew));
            }
            None => {}
        }
    }
    let is_gone =
        |pool: &&PoolConfig| of(pool).first().is_some_and(|change| change.now.is_none() && change.key.is_none());
    pools.gone = was.pools.iter().filter(is_gone).map(|pool| pool.settings.name.clone()).collect();
    pools
}
