//! The panes: which rows each has, in which order, and which one is selected.

use std::cmp::Reverse;

use anstyle::Style;

use super::{Happened, View};
use crate::report::colours::YELLOW;
use crate::report::services::Service;
use crate::report::status::{PoolStatus, QueueStatus, WorkerStatus};
use crate::report::{ProcessorStatus, status_tables, status_text};

/// The content of a pane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Queues,
    Pools,
    Services,
    Processors,
    #[default]
    Workers,
    Log,
}

impl Kind {
    /// From top to bottom.
    pub(super) const ALL: [Self; 6] =
        [Self::Queues, Self::Pools, Self::Services, Self::Processors, Self::Workers, Self::Log];
}

/// The order of workers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Order {
    #[default]
    Name,
    Memory,
    Cpu,
    Jobs,
    Uptime,
}

impl Order {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Memory => "memory",
            Self::Cpu => "CPU",
            Self::Jobs => "jobs",
            Self::Uptime => "uptime",
        }
    }
}

/// The selected row of a pane, and which rows it has.
#[derive(Debug, Default)]
pub(super) struct Pane {
    pub(super) at: usize,
    /// The name of that row; `None`: whichever it is.
    name: Option<String>,
    pub(super) filter: String,
}

/// A pane as it is drawn: a heading and so many rows from one on.
pub(super) struct Table {
    pub(super) text: String,
    /// Rows behind the heading; what is below them is left out.
    pub(super) rows: usize,
}

impl View {
    pub(super) fn pane(&self, kind: Kind) -> &Pane {
        &self.panes[kind as usize]
    }

    pub(super) fn pane_mut(&mut self, kind: Kind) -> &mut Pane {
        &mut self.panes[kind as usize]
    }

    fn status(&self) -> Option<&crate::report::Status> {
        self.status.as_deref()
    }

    /// Rows of a pane that its filter lets through.
    fn kept<'a, T>(&self, kind: Kind, all: &'a [T], texts: impl Fn(&T) -> Vec<&str>) -> Vec<&'a T> {
        let filter = &self.pane(kind).filter;
        let is_like = |text: &str| text.to_lowercase().contains(filter.as_str());
        all.iter().filter(|row| filter.is_empty() || texts(row).into_iter().any(is_like)).collect()
    }

    pub(super) fn queues(&self) -> Vec<&QueueStatus> {
        let all = self.status().map_or(&[][..], |status| &status.queues);
        self.kept(Kind::Queues, all, |queue| vec![queue.name.as_str()])
    }

    pub(super) fn pools(&self) -> Vec<&PoolStatus> {
        let all = self.status().map_or(&[][..], |status| &status.pools);
        self.kept(Kind::Pools, all, |pool| vec![&pool.name, &pool.kind, &pool.state])
    }

    pub(super) fn services(&self) -> Vec<&PoolStatus> {
        let all = self.status().map_or(&[][..], |status| &status.pools);
        let mut all = self.kept(Kind::Services, all, |pool| vec![&pool.name]);
        all.retain(|pool| pool.is_service());
        all
    }

    pub(super) fn processors(&self) -> Vec<&ProcessorStatus> {
        self.kept(Kind::Processors, &self.processors, |processor| vec![processor.name.as_str()])
    }

    pub(super) fn workers(&self) -> Vec<&WorkerStatus> {
        let all = self.status().map_or(&[][..], |status| &status.workers);
        let mut all = self.kept(Kind::Workers, all, |worker| {
            let job = worker.job.as_ref().map_or("", |job| &job.kind);
            vec![&worker.id, worker.state.as_str(), job]
        });
        match self.order {
            // As in the document: by pool and slot.
            Order::Name => {}
            Order::Memory => all.sort_by_key(|worker| Reverse(worker.memory_bytes)),
            Order::Cpu => all.sort_by(|a, b| b.cpu_percent.unwrap_or(-1.0).total_cmp(&a.cpu_percent.unwrap_or(-1.0))),
            Order::Jobs => all.sort_by_key(|worker| Reverse(worker.jobs_done)),
            Order::Uptime => all.sort_by(|a, b| b.uptime_s.total_cmp(&a.uptime_s)),
        }
        all
    }

    /// Panes that have something to show.
    pub(super) fn kinds(&self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(|&kind| match kind {
            Kind::Services => self.status().is_some_and(|status| status.pools.iter().any(PoolStatus::is_service)),
            Kind::Processors => !self.processors.is_empty(),
            Kind::Queues | Kind::Pools | Kind::Workers | Kind::Log => true,
        })
    }

    /// The names of the rows of a pane, in order; events have none.
    pub(super) fn names(&self, kind: Kind) -> Vec<&str> {
        match kind {
            Kind::Queues => self.queues().into_iter().map(|queue| queue.name.as_str()).collect(),
            Kind::Pools => self.pools().into_iter().map(|pool| pool.name.as_str()).collect(),
            Kind::Services => self.services().into_iter().map(|pool| pool.name.as_str()).collect(),
            Kind::Processors => self.processors().into_iter().map(|processor| processor.name.as_str()).collect(),
            Kind::Workers => self.workers().into_iter().map(|worker| worker.id.as_str()).collect(),
            Kind::Log => vec![""; self.events.len()],
        }
    }

    /// The selected row of the pane in focus.
    pub(super) fn selected(&self) -> Option<&str> {
        self.names(self.focus).get(self.pane(self.focus).at).copied()
    }

    /// Rows have come, gone or changed places: what was selected stays so, else the row that has come into its place.
    pub(super) fn find_rows(&mut self) {
        for kind in Kind::ALL {
            let (names, pane) = (self.names(kind), self.pane(kind));
            let found = pane.name.as_ref().and_then(|name| names.iter().position(|other| other == name));
            let at = match (found, &pane.name) {
                (Some(at), _) if kind != Kind::Log => at,
                (None, None) if kind == Kind::Log => usize::MAX,
                (None, None) => 0,
                (Some(_) | None, _) => pane.at,
            };
            self.select_in(kind, at);
        }
        if !self.kinds().any(|kind| kind == self.focus) {
            self.focus = Kind::default();
        }
    }

    /// Selects a row of a pane, or its last one. The newest event stays selected as events come, and the first of workers
    /// that are in order of what they use, whichever that is.
    pub(super) fn select_in(&mut self, kind: Kind, at: usize) {
        let names = self.names(kind);
        let last = names.len().saturating_sub(1);
        let at = at.min(last);
        let is_free = match kind {
            Kind::Log => at == last,
            Kind::Workers => at == 0 && self.order != Order::Name,
            Kind::Queues | Kind::Pools | Kind::Services | Kind::Processors => false,
        };
        let name = names.get(at).filter(|_| !is_free).map(|&name| name.to_owned());
        let pane = self.pane_mut(kind);
        (pane.at, pane.name) = (at, name);
    }

    /// How `status` words it in so many columns.
    pub(super) fn worded(&self, width: usize) -> status_text::View<'_> {
        let tasks = Some(&self.tasks);
        status_text::View { width: Some(width), tasks, now: self.now, ..status_text::View::default() }
    }

    /// Rows of a pane from one on, as a table.
    pub(super) fn table(&self, kind: Kind, from: usize, rows: usize, width: usize) -> Table {
        fn page<T: Clone>(all: Vec<&T>, from: usize, rows: usize) -> Vec<T> {
            all.into_iter().skip(from).take(rows).cloned().collect()
        }
        let view = self.worded(width);
        let (text, rows) = match kind {
            Kind::Queues => {
                let page = page(self.queues(), from, rows);
                (status_tables::queues(&page, rows, view), page.len())
            }
            Kind::Pools => {
                let page = page(self.pools(), from, rows);
                (status_tables::pools(&page, rows, view), page.len())
            }
            Kind::Services => {
                let page = page(self.services(), from, rows);
                let services: Vec<Service> = page.iter().map(|pool| Service::new(pool, None)).collect();
                (crate::report::services::table(&services, Some(width)), page.len())
            }
            Kind::Processors => {
                let page = page(self.processors(), from, rows);
                (crate::report::processor_lists::processors(&page, self.now, Some(width)), page.len())
            }
            Kind::Workers => {
                self.shown.set((from, rows));
                let page = page(self.workers(), from, rows);
                (status_tables::workers(&page, rows, view), page.len())
            }
            Kind::Log => {
                let shown = self.events.iter().skip(from).take(rows);
                let colour = |event: &Happened| if event.is_problem { YELLOW } else { Style::new() };
                let text = shown.fold(String::from("log\n"), |text, event| {
                    let colour = colour(event);
                    format!("{text}{colour}{}{colour:#}\n", event.text)
                });
                (text, rows.min(self.events.len() - from.min(self.events.len())))
            }
        };
        Table { text, rows }
    }
}
