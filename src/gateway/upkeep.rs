//! Once a second: health of workers, and statistics for the master where they have changed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use tokio::time::sleep;

use super::shell::Shell;
use crate::model::service::ServiceStats;
use crate::model::{PoolName, WorkerId};
use crate::wire::gateway::FromGateway;

const EVERY: Duration = Duration::from_secs(1);

type Told = BTreeMap<PoolName, (BTreeMap<WorkerId, u64>, ServiceStats)>;

/// Keeps at it, for ever.
pub(super) async fn keep(shell: Rc<Shell>) {
    let mut told = Told::new();
    loop {
        sleep(EVERY).await;
        let now = shell.now().mono;
        let workers: Vec<_> = shell.workers.borrow().values().cloned().collect();
        for worker in workers {
            worker.check_health(&shell, now);
        }
        if shell.has_changed.take() {
            tell_stats(&shell, &mut told);
        }
        let dropped = shell.channel.take_dropped();
        if dropped > 0 {
            log::warn!("{dropped} packets of what workers printed were dropped, because the master did not keep up");
        }
    }
}

fn tell_stats(shell: &Shell, told: &mut Told) {
    let mut stats = stats(shell);
    told.retain(|pool, _| stats.contains_key(pool));
    stats.retain(|pool, now| told.get(pool) != Some(now));
    for (pool, now) in stats {
        let (calls, service) = now.clone();
        shell.channel.say(&FromGateway::Stats { calls, services: BTreeMap::from([(pool.clone(), service)]) });
        told.insert(pool, now);
    }
}

/// Calls that the workers of each service have answered, and how it stands.
fn stats(shell: &Shell) -> Told {
    let mut all: Told = shell
        .with_calls(|calls| calls.stats().into_iter().map(|(pool, stats)| (pool, (BTreeMap::new(), stats))).collect());
    for (id, worker) in shell.workers.borrow().iter() {
        if let Some((calls, stats)) = all.get_mut(&worker.pool) {
            calls.insert(*id, shell.with_calls(|calls| calls.calls_done(*id)));
            stats.health = stats.health.take().max(worker.health());
        }
    }
    all
}
