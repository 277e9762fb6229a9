//! Draws the state: title, numbers of the last minute, what is wrong, the panes or a page, and the last line.
//!
//! Invariant: nothing is drawn outside of the screen, however small that is.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};

use super::layout::{Wish, heights};
use super::pages::{Open, Page};
use super::panes::{Kind, Order};
use super::text::{self, wrapped};
use super::{Prompt, View};
use crate::report::words;

/// From so many columns on, tables stand side by side.
const WIDE: usize = 140;
/// Room for the name and the value of a number.
const NAME: usize = 8;
const VALUE: usize = 14;
/// Rows of numbers, and problems that are shown.
const METER_ROWS: usize = 3;
const PROBLEMS: usize = 2;

const KEYS: &str = "Tab Enter  p pause  +- scale  r restart  k cancel  l output  f failures  ? help";
const PAGE_KEYS: &str = "↑↓ PgUp PgDn  Esc back  l output  k cancel  ? help";

/// A part of the screen, drawn from top to bottom.
struct Part<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
    /// The next row.
    row: usize,
}

impl Part<'_> {
    fn width(&self) -> usize {
        self.area.width.into()
    }

    /// Rows that are left.
    fn left(&self) -> usize {
        usize::from(self.area.height).saturating_sub(self.row)
    }

    fn put(&mut self, line: &Line<'_>) {
        if self.left() > 0 {
            let y = self.area.y + self.row as u16;
            self.buffer.set_line(self.area.x, y, line, self.area.width);
            self.row += 1;
        }
    }

    /// A row in this style to its end.
    fn put_whole(&mut self, line: &Line<'_>, style: Style) {
        let row = self.row as u16;
        self.put(line);
        if self.row as u16 > row {
            let area = Rect { y: self.area.y + row, height: 1, ..self.area };
            self.buffer.set_style(area, style);
        }
    }
}

/// Draws everything.
pub(crate) fn draw(view: &View, frame: &mut Frame<'_>) {
    let area = frame.area();
    let mut all = Part { buffer: frame.buffer_mut(), area, row: 0 };
    title(view, &mut all);
    if usize::from(area.height) > 2 * METER_ROWS {
        numbers(view, &mut all);
        problems(view, &mut all);
    }
    let body = all.left().saturating_sub(1);
    let inner = Rect { y: area.y + all.row as u16, height: body as u16, ..area };
    let mut part = Part { buffer: &mut *all.buffer, area: inner, row: 0 };
    match view.pages.last() {
        Some(open) => page(view, open, &mut part),
        None => panes(view, &mut part),
    }
    all.row += body;
    last_line(view, &mut all);
    if !view.with_colours {
        for cell in &mut all.buffer.content {
            (cell.fg, cell.bg) = (Color::Reset, Color::Reset);
        }
    }
}

fn title(view: &View, part: &mut Part<'_>) {
    let state = words::one_line(&view.title(), 1_000);
    let colour = if view.trouble.is_some() { Style::new().red() } else { Style::new() };
    part.put(&Line::from(vec!["queue-work  ".bold(), Span::styled(state, colour)]));
}

/// Two columns of numbers, each with its line.
fn numbers(view: &View, part: &mut Part<'_>) {
    let empty = crate::report::Status::default();
    let numbers = view.meters.now(view.status.as_deref().unwrap_or(&empty));
    let half = part.width() / 2;
    let line = (half.saturating_sub(NAME + VALUE + 2)).min(30);
    for row in 0..METER_ROWS {
        let mut spans = Vec::new();
        for meter in [&numbers[row], &numbers[row + METER_ROWS]] {
            let value = format!("{:<VALUE$.VALUE$} ", meter.value);
            let is_bad = meter.name == "failed" && meter.value != "0/s";
            let value = if is_bad { value.red() } else { value.bold() };
            let course = format!("{:<1$}", view.meters.line(meter.at, line), half.saturating_sub(NAME + VALUE + 1));
            spans.extend([format!("{:<NAME$}", meter.name).into(), value, course.cyan()]);
        }
        part.put(&Line::from(spans));
    }
}

fn problems(view: &View, part: &mut Part<'_>) {
    let all = view.problems();
    for (n, problem) in all.iter().take(PROBLEMS).enumerate() {
        let more = all.len() - PROBLEMS.min(all.len());
        let more = if n + 1 == PROBLEMS && more > 0 { format!("(and {more} more) ") } else { String::new() };
        part.put(&Line::from(format!("problem: {more}{}", words::one_line(problem, 1_000)).yellow()));
    }
}

fn panes(view: &View, part: &mut Part<'_>) {
    let kinds: Vec<Kind> = view.kinds().collect();
    // Side by side: the two that come first, and services with processors.
    let mut groups: Vec<Vec<Kind>> = Vec::new();
    for kind in kinds {
        let together = match kind {
            Kind::Pools => Some(Kind::Queues),
            Kind::Processors => Some(Kind::Services),
            _ => None,
        };
        match groups.last_mut().filter(|group| part.width() >= WIDE && together == group.last().copied()) {
            Some(group) => group.push(kind),
            None => groups.push(vec![kind]),
        }
    }
    let wish = |group: &Vec<Kind>| {
        let rows = group.iter().map(|&kind| view.names(kind).len() + 1).max().unwrap_or_default();
        let weight = match group[..] {
            _ if group.contains(&view.focus) => 4,
            [Kind::Workers] => 2,
            _ => 1,
        };
        Wish { rows, weight }
    };
    let wishes: Vec<Wish> = groups.iter().map(wish).collect();
    let mut y = part.area.y;
    for (group, height) in groups.iter().zip(heights(part.left(), &wishes)) {
        let width = part.area.width / group.len() as u16;
        for (x, &kind) in (part.area.x..).step_by(width.max(1).into()).zip(group) {
            // Between two tables there is a gap.
            let gap = u16::from(group.len() > 1 && Some(&kind) != group.last()) * 2;
            let area = Rect { x, y, width: width - gap.min(width), height: height as u16 };
            pane(view, kind, &mut Part { buffer: &mut *part.buffer, area, row: 0 });
        }
        y += height as u16;
    }
}

fn pane(view: &View, kind: Kind, part: &mut Part<'_>) {
    let (all, at, rows) = (view.names(kind).len(), view.pane(kind).at, part.left().saturating_sub(1));
    let from = first_shown(all, at, rows);
    let table = view.table(kind, from, rows, part.width());
    let is_focused = kind == view.focus;
    let mut lines = table.text.lines().take(table.rows + 1).map(text::line);
    let heading = if is_focused { Modifier::REVERSED | Modifier::BOLD } else { Modifier::UNDERLINED };
    let top = part.row;
    part.put_whole(&lines.next().unwrap_or_default(), Style::new().add_modifier(heading));
    if part.row > top {
        beside_heading(view, kind, (from, table.rows, all), part);
    }
    for (n, line) in lines.enumerate() {
        if is_focused && from + n == at {
            part.put_whole(&line, Style::new().add_modifier(Modifier::REVERSED));
        } else {
            part.put(&line);
        }
    }
}

/// The first row that is shown, so that the selected one is in the middle as far as the ends allow.
fn first_shown(all: usize, at: usize, rows: usize) -> usize {
    at.saturating_sub(rows / 2).min(all.saturating_sub(rows))
}

/// The order, the filter and which rows these are, at the end of a heading.
fn beside_heading(view: &View, kind: Kind, (from, rows, all): (usize, usize, usize), part: &mut Part<'_>) {
    let mut words = Vec::new();
    if kind == Kind::Workers && view.order != Order::Name {
        words.push(format!("by {}", view.order.word()));
    }
    let filter = &view.pane(kind).filter;
    if !filter.is_empty() {
        words.push(format!("/{}", words::one_line(filter, 20)));
    }
    if rows < all {
        words.push(format!("{}-{} of {all}", from + 1, from + rows));
    }
    let text = Line::from(format!(" {} ", words.join(", ")));
    let width = text.width();
    if !words.is_empty() && width < part.width() / 2 {
        let area = Rect { x: part.area.right() - width as u16, width: width as u16, height: 1, ..part.area };
        part.buffer.set_line(area.x, area.y, &text, area.width);
    }
}

fn page(view: &View, open: &Open, part: &mut Part<'_>) {
    let title = open.page.title();
    if !title.is_empty() {
        part.put(&Line::from(title.bold()));
    }
    let text = view.page_text(&open.page, part.width());
    let (width, rows) = (part.width(), part.left());
    if open.page == Page::Failures {
        let mut lines = text.lines().map(text::line);
        part.put(&lines.next().unwrap_or_default());
        let rows: Vec<Line<'_>> = lines.collect();
        let at = kept_within(open, rows.len().saturating_sub(1));
        let from = first_shown(rows.len(), at, part.left());
        for (n, line) in rows.iter().enumerate().skip(from) {
            let style = if n == at { Modifier::REVERSED } else { Modifier::empty() };
            part.put_whole(line, Style::new().add_modifier(style));
        }
        return;
    }
    let lines = wrapped(&text, width);
    let last = lines.len().saturating_sub(rows);
    let at = kept_within(open, last);
    let from = if matches!(open.page, Page::Output(_)) { last - at } else { at };
    for line in lines.iter().skip(from) {
        part.put(line);
    }
}

fn kept_within(open: &Open, last: usize) -> usize {
    open.at.set(open.at.get().min(last));
    open.at.get()
}

fn last_line(view: &View, part: &mut Part<'_>) {
    let line = match &view.prompt {
        Prompt::Confirm { question, .. } => Line::from(format!("{} y/N", words::escape(question)).yellow().bold()),
        Prompt::Filter => {
            let filter = words::escape(&view.pane(view.focus).filter);
            Line::from(vec![
                "filter: ".bold(),
                format!("{filter}▏").into(),
                "  Enter keeps it, Esc takes it away".dim(),
            ])
        }
        Prompt::None => match &view.note {
            Some((text, _)) => Line::from(words::one_line(text, 1_000).bold()),
            None => Line::from(if view.pages.is_empty() { KEYS } else { PAGE_KEYS }.dim()),
        },
    };
    part.put(&line);
}
