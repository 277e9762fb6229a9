//! The cases, in the order of the table.

mod autoscale;
mod big;
mod calls;
mod commands;
mod dependencies;
mod drain;
mod fair;
mod history;
mod http;
mod idle;
mod latency;
mod memory;
mod mixed;
mod observe;
mod pool;
mod postgres;
mod processors;
mod push;
mod queues;
mod watched;
mod web;

use crate::Outcome;
use crate::figures::{Row, Samples};
use crate::setting::Setting;

/// Something to measure.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) rows: &'static [Row],
    /// One repetition: ours and the peers', one after the other.
    pub(crate) once: fn(&Setting<'_>, &mut Samples) -> Outcome<()>,
}

pub(crate) static ALL: &[&Case] = &[
    &drain::COMPILED,
    &drain::PYTHON,
    &drain::SCATTERED,
    &big::BIG,
    &drain::MANY_WORKERS,
    &queues::QUEUES,
    &fair::FAIR,
    &dependencies::DEPENDENCIES,
    &latency::LATENCY,
    &push::PUSH,
    &push::BULK,
    &commands::COMMANDS,
    &commands::PROCESS,
    &pool::RECOVERY,
    &pool::UP,
    &memory::MASTER,
    &memory::WORKER,
    &idle::IDLE,
    &history::HISTORY,
    &observe::OBSERVE,
    &processors::PROCESSORS,
    &web::WEB,
    &watched::WATCHED,
    &watched::CHANGE,
    &watched::TOP,
    &calls::CALL,
    &calls::PROCESS,
    &calls::IDLE,
    &http::HTTP,
    &http::RESTART,
    &http::BESIDE,
    &mixed::MIXED,
    &autoscale::AUTOSCALE,
    &autoscale::REPLAY,
    &autoscale::ZERO,
    &postgres::PEERS,
    &postgres::HELD,
    &postgres::TWO,
    &postgres::IDLE,
    &postgres::MIGRATE,
];
