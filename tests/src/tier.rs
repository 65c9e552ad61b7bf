//! How much of the suites a run is willing to pay for: `HBD_TIER`.

use std::env;

/// A class of tests by cost. A run includes its own tier and the cheaper ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tier {
    /// Default of `cargo test`: all suites together take at most ten minutes.
    Quick,
    /// Before a change is merged: at most fifty minutes.
    Ci,
    /// By hand, results recorded in `tests/RESULTS.md`.
    Long,
}

impl Tier {
    /// The tier that `HBD_TIER` asks for.
    ///
    /// # Panics
    /// When the variable holds another word: a misspelt tier must not silently run less.
    #[must_use]
    pub fn of_this_run() -> Self {
        match env::var("HBD_TIER") {
            Err(_) => Self::Quick,
            Ok(word) => Self::parse(&word)
                .unwrap_or_else(|| panic!("HBD_TIER={word}: must be quick, ci or long")),
        }
    }

    fn parse(word: &str) -> Option<Self> {
        match word {
            "" | "quick" => Some(Self::Quick),
            "ci" => Some(Self::Ci),
            "long" => Some(Self::Long),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Tier;

    #[test]
    fn a_tier_includes_the_cheaper_ones() {
        assert!(Tier::Quick < Tier::Ci && Tier::Ci < Tier::Long);
    }

    #[test]
    fn an_unknown_tier_is_no_tier() {
        assert_eq!(Tier::parse("CI"), None);
        assert_eq!(Tier::parse("ci"), Some(Tier::Ci));
    }
}
