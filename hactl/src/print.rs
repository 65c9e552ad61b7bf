//! How answers are shown: colour, time, tables, JSON. The only place that writes to standard
//! output.
//!
//! Text that came from elsewhere may hold anything, also what a terminal obeys; it passes through
//! [`clean`] before a person sees it. JSON is not touched, since its escapes are harmless.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

pub(crate) mod clock;
pub(crate) mod columns;
pub(crate) mod table;

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// Yes.
    On,
    /// No.
    Off,
}

/// What a piece of text conveys besides its words; the words convey it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Nothing.
    Plain,
    /// A heading.
    Heading,
    /// In order.
    Good,
    /// Weaker than it should be.
    Warning,
    /// Failed.
    Bad,
    /// Of less interest.
    Faint,
}

/// What decides about colour besides the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    /// Standard output is a terminal.
    pub(crate) terminal: bool,
    /// `NO_COLOR` is set and not empty (no-color.org).
    pub(crate) no_color: bool,
    /// `CLICOLOR_FORCE` is set, not empty and not 0 (bixense.com/clicolors).
    pub(crate) forced: bool,
    /// `TERM` is `dumb`.
    pub(crate) dumb: bool,
}

impl Surroundings {
    /// Those of this process.
    pub(crate) fn of_this_process() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        Self {
            terminal: io::stdout().is_terminal(),
            no_color: set("NO_COLOR").is_some(),
            forced: set("CLICOLOR_FORCE").is_some_and(|value| value != "0"),
            dumb: set("TERM").is_some_and(|value| value == "dumb"),
        }
    }
}

impl Colour {
    /// `wish` is the value of `--color`. What a person says on the command line goes before what
    /// the environment says, and there "no" goes before "yes".
    pub(crate) fn choose(wish: &str, around: Surroundings) -> Self {
        let on = match wish {
            "always" => true,
            "never" => false,
            _ if around.no_color => false,
            _ if around.forced => true,
            _ => around.terminal && !around.dumb,
        };
        if on { Self::On } else { Self::Off }
    }

    /// `text` in the colour of `mood` (ECMA-48, SGR).
    pub(crate) fn paint(self, text: &str, mood: Mood) -> String {
        let code = match (self, mood) {
            (Self::Off, _) | (Self::On, Mood::Plain) => return text.to_owned(),
            (Self::On, Mood::Heading) => "1",
            (Self::On, Mood::Good) => "32",
            (Self::On, Mood::Warning) => "33",
            (Self::On, Mood::Bad) => "1;31",
            (Self::On, Mood::Faint) => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// `text` without anything a terminal would obey: control characters, and the marks that reorder
/// text, are shown as the escapes Rust writes.
pub(crate) fn clean(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::new();
    for c in text.chars() {
        match harmful(c) {
            true => safe.extend(c.escape_default()),
            false => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// Writes `value` as JSON and a newline: over several lines for people where `pretty`.
pub(crate) fn json(
    out: &mut impl Write,
    value: &impl serde::Serialize,
    pretty: bool,
) -> io::Result<()> {
    let text = match pretty {
        true => serde_json::to_string_pretty(value)?,
        false => serde_json::to_string(value)?,
    };
    writeln!(out, "{text}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Surroundings = Surroundings {
        terminal: false,
        no_color: false,
        forced: false,
        dumb: false,
    };
    const TERMINAL: Surroundings = Surroundings {
        terminal: true,
        ..PIPE
    };

    #[test]
    fn colour_goes_to_terminals_that_know_it() {
        let dumb = Surroundings {
            dumb: true,
            ..TERMINAL
        };
        assert_eq!(Colour::choose("auto", TERMINAL), Colour::On);
        assert_eq!(Colour::choose("auto", PIPE), Colour::Off);
        assert_eq!(Colour::choose("auto", dumb), Colour::Off);
    }

    #[test]
    fn no_color_beats_force_and_the_command_line_beats_both() {
        let forced = Surroundings {
            forced: true,
            ..PIPE
        };
        let both = Surroundings {
            no_color: true,
            ..forced
        };
        assert_eq!(Colour::choose("auto", forced), Colour::On);
        assert_eq!(Colour::choose("auto", both), Colour::Off);
        assert_eq!(Colour::choose("always", both), Colour::On);
        assert_eq!(Colour::choose("never", forced), Colour::Off);
    }

    #[test]
    fn what_a_terminal_obeys_is_shown_as_escapes() {
        assert_eq!(clean("node bob dead"), "node bob dead");
        assert_eq!(clean("a\x1b[2Jb\nc\u{202e}"), "a\\u{1b}[2Jb\\nc\\u{202e}");
    }
}
