//! For how long an order counts. Orders end by themselves unless they are told not to: one that
//! was forgotten would surprise whoever comes after it.

use std::fmt;
use std::time::Duration;

use clap::{Arg, Command};
use shared::time::Wall;

use crate::cli::Call;
use crate::verbs::events;

/// So long an order counts unless `--for` says otherwise.
const USUAL: &str = "1h";
/// The word for no end.
const EVER: &str = "ever";
/// The word for the time until a node dies or leaves.
const TOGETHER: &str = "together";
/// Longest time that has an end.
const MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// For how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lasting {
    /// For ever if nothing.
    pub(crate) span: Option<Duration>,
    /// Only until a node dies or leaves.
    pub(crate) together: bool,
}

/// `--for`.
pub(crate) fn argument(command: Command) -> Command {
    command.arg(
        option()
            .value_parser(parse)
            .help("For how long it counts: 30m, 4h, 2d; ever: until another order ends it"),
    )
}

/// `--for` of what moves groups.
pub(crate) fn of_moves(command: Command) -> Command {
    command.arg(option().value_parser(parse_of_moves).help(
        "For how long it counts: 30m, 4h, 2d; ever: until another order ends it; together: until \
         one does, or a node dies or leaves",
    ))
}

fn option() -> Arg {
    let option = Arg::new("for").long("for").value_name("TIME");
    option.default_value(USUAL)
}

impl Lasting {
    /// What the call says.
    pub(crate) fn of(call: &Call) -> Self {
        let lasting = call.matches.get_one::<Self>("for");
        lasting.copied().unwrap_or_default()
    }

    /// When what begins at `from` ends.
    pub(crate) fn end(lasts: Duration, from: Wall) -> Wall {
        let nanos = u64::try_from(lasts.as_nanos()).unwrap_or(u64::MAX);
        Wall(from.0.saturating_add(nanos))
    }
}

impl fmt::Display for Lasting {
    /// "for 90m", "for ever", "while both nodes live".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.together {
            return f.write_str("while both nodes live");
        }
        let Some(lasts) = self.span else {
            return write!(f, "for {EVER}");
        };
        let seconds = lasts.as_secs();
        let units = [("d", 86_400), ("h", 3600), ("m", 60)];
        match units.iter().find(|(_, each)| seconds % each == 0) {
            Some((unit, each)) => write!(f, "for {}{unit}", seconds / each),
            None => write!(f, "for {seconds}s"),
        }
    }
}

fn parse(text: &str) -> Result<Lasting, String> {
    if text == EVER {
        return Ok(Lasting::default());
    }
    match events::span(text) {
        Some(span) if !span.is_zero() && span <= MAX => Ok(Lasting {
            span: Some(span),
            together: false,
        }),
        Some(_) => Err("write 1s to 365d, or ever".into()),
        None => Err("write 90s, 30m, 4h or 2d, or ever".into()),
    }
}

fn parse_of_moves(text: &str) -> Result<Lasting, String> {
    if text == TOGETHER {
        let span = None;
        let together = true;
        return Ok(Lasting { span, together });
    }
    parse(text).map_err(|wrong| format!("{wrong}, or {TOGETHER}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_back_in_its_largest_unit() {
        for (typed, said) in [
            ("90s", "for 90s"),
            ("90m", "for 90m"),
            ("120m", "for 2h"),
            ("48h", "for 2d"),
            ("ever", "for ever"),
        ] {
            assert_eq!(parse(typed).unwrap().to_string(), said);
        }
        let together = parse_of_moves("together").unwrap();
        assert_eq!(together.to_string(), "while both nodes live");
        assert_eq!(parse_of_moves("ever").unwrap(), parse("ever").unwrap());
        assert!(parse("together").is_err());
        for wrong in ["", "5", "0s", "366d", "soon", "never"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
