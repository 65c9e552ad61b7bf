//! The field `hbd`: what a peer that runs hbd can do, `LEVEL.FEATURES`.
//!
//! The level, in decimal, grows when the protocol of hbd changes in a way all nodes must know; the
//! features, in hexadecimal, are bits. A peer without the field is a Heartbeat.

use alloc::format;
use alloc::string::String;

use super::number::{parse_decimal, parse_hex};
use serde::{Deserialize, Serialize};

/// Level and features of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Level {
    /// Grows with the protocol.
    pub level: u32,
    /// Bits, one for each addition that a node understands. Unknown bits are kept.
    pub features: u64,
}

impl Level {
    /// Feature: reads `hbdheard` in the status of others.
    pub const FEATURE_HEARD: u64 = 1;

    /// Feature: reads `NS_hbdsess`, sessions between clients.
    pub const FEATURE_SESSIONS: u64 = 2;

    /// Feature: reads `hbdconf` in the status of others.
    pub const FEATURE_CONFIG: u64 = 4;

    /// Feature: reads own fields in what managers say.
    pub const FEATURE_MANAGERS: u64 = 8;

    /// What this program speaks.
    pub const OURS: Self = Self {
        level: 1,
        features: Self::FEATURE_HEARD
            | Self::FEATURE_SESSIONS
            | Self::FEATURE_CONFIG
            | Self::FEATURE_MANAGERS,
    };

    /// Reads `1.1`. None for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (level, features) = text.split_once('.')?;
        Some(Self {
            level: u32::try_from(parse_decimal(level.as_bytes())?).ok()?,
            features: parse_hex(features.as_bytes())?,
        })
    }

    /// Whether all the bits of `feature` are set.
    pub fn has(self, feature: u64) -> bool {
        self.features & feature == feature
    }

    /// The text of the field.
    pub fn to_field(self) -> String {
        format!("{}.{:x}", self.level, self.features)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_survives_its_text() {
        for level in [
            Level::OURS,
            Level::default(),
            Level {
                level: 12,
                features: 0xff0,
            },
        ] {
            assert_eq!(Level::parse(&level.to_field()), Some(level));
        }
        assert_eq!(
            Level {
                level: 12,
                features: 0xff0
            }
            .to_field(),
            "12.ff0"
        );
    }

    #[test]
    fn anything_else_is_no_level() {
        for text in ["", "1", "1.", ".1", "1.1.1", "-1.0", "4294967296.0", "1.g"] {
            assert_eq!(Level::parse(text), None, "{text:?}");
        }
    }
}
