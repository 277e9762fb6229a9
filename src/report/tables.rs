//! Tables for people: no borders, numbers to the right, a heading, as wide as there is room.

use std::fmt::Write as _;

use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::colours;

/// A column: its heading, and whether it holds numbers.
#[derive(Clone, Copy, Debug)]
pub struct Column(pub &'static str, pub Align);

/// Which side a column leans to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// How wide a table may be, and what gives way where it is wider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Room<'a> {
    /// Columns of the terminal; `None`: any number.
    pub width: Option<usize>,
    /// Headings of columns that are not shown.
    pub without: &'a [&'static str],
    /// Headings of columns whose cells may be cut, and what is left of them at least.
    pub cut: &'a [(&'static str, usize)],
    /// Headings of columns that may be left out, the first one first.
    pub leave_out: &'a [&'static str],
}

/// Between two columns.
const GAP: usize = 2;

/// [`render`], with long cells cut, and columns left out, until it fits. The last resort is a table that is too wide.
#[must_use]
pub fn render_within(room: Room<'_>, columns: &[Column], mut rows: Vec<Vec<String>>) -> String {
    let mut columns = columns.to_vec();
    for heading in room.without {
        leave_out(heading, &mut columns, &mut rows);
    }
    let Some(width) = room.width else { return render(&columns, &rows) };
    let mut may_go = room.leave_out.iter();
    let cut = |column: &Column| room.cut.iter().find(|(heading, _)| *heading == column.0).map(|(_, least)| *least);
    loop {
        let least = columns.iter().enumerate().map(|(n, column)| {
            let natural = natural_width(n, column, &rows);
            cut(column).map_or(natural, |least| natural.min(least.max(column.0.width())))
        });
        if least.sum::<usize>() + GAP * columns.len().saturating_sub(1) <= width {
            break;
        }
        let Some(heading) = may_go.next() else { break };
        leave_out(heading, &mut columns, &mut rows);
    }
    let mut widths: Vec<usize> = columns.iter().enumerate().map(|(n, c)| natural_width(n, c, &rows)).collect();
    let most = width.saturating_sub(GAP * columns.len().saturating_sub(1));
    while widths.iter().sum::<usize>() > most {
        let can_give = |n: &usize| cut(&columns[*n]).is_some_and(|least| widths[*n] > least.max(columns[*n].0.width()));
        let Some(widest) = (0..widths.len()).filter(can_give).max_by_key(|n| widths[*n]) else { break };
        widths[widest] -= 1;
    }
    for row in &mut rows {
        for (cell, width) in row.iter_mut().zip(&widths) {
            if cell.width() > *width {
                *cell = cut_to(cell, *width);
            }
        }
    }
    render(&columns, &rows)
}

fn leave_out(heading: &str, columns: &mut Vec<Column>, rows: &mut [Vec<String>]) {
    if let Some(n) = columns.iter().position(|column| column.0 == heading) {
        columns.remove(n);
        for row in rows {
            row.remove(n);
        }
    }
}

fn natural_width(n: usize, column: &Column, rows: &[Vec<String>]) -> usize {
    rows.iter().map(|row| row[n].width()).max().unwrap_or_default().max(column.0.width())
}

/// The beginning of a text, with `…` for the rest.
fn cut_to(text: &str, width: usize) -> String {
    let mut left = width.saturating_sub(1);
    let fits = |c: &char| {
        let width = c.width().unwrap_or_default();
        let fits = width <= left;
        left -= width.min(left);
        fits
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// A table with its heading in bold and states in colour; the styles are taken out where the output has no colours.
#[must_use]
pub fn render(columns: &[Column], rows: &[Vec<String>]) -> String {
    let widths: Vec<usize> = columns.iter().enumerate().map(|(n, column)| natural_width(n, column, rows)).collect();
    let line = |cells: Vec<(&str, Style)>| {
        let mut line = String::new();
        for ((cell, style), (column, width)) in cells.into_iter().zip(columns.iter().zip(&widths)) {
            let room = " ".repeat(width - cell.width());
            let _ = match column.1 {
                Align::Left => write!(line, "{style}{cell}{style:#}{room}  "),
                Align::Right => write!(line, "{room}{style}{cell}{style:#}  "),
            };
        }
        line.truncate(line.trim_end().len());
        line + "\n"
    };
    let bold = Style::new().bold();
    let heading = line(columns.iter().map(|column| (column.0, bold)).collect());
    let coloured = |row: &Vec<String>| {
        let cells = row.iter().zip(columns).map(|(cell, column)| (cell.as_str(), colours::of_cell(column.0, cell)));
        line(cells.collect())
    };
    heading + &rows.iter().map(coloured).collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_cuts_what_may_be_cut_and_then_leaves_columns_out() {
        let columns = [Column("id", Align::Right), Column("queue", Align::Left), Column("error", Align::Left)];
        let rows = || vec![vec!["7".into(), "default".into(), "cannot open the file — ünïcode".into()]];
        let shown = |width| {
            let room =
                Room { width: Some(width), cut: &[("error", 8)], leave_out: &["queue", "nothing"], ..Room::default() };
            let text = anstream::adapter::strip_str(&render_within(room, &columns, rows())).to_string();
            let widest = text.lines().map(UnicodeWidthStr::width).max().unwrap_or_default();
            (widest, text)
        };
        assert_eq!(shown(80).1, "id  queue    error\n 7  default  cannot open the file — ünïcode\n");
        assert_eq!(shown(30).1, "id  queue    error\n 7  default  cannot open the …\n");
        assert_eq!(shown(20).1, "id  error\n 7  cannot open the…\n");
        for width in 12..60 {
            assert!(shown(width).0 <= width, "{width}: {}", shown(width).1);
        }
        for width in [0, 1, 5, 11] {
            assert_eq!(shown(width).1, "id  error\n 7  cannot …\n", "{width}");
        }
        assert!(!render_within(Room { width: Some(0), ..Room::default() }, &[], Vec::new()).contains("id"));
    }

    #[test]
    fn a_table_has_no_borders_and_numbers_to_the_right() {
        let columns = [Column("queue", Align::Left), Column("ready", Align::Right)];
        let rows = vec![vec!["default".into(), "5".into()], vec!["mail".into(), "1234567".into()]];
        let text = anstream::adapter::strip_str(&render(&columns, &rows)).to_string();
        assert_eq!(text, "queue      ready\ndefault        5\nmail     1234567\n");
    }
}
