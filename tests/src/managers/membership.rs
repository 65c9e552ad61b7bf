//! A stand-in for the core: who lives, by silence alone, in the events that the core tells.

use shared::event::{
    Cause, ConfiguredNode, Event, EventSource, Kind, NodeKind, NodeStatus, Role, Started,
    StatusReason, Unverified,
};
use shared::names::{Generation, NodeName, Uuid};
use shared::time::{Moment, Now};

use super::{BEAT, DEADTIME};

/// What one node believes of the other.
pub struct Membership {
    own: NodeName,
    peer: NodeName,
    source: EventSource,
    generation: Generation,
    /// What the other node is.
    pub status: NodeStatus,
    heard_at: Moment,
    /// The generation it was last heard in.
    peer_generation: Option<Generation>,
    communication_up: bool,
    declared: bool,
    unauthenticated: bool,
    left: bool,
    /// The other node was heard.
    pub heard: bool,
}

impl Membership {
    pub(super) fn new(own: NodeName, peer: NodeName, generation: Generation, now: Moment) -> Self {
        Self {
            source: EventSource::new(own.clone(), Role::Core, generation),
            own,
            peer,
            generation,
            status: NodeStatus::Init,
            heard_at: now,
            peer_generation: None,
            communication_up: false,
            declared: false,
            unauthenticated: false,
            left: false,
            heard: false,
        }
    }

    /// The first event of a core.
    pub(super) fn started(&mut self, quick_restart: bool, now: Now) -> Event {
        let nodes = [&self.own, &self.peer].map(|name| ConfiguredNode {
            name: name.clone(),
            kind: NodeKind::Normal,
        });
        let nodes = nodes.into_iter();
        let started = Started {
            version: "0".into(),
            node: self.own.clone(),
            uuid: Uuid([0; 16]),
            generation: self.generation,
            quick_restart,
            nodes: nodes.collect(),
            media: Vec::new(),
            keepalive: BEAT,
            warntime: DEADTIME,
            deadtime: DEADTIME,
            initdead: DEADTIME,
        };
        self.event(Kind::Started(Box::new(started)), now)
    }

    pub(super) fn event(&mut self, kind: Kind, now: Now) -> Event {
        self.source.event(kind, None::<Cause>, now)
    }

    /// Another core goes on with what this one knows.
    pub(super) fn replace(&mut self, generation: Generation, now: Now) -> Vec<Event> {
        self.generation = generation;
        self.source = EventSource::new(self.own.clone(), Role::Core, generation);
        let mut events = vec![self.started(true, now)];
        if self.status != NodeStatus::Init {
            let status = self.status;
            events.push(self.turn(status, StatusReason::Remembered, now));
        }
        if self.communication_up {
            events.push(self.event(Kind::CommunicationUp, now));
        }
        if self.unauthenticated {
            events.push(self.unauthenticated(now));
        }
        events
    }

    /// A beat of the other node, or none. `declared`: it counts this node as dead.
    pub(super) fn beat(
        &mut self,
        heard: bool,
        declared: bool,
        generation: Generation,
        now: Now,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        if heard {
            self.heard_at = now.boot;
            let restarted = self.peer_generation.replace(generation) != Some(generation);
            let is_back = self.status == NodeStatus::Dead && restarted;
            if !std::mem::replace(&mut self.heard, true) || is_back {
                events.push(self.first_heard(generation, now));
            }
            if !self.status.is_alive() {
                if self.status == NodeStatus::Dead && !restarted {
                    let kind = Kind::PartitionHealed {
                        node: self.peer.clone(),
                        silent: DEADTIME,
                        stood_still: false,
                    };
                    events.push(self.event(kind, now));
                }
                events.push(self.turn(NodeStatus::Active, StatusReason::Announced, now));
            } else if restarted {
                let kind = Kind::NodeRestarted {
                    node: self.peer.clone(),
                    from: Generation(generation.0 - 1),
                    to: generation,
                };
                events.push(self.event(kind, now));
            }
            if declared && !self.declared {
                let node = self.peer.clone();
                events.push(self.event(Kind::DeclaredDead { node }, now));
            }
            self.declared = declared;
        } else if self.status != NodeStatus::Dead && now.boot.since(self.heard_at) > DEADTIME {
            let reason = StatusReason::Silent {
                silent: now.boot.since(self.heard_at),
                deadtime: DEADTIME,
            };
            events.push(self.turn(NodeStatus::Dead, reason, now));
        }
        if !self.communication_up && self.status != NodeStatus::Init {
            self.communication_up = true;
            events.push(self.event(Kind::CommunicationUp, now));
        }
        events
    }

    /// The other node left in order, in that life.
    pub(super) fn left(&mut self, life: Generation, now: Now) -> Vec<Event> {
        let is_old = self.peer_generation.is_some_and(|known| known > life);
        if !self.status.is_alive() || is_old {
            return Vec::new();
        }
        self.peer_generation = None;
        vec![self.turn(NodeStatus::Dead, StatusReason::Left, now)]
    }

    fn first_heard(&mut self, generation: Generation, now: Now) -> Event {
        let kind = Kind::NodeHeard {
            node: self.peer.clone(),
            uuid: Some(Uuid([1; 16])),
            generation,
            program: "0".into(),
        };
        self.event(kind, now)
    }

    /// The other node is dead, having left in order.
    pub(super) fn has_left(&self) -> bool {
        self.left
    }

    pub(super) fn toggle_unauthenticated(&mut self, now: Now) -> Event {
        self.unauthenticated = !self.unauthenticated;
        match self.unauthenticated {
            true => self.unauthenticated(now),
            false => {
                let node = self.peer.clone();
                self.event(Kind::AuthenticatedAgain { node }, now)
            }
        }
    }

    pub(super) fn doubt_again(&mut self, now: Now) -> Option<Event> {
        self.unauthenticated.then(|| self.unauthenticated(now))
    }

    fn unauthenticated(&mut self, now: Now) -> Event {
        // Should it have left, it is back.
        self.left = false;
        let kind = Kind::Unauthenticated {
            node: self.peer.clone(),
            reason: Unverified::Mismatch { key: 1 },
        };
        self.event(kind, now)
    }

    /// The other node may live, although it counts as dead.
    pub(super) fn is_in_doubt(&self) -> bool {
        self.unauthenticated && !self.left
    }

    pub(super) fn is_unauthenticated(&self) -> bool {
        self.unauthenticated
    }

    fn turn(&mut self, to: NodeStatus, reason: StatusReason, now: Now) -> Event {
        // A core that is replaced knows whether a dead node left.
        let reason_is_left = match reason {
            StatusReason::Left => true,
            StatusReason::Remembered => self.left,
            _ => false,
        };
        let kind = Kind::NodeStatus {
            node: self.peer.clone(),
            from: self.status,
            to,
            reason,
        };
        self.left = reason_is_left;
        self.status = to;
        self.event(kind, now)
    }
}
