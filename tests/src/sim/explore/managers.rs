//! Managers on the nodes of a cluster, which speak to each other while everything goes wrong.
//!
//! They decide nothing: what they say is a number that nobody else says. They have dice of their
//! own, so that what goes wrong in a seed does not depend on them.

use std::collections::BTreeMap;
use std::time::Duration;

use hbd_core::wire::{fields, types};
use hbd_core::{Command, Said};
use shared::time::Moment;

use super::cluster::Cluster;
use super::rules::Rules;
use crate::sim::NodeIndex;
use crate::sim::random::Random;

/// Most messages that a manager says at once.
const AT_ONCE_MAX: u64 = 5;

/// The managers of a run.
pub struct Managers {
    random: Random,
    gap: Duration,
    next: Moment,
    said: u64,
}

/// So many times more rarely they speak over a slow line alone.
const SLOWLY: u32 = 4;

impl Managers {
    /// Managers that speak as often as the seed wants, and more rarely over a slow line alone.
    #[must_use]
    pub fn new(seed: u64, cluster: &Cluster) -> Self {
        let mut random = Random::new(seed ^ 0x5A1D);
        let gap = Duration::from_secs(*random.pick(&[1, 4, 20]));
        Self {
            gap: match cluster.slow_rate() {
                Some(_) => gap * SLOWLY,
                None => gap,
            },
            next: Moment(0) + Duration::from_secs(10),
            random,
            said: 0,
        }
    }

    /// When something is to be said.
    #[must_use]
    pub fn next(&self) -> Moment {
        self.next
    }

    /// Says what is due.
    pub fn due(&mut self, cluster: &mut Cluster, rules: &mut Rules) {
        let now = cluster.world.now();
        if self.next > now {
            return;
        }
        self.next = now + self.random.span(Duration::from_millis(20), self.gap);
        let nodes: Vec<NodeIndex> = cluster.world.nodes().collect();
        let node = *self.random.pick(&nodes);
        let times = match self.random.below(8) {
            0 => self.random.between(1, AT_ONCE_MAX),
            _ => 1,
        };
        for _ in 0..times {
            self.say(node, cluster, rules);
        }
    }

    fn say(&mut self, node: NodeIndex, cluster: &mut Cluster, rules: &mut Rules) {
        if !cluster.world.machine(node).runs() {
            return;
        }
        self.said += 1;
        let mut words = BTreeMap::from([(fields::INFO.to_owned(), self.said.to_string())]);
        if self.random.below(2) == 0 {
            words.insert(fields::CLAIMS.to_owned(), "{}".to_owned());
        }
        let said = Said {
            message_type: types::RESOURCE.to_owned(),
            fields: words,
        };
        rules.manager_says(&cluster.world, node, &said);
        cluster.world.command(node, Command::Say(said));
    }
}
