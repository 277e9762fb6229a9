//! Once a second: health of workers, and for the master loads of services and rows of tables where they have changed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::shell::Shell;
use crate::model::PoolName;
use crate::model::service::CallLoad;
use crate::wire::gateway::{FromGateway, rows_of_packets};

const EVERY: Duration = Duration::from_secs(1);

/// Keeps at it, for ever.
pub(super) async fn keep(shell: Rc<Shell>) {
    let mut told = BTreeMap::new();
    loop {
        sleep(EVERY).await;
        let now = shell.now().mono;
        let workers: Vec<_> = shell.workers.borrow().values().cloned().collect();
        for worker in workers {
            worker.check_health(&shell, now);
        }
        if shell.has_changed.take() || told.values().any(CallLoad::has_calls) {
            told = tell_changes(&shell, &told);
        }
        tell_rows(&shell);
        let dropped = shell.channel.take_dropped();
        if dropped > 0 {
            log::warn!("{dropped} packets of what workers printed were dropped, because the master did not keep up");
        }
    }
}

/// Rows of shared tables that have changed, for the master to keep.
pub(super) fn tell_rows(shell: &Shell) {
    let changed = shell.tables.borrow_mut().take_changed();
    for rows in rows_of_packets(changed.into_iter()) {
        shell.channel.say(&FromGateway::Rows { rows });
    }
}

/// Tells the master the loads that are others than those before.
fn tell_changes(shell: &Shell, before: &BTreeMap<PoolName, CallLoad>) -> BTreeMap<PoolName, CallLoad> {
    let loads = shell.loads();
    for (pool, load) in loads.iter().filter(|(pool, load)| before.get(*pool) != Some(load)) {
        shell.tell_load(pool, load.clone());
    }
    loads
}

impl Shell {
    /// The load of each service, with the health of its workers.
    pub(super) fn loads(&self) -> BTreeMap<PoolName, CallLoad> {
        let now = self.now().mono;
        let mut loads = self.with_calls(|calls| calls.loads(now));
        for worker in self.workers.borrow().values() {
            if let Some(load) = loads.get_mut(&worker.pool) {
                load.health = load.health.take().max(worker.health());
            }
        }
        loads
    }

    /// Tells the master at once that a service without workers has calls.
    pub(super) fn tell_that_calls_wait(&self, pool: &PoolName) {
        if let Some(load) = self.loads().remove(pool) {
            self.tell_load(pool, load);
        }
    }

    fn tell_load(&self, pool: &PoolName, load: CallLoad) {
        let workers = self.workers.borrow();
        let ids = workers.values().filter(|worker| worker.pool == *pool).map(|worker| worker.id);
        let calls = self.with_calls(|calls| ids.map(|id| (id, calls.calls_done(id))).collect());
        self.channel.say(&FromGateway::Load { pool: pool.clone(), load: Box::new(load), calls });
    }
}
