//! The part of a service that the gateway itself keeps: its settings, listeners and series.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::listen::Listener;
use super::metrics::Metrics;
use crate::model::service::ServiceSettings;

/// A service.
#[derive(Debug, Default)]
pub(super) struct Pool {
    pub settings: ServiceSettings,
    /// By address.
    pub listeners: BTreeMap<String, Rc<Listener>>,
    pub metrics: Metrics,
}
