//! A column: its word, its heading, what it means, and how to get it from a row.
//!
//! `-o`, the table, the JSON field of the same name and the manual come from this one entry.

use serde_json::Value;

use super::Mood;
use super::clock::Clock;

/// A column over rows of type `R`.
pub(crate) struct Column<R> {
    /// Its word for `-o`, and the name of the field in JSON.
    pub(crate) name: &'static str,
    /// Its heading.
    pub(crate) heading: &'static str,
    /// What it means, for the manual.
    pub(crate) about: &'static str,
    /// Where its cells stand.
    pub(crate) align: Align,
    /// True if it is shown unless `-o` says otherwise.
    pub(crate) usual: bool,
    /// For people.
    pub(crate) cell: fn(&R, &Clock) -> Cell,
    /// For programs; null where nothing is known.
    pub(crate) json: fn(&R) -> Value,
}

impl<R> Column<R> {
    /// For `cut(1)` and `awk(1)`: times as JSON has them, as milliseconds or dates, where people read
    /// ages.
    pub(crate) fn plain(&self, row: &R, clock: &Clock) -> Cell {
        let is_time = self.name.ends_with("_ms") || self.name == "since";
        match (is_time, (self.json)(row)) {
            (true, Value::String(text)) => Cell::new(text),
            (true, Value::Number(number)) => Cell::new(number),
            (true, Value::Null) => Cell::new(""),
            _ => (self.cell)(row, clock),
        }
    }
}

/// Where cells stand in their column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A cell of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Its text; empty where nothing is known.
    pub(crate) text: String,
    /// Its mood.
    pub(crate) mood: Mood,
}

impl Cell {
    /// A cell in no particular mood.
    pub(crate) fn new(text: impl ToString) -> Self {
        Self::in_mood(text, Mood::Plain)
    }

    /// A cell in `mood`.
    pub(crate) fn in_mood(text: impl ToString, mood: Mood) -> Self {
        Self {
            text: text.to_string(),
            mood,
        }
    }

    /// A cell about something that may not be known.
    pub(crate) fn known(text: Option<impl ToString>) -> Self {
        Self::new(text.map(|text| text.to_string()).unwrap_or_default())
    }
}

/// Selects every column.
pub(crate) const ALL: &str = "all";

/// The columns that `wish` (the values of `-o`) names, in that order; the usual ones without it.
pub(crate) fn select<'a, R>(
    columns: &'a [Column<R>],
    wish: Option<Vec<&str>>,
) -> Vec<&'a Column<R>> {
    let Some(wish) = wish else {
        return columns.iter().filter(|column| column.usual).collect();
    };
    let mut selected = Vec::new();
    for word in wish {
        selected.extend(
            columns
                .iter()
                .filter(|column| word == ALL || column.name == word),
        );
    }
    selected
}

/// A row as a JSON object, with every column as a field.
pub(crate) fn object<R>(columns: &[Column<R>], row: &R) -> Value {
    let fields = columns
        .iter()
        .map(|column| (column.name.to_owned(), (column.json)(row)));
    Value::Object(fields.collect())
}
