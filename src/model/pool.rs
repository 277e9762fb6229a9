//! Pools: what one serves, how its workers talk to us, and its limits.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::autoscale::Autoscale;
use super::{Hooks, PoolLimits, PoolName, QueueOrder, Supervision, Takes, UnixMicros};

/// Kind of the workers of a pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// A program that speaks the worker protocol.
    Protocol,
    /// The built-in worker: a command per job.
    Exec,
    /// A program that fetches its own jobs elsewhere.
    Opaque,
    /// A program whose methods are called through the gateway.
    Service,
    /// A service of `listen_mode = "worker"`: a program that is a server, on sockets that it is given.
    #[serde(skip_deserializing, rename = "service")]
    Server,
}

impl PoolKind {
    /// Every kind that has a word of its own.
    pub const ALL: [Self; 4] = [Self::Protocol, Self::Exec, Self::Opaque, Self::Service];

    /// The word used in configuration and JSON.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Protocol => "protocol",
            Self::Exec => "exec",
            Self::Opaque => "opaque",
            Self::Service | Self::Server => "service",
        }
    }

    /// The word for who listens, where anybody does.
    #[must_use]
    pub const fn listen_mode(self) -> Option<&'static str> {
        match self {
            Self::Service => Some("gateway"),
            Self::Server => Some("worker"),
            Self::Protocol | Self::Exec | Self::Opaque => None,
        }
    }

    /// The kind where nothing is said: a program speaks the protocol; without one, jobs carry their own command.
    #[must_use]
    pub const fn with_command(has_command: bool) -> Self {
        if has_command { Self::Protocol } else { Self::Exec }
    }

    /// Which jobs its workers take: a job that is a command runs that command, and no other program.
    #[must_use]
    pub const fn takes(self, has_command: bool) -> Takes {
        match (self, has_command) {
            (Self::Exec, false) => Takes::Commands,
            (Self::Exec | Self::Protocol | Self::Opaque | Self::Service | Self::Server, _) => Takes::Others,
        }
    }

    /// Whether its workers are given jobs.
    #[must_use]
    pub const fn serves_queues(self) -> bool {
        matches!(self, Self::Protocol | Self::Exec)
    }

    /// The kind that `--exec` or `--opaque` says, of which at most one is given.
    #[must_use]
    pub const fn of_flags(exec: bool, opaque: bool) -> Option<Self> {
        match (exec, opaque) {
            (_, true) => Some(Self::Opaque),
            (true, false) => Some(Self::Exec),
            (false, false) => None,
        }
    }
}

/// When a worker counts as ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadyWhen {
    /// As soon as it is spawned.
    Spawned,
    /// When it sends `ready`.
    Message,
}

impl ReadyWhen {
    /// The word used in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Spawned => "spawned",
            Self::Message => "message",
        }
    }
}

/// A pool as it is to be.
#[derive(Clone, Debug, PartialEq)]
pub struct PoolSettings {
    /// Its name.
    pub name: PoolName,
    /// The queues it serves; none if its workers are given no jobs.
    pub queues: QueueOrder,
    /// Kind of its workers.
    pub kind: PoolKind,
    /// Which jobs its workers take, unless they name types.
    pub takes: Takes,
    /// When a worker is ready.
    pub ready: ReadyWhen,
    /// Its limits.
    pub limits: PoolLimits,
    /// How it scales itself, if it does.
    pub autoscale: Option<Arc<Autoscale>>,
    pub hooks: Hooks,
    pub supervision: Supervision,
}

/// When a pool of a single worker ends by itself, between jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Until {
    /// When nothing of its queues is ready, running or waiting for a retry.
    pub drained: bool,
    /// After so many runs.
    pub max_jobs: Option<u64>,
    pub max_time: Option<Duration>,
}

impl PoolSettings {
    /// The workers that it begins with.
    #[must_use]
    pub fn first_workers(&self, now: UnixMicros) -> u32 {
        self.autoscale.as_ref().map_or(self.limits.workers, |autoscale| autoscale.bounds(now).least)
    }

    /// The most workers that it will have, unless an operator wants more.
    #[must_use]
    pub fn most_workers(&self) -> u32 {
        self.autoscale.as_ref().map_or(self.limits.workers, |autoscale| autoscale.most_ever())
    }

    /// Limits in force, as [`PoolLimits::in_force`], and how it scales itself.
    #[must_use]
    pub fn in_force(&self) -> BTreeMap<String, String> {
        let own = self.autoscale.as_ref().map(|of| ("autoscale".to_owned(), format!("{}..{}", of.min, of.max)));
        self.limits.in_force(self.kind).into_iter().chain(own).collect()
    }

    /// Whether its workers have their work from elsewhere, and are told to leave by TERM.
    #[must_use]
    pub fn is_told_by_signals(&self) -> bool {
        matches!(self.kind, PoolKind::Opaque | PoolKind::Server)
    }

    /// Whether its workers answer calls.
    #[must_use]
    pub fn is_service(&self) -> bool {
        self.kind == PoolKind::Service
    }
}
