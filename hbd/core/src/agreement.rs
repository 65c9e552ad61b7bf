//! Whether the nodes are configured alike: what this node tells of its configuration, and what
//! differs from what others tell.
//!
//! The digest ([`crate::wire::config_digest`]) travels in a beat: in the first [`BEATS_AFTER`] after
//! anything that makes it news, and once every [`EVERY`]; over slow media in the first
//! [`SLOW_BEATS_AFTER`] of those beats that carry more than the others. Nothing of it goes out while
//! a living node does not read it.

use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use shared::event::{ConfigDifference, Kind};
use shared::time::{Moment, Now};

use crate::deadline::PeerIndex;
use crate::machine::Core;
use crate::mutant::planted;
use crate::wire::config_digest::{ConfigDigest, Entry};
use crate::wire::level::Level;
use crate::wire::{Message, fields};

/// So many beats carry what is new, since some are lost.
const BEATS_AFTER: u32 = 10;
/// The same for slow media.
const SLOW_BEATS_AFTER: u32 = 3;
/// What everybody knows is told again so often.
const EVERY: Duration = Duration::from_secs(60);

/// When the own digest is told next.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Announcement {
    left: u32,
    left_slow: u32,
    told: Moment,
    told_slow: Moment,
}

/// The field for the next beat.
#[derive(Default)]
pub(crate) struct ConfigToTell {
    pub(crate) fast: Option<String>,
    pub(crate) slow: Option<String>,
}

impl Core {
    /// What this node's configuration amounts to.
    pub(crate) fn own_digest(&self) -> ConfigDigest {
        ConfigDigest::new(&self.settings.files, &self.keys)
    }

    /// The own digest is news: it changed, or somebody begins to listen.
    pub(crate) fn announce_config(&mut self) {
        self.announcement.left = BEATS_AFTER;
        self.announcement.left_slow = SLOW_BEATS_AFTER;
    }

    /// The field for the next beat, if it is to carry one; over slow media only if it carries more
    /// than others there.
    pub(crate) fn config_to_tell(&mut self, slowly: bool, now: Now) -> ConfigToTell {
        let reads = |level: Option<Level>| level.is_some_and(|l| l.has(Level::FEATURE_CONFIG));
        let alone = self.live_others().next().is_none();
        if alone || !self.live_others().all(|(_, peer)| reads(peer.level())) {
            return ConfigToTell::default();
        }
        let due = |left: &mut u32, told: &mut Moment| {
            let due = *left > 0 || now.boot.since(*told) >= EVERY;
            if due {
                *left = left.saturating_sub(1);
                *told = now.boot;
            }
            due
        };
        let telling = &mut self.announcement;
        let fast = due(&mut telling.left, &mut telling.told);
        let slow = slowly && due(&mut telling.left_slow, &mut telling.told_slow);
        // It costs digests of keys and files, and most beats carry none.
        let field = (fast || slow).then(|| self.own_digest().to_field());
        ConfigToTell {
            fast: field.clone().filter(|_| fast),
            slow: field.filter(|_| slow),
        }
    }

    /// Other lines of the files must be the same on all nodes from here on.
    pub(crate) fn change_files(
        &mut self,
        files: alloc::collections::BTreeMap<String, String>,
        now: Now,
    ) {
        if files != self.settings.files {
            self.settings.files = files;
            self.compare_configs(now);
        }
    }

    /// The own configuration is another one: everybody is told, and compared anew.
    pub(crate) fn compare_configs(&mut self, now: Now) {
        self.announce_config();
        for index in (0..).map(PeerIndex).take(self.peers.len()) {
            self.compare_config(index, now);
        }
    }

    /// A beat of the peer, which may tell of its configuration. A peer that comes back without
    /// reading the field, as a Heartbeat, has told nothing.
    pub(crate) fn read_config(&mut self, index: PeerIndex, message: &Message, now: Now) {
        let told = message.text(fields::CONFIG).and_then(ConfigDigest::parse);
        let reads = message
            .text(fields::HBD)
            .and_then(Level::parse)
            .is_some_and(|level| level.has(Level::FEATURE_CONFIG));
        let heard = match told {
            Some(told) if !planted!(self, ConfigUnread) => Some(told),
            Some(_) => return,
            None if reads => return,
            None => None,
        };
        let peer = self.peer_mut(index);
        if peer.config != heard {
            peer.config = heard;
            self.compare_config(index, now);
        }
    }

    fn compare_config(&mut self, index: PeerIndex, now: Now) {
        let own = self.own_digest();
        let peer = self.peer_mut(index);
        let differences: Vec<ConfigDifference> = match &peer.config {
            Some(theirs) => own.differences(theirs).map(difference).collect(),
            None => Vec::new(),
        };
        if differences == peer.config_differs {
            return;
        }
        peer.config_differs.clone_from(&differences);
        let node = peer.name.clone();
        let kind = match differences.is_empty() {
            true => Kind::ConfigAgrees { node },
            false => Kind::ConfigDiffers { node, differences },
        };
        self.event(kind, None, now);
    }
}

fn difference(entry: Entry<'_>) -> ConfigDifference {
    match entry {
        Entry::File(file) => ConfigDifference::File { file: file.into() },
        Entry::PingNodes { here, there } => ConfigDifference::PingNodes { here, there },
        Entry::Key(key) => ConfigDifference::Key { key },
        Entry::KeyOnlyHere(key) => ConfigDifference::KeyOnlyHere { key },
        Entry::KeyOnlyThere(key) => ConfigDifference::KeyOnlyThere { key },
    }
}
