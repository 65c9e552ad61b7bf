//! A cluster far larger than any that is configured: shows that nothing in the core breaks or goes wild with the
//! number of nodes, and what a node more costs.
//!
//! Everybody boots within a keepalive, one node loses power, and comes back. Nobody may complain meanwhile that it is
//! not heard, or that others do not keep up. What each node holds of each other is kept as one bit, since a thousand
//! views of a thousand nodes would be most of what is measured.

use std::time::Duration;

use hbd_core::{KeySpec, MediumForm, MediumSettings, Settings};
use shared::event::{ConfiguredNode, Event, Kind, NodeKind, NodeStatus};
use shared::names::{Generation, KeyIndex, MediumName, NodeName, Uuid};
use shared::time::Moment;

use super::{Machine, NodeIndex, Notice, Quality, Segment, World};

const KEEPALIVE: Duration = Duration::from_secs(5);
const DEADTIME: Duration = Duration::from_secs(20);
const INITDEAD: Duration = Duration::from_secs(40);
/// Longest time from one state in which all agree to the next.
const AGREEMENT: Duration = Duration::from_secs(120);
const LATENCY: Duration = Duration::from_millis(1);

/// How the story went.
#[derive(Clone, Copy, Debug)]
pub struct Story {
    /// From the start of all daemons until every node held every node for active.
    pub booted: Duration,
    /// From the loss of one until every other node held it for dead.
    pub lost: Duration,
    /// From its return until every node held every node for active again.
    pub healed: Duration,
    /// Virtual time that the story took.
    pub span: Duration,
    /// Packets that reached a node.
    pub packets: u64,
}

/// Plays the story with that many nodes.
///
/// # Errors
/// What went wrong: a status that nothing explains, or no agreement in time.
pub fn play(nodes: usize) -> Result<Story, String> {
    let mut crowd = Crowd::new(nodes);
    let booted = crowd.boot()?;
    let Some(victim) = crowd.world.nodes().last() else {
        return Err("a cluster has nodes".into());
    };

    let since = crowd.world.now();
    crowd.world.kill(victim);
    crowd.forget(victim);
    crowd.dying = Some(victim);
    let lost = crowd.agree("after the loss of one", since)?;

    let since = crowd.world.now();
    crowd.dying = None;
    crowd.world.start(victim)?;
    let healed = crowd.agree("after its return", since)?;
    Ok(Story {
        booted,
        lost,
        healed,
        span: crowd.world.now().since(Moment(0)),
        packets: crowd.packets,
    })
}

struct Crowd {
    world: World,
    names: Vec<NodeName>,
    /// By observer, then by observed: whether it is held for active.
    active: Vec<Vec<bool>>,
    /// How many of them are true.
    count: usize,
    /// The node that may be declared dead.
    dying: Option<NodeIndex>,
    packets: u64,
    notices: Vec<Notice>,
}

impl Crowd {
    fn new(nodes: usize) -> Self {
        let names: Vec<NodeName> = (0..nodes).map(name).collect();
        let mut world = World::new(1);
        let all: Vec<NodeIndex> = (0..nodes).map(NodeIndex).collect();
        let quality = Quality {
            latency: LATENCY,
            jitter: LATENCY,
            ..Quality::default()
        };
        let eth = MediumName::new("eth0").expect("a name");
        let segment = Segment::new(eth, MediumForm::Datagram, &all, &quality);
        let segment = world.add_segment(segment);
        for (place, name) in names.iter().enumerate() {
            let settings = settings(name, place, &names);
            world.add_machine(Machine::new(settings, Generation(0)), vec![segment]);
        }
        Self {
            world,
            active: vec![vec![false; nodes]; nodes],
            names,
            count: 0,
            dying: None,
            packets: 0,
            notices: Vec::new(),
        }
    }

    /// Starts everybody within a keepalive, and waits until all agree.
    fn boot(&mut self) -> Result<Duration, String> {
        let nodes = u32::try_from(self.names.len()).unwrap_or(1);
        for node in self.world.nodes() {
            self.world.start(node)?;
            self.run_to(self.world.now() + KEEPALIVE / nodes)?;
        }
        self.agree("after boot", Moment(0))
    }

    /// Runs until every living node holds exactly the living ones for active. The time since `since`.
    fn agree(&mut self, when: &str, since: Moment) -> Result<Duration, String> {
        let living = self.names.len() - usize::from(self.dying.is_some());
        let end = self.world.now() + AGREEMENT;
        while self.count != living * living {
            if !self.step(end)? {
                let held = self.count;
                return Err(format!(
                    "{when} {held} of {} views are right",
                    living * living
                ));
            }
        }
        Ok(self.world.now().since(since))
    }

    fn run_to(&mut self, end: Moment) -> Result<(), String> {
        while self.step(end)? {}
        Ok(())
    }

    fn step(&mut self, end: Moment) -> Result<bool, String> {
        let more = self.world.step(end);
        let mut notices = std::mem::take(&mut self.notices);
        self.world.take_notices(&mut notices);
        for notice in &notices {
            match notice {
                Notice::Event { node, event, .. } => self.note(*node, event)?,
                Notice::Arrived { kept: true, .. } => self.packets += 1,
                Notice::Arrived { node, .. } if self.world.machine(*node).runs() => {
                    return Err(format!("the socket of {} is full", self.names[node.0]));
                }
                Notice::Spins { node, deadline } => {
                    return Err(format!(
                        "{}: due for ever: {deadline:?}",
                        self.names[node.0]
                    ));
                }
                _ => {}
            }
        }
        self.notices = notices;
        Ok(more)
    }

    fn note(&mut self, observer: NodeIndex, event: &Event) -> Result<(), String> {
        let (node, to) = match &event.kind {
            Kind::NodeStatus { node, to, .. } => (node, to),
            Kind::NotHeard { .. } | Kind::LinkOneWay { .. } | Kind::WindowFilling { .. } => {
                return Err(format!("{} says: {}", self.names[observer.0], event.text));
            }
            _ => return Ok(()),
        };
        let Ok(observed) = self.names.binary_search(node) else {
            return Err(format!("unknown node in: {}", event.text));
        };
        if *to == NodeStatus::Dead && self.dying != Some(NodeIndex(observed)) {
            return Err(format!("{} says: {}", self.names[observer.0], event.text));
        }
        let now = *to == NodeStatus::Active;
        let before = std::mem::replace(&mut self.active[observer.0][observed], now);
        self.count = self.count + usize::from(now) - usize::from(before);
        Ok(())
    }

    /// What a node believed is gone with it.
    fn forget(&mut self, node: NodeIndex) {
        for active in &mut self.active[node.0] {
            self.count -= usize::from(std::mem::take(active));
        }
    }
}

/// Names sort as their numbers do.
fn name(place: usize) -> NodeName {
    NodeName::new(&format!("n{place:04}")).expect("a name")
}

fn settings(node: &NodeName, place: usize, names: &[NodeName]) -> Settings {
    let nodes = names.iter().map(|name| ConfiguredNode {
        name: name.clone(),
        kind: NodeKind::Normal,
    });
    Settings {
        version: "0".into(),
        node: node.clone(),
        uuid: Uuid((place as u128 + 1).to_be_bytes()),
        nodes: nodes.collect(),
        media: vec![MediumSettings {
            name: MediumName::new("eth0").expect("a name"),
            description: "eth0".into(),
            form: MediumForm::Datagram,
            rate: None,
        }],
        keepalive: KEEPALIVE,
        warntime: DEADTIME / 2,
        deadtime: DEADTIME,
        initdead: INITDEAD,
        deadping: DEADTIME,
        link_up_delay: Duration::ZERO,
        link_down_delay: Duration::ZERO,
        max_rexmit_delay: Duration::from_millis(250),
        unauth_hold: DEADTIME * 3,
        hopfudge: 1,
        files: Default::default(),
        active_key: KeyIndex(1),
        keys: vec![KeySpec {
            index: KeyIndex(1),
            method: "sha1".into(),
            secret: "secret".into(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_crowd_boots_loses_one_and_heals() {
        holds(8);
    }

    /// So many that a beat cannot list all who are heard.
    #[test]
    fn a_crowd_that_lists_in_turn_boots_loses_one_and_heals() {
        holds(110);
    }

    #[test]
    fn whoever_is_not_heard_learns_it_where_lists_go_in_turn() {
        let (deaf, unheard) = (NodeIndex(60), NodeIndex(3));
        let mut crowd = Crowd::new(110);
        crowd.boot().unwrap();
        crowd.dying = Some(unheard);
        let cut = |from, to| (from, to) == (unheard, deaf);
        crowd.world.segments_mut()[0].change(cut, |path| path.cut = true);
        let end = crowd.world.now() + DEADTIME + 4 * KEEPALIVE;
        let complaint = crowd.run_to(end).unwrap_err();
        assert!(
            complaint.starts_with("n0003 says: link n0060/eth0 is one-way"),
            "{complaint}"
        );
    }

    fn holds(nodes: usize) {
        let story = play(nodes).unwrap();
        assert!(story.booted < INITDEAD);
        assert!(story.lost >= DEADTIME - KEEPALIVE);
        assert!(story.lost <= DEADTIME + KEEPALIVE);
        assert!(story.healed <= 3 * KEEPALIVE);
    }
}
