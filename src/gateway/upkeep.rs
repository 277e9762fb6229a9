//! Once a second: health of workers, and for the master loads of services where they have changed, and what it is to record.
//!
//! Invariant: where nothing goes on and no worker is asked how it is, nothing wakes the gateway.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::shell::Shell;
use crate::model::service::CallLoad;
use crate::model::{PoolName, WorkerId};
use crate::wire::gateway::{FromGateway, calls_of_packets, rows_of_packets, spans_of_packets};

const EVERY: Duration = Duration::from_secs(1);

/// Keeps at it, for ever.
pub(super) async fn keep(shell: Rc<Shell>) {
    let mut told = BTreeMap::new();
    loop {
        if is_quiet(&shell, &told) {
            shell.stirred().await;
        }
        sleep(EVERY).await;
        let now = shell.mono();
        let workers: Vec<_> = shell.workers.borrow().values().cloned().collect();
        for worker in workers {
            worker.check_health(&shell, now);
        }
        if shell.take_changed() || told.values().any(changes_by_itself) {
            told = tell_changes(&shell, &told);
        }
        tell_records(&shell);
        let dropped = shell.channel.take_dropped();
        if dropped > 0 {
            log::warn!(
                "{dropped} packets of what workers printed and of spans were dropped, because the master did not keep up"
            );
        }
    }
}

/// Whether nothing is to be done until something changes.
fn is_quiet(shell: &Shell, told: &BTreeMap<PoolName, CallLoad>) -> bool {
    let workers = shell.workers.borrow();
    !told.values().any(changes_by_itself) && !workers.values().any(|worker| worker.is_watched())
}

/// Whether a load is another one after a while, as there are times in it.
const fn changes_by_itself(load: &CallLoad) -> bool {
    load.has_calls() || load.circuit_open_s.is_some()
}

/// Rows of shared tables that have changed, calls to be put on record, and spans, for the master to keep or to send.
pub(super) fn tell_records(shell: &Shell) {
    let changed = shell.tables.borrow_mut().take_changed();
    for rows in rows_of_packets(changed.into_iter()) {
        shell.channel.say(&FromGateway::Rows { rows });
    }
    for calls in calls_of_packets(shell.logged.take().into_iter()) {
        shell.channel.say(&FromGateway::Calls { calls });
    }
    for spans in spans_of_packets(shell.traced.take().into_iter()) {
        shell.channel.say_if_room(&FromGateway::Spans { spans });
    }
}

/// Tells the master the loads that are others than those before.
fn tell_changes(shell: &Shell, before: &BTreeMap<PoolName, CallLoad>) -> BTreeMap<PoolName, CallLoad> {
    let loads = shell.loads();
    for (pool, load) in loads.iter().filter(|(pool, load)| before.get(*pool) != Some(load)) {
        shell.tell_load(pool, load.clone(), |_| true);
    }
    loads
}

impl Shell {
    /// The load of each service, with the health of its workers.
    pub(super) fn loads(&self) -> BTreeMap<PoolName, CallLoad> {
        let now = self.mono();
        let mut loads = self.with_calls(|calls| calls.loads(now));
        for worker in self.workers.borrow().values() {
            if let Some(load) = loads.get_mut(&worker.pool) {
                load.health = load.health.take().max(worker.health());
            }
        }
        loads
    }

    /// Tells the master the load of a service at once, and what one worker of it has answered.
    pub(super) fn tell_load_of(&self, pool: &PoolName, worker: Option<WorkerId>) {
        if let Some(load) = self.loads().remove(pool) {
            self.tell_load(pool, load, |id| Some(id) == worker);
        }
    }

    fn tell_load(&self, pool: &PoolName, load: CallLoad, tells_of: impl Fn(WorkerId) -> bool) {
        let workers = self.workers.borrow();
        let ids = workers.values().filter(|worker| worker.pool == *pool && tells_of(worker.id)).map(|worker| worker.id);
        let calls = self.with_calls(|calls| ids.map(|id| (id, calls.calls_done(id))).collect());
        self.channel.say(&FromGateway::Load { pool: pool.clone(), load: Box::new(load), calls });
    }
}
