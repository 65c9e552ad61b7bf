//! What the demo shows: short sentences, one column for the labels, a table at the end.
//!
//! ```text
//! 2  A core is killed
//!    do      kill -9 the core of bob
//!    expect  alice and carol see a restart within 1000 ms; nobody is declared dead
//!    saw     alice 212 ms, carol 211 ms                                            held
//! ```

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use shared::event::Event;
use shared::time::Moment;

use super::cast::Node;
use super::verdict::{Row, Verdict};

/// Most events that are shown of a promise that did not hold.
const EVENTS_MAX: usize = 60;

/// Columns of the narrowest terminal that shows every line whole.
const COLUMNS: usize = 80;
/// Columns before the text of a labelled line.
const INDENT: usize = 11;

/// Where everything is written to.
pub(super) struct Page {
    out: io::Stdout,
    colour: bool,
    terminal: bool,
}

/// A colour (ECMA-48, SGR). The words convey the same.
#[derive(Clone, Copy)]
enum Colour {
    Bold,
    Green,
    Red,
    Faint,
}

impl Page {
    /// Standard output; coloured on a terminal unless the environment objects (no-color.org).
    pub(super) fn new() -> Self {
        let out = io::stdout();
        let terminal = out.is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            out,
            colour: terminal && !refused,
            terminal,
        }
    }

    /// True if a person may be reading along.
    pub(super) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// A line as it is.
    pub(super) fn line(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// The headline of an act.
    pub(super) fn act(&mut self, number: usize, title: &str) -> io::Result<()> {
        let head = self.paint(Colour::Bold, &format!("{number}  {title}"));
        self.line(&format!("\n{head}"))
    }

    /// A line with a label: `do`, `expect`, `saw`, `see`, `wait`.
    pub(super) fn labelled(&mut self, label: &str, text: &str) -> io::Result<()> {
        let indent = " ".repeat(INDENT);
        let text = filled(text, COLUMNS - INDENT).join(&format!("\n{indent}"));
        self.as_it_is(label, &text)
    }

    /// The same without another line.
    pub(super) fn as_it_is(&mut self, label: &str, text: &str) -> io::Result<()> {
        let label = self.paint(Colour::Faint, &format!("{label:<6}"));
        self.line(&format!("   {label}  {text}"))
    }

    /// What came of a step: what each node told and when, how long the client waited, and the
    /// verdict.
    pub(super) fn saw(
        &mut self,
        told: &[(Node, Option<Duration>)],
        gap: Option<Duration>,
        verdict: &Verdict,
    ) -> io::Result<()> {
        let told: Vec<_> = told
            .iter()
            .map(|(node, after)| format!("{} {}", node.name(), time(*after)))
            .collect();
        let told = told.join(", ");
        let word = self.verdict(verdict);
        let text = match gap {
            Some(gap) => format!(
                "the client waited {}; told by {told}: {word}",
                time(Some(gap))
            ),
            None => format!("{told}: {word}"),
        };
        self.labelled("saw", &text)
    }

    /// What the nodes told after a deed whose promise did not hold, so that one sees why.
    pub(super) fn events(&mut self, events: Vec<&Event>, began: Moment) -> io::Result<()> {
        for event in events.into_iter().take(EVENTS_MAX) {
            let after = event.boot.since(began).as_millis();
            let text = format!("{after:>5} ms  {:<5}  {}", event.id.node, event.text);
            self.labelled("event", &text)?;
        }
        Ok(())
    }

    /// The table: step, promised, measured, verdict.
    pub(super) fn table(&mut self, rows: &[Row]) -> io::Result<()> {
        let heads = ["step", "promised", "measured"];
        let cells: Vec<[String; 3]> = rows
            .iter()
            .map(|row| {
                [
                    row.step.to_owned(),
                    row.promise.to_string(),
                    time(row.measured),
                ]
            })
            .collect();
        let widths: Vec<usize> = (0..heads.len())
            .map(|column| {
                let cells = cells.iter().map(|row| row[column].chars().count());
                cells.max().unwrap_or(0).max(heads[column].len())
            })
            .collect();
        let line = |cells: [&str; 3], verdict: &str| {
            let [step, promised, measured] = cells;
            let (first, second, third) = (widths[0], widths[1], widths[2]);
            format!("{step:<first$}  {promised:<second$}  {measured:>third$}  {verdict}")
        };
        let head = self.paint(Colour::Bold, &line(heads, "verdict"));
        self.line(&format!("\n{head}"))?;
        for (row, cells) in rows.iter().zip(&cells) {
            let verdict = self.verdict(&row.verdict);
            let cells = [&*cells[0], &*cells[1], &*cells[2]];
            self.line(&line(cells, &verdict))?;
        }
        Ok(())
    }

    fn verdict(&self, verdict: &Verdict) -> String {
        let colour = match verdict {
            Verdict::Held => Colour::Green,
            Verdict::Broken(_) => Colour::Red,
        };
        self.paint(colour, &verdict.to_string())
    }

    fn paint(&self, colour: Colour, text: &str) -> String {
        if !self.colour {
            return text.to_owned();
        }
        let code = match colour {
            Colour::Bold => 1,
            Colour::Green => 32,
            Colour::Red => 31,
            Colour::Faint => 2,
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// `812 ms`, or that it did not come.
fn time(after: Option<Duration>) -> String {
    match after {
        Some(after) if after.as_millis() == 0 => "<1 ms".to_owned(),
        Some(after) => format!("{} ms", after.as_millis()),
        None => "never".to_owned(),
    }
}

/// `text` in lines of at most `width` columns, broken at blanks.
fn filled(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a last line");
        if line.is_empty() {
            line.push_str(word);
        } else if columns(line) + 1 + columns(word) <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

/// How many columns a text takes; its colours take none.
fn columns(text: &str) -> usize {
    let mut pieces = text.split('\x1b');
    let plain = pieces.next().map_or(0, |plain| plain.chars().count());
    let painted = pieces.map(|piece| piece.split_once('m').map_or("", |(_, shown)| shown));
    plain + painted.map(|shown| shown.chars().count()).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_a_long_word_stays_whole() {
        assert_eq!(filled("one two three", 7), ["one two", "three"]);
        assert_eq!(filled("eleven-wide a b", 6), ["eleven-wide", "a b"]);
        assert_eq!(filled("", 6), [""]);
    }

    #[test]
    fn colours_take_no_room() {
        let painted = "it was \x1b[32mheld\x1b[0m";
        assert_eq!(columns(painted), 11);
        assert_eq!(filled(painted, 11), [painted]);
        assert_eq!(filled(painted, 10).len(), 2);
    }
}
