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

/// Writes `rows`. Each column is as wide as its widest cell.
pub(crate) fn write<R>(
    out: &mut impl Write,
    columns: &[&Column<R>],
    rows: &[R],
    clock: &Clock,
    look: Look,
) -> io::Result<()> {
    let mut lines: Vec<Vec<Cell>> = Vec::new();
    if look.headings {
        let heading = |column: &&Column<R>| Cell::in_mood(column.heading, Mood::Heading);
        lines.push(columns.iter().map(heading).collect());
    }
    lines.extend(rows.iter().map(|row| cells(columns, row, clock)));
    let widths: Vec<usize> = (0..columns.len())
        .map(|i| lines.iter().map(|line| width(&line[i].text)).max().unwrap_or(0))
        .collect();
    for line in &lines {
        write_line(out, columns, line, &widths, look)?;
    }
    Ok(())
}

/// The cells of one row.
pub(crate) fn cells<R>(columns: &[&Column<R>], row: &R, clock: &Clock) -> Vec<Cell> {
    let cell = |column: &&Column<R>| {
        let mut cell = (column.cell)(row, clock);
        cell.text = clean(&cell.text).into_owned();
        if cell.text.is_empty() {
            cell = Cell::in_mood(NOTHING, Mood::Faint);
        }
        cell
    };
    columns.iter().map(cell).collect()
}

/// Writes one line. The last cell is not padded.
pub(crate) fn write_line<R>(
    out: &mut impl Write,
    columns: &[&Column<R>],
    line: &[Cell],
    widths: &[usize],
    look: Look,
) -> io::Result<()> {
    if look.plain {
        let texts: Vec<&str> = line.iter().map(|cell| cell.text.as_str()).collect();
        return writeln!(out, "{}", texts.join("\t"));
    }
    write!(out, "{}", look.indent)?;
    for (i, cell) in line.iter().enumerate() {
        let last = i + 1 == line.len();
        let padding = " ".repeat(widths[i].saturating_sub(width(&cell.text)));
        let text = look.colour.paint(&cell.text, cell.mood);
        match columns[i].align {
            Align::Left if last => write!(out, "{text}")?,
            Align::Left => write!(out, "{text}{padding}{GAP}")?,
            Align::Right if last => write!(out, "{padding}{text}")?,
            Align::Right => write!(out, "{padding}{text}{GAP}")?,
        }
    }
    writeln!(out)
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
        let columns: Vec<_> = COLUMNS.iter().collect();
        let mut out = Vec::new();
        write(&mut out, &columns, &[("a", 12_345), ("", 7)], &clock, look).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn words_stand_left_and_numbers_right() {
        assert_eq!(shown(false, true), "NAME   SIZE\na     12345\n-         7\n");
    }

    #[test]
    fn plain_has_one_tab_between_cells_and_no_padding() {
        assert_eq!(shown(true, false), "a\t12345\n-\t7\n");
    }
}
