//! What a seed chooses once, and how often things go wrong.

use std::collections::BTreeSet;
use std::time::Duration;

use hbd_manager::{Fencing, Group, Monitor, Startup};
use shared::group::GroupName;

use super::names;
use crate::sim::random::{Chance, Random};

/// How many ping nodes there are.
pub const PINGS: usize = 2;

/// The choices of a seed.
pub struct Dice {
    /// The groups of both nodes.
    pub groups: Vec<Group>,
    /// Whether groups go back.
    pub failback: bool,
    /// What is done at start.
    pub startup: Startup,
    /// How a node makes sure that the other is off, but for the delay.
    fencing: Fencing,
    /// The node that is fenced later than the other, and how much.
    favoured: (usize, Duration),
    /// Who holds a group that does not stop is fenced.
    pub fence_blocked: bool,
    /// It fences itself.
    pub fences_itself: bool,
    /// How many ping nodes the nodes compare.
    pub ping_nodes: usize,
    /// Nodes whose devices do not work.
    no_fence: [bool; 2],
    /// Longest that a message is under way.
    slow: Duration,
    /// Longest that an action takes.
    pub action: Duration,
    /// Longest pause between two faults.
    pause: Duration,
    /// Groups whose start fails on a node.
    no_start: BTreeSet<(GroupName, usize)>,
    /// Groups whose stop fails on a node.
    no_stop: BTreeSet<(GroupName, usize)>,
}

/// What of a group does not work on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Broken {
    /// Starts fail.
    pub start: bool,
    /// Stops fail.
    pub stop: bool,
}

impl Dice {
    /// Throws them.
    pub fn new(random: &mut Random) -> Self {
        let count = random.between(1, 3);
        let groups = (0..count).map(|number| {
            let name = format!("Dummy::{number}");
            Group {
                name: GroupName::new(&name).unwrap_or_else(|error| unreachable!("{error}")),
                preferred: names()[random.place(2)].clone(),
                resources: (0..random.between(1, 3))
                    .map(|place| format!("{name}::{place}"))
                    .collect(),
                monitor: Some(Monitor {
                    interval: Duration::from_millis(random.between(500, 5000)),
                    failures: u32::try_from(random.between(1, 2)).unwrap_or(1),
                    restarts: u32::try_from(random.between(0, 2)).unwrap_or(0),
                }),
            }
        });
        let groups: Vec<Group> = groups.collect();
        let millis = Duration::from_millis;
        Self {
            groups,
            failback: random.happens(Chance::percent(50)),
            startup: match random.happens(Chance::percent(70)) {
                true => Startup::Alone,
                false => Startup::WaitForPeer,
            },
            fencing: Fencing {
                devices: (0..random.below(4).saturating_sub(1))
                    .map(|number| format!("device {number}"))
                    .collect(),
                startup: random.happens(Chance::percent(70)),
                ..Fencing::default()
            },
            favoured: (random.place(2), millis(random.below(3000))),
            fence_blocked: random.happens(Chance::percent(33)),
            fences_itself: random.happens(Chance::percent(33)),
            ping_nodes: *random.pick(&[0, PINGS]),
            no_fence: [false; 2],
            slow: *random.pick(&[millis(1), millis(20), millis(300)]),
            action: *random.pick(&[millis(1), millis(100), millis(3000)]),
            pause: *random.pick(&[millis(300), millis(3000), millis(12_000)]),
            no_start: BTreeSet::new(),
            no_stop: BTreeSet::new(),
        }
    }

    pub(super) fn pause(&self, random: &mut Random) -> Duration {
        random.span(Duration::from_millis(1), self.pause)
    }

    pub(super) fn delay(&self, random: &mut Random) -> Duration {
        random.span(Duration::from_micros(50), self.slow)
    }

    pub(super) fn any_group(&self, random: &mut Random) -> GroupName {
        random.pick(&self.groups).name.clone()
    }

    pub(super) fn broken(&self, group: &GroupName, place: usize) -> Broken {
        let key = (group.clone(), place);
        Broken {
            start: self.no_start.contains(&key),
            stop: self.no_stop.contains(&key),
        }
    }

    /// Breaks or mends the start or, less often, the stop of a group on a node.
    pub(super) fn toggle(&mut self, group: &GroupName, place: usize, random: &mut Random) {
        let set = match random.happens(Chance::percent(25)) {
            true => &mut self.no_stop,
            false => &mut self.no_start,
        };
        let key = (group.clone(), place);
        if !set.remove(&key) {
            set.insert(key);
        }
    }

    /// How the node of this place makes sure that the other is off.
    #[must_use]
    pub fn fencing(&self, place: usize) -> Fencing {
        let (favoured, delay) = self.favoured;
        Fencing {
            delay: match favoured == place {
                true => Duration::ZERO,
                false => delay,
            },
            ..self.fencing.clone()
        }
    }

    /// The devices of the node work.
    #[must_use]
    pub fn can_fence(&self, place: usize) -> bool {
        !self.no_fence[place]
    }

    /// Breaks or mends the devices of a node.
    pub(super) fn toggle_fence(&mut self, place: usize) {
        self.no_fence[place] = !self.no_fence[place];
    }

    pub(super) fn mend(&mut self) {
        self.no_fence = [false; 2];
        self.no_start.clear();
        self.no_stop.clear();
    }
}
