//! Tables for people: no borders, numbers to the right, a heading.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A column: its heading, and whether it holds numbers.
#[derive(Clone, Copy, Debug)]
pub struct Column(pub &'static str, pub Align);

/// Which side a column leans to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    Left,
    Right,
}

/// A table with its heading in bold; the style is taken out where the output has no colours.
#[must_use]
pub fn render(columns: &[Column], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|c| c.0));
    table.add_rows(rows);
    for (n, column) in columns.iter().enumerate() {
        if let Some(c) = table.column_mut(n) {
            c.set_padding((0, 2));
            if column.1 == Align::Right {
                c.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    let bold = anstyle::Style::new().bold();
    table.lines().enumerate().fold(String::new(), |mut out, (n, line)| {
        let line = line.trim_end();
        if n == 0 {
            let _ = writeln!(out, "{bold}{line}{bold:#}");
        } else {
            out.push_str(line);
            out.push('\n');
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_no_borders_and_numbers_to_the_right() {
        let columns = [Column("queue", Align::Left), Column("ready", Align::Right)];
        let rows = vec![vec!["default".into(), "5".into()], vec!["mail".into(), "1234567".into()]];
        let text = anstream::adapter::strip_str(&render(&columns, rows)).to_string();
        assert_eq!(text, "queue      ready\ndefault        5\nmail     1234567\n");
    }
}
