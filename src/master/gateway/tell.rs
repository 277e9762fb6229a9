//! Telling the gateway of services, listeners and workers: the difference to what it was told before; a new one all.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::{Listening, Running};
use crate::config::{PoolConfig, ServiceConfig};
use crate::core::{Command, Event, Gate, Handle, Phase, Pool, PoolId, SlotState, SlotView, Target};
use crate::master::Master;
use crate::master::pipes::Pipes;
use crate::model::listen::{Address, Place};
use crate::model::problem::Topic;
use crate::model::service::{Absence, Declared, Framing, ServiceSettings, Strategy};
use crate::model::table::TableRow;
use crate::model::worker::{EndReason, Exit};
use crate::model::{LastLines, PoolKind, PoolName, ReadyWhen, Slot, WorkerId};
use crate::report::{events, words};
use crate::wire::gateway::{ToGateway, rows_of_packets};

impl Master {
    /// Tells a new gateway all there is.
    pub(super) fn tell_everything(&mut self) {
        let own: Option<Vec<Arc<OwnedFd>>> =
            [self.gateway.marks.clone(), self.gateway.listeners.of_calls()].into_iter().collect();
        let Some(own) = own else { return };
        self.gateway.say(&ToGateway::Begin, own);
        let row = |((table, key), columns): (&(String, String), &String)| TableRow {
            table: table.clone(),
            key: key.clone(),
            columns: Some(columns.clone()),
        };
        for rows in rows_of_packets(self.gateway.rows.iter().map(row)) {
            self.gateway.say(&ToGateway::Rows { rows }, Vec::new());
        }
        self.tell_changes();
        let workers: Vec<WorkerId> = self.core.workers().map(|(id, _)| id).collect();
        for worker in workers {
            self.introduce(worker);
        }
        self.gateway.say(&ToGateway::Told, Vec::new());
    }

    /// Hands on the sockets at these places, which are others now: workers that listen there themselves are replaced.
    pub(super) fn hand_on(&mut self, new: &BTreeSet<Place>) {
        if let Some(calls) = self.gateway.listeners.of_calls() {
            self.gateway.say(&ToGateway::Calls, vec![calls]);
        }
        if let Some(running) = &mut self.gateway.running {
            running.listening.retain(|place, _| !new.contains(place));
        }
        self.tell_changes();
        let listens = |pool: &PoolConfig| {
            let service = pool.service.as_ref().filter(|_| pool.settings.kind == PoolKind::Server)?;
            service.listen.iter().any(|address| new.contains(&address.place)).then(|| pool.settings.name.clone())
        };
        let open = self.core.pools().filter(|(_, pool)| !pool.removed);
        let servers: Vec<PoolName> = open.filter_map(|(id, _)| listens(self.spawner.pool(id)?)).collect();
        for pool in servers {
            self.command_unasked(Command::Restart { target: Target::Pool(pool), grace: None, wait: false });
        }
    }

    /// Tells the gateway what is different.
    pub(super) fn tell_changes(&mut self) {
        if self.gateway.running.as_ref().is_some_and(|running| self.knows_all(running)) {
            return;
        }
        let services = self.services();
        let listening = self.listening();
        let is_stopping = self.core.phase() != Phase::Running;
        let gateway = &mut self.gateway;
        let Some(running) = &mut gateway.running else { return };
        let mut said = Vec::new();
        for (name, settings) in &services {
            if running.services.get(name) != Some(settings) {
                let services = BTreeMap::from([(name.clone(), settings.clone())]);
                said.push((ToGateway::Services { services }, Vec::new()));
            }
        }
        let old = |(place, was): &(&Place, &Listening)| listening.get(*place) != Some(*was);
        for (_, (pool, address, _)) in running.listening.iter().filter(old) {
            said.push((ToGateway::Unlisten { pool: pool.clone(), address: address.clone() }, Vec::new()));
        }
        for (place, now) in listening.iter().filter(|(place, now)| running.listening.get(*place) != Some(*now)) {
            let (pool, address, framing) = now.clone();
            let socket = gateway.listeners.socket(place).into_iter().collect();
            said.push((ToGateway::Listen { pool, address, framing }, socket));
        }
        for pool in running.services.keys().filter(|name| !services.contains_key(*name)) {
            said.push((ToGateway::Forget { pool: pool.clone() }, Vec::new()));
        }
        if is_stopping && !running.told_to_stop {
            running.told_to_stop = true;
            said.push((ToGateway::Stop, Vec::new()));
        }
        (running.services, running.listening) = (services, listening);
        for (what, descriptors) in said {
            self.gateway.say(&what, descriptors);
        }
    }

    /// Whether nothing is different; asked each turn.
    fn knows_all(&self, running: &Running) -> bool {
        let is_stopping = self.core.phase() != Phase::Running;
        let (mut services, mut places) = (0, 0);
        for (id, pool) in self.core.pools() {
            let Some(service) = self.called(id) else { continue };
            let Some(told) = running.services.get(&pool.settings.name) else { return false };
            let has_slots = || pool.slots().map(|slot| slot.slot).eq(told.slots.iter().copied());
            let is_same = if told.slots.is_empty() && told.absence.is_none() {
                *told == service.settings
                    && (told.strategy != Strategy::Sticky || has_slots())
                    && self.absence(pool).is_none()
            } else {
                let is_sticky = told.strategy == Strategy::Sticky;
                (!is_sticky || has_slots())
                    && told.absence == self.absence(pool)
                    && ServiceSettings { slots: BTreeSet::new(), absence: None, ..told.clone() } == service.settings
            };
            let is_told = |address: &Address| {
                let (name, framing) = (&pool.settings.name, framing_at(service, address));
                running.listening.get(&address.place).is_some_and(|told| told.0 == *name && told.2 == framing)
            };
            if !is_same || !(pool.removed || service.listen.iter().all(is_told)) {
                return false;
            }
            services += 1;
            places += if pool.removed { 0 } else { service.listen.len() };
        }
        services == running.services.len() && places == running.listening.len() && is_stopping == running.told_to_stop
    }

    /// All services, those included that have workers left only. Of two with one name, the newer.
    fn services(&self) -> BTreeMap<PoolName, ServiceSettings> {
        let settings = |(id, pool): (PoolId, &Pool)| {
            let service = self.called(id)?;
            let mut settings = service.settings.clone();
            if settings.strategy == Strategy::Sticky {
                settings.slots = pool.slots().map(|slot| slot.slot).collect::<BTreeSet<Slot>>();
            }
            settings.absence = self.absence(pool);
            Some((pool.settings.name.clone(), settings))
        };
        self.core.pools().filter_map(settings).collect()
    }

    /// Why a service has no worker. Callers are not told what its workers printed.
    fn absence(&self, pool: &Pool) -> Option<Absence> {
        let name = &pool.settings.name;
        let current = |slot: SlotView<'_>| slot.state.current().and_then(|worker| self.core.worker(worker));
        if pool.removed {
            None
        } else if pool.wanted == 0 {
            let why = || format!("it is scaled to 0; `queue-work scale 1 --pool {name}` starts one");
            (!pool.waits_for_jobs()).then(why).map(Absence::Closed)
        } else if pool.slots().filter_map(current).any(Handle::is_ready) {
            None
        } else if pool.is_over() {
            Some(Absence::Closed(format!(
                "all have ended for good; `queue-work restart --pool {name}` starts them, `queue-work status {name}` says why"
            )))
        } else if pool.gate != Gate::Open {
            Some(Absence::Awaited(format!("it waits for {}", words::list(&self.core.waits_for(pool)))))
        } else if pool.slots().any(|slot| slot.problem.is_some()) {
            Some(Absence::Awaited("its workers do not come up, or do not stay up".to_owned()))
        } else {
            let is_capped = pool.slots().all(|slot| slot.state == SlotState::Empty);
            let is_capped = is_capped && self.core.problem_of(Topic::Processes).is_some();
            is_capped.then(|| Absence::Awaited("as many processes run as `max_processes` allows".to_owned()))
        }
    }

    /// The service that the gateway carries calls for.
    fn called(&self, id: PoolId) -> Option<&ServiceConfig> {
        self.spawner.pool(id).filter(|pool| pool.settings.is_service())?.service.as_ref()
    }

    /// Everything that the gateway listens at.
    fn listening(&self) -> BTreeMap<Place, Listening> {
        let open = self.core.pools().filter(|(_, pool)| !pool.removed);
        let of_pool = |(id, pool): (PoolId, &Pool)| {
            let (name, service) = (pool.settings.name.clone(), self.called(id)?.clone());
            Some(service.listen.clone().into_iter().map(move |address| {
                let framing = framing_at(&service, &address);
                (address.place.clone(), (name.clone(), address.to_string(), framing))
            }))
        };
        open.filter_map(of_pool).flatten().collect()
    }

    /// Hands a worker that was started to the gateway, if it is of a service: as that is to be by now.
    pub(in crate::master) fn hand_over(&mut self, worker: WorkerId) {
        if self.children.get(worker).is_some_and(Pipes::is_of_gateway) {
            self.tell_changes();
            self.introduce(worker);
        }
    }

    fn introduce(&mut self, worker: WorkerId) {
        let Some(ends) = self.children.get(worker).and_then(Pipes::ends) else { return };
        // A worker that leaves gets no call any more.
        let Some(known) = self.core.worker(worker).filter(|known| known.state.leaves().is_none()) else { return };
        let Some(pool) = self.core.pool(known.pool) else { return };
        let declared = match self.gateway.declared.get(&worker) {
            // A worker that need not say that it is ready is ready, and declares nothing.
            None if pool.settings.ready == ReadyWhen::Spawned => Some(Box::<Declared>::default()),
            declared => declared.cloned(),
        };
        let packet = ToGateway::Worker { worker, pool: pool.settings.name.clone(), slot: known.slot, declared };
        if let Some(running) = &mut self.gateway.running {
            running.workers.insert(worker, 0);
        }
        self.gateway.say(&packet, ends.into());
    }

    /// The worker gets no more calls.
    pub(in crate::master) fn drain_worker(&mut self, worker: WorkerId, why: EndReason, grace: Duration) {
        match &self.gateway.running {
            Some(Running { link: Some(_), workers, .. }) if workers.contains_key(&worker) => {
                self.gateway.say(&ToGateway::Drain { worker, why: why.as_str().to_owned(), grace }, Vec::new());
            }
            // A gateway that does not know the worker has no call for it.
            Some(_) | None => self.feed(Event::Drained { worker }),
        }
    }

    /// The worker has ended.
    pub(in crate::master) fn service_worker_ended(&mut self, worker: WorkerId, exit: Option<Exit>, last: &LastLines) {
        self.gateway.declared.remove(&worker);
        self.gateway.unmark(worker);
        let mut how = exit.map_or_else(|| "exit code unknown".to_owned(), events::exit);
        if !last.stderr.is_empty() {
            how.push_str(": ");
            how.push_str(&last.stderr);
        }
        self.gateway.part_from(worker, how);
    }
}

fn framing_at(service: &ServiceConfig, address: &Address) -> Framing {
    if address.http { Framing::Http } else { service.framing }
}

impl super::Gateway {
    /// Says it, if there is somebody to hear it.
    fn say(&mut self, what: &ToGateway, descriptors: Vec<Arc<OwnedFd>>) {
        if let Some(link) = self.link() {
            link.say(what, descriptors);
        }
    }

    /// A worker that takes no call any more, nor has the gateway its pipes. Once for each.
    pub(in crate::master) fn part_from(&mut self, worker: WorkerId, how: String) {
        if self.running.as_mut().is_some_and(|running| running.workers.remove(&worker).is_some()) {
            self.say(&ToGateway::Gone { worker, how }, Vec::new());
        }
    }
}
