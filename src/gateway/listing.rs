//! The list of services, for those who want to know what there is.

use serde_json::{Value, json};

use super::metrics::Metrics;
use super::shell::Shell;

/// All services, with the methods that their workers declare.
pub(super) fn services(shell: &Shell) -> Value {
    let (now, loads, pools) = (shell.mono(), shell.loads(), shell.pools.borrow());
    shell.with_calls(|calls| {
        let services = calls.services().map(|view| {
            let methods = view.methods(false).map(|(name, method)| {
                let figures = view.stats.methods.get(name).map(|count| count.shown(now));
                json!({ "name": name, "declared": method, "figures": figures })
            });
            let metrics = pools.get(view.pool).map(|pool| &pool.metrics);
            json!({
                "pool": view.pool,
                "name": view.declared.and_then(|declared| declared.name.as_deref()),
                "version": view.declared.and_then(|declared| declared.version.as_deref()),
                "workers": view.ready,
                "load": loads.get(view.pool),
                "methods": methods.collect::<Vec<_>>(),
                "metrics": metrics.map(Metrics::listed),
                "metrics_dropped": metrics.map(|metrics| metrics.dropped),
            })
        });
        services.collect()
    })
}
