//! What each key does.
//!
//! Invariants: what ends a job, or replaces several workers, is asked for only after a `y`; a key that has nothing to act on
//! says what it needs.

use std::cell::Cell;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::pages::{Open, Page};
use super::panes::{Kind, Order};
use super::{Ask, Effect, Prompt, View};
use crate::model::{JobId, ScaleTo};
use crate::report::words;
use crate::wire::control::{Follow, Queues, Restart, Scale};
use crate::wire::processors::SwitchProcessors;

/// Rows that a page has.
const PAGE: isize = 10;

impl View {
    /// Takes a key.
    pub(crate) fn press(&mut self, key: KeyEvent) -> Option<Effect> {
        self.note = None;
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Some(Effect::Interrupt),
                KeyCode::Char('z') => Some(Effect::Suspend),
                KeyCode::Char('l') => Some(Effect::Redraw),
                _ => None,
            };
        }
        match std::mem::take(&mut self.prompt) {
            Prompt::Confirm { ask, .. } => match key.code {
                KeyCode::Char('y' | 'Y') => return Some(Effect::Ask(ask)),
                _ => self.say("nothing was changed"),
            },
            Prompt::Filter => self.type_filter(key.code),
            Prompt::None => return self.command(key.code),
        }
        None
    }

    fn type_filter(&mut self, code: KeyCode) {
        let filter = &mut self.pane_mut(self.focus).filter;
        match code {
            KeyCode::Enter => return,
            KeyCode::Esc => filter.clear(),
            KeyCode::Backspace => drop(filter.pop()),
            KeyCode::Char(c) if !c.is_control() => filter.extend(c.to_lowercase()),
            _ => {}
        }
        if code != KeyCode::Esc {
            self.prompt = Prompt::Filter;
        }
        self.find_rows();
    }

    fn command(&mut self, code: KeyCode) -> Option<Effect> {
        let on_panes = self.pages.is_empty();
        match code {
            KeyCode::Char('q') if on_panes => return Some(Effect::Quit),
            KeyCode::Char('q') | KeyCode::Esc if !on_panes => self.close(),
            KeyCode::Esc => {
                self.pane_mut(self.focus).filter.clear();
                self.find_rows();
            }
            KeyCode::Up => self.go(-1),
            KeyCode::Down => self.go(1),
            KeyCode::PageUp => self.go(-PAGE),
            KeyCode::PageDown => self.go(PAGE),
            KeyCode::Home => self.go(isize::MIN),
            KeyCode::End => self.go(isize::MAX),
            KeyCode::Enter => self.enter(),
            KeyCode::Char('?') => self.open(Page::Help),
            KeyCode::Char('f') => self.open(Page::Failures),
            KeyCode::Char('l') => self.output(),
            KeyCode::Char('k') => self.cancel(),
            KeyCode::Tab if on_panes => self.focus_next(1),
            KeyCode::BackTab if on_panes => self.focus_next(-1),
            KeyCode::Char('/') if on_panes && self.focus != Kind::Log => self.prompt = Prompt::Filter,
            KeyCode::Char('m') if on_panes => self.sort(Order::Memory),
            KeyCode::Char('c') if on_panes => self.sort(Order::Cpu),
            KeyCode::Char('j') if on_panes => self.sort(Order::Jobs),
            KeyCode::Char('u') if on_panes => self.sort(Order::Uptime),
            KeyCode::Char('p') => return self.pause(),
            KeyCode::Char('+' | '=') => return self.scale("+1"),
            KeyCode::Char('-') => return self.scale("-1"),
            KeyCode::Char('r') => return self.restart(),
            _ => {}
        }
        None
    }

    fn say(&mut self, text: &str) {
        self.note = Some((text.to_owned(), super::NOTED));
    }

    fn focus_next(&mut self, by: isize) {
        let kinds: Vec<Kind> = self.kinds().collect();
        let at = kinds.iter().position(|&kind| kind == self.focus).unwrap_or(0);
        self.focus = kinds[(at as isize + by).rem_euclid(kinds.len() as isize) as usize];
    }

    fn sort(&mut self, by: Order) {
        self.focus = Kind::Workers;
        self.order = if self.order == by { Order::Name } else { by };
        self.select_in(Kind::Workers, 0);
    }

    fn go(&mut self, by: isize) {
        if let Some(Open { page, at }) = self.pages.last() {
            // Output is read from its end.
            let by = if matches!(page, Page::Output(_)) { by.saturating_neg() } else { by };
            return at.set(at.get().saturating_add_signed(by));
        }
        let at = self.pane(self.focus).at.saturating_add_signed(by);
        self.select_in(self.focus, at);
    }

    fn open(&mut self, page: Page) {
        if self.pages.last().is_none_or(|open| open.page != page) {
            if matches!(page, Page::Output(_)) {
                self.output.clear();
            }
            self.pages.push(Open { page, at: Cell::new(0) });
        }
    }

    fn close(&mut self) {
        self.pages.pop();
    }

    fn enter(&mut self) {
        let page = match self.pages.last().map(|open| (&open.page, open.at.get())) {
            Some((Page::Worker(name), _)) => self.job_of(name).map(|(id, _)| Page::Job(id)),
            Some((Page::Failures, row)) => self.failure(row).map(Page::Failure),
            Some(_) => None,
            None => self.selected_page(),
        };
        if let Some(page) = page {
            self.open(page);
        }
    }

    fn selected_page(&self) -> Option<Page> {
        let name = self.selected()?.to_owned();
        match self.focus {
            Kind::Log => self.events.get(self.pane(Kind::Log).at).map(|event| Page::Event(event.text.clone())),
            Kind::Queues => Some(Page::Queue(name)),
            Kind::Pools | Kind::Services => Some(Page::Pool(name)),
            Kind::Processors => {
                let found = self.processors.iter().find(|processor| processor.name.as_str() == name);
                found.map(|processor| Page::Processor(processor.name.clone()))
            }
            Kind::Workers => Some(Page::Worker(name)),
        }
    }

    /// What a key acts on: the page that is open, else the selected row.
    fn target(&self) -> Option<Page> {
        match self.pages.last() {
            Some(open) => Some(open.page.clone()),
            None => self.selected_page(),
        }
    }

    /// The job of a worker, and its type.
    fn job_of(&self, worker: &str) -> Option<(JobId, &str)> {
        let found = self.status.as_deref()?.workers.iter().find(|found| found.id == worker)?;
        found.job.as_ref().map(|job| (job.id, job.kind.as_str()))
    }

    fn output(&mut self) {
        let of = match self.target() {
            Some(Page::Worker(name) | Page::Pool(name)) => Follow { worker: Some(name), ..Follow::default() },
            Some(Page::Queue(name)) => Follow { queue: Some(name), ..Follow::default() },
            Some(Page::Job(id)) => Follow { job: Some(id), ..Follow::default() },
            _ => return self.say("select a worker, a pool or a queue to see what it prints"),
        };
        self.open(Page::Output(of));
    }

    fn pause(&mut self) -> Option<Effect> {
        match self.target() {
            Some(Page::Queue(name)) => {
                let queues = &self.status.as_deref()?.queues;
                let paused = queues.iter().any(|queue| queue.name.as_str() == name && queue.paused);
                let queues = Queues { queues: vec![name], key: None, force: true };
                Some(Effect::Ask(Ask::Pause { queues, paused: !paused }))
            }
            Some(Page::Processor(name)) => {
                let on = self.processors.iter().any(|processor| processor.name == name && processor.enabled);
                let switch = SwitchProcessors { processors: vec![name], enabled: Some(!on), reason: None };
                Some(Effect::Ask(Ask::Switch(switch)))
            }
            _ => {
                self.say("select a queue to pause or resume it, or a processor to switch it");
                None
            }
        }
    }

    fn scale(&mut self, by: &str) -> Option<Effect> {
        let workers: ScaleTo = by.parse().ok()?;
        let scale = Scale { workers, no_wait: true, ..Scale::default() };
        let scale = match self.target() {
            Some(Page::Pool(name)) => Scale { pool: Some(name), ..scale },
            Some(Page::Queue(name)) => Scale { queue: Some(name), ..scale },
            Some(Page::Worker(name)) => Scale { pool: Some(self.pool_of(&name)?), ..scale },
            _ => {
                self.say("select a pool, a queue or a worker to scale its pool");
                return None;
            }
        };
        Some(Effect::Ask(Ask::Scale(scale)))
    }

    fn pool_of(&self, worker: &str) -> Option<String> {
        let found = self.status.as_deref()?.workers.iter().find(|found| found.id == worker)?;
        Some(found.pool.clone())
    }

    fn restart(&mut self) -> Option<Effect> {
        let restart = Restart { no_wait: true, ..Restart::default() };
        let (what, restart) = match self.target() {
            Some(Page::Worker(name)) => {
                return Some(Effect::Ask(Ask::Restart(Restart { workers: vec![name], ..restart })));
            }
            Some(Page::Pool(name)) => (format!("pool `{name}`"), Restart { pool: Some(name), ..restart }),
            Some(Page::Queue(name)) => (format!("queue `{name}`"), Restart { queue: Some(name), ..restart }),
            _ => {
                self.say("select a worker, a pool or a queue to restart workers");
                return None;
            }
        };
        let question = format!("restart the workers of the {what}, one after the other?");
        self.prompt = Prompt::Confirm { question, ask: Ask::Restart(restart) };
        None
    }

    fn cancel(&mut self) {
        let job = match self.target() {
            Some(Page::Worker(name)) => {
                let job = self.job_of(&name);
                job.map(|(id, kind)| (id, format!("job {id} (`{}`) on `{name}`", words::one_line(kind, 30))))
            }
            Some(Page::Job(id)) => Some((id, format!("job {id}"))),
            _ => None,
        };
        let Some((id, what)) = job else { return self.say("select a worker that runs a job to cancel that") };
        self.prompt = Prompt::Confirm { question: format!("cancel {what}?"), ask: Ask::Cancel(id) };
    }
}
