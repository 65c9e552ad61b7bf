//! Tables for people (aligned) and for `cut(1)` and `awk(1)` (tabs between cells).

use std::io::{self, Write};

use super::clock::Clock;
use super::columns::{Align, Cell, Column};
use super::{Colour, Mood, clean};

/// Stands where nothing is known, so that no cell is empty.
pub(crate) const NOTHING: &str = "-";
const GAP: &str = "  ";

/// How a table looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Colour.
    pub(crate) colour: Colour,
    /// One tab between cells, and no padding.
    pub(crate) plain: bool,
    /// A first line of headings.
    pub(crate) headings: bool,
    /// Stands before each line.
    pub(crate) indent: &'static str,
}

/// A table that is being written. A column is as wide as its heading and the cells so far.
pub(crate) struct Table<'a, R> {
    columns: Vec<&'a Column<R>>,
    widths: Vec<usize>,
    look: Look,
}

/// Writes a whole table.
pub(crate) fn write<R>(
    out: &mut impl Write,
    columns: Vec<&Column<R>>,
    rows: &[R],
    clock: &Clock,
    look: Look,
) -> io::Result<()> {
    Table::start(columns, look).write(out, rows, clock, look.headings)
}

impl<'a, R> Table<'a, R> {
    /// A table with these columns.
    pub(crate) fn start(columns: Vec<&'a Column<R>>, look: Look) -> Self {
        let widths = columns.iter().map(|c| width(c.heading)).collect();
        Self {
            columns,
            widths,
            look,
        }
    }

    /// Writes `rows`, after the headings where they are wanted.
    pub(crate) fn write(
        &mut self,
        out: &mut impl Write,
        rows: &[R],
        clock: &Clock,
        headings: bool,
    ) -> io::Result<()> {
        let lines: Vec<Vec<Cell>> = rows
            .iter()
            .map(|row| cells(&self.columns, row, clock, self.look.plain))
            .collect();
        for line in &lines {
            for (widest, cell) in self.widths.iter_mut().zip(line) {
                *widest = width(&cell.text).max(*widest);
            }
        }
        if headings {
            let heading = |column: &&Column<R>| Cell::in_mood(column.heading, Mood::Heading);
            let headings: Vec<Cell> = self.columns.iter().map(heading).collect();
            self.line(out, &headings)?;
        }
        lines.iter().try_for_each(|line| self.line(out, line))
    }

    /// Writes one line. The last cell is not padded where it is left-aligned.
    fn line(&self, out: &mut impl Write, line: &[Cell]) -> io::Result<()> {
        if self.look.plain {
            let texts: Vec<&str> = line.iter().map(|cell| cell.text.as_str()).collect();
            return writeln!(out, "{}", texts.join("\t"));
        }
        write!(out, "{}", self.look.indent)?;
        for (i, cell) in line.iter().enumerate() {
            let gap = if i + 1 == line.len() { "" } else { GAP };
            let padding = " ".repeat(self.widths[i].saturating_sub(width(&cell.text)));
            let text = self.look.colour.paint(&cell.text, cell.mood);
            match self.columns[i].align {
                Align::Left if gap.is_empty() => write!(out, "{text}")?,
                Align::Left => write!(out, "{text}{padding}{gap}")?,
                Align::Right => write!(out, "{padding}{text}{gap}")?,
            }
        }
        writeln!(out)
    }
}

/// The cells of one row; `plain` for programs.
pub(crate) fn cells<R>(columns: &[&Column<R>], row: &R, clock: &Clock, plain: bool) -> Vec<Cell> {
    let cell = |column: &&Column<R>| {
        let mut cell = match plain && !clock.absolute {
            true => column.plain(row, clock),
            false => (column.cell)(row, clock),
        };
        cell.text = clean(&cell.text).into_owned();
        if cell.text.is_empty() {
            cell = Cell::in_mood(NOTHING, Mood::Faint);
        }
        cell
    };
    columns.iter().map(cell).collect()
}

/// Columns that a text takes on a terminal, reckoned as one for each character.
fn width(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use shared::time::Now;

    use super::*;

    const COLUMNS: [Column<(&str, u32)>; 2] = [
        Column {
            name: "name",
            heading: "NAME",
            about: "",
            align: Align::Left,
            usual: true,
            cell: |row, _| Cell::new(row.0),
            json: |row| Value::from(row.0),
        },
        Column {
            name: "size",
            heading: "SIZE",
            about: "",
            align: Align::Right,
            usual: true,
            cell: |row, _| Cell::new(row.1),
            json: |row| Value::from(row.1),
        },
    ];

    fn shown(plain: bool, headings: bool) -> String {
        let clock = Clock {
            at: Now::default(),
            absolute: false,
        };
        let look = Look {
            colour: Colour::Off,
            plain,
            headings,
            indent: "",
        };
        let columns = COLUMNS.iter().collect();
        let mut out = Vec::new();
        write(&mut out, columns, &[("a", 12_345), ("", 7)], &clock, look).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn words_stand_left_and_numbers_right() {
        assert_eq!(
            shown(false, true),
            "NAME   SIZE\na     12345\n-         7\n"
        );
    }

    #[test]
    fn plain_has_one_tab_between_cells_and_no_padding() {
        assert_eq!(shown(true, false), "a\t12345\n-\t7\n");
    }
}
